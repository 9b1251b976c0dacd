"""CLIP against the reference outputs, against `transformers`, and against files that do not fit."""

from __future__ import annotations

import json
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.backbone import Backbone
from vlp_rvos.models.backbones.clip import CLIP_PRESETS, ClipBackbone, ClipConfig, load_clip
from vlp_rvos.models.backbones.expression_tokenizer import TextBatch

TINY = ClipConfig(
    image_size=32,
    patch_size=8,
    vision_width=32,
    vision_layers=2,
    vision_heads=2,
    vision_mlp_width=64,
    text_width=16,
    text_layers=2,
    text_heads=2,
    text_mlp_width=32,
    context=20,
    vocab=60,
    shared_width=12,
)


def vision_hidden(backbone: Backbone, images: Tensor) -> list[Tensor]:
    embedded = backbone.embed_frames(images)
    hidden = [embedded.tokens]
    for layer, block in enumerate(backbone.vision_blocks):
        hidden.append(block(hidden[-1], backbone.vision_bias(layer, embedded.grid)))
    return hidden


def text_hidden(backbone: Backbone, text: TextBatch) -> list[Tensor]:
    hidden = [backbone.embed_text(text)]
    for layer, block in enumerate(backbone.text_blocks):
        hidden.append(block(hidden[-1], backbone.text_bias(text.mask, layer)))
    return hidden


def all_real(ids: Tensor) -> TextBatch:
    return TextBatch(ids, torch.ones_like(ids, dtype=torch.bool))


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def transformers_clip(**changes: Any) -> Any:
    """A tiny CLIPModel with random weights; keys such as `vision_num_attention_heads` change its config."""
    from transformers import CLIPConfig, CLIPModel

    vision = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 1}
    text = vision | {"vocab_size": 60, "max_position_embeddings": 20, "eos_token_id": 59, "bos_token_id": 58}
    vision = vision | {"image_size": 32, "patch_size": 8}
    for key, value in changes.items():
        tower, _, name = key.partition("_")
        for section, config in (("vision", vision), ("text", text)):
            if tower in (section, "both"):
                config[name] = value
    model = CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=12)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # Its own initialisation is so small that nothing but the residual would be tested.
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.requires_grad_(False)


def save_hugging_face(model: Any, folder: Path, **options: Any) -> Path:
    model.save_pretrained(folder, **options)
    return folder


# --- reference outputs ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("file", ["clip_tiny_openai.pt", "clip_tiny_openai_jit.pt"])
def test_equals_the_reference_in_every_layer(shared: Path, file: str) -> None:
    backbone = load_clip(shared / "golden" / file, "tiny")
    expected = load_file(shared / "golden" / "clip_tiny_io.safetensors")
    text = all_real(expected["text_ids"])

    vision = vision_hidden(backbone, expected["image"])[1:]
    words = text_hidden(backbone, text)[1:]

    assert (len(vision), len(words)) == (3, 2)
    for layer, hidden in enumerate(vision):
        close(hidden, expected[f"vision_hidden_{layer}"])
    for layer, hidden in enumerate(words):
        close(hidden, expected[f"text_hidden_{layer}"])
    close(backbone.encode_image(expected["image"]), expected["image_features"])
    close(backbone.encode_text(text), expected["text_features"])
    padded = TextBatch(text.ids, text.ids > 0)
    close(backbone.encode_text(padded), expected["text_features"])


# --- transformers -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("heads", "text_heads", "activation"), [(1, 4, "quick_gelu"), (4, 1, "gelu"), (2, 2, "quick_gelu")]
)
@pytest.mark.parametrize("size", [(32, 32), (24, 56), (16, 8), (64, 16)])
def test_vision_equals_transformers_at_any_size(
    tmp_path: Path, heads: int, text_heads: int, activation: str, size: tuple[int, int]
) -> None:
    model = transformers_clip(
        vision_num_attention_heads=heads, text_num_attention_heads=text_heads, both_hidden_act=activation
    )
    backbone = load_clip(save_hugging_face(model, tmp_path), "tiny")
    images = torch.randn(2, 3, *size)

    theirs = model.vision_model(images, interpolate_pos_encoding=size != (32, 32), output_hidden_states=True)

    for ours, hidden in zip(vision_hidden(backbone, images), theirs.hidden_states, strict=True):
        close(ours, hidden)
    close(backbone.encode_image(images), model.visual_projection(theirs.pooler_output))


