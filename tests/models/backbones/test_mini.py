"""The `mini` backbone on its shipped weights: texts, frames of any size, and vision towers that do not fit.

`tests/tools/test_convert_backbones.py` compares its text tower with transformers.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.mini import MiniBackbone, load_mini
from vlp_rvos.models.backbones.shipped_weights import MINI_TOWER


@pytest.fixture(scope="module")
def mini() -> MiniBackbone:
    return load_mini()


def test_padding_does_not_change_a_sentence(mini: MiniBackbone) -> None:
    long = "the person in the white shirt who walks behind the parked cars"
    with torch.inference_mode():
        alone = mini.encode_text(mini.tokenize(["a dog"]))
        padded = mini.encode_text(mini.tokenize(["a dog", long]))[:1]
    torch.testing.assert_close(alone, padded, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize("size", [(224, 384), (96, 64), (32, 32)])
def test_frames_of_any_size(mini: MiniBackbone, size: tuple[int, int], pool: int) -> None:
    with torch.inference_mode():
        tokens = mini.embed_frames(mini.normalize(torch.rand(2, 3, *size)), pool)
    height, width = size[0] // 16 // pool, size[1] // 16 // pool
    assert tokens.grid == (height, width)
    assert tokens.tokens.shape == (2, 1 + height * width, mini.vision_width)
    assert {stride: level.shape[1] for stride, level in tokens.pyramid.items()} == mini.pyramid_widths
    assert {stride: level.shape[2] for stride, level in tokens.pyramid.items()} == {
        s: size[0] // s for s in (4, 8, 16, 32)
    }
    assert mini.names_classes
    assert tokens.named is not None
    assert tokens.named.shape == (2, mini.shared_width, size[0] // 32, size[1] // 32)


def test_a_size_that_does_not_fit(mini: MiniBackbone) -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        mini.embed_frames(torch.zeros(1, 3, 48, 64))
    with pytest.raises(ValueError, match="pools squares of"):
        mini.embed_frames(torch.zeros(1, 3, 96, 96), 3)


def test_patches_share_a_space_with_words(mini: MiniBackbone, shared: Path) -> None:
    """Where a training video's object is, patches are nearer to its noun than to another one's."""
    import numpy as np
    from PIL import Image

    folder = shared / "data" / "davis16" / "train"
    image = Image.open(folder / "JPEGImages" / "elephant" / "00040.jpg").convert("RGB").resize((384, 224))
    mask = Image.open(folder / "Annotations" / "elephant" / "00040.png").resize((24, 14), Image.Resampling.NEAREST)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        x = mini.embed_frames(mini.normalize(pixels)).tokens
        for block in mini.vision_blocks:
            x = block(x)
        patches = torch.nn.functional.normalize(mini.project_vision(mini.finish_vision(x))[0, 1:], dim=-1)
        words = torch.nn.functional.normalize(mini.encode_text(mini.tokenize(["an elephant", "a red car"])), dim=-1)
    inside = torch.from_numpy(np.array(mask)).flatten() > 0
    elephant, car = (patches[inside] @ words.T).mean(0).tolist()
    assert elephant > car + 0.2


def test_everything_is_frozen(mini: MiniBackbone) -> None:
    mini.train()
    assert not mini.training
    assert not any(parameter.requires_grad for parameter in mini.parameters())


def test_weights_that_do_not_fit_name_their_keys(tmp_path: Path, mini: MiniBackbone) -> None:
    state = {name: value.clone() for name, value in mini.aligned_state_dict().items()}
    state["cls_tokens"] = state.pop("cls_token")
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="missing cls_token; unexpected cls_tokens"):
        load_mini(tmp_path / "other.safetensors")
    state["vision_blocks.0.fc1.weight"] = torch.ones(())
    save_file(state, tmp_path / "scalar.safetensors")
    with pytest.raises(UserError, match=r"scalar\.safetensors.*vision_blocks\.0\.fc1\.weight has shape"):
        load_mini(tmp_path / "scalar.safetensors")
    text = {"word_embedding.weight": torch.zeros(1)}
    save_file(mini.aligned_state_dict() | text, tmp_path / "more.safetensors")
    with pytest.raises(UserError, match=r"more\.safetensors.*unexpected word_embedding\.weight"):
        load_mini(tmp_path / "more.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match=r"broken\.safetensors"):
        load_mini(tmp_path / "broken.safetensors")
    with pytest.raises(UserError, match=r"nowhere\.safetensors"):
        load_mini(tmp_path / "nowhere.safetensors")


def test_without_alignment_only_the_vision_tower_is_random(mini: MiniBackbone) -> None:
    start = load_mini(aligned=False)
    aligned = start.aligned_state_dict().keys()
    for name, value in mini.state_dict().items():
        if name not in aligned:
            assert torch.equal(start.state_dict()[name], value)
    assert not torch.equal(start.join.weight, mini.join.weight)
    assert not any(parameter.requires_grad for parameter in start.parameters())


def test_shipped_weights_hold_only_what_was_pretrained_here(mini: MiniBackbone) -> None:
    shipped = load_file(MINI_TOWER)
    assert shipped.keys() == mini.aligned_state_dict().keys()
    assert not any(name.startswith(("stem", "text_blocks", "word_embedding")) for name in shipped)
