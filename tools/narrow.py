"""Make the MLPs of a trained `mini` narrower, in its frozen tower and in its reasoning, so that it says the same.

    python tools/narrow.py mini --data DATA --backbone mini-backbone.safetensors -o mini.safetensors

First every MLP alone: the hidden channels that matter most stay, and learn from what goes into the wide MLP and comes
out of it. Then all of them together, from the wide model's masks, features and presences on the training mixture.
Nothing else changes. No labels are read. `--keep FOLDER` keeps the state of the second part every few minutes, to go on
from, and what the MLPs read and say where several processes look at it, before the rest: `--part 0 2`, `--part 1 2`.
"""

from __future__ import annotations

import argparse
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
from one_line import says_why
from rich.progress import track
from safetensors.torch import load_file, save_file
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
from vlp_rvos.training.train_config import load_config
from vlp_rvos.utils.atomic import replace_file
from vlp_rvos.utils.overrides import apply_overrides

#: what is drawn, in place of what the training configuration says
ASKED = {"height": 288, "width": 512, "clip_length": 3, "clips": 2, "expressions": 2, "absent": 0.3, "portrait": 0.1}
#: share of the tokens that are kept of each frame
KEPT = 0.25


@dataclass(frozen=True)
class Mlp:
    """One MLP: the linear layers, and what stands before them."""

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
    """Those of the vision tower, whose norm is not looked at, and those of the reasoning, with their norm."""
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
    """The same model with narrower MLPs, which are random, and everything else shared.

    Raises:
        VLPRVOSError: it is not a `mini`, or its MLPs are narrower already.
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
def listening(wide: list[Mlp], heard: Callable[[Mlp, Tensor, Tensor], None]) -> Iterator[None]:
    """Calls `heard` with the (rows, channels) that enter each MLP, before its norm, and come out of it."""
    hooks, entered = [], {}

    def enters(mlp: Mlp) -> Callable[..., None]:
        def hook(_: nn.Module, read: tuple[Tensor]) -> None:
            entered[mlp.name] = read[0].flatten(0, -2)

        return hook

    def leaves(mlp: Mlp) -> Callable[..., None]:
        return lambda _, __, said: heard(mlp, entered[mlp.name], said.flatten(0, -2))

    for mlp in wide:
        first = mlp.enter if isinstance(mlp.norm, nn.Identity) else mlp.norm
        hooks += [first.register_forward_pre_hook(enters(mlp)), mlp.leave.register_forward_hook(leaves(mlp))]
    yield
    for hook in hooks:
        hook.remove()


def look(model: VLPRVOS, data: MixtureConfig, first: int, samples: int) -> dict[str, Tensor]:
    """What enters and leaves every MLP on samples of the mixture: name.in and name.out, (rows, channels) bfloat16."""
    mixture, kept = build_mixture(data, "train"), {}
    draw = torch.Generator().manual_seed(data.seed + first)

    def heard(mlp: Mlp, read: Tensor, said: Tensor) -> None:
        rows = torch.rand(len(read), generator=draw) < KEPT
        for end, values in (("in", read), ("out", said)):
            kept.setdefault(f"{mlp.name}.{end}", []).append(values[rows].bfloat16())

    with listening(mlps(model), heard), torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for index in track(range(first, first + samples), "looking"):
            batch, history = collate([mixture.sample(index)], data.clips), None
            text = model.encode_text(model.backbone.tokenize(batch.expressions))
            for frames, _, _ in batch.clips(torch.device("cpu")):
                history = model(frames, text, history, batch.video_of).history
    return {name: torch.cat(parts).clone() for name, parts in kept.items()}


def fit(wide: Mlp, narrow: Mlp, read: Tensor, said: Tensor, epochs: int, rows: int = 4096) -> float:
    """Teach one MLP alone; returns the share of the wide one's variance that it misses on rows kept out."""
    hidden = narrow.enter.out_features
    held = math.ceil(len(read) / 20)
    with torch.no_grad():
        matters = F.gelu(wide.enter(wide.norm(read[held:][:50_000].float()))).std(0) * wide.leave.weight.norm(dim=0)
        best = matters.topk(hidden).indices
        narrow.enter.weight.copy_(wide.enter.weight[best])
        narrow.enter.bias.copy_(wide.enter.bias[best])
        narrow.leave.weight.copy_(wide.leave.weight[:, best])
        narrow.leave.bias.copy_(wide.leave.bias)
    parameters = list(narrow.parameters())
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(parameters, lr=2e-3)
    steps = epochs * math.ceil((len(read) - held) / rows)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps + 1, pct_start=0.1)
    for _ in range(epochs):
        for chosen in (torch.randperm(len(read) - held) + held).split(rows):
            loss = F.mse_loss(narrow(read[chosen].float()), said[chosen].float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        wanted = said[:held].float()
        missed = (narrow(read[:held].float()) - wanted).square().mean() / wanted.var(0).mean()
    return float(missed)


class Distillation:
    """The narrow model beside the wide one on the same frames."""

    def __init__(self, wide: VLPRVOS, narrow: VLPRVOS) -> None:
        self.wide, self.narrow = wide, narrow
        self.seen: dict[VLPRVOS, Tensor] = {}
        for model in (wide, narrow):
            model.reasoning.register_forward_hook(lambda _, __, x, model=model: self.seen.__setitem__(model, x))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Mean over the clips of what the two differ in."""
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
        """The tokens before the first layer are the same for both models: they are made once."""
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
        there, said = own.mask_logits > 0, right.mask_logits > 0
        return {
            "masks": 20 * masks,
            "features": F.mse_loss(self.seen[self.narrow].float(), self.seen[self.wide].float()),
            "presence": 0.02 * F.smooth_l1_loss(own.presence_logits, right.presence_logits),
            "iou": ((there & said).sum() / (there | said).sum().clamp(min=1)).detach(),
        }


def distil(wide: VLPRVOS, narrow: VLPRVOS, data: MixtureConfig, minutes: float, rate: float, keep: Path | None) -> int:
    """Teach all narrow MLPs together for a time; returns the steps."""
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


@says_why
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True, help="folder with the training data")
    parser.add_argument("--config", type=Path, default=Path("mini-further"), help="training configuration")
    parser.add_argument("--tower", type=int, default=192, help="hidden channels of the tower's MLPs")
    parser.add_argument("--reasoning", type=float, default=0.5, help="mlp_ratio of the reasoning blocks")
    parser.add_argument("--samples", type=int, default=1200, help="for each MLP alone")
    parser.add_argument("--epochs", type=int, default=6, help="for each MLP alone")
    parser.add_argument("--minutes", type=float, default=25, help="for all of them together")
    parser.add_argument("--rate", type=float, default=5e-5, help="for all of them together")
    parser.add_argument("--seed", type=int, default=91, help="of the data")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="for what the MLPs of this one model read and say")
    parser.add_argument(
        "--part", type=int, nargs=2, metavar=("K", "N"), help="only look, at part K of N, and --keep it"
    )
    parser.add_argument("--use", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--backbone", type=Path, help="output: the frozen part")
    parser.add_argument("-o", "--output", type=Path, help="output: the trained part")
    arguments = parser.parse_args()
    if not arguments.part and not (arguments.output and arguments.backbone):
        parser.error("--output and --backbone are needed")
    if arguments.part and not arguments.keep:
        parser.error("--part needs --keep")
    begun = time.monotonic()
    use = apply_overrides({}, arguments.use)
    header = peek(arguments.model)
    wide = load_model(arguments.model, use)
    data = replace(load_config(arguments.config).data, root=str(arguments.data), seed=arguments.seed, **ASKED)
    if arguments.part:
        part, parts = arguments.part
        share = arguments.samples // parts
        kept = look(wide, data, part * share, share)
        replace_file(arguments.keep / f"look-{part}.safetensors", lambda path: save_file(kept, path))
        return
    files = sorted(arguments.keep.glob("look-*.safetensors")) if arguments.keep else []
    looks = [load_file(file) for file in files] or [look(wide, data, 0, arguments.samples)]
    torch.manual_seed(arguments.seed)
    narrow = narrowed(wide, arguments.tower, arguments.reasoning)
    missed = {}
    for old, new in zip(mlps(wide), mlps(narrow), strict=True):
        read, said = (torch.cat([part.pop(f"{old.name}.{end}") for part in looks]) for end in ("in", "out"))
        missed[old.name] = round(fit(old, new, read, said, arguments.epochs), 4)
        print(f"{old.name}: misses {missed[old.name]} of {len(read)} rows' variance", flush=True)
    # Other samples than those that each MLP alone has seen.
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
        arguments.output, stored, trained, state=narrow.trained_state_dict(), inference_overrides=use, half=True
    )


if __name__ == "__main__":
    sys.exit(main())
