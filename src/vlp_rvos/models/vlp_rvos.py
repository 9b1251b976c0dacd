"""The whole model: frames and words of a clip -> masks.

`docs/method.md`. Shapes: V videos, B expressions, T frames, (H, W) input size in pixels, (h, w) patch grid, d width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.backbone import Backbone, TextBatch
from vlp_rvos.models.encoder import EmbeddedFrames, ReferenceGuidedEncoder, TextFeatures
from vlp_rvos.models.fusion import VLFF
from vlp_rvos.models.heads import MaskHead, PresenceHead
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.motion import MotionFeatures
from vlp_rvos.models.prompts import masked_mean
from vlp_rvos.models.reasoning import SpatialTemporalReasoning

__all__ = ["VLPRVOS", "ClipOutput", "TextFeatures"]

#: What `tune_backbone` trains of the backbone. What comes before the first layer runs without gradients.
TUNED = ("backbone.vision_blocks.", "backbone.text_blocks.")


@dataclass
class ClipOutput:
    """Predictions for one clip. All logits are float32.

    Attributes:
        mask_logits: (B, T, H, W), at the input size.
        history: (B, T, d), for the next clip's `history`. It carries gradients; training detaches it.
        score_logits: (B, T, h, w) of the text-pixel score map, or None where the config has none.
        presence_logits: (B, T), is it in the frame; None where the config has no presence.
        clip_presence_logits: (B,), is it in the clip; None where the config has no presence.
        correspondence_features: (V, T, h, w, C) frozen features of the patches, by which each is found again in other
            frames.
    """

    mask_logits: Tensor
    history: Tensor
    score_logits: Tensor | None = None
    presence_logits: Tensor | None = None
    clip_presence_logits: Tensor | None = None
    correspondence_features: Tensor | None = None


class VLPRVOS(nn.Module):
    """Referring video object segmentation on a frozen vision-language backbone (arXiv 2405.10610).

    Everything but `backbone` is trained; with `config.tune_backbone` the layers of its towers are too.

    Args:
        backbone: frozen; where the config tunes it, the model takes its layers over.
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
        for parameter in self.trained_parameters():
            parameter.requires_grad_(True)

    def encode_text(self, text: TextBatch) -> TextFeatures:
        """Words -> features, to be given to `forward` for every clip of a video."""
        return self.encoder.encode_text(self.backbone, text)

    def forward(
        self,
        frames: Tensor,
        text: TextBatch | TextFeatures,
        history: Tensor | None = None,
        video_of: Tensor | None = None,
    ) -> ClipOutput:
        """Segment one clip.

        Args:
            frames: (V, T, 3, H, W) RGB in [0, 1]; H and W multiples of `backbone.size_multiple`; any T >= 1.
            text: B expressions, or their features from `encode_text`.
            history: (B, T', d) from the output of the previous clip, None for the first clip of a video.
            video_of: (B,) int64, which of the V videos each expression is about. Default: one expression for each
                video, in order; all of them about the only video where V is 1.

        Raises:
            ValueError: shapes that do not fit.
        """
        if isinstance(text, TextBatch):
            text = self.encode_text(text)
        video_of = _check_shapes(frames, len(text), history, video_of, self.config.width)
        return self.predict(frames, text, history, video_of)

    def predict(
        self, frames: Tensor, text: TextFeatures, history: Tensor | None, video_of: Tensor | None
    ) -> ClipOutput:
        """`forward` without its checks: what is exported. `video_of` None says one expression for each video."""
        return self.predict_embedded(self.embed(frames), text, history, video_of)

    def embed(self, frames: Tensor) -> EmbeddedFrames:
        """What `predict` does first, and can be done ahead: it needs no words, and each frame is looked at by itself.

        Args:
            frames: as in `forward`.
        """
        return self.encoder.embed(self.backbone, self.backbone.normalize(frames))

    def predict_embedded(
        self, embedded: EmbeddedFrames, text: TextFeatures, history: Tensor | None, video_of: Tensor | None
    ) -> ClipOutput:
        """The rest of `predict`."""
        encoded = self.encoder(self.backbone, embedded, text, history, video_of)
        grid, batch, length = embedded.grid, text.sentence.shape[0], embedded.tokens.shape[1]

        motion = None if self.motion is None else self.motion(embedded.correspondence_features, grid)
        if motion is not None and video_of is not None:
            motion = motion[video_of]
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

    # --- the trained part ------------------------------------------------------------------------------------------
    def named_trained_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Name and parameter of everything but the frozen backbone; the one rule that all of the below follow."""
        tuned = TUNED if self.config.tune_backbone else ()
        for name, value in self.named_parameters():
            if not name.startswith("backbone.") or name.startswith(tuned):
                yield name, value

    def trained_parameters(self) -> Iterator[nn.Parameter]:
        """Everything but the frozen backbone: what the optimizer gets."""
        return (value for _, value in self.named_trained_parameters())

    def trained_state_dict(self) -> dict[str, Tensor]:
        """Everything but the frozen backbone: what a checkpoint holds. The tensors are the model's own."""
        return {name: value.detach() for name, value in self.named_trained_parameters()}

    def load_trained(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `trained_state_dict` gave.

        Raises:
            UserError: the keys or shapes are not this model's; names the first that differ.
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
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(state[name])


def _check_shapes(
    frames: Tensor, expressions: int, history: Tensor | None, video_of: Tensor | None, width: int
) -> Tensor | None:
    """The video of each expression, None where it is the identity; raises ValueError where shapes do not fit."""
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
