"""Manifests of every form become the same items; mistakes are refused with their place."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlp_rvos.batch.manifest import is_manifest, read_folder, read_manifest
from vlp_rvos.batch.work_item import WantedExpression, WorkItem
from vlp_rvos.errors import UserError

NAMES = ("video_uri", "expression_id", "expression", "start", "end", "fps")
ROWS = [
    dict(zip(NAMES, row, strict=True))
    for row in (
        ("a.mp4", "7", "the dog", 1.5, None, None),
        ("s3://bucket/b.mp4", None, "a cat", None, 3.0, 5.0),
        ("a.mp4", "8", "the red, large dog", 1.5, None, None),
    )
]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        lines = [",".join(rows[0])] + [
            ",".join("" if x is None else f'"{x}"' if isinstance(x, str) else str(x) for x in row.values())
            for row in rows
        ]
        path.write_text("\ufeff" + "\n".join(lines))
    else:
        path.write_text("\n\n".join(json.dumps(row) for row in rows))
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl", ".ndjson", ".CSV"])
def test_forms(tmp_path: Path, suffix: str) -> None:
    assert is_manifest(f"x{suffix}")
    file = write(tmp_path / f"manifest{suffix.lower()}", ROWS).rename(tmp_path / f"manifest{suffix}")
    dogs = (WantedExpression("7", "the dog"), WantedExpression("8", "the red, large dog"))
    assert read_manifest(file, str(tmp_path)) == [
        WorkItem("a.mp4", str(tmp_path / "a.mp4"), dogs, start=1.5),
        WorkItem("s3://bucket/b.mp4", "s3://bucket/b.mp4", (WantedExpression("0", "a cat"),), end=3.0, fps=5.0),
    ]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "column video_uri must be text, not None"),
        ({"video_uri": "a.mp4", "expression": "  "}, "column expression must be text"),
        ({"video_uri": 5, "expression": "x"}, "column video_uri must be text, not 5"),
        ({"video_uri": "a.mp4", "expression": "x", "start": "soon"}, "column start must be a number, not 'soon'"),
        ({"video_uri": "a.mp4", "expression": "x", "start": -1}, "column start must be from 0"),
        ({"video_uri": "a.mp4", "expression": "x", "fps": True}, "column fps must be"),
        ({"video_uri": "a.mp4", "expression": "x", "start": 2, "end": 2}, "must be later than start"),
        ({"video_uri": "./good.mp4", "expression": "x"}, "called 'good.mp4' above"),
        ({"video_uri": "good.mp4", "expression": "x", "expression_id": 0}, "has the expression_id '0'"),
    ],
)
def test_mistakes_name_their_row(tmp_path: Path, row: dict[str, object], words: str) -> None:
    file = write(tmp_path / "m.jsonl", [{"video_uri": "good.mp4", "expression": "y"}, row])
    with pytest.raises(UserError, match="line 3: ") as error:
        read_manifest(file, str(tmp_path))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.jsonl", b"{"),
        ("m.jsonl", b"[1]"),
        ("m.jsonl", b""),
        ("m.jsonl", b"[" * 100_000),
        ("m.csv", b'video_uri,expression\n"a'),
        ("m.csv", b"video_uri,expression\n"),
        ("m.csv", b"\xff\xfe\xff"),
        ("m.csv", b"\xffvideo"),
        ("m.parquet", b"PAR1"),
        ("m.txt", b""),
    ],
)
def test_what_is_no_manifest(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        read_manifest(tmp_path / name, ".")
    assert "\n" not in str(error.value)


def test_a_folder_of_videos(tmp_path: Path) -> None:
    for name in ("b10.mp4", "b9.MKV", "notes.txt", "._b9.MKV", ".hidden.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.mp4").touch()
    items = read_folder(str(tmp_path), ["the dog", "a cat"])
    assert [item.location for item in items] == [str(tmp_path / "b9.MKV"), str(tmp_path / "b10.mp4")]
    assert [x.text for x in items[0].expressions] == ["the dog", "a cat"]
    for name in ("none", "deeper/.none"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".c.mp4").touch()
        with pytest.raises(UserError, match="no video in"):
            read_folder(str(tmp_path / name), ["x"])
