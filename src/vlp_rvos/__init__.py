"""Point at anything in a video with words.

`Segmenter` runs a model on videos and live sources; `FrameResult` is what it returns for each frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlp_rvos._version import __version__

if TYPE_CHECKING:
    from vlp_rvos.inference.segmenter import Segmenter
    from vlp_rvos.results import FrameResult

__all__ = ["FrameResult", "Segmenter", "__version__"]


def __getattr__(name: str) -> object:
    # Lazy, so that the command line and `import vlp_rvos` start without torch.
    if name == "Segmenter":
        from vlp_rvos.inference.segmenter import Segmenter

        return Segmenter
    if name == "FrameResult":
        from vlp_rvos.results import FrameResult

        return FrameResult
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
