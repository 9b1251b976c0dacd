"""Strict filling of modules and the names in files. `test_clip.py` and `test_vlmo.py` read the published formats."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.pretrained_files import (
    Source,
    build_empty,
    count_layers,
    load_strictly,
    published_name,
    read_checkpoint,
    shape_of,
    split_block_name,
)


def same_name(name: str) -> Source:
    return Source((name,))


def fill(state: dict[str, Tensor], **changes: object) -> list[str]:
    options = {"source_of": same_name, "origin": "file", "may_stay_unused": lambda name: False} | changes
    return load_strictly(nn.Linear(2, 4), state, **options)  # type: ignore[arg-type]


def test_tensors_are_joined_transposed_and_loaded_in_float32() -> None:
    with torch.device("meta"):
        module = nn.Linear(2, 4)
    parts = {f"part{i}": torch.randn(2).half() for i in range(2)}
    state = {"matrix": torch.randn(2, 4).half(), **parts, "step": torch.zeros(1)}
    sources = {"weight": Source(("matrix",), transposed=True), "bias": Source(("part0", "part1"))}
    unused = load_strictly(module, state, sources.__getitem__, "file", lambda name: name == "step")
    assert unused == ["step"]
    assert torch.equal(module.weight, state["matrix"].float().T)
    assert torch.equal(module.bias, torch.cat(list(parts.values())).float())


def test_every_kind_of_misfit_is_named_in_one_line() -> None:
    with pytest.raises(UserError) as error:
        fill({"weight": torch.zeros(3), "more": torch.zeros(1)})
    message = str(error.value)
    assert message.startswith("file: the weights do not fit: ")
    assert "missing bias" in message
    assert "wrong shape weight (3,) instead of (4, 2)" in message
    assert "unexpected more" in message
    assert "\n" not in message


def test_weights_that_are_not_finite_real_numbers_are_refused() -> None:
    for bias, words in ((torch.full((4,), torch.nan), "holds NaN"), (torch.zeros(4, dtype=torch.int64), "type int64")):
        with pytest.raises(UserError, match=f"^file: the tensor bias .*{words}"):
            fill({"weight": torch.zeros(4, 2), "bias": bias})


def test_only_the_first_misfits_are_named() -> None:
    strangers = {f"x{i}": torch.zeros(1) for i in range(5)}
    with pytest.raises(UserError, match=r"unexpected x0, x1, x2 and 2 more"):
        fill({"weight": torch.zeros(4, 2), "bias": torch.zeros(4), **strangers})


def test_sizes_are_read_from_shapes() -> None:
    state = {"a": torch.zeros(2, 3)}
    assert shape_of(state, "a", "file", 2) == (2, 3)
    with pytest.raises(UserError, match=r"file: .*missing b"):
        shape_of(state, "b", "file", 2)
    with pytest.raises(UserError, match=r"a has shape \(2, 3\), not 4-d"):
        shape_of(state, "a", "file", 4)
    assert count_layers(["blocks.0.a", "blocks.0.b", "blocks.10.a", "other.1"], "blocks.") == 2


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("vision_blocks.3.qkv.weight", ("vision", "3", "qkv.weight")),
        ("text_blocks.11.scale1", ("text", "11", "scale1")),
        ("vision_norm.weight", None),
        ("text_blocks", None),
    ],
)
def test_names_in_layers_are_split(name: str, parts: tuple[str, str, str] | None) -> None:
    assert split_block_name(name) == parts


def test_published_names_come_from_the_tensor_or_its_module() -> None:
    table = {"norm": "ln_final", "cls_token": "class_embedding", "qkv.bias": "in_proj_bias"}
    assert published_name("norm.weight", table) == "ln_final.weight"
    assert published_name("cls_token", table) == "class_embedding"
    assert published_name("qkv.bias", table) == "in_proj_bias"


def test_sizes_that_make_no_model_are_refused() -> None:
    assert build_empty(lambda: nn.Linear(2, 3), "Linear", "file").weight.is_meta

    def build() -> nn.Module:
        raise ValueError("width 3 is not divisible by 2 heads")

    with pytest.raises(UserError, match=r"file: its sizes make no CLIP \(width 3 is not divisible"):
        build_empty(build, "CLIP", "file")


def test_safetensors_are_read_and_damaged_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.arange(4.0)}, path)
    assert read_checkpoint(path)["a"].tolist() == [0, 1, 2, 3]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"w\.safetensors: cannot read weights"):
        read_checkpoint(path)
