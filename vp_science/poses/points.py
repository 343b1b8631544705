"""What pose files have in common: points of animals, frame by frame."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from vp_science.errors import PoseError

MAX_VALUES = 1 << 28
"""Numbers that are read from one pose file at most (2 GiB): a day of five mice with twelve points at 30 fps."""


@dataclass(frozen=True, eq=False)
class PosePoints:
    """The content of a pose file.

    Attributes:
        format: what wrote it, for example ``"SLEAP analysis"``.
        animals: a name per animal.
        nodes: a name per point of the body.
        xy: x and y of every point in pixels, (0, 0) in the middle of the first pixel; NaN where it was not seen.
        score: how sure the tool was of each point; NaN where it does not say.
        usual_score: the score from which on the tool itself takes a point to be seen; 0 where files hold none below.
        boxes: the four points are corners of a box along the axes of the picture, not points of a body.
    """

    format: str
    animals: list[str]
    nodes: list[str]
    xy: Float64[np.ndarray, "frames animals nodes 2"]
    score: Float[np.ndarray, "frames animals nodes"]
    usual_score: float = 0.0
    boxes: bool = False


def check_size(name: str, *lengths: int) -> None:
    """Refuse sizes that no pose file has, before memory is taken for them.

    Raises:
        PoseError: when there are none of something, or too many numbers altogether.
    """
    total = 1
    for length in lengths:
        total *= int(length)
    if total < 1:
        raise PoseError(f"{name}: expected points of animals in frames, found a table without any (sizes {lengths})")
    if total > MAX_VALUES:
        raise PoseError(
            f"{name}: expected at most {MAX_VALUES} numbers in a pose file, found {total} (sizes {lengths}): "
            "the file is damaged, or split it"
        )


def check_names(name: str, kind: str, names: list[str]) -> None:
    """Refuse empty and repeated names.

    Raises:
        PoseError: naming the first one.
    """
    for index, found in enumerate(names):
        if not found.strip():
            raise PoseError(f"{name}: expected a name for every {kind}, found an empty one at position {index}")
        if found in names[:index]:
            raise PoseError(
                f'{name}: expected {kind} names that differ, found "{found}" twice: rename one of them in the tool '
                "that wrote the file, and export again"
            )
