"""The Markdown tables and plots of `docs/performance.md` that are counted and not measured.

FLOPs and bytes of the model against every length that matters, and what they ask of a machine. Only the roofline needs
a measured row of `tools/results_file.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results_file import Result

from vlp_rvos.profiling.costs import PART_TITLES, Cost, MetaModel
from vlp_rvos.profiling.plots import plot_lines

MODELS = ("mini", "clip-b16")
CLIP = 6
FPS = 24
#: FLOP/s of dense bf16 matrix products and bytes/s of the memory, as the maker's data sheets give them
GPUS = {"A100 SXM 80 GB": (312e12, 2.039e12), "H100 SXM 80 GB": (989e12, 3.35e12)}
UTILISATION = 0.3
NODE, CLUSTER = 8, 32
HOURS = (1, 1_000, 1_000_000)

Results = Mapping[str, Result]


@functools.cache
def meta_model(name: str) -> MetaModel:
    return MetaModel(name)


@functools.cache
def clip_cost(name: str, frames: int = CLIP, size: tuple[int, int] | None = None, expressions: int = 1) -> Cost:
    return meta_model(name).per_clip(frames=frames, size=size, expressions=expressions)


def markdown(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def parts(_: Results) -> str:
    """Cost of each part of the model for one clip."""
    blocks = []
    for name in MODELS:
        model = meta_model(name)
        costs = model.clip()
        total = model.per_clip()
        rows = [
            (title, f"{cost.flops / 1e9:.2f}", f"{100 * cost.flops / total.flops:.1f}", f"{cost.bytes / 1e6:.0f}")
            for part, title in PART_TITLES.items()
            if (cost := costs.get(part))
        ]
        rows.append(("a clip, without the words", f"{total.flops / 1e9:.2f}", "100", f"{total.bytes / 1e6:.0f}"))
        height, width = model.size
        title = f"`{name}`, a clip of {model.config.clip_length} at {height} x {width}, one expression, "
        title += f"{model.weights / 1e6:.1f} million weights:"
        blocks.append(title + "\n\n" + markdown(("part", "GFLOPs", "% of the clip", "MB moved (fp32)"), rows))
    return "\n\n".join(blocks)


@dataclass(frozen=True)
class Sweep:
    """Cost of a frame against one length.

    Attributes:
        title: What the length is.
        values: The lengths.
        settings: From a length to the arguments of `clip_cost`.
        plot: Name of the plot's file.
    """

    title: str
    values: tuple[int, ...]
    settings: Callable[[int], dict[str, Any]]
    plot: str

    def costs(self, name: str) -> dict[int, tuple[float, float]]:
        """From each length to GFLOPs and MB of a frame."""
        found = {}
        for value in self.values:
            settings = {"frames": CLIP} | self.settings(value)
            cost, frames = clip_cost(name, **settings), settings["frames"]
            found[value] = cost.flops / frames / 1e9, cost.bytes / frames / 1e6
        return found

    def table(self, _: Results) -> str:
        """The costs of all models, and a link to the plot."""
        found = {name: self.costs(name) for name in MODELS}
        columns = [f"{name}, {what}" for name in MODELS for what in ("GFLOPs a frame", "MB a frame")]
        rows = []
        for value in self.values:
            pairs = (found[name][value] for name in MODELS)
            rows.append((value, *(text for flops, moved in pairs for text in (f"{flops:.2f}", f"{moved:.0f}"))))
        image = f"![Cost of a frame against {self.title}](plots/{self.plot}.png)"
        return f"{markdown((self.title, *columns), rows)}\n\n{image}"

    def draw(self, folder: Path) -> None:
        """Write the plot."""
        # Each model relative to its first point: the two differ too much for one scale.
        curves = {}
        for name in MODELS:
            costs = self.costs(name)
            first = next(iter(costs.values()))
            for i, what in enumerate(("FLOPs", "bytes")):
                curves[f"{name}, {what}"] = {float(x): pair[i] / first[i] for x, pair in costs.items()}
        plot_lines(folder / f"{self.plot}.png", "Cost of a frame", self.title, "relative to the first", curves)


LENGTHS = Sweep("frames of a clip", (1, 2, 4, 6, 12, 24), lambda n: {"frames": n}, "clip-length")
SIDES = Sweep("side of the input", (224, 288, 352, 416, 480, 544), lambda n: {"size": (n, n)}, "resolution")
EXPRESSIONS = Sweep("expressions", (1, 2, 4, 8), lambda n: {"expressions": n}, "expressions")


def draw_plots(folder: Path) -> None:
    """Write the plots of all sweeps."""
    for sweep in (LENGTHS, SIDES, EXPRESSIONS):
        sweep.draw(folder)


def whole_videos(_: Results) -> str:
    """Cost of whole videos."""
    rows = []
    for seconds in (10, 60, 600, 3600):
        clips = -(-seconds * FPS // CLIP)
        totals = [meta_model(name).clip()["text"].flops + clips * clip_cost(name).flops for name in MODELS]
        rows.append((f"{seconds} s", clips, *(f"{flops / 1e12:.2f}" for flops in totals), "6 frames and their history"))
    return markdown(("video", "clips", *(f"{name}, TFLOPs" for name in MODELS), "state"), rows)


def roofline(results: Results) -> str:
    """The measured machine (`benchmarks/roofline.py`), and where the model stands on it."""
    found = results["roofline"].result
    bandwidth = found["bytes_per_second"]
    rows = [
        (number, f"{peak / 1e9:.0f}", f"{bandwidth / 1e9:.1f}", f"{peak / bandwidth:.1f}")
        for number, peak in found["flops_per_second"].items()
    ]
    text = f"{found['machine']}, {found['threads']} threads, measured:\n\n"
    text += markdown(("format", "GFLOP/s", "GB/s", "FLOPs a byte at the ridge"), rows)
    rows = []
    for name in MODELS:
        cost = clip_cost(name)
        least = max(cost.flops / found["flops_per_second"]["float32"], cost.bytes / bandwidth)
        rows.append((name, f"{cost.flops / cost.bytes:.1f}", f"{1e3 * least / CLIP:.1f}"))
    return text + "\n\n" + markdown(("model", "FLOPs a byte (fp32)", "bound from it, ms a frame (estimate)"), rows)


def scale(_: Results) -> str:
    """Estimates for GPUs."""
    rows = []
    for name in MODELS:
        cost = clip_cost(name)
        for gpu, (peak, bandwidth) in GPUS.items():
            # bf16 moves half of the counted bytes.
            seconds = max(cost.flops / peak, cost.bytes / 2 / bandwidth) / UTILISATION / CLIP
            times = [
                _duration(hours * 3600 * FPS * seconds / count)
                for hours in HOURS
                for count in (1, NODE, NODE * CLUSTER)
            ]
            limit = "memory" if cost.bytes / 2 / bandwidth > cost.flops / peak else "arithmetic"
            rows.append((name, gpu, limit, f"{1 / seconds:.0f}", *times))
    machines = ("one GPU", "a node", "a cluster")
    heads = [f"{hours:,} h on {where}" for hours in HOURS for where in machines]
    return markdown(("model", "GPU", "bound by", "frames/s of one", *heads), rows)


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            count = seconds / length
            return f"{count:,.0f} {unit}" if count >= 100 else f"{count:.3g} {unit}"
    return f"{seconds:.2g} s"


TABLES = {
    "cost_parts": parts,
    "cost_lengths": LENGTHS.table,
    "cost_sides": SIDES.table,
    "cost_expressions": EXPRESSIONS.table,
    "cost_videos": whole_videos,
    "cost_scale": scale,
    "roofline": roofline,
}
