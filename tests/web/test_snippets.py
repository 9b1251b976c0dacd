from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from circles import CircleSegmenter
from clips import frames, write_video
from web_visits import visiting

from vlp_rvos.web.job_queue import Job, JobQueue
from vlp_rvos.web.limits import Limits
from vlp_rvos.web.snippets import examples_html, frame_html, safe, status_html, timeline_html
from vlp_rvos.web.visitor import Visitor

NASTY = '<img src=x onerror="alert(1)">'


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[Visitor]:
    with visiting(tmp_path, frames(6)) as visitor:
        yield visitor


def test_text_from_outside_is_escaped(visitor: Visitor) -> None:
    assert visitor.start(NASTY).ended.wait(30)
    visitor.message = NASTY
    for html in (frame_html(visitor), status_html(visitor), timeline_html(visitor), examples_html([(NASTY, b"")])):
        assert "<img src=x" not in html
        assert "&lt;img src=x onerror=&quot;" in html
    assert safe("a\x1b[0m\nb") == "a\\x1b[0m b"


def test_the_state_of_a_job_is_told(visitor: Visitor) -> None:
    assert "dog.mp4: 64 × 48, 0.6 s, 10 fps" in status_html(visitor)
    assert visitor.start("the dog").ended.wait(30)
    assert "Done: 6 frames in" in status_html(visitor)
    visitor.message = "no such thing"
    assert 'role="alert">no such thing' in status_html(visitor)


def test_what_is_not_found_is_told(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert visitor.start("the dog\nthe car").ended.wait(30)
    assert "not found" not in status_html(visitor)
    assert visitor.finished is not None
    times, presences, scores = visitor.finished.found.curves()
    scores[:, 1] = 0
    monkeypatch.setattr(visitor.finished.found, "curves", lambda: (times, presences, scores))
    assert "not found: the car" in status_html(visitor)
    assert "presence 90 %, not found" in timeline_html(visitor)


def test_a_click_that_is_looked_at_is_told(tmp_path: Path) -> None:
    held = threading.Event()
    queue = JobQueue(2)
    other = Job(lambda job: held.wait(20))
    visitor = Visitor(tmp_path / "visitor", CircleSegmenter(), queue, Limits())
    visitor.choose_video(write_video(tmp_path / "dog.mp4", frames(3)))
    queue.add(other)
    visitor.point(0.5, 0.5, True)
    job = visitor.start_preview()
    assert job is not None
    assert "before yours" in status_html(visitor)
    held.set()
    assert job.ended.wait(30)
    assert "dog.mp4" in status_html(visitor)
    queue.close()


def test_points_are_shown_in_their_frame_alone(visitor: Visitor) -> None:
    visitor.point(0.25, 0.75, True)
    assert "left:25.000%;top:75.000%" in frame_html(visitor)
    visitor.step(1)
    assert "vr-mark" not in frame_html(visitor)


def test_the_timeline_has_a_row_for_each_thing(visitor: Visitor) -> None:
    assert timeline_html(visitor) == ""
    assert visitor.start("the dog\nthe car").ended.wait(30)
    html = timeline_html(visitor)
    assert html.count('class="vr-row"') == 2
    assert html.count("presence 90 %, confidence 80 %") == 2
    # Presence is 0.9 from the first frame (at 0) to the last one, five sixths through the video.
    assert 'points="0.0,11.6 166.7,11.6' in html
    assert '833.3,11.6"' in html


def test_without_a_video_the_page_says_what_to_do() -> None:
    assert "Choose a video" in frame_html()
    assert examples_html([]) == ""
