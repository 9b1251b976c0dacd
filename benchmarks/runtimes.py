"""One model in every form that can run it: seconds per clip, ratio to PyTorch in fp32, and IoU with its masks.

    python benchmarks/runtimes.py --model mini --threads 2 --json runtimes.json --plot runtimes.png
    python benchmarks/runtimes.py --model clip-b16 --threads 2 --json clip.json

The forms alternate in one process on the same real frames, text and state. Seconds are medians, and a ratio below 1 is
faster than PyTorch in fp32. Exported forms are written to a temporary folder. Presets without weights get random ones,
which change no cost, and only PyTorch's forms unless others are asked for; the threshold of their masks is the median
logit, because the logits of a random model all lie on one side of 0. The plot needs the extra `bench`.
"""

from __future__ import annotations

import functools
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from benchmark_options import benchmark_parser, build_model, has_weights, parse_options, read_clips, write_numbers
from torch import Tensor

from vlp_rvos.errors import UserError
from vlp_rvos.export.writer import export_model
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.profiling.timing import time_alternately
from vlp_rvos.runtimes.exported_runtime import ExportedRuntime
from vlp_rvos.runtimes.names import ExportFormat, Precision
from vlp_rvos.runtimes.runtime import Runtime
from vlp_rvos.runtimes.torch_runtime import TorchRuntime
from vlp_rvos.utils.atomic import replace_file

REFERENCE = "torch fp32"
TORCH_FORMS = (REFERENCE, "torch bf16", "torch int8")
FORMS = (*TORCH_FORMS, "torch.compile fp32", "onnx fp32", "openvino fp32", "openvino bf16")
CLIP = Path(__file__).parents[1] / "examples/cat.mp4"
EXPRESSIONS = ("the cat", "the wall behind it")


def open_form(form: str, model: VLPRVOS, folder: Path) -> Runtime:
    name, precision = form.split()
    if name in ("torch", "torch.compile"):
        runtime = TorchRuntime(model, "cpu", cast("Precision", precision))
        if name == "torch.compile":
            runtime.model = torch.compile(runtime.model)  # type: ignore[assignment]
        return runtime
    exported = folder / name
    if not exported.exists():
        export_model(model, exported, cast("ExportFormat", name))
    return ExportedRuntime(exported, cast("Precision", precision))


def predict(runtime: Runtime, text: Any, clips: Sequence[Tensor]) -> Tensor:
    """Mask logits (E, T, h, w) of all clips, one after the other."""
    state, logits = None, []
    for clip in clips:
        prediction = runtime.step(clip, text, state)
        state = prediction.state
        logits.append(prediction.mask_logits)
    return torch.cat(logits, 1)


def overlap(found: Tensor, expected: Tensor) -> float:
    """Intersection over union of all pixels of all frames, 1 where both are empty."""
    union = int((found | expected).sum())
    return int((found & expected).sum()) / union if union else 1.0


def measure(
    model: VLPRVOS,
    clips: Sequence[Tensor],
    words: Sequence[str],
    forms: Sequence[str],
    threshold: float | None,
    rounds: int,
) -> dict[str, object]:
    """Everything about one model; `threshold` is that of the logits, None takes the reference's median."""
    runtimes, seconds_to_open, left_out = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for form in dict.fromkeys((REFERENCE, *forms)):
            begun = time.perf_counter()
            try:
                runtimes[form] = open_form(form, model, Path(folder))
            except UserError as error:
                left_out[form] = str(error)
                continue
            seconds_to_open[form] = time.perf_counter() - begun
        texts = {form: runtime.encode_text(words) for form, runtime in runtimes.items()}
        states = {form: runtime.step(clips[0], texts[form]).state for form, runtime in runtimes.items()}
        per_text = time_alternately(
            {form: functools.partial(runtime.encode_text, words) for form, runtime in runtimes.items()}, rounds
        )
        per_clip = time_alternately(
            {
                form: functools.partial(runtime.step, clips[0], texts[form], states[form])
                for form, runtime in runtimes.items()
            },
            rounds,
        )
        logits = {form: predict(runtime, texts[form], clips) for form, runtime in runtimes.items()}
    expected = logits[REFERENCE]
    logit_threshold = expected.median().item() if threshold is None else threshold
    return {
        "frames": clips[0].shape[1],
        "height": clips[0].shape[3],
        "width": clips[0].shape[4],
        "expressions": len(words),
        "seconds_per_clip": per_clip,
        "seconds_per_text": per_text,
        "seconds_to_open": seconds_to_open,
        "clip_over_torch_fp32": {form: seconds / per_clip[REFERENCE] for form, seconds in per_clip.items()},
        "mask_iou": {
            form: overlap(found > logit_threshold, expected > logit_threshold) for form, found in logits.items()
        },
        "mask_share": (expected > logit_threshold).float().mean().item(),
        "largest_probability_difference": {
            form: (found.sigmoid() - expected.sigmoid()).abs().max().item() for form, found in logits.items()
        },
        "left_out": left_out,
    }


def draw(result: dict[str, Any], file: Path) -> None:
    """Bars of the ratios, with the IoU beside them."""
    from matplotlib.figure import Figure

    ratios, overlaps = result["clip_over_torch_fp32"], result["mask_iou"]
    figure = Figure(figsize=(7, 0.5 * len(ratios) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(list(ratios), list(ratios.values()))
    axes.bar_label(bars, [f"{ratio:.2f} (IoU {overlaps[form]:.3f})" for form, ratio in ratios.items()], padding=3)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.35 * max(ratios.values()))
    axes.set_xlabel("time of a clip / PyTorch in fp32")
    axes.set_title(f"{result['model']}, {result['frames']} frames of {result['height']}x{result['width']}")
    replace_file(file, lambda temporary: figure.savefig(temporary, format="png", dpi=150))


def main() -> None:
    parser = benchmark_parser(__doc__, rounds=15, threads=2, plot=True)
    parser.add_argument("--model", default="mini", help="name of a model or preset, or a checkpoint file")
    names = ", ".join(map(repr, FORMS))
    parser.add_argument("--forms", nargs="+", choices=FORMS, metavar="FORM", help=f"forms to compare, of {names}")
    parser.add_argument("--video", type=Path, default=CLIP)
    parser.add_argument("--expressions", nargs="+", default=EXPRESSIONS[:1], metavar="EXPRESSION")
    parser.add_argument("--size", type=int, help="size of the network input, as `vlp-rvos segment --size`")
    arguments = parse_options(parser)
    trained = has_weights(arguments.model)
    model = build_model(arguments.model)
    config = model.config.replace(input_size=arguments.size) if arguments.size else model.config
    result = {"model": arguments.model, "threads": arguments.threads, "rounds": arguments.rounds} | measure(
        model,
        read_clips(arguments.video, config, model.backbone.size_multiple),
        arguments.expressions,
        arguments.forms or (FORMS if trained else TORCH_FORMS),
        0.0 if trained else None,
        arguments.rounds,
    )
    write_numbers(result, arguments.json)
    if arguments.plot:
        draw(result, arguments.plot)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
