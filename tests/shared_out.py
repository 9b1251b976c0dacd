"""Compares a model that is shared out between two processes with one that lies whole in both.

`tests/training/test_sharding.py` starts this script in two processes. Each step has clips that the processes learn
different things from; the first process leaves what it found in a file.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from stubs import TinyBackbone, tiny_config
from torch import Tensor
from training_runs import CONFIG

from vlp_rvos.models.vlp_rvos import VLPRVOS, ClipOutput
from vlp_rvos.training.distributed import launch, make_fabric
from vlp_rvos.training.losses import no_loss
from vlp_rvos.training.placed_model import place_model
from vlp_rvos.training.placement import Placement
from vlp_rvos.training.sharding import ShardedPlacement
from vlp_rvos.training.weight_ema import WeightEMA

Loss = Callable[[ClipOutput], Tensor]


def mask(output: ClipOutput) -> Tensor:
    return output.mask_logits.square().mean()


def presence(output: ClipOutput) -> Tensor:
    assert output.presence_logits is not None
    return output.presence_logits.square().mean()


#: what each process learns from each clip: nothing of the presence head, nothing at all, the same, nothing in either
STEP: list[tuple[Loss, Loss] | None] = [
    (mask, lambda output: mask(output) + presence(output)),
    (no_loss, mask),
    (mask, mask),
    None,
]


def take_step(placement: Placement, ema: WeightEMA) -> float:
    """One step on four clips; returns the norm of its gradient."""
    rank, model = placement.fabric.global_rank, placement.model
    placement.zero_gradients()
    noise = torch.Generator().manual_seed(rank)
    history = None
    for losses in STEP:
        frames = torch.rand(1, 3, 3, 32, 48, generator=noise)
        with torch.set_grad_enabled(losses is not None):
            output = model(frames, model.backbone.tokenize(["a dog", "a red car"][: 1 + rank]), history)
        history = output.history.detach()
        if losses is not None:
            placement.backward(losses[rank](output))
    placement.average_gradients()
    norm = placement.clip_gradients(0.5)
    placement.optimizer.step()
    ema.update()
    return norm.item()


def largest_difference(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    assert found.keys() == expected.keys()
    return max((found[name] - expected[name]).abs().max().item() for name in expected)


def fail_in_a_group() -> None:
    if torch.distributed.is_initialized():
        print("the process group outlives its processes", file=sys.stderr, flush=True)
        os._exit(3)


def main() -> None:
    # It is called after what is registered later.
    atexit.register(fail_in_a_group)
    file, tuned = Path(sys.argv[1]), sys.argv[2] == "tuned"
    config = replace(CONFIG, devices=2, lr=1e-2, lr_new=1e-2, lr_backbone=1e-2, weight_decay=0.1)
    fabric = make_fabric(replace(config, distributed="fsdp"), "cpu")
    launch(fabric)
    placements, averages = {}, {}
    for how in ("ddp", "fsdp"):
        torch.manual_seed(0)
        model = VLPRVOS(TinyBackbone(), tiny_config(tune_backbone=tuned))
        # It is used by no clip.
        model.register_parameter("spare", torch.nn.Parameter(torch.ones(3)))
        placements[how] = place_model(model, fabric, replace(config, distributed=how))
        for group in placements[how].optimizer.param_groups:
            group["eps"] = 1e-2
        averages[how] = WeightEMA(placements[how].model, 0.9)
    assert isinstance(placements["fsdp"], ShardedPlacement)
    norms = {how: [take_step(one, averages[how]) for _ in range(3)] for how, one in placements.items()}
    whole, shared = placements["ddp"], placements["fsdp"]
    own = whole.model.trained_state_dict()
    weights, average = shared.joined(shared.model.trained_state_dict()), shared.shipped(averages["fsdp"])
    states, expected = shared.optimizer_state()["state"], whole.optimizer_state()["state"]
    found: dict[str, object] = {"norms": norms}
    if fabric.is_global_zero:
        found["spare"] = weights["spare"].tolist()
        found["weights"] = largest_difference(weights, own)
        found["average"] = largest_difference(average, averages["ddp"].state)
        found["optimizer"] = max(largest_difference(states[place], expected[place]) for place in expected)
        found["states"] = [len(states), len(expected)]
    shared.load({name: tensor + 1 for name, tensor in own.items()})
    shared.load_optimizer(whole.optimizer_state())
    weights, states = shared.joined(shared.model.trained_state_dict()), shared.optimizer_state()["state"]
    if fabric.is_global_zero:
        found["loaded"] = largest_difference(weights, {name: tensor + 1 for name, tensor in own.items()})
        found["loaded_optimizer"] = max(largest_difference(states[place], expected[place]) for place in expected)
        file.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
