"""Which time belongs to a point: windows overlap, and no moment may count twice."""

import numpy as np
from jaxtyping import Float64, Int32


def owned_spans(
    recording: Int32[np.ndarray, " point"],
    start_s: Float64[np.ndarray, " point"],
    stop_s: Float64[np.ndarray, " point"],
) -> tuple[Float64[np.ndarray, " point"], Float64[np.ndarray, " point"]]:
    """The part of every point that belongs to it alone.

    Where a point overlaps the next one of its recording, they meet halfway between their middles. So a window owns its
    central stride, as it does in a track, and points that do not overlap own all of their time.

    Args:
        recording: number of the recording of every point.
        start_s: begins.
        stop_s: ends.

    Returns:
        Begins and ends; of one recording they are in order and do not overlap.
    """
    order = np.lexsort(((start_s + stop_s) / 2, recording))
    start, stop, number = start_s[order].copy(), stop_s[order].copy(), recording[order]
    middle = (start + stop) / 2
    border = np.maximum(np.minimum((middle[1:] + middle[:-1]) / 2, stop[:-1]), start[1:])  # one may lie in the other
    meets = (number[1:] == number[:-1]) & (stop[:-1] > start[1:])
    new_stop, new_start = stop.copy(), start.copy()
    new_stop[:-1][meets] = border[meets]
    new_start[1:][meets] = border[meets]
    owned_start, owned_stop = np.empty_like(start), np.empty_like(stop)
    owned_start[order] = np.minimum(new_start, middle)
    owned_stop[order] = np.maximum(new_stop, middle)
    return owned_start, owned_stop
