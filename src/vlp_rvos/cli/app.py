"""The command line. Declarations only: each command imports what it needs when it runs, so that help is instant."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos._version import __version__
from vlp_rvos.cli.messages import one_line, reported_warnings
from vlp_rvos.cli.model_choice import ModelChoice
from vlp_rvos.errors import VLPRVOSError
from vlp_rvos.evaluation.protocols import PROTOCOLS

__all__ = ["app", "main"]

INTERRUPTED = 130
DEBUG_VARIABLE = "VLP_RVOS_DEBUG"

app = typer.Typer(
    name="vlp-rvos",
    help="Point at anything in a video with words.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
evaluate_app = typer.Typer(help="Score masks, or predict and score a data set.")
app.add_typer(evaluate_app, name="evaluate")
data_app = typer.Typer(help="Check and look at the data sets.")
app.add_typer(data_app, name="data")
bench_app = typer.Typer(help="Measure costs as ratios, in one run on this machine.")
app.add_typer(bench_app, name="bench")


class Precision(StrEnum):
    """Number formats that the model can run in."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"
    int8 = "int8"


class BenchPrecision(StrEnum):
    """Number formats that costs are measured in."""

    fp32 = "fp32"
    bf16 = "bf16"


class Runtime(StrEnum):
    """What a model can run on."""

    auto = "auto"
    torch = "torch"
    onnx = "onnx"
    openvino = "openvino"


class ExportFormat(StrEnum):
    """What a model can be exported for."""

    onnx = "onnx"
    openvino = "openvino"


Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:<number> or mps.")]
Model = Annotated[str, typer.Option(help="Name of a model (see 'vlp-rvos models') or a .safetensors checkpoint.")]
Size = Annotated[int | None, typer.Option(help="Network input size in pixels, in place of the model's own.")]
PrecisionOption = Annotated[Precision, typer.Option("--precision", help="Number format.")]
RuntimeOption = Annotated[Runtime, typer.Option("--runtime", help="What runs the model.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeatable.")
]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all scores to this file.")]
CsvFile = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a table of the expressions.")]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page with curves and pictures.")]
MaskFolder = Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the predicted masks.")]
Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file.")]
RunFolder = Annotated[Path | None, typer.Option("--output", "-o", help="Folder of the run.")]
Resume = Annotated[bool, typer.Option("--resume/--no-resume", help="Go on with the run that the folder holds.")]
DatasetName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the data set (see docs/data.md).")]
DatasetFolder = Annotated[Path, typer.Argument(metavar="PATH", help="Its folder, as published.")]


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"vlp-rvos {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def segment(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Video file, or a folder of frames.")],
    expression: Annotated[str | None, typer.Argument(metavar="EXPRESSION", help="What to find.")] = None,
    *,
    expressions: Annotated[
        list[str] | None, typer.Option("--expression", "-e", help="What to find; repeat it for several objects.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for overlay.mp4, masks/ and masks.json.")],
    model: Model = "mini",
    every: Annotated[int, typer.Option(help="Take every Nth frame.")] = 1,
    start: Annotated[float | None, typer.Option(help="Seconds at which to start.")] = None,
    end: Annotated[float | None, typer.Option(help="Seconds at which to end.")] = None,
    fps: Annotated[float, typer.Option(help="Frame rate of a folder of frames.")] = 24.0,
    size: Size = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    runtime: RuntimeOption = Runtime.auto,
    threshold: Annotated[float, typer.Option(help="Foreground probability from which a pixel is mask.")] = 0.5,
    presence_threshold: Annotated[
        float, typer.Option(help="Presence below which a frame has no mask; 0 switches this off.")
    ] = 0.0,
    min_part: Annotated[
        float | None,
        typer.Option(help="Drop parts of a mask that are smaller than this share of its largest; 0 keeps all."),
    ] = None,
    memory_frames: Annotated[
        int | None,
        typer.Option(help="Earlier frames whose masks are carried along, so that they flicker less; 0 for none."),
    ] = None,
    overlay: Annotated[bool, typer.Option("--overlay/--no-overlay", help="Write overlay.mp4.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print a machine readable summary on standard output.")] = False,
) -> None:
    """Find what the words say in every frame of a video, and write masks and an overlay."""
    from vlp_rvos.cli import segment as command

    command.run(
        video,
        [x for x in (expression, *(expressions or ())) if x is not None],
        output,
        model=model,
        every=every,
        start=start,
        end=end,
        fps=fps,
        size=size,
        device=device,
        precision=precision.value,
        runtime=runtime.value,
        threshold=threshold,
        presence_threshold=presence_threshold,
        min_part=min_part,
        memory_frames=memory_frames,
        overlay=overlay,
        json_summary=json,
    )


