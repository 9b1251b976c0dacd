"""Everything that only a CUDA GPU can show, in one run: the same masks as on the CPU, kernels, memory and speed.

    python -m pytest tests/cuda                                          # does it work there?
    python benchmarks/on_cuda.py --json cuda.json --plot cuda.png        # is it right, and how fast?
    python benchmarks/on_cuda.py --dry-run                               # does this script run? On any machine

For each model: how far its masks of the example clips on the GPU, in float32, bfloat16 and with `torch.compile`, are
from those of the CPU in float32; which kernels its attention runs; the peak memory of inference and of a training step;
frames a second of each form, which run in turns. Models without weights of ours have random ones, which take the same
time; their masks are cut at the median logit of the CPU, because all of their logits lie on one side of 0. The exit
code is 1 where a share of pixels is above its limit.

Without a GPU it says that nothing was measured, and writes no file; the exit code is 0.

With `--dry-run`, the first model runs on the CPU with clips of two small frames, the others run without values on
PyTorch's meta device, and the numbers mean nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from benchmark_options import benchmark_parser, build_model, has_weights, parse_options, read_clips
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.profiling.costs import MetaModel
from vlp_rvos.profiling.measurement_report import Measurement, write_report
from vlp_rvos.profiling.timing import time_alternately
from vlp_rvos.runtimes.torch_runtime import TorchRuntime
from vlp_rvos.training.losses import clip_losses
from vlp_rvos.training.optimization import make_optimizer
from vlp_rvos.training.train_config import TrainConfig

MODELS = ("mini", "clip-b16", "clip-l14")
FOLDER = Path(__file__).parents[1] / "examples"
#: example clip -> what is there to find in it, and what is not
EXAMPLES = {
    "astronaut.mp4": ("the person in the orange suit", "the black helmet", "a bicycle"),
    "cat.mp4": ("the cat", "the wall behind it", "a dog"),
    "coffee.mp4": ("the cup", "the spoon", "a bus"),
    "cows.mp4": ("the cow in front", "both cows in the background", "a horse"),
    "hens.mp4": ("the hen on the left", "all four hens", "a duck"),
    "polar-bear.mp4": ("the polar bear", "the rock", "a bus"),
}
GIB = 2**30
#: largest share of pixels where the mask on the GPU may differ from that of the CPU in float32
LIMITS = {"fp32": 1e-3, "bf16": 0.02, "bf16, compiled": 0.02}


@dataclass(frozen=True)
class Setting:
    """What is run.

    Attributes:
        device: device that is compared with the CPU.
        frames: number of frames of a clip; None for the preset's.
        size: (H, W) of the network input in pixels; None for what the preset makes of the video's.
        rounds: number of timed runs of each form.
        backend: of `torch.compile`; None compiles nothing.
    """

    device: torch.device
    frames: int | None
    size: tuple[int, int] | None
    rounds: int
    backend: str | None

    def synchronize(self) -> None:
        """Wait for everything that the device was given to do."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def peak(self, work: Callable[[], object]) -> float:
        """Peak memory of some work beside what was there before, in GiB; 0 on the CPU, which does not count it."""
        if self.device.type != "cuda":
            work()
            return 0.0
        self.synchronize()
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        work()
        self.synchronize()
        return (torch.cuda.max_memory_allocated(self.device) - before) / GIB


def example_clips(model: VLPRVOS, setting: Setting) -> dict[str, list[Tensor]]:
    """Name of each example -> its first two clips, (1, T, 3, H, W) each."""
    config = model.config if setting.frames is None else model.config.replace(clip_length=setting.frames)
    multiple = model.backbone.size_multiple
    return {name: read_clips(FOLDER / name, config, multiple, size=setting.size) for name in EXAMPLES}


def logits_of(runtime: TorchRuntime, clips: Sequence[Tensor], expressions: Sequence[str]) -> Tensor:
    """(B, T, H, W) float32 mask logits of clips that follow one another, on the CPU."""
    text, state, found = runtime.encode_text(expressions), None, []
    for clip in clips:
        prediction = runtime.step(clip.to(runtime.device), text, state)
        state = prediction.state
        found.append(prediction.mask_logits.float().cpu())
    return torch.cat(found, 1)


def shares_unlike(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], trained: bool) -> dict[str, float]:
    """Example -> share of the pixels of all its masks where two sets of logits differ in their mask."""
    shares = {}
    for name, logits in expected.items():
        threshold = 0.0 if trained else logits.median().item()
        shares[name] = ((found[name] > threshold) != (logits > threshold)).float().mean().item()
    return shares


