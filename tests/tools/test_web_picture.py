from __future__ import annotations

import io

import pytest
from PIL import Image
from scripts import load_tool


def test_the_picture_is_a_jpeg_of_the_same_size(monkeypatch: pytest.MonkeyPatch) -> None:
    tool, buffer = load_tool("web_picture", monkeypatch), io.BytesIO()
    Image.new("RGBA", (64, 40), (10, 200, 30, 255)).save(buffer, "PNG")
    with Image.open(io.BytesIO(tool.to_jpeg(buffer.getvalue()))) as made:
        assert (made.format, made.size) == ("JPEG", (64, 40))


def test_the_example_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    tool = load_tool("web_picture", monkeypatch)
    assert (tool.ROOT / "examples" / f"{tool.EXAMPLE.removeprefix('the ')}.mp4").is_file()
