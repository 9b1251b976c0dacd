"""`masks.json` is read back, one frame at a time."""

from __future__ import annotations

import json
import re
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frame_results import EXPRESSIONS, INFO, result, result_at

import vlp_rvos
from vlp_rvos.errors import UserError
from vlp_rvos.media.masks_json import MasksJsonWriter
from vlp_rvos.media.masks_reader import read_masks


def write(path: Path, frames: int = 3, truncated: str | None = None) -> Path:
    with MasksJsonWriter(path, INFO, EXPRESSIONS, "mini", "1.2") as writer:
        for i in range(frames):
            writer.write(result(i, (0.9, 0.2 * i)))
        writer.truncated = truncated
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "masks.json")
    masks = vlp_rvos.read_masks(str(path))
    assert masks.video == {"name": "dog.mp4", "width": 64, "height": 48, "fps": 10.0}
    assert masks.model == {"name": "mini", "version": "1.2"}
    assert masks.expressions == EXPRESSIONS
    assert masks.truncated is None
    for _ in range(2):
        frames = list(masks)
        assert len(frames) == 3
        for i, frame in enumerate(frames):
            wanted = result(i, (0.9, 0.2 * i))
            assert (frame.index, frame.time, frame.name) == (i, i / 10, f"{i:05d}")
            assert frame.expressions == EXPRESSIONS
            assert frame.masks.dtype == bool
            assert np.array_equal(frame.masks, wanted.masks)
            assert frame.scores == pytest.approx(wanted.scores, abs=1e-6)
            assert frame.presences == pytest.approx(wanted.presences, abs=1e-6)
    assert repr(frames[1]) == "FrameMasks(index=1, time=0.100, name='00001', 2 masks of 64x48)"


def test_other_layouts_of_the_same_json(tmp_path: Path) -> None:
    path = write(tmp_path / "masks.json", truncated="interrupted")
    wanted = [frame.masks for frame in read_masks(path)]
    content = json.loads(path.read_text())
    for text in (json.dumps(content, indent=4), json.dumps(content, separators=(",", ":"))):
        path.write_text(text + "\n\n")
        assert [np.array_equal(a.masks, b) for a, b in zip(read_masks(path), wanted, strict=True)] == [True] * 3
        assert read_masks(path).truncated == "interrupted"


def test_no_frames(tmp_path: Path) -> None:
    assert list(read_masks(write(tmp_path / "masks.json", 0))) == []


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    path, peaks = tmp_path / "masks.json", []
    for frames in (30, 600):
        with MasksJsonWriter(path, INFO, EXPRESSIONS, "mini", "1.2") as writer:
            for i in range(frames):
                writer.write(result_at((20, 30)) if i % 2 else result(i))
        tracemalloc.start()
        assert sum(1 for _ in read_masks(path)) == frames
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert path.stat().st_size > 2**17
    assert peaks[1] < peaks[0] + 2**19


def test_what_is_cut_off_is_refused_in_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "masks.json")
    whole = path.read_bytes()
    for length in [0, 1, 30, *range(100, len(whole) - 1, 97), len(whole) - 3]:
        path.write_bytes(whole[:length])
        with pytest.raises(UserError) as caught:
            list(read_masks(path))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "{}", '{"video": {}}', '{"images": [], "annotations": []}', "\x00\x01", '{"video": 1, "model": 2}'],
)
def test_foreign_files_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "masks.json").write_text(text)
    with pytest.raises(UserError, match=r"masks\.json"):
        read_masks(tmp_path / "masks.json")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_masks(tmp_path / "masks.json")
    with pytest.raises(UserError, match="is not a file"):
        read_masks(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"index": -1}, "not the entry of a frame"),
        ({"time": "0"}, "not the entry of a frame"),
        ({"objects": []}, "one object for each expression"),
        ({"score": 2.0}, "score of object 1 of frame 1 is not a number from 0 to 1"),
        ({"presence": None}, "presence of object 1"),
        ({"id": 2}, "is not that of expression 1"),
        ({"expression": "other"}, "is not that of expression 1"),
        ({"segmentation": {"size": [48, 64], "counts": "x"}}, "mask of object 1 of frame 1 is broken"),
        ({"segmentation": {"size": [4, 4], "counts": "`0"}}, "mask of object 1 of frame 1 is broken"),
        ({"segmentation": None}, "mask of object 1 of frame 1 is broken"),
    ],
)
def test_damaged_frames(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = write(tmp_path / "masks.json")
    content = json.loads(path.read_text())
    frame = content["frames"][1]
    (frame if change.keys() <= frame.keys() else frame["objects"][0]).update(change)
    path.write_text(json.dumps(content))
    masks = iter(read_masks(path))
    next(masks)
    with pytest.raises(UserError, match=words):
        next(masks)


@pytest.mark.parametrize("value", ["NaN", "[" * 100_000])
def test_json_that_is_none(value: str, tmp_path: Path) -> None:
    path = write(tmp_path / "masks.json")
    path.write_text(path.read_text().replace('"score": 0.9', f'"score": {value}', 1))
    with pytest.raises(UserError, match="cannot read"):
        list(read_masks(path))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("index", "9" * 5000),
        ("score", "9" * 5000),
        ("score", "9" * 400),
        ("time", "9" * 400),
        ("time", "1e300"),
        ("time", "-1e300"),
        ("index", str(2**53)),
    ],
)
def test_numbers_that_are_too_large(key: str, value: str, tmp_path: Path) -> None:
    path = write(tmp_path / "masks.json")
    path.write_text(re.sub(rf'"{key}": [0-9.]+', f'"{key}": {value}', path.read_text(), count=1))
    with pytest.raises(UserError, match=r"^cannot read [^\n]*; segment the video again$"):
        list(read_masks(path))
