"""Confidence intervals of shares that were counted in random segments.

Frames of one segment are alike: ten seconds of an animal asleep are one observation, not three hundred. So a share (of
frames that are right, of what was found) is a ratio of two sums over segments, its variance comes from how segments
differ (the linearised variance of a ratio), and Wilson's interval is computed for the number of independent
observations that have this variance, reduced where few segments tell, after Korn and Graubard (1998). In simulations
this held the truth in 94 to 99 of 100 draws of 5 to 50 segments, in 86 at worst (a rare behavior in 8 segments); the
percentiles of a bootstrap over segments held it in as few as none (rare behaviors, segments that all agree).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import ndtri, stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Share:
    """A share with its 95 % confidence interval.

    Attributes:
        value: 0 to 1; NaN when there was nothing to count.
        low: lower end of the interval.
        high: its upper end.
        segments: how many segments had something to count.
        effective: number of independent observations that tell as much.
    """

    value: float
    low: float
    high: float
    segments: int
    effective: float

    def more_segments(self, margin: float = 0.05) -> int | None:
        """About how many further segments bring the interval to this margin on either side.

        None where the segments so far do not tell (fewer than two had something to count).
        """
        if self.segments < 2 or math.isnan(self.value):
            return None
        wanted = _observations_for(self.value, margin)
        return max(0, math.ceil(self.segments * (wanted / self.effective - 1)))


def share_of_sums(part: Float64[np.ndarray, " segment"], whole: Float64[np.ndarray, " segment"]) -> Share:
    """The share of a whole that was counted segment by segment.

    Args:
        part: what was counted in every segment, from 0 to ``whole``.
        whole: out of how many.
    """
    there = whole > 0
    part, whole = part[there], whole[there]
    number = len(whole)
    if not number:
        return Share(math.nan, math.nan, math.nan, 0, 0.0)
    value = float(part.sum() / whole.sum())
    effective = float(number)
    spread = float(((part - value * whole) ** 2).sum())
    if number > 1 and spread > 0 and 0 < value < 1:
        variance = number / (number - 1) * spread / float(whole.sum()) ** 2
        observations = min(value * (1 - value) / variance, float(whole.sum()))
        # Where nearly all segments agree, the variance rests on the few that do not; but a segment tells at least as
        # much as one observation.
        telling = max(1, min(int((part < whole).sum()), int((part > 0).sum()), number - 1))
        floor = min(observations * _for_few(number - 1), float(number))
        effective = max(observations * _for_few(telling), floor)
    low, high = wilson(value, effective)
    return Share(value, low, high, number, effective)


def share_of_counts(part: int, whole: int) -> Share:
    """The share of things that were counted one by one, such as bouts (Wilson's interval)."""
    if not whole:
        return Share(math.nan, math.nan, math.nan, 0, 0.0)
    return Share(part / whole, *wilson(part / whole, float(whole)), whole, float(whole))


def _for_few(degrees: int) -> float:
    """By how much fewer degrees of freedom shrink a number of observations."""
    upper = 0.5 + CONFIDENCE / 2
    return float(ndtri(upper) / stdtrit(degrees, upper)) ** 2


def wilson(value: int | float, number: int | float) -> tuple[float, float]:
    """Wilson's interval of a share that was seen in so many independent observations."""
    z2 = float(ndtri(0.5 + CONFIDENCE / 2)) ** 2
    middle = (value + z2 / (2 * number)) / (1 + z2 / number)
    half = math.sqrt(z2 * (value * (1 - value) / number + z2 / (4 * number**2))) / (1 + z2 / number)
    return max(0.0, middle - half), min(1.0, middle + half)


def _observations_for(value: float, margin: float) -> float:
    """How many independent observations give an interval of this half width."""
    low, high = 1.0, 1e7
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        ends = wilson(value, middle)
        if (ends[1] - ends[0]) / 2 > margin:
            low = middle
        else:
            high = middle
    return high
