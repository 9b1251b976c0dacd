from __future__ import annotations

import re

import pytest

pytest.importorskip("gradio")

from vlp_rvos.web import looks


def test_nothing_comes_from_elsewhere() -> None:
    parts = looks.page_looks()
    theme = parts["theme"]
    assert theme._font_css == [] or not any("http" in str(css) for css in theme._font_css)
    assert theme._stylesheets == []
    for text in (parts["css"], looks.FRAME_SCRIPT, looks.TIMELINE_SCRIPT, looks.EXAMPLE_SCRIPT, looks.REVEAL_SCRIPT):
        assert text.strip()
        assert not re.search(r"https?://|url\(|@import|fetch\(", text)