@app.command()
def models() -> None:
    """List the models."""
    from vlp_rvos.cli import models as command

    command.run()


@app.command()
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of a model, or a .safetensors checkpoint.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the exported model.")],
    runtime: Annotated[ExportFormat, typer.Option("--format", help="What is to run it.")] = ExportFormat.onnx,
) -> None:
    """Write a model for ONNX Runtime or OpenVINO; 'segment --model FOLDER' runs it."""
    from vlp_rvos.cli import export as command

    command.run(model, output, runtime.value)


@bench_app.command("overhead")
def bench_overhead(
    model: Annotated[str, typer.Option(help="Name of a model preset; its weights are random.")] = "mini",
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers there.")] = None,
    precision: Annotated[BenchPrecision, typer.Option(help="Number format.")] = BenchPrecision.fp32,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    rounds: Annotated[int, typer.Option(help="Timed runs of each form.")] = 7,
    training: Annotated[bool, typer.Option("--training/--no-training", help="Time a training step too.")] = True,
) -> None:
    """The whole model against its bare frozen tower."""
    from vlp_rvos.cli import bench as command

    command.overhead(model, json_file, precision.value, threads, rounds, training)


@app.command()
def train(
    config: Config,
    output: RunFolder = None,
    resume: Resume = False,
    device: Device = "auto",
    overrides: Overrides = None,
) -> None:
    """Train a model."""
    from vlp_rvos.cli import train as command

    command.run(config, output, resume, device, overrides or [])


@app.command()
def ablate(
    config: Annotated[Path, typer.Argument(metavar="[CONFIG]", help="YAML file, or a shipped name.")] = Path("mini"),
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of all runs; what it holds is kept.")],
    rows: Annotated[str | None, typer.Option(metavar="A,B,...", help="Only these rows.")] = None,
    seeds: Annotated[str | None, typer.Option(metavar="0,1,...", help="Seeds of the runs of each row.")] = None,
    steps: Annotated[int | None, typer.Option(help="Of the optimizer for each row and seed.")] = None,
    device: Device = "auto",
    overrides: Overrides = None,
) -> None:
    """Train with one part of the method changed at a time, and compare; the same command goes on after a stop."""
    from vlp_rvos.cli import ablate as command

    command.run(config, output, rows, seeds, steps, device, overrides or [])


@app.command()
def pretrain(
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG]", help="YAML file; default: as shipped.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")] = Path("runs/mini-backbone"),
    overrides: Overrides = None,
) -> None:
    """Pretrain the vision tower of the model "mini" so that patches and words share one space."""
    from vlp_rvos.cli import pretrain as command

    command.run(config, output, overrides or [])


@evaluate_app.command("masks")
def evaluate_masks(
    pred: Annotated[Path, typer.Argument(metavar="PRED", help="Folder of predicted <video>/<frame>.png.")],
    gt: Annotated[Path, typer.Argument(metavar="GT", help="Folder of the true masks.")],
    skip_ends: Annotated[
        bool, typer.Option("--skip-ends", help="Leave out each video's first and last frame.")
    ] = False,
    objects: Annotated[
        bool, typer.Option("--objects", help="Every value of a mask is an object, scored apart, as in DAVIS-2017.")
    ] = False,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    html_file: HtmlFile = None,
) -> None:
    """Score folders of masks with J and F."""
    from vlp_rvos.cli import evaluate as command

    command.masks(pred, gt, skip_ends, command.Files(json_file, csv_file, html_file), objects)


