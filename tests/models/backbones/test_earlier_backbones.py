"""What was trained on the backbones of earlier versions keeps loading: their fingerprints are known."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from stubs import TinyBackbone, tiny_config

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.models.backbones.earlier_backbones import (
    EARLIER_TOWERS,
    HALF_PRECISION,
    current_fingerprint,
    earlier_weights,
    is_comparable,
)
from vlp_rvos.models.backbones.mini import MiniBackbone, load_mini
from vlp_rvos.models.backbones.shipped_weights import MINI_TOWER, MINI_TOWER_WIDE
from vlp_rvos.models.checkpoint import backbone_fingerprint, load_model, load_trained, peek, save_trained
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.train_config import ModelChoice, load_config
from vlp_rvos.training.trainer import Trainer

NARROW, WIDE, TUNED = HALF_PRECISION
CONFIG = tiny_config(motion=True)


def save_as_format_1(path: Path, model: VLPRVOS, fingerprint: str, **options: object) -> None:
    """A checkpoint as the first version wrote it, with the fingerprint that the backbone had then."""
    save_trained(path, model, {}, **options)  # type: ignore[arg-type]
    with safe_open(path, "pt") as file:
        header = file.metadata()
    save_file(load_file(path), path, header | {"format_version": "1", "backbone_fingerprint": fingerprint})


def mini_model(tower: Path = MINI_TOWER, **changes: object) -> VLPRVOS:
    return VLPRVOS(load_mini(tower), CONFIG.replace(**changes))


@pytest.fixture(scope="module")
def own_tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vision tower that no version shipped."""
    path = tmp_path_factory.mktemp("tower") / "own.safetensors"
    load_mini(aligned=False).save_aligned(path)
    return path


@pytest.mark.parametrize(("then", "tower", "tuned"), [(NARROW, MINI_TOWER, False), (WIDE, MINI_TOWER_WIDE, False)])
def test_each_fingerprint_is_that_of_its_backbone(then: str, tower: Path, tuned: bool) -> None:
    assert backbone_fingerprint(load_mini(tower)) == current_fingerprint(then) != then


def test_a_tuned_backbone_has_its_own_fingerprint() -> None:
    for tower in (MINI_TOWER, MINI_TOWER_WIDE):
        assert backbone_fingerprint(mini_model(tower, tune_backbone=True).backbone) == current_fingerprint(TUNED)


def test_unknown_fingerprints_stay_as_they_are() -> None:
    assert current_fingerprint("0" * 64) == "0" * 64
    assert earlier_weights("mini", "0" * 64) is None
    assert earlier_weights("mini", current_fingerprint(WIDE)) == MINI_TOWER_WIDE
    assert earlier_weights("clip-b16", current_fingerprint(WIDE)) is None


def test_the_shipped_model_loads_without_a_warning() -> None:
    assert peek("mini").backbone_fingerprint == current_fingerprint(NARROW)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_model("mini")


@pytest.mark.parametrize(("then", "tower"), [(NARROW, MINI_TOWER), (WIDE, MINI_TOWER_WIDE)])
def test_checkpoints_of_the_first_version_load_without_a_warning(tmp_path: Path, then: str, tower: Path) -> None:
    path = tmp_path / "earlier.safetensors"
    model = mini_model(tower)
    save_as_format_1(path, model, then)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = load_model(path)
        load_trained(model, path)
    assert isinstance(found.backbone, MiniBackbone)
    assert found.backbone.config == load_mini(tower).config
    for name, value in model.trained_state_dict().items():
        assert torch.equal(found.trained_state_dict()[name], value)
    # Saved again, it states the fingerprint of today.
    save_trained(tmp_path / "today.safetensors", found, {})
    assert peek(tmp_path / "today.safetensors").format_version == 2
    assert peek(tmp_path / "today.safetensors").backbone_fingerprint == current_fingerprint(then)


def test_the_two_shipped_towers_are_not_taken_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "earlier.safetensors"
    save_as_format_1(path, mini_model(), NARROW)
    with pytest.raises(UserError, match="trained on another 'mini' backbone"):
        load_model(path, backbone_weights=MINI_TOWER_WIDE)


def test_a_tower_of_the_user_s_own_loads_with_a_warning(tmp_path: Path, own_tower: Path) -> None:
    path, unknown = tmp_path / "own.safetensors", "ab" * 32
    model = mini_model(own_tower)
    save_as_format_1(path, model, unknown, backbone_weights=str(own_tower))
    with pytest.warns(VLPRVOSWarning, match=r"own\.safetensors.* cannot be checked"):
        load_model(path)
    with pytest.warns(VLPRVOSWarning, match="cannot be checked"):
        load_trained(model, path)
    with pytest.raises(UserError, match="trained on another 'mini' backbone"):
        load_model(path, backbone_weights=MINI_TOWER)
    save_trained(path, model, {}, backbone_weights=str(own_tower))
    with pytest.raises(UserError, match="trained on another 'mini' backbone"):
        load_model(path, backbone_weights=MINI_TOWER)


def test_other_backbones_are_compared_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_comparable("clip-b16", "a", "b")
    path = tmp_path / "tiny.safetensors"
    save_as_format_1(path, VLPRVOS(TinyBackbone(), CONFIG), "ab" * 32)
    with pytest.raises(UserError, match="trained on another 'tiny' backbone"):
        load_trained(VLPRVOS(TinyBackbone(), CONFIG), path)


@pytest.mark.parametrize("format_1", [True, False])
def test_training_goes_on_with_the_earlier_tower(shared: Path, tmp_path: Path, format_1: bool) -> None:
    path = tmp_path / "earlier.safetensors"
    model = mini_model(MINI_TOWER_WIDE)
    if format_1:
        save_as_format_1(path, model, WIDE)
    else:
        save_trained(path, model, {})
    assert set(EARLIER_TOWERS) == {backbone_fingerprint(model.backbone)}
    without_candidates = dict.fromkeys(("candidates", "refinement", "choice", "agreement"))
    options = {"init_from": str(path), "model": ModelChoice("mini", CONFIG.to_dict()), **without_candidates}
    config = load_config(Path("mini"), [f"data.root={json.dumps(str(shared / 'data'))}"])
    trainer = Trainer(replace(config, **options), tmp_path / "run", device="cpu")
    ours = trainer.model.backbone.vision_blocks[0].fc1.weight
    assert torch.equal(ours, model.backbone.vision_blocks[0].fc1.weight)
