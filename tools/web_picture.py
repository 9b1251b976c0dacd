"""Make the picture of docs/guides/web-page.md: the page with what it finds in an example clip, as a JPEG.

    python tools/web_picture.py

It runs `vlp-rvos web`, and needs the extra `web`, playwright and Chromium.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from gallery import check_size
from PIL import Image

from vlp_rvos.utils.atomic import write_bytes

ROOT = Path(__file__).parents[1]
EXAMPLE, WORDS = "the coffee", "the cup\nthe spoon"
SIZE, QUALITY, MOST_BYTES = (1280, 800), 85, 200_000
#: Milliseconds after which the page is given up.
PATIENCE = 600_000


def to_jpeg(picture: bytes) -> bytes:
    """A PNG file as a JPEG file of the same size."""
    with Image.open(io.BytesIO(picture)) as image:
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def photograph(address: str) -> bytes:
    """Let the page find `WORDS` in the example, and give a picture of it as a PNG file."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
        page.set_default_timeout(PATIENCE)
        page.goto(f"{address}?__theme=light")
        page.locator("[data-example]", has_text=EXAMPLE).click()
        page.locator(".vr-frame img").wait_for()
        page.get_by_label("What to find").fill(WORDS)
        page.get_by_role("button", name="Find").click()
        page.get_by_text("Done:").wait_for()
        page.locator(".vr-track").first.click()
        page.wait_for_function("!document.querySelector('.vr-frame img').alt.startsWith('Frame at 0.00')")
        picture: bytes = page.screenshot()
        browser.close()
    return picture


def main() -> None:
    """Run the page and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", "-o", type=Path, default=ROOT / "docs" / "web.jpg", help="the picture")
    options = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vlp_rvos", "web", "--port", str(port)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            if not server.stdout.readline():
                sys.exit("the page did not start")
            picture = to_jpeg(photograph(f"http://127.0.0.1:{port}/"))
        finally:
            server.send_signal(signal.SIGTERM)
    check_size(len(picture), MOST_BYTES)
    write_bytes(options.output, picture)


if __name__ == "__main__":
    main()
