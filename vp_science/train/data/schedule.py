"""Which data set a batch comes from: alternating gradient descent (VideoPrism, appendix C.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

_LEAST, _MOST = 1000, 1_000_000


@dataclass(frozen=True, eq=False)
class Schedule:
    """Every batch comes from one data set; the sets alternate as evenly as their weights allow, without chance.

    Attributes:
        period: data set of every batch of one period, which repeats.
        before: ``(batch, set)`` batches of each set in the period before this one; one row more than the period.
    """

    period: Int64[np.ndarray, " batch"]
    before: Int64[np.ndarray, "batch_and_one set"]

    @classmethod
    def of(cls, weights: Sequence[int | float]) -> "Schedule":
        """The schedule for sets of these weights.

        The next batch comes from the set that is furthest behind its share. Shares are met to a thousandth (finer,
        where a set is rarer than that).
        """
        share = np.asarray(weights, np.float64) / np.sum(weights)
        length = 1 if len(share) == 1 else int(np.clip(np.ceil(2 / share.min()), _LEAST, _MOST))
        period = np.zeros(length, np.int64)
        counts = np.zeros(len(share))
        before = np.zeros((length + 1, len(share)), np.int64)
        for step in range(length):
            chosen = int(np.argmax(share * (step + 1) - counts))
            period[step] = chosen
            counts[chosen] += 1
            before[step + 1] = counts
        return cls(period, before)

    def __call__(self, step: int) -> tuple[int, int]:
        """Data set of a batch, and how many batches came from that set before."""
        rounds, place = divmod(step, len(self.period))
        chosen = int(self.period[place])
        return chosen, int(rounds * self.before[-1, chosen] + self.before[place, chosen])
