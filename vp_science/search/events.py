"""From scores of moments to events: overlapping moments around one peak are one result."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from vp_science.search.index import SearchIndex
from vp_science.search.query import Example

_FIRST_BATCH = 256
_FIRST_REACH = 64


@dataclass(frozen=True)
class Event:
    """One stretch of a recording in which the score is high.

    Attributes:
        peak: the best moment, as a position in the index.
        recording: as a position in the recordings of the index.
        score: of the best moment.
        start_s: from here the score stays near that of the best moment, which lies within.
        stop_s: up to here.
    """

    peak: int
    recording: int
    score: float
    start_s: float
    stop_s: float


@dataclass(frozen=True)
class EventRules:
    """What counts as an event, and how many are wanted.

    Attributes:
        limit: this many at most.
        per_recording: at most this many of one recording; None for any number.
        min_score: none below this; None for any score.
        merge_gap_s: what is no further than this from a better event belongs to it.
        recordings: positions in the recordings of the index: only in these; None for all.
    """

    limit: int
    per_recording: int | None
    min_score: int | float | None
    merge_gap_s: int | float
    recordings: tuple[int, ...] | None = None


def find_events(
    index: SearchIndex, scores: Float32[np.ndarray, " point"], known: Sequence[Example], rules: EventRules
) -> list[Event]:
    """The best events, best first.

    A peak is a moment that scores higher than its neighbours in time. Its event reaches as far as the score stays above
    the middle between that of the peak and the median of the recording (dips shorter than ``merge_gap_s`` do not end
    it), and covers the peak. Moments nearer than ``merge_gap_s`` to a better event are not listed again.

    Args:
        index: says where moments lie.
        scores: of every moment.
        known: examples, which are not listed, nor the events that they are part of.
        rules: how many, and how far apart.
    """
    finder = _Finder(index, scores, rules)
    for example in known:
        finder.leave_out(example)
    for peak in _peaks(index, scores, rules):
        if len(finder.found) >= rules.limit:
            break
        finder.offer(peak)
    return finder.found


def _peaks(index: SearchIndex, scores: Float32[np.ndarray, " point"], rules: EventRules) -> Iterator[int]:
    """Local maxima, best first; of equal ones the earlier first."""
    follows = (np.diff(index.recording) == 0) & (index.start_s[1:] <= index.stop_s[:-1] + index.median_length_s)
    higher = np.ones(len(scores), dtype=bool)
    higher[1:] = ~follows | (scores[1:] > scores[:-1])
    higher[:-1] &= ~follows | (scores[:-1] >= scores[1:])
    if rules.min_score is not None:
        higher &= scores >= rules.min_score
    if rules.recordings is not None:
        higher &= np.isin(index.recording, rules.recordings)
    return _best_first(np.flatnonzero(higher), scores)


def _best_first(positions: Int64[np.ndarray, " n"], scores: Float32[np.ndarray, " point"]) -> Iterator[int]:
    """Positions by falling score; only as many are sorted as are asked for."""
    batch = _FIRST_BATCH
    while len(positions):
        values = scores[positions]
        border = np.partition(values, -batch)[-batch] if len(positions) > batch else -np.inf
        best = positions[values >= border]
        yield from best[np.argsort(-scores[best], kind="stable")].tolist()
        positions, batch = positions[values < border], 4 * batch


class _Finder:
    """Events that were found, and what they leave for others."""

    def __init__(self, index: SearchIndex, scores: Float32[np.ndarray, " point"], rules: EventRules) -> None:
        self._index, self._scores, self._rules = index, scores, rules
        self._medians: dict[int, float] = {}
        self._taken: dict[int, list[tuple[float, float]]] = defaultdict(list)
        self._count: Counter[int] = Counter()
        self.found: list[Event] = []

    def leave_out(self, example: Example) -> None:
        """Take an example and the event around it, so that nothing of them is found."""
        points = self._index.points_of(example)
        peak = int(points[np.argmax(self._scores[points])])
        number = int(self._index.recording[peak])
        low, high = self._reach(peak, number, -np.inf, np.inf)
        self._taken[number].append((min(low, float(example.start_s)), max(high, float(example.stop_s))))

    def offer(self, peak: int) -> None:
        """Take a peak, unless it belongs to a better event or its recording has given enough."""
        index, rules = self._index, self._rules
        number = int(index.recording[peak])
        taken = self._taken[number]
        if rules.per_recording is not None and self._count[number] >= rules.per_recording:
            return
        start, stop = float(index.start_s[peak]), float(index.stop_s[peak])
        if any(start < other[1] + rules.merge_gap_s and stop > other[0] - rules.merge_gap_s for other in taken):
            return
        before = max((other[1] for other in taken if other[1] <= start), default=-np.inf)
        after = min((other[0] for other in taken if other[0] >= stop), default=np.inf)
        low, high = self._reach(peak, number, before, after)
        taken.append((low, high))
        self._count[number] += 1
        self.found.append(Event(peak, number, float(self._scores[peak]), low, high))

    def _reach(self, peak: int, number: int, before: float, after: float) -> tuple[float, float]:
        """How far the score stays near that of the peak, at least over the peak, between two borders."""
        level = (float(self._scores[peak]) + self._median(number)) / 2
        first, stop = int(self._index.first[number]), int(self._index.first[number + 1])
        width = _FIRST_REACH
        while True:
            low, high = max(first, peak - width), min(stop, peak + width + 1)
            begin, end = self._run(peak, low, high, level)
            whole = (begin > low or low == first) and (end < high - 1 or high == stop)
            if whole:
                break
            width *= 4
        cells = _middles(self._index, begin, end)
        start_s, stop_s = float(self._index.start_s[peak]), float(self._index.stop_s[peak])
        low_s, high_s = min(start_s, max(before, cells[0])), max(stop_s, min(after, cells[1]))
        return round(low_s, 6), round(high_s, 6)

    def _run(self, peak: int, low: int, high: int, level: float) -> tuple[int, int]:
        """First and last moment of the run around the peak that is high, with short dips."""
        rows = slice(low, high)
        middle = (self._index.start_s[rows] + self._index.stop_s[rows]) / 2
        wanted = self._scores[rows] >= level
        wanted[peak - low] = True
        inside = np.flatnonzero(wanted)
        step = float(np.median(np.diff(middle))) if len(middle) > 1 else 0.0
        breaks = np.diff(middle[inside]) > self._rules.merge_gap_s + 1.5 * step
        runs = np.concatenate([[0], np.cumsum(breaks)])
        mine = inside[runs == runs[np.searchsorted(inside, peak - low)]]
        return low + int(mine[0]), low + int(mine[-1])

    def _median(self, number: int) -> float:
        if number not in self._medians:
            rows = slice(int(self._index.first[number]), int(self._index.first[number + 1]))
            self._medians[number] = float(np.median(self._scores[rows]))
        return self._medians[number]


def _middles(index: SearchIndex, begin: int, end: int) -> tuple[float, float]:
    """The middles of two moments: a window that is half in an event has half the score, so the event ends there."""
    middles: Float64[np.ndarray, " _"] = (index.start_s[[begin, end]] + index.stop_s[[begin, end]]) / 2
    return float(middles[0]), float(middles[1])
