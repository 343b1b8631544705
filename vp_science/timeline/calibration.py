"""Whether scores are probabilities: reliability, expected calibration error, Brier score."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from vp_science.timeline.frame_metrics import ratio

NUM_BINS = 15


def reliability_table(
    happens: Bool[np.ndarray, " frame"], scores: Float[np.ndarray, " frame"], num_bins: int = NUM_BINS
) -> pd.DataFrame:
    """How often a behavior happens where its score lies in each of equally wide bins.

    Args:
        happens: labels.
        scores: from 0 to 1.
        num_bins: number of bins; each contains its lower border, the last one both.

    Returns:
        A row per bin: ``low``, ``high``, ``count`` (frames), ``score`` (their mean) and ``frequency`` (share in which
        it happens); the last two are NaN in an empty bin.
    """
    border = np.arange(num_bins + 1) / num_bins
    place = np.clip(np.searchsorted(border, scores, side="right") - 1, 0, num_bins - 1)
    count = np.bincount(place, minlength=num_bins)
    total = np.bincount(place, weights=scores.astype(np.float64), minlength=num_bins)
    positive = np.bincount(place, weights=happens.astype(np.float64), minlength=num_bins)
    with np.errstate(invalid="ignore"):
        score, frequency = total / count, positive / count
    return pd.DataFrame(
        {"low": border[:-1], "high": border[1:], "count": count, "score": score, "frequency": frequency}
    )


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Mean over the frames of the distance between mean score and frequency of their bin; NaN without frames."""
    used = table[table["count"] > 0]
    distance = (used["score"] - used["frequency"]).abs() * used["count"]
    return ratio(float(distance.sum()), float(used["count"].sum()))


def brier_score(happens: Bool[np.ndarray, " frame"], scores: Float[np.ndarray, " frame"]) -> float:
    """Mean squared distance between score and label (0 or 1); NaN without frames."""
    return float(np.mean((scores.astype(np.float64) - happens) ** 2)) if len(scores) else np.nan
