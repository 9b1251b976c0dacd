"""The model's cost on paper: FLOPs and bytes against every length that matters, and what they ask of a machine.

    python benchmarks/paper.py roofline --threads 2     # measures this machine, into docs/results/roofline.json
    python benchmarks/paper.py fill                     # counts, and writes docs/performance.md and docs/plots/

`fill` writes the tables between the `<!-- paper:NAME -->` and `<!-- /paper -->` marks, from counts alone but for the
roofline, which it takes from the measured file, and the table of `run_all.py`, which it takes from
docs/results/benchmarks.json (a copy of its table.json). What was not measured is said not to be.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from vlp_rvos.profiling.cost_report import Row, machine, plot_lines, table
from vlp_rvos.profiling.costs import PARTS, Cost, PaperModel
from vlp_rvos.profiling.overhead import alternate
from vlp_rvos.utils.atomic import write_bytes

ROOT = Path(__file__).parents[1]
DOCUMENT, PLOTS = ROOT / "docs" / "performance.md", ROOT / "docs" / "plots"
ROOFLINE, MEASURED = ROOT / "docs" / "results" / "roofline.json", ROOT / "docs" / "results" / "benchmarks.json"
MODELS = ("mini", "clip-b16")
LENGTHS = (1, 2, 4, 6, 12, 24)
SIDES = (224, 288, 352, 416, 480, 544)
EXPRESSIONS = (1, 2, 4, 8)
FPS = 24
# Published peaks of dense bf16 matrix products and of the memory; data sheets of the maker.
GPUS = {"A100 SXM 80 GB": (312e12, 2.039e12), "H100 SXM 80 GB": (989e12, 3.35e12)}
UTILISATION = 0.3
NODE, CLUSTER = 8, 32
HOURS = (1, 1_000, 1_000_000)


@functools.cache
def paper(name: str) -> PaperModel:
    return PaperModel(name)


@functools.cache
def clip_cost(name: str, frames: int = 6, size: tuple[int, int] | None = None, expressions: int = 1) -> Cost:
    return paper(name).per_clip(frames=frames, size=size, expressions=expressions)


def markdown(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def parts_table() -> str:
    """Cost of each part for one clip."""
    blocks = []
    for name in MODELS:
        model = paper(name)
        costs = model.clip()
        total = model.per_clip()
        rows = [
            (title, f"{cost.flops / 1e9:.2f}", f"{100 * cost.flops / total.flops:.1f}", f"{cost.bytes / 1e6:.0f}")
            for part, title in PARTS.items()
            if (cost := costs.get(part))
        ]
        rows.append(("a clip, without the words", f"{total.flops / 1e9:.2f}", "100", f"{total.bytes / 1e6:.0f}"))
        height, width = model.size
        title = f"`{name}`, a clip of {model.config.clip_length} at {height} x {width}, one expression, "
        title += f"{model.weights / 1e6:.1f} million weights:"
        blocks.append(title + "\n\n" + markdown(("part", "GFLOPs", "% of the clip", "MB moved (fp32)"), rows))
    return "\n\n".join(blocks)


def lengths_table() -> str:
    """Cost per frame against clip length."""
    return _against("frames of a clip", LENGTHS, lambda name, n: _each(clip_cost(name, n), n), "clip-length")


def sides_table() -> str:
    """Cost per frame against resolution; square inputs."""
    return _against("side of the input", SIDES, lambda name, n: _each(clip_cost(name, 6, (n, n)), 6), "resolution")


def expressions_table() -> str:
    """Cost per frame against the number of expressions."""
    return _against("expressions", EXPRESSIONS, lambda name, n: _each(clip_cost(name, 6, None, n), 6), "expressions")


def _each(cost: Cost, frames: int) -> tuple[float, float]:
    return cost.flops / frames / 1e9, cost.bytes / frames / 1e6


def _against(head: str, values: Iterable[int], cost: Callable[[str, int], tuple[float, float]], plot: str) -> str:
    found = {name: {value: cost(name, value) for value in values} for name in MODELS}
    PLOTS.mkdir(parents=True, exist_ok=True)
    # Per model as a share of the first: the two differ too much for one scale.
    lines = {}
    for name, costs in found.items():
        first = next(iter(costs.values()))
        for i, what in enumerate(("FLOPs", "bytes")):
            lines[f"{name}, {what}"] = {float(x): pair[i] / first[i] for x, pair in costs.items()}
    plot_lines(PLOTS / f"{plot}.png", "Cost of a frame", head, "relative to the first", lines)
    columns = [f"{name}, {what}" for name in MODELS for what in ("GFLOPs a frame", "MB a frame")]
    rows = [(x, *(text for name in MODELS for text in _pair(found[name][x]))) for x in values]
    return markdown((head, *columns), rows) + f"\n\n![Cost of a frame against {head}](plots/{plot}.png)"


def _pair(cost: tuple[float, float]) -> tuple[str, str]:
    return f"{cost[0]:.2f}", f"{cost[1]:.0f}"


def video_table() -> str:
    """Cost of whole videos at 24 frames a second."""
    rows = []
    for seconds in (10, 60, 600, 3600):
        clips = -(-seconds * FPS // 6)
        texts = [paper(name).clip()["text"].flops + clips * clip_cost(name).flops for name in MODELS]
        rows.append((f"{seconds} s", clips, *(f"{flops / 1e12:.2f}" for flops in texts), "6 frames and their history"))
    return markdown(("video", "clips", *(f"{name}, TFLOPs" for name in MODELS), "state"), rows)


def roofline_table() -> str:
    """The measured machine, and where the model stands on it."""
    if not ROOFLINE.exists():
        return "Not measured yet: `python benchmarks/paper.py roofline`."
    found = json.loads(ROOFLINE.read_text())
    rows = [
        (
            number,
            f"{peak / 1e9:.0f}",
            f"{found['bytes_per_second'] / 1e9:.1f}",
            f"{peak / found['bytes_per_second']:.1f}",
        )
        for number, peak in found["flops_per_second"].items()
    ]
    text = f"{found['machine']}, {found['threads']} threads, measured:\n\n"
    text += markdown(("format", "GFLOP/s", "GB/s", "FLOPs a byte at the ridge"), rows)
    rows = []
    for name in MODELS:
        cost = clip_cost(name)
        least = max(cost.flops / found["flops_per_second"]["float32"], cost.bytes / found["bytes_per_second"])
        rows.append((name, f"{cost.flops / cost.bytes:.1f}", f"{1e3 * least / 6:.1f}"))
    return text + "\n\n" + markdown(("model", "FLOPs a byte (fp32)", "bound from it, ms a frame (estimate)"), rows)


def scale_table() -> str:
    """Estimates for GPUs."""
    rows = []
    for name in MODELS:
        cost = clip_cost(name)
        for gpu, (peak, bandwidth) in GPUS.items():
            # bf16 moves half of the counted bytes.
            second = max(cost.flops / peak, cost.bytes / 2 / bandwidth) / UTILISATION / 6
            times = [
                _duration(hours * 3600 * FPS * second / count) for hours in HOURS for count in (1, NODE, NODE * CLUSTER)
            ]
            limit = "memory" if cost.bytes / 2 / bandwidth > cost.flops / peak else "arithmetic"
            rows.append((name, gpu, limit, f"{1 / second:.0f}", *times))
    machines = ("one GPU", "a node", "a cluster")
    heads = [f"{hours:,} h on {where}" for hours in HOURS for where in machines]
    return markdown(("model", "GPU", "bound by", "frames/s of one", *heads), rows)


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            count = seconds / length
            return f"{count:,.0f} {unit}" if count >= 100 else f"{count:.3g} {unit}"
    return f"{seconds:.2g} s"


def measured_table() -> str:
    """What run_all.py measured."""
    if not MEASURED.exists():
        return "Not measured yet: `python benchmarks/run_all.py`."
    return table([Row(**row) for row in json.loads(MEASURED.read_text())])


TABLES = {
    "parts": parts_table,
    "lengths": lengths_table,
    "sides": sides_table,
    "expressions": expressions_table,
    "video": video_table,
    "roofline": roofline_table,
    "scale": scale_table,
    "measured": measured_table,
}


def fill() -> None:
    """Write every marked table."""

    def replacement(match: re.Match[str]) -> str:
        return f"<!-- paper:{match[1]} -->\n{TABLES[match[1]]()}\n<!-- /paper -->"

    text = DOCUMENT.read_text()
    text = re.sub(r"<!-- paper:(\w+) -->.*?<!-- /paper -->", replacement, text, flags=re.DOTALL)
    write_bytes(DOCUMENT, text.encode())


def roofline(side: int, megabytes: int, rounds: int) -> dict[str, Any]:
    """Peak of square matrix products, and of copying an array that no cache holds."""
    forms: dict[str, Callable[[], object]] = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.rand(side, side).to(dtype), torch.rand(side, side).to(dtype)
        forms[str(dtype).removeprefix("torch.")] = functools.partial(torch.mm, a, b)
    source = torch.rand(megabytes * 2**20 // 4)
    forms["copy"] = functools.partial(torch.empty_like(source).copy_, source)
    seconds = alternate(forms, rounds)
    moved = 2 * source.numel() * source.element_size()
    return {
        **machine(),
        "flops_per_second": {name: 2 * side**3 / seconds[name] for name in forms if name != "copy"},
        "bytes_per_second": moved / seconds["copy"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("fill", "roofline"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", type=int, default=2048, help="of the matrices")
    parser.add_argument("--megabytes", type=int, default=512, help="of the copied array")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, default=ROOFLINE)
    arguments = parser.parse_args()
    if arguments.what == "fill":
        fill()
        return
    torch.set_num_threads(arguments.threads)
    found = roofline(arguments.side, arguments.megabytes, arguments.rounds)
    write_bytes(arguments.json, (json.dumps(found, indent=1) + "\n").encode())
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
