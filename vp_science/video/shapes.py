"""Which axes of an array are time, rows, columns and channels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Num

_MIN_SIDE = 4
_MAX_SIDE = 1 << 16
_MAX_FRAME = 1 << 27


@dataclass(frozen=True)
class FrameAxes:
    """How frames lie in an array whose first axis is time.

    Attributes:
        name: the order, as it is recorded.
        height: rows.
        width: columns.
        channels: 0 when there is no channel axis.
        channels_first: whether the channel axis comes before the rows.
    """

    name: str
    height: int
    width: int
    channels: int
    channels_first: bool = False

    def channels_last(self, frames: Num[np.ndarray, "..."]) -> Num[np.ndarray, "..."]:
        """One frame, or several, with the channel axis (if any) moved to the end."""
        return np.moveaxis(frames, -3, -1) if self.channels_first else frames


def frame_axes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> FrameAxes | None:
    """The axes of an array of frames; None when it is not one.

    Frames have sides of 4 pixels or more, so a channel axis (1, 3 or 4 long) is told from them by its length alone.
    """
    if dtype.kind not in "uif" or len(shape) not in (3, 4) or shape[0] == 0:
        return None
    if len(shape) == 3:
        axes = FrameAxes("t h w", shape[1], shape[2], 0)
    elif shape[3] in (1, 3, 4) and _sides(shape[1], shape[2]):
        axes = FrameAxes("t h w c", shape[1], shape[2], shape[3])
    elif shape[1] in (1, 3):
        axes = FrameAxes("t c h w", shape[2], shape[3], shape[1], channels_first=True)
    else:
        return None
    return axes if _sides(axes.height, axes.width) else None


def _sides(height: int, width: int) -> bool:
    return _MIN_SIDE <= height <= _MAX_SIDE and _MIN_SIDE <= width <= _MAX_SIDE and height * width <= _MAX_FRAME
