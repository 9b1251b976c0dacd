"""`vlp-rvos data check` and `vlp-rvos data preview`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlp_rvos.cli.completion import complete_dataset
from vlp_rvos.cli.messages import echo, safe_text
from vlp_rvos.cli.own_files import is_report
from vlp_rvos.cli.shared_options import JsonFile
from vlp_rvos.errors import UserError
from vlp_rvos.utils.ranges import MAX_SEED

if TYPE_CHECKING:
    from rich.table import Table

    from vlp_rvos.data.benchmarks.completeness import CheckItem
    from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset

__all__ = ["FOLDER", "check", "preview"]

FOLDER = "ytvos-folder"
"""The name under which `preview` takes any folder in the plain Ref-YouTube-VOS layout."""

DatasetFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the data set, as published.")]


def check(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Name of the data set (see docs/data.md); or, alone, a folder with data of your own.",
            autocompletion=complete_dataset,
        ),
    ],
    path: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Folder of the data set, as published.", show_default=False)
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Check which parts of a data set are complete, and say how to get what is missing.

    Of a folder of your own, say what it holds to train on. The exit code is 1 if something is missing.
    """
    from rich.console import Console

    from vlp_rvos.data.benchmarks import benchmark_names, check_benchmark
    from vlp_rvos.data.discovery import check_folder
    from vlp_rvos.utils.atomic import write_json
    from vlp_rvos.utils.output_files import prepare_output

    if json_file is not None:
        prepare_output(json_file, is_ours=is_report)
    folder = Path(name) if path is None else path
    if path is None and name in benchmark_names() and not folder.exists():
        raise UserError(f"which folder holds {name}? Give it too: vlp-rvos data check {name} FOLDER")
    items = check_folder(folder) if path is None else check_benchmark(name, folder)
    complete = all(item.complete for item in items)
    if json_file is not None:
        write_json(
            json_file,
            {
                "name": None if path is None else name,
                "folder": str(folder),
                "complete": complete,
                "items": [
                    {
                        "what": item.what,
                        "found": item.found,
                        "expected": item.expected,
                        "complete": item.complete,
                        "hint": item.hint,
                    }
                    for item in items
                ],
            },
        )
    Console().print(_table(str(folder) if path is None else f"{name} in {folder}", items))
    for hint in _hints(items):
        echo(f"- {hint}")
    if path is None and complete:
        echo(_what_training_takes(folder))
    if not complete:
        raise typer.Exit(1)


def preview(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help=f"Name of the data set (see docs/data.md), or {FOLDER} for any folder in the Ref-YouTube-VOS layout.",
            autocompletion=complete_dataset,
        ),
    ],
    path: DatasetFolder,
    split: Annotated[str | None, typer.Option(help=f"Split to draw from; {FOLDER} has none.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.png", help="The image to write.")] = Path(
        "sheet.png"
    ),
    count: Annotated[int, typer.Option(min=1, max=200, help="Number of samples.")] = 12,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of the random choice of samples.")] = 0,
) -> None:
    """Draw random samples of a data set, with their masks and expressions, into one image."""
    from vlp_rvos.data.benchmarks.preview import contact_sheet, to_png
    from vlp_rvos.media.png_mark import is_marked_png
    from vlp_rvos.utils.atomic import write_bytes
    from vlp_rvos.utils.output_files import prepare_output

    if output.suffix.lower() != ".png":
        raise UserError(f"the sheet is a PNG image, but {output} does not end in .png")
    dataset = _open(name, path, split)
    prepare_output(output, is_ours=is_marked_png)
    write_bytes(output, to_png(contact_sheet(dataset, count, seed)))
    expressions = sum(len(video.expressions) for video in dataset.videos)
    echo(f"{name} {dataset.split}: {len(dataset.videos)} videos, {expressions} expressions; samples in {output}")


def _what_training_takes(folder: Path) -> str:
    from vlp_rvos.data.own_data import use_own_data
    from vlp_rvos.training.train_config import load_config

    own = use_own_data(replace(load_config(Path("mini")).data, root=str(folder)))
    return own.summary or f"{folder}: laid out as the recipe mini has it"


def _open(name: str, path: Path, split: str | None) -> ReferringDataset:
    from vlp_rvos.data.benchmarks import benchmark_names, open_benchmark, splits

    if name == FOLDER:
        from vlp_rvos.data.benchmarks.ref_youtube_vos import open_folder

        if split is not None:
            raise UserError(f"{FOLDER} has no splits: leave out --split and give the folder of one")
        return open_folder(path)
    if name not in benchmark_names():
        raise UserError(f"unknown data set '{name}'; known are {', '.join((*benchmark_names(), FOLDER))}")
    if split is None:
        raise UserError(f"which split of {name}? Give --split with one of {', '.join(splits(name))}")
    return open_benchmark(name, path, split)


def _hints(items: Sequence[CheckItem]) -> list[str]:
    """The hints without repetition: many things are missing for one reason, or come from one place."""
    hints = list(dict.fromkeys(item.hint for item in items if not item.complete and item.hint))
    shortened = []
    for hint in hints:
        for other in hints:
            hint = hint.removesuffix(f"; {other}")
        shortened.append(hint)
    return list(dict.fromkeys(shortened))


def _table(title: str, items: Sequence[CheckItem]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=safe_text(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("what", overflow="fold")
    table.add_column("found", justify="right", no_wrap=True)
    table.add_column("expected", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for item in items:
        expected = "" if item.expected is None else str(item.expected)
        table.add_row(
            safe_text(item.what), str(item.found), expected, _state(item), style=None if item.complete else "bold red"
        )
    return table


def _state(item: CheckItem) -> str:
    if item.complete:
        return "complete"
    if item.found == 0:
        return "missing"
    return "incomplete" if item.found < (item.expected or 0) else "too many"
