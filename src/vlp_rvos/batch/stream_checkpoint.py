"""The state of a segmentation between two parts of a video, as bytes that any process can go on from.

The bytes are a safetensors file: arrays and a little text, and nothing that is run when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from torch import Tensor

from vlp_rvos.utils.records import record_from

__all__ = ["Progress", "pack_checkpoint", "unpack_checkpoint"]

HEADER = "progress"


@dataclass(frozen=True)
class Progress:
    """How far a video is done.

    Attributes:
        frames: number of frames that are done.
        part_frames: frames of each part but the last one.
        source_bytes: size of the video's file, by which another file of the same name is noticed; 0 for a folder.
    """

    frames: int
    part_frames: int
    source_bytes: int


def pack_checkpoint(progress: Progress, state: Mapping[str, Tensor]) -> bytes:
    """Serialize how far a video is done, and the `Stream.state` there."""
    from safetensors.torch import save

    return save(dict(state), {HEADER: json.dumps(asdict(progress))})


def unpack_checkpoint(content: bytes) -> tuple[Progress, dict[str, Tensor]]:
    """Read what `pack_checkpoint` wrote.

    Raises:
        ValueError: it is something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])["__metadata__"][HEADER]
        return record_from(Progress, json.loads(header), "checkpoint"), tensors
    except (SafetensorError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a checkpoint: {error}") from error
