"""Make the picture of docs/explain.md: what `vlp-rvos explain` writes for an example clip, as a JPEG.

    python tools/explained_picture.py

The two expressions name one of several things of one kind, and something that is not there.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
from pathlib import Path

from gallery import check_size
from PIL import Image

from vlp_rvos.utils.atomic import write_bytes

ROOT = Path(__file__).parents[1]
CLIP, EXPRESSIONS, AT = "examples/hens.mp4", ("the hen on the left", "a bus"), "0.3"
#: what the page shows in its first command
ARGUMENTS = ["explain", CLIP, EXPRESSIONS[0], "-e", EXPRESSIONS[1], "--at", AT]
WIDTH, QUALITY, MOST_BYTES = 1280, 82, 300_000


def to_jpeg(picture: Path) -> bytes:
    """A PNG as a narrower JPEG."""
    with Image.open(picture) as image:
        size = WIDTH, round(image.height * WIDTH / image.width)
        buffer = io.BytesIO()
        image.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def main() -> None:
    """Run the command and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", "-o", type=Path, default=ROOT / "docs" / "explain.jpg", help="the picture")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # What is shown needs no later frames.
        command = [sys.executable, "-m", "vlp_rvos", *ARGUMENTS, "--end", "0.34", "-o", folder]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        picture = to_jpeg(Path(folder) / "explain.png")
    check_size(len(picture), MOST_BYTES)
    write_bytes(options.output, picture)


if __name__ == "__main__":
    main()
