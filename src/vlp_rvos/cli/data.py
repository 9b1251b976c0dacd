"""`vlp-rvos data check` and `vlp-rvos data preview`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from vlp_rvos.data.benchmarks import benchmark_names, check_benchmark, open_benchmark, splits
from vlp_rvos.data.benchmarks.referring_dataset import CheckItem, ReferringDataset
from vlp_rvos.errors import UserError
from vlp_rvos.utils.atomic import write_bytes
from vlp_rvos.utils.output_files import prepare_output, write_json

__all__ = ["FOLDER", "check", "preview"]

FOLDER = "ytvos-folder"
"""The name under which `preview` takes any folder in the plain Ref-YouTube-VOS layout."""


def check(name: str, path: Path, json_file: Path | None) -> bool:
    """Print what of a data set is complete and what is missing, and how to get it.

    Args:
        name: of the benchmark.
        path: root of the data set.
        json_file: where to write the same.

    Returns:
        Whether it is complete.

    Raises:
        UserError: an unknown name, no such folder, an unwritable file.
    """
    if json_file is not None:
        prepare_output(json_file)
    items = check_benchmark(name, path)
    complete = all(item.complete for item in items)
    if json_file is not None:
        write_json(
            json_file,
            {
                "name": name,
                "folder": str(path),
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
    console = Console()
    console.print(_table(f"{name} in {path}", items))
    for hint in _hints(items):
        console.print(f"- {hint}", markup=False, highlight=False, soft_wrap=True)
    return complete


def preview(name: str, path: Path, split: str | None, output: Path, count: int, seed: int) -> None:
    """Write a sheet of random samples with masks and expressions.

    Args:
        name: of the benchmark, or `FOLDER`.
        path: root of the data set.
        split: of the benchmark; None where the name is `FOLDER`.
        output: the PNG file.
        count: number of samples.
        seed: of the choice.

    Raises:
        UserError: an unknown name or split, a missing or broken file, an unwritable file.
    """
    from vlp_rvos.data.benchmarks.preview import contact_sheet, to_png

    if output.suffix.lower() != ".png":
        raise UserError(f"the sheet is a PNG image, but {output} does not end in .png")
    dataset = _open(name, path, split)
    prepare_output(output)
    write_bytes(output, to_png(contact_sheet(dataset, count, seed)))
    expressions = sum(len(video.expressions) for video in dataset.videos)
    Console().print(
        f"{name} {dataset.split}: {len(dataset.videos)} videos, {expressions} expressions; samples in {output}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _open(name: str, path: Path, split: str | None) -> ReferringDataset:
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
    """What is wrong and how to get it, each once: many things are missing for one reason, or come from one place."""
    hints = list(dict.fromkeys(item.hint for item in items if not item.complete and item.hint))
    shortened = []
    for hint in hints:
        for other in hints:
            hint = hint.removesuffix(f"; {other}")
        shortened.append(hint)
    return list(dict.fromkeys(shortened))


def _table(title: str, items: Sequence[CheckItem]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("what", overflow="fold")
    table.add_column("found", justify="right", no_wrap=True)
    table.add_column("expected", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for item in items:
        expected = "" if item.expected is None else str(item.expected)
        table.add_row(item.what, str(item.found), expected, _state(item), style=None if item.complete else "bold red")
    return table


def _state(item: CheckItem) -> str:
    if item.complete:
        return "complete"
    if item.found == 0:
        return "missing"
    return "incomplete" if item.found < (item.expected or 0) else "too many"
