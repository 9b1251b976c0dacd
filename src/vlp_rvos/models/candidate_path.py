"""The candidate path: separate things, the choice among them, and the mask that they and the dense head agree on. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: V videos, T frames, B expressions, N things
of a clip, (H, W) pixels, (h, w) = (H/4, W/4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.agreement import Agreement
from vlp_rvos.models.backbones.backbone import Backbone
from vlp_rvos.models.backbones.nanodet import CLASS_NAMES, IMAGE_MEAN, IMAGE_STD, load_nanodet
from vlp_rvos.models.candidates import MASK_STRIDE, CandidateHead
from vlp_rvos.models.choice import Choice, dense_evidence
from vlp_rvos.models.descriptors import Descriptors, FrameMaps, FrameThings, describe, descriptor_widths
from vlp_rvos.models.encoder import PlainText
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.tracks import Tracks, follow, look_of, match, similarity

__all__ = ["CandidatePath", "Chosen", "Identities"]

#: weight of what earlier clips said of a thing, at most, relative to the current clip
MEMORY = 2.0
#: number of things that are remembered
REMEMBERED = 48


@dataclass
class Identities:
    """What earlier clips of a video said of its things.

    Attributes:
        boxes: (M, 4) last box of each thing, as shares of the frame.
        looks: (M, C) what it looks like.
        scores: (B, M) score for each expression, relative to "none".
        weights: (M,) number of clips that the scores are averages of.
    """

    boxes: Tensor
    looks: Tensor
    scores: Tensor
    weights: Tensor


@dataclass
class Chosen:
    """What the path says of the clip.

    Attributes:
        mask_logits: (B, T, H, W).
        presence_logits: (B, T) that what is meant is in the frame.
        clip_presence_logits: (B,) that it is in the clip.
        scores: (B, N) scores of the things.
        none: (B,) scores of "none".
        identities: what is remembered for the next clip.
        tracks: the things.
    """

    mask_logits: Tensor
    presence_logits: Tensor
    clip_presence_logits: Tensor
    scores: Tensor
    none: Tensor
    identities: Identities
    tracks: Tracks


class CandidatePath(nn.Module):
    """Everything of the candidate path; only the detector is frozen.

    Args:
        config: sizes and switches.
        backbone: the backbone; only its sizes are read.
    """

    def __init__(self, config: ModelConfig, backbone: Backbone) -> None:
        super().__init__()
        self.count = config.candidates
        self.detector = load_nanodet()
        widths = backbone.pyramid_widths
        hidden, classes = 128, len(CLASS_NAMES)
        inputs = {4: widths[4]} | {s: widths[s] + hidden + classes for s in (8, 16, 32)}
        self.head = CandidateHead(inputs)
        self.class_names = nn.Parameter(torch.zeros(classes, backbone.shared_width))
        self.choice = Choice(descriptor_widths(widths, hidden, classes, backbone.shared_width), backbone.text_width)
        self.agreement = Agreement()
        #: presence from: how much better things fit than "none", and the dense head's presence of clip and frame
        self.calibration = nn.Parameter(torch.tensor([1.0, 0.0, 0.0, 0.0]))

    def name_classes(self, backbone: Backbone) -> None:
        """Set the names of the detector's classes to their sentence features, before training."""
        with torch.no_grad():
            sentences = backbone.encode_text(backbone.tokenize([f"the {name}" for name in CLASS_NAMES]))
            self.class_names.copy_(F.normalize(sentences, dim=-1))

    # --- without words ---------------------------------------------------------------------------------------------
    def propose(self, frames: Tensor, pyramid: dict[int, Tensor], named: Tensor) -> list[list[FrameThings]]:
        """The candidates of every frame, and what is known of them.

        Args:
            frames: (V, T, 3, H, W) RGB in [0, 1].
            pyramid: the stem's frozen maps, stride -> (V, T, C, H/stride, W/stride), strides 4 to 32.
            named: (V, T, d_s, H/32, W/32) names of the classes that the stem sees.
        """
        videos, length = frames.shape[:2]
        flat = frames.flatten(0, 1)
        mean = torch.tensor(IMAGE_MEAN, device=flat.device).view(3, 1, 1)
        std = torch.tensor(IMAGE_STD, device=flat.device).view(3, 1, 1)
        detected = self.detector(((flat - mean) / std).contiguous(memory_format=torch.channels_last))
        stem = {stride: pyramid[stride].flatten(0, 1) for stride in (4, 8, 16, 32)}
        classes = {stride: detected.logits[stride].sigmoid() for stride in (8, 16, 32)}
        maps = {4: stem[4]} | {
            s: torch.cat([stem[s], detected.head_features[s].to(stem[s]), classes[s].to(stem[s])], 1)
            for s in (8, 16, 32)
        }
        proposals = self.head(maps, detected.distances)
        pixels = F.interpolate(flat.float(), stem[4].shape[-2:], mode="area")
        names = named.flatten(0, 1)
        found = []
        for n in range(len(flat)):
            candidates = self.head.select(proposals, n, self.count)
            frame = FrameMaps(
                pixels[n],
                {s: stem[s][n].float() for s in (8, 16, 32)},
                names[n].float(),
                {s: detected.head_features[s][n].float() for s in (8, 16, 32)},
                {s: classes[s][n].float() for s in (8, 16, 32)},
            )
            found.append((candidates, describe(frame, self.class_names, (candidates.mask_logits > 0).float())))
        return [found[v * length : (v + 1) * length] for v in range(videos)]

    # --- with words ------------------------------------------------------------------------------------------------
    def choose(
        self,
        things: Sequence[FrameThings],
        text: PlainText,
        mask_logits: Tensor,
        score_logits: Tensor,
        presence_logits: Tensor,
        clip_presence_logits: Tensor,
        identities: Identities | None = None,
    ) -> Chosen:
        """Choose for the B expressions about one video.

        Args:
            things: the candidates of the T frames of a clip.
            text: the words.
            mask_logits: (B, T, H, W) of the dense head.
            score_logits: (B, T, h', w') logits of the text-pixel score map.
            presence_logits: (B, T) of the dense head.
            clip_presence_logits: (B,) of the dense head.
            identities: what earlier clips said; None in the first clip.
        """
        tracks = follow(things, self.count)
        size = tracks.mask_logits.shape[-2:]
        dense = F.avg_pool2d(mask_logits.float(), MASK_STRIDE)
        scores_map = F.interpolate(score_logits.float(), size, mode="bilinear", align_corners=False)
        inside = (tracks.mask_logits > 0).float()
        evidence = torch.stack(
            [
                dense_evidence(dense[:, t], scores_map[:, t], presence_logits[:, t], clip_presence_logits, inside[t])
                for t in range(len(inside))
            ]
        )
        seen = tracks.seen.float()[:, None, :, None]
        evidence = (evidence * seen).sum(0) / seen.sum(0).clamp(min=1)
        batch, count = evidence.shape[:2]
        picture_of = torch.zeros(batch, dtype=torch.int64, device=evidence.device)
        candidates = tracks.descriptors.select(torch.arange(count, device=evidence.device))
        one = Descriptors(**{name: value[None] for name, value in vars(candidates).items()})
        present = torch.ones(1, count, dtype=torch.bool, device=evidence.device)
        scores, none = self.choice(one, present, text, evidence, picture_of)
        scores, identities = self._remember(tracks, scores, none, identities)
        fused = self.agreement(dense, tracks.mask_logits, scores, none)
        logits = F.interpolate(fused, mask_logits.shape[-2:], mode="bilinear", align_corners=False)
        best = scores.logsumexp(-1) - none
        scale = self.calibration
        clip = scale[0] * best + scale[1] * clip_presence_logits.float() + scale[3]
        frame = clip[:, None] + scale[2] * presence_logits.float()
        return Chosen(
            logits, frame, clip + scale[2] * presence_logits.float().amax(1), scores, none, identities, tracks
        )

    def _remember(
        self, tracks: Tracks, scores: Tensor, none: Tensor, identities: Identities | None
    ) -> tuple[Tensor, Identities]:
        """Average the scores with those of earlier clips, and note them for later ones."""
        relative = scores - none[:, None]
        boxes, looks = tracks.boxes, look_of(tracks.descriptors).cpu()
        weights = torch.ones(len(boxes))
        if identities is not None and len(identities.boxes):
            for old, new in match(similarity(identities.boxes, identities.looks, boxes, looks)):
                weight = min(float(identities.weights[old]), MEMORY)
                relative[:, new] = (relative[:, new] + weight * identities.scores[:, old]) / (1 + weight)
                weights[new] = float(identities.weights[old]) + 1
        kept = Identities(boxes, looks, relative.detach(), weights)
        return relative + none[:, None], kept
