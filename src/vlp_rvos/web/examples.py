"""Videos to try, whose file names say what to find in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from vlp_rvos.media.video_reader import open_video
from vlp_rvos.web.frame_pictures import jpeg

__all__ = ["Example"]

#: Longer side of the small pictures, in pixels.
SIDE = 240


@dataclass(frozen=True)
class Example:
    """A video to try.

    Attributes:
        path: the video.
        words: what to find in it.
        picture: its first frame, small, as a JPEG file.
    """

    path: Path
    words: str
    picture: bytes

    @classmethod
    def of(cls, path: Path) -> Example:
        """Read the first frame of a video.

        Raises:
            UserError: it cannot be read.
        """
        picture = PillowImage.fromarray(next(iter(open_video(path))).image)
        picture.thumbnail((SIDE, SIDE))
        words = " ".join(path.stem.replace("-", " ").replace("_", " ").split())
        return cls(path, f"the {words}", jpeg(np.asarray(picture), quality=80))
