"""Point at anything in a video with words.

`Segmenter` runs a model on videos and live sources; `FrameResult` is what it returns for each frame. `Point` and
`DrawnMask` point at things instead of describing them. `open_video` reads the frames of a video; `read_masks` reads the
`masks.json` that `vlp-rvos segment` wrote. `VideoModel` and `VideoProcessor` offer the calls of the
text-prompted video models of `transformers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlp_rvos._version import __version__

if TYPE_CHECKING:
    from vlp_rvos.inference.pointing import DrawnMask, Point
    from vlp_rvos.inference.segmenter import Segmenter
    from vlp_rvos.inference.video_session import VideoModel, VideoProcessor
    from vlp_rvos.media.masks_reader import read_masks
    from vlp_rvos.media.video_reader import open_video
    from vlp_rvos.results import FrameResult

__all__ = [
    "DrawnMask",
    "FrameResult",
    "Point",
    "Segmenter",
    "VideoModel",
    "VideoProcessor",
    "__version__",
    "open_video",
    "read_masks",
]

_MODULES = {
    "DrawnMask": "vlp_rvos.inference.pointing",
    "FrameResult": "vlp_rvos.results",
    "Point": "vlp_rvos.inference.pointing",
    "Segmenter": "vlp_rvos.inference.segmenter",
    "VideoModel": "vlp_rvos.inference.video_session",
    "VideoProcessor": "vlp_rvos.inference.video_session",
    "open_video": "vlp_rvos.media.video_reader",
    "read_masks": "vlp_rvos.media.masks_reader",
}


def __getattr__(name: str) -> object:
    # Lazy, so that the command line and `import vlp_rvos` start without torch.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
