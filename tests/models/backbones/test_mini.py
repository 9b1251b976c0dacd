"""The mini backbone: its text tower against transformers, its frames, and where its files come from."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from stubs import tiny_config

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones import load_backbone, random_backbone
from vlp_rvos.models.backbones.mini import EARLIER_TOWERS, MiniBackbone, load_mini
from vlp_rvos.models.backbones.packaged import MINILM, STEM, PackagedFile
from vlp_rvos.models.checkpoint import backbone_fingerprint, load_model, save_trained
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.train_config import ModelChoice, load_config
from vlp_rvos.training.trainer import Trainer


@pytest.fixture(scope="module")
def mini() -> MiniBackbone:
    return load_mini()


def test_text_tower_equals_transformers(mini: MiniBackbone) -> None:
    transformers = pytest.importorskip("transformers")
    reference = transformers.BertModel.from_pretrained(MINILM.locate().parent).eval()
    text = mini.tokenize(["the dog that jumps over the fence", "a car"])
    with torch.inference_mode():
        expected = reference(text.ids, attention_mask=text.mask.long()).last_hidden_state[text.mask]
        x = mini.embed_text(text)
        for layer, block in enumerate(mini.text_blocks):
            x = block(x, mini.text_bias(text.mask, layer))
    torch.testing.assert_close(x[text.mask], expected, atol=1e-5, rtol=1e-5)


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


def test_packages_are_found_without_being_imported(mini: MiniBackbone) -> None:
    assert mini.name == "mini"
    assert STEM.package not in sys.modules
    assert MINILM.package not in sys.modules


def test_another_file_under_the_right_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "file.bin").write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    file = PackagedFile("some_weights", "some-weights", "file.bin", digest="0" * 64)
    with pytest.raises(UserError, match="SHA-256"):
        file.locate()
    missing = PackagedFile("no_such_weights", "no-such-weights", "file.bin")
    with pytest.raises(UserError, match="install the package no-such-weights"):
        missing.locate()


def test_weights_that_do_not_fit_name_their_keys(tmp_path: Path, mini: MiniBackbone) -> None:
    state = {name: value.clone() for name, value in mini.aligned_state_dict().items()}
    state["cls_tokens"] = state.pop("cls_token")
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="cls_token, cls_tokens"):
        load_mini(tmp_path / "other.safetensors")
    state["vision_blocks.0.fc1.weight"] = torch.ones(())
    save_file(state, tmp_path / "scalar.safetensors")
    with pytest.raises(UserError, match=r"scalar\.safetensors.*vision_blocks\.0\.fc1\.weight has shape"):
        load_mini(tmp_path / "scalar.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match=r"broken\.safetensors"):
        load_mini(tmp_path / "broken.safetensors")
    with pytest.raises(UserError, match=r"nowhere\.safetensors"):
        load_mini(tmp_path / "nowhere.safetensors")


def test_what_was_trained_on_an_earlier_tower_finds_it(tmp_path: Path) -> None:
    (fingerprint, weights), *_ = EARLIER_TOWERS.items()
    earlier = load_mini(weights)
    assert backbone_fingerprint(earlier) == fingerprint
    model = VLPRVOS(earlier, tiny_config(motion=True))
    save_trained(tmp_path / "earlier.safetensors", model, {})
    found = load_model(tmp_path / "earlier.safetensors")
    assert isinstance(found.backbone, MiniBackbone)
    assert found.backbone.config == earlier.config != load_mini().config

    options = {
        "init_from": str(tmp_path / "earlier.safetensors"),
        "model": ModelChoice("mini", tiny_config(motion=True).to_dict()),
    }
    trainer = Trainer(replace(load_config(Path("mini")), **options), tmp_path / "run", device="cpu")
    assert torch.equal(trainer.model.backbone.vision_blocks[0].fc1.weight, earlier.vision_blocks[0].fc1.weight)


def test_shipped_weights_hold_only_what_was_pretrained_here(mini: MiniBackbone) -> None:
    import vlp_rvos

    shipped = load_file(Path(vlp_rvos.__file__).parent / "weights" / "mini-backbone.safetensors")
    assert shipped.keys() == mini.aligned_state_dict().keys()
    assert not any(name.startswith(("stem", "text_blocks", "word_embedding")) for name in shipped)


def test_unknown_names() -> None:
    with pytest.raises(UserError, match="unknown backbone 'resnet'"):
        load_backbone("resnet")
    with pytest.raises(UserError, match="unknown backbone 'resnet'"):
        random_backbone("resnet")
    with pytest.raises(UserError, match="give the path"):
        load_backbone("vlmo-b")
