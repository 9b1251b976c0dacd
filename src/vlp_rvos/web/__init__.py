"""The page `vlp-rvos web`: a video and words or clicks in, masks out, in a browser.

`build_page` makes the page for an application of your own; `serve` runs it as a server. Both need the extra `web`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlp_rvos.web.page import build_page
    from vlp_rvos.web.server import serve

__all__ = ["build_page", "serve"]

_MODULES = {"build_page": "vlp_rvos.web.page", "serve": "vlp_rvos.web.server"}


def __getattr__(name: str) -> object:
    # Lazy, because Gradio takes seconds to import.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
