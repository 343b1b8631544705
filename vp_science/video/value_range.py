"""From camera counts, depths and floats to 8 bits: one stated linear mapping per recording."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Num, UInt8

from vp_science.errors import RecordingError
from vp_science.typing import JSON
from vp_science.video.times import Number

_PERCENTILES = (0.1, 99.9)
_SAMPLED_FRAMES = 64
_SAMPLED_VALUES = 1 << 16
"""Values kept of each sampled frame: at a fixed stride, so that the same file gives the same range."""


@dataclass(frozen=True)
class ValueRange:
    """``low`` maps to 0 and ``high`` to 255, linearly, rounded, clipped; NaN maps to 0.

    Attributes:
        low: value that becomes black.
        high: value that becomes white.
        origin: where the numbers come from.
    """

    low: float
    high: float
    origin: str

    def to_json(self) -> dict[str, JSON]:
        """The mapping as it is recorded."""
        return {"low": self.low, "high": self.high, "origin": self.origin}

    def apply(self, values: Num[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
        """Map values to 8 bits."""
        scaled = (values.astype(np.float64) - self.low) * (255.0 / (self.high - self.low))
        return np.rint(np.clip(np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0), 0, 255)).astype(np.uint8)


def choose_range(
    dtype: np.dtype[Any],
    given: tuple[Number, Number] | None,
    frame: Callable[[int], Num[np.ndarray, "..."]],
    num_frames: int,
    name: object,
) -> ValueRange | None:
    """The mapping for one recording; None for 8-bit pixels, which pass as they are.

    Without a given range: the 0.1 and 99.9 percentiles of up to 64 evenly spaced frames (non-finite values left out).

    Args:
        dtype: of the stored values.
        given: low and high, or None.
        frame: reads one frame.
        num_frames: how many there are.
        name: of the recording, for messages.

    Raises:
        RecordingError: when the given range is empty or not finite.
    """
    if given is not None:
        low, high = float(given[0]), float(given[1])
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise RecordingError(f"{name}: expected a value range low < high, found {low} {high}: correct --range")
        return ValueRange(low, high, "given")
    if dtype == np.uint8:
        return None
    chosen = np.unique(np.linspace(0, num_frames - 1, min(num_frames, _SAMPLED_FRAMES)).round().astype(np.int64))
    values = np.concatenate([_sample(frame(int(i))) for i in chosen])
    origin = f"percentiles {_PERCENTILES[0]:g} and {_PERCENTILES[1]:g} of {len(chosen)} evenly spaced frames"
    if len(values) == 0:
        return ValueRange(0.0, 1.0, f"{origin} (no finite values)")
    low, high = (float(value) for value in np.percentile(values, _PERCENTILES))
    return ValueRange(low, high if high > low else low + 1.0, origin)


def _sample(pixels: Num[np.ndarray, "..."]) -> Num[np.ndarray, " values"]:
    flat = pixels.reshape(-1)
    flat = flat[:: max(1, len(flat) // _SAMPLED_VALUES)]
    finite: Num[np.ndarray, " values"] = flat[np.isfinite(flat)].astype(np.float64)
    return finite
