"""Train the presence head of a model alone, from a random start, on what it sees of the training mixture.

    python tools/presence.py mini --data DATA --samples 3000 -o mini.safetensors --use min_part=0.25

Nothing else of the model changes, so what the head reads is computed once, and the head then goes over it a few times;
more than a few learn the samples by heart. `--keep FILE` keeps what it reads in a file, or takes it from there.
The header is that of the model, and says how the head was trained; `--use` is that of `tools/average.py`.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor

from vlp_rvos.allocator import keep_freed_memory
from vlp_rvos.atomic import replace_file
from vlp_rvos.checkpoint import load_model, peek, save_trained
from vlp_rvos.data.mixture import MixtureConfig
from vlp_rvos.errors import VLPRVOSError
from vlp_rvos.evaluation.run import parse_overrides
from vlp_rvos.head import PresenceHead
from vlp_rvos.model import VLPRVOS
from vlp_rvos.training.batches import batches
from vlp_rvos.training.config import load_config

VIDEOS = 4
BATCH = 128


def observations(model: VLPRVOS, data: MixtureConfig, samples: int) -> dict[str, Tensor]:
    """What the head reads of the `frames` (B, T, K) and of the `sentences` (B, d_t), and the `truth` (B, T)."""
    head = _head(model)
    frames, sentences, truth = [], [], []
    head.register_forward_pre_hook(lambda _, read: seen.append(head.observe(*read)))
    loader = itertools.islice(batches(data, batch=VIDEOS, position=0, workers=1), samples // VIDEOS)
    for batch in track(loader, "looking", samples // VIDEOS):
        seen: list[tuple[Tensor, Tensor]] = []
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            model(batch.frames.float() / 255, model.backbone.tokenize(batch.expressions), None, batch.video_of)
        frames.append(seen[0][0].float())
        sentences.append(seen[0][1].float())
        truth.append(batch.masks.flatten(2).any(-1).float())
    return {"frames": torch.cat(frames), "sentences": torch.cat(sentences), "truth": torch.cat(truth)}


def fit(head: PresenceHead, frames: Tensor, sentences: Tensor, truth: Tensor, epochs: int, rate: float) -> None:
    """Train a head from a random start, with a rate that falls to 0."""
    for module in head.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.LayerNorm):
            module.reset_parameters()
    parameters = list(head.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    rounds = math.ceil(len(truth) / BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * rounds)
    for _ in range(epochs):
        for rows in torch.randperm(len(truth)).split(BATCH):
            of_frames, of_clips = head.judge((frames[rows], sentences[rows]))
            loss = F.binary_cross_entropy_with_logits(of_frames, truth[rows])
            loss = loss + F.binary_cross_entropy_with_logits(of_clips, truth[rows].amax(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def _head(model: VLPRVOS) -> PresenceHead:
    if model.presence_head is None:
        raise VLPRVOSError("the model has no presence head")
    return model.presence_head


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True, help="folder with the training data")
    parser.add_argument("--config", type=Path, default=Path("mini-further"), help="training configuration")
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=77, help="of the data and of the head")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="safetensors file for what the head reads")
    parser.add_argument("--use", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    keep_freed_memory()
    begun = time.monotonic()
    try:
        use = parse_overrides(arguments.use)
        model = load_model(arguments.model, use)
        asked = {"clip_length": 2, "clips": 1, "expressions": 4, "absent": 0.4, "twins": 0.1, "mounted": 0.1}
        # Portrait samples would not fit into a batch with others.
        data = replace(load_config(arguments.config).data, root=str(arguments.data), seed=arguments.seed, portrait=0.0)
        if arguments.keep is not None and arguments.keep.exists():
            found = load_file(arguments.keep)
        else:
            found = observations(model, replace(data, **asked), arguments.samples)
            if arguments.keep is not None:
                replace_file(arguments.keep, lambda part: save_file(found, part))
        torch.manual_seed(arguments.seed)
        fit(_head(model), found["frames"], found["sentences"], found["truth"], arguments.epochs, arguments.rate)
        how = {name: getattr(arguments, name) for name in ("samples", "epochs", "rate", "seed")}
        how |= {"asked": len(found["truth"]), "minutes": round((time.monotonic() - begun) / 60, 1), "data": asked}
        trained = peek(arguments.model).training | {"presence": how}
        plain = load_model(arguments.model, peek(arguments.model).config)
        save_trained(arguments.output, plain, trained, state=model.trained_state_dict(), use=use, half=True)
    except VLPRVOSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.output}: {how['asked']} expressions, {how['minutes']} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
