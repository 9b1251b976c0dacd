"""Which training pictures are kept for validation: decided by name, so that every stage keeps the same ones."""

from __future__ import annotations

import hashlib

__all__ = ["is_held_out"]


def is_held_out(name: str, share: float = 0.08) -> bool:
    """Whether the picture or video of this name is kept for validation; true for about `share` of all names."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") < share * 2**32
