from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from scripts import load_tool


def test_the_picture_is_narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = load_tool("explained_picture", monkeypatch)
    Image.new("RGB", (1600, 800), (10, 200, 30)).save(tmp_path / "explain.png")
    with Image.open(io.BytesIO(tool.to_jpeg(tmp_path / "explain.png"))) as made:
        assert (made.format, made.size) == ("JPEG", (1280, 640))