def attention_kernels(runtime: TorchRuntime, clips: Sequence[Tensor], expressions: Sequence[str]) -> dict[str, int]:
    """Operator of attention -> number of its calls in clips and their words."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        logits_of(runtime, clips, expressions)
    return {event.key: event.count for event in found.key_averages() if "attention" in event.key}


def training_step(model: VLPRVOS, clip: Tensor, expression: str, device: torch.device) -> Callable[[], object]:
    """A function that takes one optimizer step in mixed precision on a clip (1, T, 3, H, W)."""
    frames, text = clip.to(device), model.backbone.tokenize([expression]).to(device)
    masks = torch.zeros(1, *clip.shape[1:2], *clip.shape[3:], dtype=torch.bool, device=device)
    masks[..., : clip.shape[-1] // 2] = True
    optimizer = make_optimizer(model, TrainConfig())
    video_of = torch.zeros(1, dtype=torch.int64, device=device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            output = model(frames, text, None, video_of)
        clip_losses(output, masks).total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def measure(name: str, setting: Setting) -> tuple[list[Measurement], dict[str, Any]]:
    """The measurements of one model, and details about it."""
    model = build_model(name)
    clips = example_clips(model, setting)
    first = next(iter(EXAMPLES))
    clip, expression = clips[first][0], EXAMPLES[first][0]

    def on_examples(runtime: TorchRuntime) -> dict[str, Tensor]:
        return {name: logits_of(runtime, clips[name], words) for name, words in EXAMPLES.items()}

    expected = on_examples(TorchRuntime(model, "cpu", "fp32"))
    device = str(setting.device)
    forms = {precision: TorchRuntime(model, device, precision) for precision in ("fp32", "bf16")}
    rows: list[Measurement] = []
    kernels = attention_kernels(forms["bf16"], clips[first], [expression])
    details: dict[str, Any] = {"size": tuple(clip.shape[-2:]), "frames": clip.shape[1], "kernels": kernels}
    details["trained"] = trained = has_weights(name)
    details["share_unlike"] = {}
    if setting.backend is not None:
        compiled = TorchRuntime(model, device, "bf16")
        compiled.model = torch.compile(model, backend=setting.backend)  # type: ignore[assignment]
        try:
            logits_of(compiled, clips[first], EXAMPLES[first])
            forms["bf16, compiled"] = compiled
        except Exception as error:  # What it cannot compile is a result too, of which nothing else may fail.
            details["compile_error"] = (str(error).strip() or repr(error)).splitlines()[0]
            print(f"{name}: torch.compile failed: {details['compile_error']}", file=sys.stderr, flush=True)
    for form, runtime in forms.items():
        shares = details["share_unlike"][form] = shares_unlike(on_examples(runtime), expected, trained)
        what = f"{name}, {form}: share of pixels unlike the CPU, in the example with most"
        rows.append(Measurement(what, max(shares.values()), LIMITS[form]))

    def run(runtime: TorchRuntime) -> Callable[[], object]:
        frames, text = clip.to(runtime.device), runtime.encode_text([expression])

        def clip_alone() -> None:
            runtime.step(frames, text)
            setting.synchronize()

        return clip_alone

    seconds = time_alternately({form: run(runtime) for form, runtime in forms.items()}, setting.rounds)
    rows += [Measurement(f"{name}, {form}: frames a second", clip.shape[1] / s) for form, s in seconds.items()]
    memory = setting.peak(run(forms["bf16"]))
    rows.append(Measurement(f"{name}, bf16: peak memory of a clip beside the weights", memory, unit="GiB"))
    # The candidate path is trained on its own, from pictures.
    dense = VLPRVOS(model.backbone, model.config.replace(candidates=0)).to(setting.device).train()
    step = training_step(dense, clip, expression, setting.device)
    # The first step makes the state of the optimizer.
    step()
    memory = setting.peak(step)
    rows.append(Measurement(f"{name}, bf16-mixed: peak memory of a training step", memory, unit="GiB"))

    def step_alone() -> None:
        step()
        setting.synchronize()

    seconds = time_alternately({"step": step_alone}, setting.rounds)
    rows.append(Measurement(f"{name}, bf16-mixed: clips a second in training", 1 / seconds["step"]))
    return rows, details


def main() -> int:
    parser = benchmark_parser(__doc__, rounds=20, plot=True)
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="MODEL", help="presets or checkpoint files")
    parser.add_argument("--device", default="cuda", help="cuda or cuda:<number>")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--dry-run", action="store_true", help="try the script without a GPU; the numbers mean nothing")
    arguments = parse_options(parser)
    if not arguments.dry_run and not torch.cuda.is_available():
        print("not measured: no CUDA GPU is available here; --dry-run tries the script without one")
        return 0
    # Otherwise products in float32 are rounded to TF32, and the comparison is about that.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    rows, details = _run(arguments)
    write_report(rows, {"device": _name_of(arguments), "models": details}, arguments.json, arguments.plot)
    too_far = any(row.at_most is not None and row.value > row.at_most for row in rows)
    return int(too_far and not arguments.dry_run)


def _run(arguments: argparse.Namespace) -> tuple[list[Measurement], dict[str, Any]]:
    rows: list[Measurement] = []
    details: dict[str, Any] = {}
    for place, name in enumerate(arguments.models):
        if arguments.dry_run and place:
            costs = MetaModel(name).clip(frames=1)
            details[name] = {"flops": sum(cost.flops for cost in costs.values())}
            continue
        if arguments.dry_run:
            setting = Setting(torch.device("cpu"), 2, (64, 64), 1, "eager")
        else:
            setting = Setting(torch.device(arguments.device), None, None, arguments.rounds, "inductor")
        if arguments.no_compile:
            setting = replace(setting, backend=None)
        found, details[name] = measure(name, setting)
        rows += found
    return rows, details


def _name_of(arguments: argparse.Namespace) -> str:
    return "dry run on the CPU" if arguments.dry_run else torch.cuda.get_device_name(arguments.device)


if __name__ == "__main__":
    sys.exit(main())
