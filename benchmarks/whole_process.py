"""Time of whole `vlp-rvos segment` processes, from start to end, in turns: as it is, and with other settings or code.

python benchmarks/whole_process.py examples/polar-bear.mp4 "the polar bear" --with "--set refinement=false" \
    --with "--set candidates=0 --precision fp32"

With `--source FOLDER` the package of another checkout runs too, with the same packages beside it, for example
`git worktree add ../before COMMIT`, then `--source ../before/src`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmark_options import benchmark_parser, parse_options

from vlp_rvos.profiling.measurement_report import Measurement, write_report
from vlp_rvos.profiling.timing import time_alternately


def segmenting(video: Path, expression: str, options: Sequence[str], source: Path | None = None) -> Callable[[], None]:
    """A call that runs the command once, and throws its results away.

    Args:
        video: The video.
        expression: What to find.
        options: Further options of the command.
        source: Folder that holds the package; None for the installed one.
    """
    environment = os.environ | ({} if source is None else {"PYTHONPATH": str(source.resolve())})

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            command = ["-m", "vlp_rvos", "segment", str(video), expression, "-o", f"{folder}/out", *options]
            done = subprocess.run(
                [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
            )
        if done.returncode:
            raise SystemExit(f"{' '.join(options) or 'the command'}: {done.stderr.strip()}")

    return run


def main() -> None:
    parser = benchmark_parser(__doc__, rounds=5)
    parser.add_argument("video", type=Path, help="video to segment")
    parser.add_argument("expression", help="what to find in it")
    parser.add_argument(
        "--with", action="append", default=[], metavar="OPTIONS", dest="settings", help="other settings"
    )
    parser.add_argument(
        "--source", action="append", default=[], type=Path, metavar="FOLDER", dest="sources", help="other code"
    )
    arguments = parse_options(parser)
    for source in arguments.sources:
        if not (source / "vlp_rvos").is_dir():
            parser.error(f"{source}: holds no package vlp_rvos")
    what = arguments.video, arguments.expression
    forms = {"as it is": segmenting(*what, ())}
    forms |= {options: segmenting(*what, shlex.split(options)) for options in arguments.settings}
    forms |= {str(source): segmenting(*what, (), source) for source in arguments.sources}
    seconds = time_alternately(forms, arguments.rounds)
    rows = [Measurement("whole process: as it is", seconds["as it is"], unit="s")]
    rows += [
        Measurement(f"whole process: as it is / {name}", seconds["as it is"] / seconds[name])
        for name in list(forms)[1:]
    ]
    write_report(rows, {"rounds": arguments.rounds, "median_seconds": seconds}, arguments.json, None)


if __name__ == "__main__":
    main()
