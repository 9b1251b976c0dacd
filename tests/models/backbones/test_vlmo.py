"""VLMo against the reference outputs, against a plain reading of the method, and against files that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.backbone import Backbone
from vlp_rvos.models.backbones.expression_tokenizer import TextBatch
from vlp_rvos.models.backbones.vlmo import VLMO_PRESETS, VlmoBackbone, VlmoConfig, load_vlmo

TINY = VlmoConfig(image_size=24, patch_size=8, width=16, layers=3, heads=2, mlp_width=32, vocab=50, text_length=12)


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


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def random_state(config: VlmoConfig = TINY) -> dict[str, Tensor]:
    """A checkpoint with the official key names, experts that we leave out included."""
    d, hidden = config.width, config.mlp_width
    shapes: dict[str, tuple[int, ...]] = {
        "relative_position_bias_table": (config.bias_rows, config.layers * config.heads),
        "transformer.cls_token": (1, 1, d),
        "transformer.patch_embed.proj.weight": (d, 3, config.patch_size, config.patch_size),
        "transformer.patch_embed.proj.bias": (d,),
        "transformer.norm.weight": (d,),
        "transformer.norm.bias": (d,),
        "text_embeddings.word_embeddings.weight": (config.vocab, d),
        "text_embeddings.position_embeddings.weight": (8, d),
        "text_embeddings.token_type_embeddings.weight": (2, d),
        "text_embeddings.LayerNorm.weight": (d,),
        "text_embeddings.LayerNorm.bias": (d,),
        "token_type_embeddings.weight": (2, d),
        "itc_text_proj.fc.weight": (d, d),
        "itc_image_proj.fc.weight": (d, d),
        "itm_score.fc.weight": (2, d),
    }
    for layer in range(config.layers):
        block = f"transformer.blocks.{layer}."
        shapes |= {f"{block}{name}": (d,) for name in ("gamma_1", "gamma_2", "attn.q_bias", "attn.v_bias")}
        shapes |= {f"{block}attn.qkv.weight": (3 * d, d), f"{block}attn.proj.weight": (d, d)}
        shapes[f"{block}attn.proj.bias"] = (d,)
        for norm in ("norm1", "norm2_text", "norm2_imag", "norm2_vl"):
            shapes |= {f"{block}{norm}.{kind}": (d,) for kind in ("weight", "bias")}
        for expert in ("text", "imag", "vl"):
            shapes |= {f"{block}mlp_{expert}.fc1.weight": (hidden, d), f"{block}mlp_{expert}.fc1.bias": (hidden,)}
            shapes |= {f"{block}mlp_{expert}.fc2.weight": (d, hidden), f"{block}mlp_{expert}.fc2.bias": (d,)}
    state = {key: torch.randn(shape) * 0.5 for key, shape in shapes.items()}
    length = 1 + config.grid**2
    # Gives the pretraining grid; the values are those of the official layout.
    state["relative_position_index"] = torch.tensor(
        [[_image_row(config.grid, query, key) for key in range(length)] for query in range(length)]
    )
    return state


def _image_row(grid: int, query: int, key: int) -> int:
    """Row of the bias table for two tokens of an image, token 0 being CLS."""
    patches = (2 * grid - 1) ** 2
    if query == 0 and key == 0:
        return patches + 2
    if query == 0:
        return patches
    if key == 0:
        return patches + 1
    (qy, qx), (ky, kx) = divmod(query - 1, grid), divmod(key - 1, grid)
    return (qy - ky + grid - 1) * (2 * grid - 1) + qx - kx + grid - 1


def _text_row(config: VlmoConfig, query: int, key: int) -> int:
    """Row of the bias table for two tokens of a text, token 0 being [CLS]."""
    if query == 0 and key == 0:
        return config.bias_rows - 1
    if query == 0:
        return config.bias_rows - 3
    if key == 0:
        return config.bias_rows - 2
    return config.image_rows + 5 + key - query + config.text_length - 2


def plain_tower(state: dict[str, Tensor], x: Tensor, rows: Tensor, expert: str) -> Tensor:
    """The layers and the final norm of one path, written out head by head."""
    d, heads = TINY.width, TINY.heads
    for layer in range(TINY.layers):
        p = {k.removeprefix(f"transformer.blocks.{layer}."): v for k, v in state.items()}
        normed = F.layer_norm(x, (d,), p["norm1.weight"], p["norm1.bias"], 1e-6)
        q, k, v = (normed @ p["attn.qkv.weight"].T).split(d, dim=-1)
        q, v = q + p["attn.q_bias"], v + p["attn.v_bias"]
        outputs = []
        for head in range(heads):
            part = slice(head * d // heads, (head + 1) * d // heads)
            logits = q[..., part] @ k[..., part].transpose(1, 2) / (d // heads) ** 0.5
            logits = logits + state["relative_position_bias_table"][rows, layer * heads + head]
            outputs.append(logits.softmax(-1) @ v[..., part])
        attended = torch.cat(outputs, -1) @ p["attn.proj.weight"].T + p["attn.proj.bias"]
        x = x + p["gamma_1"] * attended
        normed = F.layer_norm(x, (d,), p[f"norm2_{expert}.weight"], p[f"norm2_{expert}.bias"], 1e-6)
        inner = F.gelu(normed @ p[f"mlp_{expert}.fc1.weight"].T + p[f"mlp_{expert}.fc1.bias"])
        x = x + p["gamma_2"] * (inner @ p[f"mlp_{expert}.fc2.weight"].T + p[f"mlp_{expert}.fc2.bias"])
    return F.layer_norm(x, (d,), state["transformer.norm.weight"], state["transformer.norm.bias"], 1e-6)


def load_random(tmp_path: Path, state: dict[str, Tensor]) -> VlmoBackbone:
    torch.save({"state_dict": state}, tmp_path / "vlmo.pt")
    return load_vlmo(tmp_path / "vlmo.pt", "tiny")


# --- parity -----------------------------------------------------------------------------------------------------------
def test_equals_the_reference_in_every_layer(shared: Path) -> None:
    backbone = load_vlmo(shared / "golden" / "vlmo_tiny.pt", "tiny")
    expected = load_file(shared / "golden" / "vlmo_tiny_io.safetensors")
    text = TextBatch(expected["text_ids"], expected["text_mask"].bool())

    vision = vision_hidden(backbone, expected["image"])[1:]
    words = text_hidden(backbone, text)[1:]

    assert (len(vision), len(words)) == (4, 4)
    for layer in range(4):
        close(vision[layer], expected[f"vision_hidden_{layer}"])
        close(words[layer], expected[f"text_hidden_{layer}"])
    close(backbone.finish_vision(vision[-1]), expected["image_features"])
    close(backbone.finish_text(words[-1]), expected["text_features"])
    close(F.normalize(backbone.encode_image(expected["image"]), dim=-1), expected["image_cls"])
    close(F.normalize(backbone.encode_text(text), dim=-1), expected["text_cls"])
    assert set(backbone.unused_keys) == {
        "logit_scale",
        "relative_position_index",
        "text_relative_position_index",
        "text_embeddings.position_ids",
        "text_embeddings.position_embeddings.weight",
        *(f"transformer.blocks.3.norm2_vl.{kind}" for kind in ("weight", "bias")),
        *(f"transformer.blocks.3.mlp_vl.fc{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")),
    }


def test_equals_the_plain_method(tmp_path: Path) -> None:
    state = random_state()
    backbone = load_random(tmp_path, state)
    images, ids = torch.randn(2, 3, 24, 24), torch.randint(1, 50, (2, 7))

    patches = F.conv2d(
        images, state["transformer.patch_embed.proj.weight"], state["transformer.patch_embed.proj.bias"], 8
    )
    x = torch.cat([state["transformer.cls_token"].expand(2, 1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
    x = x + state["token_type_embeddings.weight"][1]
    features = plain_tower(state, x, state["relative_position_index"], "imag")
    close(backbone.encode_image(images), features[:, 0] @ state["itc_image_proj.fc.weight"].T)

    words = (
        state["text_embeddings.word_embeddings.weight"][ids] + state["text_embeddings.token_type_embeddings.weight"][0]
    )
    norm = state["text_embeddings.LayerNorm.weight"], state["text_embeddings.LayerNorm.bias"]
    x = F.layer_norm(words, (16,), *norm, 1e-12) + state["token_type_embeddings.weight"][0]
    rows = torch.tensor([[_text_row(TINY, query, key) for key in range(7)] for query in range(7)])
    features = plain_tower(state, x, rows, "text")
    text = TextBatch(ids, torch.ones(2, 7, dtype=torch.bool))
    close(backbone.encode_text(text), features[:, 0] @ state["itc_text_proj.fc.weight"].T)


def test_padding_changes_nothing(tmp_path: Path) -> None:
    backbone = load_random(tmp_path, random_state())
    ids = torch.tensor([[5, 9, 7]])
    text = TextBatch(ids, torch.ones(1, 3, dtype=torch.bool))
    padded = TextBatch(F.pad(ids, (0, 2)), F.pad(text.mask, (0, 2)))
    close(backbone.encode_text(text), backbone.encode_text(padded))


# --- relative positions -----------------------------------------------------------------------------------------------
def test_prompts_leave_the_words_their_distances() -> None:
    backbone = VlmoBackbone(TINY, "tiny").freeze()
    mask = torch.tensor([[True, True, True, False]])
    prompted_mask = torch.tensor([[True, True, True, True, True, False]])

    plain = backbone.text_bias(mask, layer=1)
    prompted = backbone.text_bias(prompted_mask, layer=1, prompts=2)

    words, prompts = [0, 3, 4, 5], [1, 2]
    assert torch.equal(prompted[:, :, words][..., words], plain)
    assert not prompted[:, :, prompts][..., :5].any()
    assert not prompted[:, :, :, prompts].any()
    assert prompted[..., 5].isneginf().all()
    assert not torch.equal(plain, backbone.text_bias(mask, layer=2))


def test_extra_vision_tokens_have_no_bias() -> None:
    backbone = VlmoBackbone(TINY, "tiny").freeze()
    bias, extended = backbone.vision_bias(0, (3, 3)), backbone.vision_bias(0, (3, 3), extra=4)
    assert bias.shape == (1, 2, 10, 10)
    assert torch.equal(extended[..., :10, :10], bias)
    assert not extended[..., 10:, :].any()
    assert not extended[..., 10:].any()


@pytest.mark.parametrize("grid", [(3, 3), (2, 5), (6, 4), (1, 1)])
def test_bias_of_another_grid_keeps_cls_centre_and_axes(grid: tuple[int, int]) -> None:
    backbone = VlmoBackbone(TINY, "tiny").freeze()
    dy = torch.arange(-2, 3.0).repeat_interleave(5)
    table = backbone.bias_table.data
    table[:25, 0], table[:25, 1] = dy, 7.0
    table[25:28, 0] = torch.tensor([10.0, 20.0, 30.0])
    h, w = grid

    bias = backbone.vision_bias(0, grid)[0]

    assert bias.shape == (2, 1 + h * w, 1 + h * w)
    assert bias[0, 0, 0] == 30
    assert (bias[0, 0, 1:] == 10).all()
    assert (bias[0, 1:, 0] == 20).all()
    torch.testing.assert_close(bias[1, 1:, 1:], torch.full((h * w, h * w), 7.0))
    vertical = bias[0, 1:, 1:].reshape(h, w, h, w)
    # Head 0 depends on the vertical offset only, is 0 without one, odd in it, and grows with query below key.
    torch.testing.assert_close(vertical, vertical[:, :1, :, :1].expand(h, w, h, w), atol=1e-5, rtol=0)
    torch.testing.assert_close(vertical, -vertical.permute(2, 3, 0, 1), atol=1e-5, rtol=0)
    column = vertical[:, 0, 0, 0]
    assert (column.diff() > 0).all()


def test_other_sizes_run_and_misfits_are_refused() -> None:
    backbone = VlmoBackbone(TINY, "tiny").freeze()
    assert backbone.encode_image(torch.randn(2, 3, 16, 40)).shape == (2, 16)
    with pytest.raises(ValueError, match="multiples of 8"):
        backbone.embed_frames(torch.zeros(1, 3, 24, 30))
    with pytest.raises(ValueError, match="13 tokens do not fit tiny"):
        backbone.embed_text(TextBatch(torch.zeros(1, 13, dtype=torch.int64), torch.ones(1, 13, dtype=torch.bool)))


# --- loading ----------------------------------------------------------------------------------------------------------
def test_experts_share_what_the_original_shares(tmp_path: Path) -> None:
    backbone = load_random(tmp_path, random_state())
    for image, text in zip(backbone.vision_blocks, backbone.text_blocks, strict=True):
        for part in ("norm1", "qkv", "out", "scale1", "scale2"):
            assert getattr(image, part) is getattr(text, part)
        for part in ("norm2", "fc1", "fc2"):
            assert getattr(image, part) is not getattr(text, part)
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "module", None])
def test_checkpoint_wrappers_are_opened(tmp_path: Path, wrapper: str | None) -> None:
    state = random_state()
    stored = {f"module.{key}": value for key, value in state.items()} if wrapper == "module" else state
    torch.save({wrapper: stored, "epoch": 3} if wrapper else stored, tmp_path / "vlmo.pt")
    backbone = load_vlmo(tmp_path / "vlmo.pt", "tiny")
    assert backbone.config == TINY
    assert torch.equal(backbone.bias_table, state["relative_position_bias_table"])


def test_the_grid_is_found_without_an_index(tmp_path: Path) -> None:
    config = VlmoConfig(**(vars(TINY) | {"text_length": 196}))
    state = random_state(config)
    del state["relative_position_index"]
    assert load_random(tmp_path, state).config == config


def test_presets_have_the_published_sizes() -> None:
    assert [(c.width, c.layers, c.heads, c.grid, c.bias_rows) for c in VLMO_PRESETS.values()] == [
        (768, 12, 12, 14, 1126),
        (1024, 24, 16, 14, 1126),
    ]


def test_keys_that_differ_are_named(tmp_path: Path) -> None:
    state = random_state()
    del state["transformer.blocks.1.attn.q_bias"]
    del state["itc_text_proj.fc.weight"]
    state["transformer.norm.weight"] = torch.zeros(3)
    with pytest.raises(UserError) as error:
        load_random(tmp_path, state)
    message = str(error.value)
    assert "missing transformer.blocks.1.attn.q_bias" in message
    assert "itc_text_proj.fc.weight" in message
    assert "wrong shape transformer.norm.weight (3,) instead of (16,)" in message
    assert "\n" not in message


def test_another_layout_of_relative_positions_is_refused(tmp_path: Path) -> None:
    state = random_state()
    state["relative_position_index"] = state["relative_position_index"].T.contiguous()
    with pytest.raises(UserError, match="relative_position_index is not the official one"):
        load_random(tmp_path, state)


def test_no_file_and_another_models_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_vlmo(tmp_path / "absent.pt", "tiny")
    with pytest.raises(UserError, match=r"missing transformer\.patch_embed\.proj\.weight"):
        load_random(tmp_path, {"weight": torch.zeros(2)})


def test_words_are_berts() -> None:
    config = VlmoConfig(**(vars(TINY) | {"vocab": 30522, "text_length": 196}))
    backbone = VlmoBackbone(config, "tiny").freeze()
    assert backbone.max_words == 40
    assert backbone.tokenize(["the dog"]).ids.tolist() == [[101, 1996, 3899, 102]]
    with pytest.raises(UserError, match="50 token ids"):
        VlmoBackbone(TINY, "tiny").freeze().tokenize(["the dog"])
