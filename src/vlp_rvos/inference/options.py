"""The options of inference, which the command line, the evaluation and the Python interface share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from vlp_rvos.errors import UserError
from vlp_rvos.runtimes.names import Precision, RuntimeName
from vlp_rvos.utils.ranges import SHARE, Range, check_ranges

if TYPE_CHECKING:
    from vlp_rvos.models.model_config import ModelConfig

__all__ = ["InferenceOptions"]


@dataclass(frozen=True, kw_only=True)
class InferenceOptions:
    """How to run a model on videos; None stands for the model's own setting.

    Attributes:
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1" or "mps". Exported models run on the CPU.
        precision: number format of the computation, see `vlp_rvos.runtimes.torch_runtime.TorchRuntime`. Exported models
            run in fp32; those for OpenVINO have bf16 too.
        runtime: "torch", "onnx" or "openvino"; "auto" lets `vlp_rvos.inference.loading.load_runtime` choose.
        size: network input size in pixels, in place of the model's `input_size` and `small_size`.
        threshold: foreground probability above which a pixel belongs to the mask, in (0, 1).
        presence_threshold: presence in [0, 1] below which the mask of a frame is left empty; 0 leaves none empty.
        min_part: share in [0, 1] of a mask's largest connected component below which a component is removed; 0 keeps
            all components.
        memory_frames: number of earlier frames whose masks are carried along, so that masks flicker less; 0 for none.
        overrides: `ModelConfig` fields in place of the model's own, for example {"history": False}.

    Raises:
        UserError: a value is out of its range.
    """

    device: str = "auto"
    precision: Precision = "auto"
    runtime: RuntimeName = "auto"
    size: Annotated[int, Range(1, 2048)] | None = None
    threshold: Annotated[float, Range(0, 1, above_low=True, below_high=True)] = 0.5
    presence_threshold: Annotated[float, SHARE] | None = None
    min_part: Annotated[float, SHARE] | None = None
    memory_frames: Annotated[int, Range(0, 1000)] | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_ranges(self, UserError)

    def applied_to(self, config: ModelConfig) -> ModelConfig:
        """The model's config with the fields that these options change.

        Raises:
            UserError: a value that does not fit the config.
        """
        changes = {
            "input_size": self.size,
            "small_size": None if self.size is None else 0,
            "min_part": self.min_part,
            "memory_frames": self.memory_frames,
            "presence_threshold": self.presence_threshold,
        }
        return config.replace(**{name: value for name, value in changes.items() if value is not None})
