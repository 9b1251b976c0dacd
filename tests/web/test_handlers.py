from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from circles import CircleSegmenter
from clips import frames, write_video

from vlp_rvos.errors import UserError
from vlp_rvos.media.overlay_style import OverlayStyle
from vlp_rvos.web.examples import Example
from vlp_rvos.web.handlers import Handlers
from vlp_rvos.web.job_queue import JobQueue
from vlp_rvos.web.limits import Limits
from vlp_rvos.web.visitor import Visitor


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[Visitor]:
    queue = JobQueue(2)
    yield Visitor(tmp_path / "visitor", CircleSegmenter(), queue, Limits(max_seconds=0.5))
    queue.close()


@pytest.fixture
def do(tmp_path: Path) -> Handlers:
    return Handlers([Example.of(write_video(tmp_path / "big_red-square.mp4", frames(8)))])


def test_an_upload_becomes_the_video(visitor: Visitor, do: Handlers, tmp_path: Path) -> None:
    answer = do.choose(visitor, None, str(write_video(tmp_path / "dog.mp4", frames(8))))
    path, start, end, view = answer.values
    assert visitor.video is not None
    assert visitor.video.path == Path(path)
    assert (start, end, view) == (0, 0.5, "frame")
    # The page says the same again after it has shown the moved file.
    assert do.choose(visitor, None, path).nothing
    assert do.choose(visitor, None, None).values == [None, 0, None, "frame"]
    assert visitor.video is None
    assert do.choose(visitor, None, None).nothing


def test_a_file_that_is_refused_leaves_the_player(visitor: Visitor, do: Handlers, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    answer = do.choose(visitor, None, str(bad))
    assert answer.values == [None, 0, None, "frame"]
    assert "bad.mp4 cannot be read as a video" in answer.problem
    assert visitor.video is None


def test_another_video_or_job_opens_the_frame(visitor: Visitor, do: Handlers) -> None:
    do.try_example(visitor, {"example": 0})
    answer = do.play(visitor, None)
    assert answer.values == [None]
    assert "no masks yet" in answer.problem
    assert visitor.view == "play"
    assert do.find(visitor, None, "the dog", 0, 0.5, 1).values == ["frame"]
    assert visitor.view == "frame"
    do.view(visitor, None, "compare")
    assert do.try_example(visitor, {"example": 0}).values[-1] == "frame"
    assert visitor.view == "frame"


def test_an_example_brings_its_words(visitor: Visitor, do: Handlers) -> None:
    answer = do.try_example(visitor, {"example": 0})
    assert answer.values[0] == "the big red square"
    assert visitor.video is not None
    assert do.examples[0].path.exists()
    visitor.forget_video()
    assert do.examples[0].path.exists()
    for wrong in (None, {}, {"example": 1}, {"example": -1}, {"example": "../x"}):
        assert do.try_example(visitor, wrong).nothing


def test_finding_and_stepping(visitor: Visitor, do: Handlers) -> None:
    with pytest.raises(UserError, match="choose a video first"):
        do.find(visitor, None, "the dog", 0, None, 1)
    do.try_example(visitor, {"example": 0})
    job = do.find(visitor, None, "the dog", 0, 0.5, 1).job
    assert job is not None
    assert job.ended.wait(30)
    do.step(visitor, 1)
    do.step_by_key(visitor, {"step": 1})
    assert visitor.shown == pytest.approx(0.2)
    do.show_part(visitor, {"at": 0.5})
    assert visitor.shown == pytest.approx(0.4)
    assert do.here(visitor, True).values == [pytest.approx(0.5)]
    assert Path(do.make(visitor, "JSON").values[0]).name == "masks.json"
    assert Path(do.play(visitor, None).values[0]).name == "overlay.mp4"


def test_pointing(visitor: Visitor, do: Handlers) -> None:
    do.try_example(visitor, {"example": 0})
    job = do.point(visitor, {"x": 0.5, "y": 0.5}, "Add").job
    assert job is not None
    assert job.ended.wait(30)
    do.point(visitor, {"x": 0.1, "y": 0.1}, "Take away")
    assert [point.include for point in visitor.things.points] == [True, False]
    do.change_things(visitor, lambda visitor: visitor.things.clear())
    assert visitor.things.points == []
    for wrong in ({"x": "1", "y": 0}, {}, None, {"x": 2, "y": 0}, {"x": float("nan"), "y": 0}):
        with pytest.raises(UserError):
            do.point(visitor, wrong, "Add")


def test_colours_and_style(visitor: Visitor, do: Handlers) -> None:
    do.try_example(visitor, {"example": 0})
    # There is nothing yet that could have a colour.
    do.colour(visitor, {"thing": 0, "colour": "#010203"})
    assert visitor.style == OverlayStyle()
    job = do.find(visitor, None, "the dog\nthe car", 0, 0.5, 1).job
    assert job is not None
    assert job.ended.wait(30)
    do.colour(visitor, {"thing": 1, "colour": "#010203"})
    do.set_style(visitor, None, "fill", False)
    wanted = OverlayStyle("fill", "none", named_colours={"the car": (1, 2, 3)})
    assert visitor.style == wanted
    for wrong in ({"thing": 0, "colour": "javascript:"}, {"thing": 2, "colour": "#000000"}, {"thing": -1}, {}, None):
        do.colour(visitor, wrong)
    with pytest.raises(UserError, match="unknown style"):
        do.set_style(visitor, None, "dots", True)  # type: ignore[arg-type]
    assert visitor.style == wanted


@pytest.mark.parametrize("number", [10**400, float("nan"), float("inf"), -1e300, "5", None])
def test_numbers_that_no_browser_sends(visitor: Visitor, do: Handlers, tmp_path: Path, number: object) -> None:
    do.choose(visitor, None, str(write_video(tmp_path / "dog.mp4", frames(4))))
    for call in (
        lambda: do.point(visitor, {"x": number, "y": 0.5}, "Add"),
        lambda: do.step_by_key(visitor, {"step": number}),
        lambda: do.show_part(visitor, {"at": number}),
        lambda: do.find(visitor, None, "the dog", 0, None, number),  # type: ignore[arg-type]
    ):
        with pytest.raises(UserError, match="load the page again"):
            call()
    assert do.colour(visitor, {"thing": number, "colour": "#010203"}).values == ()
