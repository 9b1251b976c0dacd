"""Masks packed at one bit a pixel, for sending them to another process and for keeping a few of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PackedMasks"]


@dataclass(frozen=True, slots=True)
class PackedMasks:
    """Masks at one bit a pixel; `pack` makes them.

    Attributes:
        bits: the pixels of all masks, eight in a byte.
        shape: shape of the unpacked masks, (E, H, W).
    """

    bits: bytes
    shape: tuple[int, ...]

    @classmethod
    def pack(cls, masks: NDArray[np.bool_]) -> PackedMasks:
        """Pack masks (E, H, W) bool."""
        return cls(np.packbits(masks).tobytes(), masks.shape)

    def unpack(self) -> NDArray[np.bool_]:
        """The masks, (E, H, W) bool."""
        bits = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=int(np.prod(self.shape)))
        return bits.view(np.bool_).reshape(self.shape)
