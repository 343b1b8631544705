"""Moments that stand for a cluster, for people to look at."""

import numpy as np
from jaxtyping import Int64

from vp_science.maps.map import Map


def representatives(
    made: Map, cluster: int, count: int = 12, *, apart_s: int | float = 2.0
) -> Int64[np.ndarray, " chosen"]:
    """Points that show what a cluster is: its medoid, then as different ones as there are.

    They are spread over recordings and over the cluster (see ``choose_moments``), and taken from the half of its points
    that belong to it most clearly.

    Args:
        made: the map.
        cluster: its number; -1 for points without a cluster.
        count: how many at most.
        apart_s: two points of a recording are at least this far apart, in seconds.

    Returns:
        Numbers of points, the most typical one first; none where the cluster has no points.

    Raises:
        MapError: when there is no such cluster.
    """
    from vp_science.montage.choose import choose_moments

    members = made.members(cluster)
    if not len(members):
        return members
    members = members[made.strength[members] >= np.median(made.strength[members])]
    medoid = int(made.clusters["medoid"][cluster]) if cluster >= 0 else None
    return choose_moments(
        made.coordinates,
        made.recording,
        made.start_s,
        made.stop_s,
        members=members,
        medoid=medoid,
        count=count,
        apart_s=apart_s,
    )


def moments_of(made: Map, points: Int64[np.ndarray, " chosen"]) -> list[tuple[str, float, float]]:
    """Recording, start and stop of points, as contact sheets and montages take them."""
    return [
        (made.recordings[made.recording[point]], float(made.start_s[point]), float(made.stop_s[point]))
        for point in points
    ]


def captions_of(made: Map, points: Int64[np.ndarray, " chosen"]) -> list[str]:
    """A caption for each point: recording, time, strength."""
    from vp_science.montage.drawing import time_span

    return [
        f"{recording}  {time_span(start_s, stop_s)}  strength {made.strength[point]:.2f}"
        for point, (recording, start_s, stop_s) in zip(points.tolist(), moments_of(made, points), strict=True)
    ]
