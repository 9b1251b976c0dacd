"""Train the presence head of a model alone, from random weights, on samples of the training mixture.

    python tools/presence.py mini --data DATA --samples 3000 -o mini.safetensors --use min_part=0.25

Nothing else of the model changes, so the inputs of the head are computed once, and the head is trained on them for a
few epochs. Noise on the inputs and dropout in the hidden layer keep it from overfitting. Several heads are trained from
several random starts; the one that notices most absent targets in held-out samples is kept. `--keep FOLDER` stores the
inputs in a folder, one file for each seed of the data, or reads them from there, so that several processes can compute
them at once. The header of the result is that of the model and records how the head was trained; `--use` sets its
inference overrides.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

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
from torch import Tensor

from vlp_rvos.data.mixture import build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.errors import VLPRVOSError
from vlp_rvos.evaluation.grounding_probe import absent_caught
from vlp_rvos.models.checkpoint import load_model, peek, save_trained
from vlp_rvos.models.heads import PresenceHead
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.batches import collate
from vlp_rvos.utils.atomic import replace_file

BATCH = 128
#: samples for the head, where they differ from the training configuration; portrait samples have another size
SAMPLES = {"clip_length": 2, "clips": 1, "expressions": 4, "absent": 0.4, "twins": 0.1, "mounted": 0.1, "portrait": 0.0}
#: input size of the samples of `--small-seeds`
SMALL = {"height": 224, "width": 384}


@dataclass(frozen=True)
class Observations:
    """What the head reads, and what is right.

    Attributes:
        frames, sentences: see `PresenceHead.pool`, (B, T, K) and (B, d_t).
        truth: (B, T), 1 where the thing is in the frame and 0 elsewhere.
    """

    frames: Tensor
    sentences: Tensor
    truth: Tensor


def observe(model: VLPRVOS, data: MixtureConfig, split: Literal["train", "holdout"], samples: int) -> Observations:
    """Run the model on the first samples of a split."""
    head, mixture = _head(model), build_mixture(data, split)
    frames, sentences, truth = [], [], []
    for index in track(range(samples), f"computing inputs ({split})"):
        batch = collate([mixture.sample(index)], clips=1)
        seen: list[tuple[Tensor, Tensor]] = []
        hook = head.register_forward_pre_hook(lambda _, read, seen=seen: seen.append(head.pool(*read)))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            model(batch.frames.float() / 255, model.backbone.tokenize(batch.expressions), None, batch.video_of)
        hook.remove()
        frames.append(seen[0][0].float())
        sentences.append(seen[0][1].float())
        truth.append(batch.masks.flatten(2).any(-1).float())
    return Observations(torch.cat(frames), torch.cat(sentences), torch.cat(truth))


def observed(
    model: VLPRVOS, data: MixtureConfig, split: Literal["train", "holdout"], samples: int, folder: Path | None
) -> Observations:
    """The observations in the folder, or new ones, which are stored there."""
    path = folder and folder / f"{split}-{data.seed}-{samples}-{data.height}x{data.width}.safetensors"
    if path is not None and path.exists():
        return Observations(**load_file(path))
    seen = observe(model, data, split, samples)
    if path is not None:
        replace_file(path, lambda part: save_file(vars(seen), part))
    return seen


def fit(head: PresenceHead, seen: Observations, epochs: int, rate: float, noise: float, dropout: float) -> None:
    """Train a head with a learning rate that falls to 0.

    Args:
        head: The head; all of its parameters are trained.
        seen: Observations to train on.
        epochs: Number of passes over them.
        rate: Learning rate at the start.
        noise: Standard deviation of the noise on the inputs of the frames, in units of each channel's own.
        dropout: Share of the hidden channels that are dropped.
    """
    spread = noise * seen.frames.flatten(0, 1).std(0)
    hook = head.frame.register_forward_hook(lambda _, __, hidden: F.dropout(hidden, dropout))
    parameters = list(head.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    rounds = math.ceil(len(seen.truth) / BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * rounds)
    for _ in range(epochs):
        for rows in torch.randperm(len(seen.truth)).split(BATCH):
            frames, truth = seen.frames[rows], seen.truth[rows]
            of_frames, of_clips = head.classify((frames + spread * torch.randn_like(frames), seen.sentences[rows]))
            loss = F.binary_cross_entropy_with_logits(of_frames, truth)
            loss = loss + F.binary_cross_entropy_with_logits(of_clips, truth.amax(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    hook.remove()


def noticed(head: PresenceHead, seen: Observations) -> float:
    """Share of absent targets with less presence than 95 % of the present ones, as in `evaluate grounding`."""
    with torch.inference_mode():
        presences = head.classify((seen.frames, seen.sentences))[0].sigmoid()
    there = seen.truth.amax(1) > 0
    # For a present target only the frames count that show it.
    mean = (presences * seen.truth).sum(1)[there] / seen.truth.sum(1)[there]
    return absent_caught(mean.tolist(), presences.mean(1)[~there].tolist())[1]


def _head(model: VLPRVOS) -> PresenceHead:
    if model.presence_head is None:
        raise VLPRVOSError("the model has no presence head")
    return model.presence_head


@errors_in_one_line
def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("model")
    add_mixture(parser)
    parser.add_argument("--samples", type=int, default=3600, help="training samples for each seed")
    parser.add_argument("--held-out", type=int, default=600, help="samples by which the head is chosen")
    parser.add_argument("--heads", type=int, default=3, help="number of heads to train")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate at the start")
    parser.add_argument("--noise", type=float, default=0.5, help="noise on the inputs, in standard deviations")
    parser.add_argument("--width", type=int, default=384, help="hidden channels")
    parser.add_argument("--dropout", type=float, default=0.2, help="share of the hidden channels that are dropped")
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=list(range(77, 83)),
        help="seeds of the data; the heads use the first",
    )
    parser.add_argument(
        "--small-seeds",
        type=int,
        nargs="*",
        default=[83, 84],
        help="seeds of further data of 224 x 384 pixels",
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="store the inputs of the heads of this model there")
    add_inference_overrides(parser)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    prepare_weights(arguments.output)
    begun = time.monotonic()
    overrides = inference_overrides(arguments)
    model = load_model(arguments.model, overrides)
    data = read_mixture(arguments, **SAMPLES)
    draws = [replace(data, seed=seed) for seed in arguments.seeds]
    draws += [replace(data, seed=seed, **SMALL) for seed in arguments.small_seeds]
    parts = [vars(observed(model, draw, "train", arguments.samples, arguments.keep)) for draw in draws]
    seen = Observations(**{name: torch.cat([part[name] for part in parts]) for name in parts[0]})
    held_out = observed(model, draws[0], "holdout", arguments.held_out, arguments.keep)
    config, heads = model.config.replace(presence_width=arguments.width), []
    for number in track(range(arguments.heads), "training"):
        torch.manual_seed(arguments.seeds[0] + number)
        head = PresenceHead(config, model.backbone.text_width)
        fit(head, seen, arguments.epochs, arguments.rate, arguments.noise, arguments.dropout)
        heads.append((noticed(head, held_out), head))
    best = max(range(len(heads)), key=lambda index: heads[index][0])
    settings = ("samples", "held_out", "epochs", "rate", "noise", "width", "dropout", "seeds", "small_seeds")
    how = {name: getattr(arguments, name) for name in settings}
    how |= {"asked": len(seen.truth), "minutes": round((time.monotonic() - begun) / 60, 1), "data": SAMPLES}
    how |= {"noticed": [round(share, 4) for share, _ in heads], "head": best}
    header = peek(arguments.model)
    stored = ModelConfig.from_dict(header.config).replace(presence_width=arguments.width)
    model.presence_head = heads[best][1]
    state = model.trained_state_dict()
    trained = header.training | {"presence": how}
    save_trained(
        arguments.output,
        VLPRVOS(model.backbone, stored),
        trained,
        state=state,
        inference_overrides=overrides,
        half=True,
    )
    shares = ", ".join(f"{100 * share:.1f}" for share, _ in heads)
    print(f"{arguments.output}: {how['asked']} expressions, {how['minutes']} minutes; absent noticed: {shares} %")


if __name__ == "__main__":
    sys.exit(main())
