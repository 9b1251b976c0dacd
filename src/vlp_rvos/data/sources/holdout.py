"""Which images and videos of the training data are held out for validation.

The name alone decides, so every stage of training holds out the same ones.
"""

from __future__ import annotations

import hashlib
from typing import Literal

__all__ = ["DESCRIBED_SHARE", "Part", "fold_of", "hash_share", "is_held_out", "is_in_part"]

#: Part of the data: what is held out for validation, the rest, or both.
Part = Literal["held-out", "training", "all"]
#: Share of the described pictures that is held out.
DESCRIBED_SHARE = 0.2


def is_held_out(name: str, share: float = 0.08) -> bool:
    """Whether the image or video of this name is held out for validation.

    Args:
        name: Name of the image or video.
        share: Share of all names that is held out, in [0, 1].
    """
    return hash_share(name) < share


def is_in_part(name: str, part: Part, share: float = DESCRIBED_SHARE) -> bool:
    """Whether the image or video of this name belongs to a part of the data; see `is_held_out`."""
    return part == "all" or is_held_out(name, share) == (part == "held-out")


def fold_of(name: str, count: int) -> int:
    """Which fold the image or video of this name belongs to, from 0 to `count` - 1; see `MixtureConfig.left_out`.

    It does not depend on whether the name is held out.
    """
    return int(hash_share(f"fold {name}") * count)


def hash_share(name: str) -> float:
    """A number in [0, 1) that follows from the name alone, and is held out where it lies below the share."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:4], "big") / 2**32
