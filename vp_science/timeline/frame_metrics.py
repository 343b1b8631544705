"""How well frames are told apart: average precision, precision, recall, F1, balanced accuracy, confusion."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int8, Int64

from vp_science.errors import AnnotationError
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.comparison import Comparison


def average_precision(happens: Bool[np.ndarray, " frame"], scores: Float[np.ndarray, " frame"]) -> float:
    """Area under the precision-recall steps (not interpolated; equal scores are one step); NaN without positives."""
    if not happens.any():
        return np.nan
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order]) != 0), len(scores) - 1)
    hits = np.cumsum(happens[order], dtype=np.float64)[ends]
    precision = hits / (ends + 1)
    return float((np.diff(hits, prepend=0.0) * precision).sum() / hits[-1])


def macro_average_precision(
    states: Sequence[Int8[np.ndarray, "_ behavior"]], scores: Sequence[Float[np.ndarray, "_ behavior"]]
) -> float:
    """mAP: the mean over the behaviors of the average precision at all frames of all recordings together.

    The background is no behavior and has no part. A behavior that never happens has no average precision and is left
    out; with none left the result is NaN. Unknown states and scores (NaN) do not count.

    Args:
        states: labels of every recording.
        scores: of the same frames.

    Raises:
        AnnotationError: when shapes differ.
    """
    if [part.shape for part in states] != [part.shape for part in scores] or not states:
        raise AnnotationError("expected scores for the labelled frames of at least one recording, found other shapes")
    labels, values = np.concatenate(states), np.concatenate(scores)
    counted = (labels >= 0) & np.isfinite(values)
    each = [
        average_precision(labels[counted[:, column], column] == 1, values[counted[:, column], column])
        for column in range(labels.shape[1])
    ]
    return mean_known(each)


def mean_known(values: Sequence[int | float]) -> float:
    """Mean of what is not NaN; NaN of nothing."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else np.nan


def ratio(part: int | float, whole: int | float) -> float:
    """A quotient that is NaN where there is nothing to divide by."""
    return float(part / whole) if whole else np.nan


def f1(true_positive: int | float, false_positive: int | float, false_negative: int | float) -> float:
    """2 TP / (2 TP + FP + FN); NaN where nothing happened and nothing was found."""
    return ratio(2 * true_positive, 2 * true_positive + false_positive + false_negative)


def frame_counts(comparisons: Sequence[Comparison]) -> Int64[np.ndarray, "behavior 4"]:
    """True positives, false positives, false negatives and true negatives of every behavior, in frames."""
    counts = np.zeros((len(comparisons[0].behaviors), 4), dtype=np.int64)
    for part in comparisons:
        counts[:, 0] += (part.happens & part.found).sum(axis=0)
        counts[:, 1] += (~part.happens & part.found).sum(axis=0)
        counts[:, 2] += (part.happens & ~part.found).sum(axis=0)
        counts[:, 3] += (part.counted & ~part.happens & ~part.found).sum(axis=0)
    return counts


def background_name(behaviors: Behaviors) -> str:
    """What frames without a behavior are called in tables."""
    for name in (behaviors.background, "background", "(none)"):
        if name and name not in behaviors:
            return name
    return "(no behavior)"


def confusion(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """What is taken for what, in frames.

    Returns:
        Exclusive: rows are labels, columns are predictions, the background is last. Otherwise a row per behavior with
        the columns ``found``, ``false``, ``missed`` and ``absent`` (found to be): every behavior is a question of its
        own.
    """
    behaviors = comparisons[0].behaviors
    if not behaviors.exclusive:
        counts = pd.DataFrame(frame_counts(comparisons), columns=["found", "false", "missed", "absent"])
        return counts.set_index(pd.Index(behaviors.names, name="behavior"))
    num = len(behaviors)
    table = np.zeros((num + 1, num + 1), dtype=np.int64)
    for part in comparisons:
        rows = part.counted.any(axis=1) if num else np.zeros(len(part.edges) - 1, bool)
        np.add.at(table, (_index(part.happens[rows]), _index(part.found[rows])), 1)
    names = [*behaviors.names, background_name(behaviors)]
    return pd.DataFrame(table, index=pd.Index(names, name="label"), columns=pd.Index(names, name="prediction"))


def _index(on: Bool[np.ndarray, "frame behavior"]) -> Int64[np.ndarray, " frame"]:
    return np.asarray(np.where(on.any(axis=1), on.argmax(axis=1), on.shape[1]), np.int64)


def exclusive_figures(table: pd.DataFrame) -> dict[str, float]:
    """Figures over behaviors and background together, from the confusion of an exclusive catalogue.

    ``accuracy`` is the share of frames that are right; ``..._with_background`` are means over the behaviors that
    happen and the background.
    """
    counts = table.to_numpy(np.float64)
    right, labelled, found = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    there = labelled > 0
    recall = [ratio(a, b) for a, b in zip(right[there], labelled[there], strict=True)]
    scores = [f1(a, c - a, b - a) for a, b, c in zip(right[there], labelled[there], found[there], strict=True)]
    return {
        "accuracy": ratio(right.sum(), counts.sum()),
        "macro_recall_with_background": mean_known(recall),
        "macro_f1_with_background": mean_known(scores),
    }
