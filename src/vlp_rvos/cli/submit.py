"""`vlp-rvos submit`."""

from __future__ import annotations

from pathlib import Path

import typer

from vlp_rvos.cli.progress import counting

__all__ = ["run"]


def run(name: str, predictions: Path, output: Path, data: Path, split: str) -> None:
    """Pack predicted masks as the server of a benchmark takes them.

    Args:
        name: of the benchmark, "ref-youtube-vos" or "mevis".
        predictions: folder of the masks, `<video>/<expression id>/<frame>.png`.
        output: the zip file to write.
        data: folder of the benchmark, which says what must be there.
        split: that the server scores.

    Raises:
        UserError: masks are missing or broken, the data set cannot be read, or the file cannot be written.
    """
    from vlp_rvos.data.benchmarks import open_benchmark
    from vlp_rvos.errors import UserError
    from vlp_rvos.evaluation.submission import LAYOUTS, write_submission
    from vlp_rvos.utils.output_files import prepare_output

    if name not in LAYOUTS:
        raise UserError(f"no server took results of '{name}'; there are layouts for {', '.join(LAYOUTS)}")
    dataset = open_benchmark(name, data, split)
    prepare_output(output)
    with counting("packing", "masks") as count:
        packed = write_submission(dataset, predictions, output, on_file=count)
    typer.echo(f"{output}: {packed} masks of {len(dataset.videos)} videos")
