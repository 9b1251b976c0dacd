"""Small batches: videos, items, a runner with a tiny model, and its results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from clips import noise, write_video
from stubs import tiny_model

from vlp_rvos.batch.batch_settings import BatchSettings
from vlp_rvos.batch.item_runner import ItemRunner
from vlp_rvos.batch.storage import Storage
from vlp_rvos.batch.work_item import WantedExpression, WorkItem
from vlp_rvos.inference.segmenter import Segmenter

EXPRESSIONS = (WantedExpression("0", "the dog that jumps"), WantedExpression("1", "a red car"))


def make_item(folder: Path, frames: int = 10, name: str = "clip") -> WorkItem:
    """An item about a video of noise, 10 frames a second."""
    video = write_video(folder / f"{name}.mp4", noise(frames))
    return WorkItem(video.name, str(video), EXPRESSIONS)


def make_runner(
    output: str, scratch: Path, settings: BatchSettings | None = None, run: str = "run", **model: object
) -> ItemRunner:
    """A runner that segments with a tiny model and does not wait before it tries again."""
    scratch.mkdir(exist_ok=True)
    segmenter = Segmenter(tiny_model(memory_frames=2, **model), presence_threshold=0.0, threshold=0.001)
    settings = settings or BatchSettings()
    return ItemRunner(segmenter, Storage(output), settings, run=run, retries=2, scratch=scratch, pause=lambda _: None)


def rows(output: Path) -> list[dict[str, Any]]:
    """All rows of results, by video, expression and frame."""
    found = [row for file in (output / "results").rglob("*.parquet") for row in pq.read_table(file).to_pylist()]
    return sorted(found, key=lambda row: (row["video_uri"], row["expression_id"], row["frame"]))


def fails_on_call(number: int, function: Callable[..., Any], error: BaseException) -> Callable[..., Any]:
    """A function that raises an error at its nth call, and otherwise does what another one does."""
    calls = 0

    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            raise error
        return function(*arguments, **options)

    return call
