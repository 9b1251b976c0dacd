"""The outputs take their places together, and replace nothing but earlier ones."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest
from explanations import dense_explanation, explanation, result_of
from PIL import Image

from vlp_rvos.errors import UserError
from vlp_rvos.explaining.explanation_files import FIGURE, NUMBERS, OUTPUTS, VIDEO, ExplanationWriter, Moments
from vlp_rvos.explaining.explanation_sheet import ExplanationSheet
from vlp_rvos.media.video_source import VideoInfo

INFO = VideoInfo("dog.mp4", 64, 48, 10.0, 0.3, 3)
MODEL = ("mini", "1")


def write(folder: Path, presences: tuple[float, ...] = (0.5, 0.9, 0.7), times: tuple[float, ...] = ()) -> None:
    with ExplanationWriter(folder, INFO, 10.0, MODEL, times) as writer:
        for index, presence in enumerate(presences):
            pair = explanation(presence=presence), dense_explanation(expression="it")
            writer.write(result_of(*pair, index=index), pair)


def test_everything_is_written(tmp_path: Path) -> None:
    write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(OUTPUTS)
    height, width = ExplanationSheet((48, 64), 3).size
    with Image.open(tmp_path / FIGURE) as picture:
        assert picture.size == (width, 2 * height)
    with av.open(str(tmp_path / VIDEO)) as container:
        decoded = list(container.decode(video=0))
    assert [(frame.width, frame.height) for frame in decoded] == [(width, 2 * height)] * 3
    content = json.loads((tmp_path / NUMBERS).read_text())
    assert content["explains"]["name"] == "dog.mp4"
    assert content["truncated"] is None
    first, second = content["frames"][1]["expressions"]
    assert first["presence"] == 0.9
    assert [each["number"] for each in first["candidates"]] == [1, 2]
    assert first["words"][1] == {
        "word": "red",
        "score_map": {"mean": 0.5, "max": 1.0},
        "attention": {"fusion": 0.25, "reasoning": 0.5, "choice": 1.0},
    }
    assert (second["none"], second["candidates"]) == (None, [])


def test_moments() -> None:
    moments, timed = Moments(()), Moments([0.0, 0.19])
    for index, presence in enumerate((0.5, 0.9, 0.7)):
        given = explanation(presence=presence)
        for each in (moments, timed):
            each.offer(result_of(given, index=index), [given])
    assert [(e, result.index) for e, result, _ in moments.chosen()] == [(0, 1)]
    assert [(e, result.index) for e, result, _ in timed.chosen()] == [(0, 0), (0, 2)]


def test_earlier_outputs_are_replaced_and_others_kept(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, (0.1,))
    assert len(json.loads((tmp_path / NUMBERS).read_text())["frames"]) == 1
    for name, check in OUTPUTS.items():
        check(tmp_path / name)
        (tmp_path / name).write_bytes(b"something else")
        with pytest.raises(UserError, match=f"{name} is not .* that vlp-rvos wrote"):
            check(tmp_path / name)


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with ExplanationWriter(tmp_path, INFO, 10.0, MODEL) as writer:
            writer.write(result_of(explanation()), [explanation()])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
