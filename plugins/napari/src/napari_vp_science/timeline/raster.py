"""Columns of numbers as pictures: one pixel of a picture is one device pixel of the window."""

import numpy as np
from qtpy.QtGui import QColor, QImage

_FAINTEST = 0.45
"""A column that a bout only touches is still seen."""
_MODEL_SHARE = 0.6
_HATCH_PX = 5


def premultiplied(color: QColor, alpha: np.ndarray) -> np.ndarray:
    """A color at every alpha (0 to 1), as ``0xAARRGGBB``."""
    amount = np.clip(alpha, 0.0, 1.0)
    packed = np.round(amount * 255).astype(np.uint32) << 24
    for part, shift in ((color.red(), 16), (color.green(), 8), (color.blue(), 0)):
        packed |= np.round(amount * part).astype(np.uint32) << shift
    return packed


def picture(pixels: np.ndarray) -> QImage:
    """``(height, width)`` uint32 from ``premultiplied`` as an image."""
    height, width = pixels.shape
    data = np.ascontiguousarray(pixels, np.uint32).tobytes()
    # A copy, because the image must not outlive the bytes.
    return QImage(data, width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied).copy()


def bouts_line(covered: np.ndarray, color: QColor) -> np.ndarray:
    """Bouts that are too narrow to be drawn one by one: ``(status, column)`` covered shares -> ``(1, column)`` pixels.

    Where most of it is the model's, it is paler.
    """
    total = np.minimum(covered.sum(axis=0), 1.0)
    by_model = covered[1] > covered[[0, 2]].sum(axis=0)
    alpha = np.where(total > 1e-6, _FAINTEST + (1 - _FAINTEST) * total, 0.0) * np.where(by_model, _MODEL_SHARE, 1.0)
    return premultiplied(color, alpha)[None]


def scores_picture(
    scores: np.ndarray, happens: np.ndarray, color: QColor, height: int, ratio: float, style: str
) -> np.ndarray:
    """Predictions of one row: ``(column,)`` scores and whether the model says yes -> ``(height, column)`` pixels.

    Where it says yes is hatched, the rest is faint. The score is the height, or how opaque it is.
    """
    level = np.nan_to_num(scores, nan=0.0)
    period = max(round(_HATCH_PX * ratio), 2)
    from_bottom = np.arange(height, 0, -1)[:, None]
    stripe = (from_bottom + np.arange(len(scores))) % period < max(period // 2, 1)
    if style == "height":
        filled = np.maximum(np.round(level * height), level > 0)
        strong, medium, faint = premultiplied(color, np.array([0.95, 0.55, 0.28]))
        return np.where(from_bottom <= filled, np.where(happens, np.where(stripe, strong, medium), faint), np.uint32(0))
    stripes, between = (premultiplied(color, level * np.where(happens, yes, 0.35)) for yes in (1.0, 0.62))
    return np.where(stripe, stripes, between)
