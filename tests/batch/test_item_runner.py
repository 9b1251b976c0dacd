"""Items are done part by part, and go on where another worker stopped, with the same results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from batches_of_videos import EXPRESSIONS, fails_on_call, make_item, make_runner, rows
from clips import noise, write_video
from stubs import TinyBackbone, tiny_model

from vlp_rvos.batch.batch_report import Outcome
from vlp_rvos.batch.batch_settings import BatchSettings
from vlp_rvos.batch.item_runner import ItemRunner
from vlp_rvos.batch.storage import Storage
from vlp_rvos.batch.work_item import WantedExpression, WorkItem
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.media.rle import decode_mask
from vlp_rvos.runtimes.names import Precision

EXAMPLES = Path(__file__).parents[2] / "examples"
SPLIT = BatchSettings(split_seconds=0.4)


class Killed(BaseException):
    """Stands for a process that ends at once: nothing catches it."""


@pytest.fixture(autouse=True)
def _one_thread() -> object:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_rows_are_the_results_of_a_segmentation(tmp_path: Path) -> None:
    item = make_item(tmp_path)
    outcome = make_runner(str(tmp_path / "out"), tmp_path / "scratch")(item)
    assert (outcome.status, outcome.frames, outcome.parts, outcome.problem) == ("done", 10, 1, None)
    segmenter = Segmenter(tiny_model(memory_frames=2), presence_threshold=0.0, threshold=0.001)
    expected = list(segmenter.segment(item.location, [x.text for x in EXPRESSIONS], images=False))
    found = rows(tmp_path / "out")
    assert len(found) == 20
    for row in found:
        result, i = expected[row["frame"]], int(row["expression_id"])
        assert np.array_equal(decode_mask(row["segmentation"]), result.masks[i])
        assert (row["score"], row["presence"]) == (result.scores[i], result.presences[i])
        assert (row["time"], row["expression"]) == (result.time, EXPRESSIONS[i].text)
        assert row["video_uri"] == "clip.mp4"
    assert any(result.masks.any() for result in expected)


@pytest.mark.parametrize("candidates", [0, 4])
def test_splitting_changes_no_bit(tmp_path: Path, candidates: int) -> None:
    item = make_item(tmp_path)
    changes = {"candidates": candidates, "backbone": TinyBackbone(named=True)} if candidates else {}
    whole = make_runner(str(tmp_path / "whole"), tmp_path / "a", **changes)(item)
    split = make_runner(str(tmp_path / "split"), tmp_path / "b", SPLIT, **changes)(item)
    assert (whole.parts, split.parts) == (1, 4)
    assert rows(tmp_path / "whole") == rows(tmp_path / "split")


@pytest.mark.parametrize("candidates", [0, 4])
@pytest.mark.parametrize("put", range(1, 14))
def test_a_killed_worker_loses_and_repeats_nothing(
    tmp_path: Path, put: int, candidates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its nth file; another worker, with a model of its own, goes on."""
    item = make_item(tmp_path)
    changes = {"candidates": candidates, "backbone": TinyBackbone(named=True)} if candidates else {}
    make_runner(str(tmp_path / "whole"), tmp_path / "a", **changes)(item)
    first = make_runner(str(tmp_path / "out"), tmp_path / "b", SPLIT, **changes)
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "put", fails_on_call(put, Storage.put, Killed()))
        with pytest.raises(Killed):
            first(item)
    outcome = make_runner(str(tmp_path / "out"), tmp_path / "c", SPLIT, **changes)(item)
    assert (outcome.status, outcome.frames, outcome.parts) == ("done", 10, 4)
    # Each part writes an attempt, a state and rows, in this order.
    assert outcome.resumed == min(4, (put - 1) // 3)
    assert rows(tmp_path / "whole") == rows(tmp_path / "out")
    assert Storage(str(tmp_path / "out")).names("work") == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vlp_rvos.errors.VLPRVOSWarning")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_shipped_model_goes_on_to_the_bit(
    tmp_path: Path, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At this size the model is too unsure of the bear to draw it by default.
    options = InferenceOptions(size=128, precision=precision, presence_threshold=0)
    item = WorkItem("bear", str(EXAMPLES / "polar-bear.mp4"), (WantedExpression("0", "the polar bear"),), end=1.0)

    def run(name: str, split: float) -> Outcome:
        (tmp_path / name).mkdir(exist_ok=True)
        settings = BatchSettings(options=options, split_seconds=split)
        output = Storage(str(tmp_path / name / "out"))
        segmenter = Segmenter.from_pretrained("mini", options)
        return ItemRunner(segmenter, output, settings, run="run", retries=1, scratch=tmp_path / name)(item)

    assert run("whole", 600).parts == 1
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "put", fails_on_call(8, Storage.put, Killed()))
        with pytest.raises(Killed):
            run("split", 0.3)
    assert run("split", 0.3).resumed == 2
    found = rows(tmp_path / "split" / "out")
    assert found == rows(tmp_path / "whole" / "out")
    assert decode_mask(found[-1]["segmentation"]).any()


