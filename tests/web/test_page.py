"""The page in a real browser, with a segmenter that finds circles."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import frames, write_video
from PIL import Image as PillowImage

pytest.importorskip("gradio")
playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]
TESTS = Path(__file__).parents[1]
SERVE = """
import sys
from pathlib import Path
from circles import CircleSegmenter
from vlp_rvos.utils.signals import raise_on_termination
from vlp_rvos.web.server import serve
with raise_on_termination():
    serve(CircleSegmenter(pause=0.1), port=int(sys.argv[1]), examples=[Path(sys.argv[2])],
          ready=lambda address: print(address, flush=True))
"""
#: Milliseconds after which the browser is given up; a busy machine takes long.
PATIENCE = 120_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address of the page, and the folder that its temporary files lie in."""
    folder, temporary = tmp_path_factory.mktemp("examples"), tmp_path_factory.mktemp("temporary")
    example = write_video(folder / "red-square.mp4", frames(10, (320, 240)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": os.pathsep.join([*sys.path, str(TESTS)])}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(port), str(example)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), temporary
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert list(temporary.iterdir()) == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=PATIENCE)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, server: tuple[str, Path]) -> Iterator[Any]:
    """A new visit; every request goes to the server."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(PATIENCE)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server[0])
    page.get_by_role("button", name="Find").wait_for()
    yield page
    page.close()
    assert [url for url in asked if not url.startswith((server[0], "data:", "blob:"))] == []


def shown_image(page: Any) -> np.ndarray:
    """The frame that the page shows, (H, W, 3)."""
    source = page.locator(".vr-frame img").get_attribute("src")
    return np.asarray(PillowImage.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))), int)


def plain() -> np.ndarray:
    """The first frame of the videos, without masks."""
    return frames(1, (320, 240))[0].astype(int)


def changed(page: Any, x: int, y: int) -> bool:
    """Whether something is drawn at a pixel of the first frame."""
    return bool(np.abs(shown_image(page)[y, x] - plain()[y, x]).max() > 40)


def upload(page: Any, path: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(path)


def download(page: Any, label: str, folder: Path) -> Path:
    with page.expect_download() as started:
        page.get_by_role("button", name=f"↓ {label}").click()
    path = folder / started.value.suggested_filename
    started.value.save_as(path)
    return path


def test_upload_find_download(page: Any, tmp_path: Path, server: tuple[str, Path]) -> None:
    upload(page, write_video(tmp_path / "dog.mp4", frames(10, (320, 240))))
    page.locator(".vr-frame img").wait_for()
    assert not changed(page, 106, 120)
    page.get_by_label("What to find").fill("the dog\nthe car")
    page.get_by_role("button", name="Find").click()
    page.get_by_text("Done: 10 frames").wait_for()
    # The circles lie at one and two thirds of the width.
    assert changed(page, 106, 120)
    assert changed(page, 213, 120)
    assert not changed(page, 10, 120)
    assert page.locator(".vr-row").count() == 2
    with zipfile.ZipFile(download(page, "Masks", tmp_path)) as archive:
        assert len(archive.namelist()) == 10
    data = json.loads(download(page, "JSON", tmp_path).read_text())
    assert data["expressions"] == ["the dog", "the car"]
    assert any(path.name == "dog.mp4" for path in server[1].rglob("*"))


def test_an_example_and_a_click(page: Any) -> None:
    page.locator("[data-example]").click()
    image = page.locator(".vr-frame img")
    image.wait_for()
    box = image.bounding_box()
    image.click(position={"x": box["width"] * 0.75, "y": box["height"] * 0.25})
    page.locator(".vr-mark.vr-add").wait_for()
    page.wait_for_function("document.querySelector('.vr-frame img').alt.includes('thing 1')", timeout=PATIENCE)
    # The frame that was clicked, at the place of the click.
    assert changed(page, 240, 60)
    assert not changed(page, 60, 200)
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("!document.querySelector('.vr-mark')", timeout=PATIENCE)
    assert not changed(page, 240, 60)


def test_stop(page: Any, tmp_path: Path) -> None:
    upload(page, write_video(tmp_path / "long.mp4", frames(600)))
    page.locator(".vr-frame img").wait_for()
    page.get_by_label("What to find").fill("the dog")
    page.get_by_role("button", name="Find").click()
    page.get_by_text("frames/s").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped:").wait_for()
    page.get_by_role("button", name="Find").click()
    page.get_by_text("frames/s ·").wait_for()


def test_keys_step_and_point(page: Any) -> None:
    page.locator("[data-example]").click()
    page.locator(".vr-frame img").wait_for()
    page.locator(".vr-view[tabindex]").focus()
    for _ in range(3):
        page.keyboard.press(".")
    page.wait_for_function("document.querySelector('.vr-frame img').alt.startsWith('Frame at 0.30')", timeout=PATIENCE)
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Enter")
    page.locator(".vr-mark.vr-add").wait_for()
    assert page.locator(".vr-mark").get_attribute("style") == "left:45.000%;top:50.000%"
    # The cross stays where it is when the frame is drawn anew.
    page.wait_for_function("document.querySelector('.vr-frame img').alt.includes('thing 1')", timeout=PATIENCE)
    cross = "getComputedStyle(document.querySelector('.vr-frame'), '::after')"
    box = page.locator(".vr-frame").bounding_box()
    assert page.evaluate(f"parseFloat({cross}.left)") == pytest.approx(0.45 * box["width"], abs=1)


def test_there_is_nothing_to_play_before_something_is_found(page: Any) -> None:
    page.locator("[data-example]").click()
    page.locator(".vr-frame img").wait_for()
    page.get_by_role("tab", name="Play").click()
    page.locator(".vr-problem").wait_for()
    assert page.locator(".vr-problem").inner_text() == "there are no masks yet: find something first"


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
def test_nothing_is_cut_off(page: Any, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.locator("[data-example]").click()
    page.locator(".vr-frame img").wait_for()
    page.get_by_role("button", name="Find").click()
    page.get_by_text("Done: 10 frames").wait_for()
    # The result is in sight, also where it lies below the words.
    assert page.locator(".block.vr-result").bounding_box()["y"] < height / 2
    assert page.evaluate("document.documentElement.scrollWidth") == width
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.vr-tools button, .vr-tools label, .vr-examples span, .vr-name small')]
            .filter((part) => getComputedStyle(part).visibility === 'visible' && part.clientWidth)
            .filter((part) => part.scrollWidth > part.clientWidth || part.getBoundingClientRect().right > innerWidth)
            .map((part) => part.outerHTML)"""
    )
    assert cut == []


def test_a_bad_file_is_told(page: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    upload(page, bad)
    alert = page.locator(".vr-problem")
    alert.wait_for()
    assert alert.inner_text().startswith("bad.mp4 cannot be read as a video")
    page.get_by_role("button", name="Find").click()
    page.get_by_text("choose a video first").first.wait_for()
    # The player does not go on showing it.
    assert page.locator(".vr-video video").count() == 0


def test_files_go_when_the_visitor_leaves(browser: Any, server: tuple[str, Path], tmp_path: Path) -> None:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(server[0])
    page.get_by_role("button", name="Find").wait_for()
    upload(page, write_video(tmp_path / "leaving.mp4", frames(5)))
    page.locator(".vr-frame img").wait_for()
    left = lambda: [path for path in server[1].rglob("*") if path.name == "leaving.mp4"]  # noqa: E731
    assert left()
    page.close()
    other = browser.new_page()
    for _ in range(600):
        if not left():
            break
        other.wait_for_timeout(100)
    other.close()
    assert left() == []
