"""The Markdown tables of measured results in the documents, made from the rows of `tools/results_file.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results_file import Result

from vlp_rvos.profiling.measurement_report import Measurement, measurement_table

Results = Mapping[str, Result]

KINDS = {"noun": "noun", "appearance": "appearance", "motion": "motion or action", "description": "full description"}
#: end of the names of the rows that measured what is shipped
SHIPPED = "counting"
#: fewer questions than this say nothing: their share is left out
LEAST_ASKED = 20


def line(*cells: object) -> str:
    """One line of a table; shares become percent."""
    return "| " + " | ".join(f"{100 * c:.1f}" if isinstance(c, float) else str(c) for c in cells) + " |"


def head(*names: str) -> list[str]:
    """The first two lines of a table."""
    return [line(*names), "|---" * len(names) + "|"]


def of_kind(results: Results, kind: str) -> list[Result]:
    """The rows of a kind, in their order."""
    return [row for row in results.values() if row.kind == kind]


def on_data(results: Results, dataset: str) -> list[Result]:
    """The rows that score masks on a data set, in their order."""
    return [row for row in of_kind(results, "segmentation") if row.result["dataset"] == dataset]


def alignment(results: Results) -> str:
    """Cost and held-out result of each alignment pretraining."""
    rows = head("run", "crops", "phrases", "steps", "minutes", "patches named right", "IoU of the located phrase")
    for row in of_kind(results, "alignment"):
        counts = (row.result[key] for key in ("crops", "phrases", "steps"))
        scores = (row.result["held_out"][key] for key in ("patch_accuracy", "locate_iou"))
        rows.append(line(row.title, *counts, f"{row.result['minutes']:.0f}", *scores))
    return "\n".join(rows)


def training(results: Results) -> str:
    """Cost and held-out result of each training of mini."""
    names = ("iou", "iou_present", "iou_video", "iou_still", "iou_pasted", "iou_several", "presence_accuracy")
    rows = head("run", "steps", "videos seen", "minutes", "seed", *names)
    for row in of_kind(results, "training"):
        run = row.result
        scores = (run["validation"].get(name, "") for name in names)
        rows.append(line(row.title, run["steps"], run["samples"], f"{run['seconds'] / 60:.0f}", run["seed"], *scores))
    return "\n".join(rows)


def kinds(results: Results) -> str:
    """J, F and J&F of the first generation on DAVIS-2016 val for each kind of expression, and on two objects."""
    return _kinds(results["davis16-val-shipped"].result, results["two-objects-shipped"].result)


def kinds_now(results: Results) -> str:
    """The same of the present weights."""
    return _kinds(results[f"davis16-val-{SHIPPED}"].result, results[f"two-objects-{SHIPPED}"].result)


def _kinds(scores: Mapping[str, Any], two: Mapping[str, Any]) -> str:
    rows = head("test", "J", "F", "J&F")
    for kind, title in KINDS.items():
        rows.append(line(f"DAVIS-2016 val, {title}", *_j_and_f(scores["kinds"][kind])))
    rows.append(line("DAVIS-2016 val, all four", *_j_and_f(scores)))
    for expression in next(iter(two["videos"].values())).values():
        rows.append(line(f'two objects: "{expression["expression"]}"', *_j_and_f(expression)))
    rows.append(line("two objects, mean", *_j_and_f(two)))
    return "\n".join(rows)


def videos(results: Results) -> str:
    """J&F of the shipped model for each video of DAVIS-2016 val and each kind of expression."""
    rows = head("video", *KINDS.values())
    for name, expressions in results["davis16-val-shipped"].result["videos"].items():
        rows.append(line(name, *(expression["J&F"] for expression in expressions.values())))
    return "\n".join(rows)


def models(results: Results) -> str:
    """J&F of every trained model on DAVIS-2016 val by kind of expression, and on two objects where it was measured."""
    rows = head("model", *KINDS.values(), "all", "two objects")
    for row in on_data(results, "val"):
        if row.base is None:
            two = results.get(row.name.replace("davis16-val", "two-objects"))
            shares = (row.result["kinds"][kind]["J&F"] for kind in KINDS)
            rows.append(line(row.title, *shares, row.result["J&F"], two.result["J&F"] if two else ""))
    return "\n".join(rows)


def switches(results: Results) -> str:
    """What DAVIS-2016 val loses where a part of a trained model is switched off."""
    rows = head("model", "J", "F", "J&F", "difference")
    bases = {row.base for row in on_data(results, "val")}
    for row in on_data(results, "val"):
        if row.base is not None:
            difference = f"{100 * (row.result['J&F'] - results[row.base].result['J&F']):+.1f}"
            rows.append(line(row.title, *_j_and_f(row.result), difference))
        elif row.name in bases:
            rows.append(line(row.title, *_j_and_f(row.result), ""))
    return "\n".join(rows)


def held_out(results: Results) -> str:
    """J, F and J&F of models on the three held-out training videos."""
    rows = head("model", "J", "F", "J&F")
    return "\n".join(rows + [line(row.title, *_j_and_f(row.result)) for row in on_data(results, "heldout")])


def grounding(results: Results) -> str:
    """Pairs of objects of which the expression names one, and how often an absent object is noticed."""
    rows = head("model", "pairs by name", "pairs by motion", "absent noticed", "asked")
    for row in of_kind(results, "grounding"):
        pairs, presence = row.result["pairs"], row.result["presence"]
        shares = (pairs["category"]["right"], pairs["motion"]["right"], presence["absent_caught"])
        asked = (pairs["category"]["count"], pairs["motion"]["count"], presence["absent"])
        shown = (share if count >= LEAST_ASKED else "" for share, count in zip(shares, asked, strict=True))
        rows.append(line(row.title, *shown, ", ".join(map(str, asked))))
    return "\n".join(rows)


def ablation(results: Results, name: str = "ablation") -> str:
    """One training for each part and seed, with that part changed, of the model or of the choice among candidates.

    `vlp-rvos ablate` and `benchmarks/choice_ablation.py` make such results.
    """
    from vlp_rvos.training.ablation_table import ablation_table

    return ablation_table(results[name].result)


def runtimes(results: Results, model: str) -> str:
    """A model on everything that can run it (`benchmarks/runtimes.py`)."""
    result = results[f"runtimes-{model}"].result
    size = f"{result['height']}x{result['width']}"
    rows = [f"{result['threads']} threads, a clip of {result['frames']} at {size}, one expression:", ""]
    rows += head("form", "ms a clip", "time against torch fp32", "IoU of the masks with torch fp32")
    for form, seconds in result["seconds_per_clip"].items():
        ratio, iou = (f"{result[name][form]:.3f}" for name in ("clip_over_torch_fp32", "mask_iou"))
        rows.append(line(form, f"{1000 * seconds:.0f}", ratio, iou))
    return "\n".join(rows)


def loading(results: Results) -> str:
    """How fast one loading process is against the model, stage by stage (`benchmarks/loader_speed.py`)."""
    result = results["loading-speed"].result
    rows = [f"{result['machine']}, {result['threads']} threads, {result['precision']}:", ""]
    rows += head("model", "clips x frames", "size", "videos a second, model", "videos a second, one process", "ratio")
    for setting in result["settings"]:
        mixture = setting["sources"]["mixture"]
        height, width = setting["size"]
        model_rate, rate = setting["model_samples_per_second"], mixture["samples_per_second"]
        clips = f"{setting['clips']} x {setting['clip_length']}"
        ratio = f"{mixture['ratio']:.0f}"
        rows.append(line(setting["model"], clips, f"{height}x{width}", f"{model_rate:.2f}", f"{rate:.1f}", ratio))
    return "\n".join(rows)


def scoring(results: Results) -> str:
    """J and F of a split against the plain computation (`benchmarks/evaluation_speed.py`)."""
    result = results["scoring-speed"].result
    rows = [f"{result['machine']}, {result['masks']} masks, largest difference {result['largest_difference']}:", ""]
    rows += head("form", "masks a second", "against plain")
    plain = result["masks_per_second"]["plain"]
    rows += [line(name, f"{rate:.0f}", f"{rate / plain:.0f}") for name, rate in result["masks_per_second"].items()]
    return "\n".join(rows)


def pictures(results: Results) -> str:
    """Choice, masks and presence on described pictures, by the file that the expressions come from."""
    return _pictures([(row.title, row) for row in of_kind(results, "pictures")])


def pictures_now(results: Results) -> str:
    """The same of the first generation and of the present weights."""
    return _pictures([("first generation", results["pictures-first"]), ("as shipped", results[f"pictures-{SHIPPED}"])])


def _pictures(measured: Sequence[tuple[str, Result]]) -> str:
    names = ("choice", "by chance", "IoU", "IoU >= 0.5", "IoU of groups", "false ones noticed", "calibration error")
    keys = ("choice", "chance", "thing_iou", "iou_half", "group_iou", "noticed", "calibration_error")
    rows = head("model", "pictures", "true and false expressions", *names)
    for model, row in measured:
        for origin, scores in row.result["origins"].items():
            said = f"{scores['single'] + scores['groups']}, {scores['false']}"
            numbers = ("" if scores[key] is None else float(scores[key]) for key in keys)
            rows.append(line(model, f"{row.result['dataset']}, {origin}", said, *numbers))
    return "\n".join(rows)


def picture_kinds(results: Results) -> str:
    """The choice of the present weights for each kind of expression, told by its words."""
    rows = head("kind of expression", "about one thing", "choice", "by chance", "IoU", "false ones", "noticed")
    for kind, scores in results[f"pictures-{SHIPPED}"].result["kinds"].items():
        if scores["single"] < LEAST_ASKED:
            continue
        noticed = scores["noticed"] if scores["false"] >= LEAST_ASKED else ""
        numbers = (scores[key] for key in ("choice", "chance", "thing_iou"))
        rows.append(line(kind, scores["single"], *numbers, scores["false"], noticed))
    return "\n".join(rows)


def measurements(results: Results) -> str:
    """Everything that `benchmarks/run_all.py` measures."""
    return measurement_table([Measurement(**row) for row in results["measurements"].result["rows"]])


def _j_and_f(scores: Mapping[str, float]) -> tuple[float, float, float]:
    return scores["J_mean"], scores["F_mean"], scores["J&F"]


TABLES = {
    "alignment": alignment,
    "training": training,
    "kinds": kinds,
    "kinds_now": kinds_now,
    "videos": videos,
    "models": models,
    "switches": switches,
    "held_out": held_out,
    "grounding": grounding,
    "ablation": ablation,
    "ablation_described": lambda results: ablation(results, "ablation-described"),
    "ablation_again": lambda results: ablation(results, "ablation-again"),
    "choice_ablation": lambda results: ablation(results, "choice-ablation"),
    "runtimes": lambda results: runtimes(results, "mini"),
    "runtimes_clip_b16": lambda results: runtimes(results, "clip-b16"),
    "loading": loading,
    "scoring": scoring,
    "measurements": measurements,
    "pictures": pictures,
    "pictures_now": pictures_now,
    "picture_kinds": picture_kinds,
}
