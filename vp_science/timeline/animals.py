"""Where one animal is, frame by frame."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64


@dataclass(frozen=True, eq=False)
class AnimalTrack:
    """The place, direction and size of one animal in every source frame of a recording.

    Positions are in pixels of the displayed frame: x to the right, y down, (0, 0) in the middle of the first pixel.

    Attributes:
        name: the animal, as the pose file calls it.
        centre: x and y of its middle; NaN where it was not seen.
        axis: direction from its back to its front in radians: 0 points right, pi/2 points down (as y does), NaN where
            it is not known.
        length: of its body in pixels; NaN where it is not known.
        num_points: points that were seen.
    """

    name: str
    centre: Float64[np.ndarray, "frames 2"]
    axis: Float64[np.ndarray, " frames"]
    length: Float64[np.ndarray, " frames"]
    num_points: Int64[np.ndarray, " frames"]

    @property
    def present(self) -> Bool[np.ndarray, " frames"]:
        """Where the animal was seen."""
        return np.asarray(np.isfinite(self.centre).all(axis=1))

    def __len__(self) -> int:
        return len(self.axis)
