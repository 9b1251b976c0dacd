"""`vlp-rvos evaluate listening`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vlp_rvos.segmenter import FrameResult

__all__ = ["run"]


def run(
    root: Path,
    model: str,
    config: Path,
    json_file: Path | None,
    pairs: int,
    samples: int,
    device: str,
    size: int | None,
    overrides: Sequence[str],
) -> None:
    """Measure on held-out clips whether a model chooses by the words, and print it.

    Args:
        root: folder with the training data.
        model: name of a shipped model, or a checkpoint file.
        config: training configuration (file or shipped name) that says what was held out.
        json_file: where to write the numbers.
        pairs: clips of each kind of pair.
        samples: clips for presence.
        device: where to run the model.
        size: of the network's input in pixels; None for the model's own.
        overrides: settings of the model to change, as `key=value`.

    Raises:
        UserError: missing data, an unknown model or setting, an unwritable file.
    """
    from vlp_rvos.atomic import write_bytes
    from vlp_rvos.commands.progress import counting
    from vlp_rvos.data.mixture import build_mixture
    from vlp_rvos.data.pairs import PAIR_KINDS
    from vlp_rvos.evaluation.listening import measure_listening
    from vlp_rvos.evaluation.masks import prepare_output
    from vlp_rvos.evaluation.run import parse_overrides
    from vlp_rvos.segmenter import Segmenter
    from vlp_rvos.training.config import load_config

    settings = parse_overrides(overrides)
    if json_file is not None:
        prepare_output(json_file)
    data = replace(load_config(config).data, root=str(root), portrait=0.0)
    mixture = build_mixture(data, "holdout")
    segmenter = Segmenter.from_pretrained(model, device=device, size=size, overrides=settings or None)

    def predict(frames: Iterable[NDArray[np.uint8]], expressions: list[str]) -> Iterable[FrameResult]:
        return segmenter.segment(frames, expressions)

    with counting("listening", "clips", len(PAIR_KINDS) * pairs + samples) as count:
        found = measure_listening(predict, mixture, pairs, samples, count)
    if json_file is not None:
        write_bytes(json_file, (json.dumps(found.to_json(), indent=1) + "\n").encode())
    console = Console()
    for kind, scores in found.pairs.items():
        console.print(
            f"pairs that differ in {kind:9s} {100 * scores.right:5.1f} % right, "
            f"IoU {scores.iou:.3f} ({scores.count} asked)"
        )
    console.print(
        f"presence: 95 % of {found.present} present reach {found.threshold:.2f}; "
        f"{100 * found.absent_caught:.1f} % of {found.absent} absent stay below"
    )
