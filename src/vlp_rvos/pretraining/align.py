"""Alignment pretraining of `mini`: the patches of a small vision tower learn to share MiniLM's sentence space.

Three losses, all on stride-16 patches in the shared space (`docs/method.md` section 0 [D]):

- contrast: a patch inside annotated regions against the phrases of a whole vocabulary;
- locate: a phrase of the picture against all patches of the picture, by the region's mask;
- distil: what the stem's own 1000-class head says at this place, times the class names' sentence features.

The stem is frozen, so its maps are computed once for a few random crops of every picture and kept in memory.
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.data.sources.coco import CocoFolder
from vlp_rvos.data.sources.holdout import is_held_out
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.models.backbones.mini import MiniBackbone, load_mini
from vlp_rvos.pretraining.class_names import SYNONYMS, class_names, everyday_word
from vlp_rvos.utils.atomic import replace_file

__all__ = ["AlignConfig", "align"]

LANDSCAPE, PORTRAIT, SQUARE = (224, 384), (384, 224), (288, 288)


@dataclass(frozen=True)
class AlignConfig:
    """Settings of the alignment pretraining.

    Attributes:
        stills: COCO-format folder.
        videos: folder in the Ref-YouTube-VOS layout, or "" for none.
        hold_out: videos of it that are kept for validation.
        crops: random crops of every still.
        video_stride: every which frame of the videos is used.
        minutes: training time after the maps are cached; the learning rate is annealed over it.
        batch: pictures a step.
        lr: peak learning rate.
        distil: weight of the distillation.
        seed: of everything random.
    """

    stills: str = "../shared/data/stills"
    videos: str = "../shared/data/davis16/train"
    hold_out: tuple[str, ...] = ("rhino", "dance-jump", "scooter-gray")
    crops: int = 2
    video_stride: int = 4
    minutes: float = 16.0
    batch: int = 24
    lr: float = 1e-3
    distil: float = 0.5
    seed: int = 0


@dataclass
class Picture:
    """One crop: the stem's maps and what is where.

    Attributes:
        maps: stride -> (C, h, w) bfloat16; 0 is the class map in text space.
        regions: (R, h, w) float in [0, 1], how much of a patch each region covers.
        phrases: R lists of indices into the vocabulary.
        held_out: whether it is for validation.
    """

    maps: dict[int, Tensor]
    regions: Tensor
    phrases: list[list[int]]
    held_out: bool


@dataclass
class Source:
    """One picture to crop from: RGB, region masks and the phrases of each region."""

    image: np.ndarray
    masks: np.ndarray
    phrases: list[list[str]]
    held_out: bool
    crops: int


def _sources(config: AlignConfig) -> Iterator[Source]:
    stills = CocoFolder(config.stills)
    for image in stills.images:
        annotations = stills.annotations_of(image)
        by_category: dict[str, list[np.ndarray]] = defaultdict(list)
        for annotation in annotations:
            by_category[annotation.category].append(stills.mask(annotation))
        if by_category:
            yield Source(
                stills.load_image(image),
                np.stack([np.any(masks, axis=0) for masks in by_category.values()]),
                [[name, *SYNONYMS.get(name, ())] for name in by_category],
                is_held_out(image.file_name),
                config.crops,
            )
    if not config.videos:
        return
    videos = YTVOSDataset(config.videos)
    for video in videos.videos:
        for frame in video.frames[:: config.video_stride]:
            yield Source(
                videos.load_frame(video.name, frame),
                (videos.load_ids(video.name, frame) > 0)[None],
                [[expression.text for expression in video.expressions]],
                video.name in config.hold_out,
                1,
            )


def _crop(source: Source, rng: np.random.Generator, whole: bool) -> tuple[Tensor, Tensor]:
    """A random resized crop -> image (3, H, W) in [0, 1] and masks (R, H, W), with flip and light jitter."""
    height, width = source.image.shape[:2]
    shape = LANDSCAPE if width > 1.25 * height else PORTRAIT if height > 1.25 * width else SQUARE
    aspect = shape[1] / shape[0]
    scale = 1.0 if whole else rng.uniform(0.5, 1.0)
    crop_height = min(height, width / aspect) * scale
    crop_width = crop_height * aspect
    top, left = rng.uniform(0, height - crop_height), rng.uniform(0, width - crop_width)
    box = np.s_[int(top) : int(top + crop_height), int(left) : int(left + crop_width)]
    image = torch.from_numpy(source.image[box].copy()).permute(2, 0, 1)[None].float() / 255
    masks = torch.from_numpy(source.masks[(slice(None), *box)].copy())[None].float()
    image = F.interpolate(image, size=shape, mode="bilinear", antialias=True)[0]
    masks = F.interpolate(masks, size=(shape[0] // 16, shape[1] // 16), mode="area")[0]
    if not whole:
        image = ((image - 0.5) * rng.uniform(0.7, 1.2) + 0.5 + rng.uniform(-0.1, 0.1)).clamp(0, 1)
        if rng.random() < 0.5:
            image, masks = image.flip(-1), masks.flip(-1)
    return image, masks


@torch.inference_mode()
def _cache(backbone: MiniBackbone, config: AlignConfig) -> tuple[list[Picture], list[str]]:
    rng = np.random.default_rng(config.seed)
    vocabulary: dict[str, int] = {}
    pictures: list[Picture] = []
    for source in _sources(config):
        for _ in range(1 if source.held_out else source.crops):
            image, regions = _crop(source, rng, whole=source.held_out)
            with torch.autocast("cpu", torch.bfloat16):
                maps = backbone.stem_maps(backbone.normalize(image[None]).contiguous(memory_format=torch.channels_last))
            seen = [index for index in range(len(regions)) if regions[index].max() > 0.3]
            if not seen:
                continue
            phrases = [[vocabulary.setdefault(p, len(vocabulary)) for p in source.phrases[i]] for i in seen]
            kept = {stride: maps[stride][0].to(torch.bfloat16).clone() for stride in (16, 32, 0)}
            pictures.append(Picture(kept, regions[seen].to(torch.bfloat16), phrases, source.held_out))
    return pictures, list(vocabulary)


def _embed(backbone: MiniBackbone, phrases: Sequence[str]) -> Tensor:
    with torch.inference_mode():
        parts = [
            backbone.encode_text(backbone.tokenize(phrases[start : start + 256]))
            for start in range(0, len(phrases), 256)
        ]
    return F.normalize(torch.cat(parts), dim=-1).clone()


def _class_text(backbone: MiniBackbone) -> Tensor:
    """Sentence features of the stem's classes: half their own name, half the everyday word."""
    names = class_names()
    own = _embed(backbone, [f"a {name}" for name in names])
    everyday = _embed(backbone, [f"a {everyday_word(index, name)}" for index, name in enumerate(names)])
    return F.normalize(own + everyday, dim=-1)


