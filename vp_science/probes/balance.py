"""Which behavior counts where something always happens.

When labels leave no background, the likeliest behavior counts. Trained on unequal classes, a head often ranks the
moments of a rare behavior well and still never finds it the likeliest. So the odds of the behaviors are scaled, each by
one factor, as is best for the mean F1 of the validation labels.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int8, Int64

_GRID = np.linspace(-3, 3, 25)
_PASSES = 3
_GAIN = 0.01
_MAX_ROWS = 20_000
_LEAST = 1e-6


def choose_offsets(
    scores: Sequence[Float32[np.ndarray, "_ behavior"]], states: Sequence[Int8[np.ndarray, "_ behavior"]]
) -> Float32[np.ndarray, " behavior"]:
    """Logarithms of the factors; zeros where no scaling is better by at least 0.01.

    Args:
        scores: shares of the behaviors (they sum to 1), NaN where there are none.
        states: labels of the same frames, one behavior at a time.
    """
    usable = [np.isfinite(p).all(axis=1) & (s == 1).any(axis=1) for p, s in zip(scores, states, strict=True)]
    shares = np.concatenate([p[rows] for p, rows in zip(scores, usable, strict=True)])
    labels = np.concatenate([s[rows].argmax(axis=1) for s, rows in zip(states, usable, strict=True)])
    kept = np.linspace(0, len(labels) - 1, min(len(labels), _MAX_ROWS)).astype(int)
    log_shares, labels = np.log(np.maximum(shares[kept], _LEAST)), labels[kept]
    offsets = np.zeros(scores[0].shape[1])
    if len(np.unique(labels)) < 2:
        return offsets.astype(np.float32)
    plain = best = _mean_f1(log_shares, labels)
    for _ in range(_PASSES):
        for behavior in np.unique(labels):
            for value in _GRID:
                trial = offsets.copy()
                trial[behavior] = value
                if (figure := _mean_f1(log_shares + trial, labels)) > best + 1e-9:
                    best, offsets = figure, trial
    return (offsets if best > plain + _GAIN else np.zeros_like(offsets)).astype(np.float32)


def apply_offsets(
    scores: Float32[np.ndarray, "frame behavior"], offsets: Float32[np.ndarray, " behavior"]
) -> Float32[np.ndarray, "frame behavior"]:
    """Shares with their odds scaled; they still sum to 1."""
    if not offsets.any():
        return scores
    scaled = np.maximum(scores, _LEAST) * np.exp(offsets)
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True), np.float32)


def _mean_f1(log_shares: np.ndarray, labels: Int64[np.ndarray, " row"]) -> float:
    """Mean over the behaviors that happen."""
    found, count = log_shares.argmax(axis=1), log_shares.shape[1]
    hits = np.bincount(labels[found == labels], minlength=count)
    total = np.bincount(labels, minlength=count) + np.bincount(found, minlength=count)
    happens = np.bincount(labels, minlength=count) > 0
    return float((2 * hits[happens] / total[happens]).mean())
