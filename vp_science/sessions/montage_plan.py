"""Which clips a montage plays: from where to where, and in which order they are worth looking at."""

from collections.abc import Sequence

from vp_science.sessions.moments import Moment

LEAST_S, MOST_S = 1.0, 4.0


def clip_span(moment: Moment, least_s: int | float = LEAST_S, most_s: int | float = MOST_S) -> tuple[float, float]:
    """What is played of a moment: all of it, its middle where it is long, what is around it where it is short."""
    _, start, stop = moment
    length = min(max(stop - start, float(least_s)), float(most_s))
    middle = (start + stop) / 2
    return middle - length / 2, middle + length / 2


def varied_order(moments: Sequence[Moment]) -> list[int]:
    """An order in which few moments show much: recordings take turns, and each spreads its moments over time.

    The first of a recording is that in the middle of its moments, the next ones those in the middle of the halves, and
    so on; so the first nine of a thousand tell about all of them.

    Returns:
        Positions in ``moments``, each once.
    """
    by_recording: dict[str, list[int]] = {}
    for place, moment in enumerate(moments):
        by_recording.setdefault(moment[0], []).append(place)
    turns = [
        [rows[place] for place in _middles_first(len(rows))]
        for rows in (sorted(rows, key=lambda place: moments[place][1]) for rows in by_recording.values())
    ]
    order = []
    for turn in range(max(map(len, turns), default=0)):
        order += [rows[turn] for rows in turns if turn < len(rows)]
    return order


def _middles_first(count: int) -> list[int]:
    """0 to ``count`` - 1: the middle, the middles of the halves, those of the quarters ..."""
    order, level = [], [(0, count)]
    while level:
        following = []
        for first, stop in level:
            middle = (first + stop) // 2
            order.append(middle)
            following += [(a, b) for a, b in ((first, middle), (middle + 1, stop)) if a < b]
        level = following
    return order if count else []
