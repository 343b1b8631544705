"""Which moments stand for a cluster: its middle first, then as different ones as possible."""

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from vp_science.errors import SettingsError

_CORE = 0.9


def choose_moments(
    coordinates: Float[np.ndarray, "point dim"],
    recording: Int[np.ndarray, " point"],
    start_s: Float[np.ndarray, " point"],
    stop_s: Float[np.ndarray, " point"],
    *,
    members: Int[np.ndarray, " member"] | None = None,
    medoid: int | None = None,
    count: int = 12,
    apart_s: int | float = 2.0,
) -> Int64[np.ndarray, " chosen"]:
    """Choose representative and varied points of a cluster.

    The medoid comes first. Every further point is taken from the recordings that have given the fewest so far, and is
    the one farthest from all chosen ones, so that the choice spreads over recordings and over the cluster. The tenth of
    the members farthest from the medoid is left out: what is at the rim shows the neighbours more than the cluster.

    Args:
        coordinates: where every point lies, in the map or in the space that was clustered.
        recording: number of the recording of every point.
        start_s: when every point begins, in seconds.
        stop_s: when it ends.
        members: indices of the points of the cluster; None takes all.
        medoid: index of the most central one; None takes the member closest to the mean.
        count: how many at most; fewer where the cluster has no more that are apart.
        apart_s: middles of two chosen points of a recording are at least this far apart in time, in seconds.

    Returns:
        Indices of points, in the order of choice.

    Raises:
        SettingsError: when there are no members, the medoid is none of them, or ``count`` is below 1.
    """
    chosen_from = np.arange(len(coordinates)) if members is None else np.asarray(members, np.int64)
    if not len(chosen_from) or count < 1:
        raise SettingsError(
            f"expected members of a cluster and a count from 1 on, found {len(chosen_from)} and {count}"
        )
    place = np.asarray(coordinates[chosen_from], np.float64)
    if medoid is None:
        first = int(np.argmin(np.linalg.norm(place - place.mean(axis=0), axis=1)))
    elif medoid in chosen_from:
        first = int(np.flatnonzero(chosen_from == medoid)[0])
    else:
        raise SettingsError(f"expected the medoid to be a member of its cluster, found point {medoid} outside of it")
    middle_s = (np.asarray(start_s, np.float64)[chosen_from] + np.asarray(stop_s, np.float64)[chosen_from]) / 2
    chosen = _spread(place, np.asarray(recording)[chosen_from], middle_s, first, count, float(apart_s))
    return np.asarray(chosen_from[chosen])


def _spread(
    place: Float[np.ndarray, "member dim"],
    recording: Int[np.ndarray, " member"],
    middle_s: Float[np.ndarray, " member"],
    first: int,
    count: int,
    apart_s: float,
) -> Int64[np.ndarray, " chosen"]:
    distance = np.linalg.norm(place - place[first], axis=1)
    open_: Bool[np.ndarray, " member"] = distance <= np.quantile(distance, _CORE)
    _, number = np.unique(recording, return_inverse=True)
    taken = np.zeros(number.max() + 1, np.int64)
    chosen = [first]
    while True:
        last = chosen[-1]
        taken[number[last]] += 1
        open_ &= ~((number == number[last]) & (np.abs(middle_s - middle_s[last]) < apart_s))
        open_[last] = False
        distance = np.minimum(distance, np.linalg.norm(place - place[last], axis=1))
        if len(chosen) == count or not open_.any():
            return np.array(chosen, np.int64)
        candidates = np.flatnonzero(open_)
        candidates = candidates[taken[number[candidates]] == taken[number[candidates]].min()]
        chosen.append(int(candidates[np.argmax(distance[candidates])]))
