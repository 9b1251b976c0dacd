"""Tasks of Label Studio."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from clips import FPS
from frame_results import result
from segmented import TEXTS, make_video, write_out
from written_formats import BARE, HEADER, RESULTS, converted, files_in, json_of, written

from vlp_rvos.formats.brush_rle import decode_brush
from vlp_rvos.formats.conversion import convert
from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.label_studio import LabelStudioBrushWriter, LabelStudioVideoWriter
from vlp_rvos.formats.segmented_video import SegmentedVideo


def results_of(folder: Path) -> list[Any]:
    (task,) = json_of(folder / "tasks.json")
    found: list[Any] = task["predictions"][0]["result"]
    return found


def test_key_frames_of_a_video(tmp_path: Path) -> None:
    folder, made = converted(tmp_path, "label-studio", make_video(tmp_path / "dog.mp4"))
    (task,) = json_of(folder / "tasks.json")
    assert task["data"] == {"video": "/data/local-files/?d=label-studio/dog.mp4"}
    assert (folder / "dog.mp4").read_bytes() == (tmp_path / "dog.mp4").read_bytes()
    for i, region in enumerate(results_of(folder)):
        assert region["value"]["labels"] == [TEXTS[i]]
        keys = region["value"]["sequence"]
        assert [key["frame"] for key in keys] == [1, 2, 4, 5]
        # The thing is gone after the second frame and after the last one.
        assert [key["enabled"] for key in keys] == [True, False, True, False]
        for key in keys:
            ys, xs = np.nonzero(made[key["frame"] - 1].masks[i])
            assert key["x"] == pytest.approx(100 * xs.min() / 64, abs=1e-3)
            assert key["y"] + key["height"] == pytest.approx(100 * (ys.max() + 1) / 48, abs=1e-3)


def test_numbers_of_frames_and_the_rate_are_those_of_the_whole_video(tmp_path: Path) -> None:
    video = make_video(tmp_path / "dog.mp4", number=9)
    write_out(tmp_path / "out", video, every=4)
    convert(SegmentedVideo(tmp_path / "out", video), "label-studio", tmp_path / "tasks")
    (tag,) = ElementTree.parse(tmp_path / "tasks" / "labeling_config.xml").getroot().iter("Video")
    rate = float(tag.get("frameRate", 0))
    assert rate == FPS
    for region in results_of(tmp_path / "tasks"):
        value = region["value"]
        assert (value["framesCount"], value["duration"]) == (9, 0.9)
        assert [key["frame"] for key in value["sequence"]] == [1, 5, 9]
        assert [key["time"] for key in value["sequence"]] == [(key["frame"] - 1) / rate for key in value["sequence"]]


def test_outlines_of_a_video_are_closed_chains(tmp_path: Path) -> None:
    with LabelStudioVideoWriter(tmp_path, HEADER, FormatOptions(vector=True)) as writer:
        writer.write(RESULTS[0])
    region = results_of(tmp_path)[0]
    assert (region["type"], region["from_name"]) == ("videovector", "vector")
    (key,) = region["value"]["sequence"]
    points = key["vertices"]
    assert [point["prevPointId"] for point in points] == [None, *(point["id"] for point in points[:-1])]
    assert key["closed"] is True
    assert {(point["x"], point["y"]) for point in points} == {(25, 50), (50, 50), (50, 100), (25, 100)}


def test_what_is_never_found_is_no_region(tmp_path: Path) -> None:
    assert results_of(written(tmp_path / "a", LabelStudioVideoWriter, [BARE[1]])) == []
    (region,) = results_of(written(tmp_path / "b", LabelStudioVideoWriter, [result(scores=(0.5,))]))
    assert (region["id"], region["score"]) == ("track1", 0.5)


@pytest.mark.parametrize("size", [(48, 64), (27, 33), (4, 4)])
def test_brush_masks_are_read_back(tmp_path: Path, size: tuple[int, int]) -> None:
    one = result(height=size[0], width=size[1])
    folder = written(tmp_path / "a b", LabelStudioBrushWriter, [one])
    assert json_of(folder / "tasks.json")[0]["data"]["image"] == "/data/local-files/?d=a%20b/images/00000.jpg"
    regions = results_of(folder)
    assert [region["value"]["brushlabels"] for region in regions] == [[text] for text in one.expressions]
    for region, mask in zip(regions, one.masks, strict=True):
        shape = region["original_height"], region["original_width"]
        assert np.array_equal(decode_brush(region["value"]["rle"], shape), mask)


def test_each_frame_is_a_task_of_brushes(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", LabelStudioBrushWriter)
    tasks = json_of(folder / "tasks.json")
    assert [task["data"]["frame"] for task in tasks] == [0, 1, 2]
    assert [len(task["predictions"][0]["result"]) for task in tasks] == [2, 0, 2]
    assert files_in(folder) == {"tasks.json", "labeling_config.xml", *(f"images/0000{i}.jpg" for i in range(3))}


@pytest.mark.parametrize("kind", [LabelStudioVideoWriter, LabelStudioBrushWriter])
def test_the_interface_has_each_label_once_whatever_it_says(tmp_path: Path, kind: type[LabelStudioVideoWriter]) -> None:
    texts = ("a <b> & \"c\" 'd'", "dog", "dog", "\x1b[1m", "\ud800")
    one = replace(result(scores=(0.5,) * len(texts)), expressions=texts)
    root = ElementTree.parse(written(tmp_path / "a", kind, [one]) / "labeling_config.xml").getroot()
    assert [label.get("value") for label in root.iter("Label")][:3] == [texts[0], "dog", "[1m"]
    assert len({label.get("background") for label in root.iter("Label")}) == len(list(root.iter("Label"))) == 4


def test_after_a_failure_the_file_is_closed(tmp_path: Path) -> None:
    writer = LabelStudioBrushWriter(tmp_path, HEADER, FormatOptions())
    with pytest.raises(KeyboardInterrupt), writer:
        raise KeyboardInterrupt
    assert writer._file.closed
    assert not (tmp_path / "labeling_config.xml").exists()
