"""Alignment pretraining of `mini`: its vision tower learns to map patches into MiniLM's sentence space.

`crops` prepares the data, `alignment_losses` says what is learned. The stem and the text tower stay frozen.
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from vlp_rvos.models.backbones.mini import load_mini
from vlp_rvos.pretraining.align_config import AlignConfig
from vlp_rvos.pretraining.alignment_losses import AlignmentLosses
from vlp_rvos.pretraining.crops import Crop, cache_crops
from vlp_rvos.pretraining.phrase_features import class_features, phrase_features
from vlp_rvos.utils.atomic import replace_file
from vlp_rvos.utils.output_files import output_folder, refuse_foreign

__all__ = ["align"]

BACKBONE, REPORT = "mini-backbone.safetensors", "align.json"


def align(config: AlignConfig, output: Path) -> dict[str, object]:
    """Pretrain mini's vision tower, and write `mini-backbone.safetensors` and `align.json` into a folder.

    Both files are written at the end, each in one piece. A run cannot be resumed, because it takes only minutes.

    Args:
        config: settings of the pretraining.
        output: folder for the two files.

    Returns:
        The content of `align.json`: settings, number of steps, validation and the course of the losses.

    Raises:
        UserError: the data cannot be used, the folder cannot be written into, or other files of these names stand in
            it.
    """
    refuse_foreign(output / REPORT, _is_report)
    refuse_foreign(output / BACKBONE, _is_backbone)
    with output_folder(output):
        return _align(config, output)


def _align(config: AlignConfig, output: Path) -> dict[str, object]:
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed + 1)
    backbone = load_mini(aligned=False)
    backbone.class_text.copy_(class_features(backbone))
    started = time.monotonic()
    crops, phrases = cache_crops(backbone, config)
    training = [crop for crop in crops if not crop.held_out]
    held_out = [crop for crop in crops if crop.held_out]
    # The crops of a batch must have one size.
    by_size: dict[torch.Size, list[Crop]] = defaultdict(list)
    for crop in training:
        by_size[crop.maps[16].shape].append(crop)
    sizes = list(by_size)
    shares = np.array([len(by_size[size]) for size in sizes], dtype=float)
    print(
        f"{len(training)} crops, {len(held_out)} held out, {len(phrases)} phrases, {time.monotonic() - started:.0f} s",
        flush=True,
    )

    aligner = AlignmentLosses(backbone, phrase_features(backbone, phrases), config.distil)
    tower_names = set(backbone.aligned_state_dict()) - {"class_text"}
    tower = {name: parameter for name, parameter in backbone.named_parameters() if name in tower_names}
    trained: list[Tensor] = [aligner.log_scale, aligner.locate_log_scale, aligner.locate_bias]
    trained += [parameter.requires_grad_(True) for parameter in tower.values()]
    optimizer = torch.optim.AdamW(trained, lr=config.lr, weight_decay=0.02, betas=(0.9, 0.98))
    average = {name: parameter.detach().clone() for name, parameter in tower.items()}
    begun, step, history = time.monotonic(), 0, []
    while (progress := (time.monotonic() - begun) / (60 * config.minutes)) < 1:
        rate = config.lr * min(1, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * progress))
        for group in optimizer.param_groups:
            group["lr"] = rate
        pool = by_size[sizes[rng.choice(len(sizes), p=shares / shares.sum())]]
        batch = [pool[i] for i in rng.integers(len(pool), size=config.batch)]
        with torch.autocast("cpu", torch.bfloat16):
            losses = aligner(batch, rng)
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        decay = min(0.995, step / (step + 20))
        with torch.no_grad():
            for name, parameter in tower.items():
                average[name].lerp_(parameter, 1 - decay)
        if step % 50 == 0:
            history.append({"step": step, **{k: round(float(v.detach()), 4) for k, v in losses.items()}})
            print(f"{progress:4.0%} {history[-1]}", flush=True)
        step += 1

    with torch.no_grad():
        for name, parameter in tower.items():
            parameter.copy_(average[name])
    backbone.freeze()
    result: dict[str, object] = {
        # The report may be published, so paths lose their folders.
        "config": asdict(config) | {"stills": Path(config.stills).name, "videos": Path(config.videos).name},
        "steps": step,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "crops": len(training),
        "phrases": len(phrases),
        "held_out": validate(aligner, held_out),
        "log": history,
    }
    backbone.save_aligned(output / BACKBONE)
    replace_file(output / REPORT, lambda path: path.write_text(json.dumps(result, indent=1), "utf-8"))
    return result


def _is_report(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"config", "steps", "crops", "held_out", "log"} <= content.keys()


def _is_backbone(path: Path) -> bool:
    try:
        with safe_open(path, "pt") as file:
            return {"class_text", "vision_projection.weight"} <= set(file.keys())
    except (OSError, SafetensorError):
        return False


@torch.inference_mode()
def validate(aligner: AlignmentLosses, crops: Sequence[Crop]) -> dict[str, float]:
    """Measure the tower on crops.

    Returns:
        "patch_accuracy", the share of the patches in regions whose best phrase of the vocabulary is right, and
        "locate_iou", the mean IoU of each region with the patches that score above 0 for its first phrase.
    """
    right = total = 0
    ious = []
    for crop in crops:
        with torch.autocast("cpu", torch.bfloat16):
            patches = aligner.patches([crop])[0][0]
        regions = crop.regions.float().flatten(1)
        best = (patches @ aligner.vocabulary.T).argmax(1)
        for coverage, phrases in zip(regions, crop.phrases, strict=True):
            inside = coverage > 0.5
            accepted = aligner.similar[phrases].any(0)
            right += int(accepted[best[inside]].sum())
            total += int(inside.sum())
            score = (patches @ aligner.vocabulary[phrases[0]]) * aligner.locate_log_scale.exp() + aligner.locate_bias
            union = ((score > 0) | inside).sum()
            if union:
                ious.append(float(((score > 0) & inside).sum() / union))
    return {"patch_accuracy": right / max(total, 1), "locate_iou": float(np.mean(ious)) if ious else 0.0}
