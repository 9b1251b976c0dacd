"""The stages that follow the dense head: candidates, refinement, choice, agreement, in this order. [D]"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vlp_rvos.data.picture_sources import missing_folders, open_pictures
from vlp_rvos.training.agreement_stage import AgreementTraining
from vlp_rvos.training.candidate_stage import CandidateTraining
from vlp_rvos.training.choice_stage import ChoiceTraining
from vlp_rvos.training.refinement_stage import RefinementTraining
from vlp_rvos.training.stage_loop import LaterStage, StageContext, StageResult, run_stage
from vlp_rvos.training.train_config import TrainConfig
from vlp_rvos.utils.progress import announce, announced
from vlp_rvos.utils.signals import StopRequest

__all__ = ["STAGE_CHECKPOINTS", "check_pictures", "run_later_stages"]

#: checkpoints of the stages, in the folder of the run
STAGE_CHECKPOINTS = tuple(
    f"{kind.name}.ckpt" for kind in (CandidateTraining, RefinementTraining, ChoiceTraining, AgreementTraining)
)


def check_pictures(config: TrainConfig) -> None:
    """Find out early whether there are pictures for the later stages, and say which described pictures are passed over.

    Raises:
        UserError: a list is broken, or nothing is left to train on.
    """
    stages = [stage for stage in (config.candidates, config.refinement, config.choice) if stage is not None]
    sources = [*config.data.described, *(source for stage in stages for source in stage.sources)]
    for folder in missing_folders(sources, config.data):
        announce(f"passed over, because it is not there: {folder}")
    with announced("reading the lists of pictures"):
        for of_stage in dict.fromkeys(stage.sources for stage in stages):
            open_pictures(of_stage, config.data)


def run_later_stages(context: StageContext, stop_request: StopRequest) -> dict[str, StageResult]:
    """Run the configured stages, each from where it was stopped.

    Returns:
        What each stage came to; the last one has not finished if a signal stopped it.

    Raises:
        UserError: the data cannot be used, or a checkpoint is of another model.
    """
    results: dict[str, StageResult] = {}
    for stage in _stages(context):
        results[stage.name] = run_stage(stage, stop_request)
        if not results[stage.name].finished:
            break
    return results


def _stages(context: StageContext) -> Iterator[LaterStage[Any]]:
    # Made one by one: each finds the model as the one before has left it.
    config = context.config
    if config.candidates is not None:
        yield CandidateTraining(context, config.candidates)
    if config.refinement is not None:
        yield RefinementTraining(context, config.refinement)
    if config.choice is not None:
        yield ChoiceTraining(context, config.choice, 0 if config.agreement is None else config.agreement.pictures)
    if config.agreement is not None and config.choice is not None:
        yield AgreementTraining(context, config.agreement, config.choice)