@pytest.mark.parametrize("end_token", [2, 59])
def test_text_equals_transformers(tmp_path: Path, end_token: int) -> None:
    model = transformers_clip(text_eos_token_id=end_token, text_num_attention_heads=4)
    backbone = load_clip(save_hugging_face(model, tmp_path), "tiny")
    # The largest id (59) is the end; id 2 within the text must not be taken for it.
    ids = torch.tensor([[58, 2, 7, 30, 59, 59, 59], [58, 9, 59, 59, 59, 59, 59], [58, 1, 2, 3, 4, 5, 59]])

    theirs = model.text_model(ids, output_hidden_states=True)

    text = all_real(ids)
    for ours, hidden in zip(text_hidden(backbone, text), theirs.hidden_states, strict=True):
        close(ours, hidden)
    close(backbone.encode_text(text), model.text_projection(theirs.pooler_output))


def test_padding_changes_nothing() -> None:
    backbone = ClipBackbone(TINY, "tiny").freeze()
    ids = torch.tensor([[5, 9, 59]])
    padded = TextBatch(torch.tensor([[5, 9, 59, 0, 0]]), torch.tensor([[True, True, True, False, False]]))
    close(backbone.encode_text(all_real(ids)), backbone.encode_text(padded))


def _as_safetensors(model: Any, folder: Path) -> None:
    save_hugging_face(model, folder)


def _as_shards(model: Any, folder: Path) -> None:
    save_hugging_face(model, folder, max_shard_size="60KB")
    assert (folder / "model.safetensors.index.json").is_file()


def _as_half_pickle(model: Any, folder: Path) -> None:
    model.config.save_pretrained(folder)
    half = {key: value.half() for key, value in model.state_dict().items()}
    torch.save(half | {"text_model.embeddings.position_ids": torch.arange(20)[None]}, folder / "pytorch_model.bin")


@pytest.mark.parametrize("save", [_as_safetensors, _as_shards, _as_half_pickle])
def test_every_hugging_face_form_loads_in_float32(tmp_path: Path, save: Callable[[Any, Path], None]) -> None:
    model = transformers_clip()
    save(model, tmp_path)
    backbone = load_clip(str(tmp_path), "tiny")
    images = torch.randn(1, 3, 32, 32)

    expected = model.visual_projection(model.vision_model(images).pooler_output)

    assert {parameter.dtype for parameter in backbone.parameters()} == {torch.float32}
    tolerance = 2e-2 if save is _as_half_pickle else 1e-5
    torch.testing.assert_close(backbone.encode_image(images), expected, rtol=0, atol=tolerance)


# --- OpenAI's forms ---------------------------------------------------------------------------------------------------
def openai_state(model: Any) -> dict[str, Tensor]:
    """A transformers CLIP (heads of 64, MLPs of four widths) under OpenAI's names."""
    state = dict(model.state_dict())
    result = {
        "visual.conv1.weight": state["vision_model.embeddings.patch_embedding.weight"],
        "visual.class_embedding": state["vision_model.embeddings.class_embedding"],
        "visual.positional_embedding": state["vision_model.embeddings.position_embedding.weight"],
        "visual.proj": state["visual_projection.weight"].T.contiguous(),
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        "text_projection": state["text_projection.weight"].T.contiguous(),
        "logit_scale": torch.tensor(4.6),
        "context_length": torch.tensor(20),
        "vocab_size": torch.tensor(60),
        "input_resolution": torch.tensor(32),
    }
    renamed = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    for kind in ("weight", "bias"):
        result[f"visual.ln_pre.{kind}"] = state[f"vision_model.pre_layrnorm.{kind}"]
        result[f"visual.ln_post.{kind}"] = state[f"vision_model.post_layernorm.{kind}"]
        result[f"ln_final.{kind}"] = state[f"text_model.final_layer_norm.{kind}"]
        for tower, prefix in (("vision", "visual."), ("text", "")):
            for layer in range(2):
                old, new = f"{tower}_model.encoder.layers.{layer}.", f"{prefix}transformer.resblocks.{layer}."
                result[f"{new}attn.in_proj_{kind}"] = torch.cat(
                    [state[f"{old}self_attn.{part}_proj.{kind}"] for part in "qkv"]
                )
                result[f"{new}attn.out_proj.{kind}"] = state[f"{old}self_attn.out_proj.{kind}"]
                for theirs, openai in renamed.items():
                    result[f"{new}{openai}.{kind}"] = state[f"{old}{theirs}.{kind}"]
    return result


