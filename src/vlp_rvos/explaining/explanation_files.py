"""The outputs of `vlp-rvos explain`: a picture of chosen moments, a video, and the numbers of every frame."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import av
import numpy as np
from PIL import Image as PillowImage

from vlp_rvos.arrays import Image
from vlp_rvos.errors import UserError
from vlp_rvos.explaining.explanation import Explanation
from vlp_rvos.explaining.explanation_sheet import ExplanationSheet
from vlp_rvos.explaining.reasons import reason
from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.media.png_mark import is_marked_png, mark_png
from vlp_rvos.media.video_source import VideoInfo
from vlp_rvos.media.video_writer import MARK, VideoWriter
from vlp_rvos.utils.atomic import AtomicWriter
from vlp_rvos.utils.json_text import json_text
from vlp_rvos.utils.output_set import ADVICE, Check, OutputSet, is_taken

__all__ = ["FIGURE", "NUMBERS", "OUTPUTS", "VIDEO", "ExplanationWriter", "Moments"]

FIGURE, VIDEO, NUMBERS = "explain.png", "explain.mp4", "explain.json"
START = b'{"explains": '


class Moments:
    """The explanations that the picture shows: of each expression the surest frame, or the frames at chosen times.

    Only the chosen frames are kept.

    Args:
        times: times in seconds; the nearest frame counts. Empty chooses the frame with the highest presence.
    """

    def __init__(self, times: Sequence[float]) -> None:
        self.times = tuple(times)
        self._best: dict[tuple[int, float | None], tuple[float, FrameRecord, Explanation]] = {}

    def offer(self, result: FrameRecord, explanations: Sequence[Explanation]) -> None:
        """Keep a frame where it fits better than those before."""
        for e, explanation in enumerate(explanations):
            fits: dict[float | None, float] = {time: -abs(result.time - time) for time in self.times}
            for key, fit in (fits or {None: explanation.presence}).items():
                if (e, key) not in self._best or fit > self._best[e, key][0]:
                    self._best[e, key] = fit, result, explanation

    def chosen(self) -> list[tuple[int, FrameRecord, Explanation]]:
        """Number of the expression, result and explanation, by expression and then by time."""
        found = [(e, result, explanation) for (e, _), (_, result, explanation) in self._best.items()]
        return sorted(found, key=lambda each: (each[0], each[1].time))


class ExplanationWriter(AtomicWriter):
    """Writes the picture, the video and the numbers. They take their places together when all are complete.

    Args:
        folder: the folder, which must exist.
        info: what is known of the video.
        fps: average frame rate of the frames that are explained.
        model: name and version of the model.
        times: see `Moments`.

    Attributes:
        moments: the explanations that the picture shows.
        truncated: why the frames end early, to be set before `close`; None where they do not.
    """

    def __init__(
        self, folder: Path, info: VideoInfo, fps: float, model: tuple[str, str], times: Sequence[float] = ()
    ) -> None:
        self.truncated: str | None = None
        self.moments = Moments(times)
        self._sheets: list[ExplanationSheet] = []
        self._separator = ""
        self._outputs = OutputSet(folder, OUTPUTS)
        self._video = VideoWriter(self._outputs.part(VIDEO), fps)
        self._file: TextIO = self._outputs.part(NUMBERS).open("w", encoding="utf-8")
        header = {
            "explains": {"name": info.name, "width": info.width, "height": info.height, "fps": info.fps},
            "model": {"name": model[0], "version": model[1]},
        }
        self._file.write(json_text(header)[:-1] + ', "frames": [')

    def write(self, result: FrameRecord, explanations: Sequence[Explanation]) -> None:
        """Write the explanations of the next frame, one for each expression."""
        if not self._sheets:
            height, width = result.image.shape[:2]
            self._sheets = [ExplanationSheet((height, width), len(each.words)) for each in explanations]
        self.moments.offer(result, explanations)
        self._video.write(self._stack([(e, result, each) for e, each in enumerate(explanations)]), result.time)
        frame: dict[str, Any] = {"index": result.index, "time": round(result.time, 6), "name": result.name}
        frame["expressions"] = [_numbers(explanation) for explanation in explanations]
        self._file.write(f"{self._separator}\n" + json_text(frame))
        self._separator = ","

    def _stack(self, chosen: Iterable[tuple[int, FrameRecord, Explanation]]) -> Image:
        return np.concatenate([self._sheets[e].draw(result, explanation) for e, result, explanation in chosen])

    def close(self) -> None:
        self._file.write(f'\n], "truncated": {json_text(self.truncated)}}}\n')
        self._file.close()
        self._video.close()
        content = io.BytesIO()
        PillowImage.fromarray(self._stack(self.moments.chosen())).save(content, "PNG", optimize=True)
        self._outputs.part(FIGURE).write_bytes(mark_png(content.getvalue()))
        self._outputs.close()

    def discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        self._video.discard()
        self._outputs.discard()


def _numbers(explanation: Explanation) -> dict[str, Any]:
    """An explanation as JSON holds it, without pictures."""

    def short(value: float | None) -> float | None:
        return None if value is None else round(float(value), 4)

    def spread(values: Any) -> dict[str, Any] | None:
        return None if values is None else {"mean": short(values.mean()), "max": short(values.max())}

    return {
        "expression": explanation.expression,
        "reason": reason(explanation),
        "presence": short(explanation.presence),
        "threshold": short(explanation.threshold),
        "usual_threshold": short(explanation.usual_threshold),
        "score": short(explanation.score),
        "area": short(explanation.mask.mean()),
        "score_map": spread(explanation.score_map),
        "dense": {"presence": short(explanation.dense_presence), "area": short((explanation.dense_mask > 0.5).mean())},
        "none": short(explanation.none),
        "candidates": [
            {
                "number": candidate.number,
                "label": candidate.label,
                "score": short(candidate.score),
                "membership": short(candidate.membership),
                "is_counted": candidate.is_counted,
                "objectness": short(candidate.objectness),
                "area": None if candidate.mask is None else short(candidate.mask.mean()),
            }
            for candidate in explanation.candidates
        ],
        "words": [
            {
                "word": word.text,
                "score_map": spread(word.score_map),
                "attention": {part: short(share) for part, share in word.attention.items()},
            }
            for word in explanation.words
        ],
    }


# --- what may be replaced --------------------------------------------------------------------------------------------
def _check_figure(path: Path) -> None:
    if is_taken(path, "file") and not is_marked_png(path):
        raise UserError(f"{path} is not a picture that vlp-rvos wrote: {ADVICE}")


def _check_video(path: Path) -> None:
    if not is_taken(path, "file"):
        return
    with suppress(OSError, ValueError), av.open(str(path.absolute())) as container:
        if container.metadata.get("comment") == MARK:
            return
    raise UserError(f"{path} is not a video that vlp-rvos wrote: {ADVICE}")


def _check_numbers(path: Path) -> None:
    if not is_taken(path, "file"):
        return
    with path.open("rb") as file:
        if file.read(len(START)) != START:
            raise UserError(f"{path} is not an explanation that vlp-rvos wrote: {ADVICE}")


#: Name of each output -> the check of what it replaces.
OUTPUTS: dict[str, Check] = {FIGURE: _check_figure, VIDEO: _check_video, NUMBERS: _check_numbers}
