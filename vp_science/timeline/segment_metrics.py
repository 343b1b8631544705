"""How well bouts are found: segment F1 and edit score (definitions of MS-TCN), events, onsets.

Segments are maximal runs of one behavior; background is none. They are counted in frames, as the published numbers are.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64

from vp_science.timeline.comparison import Comparison
from vp_science.timeline.frame_metrics import mean_known

OVERLAPS = (0.1, 0.25, 0.5)
"""Intersection over union that a segment must reach to count as found."""

EVENT_TOLERANCE_S = 0.5
"""A predicted point event counts as right when it is this near to a labelled one."""

Spans = Int64[np.ndarray, "_ 2"]


def overlapping(first: Spans, second: Spans) -> tuple[Int64[np.ndarray, " pair"], Int64[np.ndarray, " pair"]]:
    """Indices of all pairs that share a frame; both lists are sorted and do not overlap within themselves."""
    begin = np.searchsorted(second[:, 1], first[:, 0], side="right")
    end = np.searchsorted(second[:, 0], first[:, 1], side="left")
    number = np.maximum(end - begin, 0)
    one = np.repeat(np.arange(len(first)), number)
    offset = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    return one.astype(np.int64), (np.repeat(begin, number) + offset).astype(np.int64)


def overlap_ratio(first: Spans, second: Spans) -> Float64[np.ndarray, " pair"]:
    """Intersection over union, row by row."""
    shared = np.minimum(first[:, 1], second[:, 1]) - np.maximum(first[:, 0], second[:, 0])
    union = (first[:, 1] - first[:, 0]) + (second[:, 1] - second[:, 0]) - shared
    return np.asarray(shared / union, np.float64)


def segment_counts(true: Spans, found: Spans, overlap: float) -> Int64[np.ndarray, " 3"]:
    """True positives, false positives and false negatives.

    Every predicted segment is held against the labelled one with which it overlaps most. It is right if they overlap
    by at least ``overlap`` and no earlier prediction took that one.
    """
    one, other = overlapping(found, true)
    share = overlap_ratio(found[one], true[other])
    order = np.lexsort((other, -share, one))  # per prediction: the largest overlap first, then the earliest segment
    best = order[np.unique(one[order], return_index=True)[1]] if len(order) else order
    hits = len(np.unique(other[best[share[best] >= overlap]]))
    return np.array([hits, len(found) - hits, len(true) - hits], dtype=np.int64)


def count_segments(comparisons: Sequence[Comparison], overlap: float) -> Int64[np.ndarray, "behavior 3"]:
    """``segment_counts`` of every behavior, summed over recordings; zeros for point behaviors."""
    behaviors = comparisons[0].behaviors
    counts = np.zeros((len(behaviors), 3), dtype=np.int64)
    for part in comparisons:
        for column, behavior in enumerate(behaviors):
            if behavior.kind == "state":
                counts[column] += segment_counts(*part.bouts(column), overlap)
    return counts


def edit_score(comparisons: Sequence[Comparison]) -> float:
    """1 - Levenshtein distance of the two sequences of bouts / length of the longer one; mean over recordings.

    The sequence of a recording lists its bouts in order of their onset (equal onsets in the order of the catalogue),
    which for an exclusive catalogue is the sequence of segments. Two empty sequences are equal: 1.
    """
    scores = []
    for part in comparisons:
        if part.counted.any():
            one, other = _sequence(part, 0), _sequence(part, 1)
            longest = max(len(one), len(other))
            scores.append(1 - edit_distance(one, other) / longest if longest else 1.0)
    return mean_known(scores)


def _sequence(part: Comparison, which: int) -> Int64[np.ndarray, " bout"]:
    columns = range(len(part.behaviors))
    onsets = [part.bouts(column)[which][:, 0] for column in columns]
    onset = np.concatenate([np.zeros(0, np.int64), *onsets])
    behavior = np.repeat(np.arange(len(onsets)), [len(each) for each in onsets])
    return behavior[np.lexsort((behavior, onset))].astype(np.int64)


def edit_distance(one: Int64[np.ndarray, " first"], other: Int64[np.ndarray, " second"]) -> int:
    """Levenshtein distance: insertions, deletions and replacements that turn one sequence into the other."""
    steps = np.arange(len(other) + 1)
    row = steps.copy()
    for position, label in enumerate(one):
        replaced = row[:-1] + (other != label)
        cheapest = np.concatenate([[position + 1], np.minimum(row[1:] + 1, replaced)])
        row = np.minimum.accumulate(cheapest - steps) + steps  # insertions run along the row
    return int(row[-1])


def match_in_order(true: Spans, found: Spans) -> tuple[Int64[np.ndarray, " pair"], Int64[np.ndarray, " pair"]]:
    """Each predicted bout, in order, takes the first labelled bout that it overlaps and that is not taken.

    Returns:
        Indices of the labelled and of the predicted bout of every pair.
    """
    begin = np.searchsorted(true[:, 1], found[:, 0], side="right")
    end = np.searchsorted(true[:, 0], found[:, 1], side="left")
    pairs, free = [], 0
    for index, (first, stop) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
        free = max(free, first)
        if free < stop:
            pairs.append((free, index))
            free += 1
    matched = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return matched[:, 0], matched[:, 1]


def match_events(
    true_s: Float64[np.ndarray, " true"],
    found_s: Float64[np.ndarray, " found"],
    tolerance_s: int | float = EVENT_TOLERANCE_S,
) -> tuple[Int64[np.ndarray, " pair"], Int64[np.ndarray, " pair"]]:
    """As many one-to-one pairs of events within the tolerance as there can be; both lists are sorted.

    Returns:
        Indices of the labelled and of the predicted event of every pair.
    """
    pairs, one, other = [], 0, 0
    while one < len(true_s) and other < len(found_s):
        late_s = found_s[other] - true_s[one]
        if abs(late_s) <= tolerance_s + 1e-9:
            pairs.append((one, other))
            one, other = one + 1, other + 1
        elif late_s > 0:
            one += 1
        else:
            other += 1
    matched = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return matched[:, 0], matched[:, 1]


def event_times(part: Comparison, column: int) -> tuple[Float64[np.ndarray, " true"], Float64[np.ndarray, " found"]]:
    """Times of the labelled and of the predicted point events: of every frame in which one happens."""
    start = part.edges[:-1]
    return start[part.happens[:, column]], start[part.found[:, column]]


def onset_delays(part: Comparison, column: int) -> Float64[np.ndarray, " pair"]:
    """How much later than the label each bout (or event) was found to begin, in seconds, for those that were found."""
    if part.behaviors.entries[column].kind == "point":
        true_s, found_s = event_times(part, column)
        one, other = match_events(true_s, found_s)
        return np.asarray(found_s[other] - true_s[one])
    true, found = part.bouts(column)
    one, other = match_in_order(true, found)
    return np.asarray(part.edges[found[other, 0]] - part.edges[true[one, 0]])
