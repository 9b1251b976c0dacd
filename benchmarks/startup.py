"""Time to start: `vlp-rvos --help`, in turns with a bare Python.

python benchmarks/startup.py --json startup.json --plot startup.png
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from benchmark_options import benchmark_parser, parse_options

from vlp_rvos.profiling.measurement_report import Measurement, write_report
from vlp_rvos.profiling.timing import time_alternately


def starting(*arguments: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)


def main() -> None:
    arguments = parse_options(benchmark_parser(__doc__, rounds=15, plot=True))
    forms = {"help": starting("-m", "vlp_rvos", "--help"), "python": starting("-c", "pass")}
    seconds = time_alternately(forms, arguments.rounds)
    rows = [
        Measurement("start-up: vlp-rvos --help", seconds["help"], 0.5, "s"),
        Measurement("start-up: vlp-rvos --help / bare Python", seconds["help"] / seconds["python"]),
    ]
    write_report(rows, {"rounds": arguments.rounds, "median_seconds": seconds}, arguments.json, arguments.plot)


if __name__ == "__main__":
    main()
