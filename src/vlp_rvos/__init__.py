"""Point at anything in a video with words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlp_rvos.segmenter import FrameResult, Segmenter

__all__ = ["FrameResult", "Segmenter", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Lazy, so that the command line and `import vlp_rvos` start without torch.
    if name in ("FrameResult", "Segmenter"):
        from vlp_rvos import segmenter

        return getattr(segmenter, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