class _Tree(nn.Module):
    """Modules and parameters made from dotted names."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        groups: dict[str, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            head, _, rest = key.partition(".")
            if rest:
                groups.setdefault(head, {})[rest] = value
            elif value.is_floating_point():
                self.register_parameter(head, nn.Parameter(value, requires_grad=False))
            else:
                self.register_buffer(head, value)
        for head, group in groups.items():
            self.add_module(head, _Tree(group))

    def forward(self, x: Tensor) -> Tensor:
        return x + 1


def _as_state_dict(state: dict[str, Tensor], path: Path) -> None:
    torch.save(state, path)


def _as_torchscript(state: dict[str, Tensor], path: Path) -> None:
    torch.jit.save(torch.jit.trace(_Tree(state), torch.zeros(1)), path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("save", [_as_state_dict, _as_torchscript])
@pytest.mark.parametrize("half", [False, True])
def test_both_openai_forms_equal_transformers(
    tmp_path: Path, save: Callable[[dict[str, Tensor], Path], None], half: bool
) -> None:
    model = transformers_clip(both_intermediate_size=256, text_eos_token_id=2)
    state = openai_state(model)
    if half:
        state = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
        model = model.half().float()
    path = tmp_path / "clip.pt"
    save(state, path)
    backbone = load_clip(path, "tiny")
    images, ids = torch.randn(2, 3, 32, 32), torch.tensor([[58, 4, 5, 59], [58, 59, 0, 0]])

    close(backbone.encode_image(images), model.visual_projection(model.vision_model(images).pooler_output))
    close(backbone.encode_text(all_real(ids)), model.text_projection(model.text_model(ids).pooler_output))


class _Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("form", ["pickle", "torchscript"])
def test_code_in_a_file_is_never_run(tmp_path: Path, form: str) -> None:
    marker, path = tmp_path / "ran", tmp_path / "evil.pt"
    if form == "pickle":
        torch.save({"visual.proj": _Payload(marker)}, path)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("evil/data.pkl", pickle.dumps(_Payload(marker), protocol=2))
            archive.writestr("evil/constants.pkl", pickle.dumps(()))
    with pytest.raises(UserError, match="cannot read weights"):
        load_clip(path, "tiny")
    assert not marker.exists()


# --- the interface ----------------------------------------------------------------------------------------------------
def test_a_loaded_backbone_is_frozen_and_stays_so(tmp_path: Path) -> None:
    backbone = load_clip(save_hugging_face(transformers_clip(), tmp_path), "tiny")
    backbone.train()
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert (backbone.name, backbone.patch_size, backbone.size_multiple) == ("tiny", 8, 8)
    assert backbone.causal
    assert (backbone.vision_width, backbone.text_width, backbone.shared_width) == (64, 64, 12)


def test_input_that_does_not_fit_is_refused() -> None:
    backbone = ClipBackbone(TINY, "tiny").freeze()
    with pytest.raises(ValueError, match="multiples of 8"):
        backbone.embed_frames(torch.zeros(1, 3, 32, 30))
    with pytest.raises(ValueError, match="21 tokens do not fit tiny"):
        backbone.embed_text(all_real(torch.zeros(1, 21, dtype=torch.int64)))


def test_presets_have_the_published_sizes() -> None:
    with torch.device("meta"):
        sizes = {
            name: sum(p.numel() for p in ClipBackbone(config, name).parameters())
            for name, config in CLIP_PRESETS.items()
        }
    # The published parameter counts, less the logit scale.
    assert sizes == {"clip-b16": 149_620_736, "clip-l14": 427_616_512, "clip-l14-336": 427_944_192}
    assert [config.grid for config in CLIP_PRESETS.values()] == [14, 16, 24]


def test_a_backbone_without_tokenizer_says_so() -> None:
    with pytest.raises(UserError, match="without a tokenizer for its 60 ids"):
        ClipBackbone(TINY, "tiny").freeze().tokenize(["a dog"])


def test_openai_vocabulary_comes_from_the_package() -> None:
    pytest.importorskip("instant_clip_tokenizer")
    config = ClipConfig(**(vars(TINY) | {"vocab": 49408, "context": 77}))
    text = ClipBackbone(config, "tiny").freeze().tokenize(["a photo of a cat", "dogs"])
    assert text.ids.tolist() == [[49406, 320, 1125, 539, 320, 2368, 49407], [49406, 3255, 49407, 0, 0, 0, 0]]


# --- what does not fit ------------------------------------------------------------------------------------------------
def test_keys_that_differ_are_named(tmp_path: Path) -> None:
    state = openai_state(transformers_clip(both_intermediate_size=256))
    del state["visual.transformer.resblocks.1.ln_2.bias"]
    state["ln_final.weight"] = torch.zeros(3)
    state["visual.extra.weight"] = torch.zeros(3)
    torch.save(state, tmp_path / "clip.pt")
    with pytest.raises(UserError) as error:
        load_clip(tmp_path / "clip.pt", "tiny")
    message = str(error.value)
    assert "missing visual.transformer.resblocks.1.ln_2.bias" in message
    assert "wrong shape ln_final.weight (3,) instead of (64,)" in message
    assert "unexpected visual.extra.weight" in message
    assert "\n" not in message


def test_only_the_first_keys_are_named(tmp_path: Path) -> None:
    model = transformers_clip()
    save_hugging_face(model, tmp_path)
    state = {key: value for key, value in load_file(tmp_path / "model.safetensors").items() if ".layers.1." not in key}
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"missing vision_model\.encoder\.layers\.1\.\S+, \S+, \S+ and 29 more"):
        load_clip(tmp_path, "tiny")


def test_another_models_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"missing visual\.conv1\.weight"):
        load_clip(tmp_path / "other.pt", "tiny")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps([1, 2], protocol=2)])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.pt").write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.pt") as error:
        load_clip(tmp_path / "broken.pt", "tiny")
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("save", [_as_state_dict, _as_torchscript])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_checkpoint_is_refused(
    tmp_path: Path, save: Callable[[dict[str, Tensor], Path], None], kept: float
) -> None:
    path = tmp_path / "clip.pt"
    save({"visual.proj": torch.randn(64, 64)}, path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(UserError, match="cannot read weights"):
        load_clip(path, "tiny")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"model_type": "bert"}, "not of a CLIP"),
        ({"vision_config": {"hidden_act": "relu"}, "text_config": {"hidden_act": "relu"}}, "activation 'relu'"),
        ({"vision_config": {"hidden_act": "gelu"}, "text_config": {}}, "two values of hidden_act"),
        ({"text_config": {"hidden_size": "wide"}}, "not a number"),
        ({"text_config": {"hidden_size": 100, "num_attention_heads": 7}}, "not divisible"),
    ],
)
def test_a_config_that_makes_no_clip_is_refused(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip", "projection_dim": 12} | change))
    save_file({"logit_scale": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=complaint):
        load_clip(tmp_path, "tiny")


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    transformers_clip().config.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"no model\.safetensors"):
        load_clip(tmp_path, "tiny")


@pytest.mark.parametrize("source", ["nowhere/clip", "./nowhere/clip.pt", "nowhere.pt"])
def test_an_unknown_source_gives_one_line(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="no such file or folder") as error:
        load_clip(source, "tiny")
    assert "\n" not in str(error.value)


def test_a_hub_id_needs_the_hubs_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"huggingface_hub is not installed; .*vlp-rvos\[clip\]"):
        load_clip("owner/clip", "tiny")


@pytest.mark.parametrize("pickled", [False, True])
def test_a_hub_id_prefers_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pickled: bool) -> None:
    model = transformers_clip()
    (_as_half_pickle if pickled else _as_safetensors)(model, tmp_path)
    asked: list[str] = []

    def snapshot_download(hub_id: str, allow_patterns: list[str]) -> str:
        asked.append(allow_patterns[-1])
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert load_clip("owner/clip", "tiny").config.vocab == 60
    assert asked == ["model*.safetensors*", "pytorch_model.bin"][: 1 + pickled]
