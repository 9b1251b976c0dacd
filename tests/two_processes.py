"""A run of the trainer for `tests/training/test_distributed.py`, which starts this script in two processes.

The model and the data are those of `training_runs.py`. Each process leaves the indices of its samples in
`requested<rank>.json` beside the folder of the run.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from candidate_runs import staged_config, use_seeing_backbone, write_pictures
from training_runs import CONFIG, stop_after, use_tiny_model_and_squares

from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.errors import VLPRVOSError
from vlp_rvos.training import trainer
from vlp_rvos.training.train_config import Forks
from vlp_rvos.training.trainer import Trainer


def steady(one: Trainer) -> None:
    """Keep AdamW from blowing up the rounding of gradients that are zero but for it."""
    for group in one.optimizer.param_groups:
        group["eps"] = 1e-2


def kill_in_step(one: Trainer, number: int) -> None:
    """Have the second process die in the middle of a step."""
    backward = one._backward

    def killed(*args: Any) -> Any:
        if one.progress.step == number - 1 and one.fabric.global_rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return backward(*args)

    one._backward = killed  # type: ignore[method-assign]


def wait_for(file: Path) -> None:
    """Wait a minute at most until a file exists."""
    for _ in range(600):
        if file.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{file.name}: the other process has not ended")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("launcher", choices=("torchrun", "devices"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--distributed", choices=("ddp", "fsdp"), default="ddp")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--stop", type=int, help="stop after this number of steps")
    parser.add_argument("--kill", type=int, help="kill the second process in this step")
    parser.add_argument("--forks", action="store_true", help="fork after half of the steps")
    parser.add_argument("--stages", action="store_true", help="train the later stages too")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    patch = pytest.MonkeyPatch()
    config = replace(CONFIG, steps=4)
    if arguments.stages:
        use_seeing_backbone(patch)
        data = folder.parent / f"data{os.environ['RANK']}"
        config = replace(staged_config(write_pictures(data)), steps=2)
    mixtures = use_tiny_model_and_squares(patch) if not arguments.stages else {"train": []}
    devices = 2 if arguments.launcher == "devices" else 1
    if arguments.forks:
        described = (PictureSource("described"),)
        config = replace(config, data=replace(config.data, described=described), forks=Forks(begin=0.5))
    config = replace(config, batch=1, checkpoint_every=1, devices=devices, distributed=arguments.distributed)
    one = Trainer(config, folder, device=arguments.device, resume=arguments.resume)
    steady(one)
    rank = one.fabric.global_rank
    if arguments.stop:
        stop_after(one, arguments.stop)
    if arguments.kill:
        kill_in_step(one, arguments.kill)
    ended = folder.parent / "ended"
    if rank == 0 and arguments.stages:
        stages = trainer.run_later_stages
        patch.setattr(trainer, "run_later_stages", lambda *given: (wait_for(ended), stages(*given))[1])
    one.train()
    requested = [index for mixture in mixtures["train"] for index in mixture.requested]
    (folder.parent / f"requested{rank}.json").write_text(json.dumps(requested))
    if rank == 1:
        ended.touch()


if __name__ == "__main__":
    try:
        main()
    except VLPRVOSError as error:
        sys.exit(f"Error: {error}")
