"""The candidate path: separate things, the choice of one or several of them, and the mask that is joined of these. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: V videos, T frames, B expressions, N things
of a clip, (H, W) pixels, (h, w) = (H/4, W/4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.agreement import Agreement, Members, confidence_of
from vlp_rvos.models.backbones.backbone import Backbone, normalize_channels
from vlp_rvos.models.backbones.nanodet import CLASS_NAMES, IMAGE_MEAN, IMAGE_STD, WIDTH, NanoDetMaps, load_nanodet
from vlp_rvos.models.candidates import MASK_STRIDE, STRIDES, CandidateHead
from vlp_rvos.models.choice import OVERLAP, Choice, dense_evidence
from vlp_rvos.models.descriptors import FrameMaps, FrameThings, describe, descriptor_widths
from vlp_rvos.models.encoder import PlainText
from vlp_rvos.models.maps import halve, join_channels
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.number import COUNTS, Number, more_than
from vlp_rvos.models.refinement import REFINED_STRIDES, Refinement, Surroundings
from vlp_rvos.models.tracks import RELATIVE_WAY, Sightings, Tracks, follow, look_of, match

__all__ = ["CandidatePath", "Chosen", "FrozenMaps", "Identities", "dense_votes", "mean_evidence", "upgraded"]

#: Largest weight of what earlier clips said of a thing, relative to the weight 1 of the current clip.
MEMORY = 2.0
#: What the dense head adds to the score of a thing that it marks exactly, where things move. It sees motion better than
#: the choice, which has learned most from pictures: of pairs that differ in motion alone, its masks find 99 % and the
#: choice without this 85 %. In pictures it would harm: among things that are alike, the dense head marks all.
DENSE_VOTE = 13.0
#: How much of an expression's meaning a thing must be, in [0, 1], for its mask to be redrawn.
LEAST_PART = 0.3
#: Number of things, of those that an expression means most, whose masks are redrawn at most.
MOST_REDRAWN = 8
#: Logit of a number that a model does not know.
NEVER = -100.0
#: How far a thing must move relative to the others, in units of `Descriptors.motion`, for all of `DENSE_VOTE`, and how
#: sure it must be that it is one: unsure candidates jump about in every video.
FULL_MOVEMENT, SURE = 0.25, 0.3


@dataclass(frozen=True)
class Identities(Sightings):
    """What the clips of a video so far said of the M things of the last one, for the next clip. No gradients.

    Attributes not listed here are those of `Sightings`; the boxes are those of the last frame that shows each thing.

    Attributes:
        scores: (B, M) score for each expression, relative to "none".
        weights: (M,) number of clips that the scores are averages of.
    """

    scores: Tensor
    weights: Tensor


@dataclass
class Chosen:
    """What the path says of a clip.

    Attributes:
        mask_logits: (B, T, H, W), float32.
        presence_logits: (B, T) that what is meant is in the frame.
        clip_presence_logits: (B,) that it is in the clip.
        scores: (B, N) scores of the things, with the dense head's votes.
        none: (B,) scores of "none".
        members: which things are meant, and how much.
        identities: what is remembered for the next clip.
        tracks: the things.
    """

    mask_logits: Tensor
    presence_logits: Tensor
    clip_presence_logits: Tensor
    scores: Tensor
    none: Tensor
    members: Members
    identities: Identities
    tracks: Tracks

    def smallest_share(self) -> Tensor:
        """(B,) area of the smallest thing that is meant relative to the largest one, in [0, 1]."""
        return self.members.smallest_share(self.tracks.mask_logits)


@dataclass
class FrozenMaps:
    """What the frozen networks see in N frames.

    Attributes:
        maps: stride -> (N, C, H/stride, W/stride) inputs of the head, strides 4 to 32.
        distances: stride -> (N, 4, H/stride, W/stride) sides of the detector's boxes, see `NanoDetMaps`.
        pixels: (N, 3, H/4, W/4) RGB in [0, 1].
        stem: stride -> maps of the image stem.
        named: (N, d_s, H/32, W/32) names of the classes that the stem sees.
        hidden: stride -> maps of the detector.
        classes: stride -> (N, 80, H/stride, W/stride) probabilities of the detector's classes.
    """

    maps: dict[int, Tensor]
    distances: dict[int, Tensor]
    pixels: Tensor
    stem: dict[int, Tensor]
    named: Tensor
    hidden: dict[int, Tensor]
    classes: dict[int, Tensor]

    def frame(self, n: int) -> FrameMaps:
        """What candidates of one frame are described by."""
        stem, hidden, classes = (
            {stride: maps[stride][n].float() for stride in STRIDES} for maps in (self.stem, self.hidden, self.classes)
        )
        return FrameMaps(self.pixels[n], stem, self.named[n].float(), hidden, classes)


class CandidatePath(nn.Module):
    """Everything of the candidate path; only the detector is frozen.

    `propose` needs no words and treats each frame by itself; `choose` does the rest.

    Args:
        config: sizes and switches.
        backbone: the backbone; only its sizes are read.

    Raises:
        UserError: the backbone gives no class names, or lacks a map.
    """

    def __init__(self, config: ModelConfig, backbone: Backbone) -> None:
        super().__init__()
        needed = (MASK_STRIDE, *STRIDES)
        if not backbone.names_classes or any(stride not in backbone.pyramid_widths for stride in needed):
            raise UserError(
                f"model config: candidates {config.candidates} do not fit {backbone.name}: it has no frozen maps of "
                f"strides {', '.join(map(str, needed))} with named classes; set candidates to 0"
            )
        assert backbone.size_multiple % STRIDES[-1] == 0
        # Words are compared with class names as they leave the text tower.
        assert backbone.text_width == backbone.shared_width
        self.count = config.candidates
        self.detector = load_nanodet()
        widths, classes = backbone.pyramid_widths, len(CLASS_NAMES)
        self.head = CandidateHead(
            {MASK_STRIDE: widths[MASK_STRIDE]} | {s: widths[s] + WIDTH + classes for s in STRIDES}
        )
        self.class_names = nn.Parameter(torch.zeros(classes, backbone.shared_width))
        self.choice = Choice(descriptor_widths(widths, WIDTH, classes, backbone.shared_width), backbone.text_width)
        self.agreement = Agreement()
        self.refinement = Refinement(widths) if config.refinement else None
        #: presence from: how much better things fit than "none", presence of the clip and of the frame as the dense
        #: head sees it, and a constant
        self.calibration = nn.Parameter(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        #: how many things are meant
        self.number = Number(backbone.text_width)

    def name_classes(self, backbone: Backbone) -> None:
        """Set the names of the detector's classes to their sentence features, before training."""
        with torch.no_grad():
            sentences = backbone.encode_text(backbone.tokenize([f"the {name}" for name in CLASS_NAMES]))
            self.class_names.copy_(F.normalize(sentences, dim=-1))

    # --- without words ---------------------------------------------------------------------------------------------
    def propose(
        self, frames: Tensor, pyramid: Mapping[int, Tensor], named: Tensor, wanted: Sequence[int] | None = None
    ) -> list[list[FrameThings | None]]:
        """The candidates of every frame, and what is known of them.

        Args:
            frames: (V, T, 3, H, W) RGB in [0, 1].
            pyramid: the stem's frozen maps, stride -> (V, T, C, H/stride, W/stride), strides 4 to 32.
            named: (V, T, d_s, H/32, W/32) names of the classes that the stem sees.
            wanted: for each of the T frames, how many candidates are proposed in it at most; None for `count` in all.

        Returns:
            For each video a list of T frames, with None for those in which nothing is proposed.
        """
        videos, length = frames.shape[:2]
        wanted = [self.count] * length if wanted is None else wanted
        if not all(wanted):
            chosen = [t for t, number in enumerate(wanted) if number]
            if not chosen:
                return [[None] * length for _ in frames]
            levels = {stride: level[:, chosen] for stride, level in pyramid.items()}
            found_there = self.propose(frames[:, chosen], levels, named[:, chosen], [wanted[t] for t in chosen])
            return [[things[chosen.index(t)] if t in chosen else None for t in range(length)] for things in found_there]
        seen = self.read(frames, pyramid, named)
        proposals = self.head(seen.maps, seen.distances, all_weights=False)
        found: list[FrameThings | None] = []
        # Counts of pixels and means of colours need all digits.
        with _without_autocast(frames.device):
            for n in range(videos * length):
                candidates = self.head.select(proposals, n, wanted[n % length])
                found.append((candidates, describe(seen.frame(n), self.class_names, candidates.mask_logits > 0)))
        return [found[video * length : (video + 1) * length] for video in range(videos)]

    def surroundings(self, frames: Tensor, pyramid: Mapping[int, Tensor]) -> Surroundings | None:
        """What masks are redrawn from, each level (V, T, C, h, w); None where none are. Arguments as for `propose`."""
        if self.refinement is None:
            return None
        levels = {stride: pyramid[stride].flatten(0, 1) for stride in REFINED_STRIDES}
        read: Surroundings = self.refinement.read(frames.flatten(0, 1), levels)
        return tuple(level.unflatten(0, frames.shape[:2]) for level in read)

    def redraw(self, logits: Tensor, surroundings: Surroundings | None) -> Tensor:
        """Redraw masks (T, N, h, w) of N things in the `surroundings` of T frames; None leaves them as they are."""
        if self.refinement is None or surroundings is None:
            return logits
        redrawn: Tensor = self.refinement(surroundings, logits)
        return redrawn

    def _redraw_chosen(self, masks: Tensor, members: Tensor, surroundings: Surroundings | None) -> Iterator[Tensor]:
        """Redraw those of the masks (T, N, h, w) that an expression means, by how much they belong to it (B, N).

        A thing that several expressions mean is redrawn once.

        Yields:
            For each of the B expressions its masks (T, N, h, w): what one means changes nothing for the others.
        """
        if self.refinement is None or surroundings is None:
            yield from [masks] * len(members)
            return
        likeliest = members.topk(min(MOST_REDRAWN, members.shape[1])).indices
        is_meant = torch.zeros_like(members, dtype=torch.bool).scatter(1, likeliest, True) & (members > LEAST_PART)
        # Where costs are counted without values, each expression means another thing.
        rows = torch.arange(min(members.shape)) if members.is_meta else is_meant.any(0).nonzero()[:, 0]
        rough, places = masks[:, rows], rows.to(masks.device)
        redrawn = self.redraw(rough, surroundings)
        for meant in is_meant[:, rows, None, None]:
            yield masks.index_copy(1, places, torch.where(meant, redrawn, rough))

    def describe_drawn(self, frame: Tensor, pyramid: Mapping[int, Tensor], named: Tensor, masks: Tensor) -> Tensor:
        """The looks (K, C) of drawn masks (K, H/4, W/4) of one frame (1, 1, 3, H, W); the rest as for `propose`."""
        seen = self.read(frame, pyramid, named)
        with _without_autocast(frame.device):
            return look_of(describe(seen.frame(0), self.class_names, masks))

    def read(self, frames: Tensor, pyramid: Mapping[int, Tensor], named: Tensor) -> FrozenMaps:
        """Run the detector beside the stem; the arguments are those of `propose`."""
        pictures = frames.flatten(0, 1)
        detected = self.detect(pictures)
        stem = {stride: pyramid[stride].flatten(0, 1) for stride in (MASK_STRIDE, *STRIDES)}
        classes = {stride: detected.logits[stride].sigmoid() for stride in STRIDES}
        maps = {MASK_STRIDE: stem[MASK_STRIDE]}
        for stride in STRIDES:
            maps[stride] = join_channels(stem[stride], detected.head_features[stride], classes[stride])
        pixels = halve(halve(pictures.float()))
        return FrozenMaps(maps, detected.distances, pixels, stem, named.flatten(0, 1), detected.head_features, classes)

    def detect(self, pictures: Tensor) -> NanoDetMaps:
        """Run the detector on pictures (N, 3, H, W) in [0, 1]."""
        images = normalize_channels(pictures, IMAGE_MEAN, IMAGE_STD)
        detected: NanoDetMaps = self.detector(images.contiguous(memory_format=torch.channels_last))
        return detected

    # --- with words ------------------------------------------------------------------------------------------------
    def choose(
        self,
        things: Sequence[FrameThings | None],
        text: PlainText,
        mask_logits: Tensor,
        score_logits: Tensor,
        presence_logits: Tensor,
        clip_presence_logits: Tensor,
        identities: Identities | None = None,
        word_weights: list[Tensor] | None = None,
        surroundings: Surroundings | None = None,
    ) -> Chosen:
        """Choose for the B expressions about one video.

        Args:
            things: the candidates of the T frames of a clip; None in frames that have none of their own.
            text: the words.
            mask_logits: (B, T, H, W) of the dense head.
            score_logits: (B, T, h', w') logits of the text-pixel score map.
            presence_logits: (B, T) of the dense head.
            clip_presence_logits: (B,) of the dense head.
            identities: what earlier clips said; None in the first clip.
            word_weights: see `Choice.forward`.
            surroundings: what the masks of chosen things are redrawn from, of the T frames; None redraws none.
        """
        presence_logits, clip_presence_logits = presence_logits.float(), clip_presence_logits.float()
        dense = F.avg_pool2d(mask_logits.float(), MASK_STRIDE)
        # Similarities and counts of pixels need all digits.
        with _without_autocast(mask_logits.device):
            # In a picture there may be more of them than `count`.
            most = max(len(frame[0].positions) for frame in things if frame is not None)
            tracks = follow(things, max(self.count, most))
            evidence = mean_evidence(tracks, dense, score_logits, presence_logits, clip_presence_logits)
        present = tracks.seen.new_ones(1, tracks.seen.shape[1])
        picture_of = torch.zeros(len(evidence), dtype=torch.int64, device=evidence.device)
        scores, none = self.choice(tracks.descriptors.as_batch(), present, text, evidence, picture_of, word_weights)
        with _without_autocast(mask_logits.device):
            scores, identities = _remember(tracks, scores, none, identities)
        of_scores, of_clip, of_frame, constant = self.calibration.unbind()
        clip = of_scores * (scores.logsumexp(-1) - none) + of_clip * clip_presence_logits + constant
        # Whether anything is meant was calibrated without the votes.
        scores = scores + dense_votes(tracks.descriptors.motion, tracks.objectness, evidence)
        more = more_than(self.number(text))
        with _without_autocast(mask_logits.device):
            members = self.agreement.members(scores, more, tracks.mask_logits, tracks.seen)
        masks = self._redraw_chosen(tracks.mask_logits, members.part, surroundings)
        fused = self.agreement(dense, masks, members.part, confidence_of(scores, none))
        return Chosen(
            F.interpolate(fused, mask_logits.shape[-2:], mode="bilinear", align_corners=False),
            clip[:, None] + of_frame * presence_logits,
            clip + of_frame * presence_logits.amax(1),
            scores,
            none,
            members,
            identities,
            tracks,
        )


