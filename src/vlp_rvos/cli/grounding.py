"""`vlp-rvos evaluate grounding`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from vlp_rvos.cli.model_choice import ModelChoice

__all__ = ["run"]


def run(
    root: Path,
    choice: ModelChoice,
    config: Path,
    json_file: Path | None,
    pairs: int,
    samples: int,
) -> None:
    """Run the grounding probe on held-out clips, and print its scores.

    Args:
        root: folder with the training data.
        choice: the model to probe.
        config: training configuration (a file, or a shipped name) that says which part of the data is held out.
        json_file: file to write the scores to.
        pairs: number of clips for each kind of object pair.
        samples: number of clips for presence.

    Raises:
        UserError: missing data, an unknown model or setting, an unwritable file.
    """
    from vlp_rvos.cli.progress import counting
    from vlp_rvos.data.mixture import build_mixture
    from vlp_rvos.data.object_pairs import PAIR_KINDS
    from vlp_rvos.evaluation.grounding_probe import probe_grounding
    from vlp_rvos.training.train_config import load_config
    from vlp_rvos.utils.atomic import write_bytes
    from vlp_rvos.utils.output_files import prepare_output

    if json_file is not None:
        prepare_output(json_file)
    data = replace(load_config(config).data, root=str(root), portrait=0.0)
    mixture = build_mixture(data, "holdout")
    predict = choice.load()
    with counting("probing", "clips", len(PAIR_KINDS) * pairs + samples) as count:
        found = probe_grounding(predict, mixture, pairs, samples, count)
    if json_file is not None:
        write_bytes(json_file, (json.dumps(found.to_json(), indent=1) + "\n").encode())
    console = Console()
    for kind, scores in found.pairs.items():
        console.print(
            f"pairs that differ in {kind:9s} {100 * scores.right:5.1f} % right, "
            f"IoU {scores.iou:.3f} ({scores.count} expressions)"
        )
    console.print(f"presence: 95 % of {found.present} present objects reach {found.threshold:.2f}")
    console.print(f"          {100 * found.absent_caught:.1f} % of {found.absent} absent objects stay below that")
