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
    scores: np.ndarray, shares: np.ndarray, color: QColor, height: int, ratio: float, style: str
) -> np.ndarray:
    """Predictions of one row: ``(column,)`` scores and shares -> ``(height, column)`` pixels.

    What the model takes to happen is hatched; the rest is faint. The score is the height, or how opaque it is.
    """
    level = np.nan_to_num(scores, nan=0.0)[None]
    happens = (shares > 0)[None]
    y, x = np.mgrid[height:0:-1, 0 : len(scores)]
    period = max(round(_HATCH_PX * ratio), 2)
    stripe = (x + y) % period < max(period // 2, 1)
    if style == "height":
        inside = (y - 0.5) / height <= np.maximum(level, np.where(level > 0, 0.5 / height, 0.0))
        alpha = np.where(happens, np.where(stripe, 0.95, 0.55), 0.28) * inside
    else:
        alpha = level * np.where(happens, np.where(stripe, 1.0, 0.62), 0.35)
    return premultiplied(color, alpha)
