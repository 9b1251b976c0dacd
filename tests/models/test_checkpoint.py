from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from stubs import TinyBackbone
from torch import Tensor

import vlp_rvos.models.checkpoint
from vlp_rvos.errors import UserError, VLPRVOSError, VLPRVOSWarning
from vlp_rvos.models.checkpoint import (
    backbone_fingerprint,
    inherited_overrides,
    load_model,
    load_trained,
    peek,
    save_trained,
    shipped_models,
)
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.utils.atomic import replace_file

TINY = ModelConfig(
    width=32,
    input_size=64,
    language_prompts=2,
    vision_prompts=2,
    temporal_prompts=1,
    prompt_width=16,
    prompt_layers=1,
    prompt_heads=2,
    shallow_layers=(1,),
    str_blocks=1,
    str_heads=2,
    head_width=16,
)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> VLPRVOS:
    monkeypatch.setattr(vlp_rvos.models.checkpoint, "load_backbone", lambda name, weights=None: TinyBackbone())
    return VLPRVOS(TinyBackbone(), TINY).eval()


@pytest.fixture
def saved(model: VLPRVOS, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_trained(path, model, {"steps": 7})
    return path


def rewrite(path: Path, state: dict[str, Tensor] | None = None, **header: str | None) -> None:
    """Change a checkpoint's tensors or header fields; None removes a field."""
    with safe_open(path, "pt") as file:
        changed = file.metadata() | header
    metadata = {name: value for name, value in changed.items() if value is not None}
    save_file(load_file(path) if state is None else state, path, metadata=metadata)


def predict(model: VLPRVOS) -> Tensor:
    frames = torch.rand(1, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits: Tensor = model(frames, model.backbone.tokenize(["the dog"])).mask_logits
    return logits


def test_loaded_model_predicts_the_same(model: VLPRVOS, saved: Path) -> None:
    loaded = load_model(saved)
    assert not loaded.training
    assert loaded.config == TINY
    assert torch.equal(predict(loaded), predict(model))


def test_holds_exactly_what_was_trained(model: VLPRVOS, saved: Path) -> None:
    trained = {name for name, _ in model.named_parameters() if not name.startswith("backbone.")}
    assert load_file(saved).keys() == trained
    frozen = {parameter.data_ptr() for parameter in model.backbone.parameters()}
    assert not frozen & {parameter.data_ptr() for parameter in model.trained_parameters()}


def test_header_says_how_to_build_it(model: VLPRVOS, saved: Path) -> None:
    info = peek(saved)
    assert (info.backbone, info.backbone_fingerprint) == ("tiny", backbone_fingerprint(model.backbone))
    assert ModelConfig.from_dict(info.config) == TINY
    assert info.training == {"steps": 7}
    assert info.backbone_weights is None


def test_source_of_the_backbone_is_kept_and_can_be_replaced(
    model: VLPRVOS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def load(name: str, weights: object = None) -> TinyBackbone:
        asked.append(weights)
        return TinyBackbone()

    monkeypatch.setattr(vlp_rvos.models.checkpoint, "load_backbone", load)
    save_trained(tmp_path / "m.safetensors", model, {}, backbone_weights="some/clip")
    load_model(tmp_path / "m.safetensors")
    load_model(tmp_path / "m.safetensors", backbone_weights="elsewhere")
    assert asked == ["some/clip", "elsewhere"]


def test_half_precision_halves_the_file_and_loads_as_fp32(model: VLPRVOS, saved: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.safetensors"
    save_trained(half, model, {}, half=True)
    assert half.stat().st_size < 0.6 * saved.stat().st_size
    loaded = load_model(half)
    assert {p.dtype for p in loaded.trained_parameters()} == {torch.float32}
    torch.testing.assert_close(predict(loaded), predict(model), atol=0.02, rtol=0.02)


def test_half_precision_refuses_what_it_cannot_hold(model: VLPRVOS, tmp_path: Path) -> None:
    with torch.no_grad():
        next(model.trained_parameters()).fill_(1e6)
    with pytest.raises(VLPRVOSError, match="does not fit half precision"):
        save_trained(tmp_path / "half.safetensors", model, {}, half=True)
    assert not list(tmp_path.iterdir())


def test_another_state_can_be_saved(model: VLPRVOS, tmp_path: Path) -> None:
    zeros = {name: torch.zeros_like(value) for name, value in model.trained_state_dict().items()}
    save_trained(tmp_path / "m.safetensors", model, {}, state=zeros)
    assert all(not value.any() for value in load_file(tmp_path / "m.safetensors").values())
    zeros.popitem()
    with pytest.raises(ValueError, match="keys"):
        save_trained(tmp_path / "m.safetensors", model, {}, state=zeros)


def test_a_failed_save_leaves_the_old_file(model: VLPRVOS, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def fail(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half of it")
        raise OSError("disk full")

    monkeypatch.setattr(vlp_rvos.models.checkpoint, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_trained(saved, model, {"steps": 8})
    assert saved.read_bytes() == before
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]


def test_files_get_the_usual_permissions(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    assert saved.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_unwritable_folder_is_the_user_s_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write into"):
        replace_file(tmp_path / "file" / "model.safetensors", lambda path: path.write_text("x"))


def test_part_switched_off_by_override_leaves_its_parameters(saved: Path) -> None:
    loaded = load_model(saved, {"presence": False, "temporal_capture": False})
    assert loaded.config == TINY.replace(presence=False, temporal_capture=False)
    stored = load_file(saved)
    own = loaded.trained_state_dict()
    assert own.keys() < stored.keys()
    assert all(torch.equal(value, stored[name]) for name, value in own.items())


def test_part_switched_on_by_override_is_missing(model: VLPRVOS, tmp_path: Path) -> None:
    path = tmp_path / "plain.safetensors"
    save_trained(path, VLPRVOS(model.backbone, TINY.replace(presence=False)), {})
    with pytest.raises(UserError, match=r"missing presence_head\.\S+"):
        load_model(path, {"presence": True})


def test_candidates_are_kept_and_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = TinyBackbone(named=True)
    monkeypatch.setattr(vlp_rvos.models.checkpoint, "load_backbone", lambda name, weights=None: backbone)
    model = VLPRVOS(backbone, TINY.replace(candidates=4)).eval()
    assert model.candidate_path is not None
    torch.nn.init.normal_(model.candidate_path.choice.score[-1].weight)
    save_trained(tmp_path / "model.safetensors", model, {})
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.config.candidates == 4
    assert torch.equal(predict(loaded), predict(model))
    dense = VLPRVOS(backbone, TINY).eval()
    dense.load_trained(
        {name: x for name, x in model.trained_state_dict().items() if name in dense.trained_state_dict()}
    )
    without = load_model(tmp_path / "model.safetensors", {"candidates": 0})
    assert without.candidate_path is None
    assert torch.equal(predict(without), predict(dense))
    assert not torch.equal(predict(without), predict(model))
    # The number of candidates is no shape.
    assert load_model(tmp_path / "model.safetensors", {"candidates": 2}).config.candidates == 2


def test_filling_a_model_of_the_same_config(saved: Path, model: VLPRVOS) -> None:
    torch.manual_seed(1)
    other = VLPRVOS(TinyBackbone(), TINY).eval()
    assert load_trained(other, saved).training == {"steps": 7}
    assert torch.equal(predict(other), predict(model))


def test_filling_a_model_with_other_parts(saved: Path, model: VLPRVOS) -> None:
    torch.manual_seed(1)
    other = VLPRVOS(TinyBackbone(), TINY.replace(motion=True, presence=False)).eval()
    with pytest.warns(VLPRVOSWarning) as warned:
        load_trained(other, saved)
    (said,) = [str(warning.message) for warning in warned]
    assert said.startswith(
        "model.safetensors was trained with motion: false, presence: true, and this model has motion: true, "
        "presence: false (motion."
    )
    assert "motion.enter.bias" in said
    assert "keep their initial values; presence_head" in said
    assert said.endswith(
        "are left out); to go on as it was trained, set model.overrides to {motion: false, presence: true}"
    )
    # Motion adds nothing before it is trained.
    assert torch.equal(predict(other), predict(model))


def test_settings_that_change_no_shape_are_named_too(saved: Path) -> None:
    other = VLPRVOS(TinyBackbone(), TINY.replace(capture="plain", min_part=0.3))
    with pytest.warns(VLPRVOSWarning) as warned:
        load_trained(other, saved)
    assert [str(warning.message) for warning in warned] == [
        'model.safetensors was trained with capture: "shared", and this model has capture: "plain"; to go on as it was '
        'trained, set model.overrides to {capture: "shared"}'
    ]


def test_what_further_training_inherits(model: VLPRVOS, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    trained = VLPRVOS(model.backbone, TINY.replace(min_part=0.25, memory_frames=3))
    save_trained(path, trained, {}, inference_overrides={"memory_frames": 5, "attention": "frame"})
    info = peek(path)
    assert inherited_overrides(info, TINY) == {"attention": "frame", "memory_frames": 5, "min_part": 0.25}
    assert inherited_overrides(info, TINY.replace(attention="cube", min_part=0.25)) == {"memory_frames": 5}


def test_filling_a_model_of_another_config_names_the_keys(saved: Path) -> None:
    with pytest.raises(UserError, match=r"of another shape|missing"):
        load_trained(VLPRVOS(TinyBackbone(), TINY.replace(width=64)), saved)


def test_fingerprint_sees_every_weight() -> None:
    one, same, other = TinyBackbone(), TinyBackbone(), TinyBackbone()
    with torch.no_grad():
        other.vision_norm.bias[-1] += 1e-6
    assert backbone_fingerprint(one) == backbone_fingerprint(same)
    assert backbone_fingerprint(one) != backbone_fingerprint(other)


def test_another_backbone_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vlp_rvos.models.checkpoint, "load_backbone", lambda name, weights=None: TinyBackbone(seed=1))
    with pytest.raises(UserError, match="trained on another 'tiny' backbone"):
        load_model(saved)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def drop(path: Path) -> None:
    rewrite(path, dict(list(load_file(path).items())[1:]))


def add(path: Path) -> None:
    rewrite(path, load_file(path) | {"stranger": torch.zeros(1)})


def reshape(path: Path) -> None:
    rewrite(path, {name: value[None].clone() for name, value in load_file(path).items()})


def strange_config(path: Path) -> None:
    rewrite(path, config=json.dumps(TINY.to_dict() | {"wheels": 4}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "not a readable safetensors file"),
        (lambda path: path.write_bytes(b""), "not a readable safetensors file"),
        (lambda path: path.write_text("no tensors here at all"), "not a readable safetensors file"),
        (lambda path: save_file({"x": torch.zeros(1)}, path), "not a checkpoint of this project"),
        (lambda path: rewrite(path, format_version="99"), "checkpoint format 99"),
        (lambda path: rewrite(path, config="{"), "broken checkpoint header"),
        (lambda path: rewrite(path, config="[]"), "'config' must be a mapping"),
        (lambda path: rewrite(path, config="[" * 100_000), "broken checkpoint header"),
        (lambda path: rewrite(path, config="[" * 500 + "]" * 500), "'config' must be a mapping"),
        (lambda path: rewrite(path, training='{"a":' * 100_000), "broken checkpoint header"),
        (lambda path: rewrite(path, config=json.dumps(TINY.to_dict() | {"clip_length": 10**9})), "clip_length must be"),
        (lambda path: rewrite(path, config=json.dumps(TINY.to_dict() | {"mlp_ratio": 10**400})), "mlp_ratio must be"),
        (lambda path: rewrite(path, config='{"mlp_ratio": NaN}'), "mlp_ratio must be"),
        (lambda path: rewrite(path, config='{"width": 4096, "str_blocks": 64}'), "parameters, more than"),
        (lambda path: rewrite(path, inference_overrides="[1]"), "'inference_overrides' must be a mapping"),
        (strange_config, "wheels"),
        (drop, "missing "),
        (add, "unexpected stranger"),
        (reshape, "of another shape "),
        (lambda path: path.unlink(), "no such model file"),
    ],
)
def test_what_cannot_be_loaded_gets_one_line(saved: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(saved)
    with pytest.raises(UserError, match=message) as caught:
        load_model(saved)
    assert "\n" not in str(caught.value)
    assert saved.name in str(caught.value)


def test_unknown_override_is_named(saved: Path) -> None:
    with pytest.raises(UserError, match="wheels"):
        load_model(saved, {"wheels": 4})


def test_unknown_model_lists_the_known() -> None:
    with pytest.raises(UserError, match=r"unknown model.*clip-b16"):
        load_model("clip-b15")


def test_shipped_models_are_the_package_s_checkpoints(
    model: VLPRVOS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights"
    save_trained(weights / "small.safetensors", model, {})
    save_file({"x": torch.zeros(1)}, weights / "tower.safetensors")
    monkeypatch.setattr(vlp_rvos.models.checkpoint.resources, "files", lambda package: tmp_path)
    assert shipped_models() == ["small"]
    assert torch.equal(predict(load_model("small")), predict(model))
    with pytest.raises(UserError, match=r"or one of: small"):
        load_model("tower")
    with pytest.raises(UserError, match="without trained weights"):
        load_model("clip-b16")


def test_what_is_changed_in_use_is_kept_for_training(model: VLPRVOS, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_trained(path, model, {}, inference_overrides={"attention": "frame"})
    assert peek(path).inference_overrides == {"attention": "frame"}
    assert load_model(path).config == TINY.replace(attention="frame")
    assert load_model(path, {"history": False}).config == TINY.replace(attention="frame", history=False)
    as_trained = load_model(path, {"attention": "cube_frame"})
    assert as_trained.config == TINY
    assert torch.equal(predict(as_trained), predict(model))
    load_trained(VLPRVOS(TinyBackbone(), TINY), path)
    rewrite(path, inference_overrides=None, use=json.dumps({"attention": "frame"}))
    assert peek(path).inference_overrides == {"attention": "frame"}, "as files of earlier versions have it"
    assert load_model(path).config == TINY.replace(attention="frame")
    with pytest.raises(UserError, match="attention"):
        save_trained(tmp_path / "other.safetensors", model, {}, inference_overrides={"attention": "none"})
    assert not (tmp_path / "other.safetensors").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensor: torch.full_like(tensor, torch.nan), "holds NaN or infinite numbers"),
        (lambda tensor: tensor.to(torch.int32), "is of type int32"),
        (lambda tensor: tensor.to(torch.complex64), "is of type complex64"),
        (lambda tensor: tensor.to(torch.bool), "is of type bool"),
    ],
)
def test_weights_that_no_training_gives_are_refused(
    model: VLPRVOS, saved: Path, change: Callable[[Tensor], Tensor], words: str
) -> None:
    state = load_file(saved)
    name = sorted(state)[3]
    rewrite(saved, state | {name: change(state[name])})
    for load in (load_model, lambda path: load_trained(model, path)):
        with pytest.raises(UserError, match=f"^{saved}: the tensor {name} {words}"):
            load(saved)


def test_a_file_whose_name_is_not_utf8(saved: Path, model: VLPRVOS) -> None:
    renamed = saved.rename(saved.with_name(os.fsdecode(b"caf\xe9.safetensors")))
    assert torch.equal(predict(load_model(renamed)), predict(model))
    assert peek(renamed).training == {"steps": 7}
