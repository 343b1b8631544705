"""From scores to what happens at every frame: thresholds, hysteresis, and the peaks of point events."""

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from vp_science.timeline.ethogram import runs

Scores = Float64[np.ndarray, "frame behavior"]
Mask = Bool[np.ndarray, "frame behavior"]


def above(scores: Scores, thresholds: Float[np.ndarray, " behavior"]) -> Mask:
    """Where a score reaches its threshold; a score of zero never does."""
    return np.asarray((scores >= thresholds) & (scores > 0))


def by_threshold(scores: Scores, thresholds: Float[np.ndarray, " behavior"], known: Mask, *, exclusive: bool) -> Mask:
    """Behaviors whose score reaches their threshold; in an exclusive catalogue only the highest of them."""
    candidates = above(scores, thresholds) & known
    return highest(scores, candidates) if exclusive else candidates


def by_hysteresis(
    scores: Scores, thresholds: Float[np.ndarray, " behavior"], low_ratio: float, known: Mask, *, exclusive: bool
) -> Mask:
    """A behavior begins where its score reaches the threshold and lasts while it stays above ``low_ratio`` of it.

    In an exclusive catalogue a behavior gives way where another one stands above its own threshold with a higher
    score, and where two last on, the higher score counts.
    """
    seeds = by_threshold(scores, thresholds, known, exclusive=exclusive)
    lasting = above(scores, thresholds * low_ratio) & known
    if not exclusive:
        return connected(lasting, seeds)
    lasting &= seeds | ~seeds.any(axis=1, keepdims=True)
    on = highest(scores, connected(lasting, seeds))
    return connected(on, seeds)  # what a higher score cut off from its beginning has none


def highest(scores: Scores, candidates: Mask) -> Mask:
    """Of the candidates of every frame the one with the highest score (the first of equal ones)."""
    best = np.where(candidates, scores, -np.inf).argmax(axis=1)
    chosen = np.zeros_like(candidates)
    chosen[np.arange(len(best)), best] = True
    return np.asarray(chosen & candidates)


def connected(on: Mask, seeds: Mask) -> Mask:
    """The runs of frames that contain a seed."""
    kept = np.zeros_like(on)
    for column in range(on.shape[1]):
        for first, stop in runs(on[:, column]):
            kept[first:stop, column] = seeds[first:stop, column].any()
    return kept


def events(scores: Scores, thresholds: Float[np.ndarray, " behavior"], known: Mask, low_ratio: float | None) -> Mask:
    """One frame per point event: the local maxima of the score that reach the threshold.

    The middle frame of a flat maximum counts.

    Args:
        scores: of the point behaviors.
        thresholds: of the point behaviors.
        known: where scores are known.
        low_ratio: two maxima are two events only if the score falls below this share of the threshold between them
            (the higher one stays); None takes every local maximum.
    """
    found = np.zeros(scores.shape, dtype=bool)
    for column in range(scores.shape[1]):
        values, threshold = scores[:, column], float(thresholds[column])
        stretch = known[:, column]
        if low_ratio is not None:
            stretch = stretch & (values >= threshold * low_ratio) & (values > 0)
        for first, stop in runs(stretch):
            peaks = first + _peaks(values[first:stop])
            peaks = peaks[(values[peaks] >= threshold) & (values[peaks] > 0)]
            if low_ratio is not None and len(peaks):
                peaks = peaks[[values[peaks].argmax()]]
            found[peaks, column] = True
    return found


def _peaks(values: Float64[np.ndarray, " frame"]) -> Int64[np.ndarray, " peak"]:
    """Local maxima, by the middle frame of flat ones; an end counts when its only neighbour is lower."""
    begins = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
    level = np.concatenate([[-np.inf], values[begins], [-np.inf]])
    ends = np.append(begins[1:], len(values)) - 1
    is_peak = (level[1:-1] > level[:-2]) & (level[1:-1] > level[2:])
    return np.asarray((begins[is_peak] + ends[is_peak]) // 2, np.int64)


def between_events(values: Scores, event: Bool[np.ndarray, " frame"], known: Mask) -> Scores:
    """Values with those at events replaced by the lower one of the nearest frames without an event on both sides.

    In an exclusive catalogue an event takes its frame; this is what goes on around it. At the border of known time,
    where there is no other side, that is 0.
    """
    if not event.any():
        return values
    done = values.copy()
    index = np.arange(len(values))
    for column in range(values.shape[1]):
        usable = ~event & known[:, column]
        before = np.maximum.accumulate(np.where(usable, index, -1))
        after = np.minimum.accumulate(np.where(usable, index, len(values))[::-1])[::-1]
        gap = np.concatenate([[0], np.cumsum(~known[:, column])])
        for frame in np.flatnonzero(event & known[:, column]):
            first, last = before[frame], after[frame]
            inside = first >= 0 and last < len(values) and gap[last] == gap[first]
            done[frame, column] = min(values[first, column], values[last, column]) if inside else 0.0
    return done
