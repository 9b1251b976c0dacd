"""What a process of a training run holds of parameters and what belongs to them, whole (ddp) and shared out (fsdp).

    python benchmarks/training_memory.py --models mini clip-b16 --processes 2 --json training-memory.json

Takes one step with `torchrun` on the CPU, on a clip of one small frame, and counts the bytes of the tensors in each
process; the one that holds most counts. Activations are not among them. A process of a run with ddp holds as much as
one that trains alone. Models without weights of ours have random ones, which take the same memory. With fsdp, the
first process has the whole model on the CPU besides, for validation.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch
from benchmark_options import benchmark_parser, build_model, parse_options
from torch import Tensor

from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.profiling.measurement_report import Measurement, write_report
from vlp_rvos.training.distributed import make_fabric
from vlp_rvos.training.losses import clip_losses
from vlp_rvos.training.placed_model import place_model
from vlp_rvos.training.train_config import TrainConfig
from vlp_rvos.training.weight_ema import WeightEMA, own_part

MIB = 2**20
KINDS = ("parameters", "parameters in a clip", "gradients", "optimizer", "average")


def size_of(tensors: Iterable[Tensor]) -> int:
    """Bytes of the parts of tensors that lie in this process."""
    return sum(part.numel() * part.element_size() for part in map(own_part, tensors))


def take_step(name: str, distributed: str) -> dict[str, int]:
    """Bytes of each kind that this process holds: between two steps, and of parameters also in a forward pass."""
    torch.set_num_threads(1)
    whole = build_model(name)
    config = TrainConfig(distributed="fsdp" if distributed == "fsdp" else "ddp", ema=0.99)
    fabric = make_fabric(config, "cpu")
    fabric.launch()
    model = VLPRVOS(whole.backbone, whole.config.replace(candidates=0))
    placement = place_model(model, fabric, config)
    model, ema = placement.model, WeightEMA(placement.model, 0.99)
    own = {name: parameter.detach() for name, parameter in model.named_parameters()}
    most = at_rest = size_of(own.values())

    def count(*_: object) -> None:
        nonlocal most
        # What is together now lies here beside the own part.
        together = {name: p.detach() for name, p in model.named_parameters() if type(p.detach()) is not type(own[name])}
        most = max(most, at_rest + size_of(together.values()))

    for block in (*model.backbone.vision_blocks, *model.backbone.text_blocks):
        block.norm2.register_forward_hook(count)
    side = 4 * model.backbone.size_multiple
    text = model.backbone.tokenize(["the dog that jumps over the fence"])
    output = model(torch.rand(1, 1, 3, side, side), text)
    placement.backward(clip_losses(output, torch.ones(1, 1, side, side, dtype=torch.bool)).total)
    placement.average_gradients()
    placement.clip_gradients(1.0)
    placement.optimizer.step()
    ema.update()
    updated = [p for group in placement.optimizer.param_groups for p in group["params"]]
    states = placement.optimizer.state.values()
    found = (
        at_rest,
        most,
        size_of(p.grad for p in updated if p.grad is not None),
        size_of(tensor for state in states for tensor in state.values()),
        size_of(ema.state.values()),
    )
    return dict(zip(KINDS, found, strict=True))


def measure(name: str, distributed: str, processes: int) -> dict[str, int]:
    """Start processes, and take the largest number of bytes of each kind."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        subprocess.run([*launcher, __file__, "--models", name, "--child", distributed, folder], check=True)
        found = [json.loads(file.read_text()) for file in Path(folder).iterdir()]
    return {kind: max(one[kind] for one in found) for kind in KINDS}


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--models", nargs="+", default=("mini", "clip-b16"), metavar="MODEL", help="presets or files")
    parser.add_argument("--processes", nargs="+", type=int, default=(2,), metavar="NUMBER")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parse_options(parser)
    if arguments.child:
        distributed, folder = arguments.child
        found = take_step(arguments.models[0], distributed)
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        (Path(folder) / f"{rank}.json").write_text(json.dumps(found))
        return
    rows, details = [], {}
    for name in arguments.models:
        for distributed, processes in (("ddp", 1), *(("fsdp", number) for number in arguments.processes)):
            what = f"{name}, {distributed}, {processes} process{'es' if processes > 1 else ''}"
            details[what] = measure(name, distributed, processes)
            rows += [Measurement(f"{what}: {kind}", size / MIB, unit="MiB") for kind, size in details[what].items()]
    write_report(rows, {"bytes": details}, arguments.json, None)


if __name__ == "__main__":
    main()
