"""What the page does when a visitor does something: each handler changes the visitor, and says what else to show.

Handlers know no layout. They run in threads of the server, and raise `UserError` for what a visitor may see.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlp_rvos.errors import UserError
from vlp_rvos.media.overlay_style import Drawing
from vlp_rvos.web.examples import Example
from vlp_rvos.web.job_queue import Job
from vlp_rvos.web.visitor import Visitor

__all__ = ["Answer", "Handlers"]

#: Largest number that a browser has a reason to send.
MAX_NUMBER = 1e9
#: Values of the player, and of the beginning and the end of the part, when no video is chosen.
NO_VIDEO = (None, 0, None)


@dataclass
class Answer:
    """What follows from what a visitor did.

    Attributes:
        values: values for the parts of the page that this handler alone changes; empty to leave them as they are.
        job: a job to follow until it has ended.
        nothing: True if the page stays as it is.
        problem: what was wrong, where the values change all the same; empty where nothing was.
    """

    values: Sequence[Any] = ()
    job: Job | None = None
    nothing: bool = False
    problem: str = ""


class Handlers:
    """The handlers; each takes the visitor, what the browser says about the event, and values of the page.

    Args:
        examples: videos to try.
    """

    def __init__(self, examples: Sequence[Example] = ()) -> None:
        self.examples = examples

    # --- the video ---------------------------------------------------------------------------------------------------
    def choose(self, visitor: Visitor, _: Any, path: str | None) -> Answer:
        """Take an uploaded or recorded video, or forget the one that was removed."""
        if path is None:
            if visitor.video is None:
                return Answer(nothing=True)
            visitor.forget_video()
            return Answer([*NO_VIDEO, "frame"])
        if visitor.folder in Path(path).parents:
            # The page shows the video from the visitor's folder since this handler or an example has put it there.
            return Answer(nothing=True)
        try:
            return self._chosen(visitor, visitor.take_upload(Path(path)))
        except UserError as error:
            # The player shall not go on showing a file that was refused.
            return Answer([*NO_VIDEO, "frame"], problem=str(error))

    def try_example(self, visitor: Visitor, event: Any) -> Answer:
        """Take an example, and the words for it."""
        number = event.get("example") if isinstance(event, dict) else None
        if not isinstance(number, int) or not 0 <= number < len(self.examples):
            return Answer(nothing=True)
        example = self.examples[number]
        path = visitor.new_path(example.path.name)
        try:
            os.link(example.path, path)
        except OSError:
            shutil.copyfile(example.path, path)
        answer = self._chosen(visitor, path)
        return Answer([example.words, *answer.values])

    def _chosen(self, visitor: Visitor, path: Path) -> Answer:
        video = visitor.choose_video(path)
        visitor.view = "frame"
        return Answer([str(path), 0, round(min(video.seconds, visitor.limits.max_seconds), 2), "frame"])

    # --- the job -----------------------------------------------------------------------------------------------------
    def find(
        self, visitor: Visitor, _: Any, words: str | None, start: float | None, end: float | None, every: float
    ) -> Answer:
        """Start the job."""
        job = visitor.start(words or "", start, end, int(_number({"every": every}, "every")))
        visitor.view = "frame"
        return Answer(["frame"], job)

    def stop(self, visitor: Visitor, _: Any) -> Answer:
        """Stop the job."""
        visitor.stop()
        return Answer()

    # --- the frame ---------------------------------------------------------------------------------------------------
    def step(self, visitor: Visitor, direction: int) -> Answer:
        """Show the next frame or the one before."""
        if visitor.is_busy:
            return Answer(nothing=True)
        visitor.step(direction)
        return Answer()

    def step_by_key(self, visitor: Visitor, event: Any) -> Answer:
        """Show the next frame or the one before, for a key."""
        return self.step(visitor, -1 if _number(event, "step") < 0 else 1)

    def show(self, visitor: Visitor, _: Any, time: float) -> Answer:
        """Show the frame at a time."""
        if visitor.is_busy:
            return Answer(nothing=True)
        visitor.show(float(time))
        return Answer()

    def show_part(self, visitor: Visitor, event: Any) -> Answer:
        """Show the frame at a place of the timeline."""
        if visitor.video is None:
            return Answer(nothing=True)
        return self.show(visitor, None, _number(event, "at") * visitor.video.seconds)

    def view(self, visitor: Visitor, _: Any, name: str) -> Answer:
        """Open another view of the frame."""
        visitor.view = name
        return Answer()

    def play(self, visitor: Visitor, _: Any) -> Answer:
        """Make the overlay video and play it."""
        visitor.view = "play"
        try:
            return Answer([str(visitor.make("Overlay video"))])
        except UserError as error:
            return Answer([None], problem=str(error))

    def here(self, visitor: Visitor, after: bool) -> Answer:
        """Let the part of the video begin at the frame that is shown, or end after it."""
        if visitor.video is None:
            raise UserError("choose a video first")
        step = 1 / visitor.video.info.fps if after else 0.0
        return Answer([round(visitor.shown + step, 3)])

    # --- pointing ----------------------------------------------------------------------------------------------------
    def point(self, visitor: Visitor, event: Any, mode: str) -> Answer:
        """Point at something in the frame, and find it there."""
        visitor.point(_number(event, "x"), _number(event, "y"), mode != "Take away")
        return Answer(job=visitor.start_preview())

    def change_things(self, visitor: Visitor, change: Callable[[Visitor], None]) -> Answer:
        """Change what is pointed at, and find what is left in the frame."""
        if visitor.is_busy:
            raise UserError("wait until the job has ended, or stop it")
        change(visitor)
        visitor.points_changed()
        return Answer(job=visitor.start_preview())

    def choose_thing(self, visitor: Visitor, _: Any, name: str) -> Answer:
        """Let the next point belong to another thing."""
        visitor.things.choose(name)
        return Answer()

    # --- the style and the files -------------------------------------------------------------------------------------
    def colour(self, visitor: Visitor, event: Any) -> Answer:
        """Draw a thing in another colour."""
        with suppress(UserError):
            visitor.set_colour(int(_number(event, "thing")), str(event.get("colour")))
        return Answer()

    def set_style(self, visitor: Visitor, _: Any, drawing: Drawing, names: bool) -> Answer:
        """Draw masks in another style, with or without the names of the things on the picture."""
        visitor.style = replace(visitor.style, drawing=drawing, legend="inside" if names else "none")
        return Answer()

    def make(self, visitor: Visitor, label: str) -> Answer:
        """Make a file for download."""
        return Answer([str(visitor.make(label))])


def _number(event: Any, key: str) -> float:
    """A number that the browser sent.

    Raises:
        UserError: there is none.
    """
    value = event.get(key) if isinstance(event, dict) else None
    # Not for what is not a number or infinite, either.
    if not isinstance(value, int | float) or not abs(value) <= MAX_NUMBER:
        raise UserError("the browser sent something that this page does not understand: load the page again")
    return float(value)