class Aligner(nn.Module):
    """The losses; holds the learned temperatures, which are not part of the backbone."""

    def __init__(self, backbone: MiniBackbone, bank: Tensor, distil: float) -> None:
        super().__init__()
        self.backbone, self.distil = backbone, distil
        self.log_scale = nn.Parameter(torch.tensor(math.log(14.0)))
        self.locate_log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.locate_bias = nn.Parameter(torch.tensor(-3.0))
        self.bank: Tensor
        self.register_buffer("bank", bank)
        #: phrases that mean nearly the same are never each other's negatives
        self.similar: Tensor
        self.register_buffer("similar", bank @ bank.T > 0.6)

    def patches(self, batch: Sequence[Picture]) -> tuple[Tensor, Tensor]:
        """Shared-space patches (B, N, d_s) and CLS (B, d_s), both normalised."""
        maps = {stride: torch.stack([picture.maps[stride] for picture in batch]) for stride in (16, 32, 0)}
        tokens = self.backbone.join_maps(maps)
        x = tokens.tokens
        for block in self.backbone.vision_blocks:
            x = block(x)
        shared = F.normalize(self.backbone.project_vision(self.backbone.finish_vision(x)).float(), dim=-1)
        return shared[:, 1:], shared[:, 0]

    def forward(self, batch: Sequence[Picture], rng: np.random.Generator) -> dict[str, Tensor]:
        patches, cls = self.patches(batch)
        contrast, locate = [], []
        for picture, shared in zip(batch, patches, strict=True):
            regions = picture.regions.float().flatten(1)  # R N
            chosen = [int(rng.choice(options)) for options in picture.phrases]
            similarity = shared @ self.bank.T  # N K
            positive = torch.zeros_like(similarity, dtype=torch.bool)
            for coverage, options in zip(regions, picture.phrases, strict=True):
                positive[:, options] |= (coverage > 0.5)[:, None]
            inside = positive.any(1)
            if inside.any():
                logits = similarity[inside] * self.log_scale.exp()
                allowed = ~(positive[inside].float() @ self.similar.float()).bool() | positive[inside]
                everything = logits.masked_fill(~allowed, -torch.inf).logsumexp(1)
                contrast.append((everything - logits.masked_fill(~positive[inside], -torch.inf).logsumexp(1)).mean())
            scores = similarity[:, chosen].T * self.locate_log_scale.exp() + self.locate_bias  # R N
            bce = F.binary_cross_entropy_with_logits(scores, regions)
            overlap = 2 * (scores.sigmoid() * regions).sum(1) + 1
            dice = 1 - overlap / (scores.sigmoid().sum(1) + regions.sum(1) + 1)
            locate.append(2 * bce + dice.mean())
        classes = torch.stack([picture.maps[0] for picture in batch]).float()
        classes = F.interpolate(classes, size=batch[0].maps[16].shape[-2:], mode="bilinear").flatten(2).transpose(1, 2)
        confidence = classes.norm(dim=-1)  # near 1 where one class, or one kind of class, is certain
        weight = (confidence - 0.3).clamp(min=0)
        distance = 1 - (patches * F.normalize(classes, dim=-1)).sum(-1)
        distil = (distance * weight).sum() / weight.sum().clamp(min=1)
        overall = F.normalize(classes.mean(1), dim=-1)
        zero = patches.sum() * 0
        return {
            "contrast": torch.stack(contrast).mean() if contrast else zero,
            "locate": torch.stack(locate).mean(),
            "distil": self.distil * (distil + 0.2 * (1 - (cls * overall).sum(-1)).mean()),
        }


