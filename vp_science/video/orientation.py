"""Display orientation: the quarter turns and mirrorings that a container asks a player to apply."""

import struct
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class Orientation:
    """How coded pixels become displayed pixels: first mirrored left-right, then turned.

    Attributes:
        turns: quarter turns counter-clockwise, 0 to 3.
        mirrored: whether the coded image is mirrored left-right before it is turned.
    """

    turns: int = 0
    mirrored: bool = False

    @classmethod
    def from_display_matrix(cls, matrix: bytes) -> "Orientation":
        """Read FFmpeg's display matrix (nine native int32), rounded to the nearest quarter turn.

        The matrix maps a coded point (x, y) to (a x + c y, b x + d y), with y pointing down.
        """
        a, b, _, c, d, *_ = struct.unpack("=9i", matrix[:36])
        mirrored = a * d - b * c < 0
        if mirrored:
            a, b = -a, -b
        upright = abs(a) >= abs(b)
        turns = (0 if a >= 0 else 2) if upright else (1 if b < 0 else 3)
        return cls(turns, mirrored)

    @property
    def degrees(self) -> int:
        """The counter-clockwise turn in degrees, as it is recorded."""
        return 90 * self.turns

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height after the turn (or before it: the relation is symmetric)."""
        return (height, width) if self.turns % 2 else (width, height)

    def apply(self, pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
        """Coded pixels to displayed pixels."""
        if self.mirrored:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(np.rot90(pixels, self.turns))

    def coded_region(self, region: Region, width: int, height: int) -> Region:
        """Where a region of the displayed frame lies in the coded frame.

        Args:
            region: x, y, width, height in displayed pixels.
            width: columns of the coded frame.
            height: rows of the coded frame.
        """
        x, y, w, h = region
        if self.turns == 1:
            x, y, w, h = width - y - h, x, h, w
        elif self.turns == 2:
            x, y = width - x - w, height - y - h
        elif self.turns == 3:
            x, y, w, h = y, height - x - w, h, w
        return (width - x - w, y, w, h) if self.mirrored else (x, y, w, h)
