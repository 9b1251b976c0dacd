"""Follow what is pointed at back to the beginning of a video, before the video is segmented in its own order.

Only a few clips are in memory at any time. Shapes: P pointed things.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np

from vlp_rvos.arrays import Size
from vlp_rvos.inference.mask_spool import MaskSpool
from vlp_rvos.inference.pointing import Pointing
from vlp_rvos.inference.stream import Stream
from vlp_rvos.media.video_source import TIME_TOLERANCE, VideoFrame, VideoSource
from vlp_rvos.results import FrameResult

__all__ = ["EarlierMasks"]

#: Clips that are read together: each reading starts at a key frame, which may lie long before it.
CLIPS_READ_TOGETHER = 8


class EarlierMasks:
    """The masks of pointed things in the frames before the first one in which each was pointed at.

    Args:
        source: the video.
        pointing: what is pointed at.

    Raises:
        UserError: something is pointed at after the end of the video.
    """

    def __init__(self, source: VideoSource, pointing: Pointing) -> None:
        self.source, self.pointing = source, pointing
        #: For each thing, the number of its first frame.
        self.firsts = [0] * len(pointing)
        self._spool: MaskSpool | None = None
        # Eight bytes a frame; a frame itself takes a hundred thousand times as much.
        self._times = array("d")
        if source.can_reread and pointing:
            self._find_first_frames()

    def _find_first_frames(self) -> None:
        wanted = [self.pointing.first_time(name) - TIME_TOLERANCE for name in self.pointing.names]
        with closing(self.source.times()) as times:
            for time in times:
                self._times.append(time)
                if time >= max(wanted):
                    break
            else:
                if not self._times:
                    # The reading that follows says why there is no frame.
                    return
                self.pointing.check_length(self._times[-1])
        numbers = np.searchsorted(np.asarray(self._times), wanted)
        self.firsts = [int(number) for number in numbers]

    def __len__(self) -> int:
        """Number of frames that are followed back."""
        return max(self.firsts, default=0)

    def find(
        self, make_stream: Callable[[Pointing], Stream], clip_length: int, size: Size | None, network_size: Size | None
    ) -> None:
        """Follow the things back.

        Args:
            make_stream: makes a backward stream.
            clip_length: number of frames of a clip.
            size: (H, W) of the masks, where frames are read at another size.
            network_size: (h, w) that frames are read at; None for their own size.
        """
        stream = make_stream(self.pointing.reversed([self._times[first] for first in self.firsts]))
        numbers = range(len(self), -1, -1)
        frames = self._frames(numbers, clip_length * CLIPS_READ_TOGETHER, network_size)
        self._spool = MaskSpool()
        while clip := list(itertools.islice(frames, clip_length)):
            prediction = stream.predict([frame for _, frame in clip], size)
            for (number, _), result in zip(clip, stream.results(prediction), strict=True):
                self._spool.put(number, result.masks, result.scores, result.presences)

    def _frames(
        self, numbers: Sequence[int], count: int, network_size: Size | None
    ) -> Iterator[tuple[int, VideoFrame]]:
        """The frames of these numbers in falling order; `count` of them are read at a time."""
        for start in range(0, len(numbers), count):
            part = numbers[start : start + count]
            number_of = {self._times[number]: number for number in part}
            window = self.source.between(max(0.0, min(number_of)), max(number_of) + 2 * TIME_TOLERANCE)
            with closing(window.read(network_size)) as read:
                found = [(number_of[frame.time], frame) for frame in read if frame.time in number_of]
            yield from reversed(found)

    def joined(self, number: int, result: FrameResult) -> FrameResult:
        """The result of frame `number`, with the masks of things that are pointed at only later."""
        earlier = [row for row, first in enumerate(self.firsts) if number < first]
        kept = self._spool.get(number) if self._spool is not None and earlier else None
        if kept is None:
            return result
        masks, scores, presences = result.masks.copy(), result.scores.copy(), result.presences.copy()
        rows = [len(result.expressions) - len(self.pointing) + row for row in earlier]
        masks[rows], scores[rows], presences[rows] = (values[earlier] for values in kept)
        return replace(result, masks=masks, scores=scores, presences=presences)

    def __enter__(self) -> EarlierMasks:
        return self

    def __exit__(self, *_: object) -> None:
        if self._spool is not None:
            self._spool.close()
