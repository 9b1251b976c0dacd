from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from training_runs import CONFIG, Squares

from vlp_rvos.models.vlp_rvos import ClipOutput
from vlp_rvos.training.distributed import make_fabric
from vlp_rvos.training.validation import HeldOutValidation, expression_means, frame_iou


class BrightPixels:
    """In place of a model: every expression's mask is what is white, and every target is said to be present."""

    def __init__(self) -> None:
        self.backbone = self
        self.training = True
        self.histories: list[Tensor | None] = []

    def eval(self) -> None:
        self.training = False

    def train(self) -> None:
        self.training = True

    def tokenize(self, expressions: list[str]) -> Tensor:
        return torch.zeros(len(expressions))

    def __call__(self, frames: Tensor, text: Tensor, history: Tensor | None, video_of: Tensor) -> ClipOutput:
        assert not self.training
        self.histories.append(history)
        white = (frames.mean(2) > 0.9)[video_of]
        present = torch.ones(white.shape[:2])
        return ClipOutput(
            torch.where(white, 1.0, -1.0),
            torch.full((len(text), 2, 4), float(len(self.histories))),
            presence_logits=present,
        )


def measured(mixture: Any, samples: int) -> tuple[dict[str, float], BrightPixels]:
    model = BrightPixels()
    found = HeldOutValidation(mixture, samples, clips=2).measure(model, make_fabric(CONFIG, "cpu"))
    assert model.training
    return found, model


def test_scores_of_each_kind_and_of_presence() -> None:
    """Samples 0 and 1 have three expressions over two clips each; the last one refers to nothing."""
    found, model = measured(Squares(CONFIG.data), 2)
    assert found == {
        "iou": pytest.approx(2 / 3),
        "iou_absent": 0.0,
        "iou_present": 1.0,
        "iou_there": 1.0,
        "presence_accuracy": pytest.approx(2 / 3),
    }
    assert [None if history is None else history[0, 0, 0].item() for history in model.histories] == [None, 1, None, 3]


def test_means_are_over_supervised_frames() -> None:
    values = torch.tensor([[0.0, 1.0], [0.25, 0.75], [0.5, 0.5]])
    assert expression_means(values, None) == {0: 0.5, 1: 0.5, 2: 0.5}
    supervised = torch.tensor([[True, False], [False, True], [False, False]])
    assert expression_means(values, supervised) == {0: 0.0, 1: 0.75}


def test_frame_iou() -> None:
    masks = torch.zeros(3, 2, 2, dtype=torch.bool)
    masks[0, 0] = True
    masks[1, 0, 0] = True
    predicted = torch.zeros(3, 2, 2, dtype=torch.bool)
    predicted[0, :, 0] = True
    assert frame_iou(predicted, masks).tolist() == pytest.approx([1 / 3, 0, 1])
