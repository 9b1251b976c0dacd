"""Peak memory of `vlp-rvos segment` on a long video, against that on a short one of the same size. Linux and macOS.

    python benchmarks/memory_length.py --seconds 10 600 --every 1 25 --json memory-length.json

Generates both clips and runs the command on each in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from benchmark_options import benchmark_parser, parse_options

from vlp_rvos.profiling.measurement_report import Measurement, write_report


def make_clip(path: Path, seconds: float, width: int, height: int, fps: int) -> None:
    """A bright square that moves over a fixed texture, encoded as fast as possible."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 200, (height // 8, width // 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    side = height // 4
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "30", "g": str(fps)})
        stream.height, stream.width, stream.pix_fmt = *texture.shape[:2], "yuv420p"
        for i in range(round(seconds * fps)):
            picture = texture.copy()
            left = (8 * i) % (texture.shape[1] - side)
            picture[side : 2 * side, left : left + side] = (255, 60, 40)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def measure(video: Path, output: Path, options: list[str]) -> dict[str, float]:
    """Run the command; returns its frames, seconds and peak resident memory in MiB."""
    command = [sys.executable, "-m", "vlp_rvos", "segment", str(video), "the square", "-o", str(output), "--json"]
    began = time.perf_counter()
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    summary = process.stdout.read()
    # Unlike RUSAGE_CHILDREN, wait4 reports on this one child.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"vlp-rvos segment ended with exit code {process.returncode}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {
        "frames": json.loads(summary)["frames"],
        "wall_seconds": round(time.perf_counter() - began, 1),
        "peak_mib": round(usage.ru_maxrss / unit, 1),
    }


def main() -> None:
    parser = benchmark_parser(__doc__, plot=True)
    parser.add_argument("--seconds", type=float, nargs=2, default=(10, 600), metavar=("SHORT", "LONG"))
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument(
        "--every", type=int, nargs="+", default=[1], help="take every Nth frame; one N, or one per clip"
    )
    parser.add_argument("--model", default="mini")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-overlay", action="store_true")
    arguments = parse_options(parser)
    every = arguments.every * 2 if len(arguments.every) == 1 else arguments.every
    common = ["--model", arguments.model, "--device", arguments.device]
    common += ["--no-overlay"] if arguments.no_overlay else []
    runs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, seconds in enumerate(arguments.seconds):
            video = folder / f"{number}.mp4"
            make_clip(video, seconds, arguments.width, arguments.height, arguments.fps)
            result = measure(video, folder / f"out{number}", [*common, "--every", str(every[number])])
            runs.append({"seconds": seconds, "every": every[number]} | result)
    short, long = arguments.seconds
    ratio = runs[1]["peak_mib"] / runs[0]["peak_mib"]
    rows = [Measurement(f"peak memory, {long:g} s of video / {short:g} s", ratio, 1.1)]
    size = f"{arguments.width // 8 * 8}x{arguments.height // 8 * 8}"
    write_report(rows, {"size": size, "runs": runs}, arguments.json, arguments.plot)


if __name__ == "__main__":
    main()
