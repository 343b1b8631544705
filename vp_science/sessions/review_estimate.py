"""How many of the predictions that nobody reviewed are right, from their scores and from what was decided so far.

The probability that a predicted bout is right is taken to be ``expit(a + b * logit(score))``. Before any decision
``a`` is near 0 and ``b`` near 1: the scores are believed, within reason. Decisions (whether a bout with this score was
right) move both. The posterior is summed up on a grid, so that nothing is drawn at random and few decisions do no harm.
Because the score is in the model, the order in which people review does not bias the result: the least sure first is
fine.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.special import expit, log_expit, logit, ndtri

_PRIOR_SHIFT = 1.5
_PRIOR_SLOPE = 0.5
_SHIFTS: np.ndarray = np.linspace(-6, 6, 49)
_SLOPES: np.ndarray = np.linspace(0, 3, 31)
_BINS = 80


@dataclass(frozen=True)
class RestEstimate:
    """How right the rest is.

    Attributes:
        share: expected share of the predicted bouts not yet reviewed that are right, 0 to 1; NaN when there are none.
        low: the share is at least this with 97.5 % probability.
        high: the share is at most this with 97.5 % probability.
        rest: predicted bouts not yet reviewed that have a score.
        decisions: how many decisions it rests on; 0 when it rests on the scores of the probe alone.
    """

    share: float
    low: float
    high: float
    rest: int
    decisions: int


def estimate_rest(
    rest: Float[np.ndarray, " open"],
    scores: Float[np.ndarray, " decided"],
    right: Bool[np.ndarray, " decided"],
) -> RestEstimate:
    """Estimate how right the predictions are that nobody reviewed.

    Args:
        rest: scores of the predicted bouts that are left, 0 to 1; those without a score (NaN) are left out.
        scores: scores of predicted bouts about which people decided.
        right: whether they were right.
    """
    used = np.isfinite(scores)
    logits, right = _logits(scores[used]), right[used]
    left = rest[np.isfinite(rest)]
    if not len(left):
        return RestEstimate(np.nan, np.nan, np.nan, 0, int(used.sum()))
    shift, slope = (axis.ravel() for axis in np.meshgrid(_SHIFTS, _SLOPES))
    weight = _posterior(shift, slope, logits, right)
    middle, count = _binned(_logits(left))
    chance = expit(shift[:, None] + slope[:, None] * middle)
    mean = chance @ count / len(left)
    # What is left is a draw, too: few bouts are right or wrong by luck.
    spread = np.sqrt((chance * (1 - chance)) @ count) / len(left)
    low, high = (_mixture_quantile(weight, mean, spread, part) for part in (0.025, 0.975))
    return RestEstimate(float(weight @ mean), low, high, len(left), int(used.sum()))


def _logits(scores: Float[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    return np.asarray(logit(np.clip(scores.astype(np.float64), 0.005, 0.995)), np.float64)


def _posterior(
    shift: Float64[np.ndarray, " grid"],
    slope: Float64[np.ndarray, " grid"],
    logits: Float64[np.ndarray, " decided"],
    right: Bool[np.ndarray, " decided"],
) -> Float64[np.ndarray, " grid"]:
    log = -0.5 * (shift / _PRIOR_SHIFT) ** 2 - 0.5 * ((slope - 1) / _PRIOR_SLOPE) ** 2
    for sign, those in ((1.0, logits[right]), (-1.0, logits[~right])):
        if len(those):
            middle, count = _binned(those)
            log = log + log_expit(sign * (shift[:, None] + slope[:, None] * middle)) @ count
    weight = np.exp(log - log.max())
    return np.asarray(weight / weight.sum(), np.float64)


def _binned(logits: Float64[np.ndarray, " n"]) -> tuple[Float64[np.ndarray, " bin"], Float64[np.ndarray, " bin"]]:
    """Thousands of scores as a few hundred with counts."""
    if len(logits) <= _BINS:
        return logits, np.ones(len(logits))
    count, edges = np.histogram(logits, _BINS)
    total = np.histogram(logits, edges, weights=logits)[0]
    there = count > 0
    return total[there] / count[there], count[there].astype(np.float64)


def _mixture_quantile(
    weight: Float64[np.ndarray, " grid"],
    mean: Float64[np.ndarray, " grid"],
    spread: Float64[np.ndarray, " grid"],
    part: float,
) -> float:
    """A quantile of a mixture of normal distributions, each taken at evenly spaced quantiles of its own."""
    steps = ndtri((np.arange(9) + 0.5) / 9)
    values = np.clip(mean[:, None] + spread[:, None] * steps, 0, 1).ravel()
    order = np.argsort(values)
    reached = np.cumsum(np.repeat(weight / len(steps), len(steps))[order])
    return float(values[order[min(int(np.searchsorted(reached, part)), len(values) - 1)]])