@torch.inference_mode()
def _validate(aligner: Aligner, pictures: Sequence[Picture]) -> dict[str, float]:
    """On held-out pictures: best-of-vocabulary accuracy of patches, and IoU of the located phrase at score 0."""
    right = total = 0
    ious = []
    for picture in pictures:
        with torch.autocast("cpu", torch.bfloat16):
            shared = aligner.patches([picture])[0][0]
        regions = picture.regions.float().flatten(1)
        named = (shared @ aligner.bank.T).argmax(1)
        for coverage, options in zip(regions, picture.phrases, strict=True):
            inside = coverage > 0.5
            accepted = aligner.similar[options].any(0)
            right += int(accepted[named[inside]].sum())
            total += int(inside.sum())
            score = (shared @ aligner.bank[options[0]]) * aligner.locate_log_scale.exp() + aligner.locate_bias
            union = ((score > 0) | inside).sum()
            if union:
                ious.append(float(((score > 0) & inside).sum() / union))
    return {"patch_accuracy": right / max(total, 1), "locate_iou": float(np.mean(ious)) if ious else 0.0}


def align(config: AlignConfig, output: Path) -> dict[str, object]:
    """Pretrain mini's vision tower and write `mini-backbone.safetensors` and `align.json` into `output`.

    A run that is killed starts again: it is short. Nothing under the final names is ever half-written.

    Returns:
        The measured results, as written to `align.json`.
    """
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed + 1)
    backbone = load_mini(aligned=False)
    backbone.class_text.copy_(_class_text(backbone))
    started = time.monotonic()
    pictures, phrases = _cache(backbone, config)
    train = [p for p in pictures if not p.held_out]
    held_out = [p for p in pictures if p.held_out]
    by_shape: dict[torch.Size, list[Picture]] = defaultdict(list)
    for picture in train:
        by_shape[picture.maps[16].shape].append(picture)
    shapes = list(by_shape)
    share = np.array([len(by_shape[shape]) for shape in shapes], dtype=float)
    print(
        f"{len(train)} crops, {len(held_out)} held out, {len(phrases)} phrases, {time.monotonic() - started:.0f} s",
        flush=True,
    )

    aligner = Aligner(backbone, _embed(backbone, phrases), config.distil)
    learned = set(backbone.aligned_state_dict()) - {"class_text"}
    trained: list[Tensor] = [aligner.log_scale, aligner.locate_log_scale, aligner.locate_bias]
    for name, parameter in backbone.named_parameters():
        if name in learned:
            trained.append(parameter.requires_grad_(True))
    optimizer = torch.optim.AdamW(trained, lr=config.lr, weight_decay=0.02, betas=(0.9, 0.98))
    average = {name: backbone.state_dict()[name].detach().clone() for name in learned}
    begun, step, history = time.monotonic(), 0, []
    while (progress := (time.monotonic() - begun) / (60 * config.minutes)) < 1:
        rate = config.lr * min(1, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * progress))
        for group in optimizer.param_groups:
            group["lr"] = rate
        pool = by_shape[shapes[rng.choice(len(shapes), p=share / share.sum())]]
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
            for name, parameter in backbone.named_parameters():
                if name in learned:
                    average[name].lerp_(parameter, 1 - decay)
        if step % 50 == 0:
            history.append({"step": step, **{k: round(float(v.detach()), 4) for k, v in losses.items()}})
            print(f"{progress:4.0%} {history[-1]}", flush=True)
        step += 1

    with torch.no_grad():
        for name, parameter in backbone.named_parameters():
            if name in learned:
                parameter.copy_(average[name])
    backbone.freeze()
    result: dict[str, object] = {
        # A report travels: of paths it keeps the last part.
        "config": asdict(config) | {"stills": Path(config.stills).name, "videos": Path(config.videos).name},
        "steps": step,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "crops": len(train),
        "phrases": len(phrases),
        "held_out": _validate(aligner, held_out),
        "log": history,
    }
    backbone.save_aligned(output / "mini-backbone.safetensors")
    replace_file(output / "align.json", lambda path: path.write_text(json.dumps(result, indent=1), "utf-8"))
    return result