@evaluate_app.command("run")
def evaluate_run(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET_FOLDER", help="Folder in the Ref-YouTube-VOS layout.")],
    model: Model = "mini",
    output: MaskFolder = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    html_file: HtmlFile = None,
    skip_ends: Annotated[
        bool, typer.Option("--skip-ends/--no-skip-ends", help="Leave out each video's first and last frame.")
    ] = False,
    device: Device = "auto",
    size: Size = None,
    precision: PrecisionOption = Precision.auto,
    runtime: RuntimeOption = Runtime.auto,
    overrides: Overrides = None,
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", help="Name of a kind of expression, in their order; repeatable.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder whose JPEGImages to use instead.")] = None,
) -> None:
    """Predict and score a data set, also per kind of expression."""
    from vlp_rvos.cli import evaluate as command

    choice = ModelChoice(model, device, size, precision.value, runtime.value, overrides or [])
    files = command.Files(json_file, csv_file, html_file)
    command.run(dataset, choice, output, files, skip_ends, kinds=kinds or None, images=images)


@evaluate_app.command("grounding")
# The earlier name of the command.
@evaluate_app.command("listening", hidden=True)
def evaluate_grounding(
    root: Annotated[Path, typer.Argument(metavar="DATA", help="Folder with the training data of CONFIG.")],
    model: Model = "mini",
    config: Annotated[Path, typer.Option(help="Training configuration whose held-out part is used.")] = Path("mini"),
    json_file: JsonFile = None,
    pairs: Annotated[int, typer.Option(help="Number of clips for each kind of object pair.")] = 100,
    samples: Annotated[int, typer.Option(help="Number of clips for presence.")] = 200,
    device: Device = "auto",
    size: Size = None,
    precision: PrecisionOption = Precision.auto,
    runtime: RuntimeOption = Runtime.auto,
    overrides: Overrides = None,
) -> None:
    """Probe whether a model follows the words: pairs of objects in held-out clips, and absent objects."""
    from vlp_rvos.cli import grounding as command

    choice = ModelChoice(model, device, size, precision.value, runtime.value, overrides or [])
    command.run(root, choice, config, json_file, pairs, samples)


@evaluate_app.command("rle")
def evaluate_rle(
    gt: Annotated[Path, typer.Argument(metavar="GT.json", help="True masks in COCO's annotation format.")],
    pred: Annotated[Path, typer.Argument(metavar="PRED.json", help="Predicted masks in COCO's result format.")],
    json_file: JsonFile = None,
) -> None:
    """Score COCO-form files as A2D- and JHMDB-Sentences do: mAP, P@K, overall and mean IoU."""
    from vlp_rvos.cli import evaluate as command

    command.rle(gt, pred, json_file)


@evaluate_app.command("compare")
def evaluate_compare(
    first: Annotated[Path, typer.Argument(metavar="A.json", help="Scores of one run, as --json writes them.")],
    second: Annotated[Path, typer.Argument(metavar="B.json", help="Scores of another one.")],
    html_file: HtmlFile = None,
) -> None:
    """Say what changed from one run to another."""
    from vlp_rvos.cli import evaluate as command

    command.compare(first, second, html_file)


def evaluate_benchmark(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Folder of the data set, as published.")],
    split: Annotated[str | None, typer.Option(help="Which part, in place of the usual one.")] = None,
    pred: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Score these masks, whoever made them, instead of predicting.")
    ] = None,
    model: Model = "mini",
    output: MaskFolder = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    html_file: HtmlFile = None,
    device: Device = "auto",
    size: Size = None,
    precision: PrecisionOption = Precision.auto,
    runtime: RuntimeOption = Runtime.auto,
    overrides: Overrides = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that score, in place of one a core.")] = None,
) -> None:
    """Predict and score a benchmark; registered below under the name of each."""
    from vlp_rvos.cli import evaluate as command

    assert context.info_name is not None
    command.benchmark(
        context.info_name,
        path,
        split=split,
        pred=pred,
        choice=ModelChoice(model, device, size, precision.value, runtime.value, overrides or []),
        output=output,
        files=command.Files(json_file, csv_file, html_file),
        workers=workers,
    )


