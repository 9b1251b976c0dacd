"""Segment one video for several callers at once: its frames are decoded and embedded once, and answers stay apart."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

from vlp_rvos.arrays import Size
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.inference.stream import Stream
from vlp_rvos.media.video_source import VideoSource
from vlp_rvos.results import FrameResult

__all__ = ["segment_together"]


def segment_together(
    segmenter: Segmenter,
    source: VideoSource,
    groups: Sequence[Sequence[str]],
    *,
    images: bool = True,
    is_wanted: Callable[[int], bool] = lambda _: True,
) -> Generator[tuple[int, Iterator[FrameResult]], None, None]:
    """Segment a video for several groups of expressions.

    Each group has a running segmentation of its own, so its results do not depend on the other groups: they are what
    the group would get alone.

    Args:
        segmenter: the model.
        source: the video.
        groups: expressions of each group.
        images: as for `Segmenter.segment`.
        is_wanted: whether the results of a group, given by its number, are still wanted. It is asked before each clip.

    Yields:
        For each clip and each wanted group: the number of the group, and the results for the frames of the clip. The
        results must be taken before the next step. The generator ends when no group is wanted.

    Raises:
        UserError: the video cannot be read, or an expression is empty.
    """
    streams = [segmenter.start(expressions) for expressions in groups]
    size = None if images or not source.can_resize else (source.info.height, source.info.width)
    with closing(source.read(size and segmenter.largest_network_size(*size))) as frames:
        for clip in iter(lambda: list(itertools.islice(frames, segmenter.config.clip_length)), []):
            embedded: dict[Size, list[Any]] = {}
            wanted = [i for i in range(len(streams)) if is_wanted(i)]
            if not wanted:
                return
            for i in wanted:
                yield i, streams[i].results(streams[i].predict(clip, size, _embedded(streams[i], clip, size, embedded)))


def _embedded(stream: Stream, clip: Any, size: Size | None, known: dict[Size, list[Any]]) -> list[Any] | None:
    """The embedded frames of a clip at the input size of a stream; None where the model embeds nothing by itself."""
    if not stream.runtime.embedding_cost:
        return None
    network_size = stream.network_size(clip, size)
    if network_size not in known:
        known[network_size] = [call() for call in stream.embedding_calls(clip, network_size)]
    return known[network_size]
