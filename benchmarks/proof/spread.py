"""Means, spreads and paired differences, in words that do not promise more than the numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """Some values.

    Attributes:
        mean: of them.
        sd: standard deviation (n - 1); NaN for a single value.
        count: how many.
        low: end of the 95 % interval of the mean (Student's t); NaN for a single value.
        high: its other end.
    """

    mean: float
    sd: float
    count: int
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What may be said of a difference."""
        if self.count < 2:
            return "not shown (one value)"
        if self.low > 0:
            return "shown"
        if self.high < 0:
            return "the opposite is shown"
        return "not shown (the interval includes zero)"

    def text(self, digits: int = 3) -> str:
        """The mean and its standard deviation, as they stand in a table."""
        if not self.count:
            return "n/a"
        if self.count == 1:
            return f"{self.mean:.{digits}f} (n = 1)"
        return f"{self.mean:.{digits}f} ± {self.sd:.{digits}f}"

    def difference(self, digits: int = 3) -> str:
        """A difference with its interval and what may be said of it."""
        if not self.count:
            return "n/a"
        if self.count == 1:
            return f"{self.mean:+.{digits}f}; {self.verdict}"
        interval = f"[{self.low:+.{digits}f}, {self.high:+.{digits}f}]"
        return f"{self.mean:+.{digits}f} {interval}, n = {self.count}: {self.verdict}"


def spread(values: Sequence[float | None]) -> Spread:
    """Mean, standard deviation and interval of the values that exist."""
    there = np.array([value for value in values if value is not None and math.isfinite(value)], np.float64)
    if not len(there):
        return Spread(math.nan, math.nan, 0, math.nan, math.nan)
    mean = float(there.mean())
    if len(there) == 1:
        return Spread(mean, math.nan, 1, math.nan, math.nan)
    sd = float(there.std(ddof=1))
    half = float(student.ppf((1 + LEVEL) / 2, len(there) - 1)) * sd / math.sqrt(len(there))
    return Spread(mean, sd, len(there), mean - half, mean + half)


def paired(first: Mapping, second: Mapping) -> Spread:
    """The differences ``first - second`` of the units that both have (folds, seeds, studies)."""
    both = [unit for unit in first if unit in second and None not in (first[unit], second[unit])]
    return spread([first[unit] - second[unit] for unit in both])
