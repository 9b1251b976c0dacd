"""Work on one item: part after part, each committed when it is complete, from where an earlier worker stopped.

Files of an item with key K and digest D; N is the number of a part:

- `results/K/D-N.parquet`: the rows of a part. It is written last, so it says that the part is complete.
- `overlays/K/D-N.mp4` and `masks/K/D-N.zip`, on demand.
- `work/K/D-N.state`: what part N begins from. Written before the rows of the part before it, removed afterwards.
- `work/K/D-N.RUN-A.attempt`: a worker of the run RUN has begun part N for the Ath time.
- `committed/K.D.json`: the outcome. It says that the item is complete.

Names depend on the content of the item alone. So whoever repeats a step writes the same files once more.
"""

from __future__ import annotations

import itertools
import re
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from vlp_rvos.batch.batch_report import Outcome
from vlp_rvos.batch.batch_settings import BatchSettings
from vlp_rvos.batch.part_outputs import PartOutputs
from vlp_rvos.batch.storage import Storage, fetch
from vlp_rvos.batch.stream_checkpoint import Progress, pack_checkpoint, unpack_checkpoint
from vlp_rvos.batch.text_cache import TextCache
from vlp_rvos.batch.work_item import WorkItem
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.inference.segmenter import Segmenter, mask_size
from vlp_rvos.inference.stream import Stream
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import DEFAULT_FPS
from vlp_rvos.utils.plain_text import shorten

__all__ = ["COMMITTED", "ItemRunner", "commit_name"]

COMMITTED = "committed"
SUFFIXES = {"results": ".parquet", "overlays": ".mp4", "masks": ".zip"}
#: Predicted clips that may wait while the results of an earlier one are written.
CLIPS_AHEAD = 1
#: Seconds before the first repetition; each further one waits twice as long.
FIRST_PAUSE = 1.0


def commit_name(key: str, digest: str) -> str:
    """Name of the file that says that an item is complete."""
    return f"{COMMITTED}/{key}.{digest}.json"


class _WorkerDied(Exception):
    """Workers died on a part as often as they may."""


