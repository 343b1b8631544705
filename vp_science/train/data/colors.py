"""Colours of a clip, changed in the same way in all frames."""

import numpy as np
from jaxtyping import Float32, UInt8

Clip = UInt8[np.ndarray, "t h w 3"]
Table = UInt8[np.ndarray, "256 channels"]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in brightness (ITU-R BT.601)."""


def jitter_colors(clip: Clip, strength: int | float, rng: np.random.Generator) -> Clip:
    """Brightness, contrast and saturation, each times a factor from ``1 - strength`` to ``1 + strength``.

    The three are one affine map of RGB, rounded and cut to 0 - 255 once. Contrast turns about the mean brightness of
    the clip.
    """
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3)
    matrix = saturate_matrix(float(saturation)) * np.float32(brightness * contrast)
    mean = mean_luma(clip) * float(brightness)
    return apply_matrix(clip, matrix, mean * (1 - float(contrast)))


def saturate_matrix(factor: int | float) -> Float32[np.ndarray, "3 3"]:
    """From RGB to RGB: 0 gives grey, 1 what it was."""
    grey = np.repeat(_LUMA[:, None], 3, axis=1)
    return np.asarray(factor * np.eye(3) + (1 - factor) * grey, np.float32)


def apply_matrix(clip: Clip, matrix: Float32[np.ndarray, "3 3"], bias: int | float) -> Clip:
    """``pixel @ matrix + bias``, rounded, cut to 0 - 255."""
    changed = clip.reshape(-1, 3).astype(np.float32) @ matrix
    changed += np.float32(bias + 0.5)
    np.clip(changed, 0, 255.5, out=changed)
    return np.asarray(changed.astype(np.uint8).reshape(clip.shape))


def mean_luma(clip: Clip) -> float:
    """Mean brightness, 0 to 255."""
    return float(clip.reshape(-1, 3).mean(axis=0, dtype=np.float64) @ _LUMA)


def apply_table(clip: Clip, table: Table) -> Clip:
    """Every value replaced by that in a table, of one channel or of three."""
    if table.shape[1] == 1:
        return np.asarray(table[:, 0][clip])
    return np.stack([table[:, channel][clip[..., channel]] for channel in range(3)], axis=-1)


def affine_table(factor: int | float, bias: int | float) -> Table:
    """``factor * value + bias``, rounded, cut to 0 - 255."""
    values = np.clip(np.arange(256) * factor + bias + 0.5, 0, 255.5)
    return np.asarray(values.astype(np.uint8)[:, None])


def autocontrast_table(clip: Clip) -> Table:
    """Darkest and brightest value of every channel to 0 and 255."""
    low, high = clip.reshape(-1, 3).min(axis=0), clip.reshape(-1, 3).max(axis=0)
    tables = []
    for least, most in zip(low.tolist(), high.tolist(), strict=True):
        gain = 255 / (most - least) if most > least else 1.0
        tables.append(affine_table(gain, -least * gain if most > least else 0.0))
    return np.concatenate(tables, axis=1)


def equalize_table(clip: Clip) -> Table:
    """Values of every channel to their rank, so that the histogram of the clip becomes flat."""
    tables = []
    for channel in range(3):
        counts = np.bincount(clip[..., channel].ravel(), minlength=256)
        below = np.cumsum(counts) - counts
        span = counts.sum() - counts[counts > 0][-1]
        rank = below * (255 / span) if span > 0 else np.arange(256)
        tables.append(np.clip(rank + 0.5, 0, 255.5).astype(np.uint8)[:, None])
    return np.concatenate(tables, axis=1)
