"""Make the MLPs of a trained `mini` narrower, in its frozen tower and in its reasoning blocks, with the same output.

    python tools/narrow.py mini --data DATA --backbone mini-backbone.safetensors -o mini.safetensors

Each MLP is first trained alone: its most important hidden channels stay, and learn to map the inputs of the wide MLP to
its outputs. Then all of them are trained together to reproduce the wide model's masks, features and presences on the
training mixture. Nothing else changes, and no labels are read. `--keep FOLDER` stores the state of the second part
every few minutes, from which the same command continues. It also stores the inputs and outputs of the MLPs, which
several processes can compute beforehand: `--part 0 2`, `--part 1 2`.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import torch
import torch.nn.functional as F
from rich.progress import track
from safetensors.torch import load_file, save_file
from script_options import (
    add_inference_overrides,
    add_mixture,
    errors_in_one_line,
    inference_overrides,
    prepare_weights,
    read_mixture,
    script_parser,
)
from torch import Tensor, nn

from vlp_rvos.data.mixture import build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.errors import VLPRVOSError
from vlp_rvos.models.backbones import Block
from vlp_rvos.models.backbones.mini import MiniBackbone
from vlp_rvos.models.checkpoint import load_model, peek, save_trained
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS, ClipOutput
from vlp_rvos.training.batches import Batch, collate, load_batches
from vlp_rvos.utils.atomic import replace_file

#: samples to learn from, where they differ from the training configuration
SAMPLES = {"height": 288, "width": 512, "clip_length": 3, "clips": 2, "expressions": 2, "absent": 0.3, "portrait": 0.1}
#: share of the tokens of each frame that are kept
KEPT = 0.25


@dataclass(frozen=True)
class Mlp:
    """An MLP of the model.

    Attributes:
        name: Its place in the model.
        norm: Layer norm that belongs to it; the identity where the norm is not part of the comparison.
        enter: First linear layer.
        leave: Second linear layer.
    """

    name: str
    norm: nn.Module
    enter: nn.Linear
    leave: nn.Linear

    def __call__(self, x: Tensor) -> Tensor:
        return self.leave(F.gelu(self.enter(self.norm(x))))  # type: ignore[no-any-return]

    def parameters(self) -> Iterator[nn.Parameter]:
        for module in (self.enter, self.leave):
            yield from module.parameters()


def mlps(model: VLPRVOS) -> list[Mlp]:
    """The MLPs of the vision tower, without their norms, and those of the reasoning blocks, with their norms."""
    found = []
    for index, block in enumerate(model.backbone.vision_blocks):
        assert isinstance(block, Block)
        found.append(Mlp(f"tower.{index}", nn.Identity(), block.fc1, block.fc2))
    for kind in ("encoders", "decoders"):
        for index, layer in enumerate(getattr(model.reasoning, kind)):
            norm, enter, _, leave = layer.mlp
            found.append(Mlp(f"{kind}.{index}", norm, enter, leave))
    return found


def narrowed(model: VLPRVOS, tower: int, reasoning: float) -> VLPRVOS:
    """A copy of the model with narrower, random MLPs; everything else is shared.

    Args:
        model: The wide model.
        tower: Hidden channels of the tower's MLPs.
        reasoning: `ModelConfig.mlp_ratio` of the reasoning blocks.

    Raises:
        VLPRVOSError: The model is no `mini`, or its MLPs are narrower already.
    """
    backbone = model.backbone
    if not isinstance(backbone, MiniBackbone):
        raise VLPRVOSError(f"the model stands on {backbone.name}: only the tower of mini can be made narrower")
    if tower > backbone.config.mlp_width or reasoning > model.config.mlp_ratio:
        raise VLPRVOSError(
            f"the MLPs are narrower already: {backbone.config.mlp_width} channels in the tower, "
            f"{model.config.mlp_ratio} times the width in the reasoning"
        )
    narrow = VLPRVOS(
        MiniBackbone(replace(backbone.config, mlp_width=tower)).freeze(), model.config.replace(mlp_ratio=reasoning)
    )
    inside = {id(part) for mlp in mlps(narrow) for part in mlp.parameters()}
    for name, module in narrow.named_modules():
        for part, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in inside:
                setattr(module, part, getattr(model.get_submodule(name), part))
        for part in module._buffers:
            setattr(module, part, getattr(model.get_submodule(name), part))
    return narrow.eval()


@contextmanager
def observed(wide: list[Mlp], record: Callable[[Mlp, Tensor, Tensor], None]) -> Iterator[None]:
    """Call `record` with the (rows, channels) inputs of each MLP, before its norm, and its outputs."""
    hooks, entered = [], {}

    def enters(mlp: Mlp) -> Callable[..., None]:
        def hook(_: nn.Module, inputs: tuple[Tensor]) -> None:
            entered[mlp.name] = inputs[0].flatten(0, -2)

        return hook

    def leaves(mlp: Mlp) -> Callable[..., None]:
        return lambda _, __, out: record(mlp, entered[mlp.name], out.flatten(0, -2))

    for mlp in wide:
        first = mlp.enter if isinstance(mlp.norm, nn.Identity) else mlp.norm
        hooks += [first.register_forward_pre_hook(enters(mlp)), mlp.leave.register_forward_hook(leaves(mlp))]
    yield
    for hook in hooks:
        hook.remove()


def observe(model: VLPRVOS, data: MixtureConfig, first: int, samples: int) -> dict[str, Tensor]:
    """Inputs and outputs of every MLP on samples of the mixture: name.in and name.out, (rows, channels) bfloat16."""
    mixture, kept = build_mixture(data, "train"), {}
    draw = torch.Generator().manual_seed(data.seed + first)

    def record(mlp: Mlp, inputs: Tensor, outputs: Tensor) -> None:
        rows = torch.rand(len(inputs), generator=draw) < KEPT
        for end, values in (("in", inputs), ("out", outputs)):
            kept.setdefault(f"{mlp.name}.{end}", []).append(values[rows].bfloat16())

    with observed(mlps(model), record), torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for index in track(range(first, first + samples), "observing"):
            batch, history = collate([mixture.sample(index)], data.clips), None
            text = model.encode_text(model.backbone.tokenize(batch.expressions))
            for frames, _, _ in batch.clips(torch.device("cpu")):
                history = model(frames, text, history, batch.video_of).history
    return {name: torch.cat(parts).clone() for name, parts in kept.items()}


def fit(wide: Mlp, narrow: Mlp, inputs: Tensor, outputs: Tensor, epochs: int, rows: int = 4096) -> float:
    """Train one narrow MLP alone.

    Args:
        wide: The MLP to reproduce.
        narrow: The MLP to train.
        inputs: (rows, channels) inputs of the wide MLP.
        outputs: (rows, channels) outputs of the wide MLP.
        epochs: Number of passes over the rows.
        rows: Rows of a step.

    Returns:
        Share of the variance of the wide MLP's outputs that the narrow one misses on rows kept out.
    """
    hidden = narrow.enter.out_features
    held = math.ceil(len(inputs) / 20)
    with torch.no_grad():
        importance = F.gelu(wide.enter(wide.norm(inputs[held:][:50_000].float()))).std(0)
        best = (importance * wide.leave.weight.norm(dim=0)).topk(hidden).indices
        narrow.enter.weight.copy_(wide.enter.weight[best])
        narrow.enter.bias.copy_(wide.enter.bias[best])
        narrow.leave.weight.copy_(wide.leave.weight[:, best])
        narrow.leave.bias.copy_(wide.leave.bias)
    parameters = list(narrow.parameters())
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(parameters, lr=2e-3)
    steps = epochs * math.ceil((len(inputs) - held) / rows)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps + 1, pct_start=0.1)
    for _ in range(epochs):
        for chosen in (torch.randperm(len(inputs) - held) + held).split(rows):
            loss = F.mse_loss(narrow(inputs[chosen].float()), outputs[chosen].float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        wanted = outputs[:held].float()
        missed = (narrow(inputs[:held].float()) - wanted).square().mean() / wanted.var(0).mean()
    return float(missed)


class Distillation:
    """Compares the narrow model with the wide one on the same frames."""

    def __init__(self, wide: VLPRVOS, narrow: VLPRVOS) -> None:
        self.wide, self.narrow = wide, narrow
        self.seen: dict[VLPRVOS, Tensor] = {}
        for model in (wide, narrow):
            model.reasoning.register_forward_hook(lambda _, __, x, model=model: self.seen.__setitem__(model, x))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Differences between the two models, mean over the clips of a batch."""
        histories: list[Tensor | None] = [None, None]
        total: dict[str, Tensor] = {}
        words = self.wide.backbone.tokenize(batch.expressions)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            text = self.wide.encode_text(words)
        for frames, _, _ in batch.clips(torch.device("cpu")):
            with torch.autocast("cpu", torch.bfloat16), self._embedded(frames):
                with torch.no_grad():
                    right = self.wide(frames, text, histories[0], batch.video_of)
                outputs = (right, self.narrow(frames, text, histories[1], batch.video_of))
            histories = [output.history.detach() for output in outputs]
            for name, value in self._compare(*outputs).items():
                total[name] = total.get(name, torch.zeros(())) + value / batch.clip_count
        return total

    @contextmanager
    def _embedded(self, frames: Tensor) -> Iterator[None]:
        """Embed the frames once: the tokens before the first layer are the same for both models."""
        backbone = self.wide.backbone
        with torch.no_grad():
            tokens = backbone.embed_frames(backbone.normalize(frames).flatten(0, 1), self.wide.config.patch_pool)
        with (
            patch.object(backbone, "embed_frames", lambda *_: tokens),
            patch.object(self.narrow.backbone, "embed_frames", lambda *_: tokens),
        ):
            yield

    def _compare(self, right: ClipOutput, own: ClipOutput) -> dict[str, Tensor]:
        assert right.presence_logits is not None
        assert own.presence_logits is not None
        wanted = right.mask_logits.sigmoid()
        entropy = F.binary_cross_entropy(wanted, wanted)
        masks = F.binary_cross_entropy_with_logits(own.mask_logits, wanted) - entropy
        mask, wide_mask = own.mask_logits > 0, right.mask_logits > 0
        return {
            "masks": 20 * masks,
            "features": F.mse_loss(self.seen[self.narrow].float(), self.seen[self.wide].float()),
            "presence": 0.02 * F.smooth_l1_loss(own.presence_logits, right.presence_logits),
            "iou": ((mask & wide_mask).sum() / (mask | wide_mask).sum().clamp(min=1)).detach(),
        }


