"""The whole model: the frames of a clip and expressions in, masks out.

`docs/method.md`. Shapes: V videos, B expressions, T frames, T' frames of the previous clip, (H, W) input size in
pixels, (h, w) patch grid, C channels of a feature map, d width of the trained modules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.backbone import Backbone
from vlp_rvos.models.backbones.expression_tokenizer import TextBatch
from vlp_rvos.models.candidate_path import CandidatePath, Chosen, Identities
from vlp_rvos.models.encoder import EmbeddedFrames, EncodedFrames, PlainText, ReferenceGuidedEncoder, TextFeatures
from vlp_rvos.models.fusion import VLFF
from vlp_rvos.models.heads import MaskHead, PresenceHead
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.motion import MotionFeatures
from vlp_rvos.models.pooling import masked_mean
from vlp_rvos.models.reasoning import SpatialTemporalReasoning
from vlp_rvos.models.videos import for_expressions

__all__ = ["VLPRVOS", "ClipOutput", "TextFeatures"]

#: frozen parameters, which belong to no checkpoint
FROZEN_PREFIXES = ("backbone.", "candidate_path.detector.")
#: parameters of the backbone that `tune_backbone` trains: the layers of both towers, not the embeddings before them
TUNED_PREFIXES = ("backbone.vision_blocks.", "backbone.text_blocks.")


@dataclass
class ClipOutput:
    """Predictions for one clip. All logits are float32.

    Attributes:
        mask_logits: (B, T, H, W) mask logits at the input size.
        history: (B, T, d) features to pass as `history` with the next clip. They carry gradients; training detaches
            them.
        score_logits: (B, T, h, w) logits of the text-pixel score map; None where the config has no score map.
        presence_logits: (B, T) logits that the target is in the frame; None where the config has no presence head.
        clip_presence_logits: (B,) logits that the target is in the clip; None where the config has no presence head.
        correspondence_features: (V, T, h, w, C) frozen features that find a patch again in other frames.
        identities: for each video, what is remembered of its things, to pass as `identities` with the next clip; None
            where the model has no candidate path.
        things: for each video, the things of the clip and their scores; None where the model has no candidate path.
    """

    mask_logits: Tensor
    history: Tensor
    score_logits: Tensor | None = None
    presence_logits: Tensor | None = None
    clip_presence_logits: Tensor | None = None
    correspondence_features: Tensor | None = None
    identities: list[Identities] | None = None
    things: list[Chosen] | None = None


class VLPRVOS(nn.Module):
    """Referring video object segmentation on a frozen vision-language backbone (arXiv 2405.10610).

    Everything but the backbone and the detector of the candidate path is trained; with `config.tune_backbone` the
    layers of the backbone's towers are trained too.

    Args:
        backbone: frozen backbone, which becomes part of the model.
        config: sizes and switches.

    Raises:
        UserError: the config does not fit the backbone.
    """

    def __init__(self, backbone: Backbone, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.encoder = ReferenceGuidedEncoder(config, backbone)
        moves = config.motion and config.temporal_prompts > 0
        self.motion = MotionFeatures(config.width) if moves else None
        self.fusion = VLFF(config, backbone)
        self.reasoning = SpatialTemporalReasoning(config, backbone.vision_width)
        self.mask_head = MaskHead(config, backbone)
        self.presence_head = PresenceHead(config, backbone.text_width) if config.presence else None
        self.candidate_path = CandidatePath(config, backbone) if config.candidates else None
        for parameter in self.trained_parameters():
            parameter.requires_grad_(True)

    def encode_text(self, text: TextBatch) -> TextFeatures:
        """Encode expressions once; the result goes to `forward` with every clip of a video."""
        features = self.encoder.encode_text(self.backbone, text)
        if self.candidate_path is not None:
            words = self.backbone.encode_words(text)
            sentence = self.backbone.project_text(self.backbone.pool_text(words, text))
            features.plain = PlainText(words, text.mask, sentence)
        return features

    def forward(
        self,
        frames: Tensor,
        text: TextBatch | TextFeatures,
        history: Tensor | None = None,
        video_of: Tensor | None = None,
        identities: list[Identities] | None = None,
    ) -> ClipOutput:
        """Segment one clip.

        Args:
            frames: (V, T, 3, H, W) RGB in [0, 1]; H and W are multiples of `backbone.size_multiple`, T is at least 1.
            text: the B expressions, or their features from `encode_text`.
            history: (B, T', d) `ClipOutput.history` of the previous clip; None for the first clip of a video.
            video_of: (B,) int64 index of the video that each expression is about. None: all expressions are about the
                only video, or with several videos there is one expression for each, in order.
            identities: `ClipOutput.identities` of the previous clip; None for the first clip of a video.

        Raises:
            ValueError: the shapes do not fit together, or the backbone.
        """
        if isinstance(text, TextBatch):
            text = self.encode_text(text)
        video_of = _check_shapes(frames, len(text), history, video_of, self.config.width)
        if identities is not None and len(identities) != len(frames):
            raise ValueError(f"identities of {len(identities)} videos for {len(frames)} videos")
        return self.predict(frames, text, history, video_of, identities)

    def predict(
        self,
        frames: Tensor,
        text: TextFeatures,
        history: Tensor | None,
        video_of: Tensor | None,
        identities: list[Identities] | None = None,
    ) -> ClipOutput:
        """`forward` without its checks, for export. With `video_of` None, expression b is about video b."""
        return self.predict_embedded(self.embed(frames), text, history, video_of, identities)

    def embed(self, frames: Tensor, proposed: Sequence[int] | None = None) -> EmbeddedFrames:
        """The first part of `predict`. It needs no words and treats each frame by itself, so it can be done ahead.

        Candidates are proposed here, so that any number of expressions shares them.

        Args:
            frames: (V, T, 3, H, W) RGB in [0, 1], as in `forward`.
            proposed: for each of the T frames, how many candidates are proposed in it at most, 0 for none; None for
                `ModelConfig.candidates` in all. The first frame of a clip needs some.
        """
        embedded = self.encoder.embed(self.backbone, self.backbone.normalize(frames))
        if self.candidate_path is not None:
            assert embedded.named is not None
            embedded.things = self.candidate_path.propose(frames, embedded.pyramid, embedded.named, proposed)
            embedded.surroundings = self.candidate_path.surroundings(frames, embedded.pyramid)
        return embedded

    def describe_drawn(self, frame: Tensor, masks: Tensor) -> Tensor:
        """What drawn masks look like, as candidates are compared.

        Args:
            frame: (1, 1, 3, H, W) RGB in [0, 1], as in `forward`.
            masks: (K, H/4, W/4) bool.

        Returns:
            (K, C) of length 1.
        """
        assert self.candidate_path is not None
        embedded = self.encoder.embed(self.backbone, self.backbone.normalize(frame))
        assert embedded.named is not None
        return self.candidate_path.describe_drawn(frame, embedded.pyramid, embedded.named, masks)

    def predict_embedded(
        self,
        embedded: EmbeddedFrames,
        text: TextFeatures,
        history: Tensor | None,
        video_of: Tensor | None,
        identities: list[Identities] | None = None,
    ) -> ClipOutput:
        """The second part of `predict`, from embedded frames."""
        encoded = self.encoder(self.backbone, embedded, text, history, video_of)
        out = self.predict_dense(embedded, encoded, text, video_of)
        if self.candidate_path is not None and embedded.things is not None:
            out = self.choose(out, embedded, text, video_of, identities)
        return out

    def predict_dense(
        self, embedded: EmbeddedFrames, encoded: EncodedFrames, text: TextFeatures, video_of: Tensor | None
    ) -> ClipOutput:
        """What the published method says of a clip, before any candidate is looked at."""
        grid, batch, length = embedded.grid, text.sentence.shape[0], embedded.tokens.shape[1]
        motion = self.motion_features(embedded, video_of)
        features, words, score = self.fusion(self.backbone, encoded.patches, grid, text, motion)
        features = self.reasoning(features, grid, encoded.shallow, words, text.mask)
        mask_logits = self.mask_head(features, grid, embedded.pyramid, video_of, embedded.size).float()

        coarse = F.interpolate(mask_logits, size=grid, mode="area").flatten(2)
        out = ClipOutput(
            mask_logits,
            masked_mean(features, coarse),
            correspondence_features=embedded.correspondence_features.unflatten(2, grid),
        )
        if score is not None:
            out.score_logits = score.view(batch, length, *grid)
        if self.presence_head is not None:
            frame_logits, clip_logits = self.presence_head(features, coarse, score, text.sentence)
            out.presence_logits, out.clip_presence_logits = frame_logits.float(), clip_logits.float()
        return out

    def motion_features(self, embedded: EmbeddedFrames, video_of: Tensor | None) -> Tensor | None:
        """(B, T, N, d) features of how the patches move, for the fusion; None where the config has no motion."""
        if self.motion is None:
            return None
        motion: Tensor = self.motion(embedded.correspondence_features, embedded.grid)
        return for_expressions(motion, video_of)

    def choose(
        self,
        dense: ClipOutput,
        embedded: EmbeddedFrames,
        text: TextFeatures,
        video_of: Tensor | None,
        identities: list[Identities] | None,
        word_weights: list[list[Tensor]] | None = None,
    ) -> ClipOutput:
        """Let the candidates of each video correct what the dense head said of it.

        Args:
            dense: result of `predict_dense`, which stays as it is.
            embedded: the frames, with candidates.
            text: the words.
            video_of: as for `forward`.
            identities: as for `forward`.
            word_weights: gets a list for each video, with what `Choice.forward` puts into it; None asks for nothing.
        """
        assert self.candidate_path is not None
        assert embedded.things is not None
        assert text.plain is not None
        assert dense.score_logits is not None
        assert dense.presence_logits is not None
        assert dense.clip_presence_logits is not None
        # The dense head's own outputs stay, because gradients are computed from them.
        masks, presence, clip_presence = dense.mask_logits, dense.presence_logits, dense.clip_presence_logits
        out = replace(dense, mask_logits=masks.clone(), identities=[], things=[])
        out.presence_logits, out.clip_presence_logits = presence.clone(), clip_presence.clone()
        assert out.identities is not None
        assert out.things is not None
        for video, frames in enumerate(embedded.things):
            if len(embedded.things) == 1:
                rows: slice | Tensor = slice(None)
            else:
                rows = slice(video, video + 1) if video_of is None else (video_of == video).nonzero()[:, 0]
            weights: list[Tensor] | None = None
            if word_weights is not None:
                word_weights.append(weights := [])
            chosen = self.candidate_path.choose(
                frames,
                text.plain.select(rows),
                masks[rows],
                dense.score_logits[rows],
                presence[rows],
                clip_presence[rows],
                None if identities is None else identities[video],
                weights,
                embedded.surroundings_of(video),
            )
            out.mask_logits[rows] = chosen.mask_logits
            out.presence_logits[rows] = chosen.presence_logits
            out.clip_presence_logits[rows] = chosen.clip_presence_logits
            out.identities.append(chosen.identities)
            out.things.append(chosen)
        return out

    # --- trained parameters ----------------------------------------------------------------------------------------
    def named_trained_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Name and parameter of everything that is trained; the optimizer and checkpoints follow this one rule."""
        tuned = TUNED_PREFIXES if self.config.tune_backbone else ()
        for name, value in self.named_parameters():
            if not name.startswith(FROZEN_PREFIXES) or name.startswith(tuned):
                yield name, value

    def trained_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters for the optimizer."""
        return (value for _, value in self.named_trained_parameters())

    def trained_state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint holds: name -> tensor, which shares memory with the model."""
        return {name: value.detach() for name, value in self.named_trained_parameters()}

    def load_trained(self, state: Mapping[str, Tensor]) -> None:
        """Copy the tensors of a `trained_state_dict` into the model.

        Raises:
            UserError: the keys or shapes are not this model's; the message names the first that differ.
        """
        self.check_trained(state)
        with torch.no_grad():
            for name, value in self.trained_state_dict().items():
                value.copy_(state[name])

    def check_trained(self, state: Mapping[str, Tensor]) -> None:
        """Check that tensors are those of a `trained_state_dict` of this model.

        Raises:
            UserError: the keys or shapes are not this model's; the message names the first that differ.
        """
        own = self.trained_state_dict()
        missing = [name for name in own if name not in state]
        unexpected = [name for name in state if name not in own]
        reshaped = [name for name in own if name in state and state[name].shape != own[name].shape]
        problems = [
            f"{what} {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            for what, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
            if names
        ]
        if problems:
            raise UserError(f"the weights do not fit this model ({'; '.join(problems)}): use the config they belong to")


def _check_shapes(
    frames: Tensor, expressions: int, history: Tensor | None, video_of: Tensor | None, width: int
) -> Tensor | None:
    """`video_of` with its default filled in, None where expression b is about video b; see `VLPRVOS.forward`."""
    if frames.ndim != 5 or frames.shape[2] != 3 or not frames.shape[1]:
        raise ValueError(f"frames have shape {tuple(frames.shape)}, not (V, T, 3, H, W) with T >= 1")
    if history is not None and (history.ndim != 3 or history.shape[0] != expressions or history.shape[2] != width):
        raise ValueError(f"history has shape {tuple(history.shape)}, not ({expressions}, T', {width})")
    videos = len(frames)
    if video_of is not None:
        if video_of.shape != (expressions,):
            raise ValueError(f"video_of has shape {tuple(video_of.shape)}, not ({expressions},)")
        return video_of.to(frames.device)
    if expressions == videos:
        return None
    if videos == 1:
        return torch.zeros(expressions, dtype=torch.int64, device=frames.device)
    raise ValueError(f"{expressions} expressions for {videos} videos: say with video_of which belongs to which")
