"""`vlp-rvos submit`: a zip file for the evaluation server of a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos.cli.completion import complete_submission
from vlp_rvos.cli.messages import echo

__all__ = ["submit"]


def submit(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Benchmark: ref-youtube-vos or mevis.", autocompletion=complete_submission),
    ],
    predictions: Annotated[
        Path, typer.Argument(metavar="PRED", help="Folder of masks, <video>/<expression id>/<frame>.png.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.zip", help="The zip file to write.")],
    data: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the data set, as published.")],
    split: Annotated[str, typer.Option(help="Split that the server scores.")] = "valid",
) -> None:
    """Pack predicted masks for the evaluation server of a benchmark. An incomplete set of masks is refused."""
    from vlp_rvos.data.benchmarks import open_benchmark
    from vlp_rvos.errors import UserError
    from vlp_rvos.evaluation.submission import LAYOUTS, write_submission
    from vlp_rvos.utils.output_files import prepare_output
    from vlp_rvos.utils.progress import counting

    if name not in LAYOUTS:
        raise UserError(f"no evaluation server takes results of '{name}'; use one of {', '.join(LAYOUTS)}")
    dataset = open_benchmark(name, data, split)
    prepare_output(output)
    with counting("packing", "masks") as count:
        packed = write_submission(dataset, predictions, output, on_file=count)
    echo(f"{output}: {packed} masks of {len(dataset.videos)} videos")
