"""Put measured numbers into the documents, so that no number is typed in by hand.

    vlp-rvos evaluate run DATA/davis16/val --skip-ends --json full.json
    python tools/report.py summarise full.json docs/results/davis16-val.json
    python tools/report.py run runs/mini/model.safetensors docs/results/run-1.json
    cp runs/ablation/ablation.json docs/results/
    python tools/report.py fill

`run` keeps what a training left in its model file, `summarise` the means of a score file. `fill` writes the tables
between the `<!-- results:NAME -->` and `<!-- /results -->` marks of README.md, the model cards and the experiments.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
DOCUMENTS = (
    "README.md",
    "src/vlp_rvos/weights/mini.md",
    "src/vlp_rvos/weights/mini-backbone.md",
    "docs/experiments.md",
    "docs/training.md",
    "docs/performance.md",
)
KINDS = {"noun": "noun", "appearance": "appearance", "motion": "motion or action", "description": "full description"}
LEAST_ABSENT = 20
SWITCHES = {
    "davis16-val": "shipped",
    "no-time": "without temporal prompts (so without motion) and history",
    "davis16-val-wide": "before its MLPs were narrowed",
    "no-time-wide": "without temporal prompts (so without motion) and history",
    "davis16-val-run-9": "run 9 averaged with what it started from",
    "no-time-run-9": "without temporal prompts (so without motion) and history",
    "davis16-val-run-6-memory": "run 6 averaged with run 5, with remembered masks",
    "no-time-run-6-memory": "without temporal prompts (so without motion) and history",
    "davis16-val-run-6": "without remembered masks",
    "no-motion-run-6": "without motion of the patches",
    "no-time-run-6": "without temporal prompts (so without motion) and history",
    "davis16-val-run-5": "run 5 averaged with run 4, all heads inside frames",
    "cubes-run-5": "with cube heads, as trained",
    "no-time-run-5": "without temporal prompts, history and cubes, with small parts of the masks kept",
    "davis16-val-run-4": "run 4, as trained",
    "no-time-run-4": "without temporal prompts, history and cubes",
    "davis16-val-run-3": "run 3, as trained",
    "no-time-run-3": "without temporal prompts, history and cubes",
    "davis16-val-run-1": "run 1, as trained",
    "no-temporal-run-1": "without temporal prompts (and capture)",
    "no-history-run-1": "without history",
}
HELD_OUT = {
    "held-out-run-1": "run 1",
    "held-out-run-3": "run 3",
    "held-out-run-4": "run 4",
    "held-out-no-history-run-4": "run 4 without history",
    "held-out-no-temporal-run-4": "run 4 without temporal prompts (and capture)",
    "held-out-frame-only-run-4": "run 4 with frame attention only",
    "held-out-no-time-run-4": "run 4 without temporal prompts, history and cubes",
    "held-out-run-5-alone": "run 5 alone",
    "held-out-all-parts-run-5": "run 5 averaged with run 4",
    "held-out-cubes-run-5": "and small parts of the masks dropped",
    "held-out-run-5": "and all heads inside frames",
    "held-out-no-temporal-run-5": "with cubes and small parts dropped, without temporal prompts (and capture)",
    "held-out-no-history-run-5": "with cubes and small parts dropped, without history",
    "held-out-no-time-run-5": "all heads inside frames, without temporal prompts and history",
    "held-out-run-6-alone": "run 6 alone",
    "held-out-run-6": "run 6 averaged with run 5",
    "held-out-no-motion-run-6": "the same without motion of the patches",
    "held-out-no-temporal-run-6": "without temporal prompts (and motion)",
    "held-out-no-history-run-6": "without history",
    "held-out-no-time-run-6": "without temporal prompts (and motion) and history",
    "held-out-run-6-memory": "run 6 averaged with run 5, with remembered masks",
    "held-out-no-time-run-6-memory": "without temporal prompts (and motion) and history",
    "held-out-shared-capture-run-6-memory": "with shared capture",
    "held-out-run-7-alone": "run 7 alone",
    "held-out-run-7": "run 7 averaged with what it started from, share 0.3",
    "held-out-run-9-alone": "run 9 alone, with remembered masks",
    "held-out-run-9": "run 9 averaged with what it started from",
    "held-out-run-10-alone": "run 10 alone: pooled patches, 512 pixels",
    "held-out-run-10": "run 10 averaged with what it started from, share 0.3",
    "held-out-run-11-half": "run 11 averaged with what it started from, share 0.5",
    "held-out-wide": "run 11 averaged with what it started from, share 0.3",
    "held-out": "the same with narrower MLPs: shipped",
}


def summarise(source: Path, target: Path) -> None:
    """Keep what the tables need of a score file: means, not the curves."""
    scores = json.loads(source.read_text())
    for expressions in scores["videos"].values():
        for expression in expressions.values():
            for curve in ("J", "F"):
                expression.pop(curve, None)
    scores["dataset"] = Path(scores["dataset"]).name
    scores["model"] = Path(scores["model"]).stem
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(scores, indent=1) + "\n")


def keep_run(model: Path, target: Path) -> None:
    """Keep what a training left in the header of its model file."""
    from vlp_rvos.models.checkpoint import peek

    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(peek(model).training, indent=1) + "\n")


def _load(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text())


def _row(*cells: object) -> str:
    return "| " + " | ".join(f"{100 * c:.1f}" if isinstance(c, float) else str(c) for c in cells) + " |"


def align_table() -> str:
    """Cost and held-out result of each alignment pretraining."""
    names = ("run", "crops", "phrases", "steps", "minutes", "patches named right", "IoU of the located phrase")
    rows = [_row(*names), "|---" * len(names) + "|"]
    for file in sorted(RESULTS.glob("align-*.json")):
        result = json.loads(file.read_text())
        held_out = result["held_out"]
        counts = (result[key] for key in ("crops", "phrases", "steps"))
        minutes = f"{result['minutes']:.0f}"
        rows.append(_row(file.stem, *counts, minutes, held_out["patch_accuracy"], held_out["locate_iou"]))
    return "\n".join(rows)


def runs_table() -> str:
    """Cost and held-out result of each training run of mini."""
    names = ("iou", "iou_present", "iou_video", "iou_still", "iou_pasted", "iou_several", "presence_accuracy")
    rows = [_row("run", "steps", "videos seen", "minutes", "seed", *names), "|---" * (5 + len(names)) + "|"]
    for file in sorted(RESULTS.glob("run-*.json"), key=lambda file: int(file.stem.removeprefix("run-"))):
        run = json.loads(file.read_text())
        numbers = (run["validation"].get(name, "") for name in names)
        rows.append(_row(file.stem, run["steps"], run["samples"], f"{run['seconds'] / 60:.0f}", run["seed"], *numbers))
    return "\n".join(rows)


def kinds_table() -> str:
    """J, F, J&F on DAVIS-2016 val for each kind of expression, and on two objects."""
    scores, two = _load("davis16-val"), _load("val-two-objects")
    rows = [_row("test", "J", "F", "J&F"), "|---|---|---|---|"]
    for kind, title in KINDS.items():
        numbers = scores["kinds"][kind]
        rows.append(_row(f"DAVIS-2016 val, {title}", numbers["J_mean"], numbers["F_mean"], numbers["J&F"]))
    rows.append(_row("DAVIS-2016 val, all four", scores["J_mean"], scores["F_mean"], scores["J&F"]))
    for expression in next(iter(two["videos"].values())).values():
        numbers = (expression["J_mean"], expression["F_mean"], expression["J&F"])
        rows.append(_row(f'two objects: "{expression["expression"]}"', *numbers))
    rows.append(_row("two objects, mean", two["J_mean"], two["F_mean"], two["J&F"]))
    return "\n".join(rows)


def videos_table() -> str:
    """J&F of each video and kind."""
    rows = [_row("video", *KINDS.values()), "|---" * (1 + len(KINDS)) + "|"]
    for name, expressions in _load("davis16-val")["videos"].items():
        rows.append(_row(name, *(expression["J&F"] for expression in expressions.values())))
    return "\n".join(rows)


def switches_table() -> str:
    """What is lost on DAVIS-2016 val where a part of the trained model is switched off."""
    rows = [_row("model", "J", "F", "J&F", "difference"), "|---|---|---|---|---|"]
    full = 0.0
    for name, title in SWITCHES.items():
        if (RESULTS / f"{name}.json").exists():
            scores = _load(name)
            whole = name.startswith("davis16-val")
            full = scores["J&F"] if whole else full
            difference = "" if whole else f"{100 * (scores['J&F'] - full):+.1f}"
            rows.append(_row(title, scores["J_mean"], scores["F_mean"], scores["J&F"], difference))
    return "\n".join(rows)


def models_table() -> str:
    """J&F of every trained model on DAVIS-2016 val by kind, and on two objects where that was measured."""
    rows = [_row("model", *KINDS.values(), "all", "two objects"), "|---" * (3 + len(KINDS)) + "|"]
    of_runs = ("run-1", "run-2", "run-3", "run-4", "run-5-alone", "run-5", "run-6", "run-6-memory", "run-9")
    for name in (*of_runs, "wide", ""):
        scores, two = _load(f"davis16-val-{name}".strip("-")), f"val-two-objects-{name}".strip("-")
        both = _load(two)["J&F"] if (RESULTS / f"{two}.json").exists() else ""
        rows.append(_row(name or "shipped", *(scores["kinds"][kind]["J&F"] for kind in KINDS), scores["J&F"], both))
    return "\n".join(rows)


def held_out_table() -> str:
    """J, F, J&F of models on the three held-out training videos, whole pipeline."""
    rows = [_row("model", "J", "F", "J&F"), "|---|---|---|---|"]
    for name, title in HELD_OUT.items():
        if not (RESULTS / f"{name}.json").exists():
            continue
        scores = _load(name)
        rows.append(_row(title, scores["J_mean"], scores["F_mean"], scores["J&F"]))
    return "\n".join(rows)


def grounding_table() -> str:
    """The grounding probe: pairs of objects of which the words name one, and how many absent objects are noticed."""
    rows = [_row("run", "pairs by name", "pairs by motion", "absent noticed", "asked"), "|---|---|---|---|---|"]
    for file in sorted(RESULTS.glob("listening-*.json")):
        found = json.loads(file.read_text())
        pairs, presence = found["pairs"], found["presence"]
        asked = f"{pairs['category']['count']}, {pairs['motion']['count']}, {presence['absent']}"
        # A few say nothing.
        caught = presence["absent_caught"] if presence["absent"] >= LEAST_ABSENT else ""
        shares = (pairs["category"]["right"], pairs["motion"]["right"], caught)
        rows.append(_row(file.stem.removeprefix("listening-"), *shares, asked))
    return "\n".join(rows)


def ablation_table() -> str:
    """One training for each row and seed, each with one part changed (`vlp-rvos ablate`)."""
    from vlp_rvos.training.ablation import table

    return table(_load("ablation")) if (RESULTS / "ablation.json").exists() else "Not measured yet."


def runtimes_table(model: str) -> str:
    """A model on all that can run it (`benchmarks/runtimes.py`)."""
    result = _load(f"runtimes-{model}")
    size = f"{result['height']}x{result['width']}"
    rows = [
        f"{result['threads']} threads, a clip of {result['frames']} at {size}, one expression:",
        "",
        _row("form", "ms a clip", "time against torch fp32", "IoU of the masks with torch fp32"),
        "|---" * 4 + "|",
    ]
    for form, seconds in result["seconds_per_clip"].items():
        ratio, iou = (f"{result[name][form]:.3f}" for name in ("clip_over_torch_fp32", "mask_iou"))
        rows.append(_row(form, f"{1000 * seconds:.0f}", ratio, iou))
    return "\n".join(rows)


def loader_table() -> str:
    """What one loading process prepares of what the model takes, stage by stage (`benchmarks/loader_speed.py`)."""
    result = _load("loader-speed")
    names = ("model", "clips x frames", "size", "videos a second, model", "videos a second, one process", "ratio")
    rows = [
        f"{result['machine']}, {result['threads']} threads, {result['precision']}:",
        "",
        _row(*names),
        "|---" * len(names) + "|",
    ]
    for setting in result["settings"]:
        mixture = setting["sources"]["mixture"]
        height, width = setting["size"]
        rows.append(
            _row(
                setting["model"],
                f"{setting['clips']} x {setting['clip_length']}",
                f"{height}x{width}",
                f"{setting['model_samples_per_second']:.2f}",
                f"{mixture['samples_per_second']:.1f}",
                f"{mixture['ratio']:.0f}",
            )
        )
    return "\n".join(rows)


def evaluation_table() -> str:
    """J and F of a split against the plain form, one mask after the other (`benchmarks/evaluation_speed.py`)."""
    result = _load("evaluation-speed")
    rows = [
        f"{result['machine']}, {result['masks']} masks, largest difference {result['largest_difference']}:",
        "",
        _row("form", "masks a second", "against plain"),
        "|---|---|---|",
    ]
    plain = result["masks_per_second"]["plain"]
    rows += [_row(name, f"{rate:.0f}", f"{rate / plain:.0f}") for name, rate in result["masks_per_second"].items()]
    return "\n".join(rows)


def fill() -> None:
    """Write every marked table."""
    tables = {
        "align": align_table,
        "runs": runs_table,
        "kinds": kinds_table,
        "videos": videos_table,
        "switches": switches_table,
        "heldout": held_out_table,
        "models": models_table,
        "grounding": grounding_table,
        "ablation": ablation_table,
        "runtimes": lambda: runtimes_table("mini"),
        "runtimes_clip_b16": lambda: runtimes_table("clip-b16"),
        "loader": loader_table,
        "evaluation": evaluation_table,
    }
    for document in DOCUMENTS:
        path = ROOT / document

        def table(match: re.Match[str]) -> str:
            return f"<!-- results:{match[1]} -->\n{tables[match[1]]()}\n<!-- /results -->"

        text = path.read_text()
        path.write_text(re.sub(r"<!-- results:(\w+) -->.*?<!-- /results -->", table, text, flags=re.DOTALL))


if __name__ == "__main__":
    if sys.argv[1:2] == ["summarise"] and len(sys.argv) == 4:
        summarise(Path(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1:2] == ["run"] and len(sys.argv) == 4:
        keep_run(Path(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1:] == ["fill"]:
        fill()
    else:
        sys.exit(__doc__)