for _name, _protocol in PROTOCOLS.items():
    evaluate_app.command(_name, help=f"Predict and score {_name}: {_protocol.summary}.")(evaluate_benchmark)


@app.command()
def submit(
    name: Annotated[str, typer.Argument(metavar="NAME", help="ref-youtube-vos or mevis.")],
    predictions: Annotated[Path, typer.Argument(metavar="PRED", help="Folder of <video>/<expression id>/<frame>.png.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.zip", help="The file to write.")],
    data: Annotated[Path, typer.Option(metavar="PATH", help="Folder of the data set, as published.")],
    split: Annotated[str, typer.Option(help="Which part the server scores.")] = "valid",
) -> None:
    """Pack predicted masks as the evaluation servers take them; refuses an incomplete set."""
    from vlp_rvos.cli import submit as command

    command.run(name, predictions, output, data, split)


@data_app.command("check")
def data_check(
    name: DatasetName,
    path: DatasetFolder,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the list here.")] = None,
) -> None:
    """Say what of a data set is complete, what is missing, and how to get it. Exit code 1 where something is."""
    from vlp_rvos.cli import data as command

    if not command.check(name, path, json_file):
        raise typer.Exit(1)


@data_app.command("preview")
def data_preview(
    name: DatasetName,
    path: DatasetFolder,
    split: Annotated[str | None, typer.Option(help="Which part of the data set.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG file.")] = Path("sheet.png"),
    count: Annotated[int, typer.Option(min=1, max=200, help="How many samples.")] = 12,
    seed: Annotated[int, typer.Option(help="Another one, other samples.")] = 0,
) -> None:
    """Draw random samples with their masks and expressions. NAME may also be ytvos-folder, for any folder like it."""
    from vlp_rvos.cli import data as command

    command.preview(name, path, split, output, count, seed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: without the program's name; None takes them from `sys.argv`.

    Returns:
        Exit code: 0, 2 for a mistake of the user's, 1 for a failure of ours, 130 after an interruption. Failures are
        one line on standard error.
    """
    with reported_warnings():
        try:
            code = app(None if arguments is None else list(arguments), prog_name="vlp-rvos", standalone_mode=False)
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
        except Exception as error:
            if os.environ.get(DEBUG_VARIABLE):
                traceback.print_exc()
            return _fail(*_explain(error))
        if code == INTERRUPTED:
            return _fail("interrupted", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _explain(error: Exception) -> tuple[str, int]:
    """One line and the exit code."""
    if isinstance(error, VLPRVOSError):
        return f"error: {error}", error.exit_code
    if hasattr(error, "format_message"):
        # A usage error; typer's and click's classes differ between their versions.
        context = getattr(error, "ctx", None)
        command = "vlp-rvos" if context is None else context.command_path
        return f"error: {error.format_message()} (see '{command} --help')", 2
    if isinstance(error, OSError):
        reason = "no space left on the disk" if error.errno == errno.ENOSPC else error.strerror or error
        return f"error: {reason}" + (f": {error.filename}" if error.filename else ""), 1
    if type(error).__name__ == "OutOfMemoryError":
        return "error: out of GPU memory; use a smaller --size or --device cpu", 1
    hint = "" if os.environ.get(DEBUG_VARIABLE) else f" (set {DEBUG_VARIABLE}=1 for the traceback)"
    return f"internal error: {type(error).__name__}: {error}{hint}", 1


def _fail(message: str, code: int) -> int:
    print(one_line(message), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
