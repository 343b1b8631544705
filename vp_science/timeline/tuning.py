"""Choosing thresholds and post-processing rules on labelled (validation) frames."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Int8

from vp_science.errors import ProbeError
from vp_science.timeline.behaviors import Behaviors

ThresholdMetric = Literal["f1", "balanced_accuracy"]
_WITHOUT_LABELS = 0.5


def choose_thresholds(
    scores: Sequence[Float[np.ndarray, "_ behavior"]] | Float[np.ndarray, "frame behavior"],
    states: Sequence[Int8[np.ndarray, "_ behavior"]] | Int8[np.ndarray, "frame behavior"],
    behaviors: Behaviors,
    metric: ThresholdMetric = "f1",
) -> Float32[np.ndarray, " behavior"]:
    """For every behavior the threshold with the best figure on these frames, by itself.

    Thresholds lie halfway between neighbouring scores. Of several equally good ones, the one nearest to 0.5 is taken.
    A behavior that never happens here keeps 0.5. Unknown states and scores (NaN) do not count.

    Args:
        scores: of every frame, one array or one per recording.
        states: the labels of the same frames.
        behaviors: the catalogue.
        metric: ``f1``, or ``balanced_accuracy``.

    Raises:
        ProbeError: when shapes do not fit each other, or the metric is another one.
    """
    if metric not in ("f1", "balanced_accuracy"):
        raise ProbeError(f"expected the metric f1 or balanced_accuracy to choose thresholds, found {metric!r}")
    score_parts = [scores] if isinstance(scores, np.ndarray) else list(scores)
    state_parts = [states] if isinstance(states, np.ndarray) else list(states)
    expected, found = [part.shape for part in state_parts], [part.shape for part in score_parts]
    if expected != found or any(shape[1:] != (len(behaviors),) for shape in found):
        raise ProbeError(
            f"expected scores and states of the same frames and of {len(behaviors)} behaviors, found {found} and "
            f"{expected}: predict the labelled recordings"
        )
    empty = np.zeros((0, len(behaviors)))
    values = np.concatenate([empty.astype(np.float32), *(part.astype(np.float32) for part in score_parts)])
    labels = np.concatenate([empty.astype(np.int8), *state_parts])
    counted = (labels >= 0) & np.isfinite(values)
    columns = [
        _best_threshold(values[counted[:, c], c], labels[counted[:, c], c] == 1, metric) for c in range(len(behaviors))
    ]
    return np.array(columns, dtype=np.float32)


def _best_threshold(
    scores: Float32[np.ndarray, " frame"], happens: Bool[np.ndarray, " frame"], metric: ThresholdMetric
) -> float:
    num_positive = int(happens.sum())
    if num_positive == 0:
        return _WITHOUT_LABELS
    levels, place = np.unique(scores, return_inverse=True)
    positive = np.bincount(place, weights=happens, minlength=len(levels))[::-1].cumsum()[::-1]
    called = np.bincount(place, minlength=len(levels))[::-1].cumsum()[::-1]
    if metric == "f1":
        figure = 2 * positive / (called + num_positive)
    else:
        num_negative = max(1, len(scores) - num_positive)
        figure = (positive / num_positive + 1 - (called - positive) / num_negative) / 2
    below = np.concatenate([[0.0], levels[:-1].astype(np.float64)])
    cut = ((below + levels) / 2).astype(np.float32)
    cut = np.where(cut > below, cut, levels)  # halfway between two neighbouring numbers rounds to one of them
    usable = levels > 0  # a score of zero never counts as happening
    if not usable.any():
        return _WITHOUT_LABELS
    best = usable & (figure >= figure[usable].max() - 1e-12)
    return float(cut[best][np.abs(cut[best] - 0.5).argmin()])
