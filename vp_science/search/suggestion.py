"""What to ask next: moments that the score is unsure of, and that differ from each other."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from vp_science.errors import SettingsError
from vp_science.search.events import Event, EventRules, find_events

if TYPE_CHECKING:
    from vp_science.search.results import Results

_POOL = 5
"""Events that are considered for each that is suggested."""


def suggest_events(results: "Results", number: int) -> list[Event]:
    """Events whose answers would help most, in the order in which to ask.

    Unsure is what lies near the border between yes and no: a probability of one half, or the middle between the mean
    scores of the examples on either side. Without examples of what is not wanted no border is known; then the best
    events that were not answered yet are the most telling. Among the unsure ones each next is chosen to be unlike those
    before.

    Args:
        results: of the search so far.
        number: how many are wanted.

    Raises:
        SettingsError: when the number is not positive.
    """
    if number < 1:
        raise SettingsError(f"expected to suggest at least 1 moment, found {number}")
    index, options = results.index, results.options
    answered = (*results.query.like, *results.query.unlike)
    border = _border(results)
    wanted = results.scores if border is None else -np.abs(results.scores - np.float32(border))
    pool = find_events(
        index, wanted, answered, EventRules(_POOL * number, None, None, options.merge_gap_s, options.only_in(index))
    )
    if not pool:
        return []
    vectors = index.vectors(np.array([event.peak for event in pool], np.int64), options.common)
    scores = [float(results.scores[event.peak]) for event in pool]
    chosen = [pool[place] for place in _spread(vectors, number)]
    by_peak = {event.peak: score for event, score in zip(pool, scores, strict=True)}
    return [Event(one.peak, one.recording, by_peak[one.peak], one.start_s, one.stop_s) for one in chosen]


def _border(results: "Results") -> float | None:
    """The score between yes and no; None where nobody has said no yet."""
    if results.scorer.method == "logistic":
        return 0.5
    query, index = results.query, results.index
    if not query.like or not query.unlike:
        return None
    sides = [
        np.mean([results.scores[index.points_of(example)].mean() for example in examples])
        for examples in (query.like, query.unlike)
    ]
    return float(sum(sides) / 2)


def _spread(vectors: Float32[np.ndarray, "n dim"], number: int) -> list[int]:
    """The first row, and then again and again the one of the pool that is least like those chosen.

    The pool is in order of what is asked for; a row counts by how far it is from the chosen ones, less its place in it,
    so that of equally different ones the earlier comes first.
    """
    place = np.arange(len(vectors)) / len(vectors)
    chosen = [0]
    nearest = vectors @ vectors[0]
    while len(chosen) < min(number, len(vectors)):
        gain = (1 - nearest) / 2 - 0.5 * place
        gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
        nearest = np.maximum(nearest, vectors @ vectors[chosen[-1]])
    return chosen
