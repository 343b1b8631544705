"""TrivialAugment (Mueller & Hutter 2021, "wide" space): one random operation of one random strength.

The operation and its strength are the same for all frames of a clip, and what depends on the content (contrast,
histograms) is measured on the clip as a whole, so that nothing flickers.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance

from vp_science.train.data.colors import (
    Clip,
    affine_table,
    apply_matrix,
    apply_table,
    autocontrast_table,
    equalize_table,
    mean_luma,
    saturate_matrix,
)

STRENGTHS = 31
"""Strengths are the whole numbers below this; the first one changes nothing or least."""

_FACTOR, _SHEAR, _TRANSLATE, _DEGREES, _BITS = 0.99, 0.99, 1 / 7, 135.0, 6
Operation = Callable[[Clip, float], Clip]


def apply_trivial(clip: Clip, rng: np.random.Generator) -> Clip:
    """One operation, drawn uniformly, with a strength, drawn uniformly, and a sign where it has one."""
    name = TRIVIAL_OPERATIONS[int(rng.integers(len(TRIVIAL_OPERATIONS)))]
    strength = int(rng.integers(STRENGTHS)) / (STRENGTHS - 1)
    sign = 1.0 if rng.integers(2) else -1.0
    return apply_operation(clip, name, sign * strength)


def apply_operation(clip: Clip, name: str, strength: int | float) -> Clip:
    """An operation by its name.

    Args:
        clip: uint8.
        name: of ``TRIVIAL_OPERATIONS``.
        strength: -1 to 1; operations without direction take its size.
    """
    return _OPERATIONS[name](clip, float(strength))


def _brightness(clip: Clip, strength: float) -> Clip:
    return apply_table(clip, affine_table(1 + _FACTOR * strength, 0.0))


def _contrast(clip: Clip, strength: float) -> Clip:
    factor = 1 + _FACTOR * strength
    return apply_table(clip, affine_table(factor, mean_luma(clip) * (1 - factor)))


def _saturation(clip: Clip, strength: float) -> Clip:
    return apply_matrix(clip, saturate_matrix(1 + _FACTOR * strength), 0.0)


def _sharpness(clip: Clip, strength: float) -> Clip:
    factor = 1 + _FACTOR * strength
    return np.stack([np.asarray(ImageEnhance.Sharpness(Image.fromarray(frame)).enhance(factor)) for frame in clip])


def _posterize(clip: Clip, strength: float) -> Clip:
    dropped = round(abs(strength) * _BITS)
    return clip & np.uint8(0xFF << dropped & 0xFF)


def _solarize(clip: Clip, strength: float) -> Clip:
    threshold = 256 - round(abs(strength) * 256)
    return np.where(clip >= threshold, 255 - clip, clip)


def _autocontrast(clip: Clip, strength: float) -> Clip:
    return apply_table(clip, autocontrast_table(clip))


def _equalize(clip: Clip, strength: float) -> Clip:
    return apply_table(clip, equalize_table(clip))


def _shear_x(clip: Clip, strength: float) -> Clip:
    return _moved(clip, (1.0, _SHEAR * strength, 0.0, 1.0), (0.0, 0.0))


def _shear_y(clip: Clip, strength: float) -> Clip:
    return _moved(clip, (1.0, 0.0, _SHEAR * strength, 1.0), (0.0, 0.0))


def _translate_x(clip: Clip, strength: float) -> Clip:
    return _moved(clip, (1.0, 0.0, 0.0, 1.0), (_TRANSLATE * strength * clip.shape[2], 0.0))


def _translate_y(clip: Clip, strength: float) -> Clip:
    return _moved(clip, (1.0, 0.0, 0.0, 1.0), (0.0, _TRANSLATE * strength * clip.shape[1]))


def _rotate(clip: Clip, strength: float) -> Clip:
    angle = np.radians(_DEGREES * strength)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return _moved(clip, (cos, -sin, sin, cos), (0.0, 0.0))


def _moved(clip: Clip, matrix: tuple[float, float, float, float], shift: tuple[float, float]) -> Clip:
    """Sample every output pixel at ``matrix @ (pixel - middle) + middle + shift``; black outside."""
    height, width = clip.shape[1:3]
    a, b, c, d = matrix
    middle_x, middle_y = width / 2, height / 2
    data = (
        a, b, middle_x - a * middle_x - b * middle_y + shift[0],
        c, d, middle_y - c * middle_x - d * middle_y + shift[1],
    )  # fmt: skip
    size, kind, smooth = (width, height), Image.Transform.AFFINE, Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(frame).transform(size, kind, data, smooth)) for frame in clip])


_OPERATIONS: dict[str, Operation] = {
    "identity": lambda clip, strength: clip,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
    "rotate": _rotate,
    "brightness": _brightness,
    "saturation": _saturation,
    "contrast": _contrast,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
}
TRIVIAL_OPERATIONS = tuple(_OPERATIONS)
"""Names of all operations."""
