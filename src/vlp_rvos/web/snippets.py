"""The parts of the page that are HTML of our own: the frame, the state of the job, the timeline and the examples.

All text from outside is escaped here.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import numpy as np

from vlp_rvos.arrays import Floats
from vlp_rvos.media.overlay import LOW_PRESENCE, overlay_colours
from vlp_rvos.media.video_source import TIME_TOLERANCE
from vlp_rvos.utils.plain_text import escape_unprintable, shorten
from vlp_rvos.web.frame_pictures import draw, jpeg, shrink
from vlp_rvos.web.job_queue import State
from vlp_rvos.web.visitor import Visitor

__all__ = ["examples_html", "frame_html", "safe", "status_html", "timeline_html"]

#: Longer side of the frame that is shown, in pixels.
SHOWN_SIDE = 1280
#: Points of a curve of the timeline, at most.
CURVE_POINTS = 400


def safe(text: object) -> str:
    """Text from outside as HTML that shows it as it is."""
    return escape(escape_unprintable(shorten(" ".join(str(text).split()))))


def data_url(image: bytes) -> str:
    """A JPEG file as a URL that holds it."""
    return f"data:image/jpeg;base64,{base64.b64encode(image).decode()}"


def frame_html(visitor: Visitor | None = None) -> str:
    """The frame that is shown, with its masks, and the points that lie on it."""
    result = None if visitor is None else visitor.frame()
    if visitor is None or visitor.video is None or result is None:
        return (
            '<div class="vr-empty"><p>Choose a video, say what to find in it, and press <b>Find</b>.</p>'
            "<p>Or click on the thing in the picture.</p></div>"
        )
    small = shrink(result, SHOWN_SIDE)
    height, width = small.image.shape[:2]
    aspect = float(visitor.video.info.pixel_aspect)
    shown = [name for name, mask in zip(result.expressions, result.masks, strict=True) if mask.any()]
    what = f"Frame at {result.time:.2f} seconds" + (f", with masks of {', '.join(shown)}" if shown else "")
    info = visitor.video.info
    marks = "".join(
        f'<i class="vr-mark {"vr-add" if point.include else "vr-remove"}" title="{safe(point.name)}" '
        f'style="left:{100 * point.x / info.width:.3f}%;top:{100 * point.y / info.height:.3f}%"></i>'
        for point in visitor.things.points
        if abs(point.time - result.time) < TIME_TOLERANCE
    )
    return (
        f'<div class="vr-frame" style="aspect-ratio:{width * aspect:.4f}/{height};'
        f'--ratio:{width * aspect / height:.5f}">'
        f'<img src="{data_url(jpeg(draw(small, visitor.style)))}" width="{width}" height="{height}" '
        f'decoding="sync" draggable="false" alt="{safe(what)}">{marks}</div>'
    )


def status_html(visitor: Visitor) -> str:
    """What the job does or has done, or what was wrong."""
    if visitor.message:
        return f'<div class="vr-status vr-problem" role="alert">{safe(visitor.message)}</div>'
    if visitor.is_looking:
        return _working_html(visitor.before, "Looking at what you clicked …")
    job, progress, finished = visitor.job, visitor.progress, visitor.finished
    if job is None or finished is None:
        text = ""
        if visitor.video is not None:
            info = visitor.video.info
            text = f"{safe(info.name)}: {info.width} × {info.height}, {visitor.video.seconds:.1f} s, {info.fps:.3g} fps"
        return f'<div class="vr-status" role="status">{text}</div>'
    if job.state is State.FAILED:
        return f'<div class="vr-status vr-problem" role="alert">{safe(visitor.without_paths(job.problem))}</div>'
    if job.state is State.WAITING:
        return _working_html(visitor.before, "Starting …")
    if job.state is State.RUNNING:
        if not progress.frames:
            return _working_html(0, "Looking at the first frames …")
        total, rate = progress.total, progress.frames_per_second
        text = f"frame {progress.frames}" + (f" of {total}" if total else "") + f" · {rate:.1f} frames/s"
        if total and rate > 0:
            text += f" · {max(0.0, (total - progress.frames) / rate):.0f} s left"
        share = f' value="{progress.frames}" max="{max(total, progress.frames)}"' if total else ""
        return f'<div class="vr-status"><progress{share} aria-label="Progress"></progress><span>{text}</span></div>'
    verb = "Stopped" if job.state is State.STOPPED else "Done"
    text = f"{verb}: {progress.frames} frame{'' if progress.frames == 1 else 's'} in {progress.seconds:.1f} s"
    if progress.frames:
        text += f" ({progress.frames_per_second:.1f} frames/s)"
        scores = finished.found.curves()[2]
        missing = [name for name, own in zip(finished.found.names, scores.T, strict=True) if not own.any()]
        text += f" · not found: {safe(', '.join(missing))}" if missing else ""
    if finished.truncated and job.state is not State.STOPPED:
        text += f" · the video {safe(finished.truncated)}"
    return f'<div class="vr-status" role="status">{text}</div>'


def _working_html(before: int, text: str) -> str:
    """That a job waits or works, for how long nobody knows."""
    if before:
        text = f"In the queue: {before} job{'s' if before > 1 else ''} before yours"
    return f'<div class="vr-status" role="status"><progress aria-label="Progress"></progress><span>{text}</span></div>'


def timeline_html(visitor: Visitor) -> str:
    """Presence and confidence of each thing over the time of the video, with a mark at the frame that is shown."""
    video, finished = visitor.video, visitor.finished
    if video is None or finished is None:
        return ""
    times, presences, scores = finished.found.curves()
    length = max(video.seconds, 1e-3)
    now = visitor.progress.latest.time if visitor.progress.latest is not None else visitor.shown
    rows = []
    names = finished.found.names
    colours = visitor.style.apply(names, overlay_colours(len(names)))
    for i, (name, colour) in enumerate(zip(names, colours.tolist(), strict=True)):
        colour_text = "#{:02x}{:02x}{:02x}".format(*colour)
        places = 1000 * times / length
        here = finished.found.number_at(now)
        numbers = "" if here is None else _numbers(presences[here, i], scores[here, i])
        rows.append(
            f'<div class="vr-row"><div class="vr-name"><input type="color" value="{colour_text}" data-thing="{i}" '
            f'aria-label="Colour of {safe(name)}"><span title="{safe(name)}">{safe(name)}</span>'
            f"<small>{numbers}</small></div>"
            '<div class="vr-track"><svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">'
            f'<polygon points="{_area(places, scores[:, i])}" fill="{colour_text}" fill-opacity=".45"/>'
            f'<polyline points="{_line(places, presences[:, i])}" fill="none" stroke="currentColor" '
            'stroke-width="1.5" vector-effect="non-scaling-stroke"/></svg>'
            f'<b style="left:{100 * min(1.0, now / length):.3f}%"></b></div></div>'
        )
    return (
        '<div class="vr-timeline" aria-label="Presence and confidence over time">'
        '<div class="vr-legend"><span><i class="vr-key-line"></i>presence</span>'
        '<span><i class="vr-key-area"></i>confidence</span>'
        f'<span><i class="vr-key-dashes"></i>doubtful: presence below {100 * LOW_PRESENCE:.0f} %</span></div>'
        f"{''.join(rows)}</div>"
    )


def _numbers(presence: float, score: float) -> str:
    """What is said of a thing in the frame that is shown; the score of an empty mask is 0."""
    if not score:
        return f"presence {100 * presence:.0f} %, not found"
    return f"presence {100 * presence:.0f} %, confidence {100 * score:.0f} %"


def _line(places: Floats, values: Floats) -> str:
    if not len(places):
        return ""
    kept = np.unique(np.linspace(0, len(places) - 1, min(len(places), CURVE_POINTS)).astype(int))
    return " ".join(f"{places[i]:.1f},{98 - 96 * values[i]:.1f}" for i in kept)


def _area(places: Floats, values: Floats) -> str:
    if not len(places):
        return ""
    return f"{places[0]:.1f},100 {_line(places, values)} {places[-1]:.1f},100"


def examples_html(examples: Sequence[tuple[str, bytes]]) -> str:
    """Buttons with pictures: (what to find, JPEG file) for each."""
    if not examples:
        return ""
    buttons = "".join(
        f'<button type="button" data-example="{i}"><img src="{data_url(picture)}" alt=""><span>{safe(words)}</span>'
        "</button>"
        for i, (words, picture) in enumerate(examples)
    )
    return f'<div class="vr-examples"><span>Or try one of these</span><div>{buttons}</div></div>'
