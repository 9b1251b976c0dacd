"""Answers in the folder of a request: complete lines at every moment, and whole files at the end or none."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from clips import noise, write_video
from PIL import Image as PillowImage
from stubs import tiny_model

from vlp_rvos import FrameResult, Segmenter, read_masks
from vlp_rvos.media.rle import decode_mask
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import VideoSource
from vlp_rvos.serving.answers import FileAnswer, LineAnswer
from vlp_rvos.serving.tasks import RESULTS, Output, Request

WORDS = ["a dog", "a red car"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> VideoSource:
    return open_video(write_video(tmp_path_factory.mktemp("video") / "dog.mp4", noise(4)))


@pytest.fixture(scope="module")
def results(source: VideoSource) -> list[FrameResult]:
    # With the usual threshold, the masks of random weights are empty.
    segmenter = Segmenter(tiny_model(), threshold=0.2, presence_threshold=0.0)
    found = list(segmenter.segment(source, WORDS))
    assert all(result.masks.any() for result in found)
    return found


def request_in(folder: Path, output: Output) -> Request:
    return Request("name", str(folder), tuple(WORDS), output, 0.0)


def test_what_is_announced_are_complete_lines(tmp_path: Path, source: VideoSource, results: list[FrameResult]) -> None:
    answer = LineAnswer(request_in(tmp_path, "ndjson"), source.info, "my.mp4", ("mini", "1"))
    sizes = []
    for result in results:
        answer.write(result)
        sizes.append(answer.progress().size)
    last = answer.finish("broken at 3 s")
    content = (tmp_path / RESULTS).read_bytes()
    assert (last.kind, last.size, last.frames) == ("finished", len(content), 4)
    assert [content[:size].count(b"\n") for size in sizes] == [2, 3, 4, 5]
    assert all(content[size - 1 : size] == b"\n" for size in sizes)
    head, *frames, end = map(json.loads, content.splitlines())
    assert (head["request_id"], head["expressions"]) == ("name", WORDS)
    assert head["model"] == {"name": "mini", "version": "1"}
    assert head["video"] == {"name": "my.mp4", "width": 64, "height": 48, "fps": 10.0}
    assert end == {"done": True, "frames": 4, "truncated": "broken at 3 s"}
    for frame, result in zip(frames, results, strict=True):
        assert np.array_equal([decode_mask(each["segmentation"]) for each in frame["objects"]], result.masks)


def test_the_zip_file_holds_what_segment_writes(
    tmp_path: Path, source: VideoSource, results: list[FrameResult]
) -> None:
    answer = FileAnswer(request_in(tmp_path, "zip"), source, "my.mp4", ("mini", "1"))
    for result in results:
        answer.write(result)
    last = answer.finish(None)
    assert (last.kind, last.file, last.frames) == ("finished", "results.zip", 4)
    with zipfile.ZipFile(tmp_path / last.file) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        archive.extractall(tmp_path / "out")
        picture = np.asarray(PillowImage.open(io.BytesIO(archive.read("masks/00000.png"))))
    assert names == ["overlay.mp4", "masks.json", *(f"masks/{i:05d}.png" for i in range(4))]
    assert np.array_equal(picture > 0, results[0].masks.any(axis=0))
    read = list(read_masks(tmp_path / "out" / "masks.json"))
    assert [frame.index for frame in read] == [0, 1, 2, 3]
    assert all(np.array_equal(frame.masks, result.masks) for frame, result in zip(read, results, strict=True))
    assert len(list(open_video(tmp_path / "out" / "overlay.mp4"))) == 4


def test_an_overlay_is_a_video(tmp_path: Path, source: VideoSource, results: list[FrameResult]) -> None:
    answer = FileAnswer(request_in(tmp_path, "overlay"), source, "my.mp4", ("mini", "1"))
    for result in results:
        answer.write(result)
    assert answer.finish(None).file == "overlay.mp4"
    assert [path.name for path in tmp_path.iterdir()] == ["overlay.mp4"]
    assert len(list(open_video(tmp_path / "overlay.mp4"))) == 4


@pytest.mark.parametrize("output", ["overlay", "zip"])
def test_an_answer_that_is_broken_off_leaves_no_result(
    tmp_path: Path, source: VideoSource, results: list[FrameResult], output: Output
) -> None:
    answer = FileAnswer(request_in(tmp_path, output), source, "my.mp4", ("mini", "1"))
    answer.write(results[0])
    answer.discard()
    assert {path.name for path in tmp_path.iterdir()} <= {"masks"}
    assert not any(path.suffix in (".mp4", ".json", ".zip") for path in tmp_path.rglob("*"))