def distil(wide: VLPRVOS, narrow: VLPRVOS, data: MixtureConfig, minutes: float, rate: float, keep: Path | None) -> int:
    """Train all narrow MLPs together for some minutes; returns the number of steps."""
    parameters = [parameter for mlp in mlps(narrow) for parameter in mlp.parameters()]
    for parameter in narrow.parameters():
        parameter.requires_grad_(False)
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(parameters, lr=rate)
    both, begun, step, spent = Distillation(wide, narrow), time.monotonic(), 0, 0.0
    sizes = (mlp.enter.out_features for mlp in mlps(narrow))
    path = keep and keep / f"distillation-{'-'.join(map(str, sizes))}.pt"
    if path is not None and path.exists():
        state = torch.load(path, weights_only=True)
        step, spent = state["step"], state["spent"]
        optimizer.load_state_dict(state["optimizer"])
        for parameter, value in zip(parameters, state["parameters"], strict=True):
            parameter.data.copy_(value)
    before, saved, means = spent, begun, {}
    for batch in load_batches(data, batch=1, position=step, workers=1):
        spent = before + time.monotonic() - begun
        if spent >= 60 * minutes:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 50) * (1 - spent / (60 * minutes))
        losses = both.losses(batch)
        optimizer.zero_grad()
        sum(value for name, value in losses.items() if name != "iou").backward()  # type: ignore[union-attr]
        nn.utils.clip_grad_norm_(parameters, 0.3)
        optimizer.step()
        step += 1
        for name, value in losses.items():
            means[name] = 0.98 * means.get(name, value.item()) + 0.02 * value.item()
        if step % 50 == 0:
            print(
                f"step {step}, {spent / 60:.1f} min: " + ", ".join(f"{n} {v:.4f}" for n, v in means.items()), flush=True
            )
        if path is not None and time.monotonic() - saved > 180:
            saved = time.monotonic()
            state = {
                "step": step,
                "spent": spent,
                "optimizer": optimizer.state_dict(),
                "parameters": [parameter.detach() for parameter in parameters],
            }
            replace_file(path, lambda part, state=state: torch.save(state, part))
    return step


