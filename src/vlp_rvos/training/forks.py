"""The branches of a training: one, or a trunk and the forks that go on from its end, each without another fold. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. The mean of networks that were trained from a common
beginning is as good as any of them or better (model soups, arXiv 2203.05482).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.training.run_checkpoint import CHECKPOINT
from vlp_rvos.training.train_config import TrainConfig
from vlp_rvos.utils.atomic import replace_file

__all__ = ["Branch", "begin_fork", "forks_of", "trunk"]


@dataclass(frozen=True)
class Branch:
    """A part of a training that goes through without a break.

    Attributes:
        name: name in messages and logs.
        folder: where its checkpoints and its log are.
        data: what it learns from.
        end: which share of the schedule is done at its end.
    """

    name: str
    folder: Path
    data: MixtureConfig
    end: float = 1.0


def trunk(config: TrainConfig, data: MixtureConfig, folder: Path) -> Branch:
    """The branch that a training begins with; all of it, if it does not fork.

    Args:
        config: configuration of the training.
        data: its data, of which a trunk leaves out all folds.
        folder: folder of the training.
    """
    if config.forks is None:
        return Branch(config.name, folder, data)
    folds = config.forks.count
    return Branch(config.name, folder, replace(data, folds=folds, left_out=tuple(range(folds))), config.forks.begin)


def forks_of(config: TrainConfig, data: MixtureConfig, folder: Path) -> list[Branch]:
    """The forks that follow the trunk, see `trunk`: each leaves out the fold of its own number."""
    count = 0 if config.forks is None else config.forks.count
    return [
        Branch(
            f"{config.name} fork {number}", folder / f"fork-{number}", replace(data, folds=count, left_out=(number,))
        )
        for number in range(count)
    ]


def begin_fork(folder: Path, trunk_folder: Path) -> None:
    """Let a fork that has not begun start from the last checkpoint of the trunk."""
    folder.mkdir(exist_ok=True)
    if not (folder / CHECKPOINT).exists():
        replace_file(folder / CHECKPOINT, lambda path: shutil.copyfile(trunk_folder / CHECKPOINT, path))