def upgraded(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The trained tensors of a model, by name, from a file of before `Number`, or before it knew numbers above one.

    Before `Number`, one slope and one offset of `Agreement` served all expressions; both numbers get them. Where it
    only told one from several, several are two. Other files stay as they are.
    """
    agreement, number = "candidate_path.agreement.", "candidate_path.number."
    shared, word_norm = {f"{agreement}slope", f"{agreement}offset"}, "candidate_path.choice.word.0.weight"
    if not state.keys() >= {*shared, word_norm}:
        return state
    if all(state[name].ndim == 0 for name in shared):
        untrained = Number(state[word_norm].numel()).state_dict()
        doubled = {name: state[name].repeat(2) for name in shared}
        return {**state, **doubled, **{f"{number}{name}": value for name, value in untrained.items()}}
    weight, bias = (state.get(f"{number}value.{name}") for name in ("weight", "bias"))
    if weight is None or bias is None or (weight.ndim, *weight.shape[:1], *bias.shape) != (2, 1, 1):
        return state
    # The logit of one is 0, and that of two is what the logit of several was.
    values = {"weight": F.pad(weight, (0, 0, 1, COUNTS - 2)), "bias": F.pad(bias, (1, COUNTS - 2), value=NEVER)}
    values["bias"][0] = 0
    return {**state, **{f"{number}value.{name}": value for name, value in values.items()}}


def _without_autocast(device: torch.device) -> AbstractContextManager[object]:
    # The meta device, on which costs are counted, knows no autocast.
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


def mean_evidence(
    tracks: Tracks, dense: Tensor, score_logits: Tensor, presence_logits: Tensor, clip_presence_logits: Tensor
) -> Tensor:
    """Mean of `dense_evidence` over the frames that show each thing, (B, N, EVIDENCE); arguments as for `choose`."""
    scores = F.interpolate(score_logits.float(), dense.shape[-2:], mode="bilinear", align_corners=False)
    inside = (tracks.mask_logits > 0).float()
    of_frames = torch.stack(
        [
            dense_evidence(dense[:, t], scores[:, t], presence_logits[:, t], clip_presence_logits, inside[t])
            for t in range(len(inside))
        ]
    )
    seen = tracks.seen.float()[:, None, :, None]
    return (of_frames * seen).sum(0) / seen.sum(0).clamp(min=1)


def dense_votes(motion: Tensor, objectness: Tensor, evidence: Tensor) -> Tensor:
    """What the dense head adds to the scores of things, the more the more they move relative to each other.

    Args:
        motion: (N, MOTION) how they move, see `tracks.follow`.
        objectness: (N,) probabilities of being things.
        evidence: (B, N, EVIDENCE) what the dense head says of them.

    Returns:
        (B, N), from 0 to `DENSE_VOTE`; 0 in a single frame.
    """
    movement = torch.where(objectness[:, None] > SURE, motion[:, RELATIVE_WAY].abs(), 0.0).amax()
    return DENSE_VOTE * (movement / FULL_MOVEMENT).clamp(max=1) * evidence[..., OVERLAP]


def _remember(tracks: Tracks, scores: Tensor, none: Tensor, earlier: Identities | None) -> tuple[Tensor, Identities]:
    """Average the scores (B, N) of things with those of earlier clips, and note them for later ones."""
    relative = scores - none[:, None]
    things = tracks.sightings()
    weights = torch.ones(len(things.looks), device=scores.device)
    if earlier is not None:
        pairs = match(earlier, things)
        old, new = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        weight = earlier.weights[old].clamp(max=MEMORY)
        averaged = (relative[:, new] + weight * earlier.scores[:, old]) / (1 + weight)
        relative = relative.index_copy(1, torch.tensor(new, dtype=torch.int64, device=relative.device), averaged)
        weights[new] = earlier.weights[old] + 1
    return relative + none[:, None], Identities(**vars(things), scores=relative.detach(), weights=weights)
