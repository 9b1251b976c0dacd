"""Tables of comma-separated values."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlp_rvos.data.benchmarks.tables import read_table
from vlp_rvos.errors import UserError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_rows_without_header_and_empty_lines(file: Path) -> None:
    file.write_bytes('\ufeffvideo,text,more\r\n\r\na,"one, two",x\nb,caf\u00e9,y\n'.encode())
    assert read_table(file, 2, ("video", "text")) == [["a", "one, two"], ["b", "caf\u00e9"]]
    assert read_table(file, 1) == [["video"], ["a"], ["b"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"video\na\n", "must begin with the line 'video,text'"),
        (b"", "must begin with the line 'video,text'"),
        (b"video,text\na,b\n\nc\n", "line 4 has 1 of 2 columns"),
        (b"video,text\n\xff,b\n", "cannot read"),
        (b'video,text\na,"b\nc,d\n', "line 3 or one before it has a quotation mark that is not closed"),
        (b'video,text\na,"b\nc,"d"\n', "line 3 or one before it has a quotation mark"),
        (None, "no such file"),
    ],
)
def test_broken_tables(file: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_table(file, 2, ("video", "text"))