def test_what_is_complete_is_not_done_again(tmp_path: Path) -> None:
    item = make_item(tmp_path)
    runner = make_runner(str(tmp_path / "out"), tmp_path / "scratch")
    first = runner(item)
    Path(item.location).unlink()
    again = runner(item)
    assert (again.status, again.frames) == (first.status, first.frames)


def test_another_video_of_the_same_name_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = make_item(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "put", fails_on_call(5, Storage.put, Killed()))
        with pytest.raises(Killed):
            make_runner(str(tmp_path / "out"), tmp_path / "a", SPLIT)(item)
    make_item(tmp_path, frames=7)
    outcome = make_runner(str(tmp_path / "out"), tmp_path / "b", SPLIT)(item)
    assert (outcome.resumed, outcome.frames) == (0, 7)
    assert len(rows(tmp_path / "out")) == 14


def test_what_other_expressions_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = make_item(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "put", fails_on_call(5, Storage.put, Killed()))
        with pytest.raises(Killed):
            make_runner(str(tmp_path / "out"), tmp_path / "a", SPLIT)(item)
    other = WorkItem(item.video_uri, item.location, EXPRESSIONS[:1])
    assert make_runner(str(tmp_path / "out"), tmp_path / "b", SPLIT)(other).resumed == 0
    assert len(rows(tmp_path / "out")) == 10


def test_a_bad_video_is_an_outcome(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    runner = make_runner(str(tmp_path / "out"), tmp_path / "scratch")
    for name, words in (("bad.mp4", "cannot be read as a video"), ("none.mp4", "no such file")):
        outcome = runner(WorkItem(name, str(tmp_path / name), EXPRESSIONS))
        assert outcome.status == "failed"
        assert len(outcome.causes) == 1
        assert words in outcome.causes[0]
    assert rows(tmp_path / "out") == []


def test_a_video_that_breaks_off_is_done_with_a_note(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", noise(40)).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    item = WorkItem("cut.mkv", str(cut), EXPRESSIONS)
    outcome = make_runner(str(tmp_path / "out"), tmp_path / "scratch", SPLIT)(item)
    assert outcome.status == "done"
    assert 0 < outcome.frames < 40
    assert outcome.problem is not None
    assert outcome.problem.startswith(f"stopped at frame {outcome.frames} ")
    assert len(rows(tmp_path / "out")) == 2 * outcome.frames


@pytest.mark.parametrize(("times", "status"), [(2, "done"), (3, "failed")])
def test_failures_are_tried_again_with_their_causes(
    tmp_path: Path, times: int, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, runner = make_item(tmp_path), make_runner(str(tmp_path / "out"), tmp_path / "scratch")
    left, put = times, Storage.put

    def flaky(storage: Storage, name: str, content: object) -> None:
        nonlocal left
        if name.startswith("results") and left:
            left -= 1
            raise OSError(5, f"line {left}\nbroke")
        put(storage, name, content)  # type: ignore[arg-type]

    monkeypatch.setattr(Storage, "put", flaky)
    outcome = runner(item)
    assert outcome.status == status
    assert len(outcome.causes) == times
    assert outcome.causes[0].startswith("OSError: ")
    assert "\n" not in outcome.causes[0]


def test_a_video_on_which_workers_die_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = make_item(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("vlp_rvos.batch.item_runner.open_video", fails_on_call(1, lambda *_, **__: None, Killed()))
        for attempt in range(3):
            runner = make_runner(str(tmp_path / "out"), tmp_path / str(attempt))
            patch.setattr("vlp_rvos.batch.item_runner.open_video", fails_on_call(1, lambda *_: None, Killed()))
            with pytest.raises(Killed):
                runner(item)
        outcome = make_runner(str(tmp_path / "out"), tmp_path / "last")(item)
    assert outcome.status == "failed"
    assert "died 3 times" in outcome.causes[0]
    # Another run tries it again.
    assert make_runner(str(tmp_path / "out"), tmp_path / "next", run="other")(item).status == "done"


def test_overlays_and_masks_on_demand(tmp_path: Path) -> None:
    settings = BatchSettings(split_seconds=0.4, overlay=True, masks=True)
    item = make_item(tmp_path)
    make_runner(str(tmp_path / "out"), tmp_path / "scratch", settings)(item)
    names = Storage(str(tmp_path / "out")).names()
    for kind, suffix in (("overlays", ".mp4"), ("masks", ".zip"), ("results", ".parquet")):
        assert [name[-len(suffix) - 5 :] for name in names if name.startswith(kind)] == [
            f"{part:05d}{suffix}" for part in range(4)
        ]
    (commit,) = (name for name in names if name.startswith("committed"))
    assert json.loads((tmp_path / "out" / commit).read_text())["parts"] == 4
