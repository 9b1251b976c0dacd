"""The result of a benchmark: measured numbers as a Markdown table, a JSON file and a plot."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from vlp_rvos.profiling.plots import plot_bars
from vlp_rvos.utils.atomic import write_bytes

__all__ = ["Measurement", "describe_machine", "measurement_table", "plot_measurements", "write_report"]


@dataclass(frozen=True)
class Measurement:
    """One measured number.

    Attributes:
        what: what was measured, in words.
        value: the number.
        at_most: target that the number should not exceed; None where there is none.
        unit: unit of the number; empty for a ratio.
    """

    what: str
    value: float
    at_most: float | None = None
    unit: str = ""


def describe_machine() -> dict[str, Any]:
    """The machine, its load and the settings of PyTorch, as far as measured times depend on them."""
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "load_average": os.getloadavg()[0],
    }


def measurement_table(measurements: Sequence[Measurement]) -> str:
    """The measurements as a table in Markdown."""
    lines = ["| what | measured | at most |", "|---|---|---|"]
    for one in measurements:
        unit = f" {one.unit}" if one.unit else ""
        limit = "" if one.at_most is None else f"{one.at_most:g}{unit}"
        lines.append(f"| {one.what} | {one.value:.3g}{unit} | {limit} |")
    return "\n".join(lines)


def write_report(
    measurements: Sequence[Measurement], details: Mapping[str, Any], json_file: Path | None, plot: Path | None
) -> None:
    """Print the measurements as a table, and write them to files.

    Args:
        measurements: the measured numbers.
        details: further values for the JSON file, such as settings and medians.
        json_file: JSON file to write; None writes none.
        plot: PNG file to write; None writes none.

    Raises:
        UserError: a file cannot be written.
    """
    print(measurement_table(measurements))
    if json_file is not None:
        report = {**describe_machine(), **details, "rows": [asdict(one) for one in measurements]}
        write_bytes(json_file, (json.dumps(report, indent=1) + "\n").encode())
    if plot is not None:
        plot_measurements(plot, measurements)


def plot_measurements(path: Path, measurements: Sequence[Measurement]) -> None:
    """Draw a bar for each measurement; see `plot_bars`."""
    labels = [f"{one.what}: {one.value:.3g} {one.unit}".rstrip() for one in measurements]
    plot_bars(path, [(label, one.value, one.at_most) for label, one in zip(labels, measurements, strict=True)])