@errors_in_one_line
def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("model")
    add_mixture(parser)
    parser.add_argument("--tower", type=int, default=192, help="hidden channels of the tower's MLPs")
    parser.add_argument("--reasoning", type=float, default=0.5, help="mlp_ratio of the reasoning blocks")
    parser.add_argument("--samples", type=int, default=1200, help="samples for each MLP alone")
    parser.add_argument("--epochs", type=int, default=6, help="passes over these samples")
    parser.add_argument("--minutes", type=float, default=25, help="time for all MLPs together")
    parser.add_argument("--rate", type=float, default=5e-5, help="learning rate for all MLPs together")
    parser.add_argument("--seed", type=int, default=91, help="seed of the data")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="store inputs, outputs and the state there")
    parser.add_argument(
        "--part", type=int, nargs=2, metavar=("K", "N"), help="only compute part K of N of the inputs, into --keep"
    )
    add_inference_overrides(parser)
    parser.add_argument("--backbone", type=Path, help="file to write the frozen part to")
    parser.add_argument("-o", "--output", type=Path, help="file to write the trained part to")
    arguments = parser.parse_args()
    if not arguments.part and not (arguments.output and arguments.backbone):
        parser.error("--output and --backbone are needed")
    if arguments.part and not arguments.keep:
        parser.error("--part needs --keep")
    if not arguments.part:
        prepare_weights(arguments.output, arguments.backbone)
    begun = time.monotonic()
    overrides = inference_overrides(arguments)
    header = peek(arguments.model)
    wide = load_model(arguments.model, overrides)
    data = read_mixture(arguments, seed=arguments.seed, **SAMPLES)
    if arguments.part:
        part, parts = arguments.part
        share = arguments.samples // parts
        kept = observe(wide, data, part * share, share)
        replace_file(arguments.keep / f"look-{part}.safetensors", lambda path: save_file(kept, path))
        return
    files = sorted(arguments.keep.glob("look-*.safetensors")) if arguments.keep else []
    observations = [load_file(file) for file in files] or [observe(wide, data, 0, arguments.samples)]
    torch.manual_seed(arguments.seed)
    narrow = narrowed(wide, arguments.tower, arguments.reasoning)
    missed = {}
    for old, new in zip(mlps(wide), mlps(narrow), strict=True):
        inputs, outputs = (torch.cat([part.pop(f"{old.name}.{end}") for part in observations]) for end in ("in", "out"))
        missed[old.name] = round(fit(old, new, inputs, outputs, arguments.epochs), 4)
        print(f"{old.name}: misses {missed[old.name]} of {len(inputs)} rows' variance", flush=True)
    # Samples that no MLP has seen alone.
    steps = distil(wide, narrow, replace(data, seed=data.seed + 1), arguments.minutes, arguments.rate, arguments.keep)
    for mlp in mlps(narrow):
        for parameter in mlp.parameters():
            parameter.data = parameter.detach().half().float()
    assert isinstance(narrow.backbone, MiniBackbone)
    narrow.backbone.freeze()
    narrow.backbone.save_aligned(arguments.backbone)
    settings = ("tower", "reasoning", "samples", "epochs", "minutes", "rate", "seed")
    how = {name: getattr(arguments, name) for name in settings}
    how |= {"steps": steps, "missed": missed, "all_minutes": round((time.monotonic() - begun) / 60, 1)}
    trained = header.training | {"narrowed": how}
    stored = VLPRVOS(narrow.backbone, ModelConfig.from_dict(header.config).replace(mlp_ratio=arguments.reasoning))
    save_trained(
        arguments.output, stored, trained, state=narrow.trained_state_dict(), inference_overrides=overrides, half=True
    )


if __name__ == "__main__":
    sys.exit(main())
