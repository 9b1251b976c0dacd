"""CLIP's token ids against `transformers`, and files and packages that are missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from vocabularies import EXPRESSIONS, write_clip_files

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.clip_tokenizer import ClipTokenizer


@pytest.mark.parametrize("form", ["vocab.json", "tokenizer.json"])
def test_equals_transformers(tmp_path: Path, form: str) -> None:
    from transformers import CLIPTokenizer

    folder = write_clip_files(tmp_path)
    theirs = CLIPTokenizer.from_pretrained(folder)
    if form == "tokenizer.json":
        folder = tmp_path / "saved"
        theirs.save_pretrained(folder)
        assert (folder / form).is_file()
    ours = ClipTokenizer.from_folder(folder)

    for expression in EXPRESSIONS:
        assert ours([expression], 200).ids[0].tolist() == theirs(expression).input_ids


def test_openais_tokenizer_comes_from_a_package() -> None:
    pytest.importorskip("instant_clip_tokenizer")
    tokenizer = ClipTokenizer.from_package()
    assert tokenizer(["a photo of a cat"], 77).ids.tolist() == [[49406, 320, 1125, 539, 320, 2368, 49407]]


@pytest.mark.parametrize("package", ["instant_clip_tokenizer", "tokenizers"])
def test_a_missing_package_is_named(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip_files(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"{package} is not installed; .*vlp-rvos\[clip\]"):
        ClipTokenizer.from_package() if package == "instant_clip_tokenizer" else ClipTokenizer.from_folder(tmp_path)


def test_unusable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no tokenizer\.json"):
        ClipTokenizer.from_folder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(UserError, match="cannot read CLIP's tokenizer"):
        ClipTokenizer.from_folder(tmp_path)
