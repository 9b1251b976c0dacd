"""Pipelined embedding: worker threads embed the frames of the next clips while the model computes the current one."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import torch

from vlp_rvos.arrays import Size
from vlp_rvos.inference.stream import Stream, StreamPrediction
from vlp_rvos.inference.workers import Job, WorkerPool, collect_results
from vlp_rvos.media.video_source import VideoFrame
from vlp_rvos.runtimes.threads import limit_threads

__all__ = ["CLIPS_EMBEDDED_AHEAD", "pipelined_predictions"]

#: Clips whose frames are embedded while the model computes an earlier one: enough that no worker runs out of work.
CLIPS_EMBEDDED_AHEAD = 2


class _QueuedClip(NamedTuple):
    """A clip that waits for its turn, and the jobs that embed its frames at the network's input size."""

    clip: list[VideoFrame]
    network_size: Size
    jobs: list[Job[Any]]


def pipelined_predictions(
    clips: Iterator[list[VideoFrame]], stream: Stream, size: Size | None, workers: int
) -> Generator[StreamPrediction, None, None]:
    """Predict clip after clip while worker threads embed the frames of the clips to come.

    Args:
        clips: the clips of a video.
        stream: the running segmentation.
        size: (H, W) of the masks, where it differs from that of the images.
        workers: number of worker threads; the calling thread keeps the rest of PyTorch's threads.

    Raises:
        Exception: what reading a clip raised, after the predictions for all clips before it.
    """
    threads = torch.get_num_threads()
    limit_threads(threads - workers)
    with WorkerPool(workers) as pool:

        def enqueue(clip: list[VideoFrame]) -> _QueuedClip:
            network_size = stream.network_size(clip, size)
            jobs = [pool.submit(call) for call in stream.embedding_calls(clip, network_size)]
            return _QueuedClip(clip, network_size, jobs)

        waiting: deque[_QueuedClip] = deque()
        failure: Exception | None = None
        reading = True
        while True:
            while reading and len(waiting) <= CLIPS_EMBEDDED_AHEAD:
                try:
                    waiting.append(enqueue(next(clips)))
                except StopIteration:
                    reading = False
                except Exception as error:
                    # Raised after the predictions for what was read before it.
                    reading, failure = False, error
            if not waiting:
                break
            if waiting[0].network_size != stream.network_size(waiting[0].clip, size):
                # The last prediction changed the input size: the frames are embedded again.
                for job in (job for queued in waiting for job in queued.jobs):
                    job.cancel()
                waiting = deque(enqueue(queued.clip) for queued in waiting)
            current = waiting.popleft()
            later = (job for queued in waiting for job in queued.jobs)
            embedded = collect_results(current.jobs, later)
            if not waiting:
                # The last clip: the workers have nothing left to do.
                limit_threads(threads)
            yield stream.predict(current.clip, size, embedded)
    if failure is not None:
        raise failure
