"""Reading text files with and without byte-order marks."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.utils.text_files import read_text

TEXT = 'cat 1 "ein schöner Käfer"\n'


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_marks_are_left_out(tmp_path: Path, mark: bytes, encoding: str) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(mark + TEXT.encode(encoding))
    assert read_text(file) == TEXT


def test_another_encoding_and_a_mark_that_overrules_it(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(TEXT.encode("latin-1"))
    assert read_text(file, "latin-1") == TEXT
    with pytest.raises(UnicodeDecodeError):
        read_text(file)
    file.write_bytes(codecs.BOM_UTF8 + TEXT.encode())
    assert read_text(file, "latin-1") == TEXT


def test_line_breaks_of_all_systems(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a\r\nb\rc\n")
    assert read_text(tmp_path / "a.txt") == "a\nb\nc\n"
    (tmp_path / "a.txt").write_bytes(b"")
    assert read_text(tmp_path / "a.txt") == ""


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        read_text(tmp_path / "nowhere")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(UserError, match="is a named pipe"):
        read_text(tmp_path / "pipe.json")
