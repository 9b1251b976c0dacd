"""Uploaded videos on the disk: each content once, for as long as somebody asks about it or may do so again."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from starlette.datastructures import UploadFile

from vlp_rvos.serving.refusal import Refusal
from vlp_rvos.serving.service_options import ServiceOptions
from vlp_rvos.utils.plain_text import one_line

__all__ = ["KeptVideo", "StoredVideo", "VideoStore"]

BLOCK = 1 << 20


@dataclass(eq=False)
class StoredVideo:
    """A video on the disk.

    Attributes:
        key: what tells contents apart.
        path: the file.
        users: number of requests and of names that hold it.
    """

    key: str
    path: Path
    users: int = 0


@dataclass
class KeptVideo:
    """A video that was uploaded to ask about it later.

    Attributes:
        video: the content.
        name: name that the user gave to the file.
        expires: `time.monotonic` at which it is forgotten.
    """

    video: StoredVideo
    name: str
    expires: float = field(default=0.0)


class VideoStore:
    """Videos by their content, and names under which users ask about them again.

    Args:
        folder: where the files lie.
        options: how many are kept, and for how long.
    """

    def __init__(self, folder: Path, options: ServiceOptions) -> None:
        self.folder, self.options = folder, options
        self._contents: dict[str, StoredVideo] = {}
        self._kept: dict[str, KeptVideo] = {}

    def __len__(self) -> int:
        return len(self._contents)

    async def receive(self, upload: UploadFile) -> StoredVideo:
        """Put an upload on the disk, and hold it; the caller releases it.

        Raises:
            OSError: the disk is full.
        """
        # The suffix decides whether a file counts as a picture.
        found = re.search(r"\.[A-Za-z0-9]{1,5}$", upload.filename or "")
        suffix = found[0].lower() if found else ""
        part = self.folder / f"{secrets.token_hex(16)}.part"
        try:
            digest = await asyncio.to_thread(_copy, upload, part)
            key = digest + suffix
            if key not in self._contents:
                home = self.folder / key
                home.mkdir()
                part.rename(home / f"video{suffix}")
                self._contents[key] = StoredVideo(key, home / f"video{suffix}")
        finally:
            part.unlink(missing_ok=True)
        return self.hold(self._contents[key])

    def hold(self, video: StoredVideo) -> StoredVideo:
        """Keep a video on the disk until it is released once more."""
        video.users += 1
        return video

    def release(self, video: StoredVideo) -> None:
        """Let go of a video; the last one who does removes it."""
        video.users -= 1
        if not video.users:
            del self._contents[video.key]
            shutil.rmtree(video.path.parent, ignore_errors=True)

    def keep(self, video: StoredVideo, name: str) -> str:
        """Keep a video for later requests.

        Returns:
            A name that nobody can guess.

        Raises:
            Refusal: as many are kept already as may be.
        """
        self.sweep()
        if len(self._kept) >= self.options.kept_videos:
            first = min(kept.expires for kept in self._kept.values()) - time.monotonic()
            raise Refusal(429, "too many videos are kept; delete one, or ask again later", max(1, round(first)))
        video_id = secrets.token_urlsafe(18)
        self._kept[video_id] = KeptVideo(self.hold(video), name, time.monotonic() + self.options.keep_seconds)
        return video_id

    def find(self, video_id: str) -> KeptVideo:
        """A kept video; it is kept for longer from now on.

        Raises:
            Refusal: there is none of that name.
        """
        self.sweep()
        kept = self._kept.get(video_id)
        if kept is None:
            raise Refusal(404, f"no such video: {one_line(video_id[:40])}; it may have expired: upload it again")
        kept.expires = time.monotonic() + self.options.keep_seconds
        return kept

    def forget(self, video_id: str) -> None:
        """Keep a video no longer.

        Raises:
            Refusal: there is none of that name.
        """
        self.find(video_id)
        self.release(self._kept.pop(video_id).video)

    def sweep(self) -> None:
        """Forget videos that have expired."""
        now = time.monotonic()
        for video_id in [video_id for video_id, kept in self._kept.items() if kept.expires < now]:
            self.release(self._kept.pop(video_id).video)


def _copy(upload: UploadFile, path: Path) -> str:
    """Write an upload into a file; its SHA-256."""
    digest = hashlib.sha256()
    with path.open("xb") as file:
        while block := upload.file.read(BLOCK):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()
