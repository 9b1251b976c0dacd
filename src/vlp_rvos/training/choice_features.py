"""What the choice among candidates learns from: pictures as the frozen parts of the model see them. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. A picture and its mirror image are computed once and
kept on the disk. Shapes: K candidates of a picture, G outlined things, E expressions of people, (h, w) = (H/4, W/4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.data.outlined_pictures import LoadedPicture, OutlinedPicture, mirrored_text
from vlp_rvos.data.picture_views import draw_variant
from vlp_rvos.data.sources.described_pictures import PictureExpression
from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.models.candidate_path import mean_evidence
from vlp_rvos.models.candidates import MASK_STRIDE, mask_overlaps
from vlp_rvos.models.choice import EVIDENCE, dense_evidence
from vlp_rvos.models.descriptors import describe
from vlp_rvos.models.tracks import follow
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.candidate_stage import path_of, picture_frames

__all__ = ["MATCH", "PictureFeatures", "clip_features", "encode_phrases", "matching", "picture_features"]

#: IoU from which on a candidate is taken for a thing
MATCH = 0.5
#: IoU from which on the candidate that fits a thing best is taken for it, where no candidate reaches `MATCH`
ROUGH_MATCH = 0.3
#: positions that a thing needs to be put in place of a candidate
LEAST_POSITIONS = 3
#: origin of generated expressions that take the place of those of people
AS_SPOKEN = "as spoken"
#: a candidate that is inside by this share is part of what is meant, if it covers this share of it
PART_INSIDE, PART_COVERED = 0.75, 0.2
PHRASES_AT_ONCE = 64


@dataclass
class PictureFeatures:
    """A picture as the choice sees it. Numbers are in half precision.

    Attributes:
        name: name of the picture.
        source: index of its source.
        held_out: whether it is held out.
        descriptors: (K, ...) descriptions, by the names of the fields of `models.descriptors.Descriptors`.
        found: number of candidates that the model proposed; the others are outlines of things that it missed.
        rows: id of a thing -> the candidates that are this thing, and the IoU of each with it.
        expressions: text, ids of the things that it means, and where it comes from.
        evidence: (E, K, EVIDENCE) what the dense head says, for the expressions that come first: those of people; for
            none of a mirror image.
        presence: (E, 2) presence logits of the dense head: of the frame, and of the clip.
        mask_logits: (found, h, w) masks of the candidates; with no rows where nothing reads them.
        dense_logits: (E, h, w) masks of the dense head; with no rows where nothing reads them.
        truth: (E, h, w) uint8, how much of each position belongs to what is meant, up to 255; likewise.
    """

    name: str
    source: int
    held_out: bool
    descriptors: dict[str, Tensor]
    found: int
    rows: dict[str, list[tuple[int, float]]]
    expressions: list[tuple[str, list[str], str]]
    evidence: Tensor
    presence: Tensor
    mask_logits: Tensor
    dense_logits: Tensor
    truth: Tensor

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `torch.load` reads them without trusting the file."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def without_masks(self) -> PictureFeatures:
        """The same without what only the agreement reads, which is most of it."""
        masks = {name: getattr(self, name)[:0].clone() for name in ("mask_logits", "dense_logits", "truth")}
        return replace(self, **masks)

    def means(self, ids: Sequence[str]) -> dict[int, float]:
        """The candidates that an expression about things means: how well each fits, relative to the best, from 0 to 1.

        Several candidates may fit one thing; each counts by its squared IoU.
        """
        found: dict[int, float] = {}
        for i in ids:
            rows = self.rows.get(i, ())
            best = max((overlap for _, overlap in rows), default=1.0)
            for row, overlap in rows:
                found[row] = max(found.get(row, 0.0), (overlap / best) ** 2)
        return found


@torch.no_grad()
def picture_features(
    model: VLPRVOS,
    picture: OutlinedPicture,
    source: int,
    *,
    held_out: bool,
    mirrored: bool,
    varied: bool,
    generated: int,
    as_spoken: bool,
    inserted: int,
    with_masks: bool,
    rng: np.random.Generator,
    autocast: Callable[[], AbstractContextManager[Any]],
) -> PictureFeatures:
    """Compute what the choice sees in a picture.

    Args:
        model: the whole model, in evaluation mode.
        picture: the picture.
        source: index of its source.
        held_out: whether it is held out; then what the candidates miss stays missing.
        mirrored: whether to take its mirror image.
        varied: whether to take a view with other margins and colours.
        generated: number of expressions to generate.
        as_spoken: whether the generated expressions take the place of those of people, because there are none.
        inserted: largest number of missed things whose outlines are inserted.
        with_masks: whether to keep masks, for the agreement.
        rng: source of the view and of the generated expressions.
        autocast: context of the number format of the networks.

    Raises:
        UserError: a file is missing or broken.
    """
    loaded, expressions = picture.load(), list(picture.expressions)
    if mirrored:
        loaded, expressions = loaded.mirrored(), mirrored_text(expressions)
    if varied:
        loaded = draw_variant(loaded, rng)
    made = _different(picture.generate(rng, generated, mirrored=mirrored))
    spoken = _different([*expressions, *(replace(x, origin=AS_SPOKEN) for x in made if as_spoken)])
    # The dense head's word on mirror images would double the time, and some of it is hidden in training anyway.
    asked = [] if mirrored else spoken
    expressions = spoken if as_spoken else spoken + made
    path, device = path_of(model), path_of(model).class_names.device
    frames = picture_frames(model, loaded.pixels).to(device)
    with autocast():
        embedded = model.encoder.embed(model.backbone, model.backbone.normalize(frames))
        assert embedded.named is not None
        seen = path.read(frames, embedded.pyramid, embedded.named)
        proposals = path.head(seen.maps, seen.distances, all_weights=False)
    candidates = path.head.select(proposals, 0, path.count)
    own = candidates.mask_logits.sigmoid()
    things = _shrink(loaded, own.shape[-2:]).to(device)
    overlaps = mask_overlaps(things > 0.5, own > 0.5)
    fits = matching(overlaps)
    wanted = {i for x in expressions for i in x.thing_ids}
    missed: list[int] = []
    if not held_out:
        missed = [
            g
            for g, i in enumerate(loaded.ids)
            if i in wanted and not fits[g].any() and float(things[g].sum()) > LEAST_POSITIONS
        ][: min(inserted, path.count)]
    found = min(len(own), path.count - len(missed))
    masks = (torch.cat([own[:found], things[missed]]) > 0.5).float()
    rows: dict[str, list[tuple[int, float]]] = {}
    for g, i in enumerate(loaded.ids):
        of_thing = [(k, float(overlaps[g, k])) for k in fits[g, :found].nonzero()[:, 0].tolist()]
        of_thing += [(found + missed.index(g), 1.0)] if g in missed else []
        if of_thing:
            rows[i] = of_thing
    descriptors = describe(seen.frame(0), path.class_names, masks)
    size = own.shape[-2:]
    evidence, presence = torch.zeros(0, len(masks), EVIDENCE), torch.zeros(0, 2)
    dense = torch.zeros(0, *size)
    if asked:
        with autocast():
            text = model.encode_text(model.backbone.tokenize([x.text for x in asked]).to(device))
            about = torch.zeros(len(asked), dtype=torch.int64, device=device)
            out = model.predict_embedded(embedded, text, None, about)
        assert out.score_logits is not None
        assert out.presence_logits is not None
        assert out.clip_presence_logits is not None
        dense = F.interpolate(out.mask_logits.float(), size, mode="area")[:, 0]
        scores = F.interpolate(out.score_logits.float(), size, mode="bilinear", align_corners=False)[:, 0]
        evidence = dense_evidence(dense, scores, out.presence_logits[:, 0], out.clip_presence_logits, masks)
        presence = torch.stack([out.presence_logits[:, 0], out.clip_presence_logits], 1).float()
    kept, truth = (slice(None) if with_masks else slice(0)), torch.zeros(len(asked), *size)
    for e, x in enumerate(asked):
        meant = [g for g, i in enumerate(loaded.ids) if i in x.thing_ids]
        if meant:
            truth[e] = things[meant].amax(0).cpu()
    return PictureFeatures(
        picture.name,
        source,
        held_out,
        {name: value.half().cpu() for name, value in vars(descriptors).items()},
        found,
        rows,
        [(x.text, list(x.thing_ids), x.origin) for x in expressions],
        evidence.half().cpu(),
        presence.half().cpu(),
        candidates.mask_logits[:found][kept].half().cpu(),
        dense[kept].half().cpu(),
        (truth[kept] * 255).round().to(torch.uint8),
    )


@torch.no_grad()
def clip_features(
    model: VLPRVOS, sample: Sample, name: str, source: int, *, autocast: Callable[[], AbstractContextManager[Any]]
) -> PictureFeatures:
    """Compute what the choice sees in a clip. Its candidates are the things that were followed through the frames.

    Expressions take the place of things: a candidate is what an expression means if it covers most of it, or is a part
    of it of some size.

    Args:
        model: the whole model, in evaluation mode.
        sample: one clip with its expressions.
        name: name of the clip.
        source: index of its source.
        autocast: context of the number format of the networks.
    """
    path, device = path_of(model), path_of(model).class_names.device
    with autocast():
        embedded = model.embed(sample.frames.to(device)[None].float() / 255)
        assert embedded.things is not None
        things, embedded.things = embedded.things[0], None
        text = model.encode_text(model.backbone.tokenize(sample.expressions).to(device))
        about = torch.zeros(len(sample.expressions), dtype=torch.int64, device=device)
        out = model.predict_embedded(embedded, text, None, about)
    assert out.score_logits is not None
    assert out.presence_logits is not None
    assert out.clip_presence_logits is not None
    tracks = follow(things, path.count)
    dense = F.avg_pool2d(out.mask_logits.float(), MASK_STRIDE)
    presence, clip_presence = out.presence_logits.float(), out.clip_presence_logits.float()
    evidence = mean_evidence(tracks, dense, out.score_logits, presence, clip_presence)
    own = (tracks.mask_logits > 0).float().transpose(0, 1).cpu()
    truth = (F.interpolate(sample.masks.float(), own.shape[-2:], mode="area") > 0.5).float()
    rows: dict[str, list[tuple[int, float]]] = {}
    said = []
    for e, expression in enumerate(sample.expressions):
        known = slice(None) if sample.supervised is None else sample.supervised[e]
        inside, wanted = own[:, known].flatten(1), truth[e, known].flatten()
        both = inside @ wanted
        fits = both / (inside.sum(1) + wanted.sum() - both).clamp(min=1) >= MATCH
        part = (both >= PART_INSIDE * inside.sum(1).clamp(min=1)) & (both >= PART_COVERED * wanted.sum().clamp(min=1))
        if of_thing := (fits | part).nonzero()[:, 0].tolist():
            rows[expression] = [(k, 1.0) for k in of_thing]
        said.append((expression, [expression] if sample.masks[e].any() else [], sample.kinds[e]))
    return PictureFeatures(
        name,
        source,
        False,
        {key: value.half().cpu() for key, value in vars(tracks.descriptors).items()},
        own.shape[0],
        rows,
        said,
        evidence.half().cpu(),
        torch.stack([presence.amax(1), clip_presence], 1).half().cpu(),
        torch.zeros(0, *own.shape[-2:], dtype=torch.float16),
        torch.zeros(0, *own.shape[-2:], dtype=torch.float16),
        torch.zeros(0, *own.shape[-2:], dtype=torch.uint8),
    )


def matching(overlaps: Tensor) -> Tensor:
    """Which candidates are taken for which thing: those that fit it well, or else the one that fits it best.

    A candidate that fits a thing roughly must fit no other one better.

    Args:
        overlaps: (G, K) intersection over union of each thing with each candidate.

    Returns:
        (G, K) bool.
    """
    well = overlaps >= MATCH
    if not overlaps.numel():
        return well
    best_of_thing = overlaps >= overlaps.amax(1, keepdim=True)
    best_of_candidate = overlaps >= overlaps.amax(0, keepdim=True)
    roughly = (overlaps >= ROUGH_MATCH) & best_of_thing & best_of_candidate
    return well | roughly & ~well.any(1, keepdim=True)


def _different(expressions: Sequence[PictureExpression]) -> list[PictureExpression]:
    """The expressions, each text once."""
    return list({x.text: x for x in reversed(expressions)}.values())[::-1]


def _shrink(picture: LoadedPicture, size: torch.Size) -> Tensor:
    """(G, h, w): how much of each position is part of each thing."""
    masks = torch.from_numpy(picture.masks).float()
    if not len(masks):
        return torch.zeros(0, *size)
    return F.interpolate(masks[None], size, mode="area")[0]


@torch.no_grad()
def encode_phrases(model: VLPRVOS, texts: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
    """Phrases as the frozen text tower sees them: text -> words (S, d_t) and sentence (d_s), in half precision."""
    device = path_of(model).class_names.device
    order = sorted(set(texts), key=lambda text: (len(text), text))
    encoded: dict[str, tuple[Tensor, Tensor]] = {}
    for start in range(0, len(order), PHRASES_AT_ONCE):
        part = order[start : start + PHRASES_AT_ONCE]
        batch = model.backbone.tokenize(part).to(device)
        words = model.backbone.encode_words(batch)
        sentences = model.backbone.project_text(model.backbone.pool_text(words, batch))
        for k, text in enumerate(part):
            encoded[text] = words[k][batch.mask[k]].half().cpu(), sentences[k].half().cpu()
    return encoded
