"""`vlp-rvos evaluate grounding`: whether a model follows the words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos.cli.completion import complete_recipe
from vlp_rvos.cli.messages import echo
from vlp_rvos.cli.own_files import is_report
from vlp_rvos.cli.shared_options import InferenceOptionGroup, JsonFile, Model
from vlp_rvos.errors import UserError

__all__ = ["grounding"]


def grounding(
    root: Annotated[Path, typer.Argument(metavar="DATA", help="Folder with the training data that CONFIG names.")],
    *,
    config: Annotated[
        Path,
        typer.Option(
            metavar="CONFIG",
            help="Training configuration, a YAML file or a shipped name, whose held-out part is used.",
            autocompletion=complete_recipe,
        ),
    ] = Path("mini"),
    pairs: Annotated[int, typer.Option(min=1, max=10**5, help="Number of clips for each kind of object pair.")] = 100,
    samples: Annotated[int, typer.Option(min=1, max=10**5, help="Number of clips for presence.")] = 200,
    no_time: Annotated[
        bool,
        typer.Option(
            "--no-time",
            help="Show the model each frame as a video of its own, so that it knows nothing of motion.",
        ),
    ] = False,
    json_file: JsonFile = None,
    model: Model = "mini",
    options: InferenceOptionGroup,
) -> None:
    """Probe whether a model follows the words: pairs of objects in held-out clips, and absent objects.

    Prints how often the mask is on the object that the words mean, and how well presence tells present from absent
    objects.
    """
    from vlp_rvos.utils.atomic import write_json
    from vlp_rvos.utils.output_files import prepare_output

    if json_file is not None:
        prepare_output(json_file, is_ours=is_report)
    # Torch takes a second to import: a mistake in the above is reported before.
    from vlp_rvos.data.mixture import build_mixture
    from vlp_rvos.data.object_pairs import PAIR_KINDS
    from vlp_rvos.data.own_data import use_own_data
    from vlp_rvos.evaluation.grounding_probe import probe_grounding
    from vlp_rvos.evaluation.prediction import Predictor, each_frame_alone
    from vlp_rvos.inference.segmenter import Segmenter
    from vlp_rvos.training.train_config import load_config
    from vlp_rvos.utils.progress import announced, counting

    data = replace(load_config(config).data, root=str(root), portrait=0.0)
    own = use_own_data(data)
    if not own.held_out:
        raise UserError(f"{root} has too little to hold anything out, and grounding is probed on what is held out")
    with announced(f"reading {root}"):
        mixture = build_mixture(own.config, "holdout")
    with announced(f"loading {model}"):
        predict: Predictor = Segmenter.from_pretrained(model, options).segment
    if no_time:
        predict = each_frame_alone(predict)
    with counting("probing", "clips", len(PAIR_KINDS) * pairs + samples) as count:
        found = probe_grounding(predict, mixture, pairs, samples, count)
    if json_file is not None:
        write_json(json_file, found.to_json())
    for kind, scores in found.pairs.items():
        echo(
            f"pairs that differ in {kind:9s} {100 * scores.right:5.1f} % right, "
            f"IoU {scores.iou:.3f} ({scores.count} expressions)"
        )
    echo(f"presence: 95 % of {found.present} present objects reach {found.threshold:.2f}")
    echo(f"          {100 * found.absent_caught:.1f} % of {found.absent} absent objects stay below that")
