"""Which model a command of `vlp-rvos evaluate` runs, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from vlp_rvos.evaluation.prediction import Predictor
    from vlp_rvos.runtimes.names import Precision, RuntimeName

__all__ = ["ModelChoice"]


@dataclass(frozen=True)
class ModelChoice:
    """A model and how it runs.

    Attributes:
        model: name of a shipped model, a checkpoint file, or a folder that `vlp-rvos export` wrote.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        size: of the network's input in pixels; None for the model's own.
        precision, runtime: see `vlp_rvos.inference.loading.load_runtime`.
        overrides: settings of the model to change, as `key=value`, for example `attention=frame`.
    """

    model: str = "mini"
    device: str = "auto"
    size: int | None = None
    precision: str = "auto"
    runtime: str = "auto"
    overrides: Sequence[str] = ()

    def load(self) -> Predictor:
        """Load it.

        Raises:
            UserError: an unknown model or setting, or something that is not there.
        """
        from vlp_rvos.utils.overrides import parse_overrides

        settings = parse_overrides(self.overrides)
        # Torch takes a second to import: a mistake in the settings is reported before.
        from vlp_rvos.inference.segmenter import Segmenter

        return Segmenter.from_pretrained(
            self.model,
            device=self.device,
            precision=cast("Precision", self.precision),
            size=self.size,
            overrides=settings,
            runtime=cast("RuntimeName", self.runtime),
        ).segment
