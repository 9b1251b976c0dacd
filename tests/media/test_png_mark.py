"""Pictures of ours are known by their content."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from vlp_rvos.media.palette import is_unmarked_palette_png, palette_png
from vlp_rvos.media.png_mark import is_marked_png, mark_png, read_chunks


def png(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_mark_changes_no_pixel(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(mark_png(png()))
    assert is_marked_png(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image, Image.open(io.BytesIO(png())) as plain:
        assert image.info["Software"] == "vlp-rvos"
        assert np.array_equal(np.asarray(image), np.asarray(plain))


def test_masks_are_marked(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(palette_png(np.ones((2, 2), np.uint8), (1, 1), (4, 4), 1))
    assert is_marked_png(tmp_path / "a.png")
    assert not is_unmarked_palette_png(tmp_path / "a.png")


def edited(content: bytes) -> bytes:
    """The picture with one pixel changed, as an editor saves it that keeps the texts."""
    with Image.open(io.BytesIO(content)) as image:
        texts = PngImagePlugin.PngInfo()
        for key, text in image.info.items():
            if isinstance(text, str):
                texts.add_text(key, text)
        image.putpixel((0, 0), (1, 2, 3))
        buffer = io.BytesIO()
        image.save(buffer, "PNG", pnginfo=texts)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        png(),
        edited(mark_png(png())),
        mark_png(png())[:-5],
        mark_png(png())[:40],
        mark_png(png()) + b"x",
        b"\x89PNG\r\n\x1a\n" + b"\xff" * 30,
    ],
)
def test_what_is_not_ours(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert not is_marked_png(tmp_path / "a.png")
    assert not is_unmarked_palette_png(tmp_path / "a.png")


def test_what_is_no_file(tmp_path: Path) -> None:
    assert not is_marked_png(tmp_path)
    assert not is_marked_png(tmp_path / "missing")
    assert not is_unmarked_palette_png(tmp_path / "missing")


def test_chunks() -> None:
    assert [name for name, _ in read_chunks(png())] == [b"IHDR", b"IDAT", b"IEND"]
    assert list(read_chunks(png()[:-1])) == []