class ItemRunner:
    """Segments items into an output folder, one after the other.

    Args:
        segmenter: the model.
        output: the output folder.
        settings: what the results depend on besides the item.
        run: name of this run of the batch: workers that died in other runs do not count.
        retries: how often a failed item is tried again.
        scratch: a local folder for one video and the files of one part.
        pause: waits for a number of seconds.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        output: Storage,
        settings: BatchSettings,
        *,
        run: str,
        retries: int,
        scratch: Path,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        cached = TextCache(segmenter.runtime)
        self.segmenter = Segmenter(cached, segmenter.name, segmenter.version, segmenter.options)
        self.output, self.settings, self._digest = output, settings, settings.digest()
        self.run, self.retries, self.scratch, self._pause = run, retries, scratch, pause

    def __call__(self, item: WorkItem) -> Outcome:
        """Complete an item. A failure becomes its outcome; only what ends the process gets out."""
        began = time.perf_counter()
        causes: list[str] = []
        while True:
            try:
                outcome = self._complete(item, tuple(causes))
                return replace(outcome, seconds=time.perf_counter() - began)
            except Exception as error:
                causes.append(_cause(error, item, self.scratch))
                # A mistake in the input stays one.
                if isinstance(error, UserError | _WorkerDied) or len(causes) > self.retries:
                    break
                self._pause(FIRST_PAUSE * 2 ** (len(causes) - 1))
        seconds = time.perf_counter() - began
        return Outcome(key=item.key, status="failed", causes=tuple(causes), seconds=seconds)

    def _complete(self, item: WorkItem, causes: tuple[str, ...]) -> Outcome:
        files = _ItemFiles(self.output, item.key, item.digest(self._digest))
        with suppress(FileNotFoundError):
            return Outcome.from_json(self.output.read(files.commit))
        with TemporaryDirectory(dir=self.scratch) as name, warnings.catch_warnings():
            # What is wrong with a video is part of its outcome.
            warnings.simplefilter("ignore", VLPRVOSWarning)
            outcome = replace(self._segment(item, files, Path(name)), causes=causes)
        self.output.put(files.commit, outcome.to_json().encode())
        files.remove_work()
        return outcome

    def _segment(self, item: WorkItem, files: _ItemFiles, folder: Path) -> Outcome:
        # Opening a broken video may be what a worker dies of.
        files.begin(files.complete_parts(), self.run, self.retries)
        video = fetch(item.location, folder)
        source = open_video(video, start=item.start, end=item.end, fps=item.fps or DEFAULT_FPS)
        stream = self.segmenter.start([expression.text for expression in item.expressions])
        # Parts are whole clips, so that splitting changes no result.
        clip = self.segmenter.config.clip_length
        length = clip * max(1, int(self.settings.split_seconds * source.info.fps / clip))
        whole = Progress(0, length, video.stat().st_size if video.is_file() else 0)
        part, frames = self._resume(files, stream, whole)
        resumed = part
        images = self.settings.overlay and not source.has_yuv_frames
        with closing(self.segmenter.read(source, images=images, skip=frames)) as reader:
            while (first := next(reader, None)) is not None:
                taken = itertools.chain([first], itertools.islice(reader, length - 1))
                with PartOutputs(
                    folder,
                    item.video_uri,
                    item.expressions,
                    source.info,
                    overlay=self.settings.overlay,
                    masks=self.settings.masks,
                ) as outputs:
                    for result in self.segmenter.segment_frames(
                        taken, stream, mask_size(source, images), ahead=CLIPS_AHEAD
                    ):
                        outputs.write(result)
                frames += outputs.frames
                files.commit_part(part, outputs.files, pack_checkpoint(replace(whole, frames=frames), stream.state()))
                part += 1
                files.begin(part, self.run, self.retries)
        return Outcome(key=item.key, status="done", frames=frames, parts=part, resumed=resumed, problem=source.problem)

    def _resume(self, files: _ItemFiles, stream: Stream, whole: Progress) -> tuple[int, int]:
        """Restore the stream as complete parts have left it; the number of these parts and of their frames."""
        part = files.complete_parts()
        if part:
            with suppress(ValueError, FileNotFoundError):
                progress, state = unpack_checkpoint(self.output.read(files.state(part)))
                if replace(progress, frames=0) == whole:
                    stream.restore(state)
                    return part, progress.frames
            # The video is another one, or what the parts go on from is gone.
            files.remove_all()
            stream.reset()
        return 0, 0


class _ItemFiles:
    """The files of one item; see the module.

    Args:
        output: the output folder.
        key: the item's key.
        digest: the item's digest.
    """

    def __init__(self, output: Storage, key: str, digest: str) -> None:
        self.output, self.key, self.digest = output, key, digest
        self.commit = commit_name(key, digest)

    def state(self, part: int) -> str:
        """Name of the file with what a part begins from."""
        return f"work/{self.key}/{self.digest}-{part:05d}.state"

    def complete_parts(self) -> int:
        """Number of the parts at the beginning that are complete. What other digests have left is removed."""
        names = self.output.names(f"results/{self.key}")
        found = {name for name in names if name.rpartition("/")[2].startswith(f"{self.digest}-")}
        for name in (*names, *self.output.names(f"work/{self.key}")):
            if not name.rpartition("/")[2].startswith(f"{self.digest}-"):
                self.output.remove(name)
        return next(part for part in itertools.count() if self._result("results", part) not in found)

    def begin(self, part: int, run: str, retries: int) -> None:
        """Note that a worker begins with a part.

        Raises:
            _WorkerDied: as many workers of this run as may have died on it.
        """
        beginning = f"{self.state(part).removesuffix('.state')}.{run}-"
        attempts = sum(name.startswith(beginning) for name in self.output.names(f"work/{self.key}"))
        if attempts > retries:
            raise _WorkerDied(f"the worker's process died {attempts} times in part {part}, perhaps for lack of memory")
        self.output.put(f"{beginning}{attempts}.attempt", b"")

    def commit_part(self, part: int, files: Mapping[str, Path], state: bytes) -> None:
        """Store what the next part begins from, and then the results of a part."""
        self.output.put(self.state(part + 1), state)
        for kind, file in files.items():
            self.output.put(self._result(kind, part), file)
        next_state = self.state(part + 1)
        for name in self.output.names(f"work/{self.key}"):
            if name != next_state:
                self.output.remove(name)

    def remove_work(self) -> None:
        """Remove what only an unfinished item needs."""
        for name in self.output.names(f"work/{self.key}"):
            self.output.remove(name)

    def remove_all(self) -> None:
        """Remove everything, so that the item begins anew."""
        for kind in (*SUFFIXES, "work"):
            for name in self.output.names(f"{kind}/{self.key}"):
                self.output.remove(name)

    def _result(self, kind: str, part: int) -> str:
        return f"{kind}/{self.key}/{self.digest}-{part:05d}{SUFFIXES[kind]}"


def _cause(error: Exception, item: WorkItem, scratch: Path) -> str:
    """Why an attempt failed, in one line, with the video's own name in place of that of a copy."""
    text = str(error) if isinstance(error, UserError | _WorkerDied) else f"{type(error).__name__}: {error}"
    text = re.sub(rf"{re.escape(str(scratch))}/[^/\s]+/[^\s:]+", lambda _: item.video_uri, text)
    return shorten(" ".join(text.split()))
