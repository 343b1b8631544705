"""From clusters to bouts: what a person named becomes annotations, marked as those of a model."""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64

from vp_science.errors import MapError
from vp_science.maps.edit import rename_clusters
from vp_science.maps.map import Map
from vp_science.maps.spans import owned_spans
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.intervals import drop_short, merge_close

_TOUCHING_S = 1e-6


def cluster_bouts(
    made: Map,
    names: Mapping[int, str] | None = None,
    *,
    unnamed: bool = False,
    fill_gap_s: int | float = 0.0,
    min_bout_s: int | float = 0.0,
) -> Annotations:
    """The bouts of every named cluster, with source ``model:<map id>``.

    Points that follow each other in one cluster are one bout. Where points overlap, every moment belongs to one of
    them. The score of a bout is the mean strength of its points. All time of the points counts as observed: the map
    looked at it. Clusters of one name are one behavior.

    Args:
        made: a map with clusters.
        names: names to use instead of those in the map, for these clusters.
        unnamed: clusters without a name become behaviors too, called ``cluster 3``; otherwise they are left out.
        fill_gap_s: bouts of one behavior that are at most this far apart become one, in seconds, where no other bout
            lies between them.
        min_bout_s: shorter bouts are dropped after that.

    Returns:
        An exclusive catalogue, bouts and observed intervals; recordings, subjects and targets as labels name them.

    Raises:
        MapError: when there are no clusters, none has a name, or a name is for a cluster that does not exist.
        AnnotationError: when a duration is negative.
    """
    named = rename_clusters(made, names or {})
    called = {number: name for number, name in named.names("cluster {}" if unnamed else "").items() if name}
    if not called:
        raise MapError(
            "expected clusters with names, found none: look at them (vp-science map sheets), name them (vp-science map "
            "name), or take them all (--unnamed)"
        )
    behaviors = list(dict.fromkeys(called.values()))
    start, stop = owned_spans(made.recording, made.start_s, made.stop_s)
    of_cluster = np.array([behaviors.index(called[n]) if n in called else -1 for n in range(len(made.clusters))] + [-1])
    behavior = of_cluster[made.cluster].astype(np.int64)
    rows, observed = [], []
    for number, track in enumerate(made.provenance["tracks"]):
        mine = np.flatnonzero(made.recording == number)
        mine = mine[np.argsort(start[mine], kind="stable")]
        who = {"recording": track["of_recording"], "subject": track["subject"], "target": track["target"]}
        for first, last, spans in _runs(behavior[mine], start[mine], stop[mine]):
            if behavior[mine[first]] >= 0:
                strength, weight = made.strength[mine[first:last]], np.maximum(np.diff(spans)[:, 0], 1e-9)
                rows.append(
                    who
                    | {"behavior": behaviors[behavior[mine[first]]], "start_s": spans[0, 0], "stop_s": spans[-1, 1]}
                    | {"score": float(np.average(strength, weights=weight)), "source": f"model:{made.id}"}
                )
        seen = {"recording": who["recording"], "subject": who["subject"]}
        for _, _, spans in _runs(np.zeros(len(mine), np.int64), start[mine], stop[mine]):
            observed.append(seen | {"start_s": spans[0, 0], "stop_s": spans[-1, 1]})
    found = Annotations.of(
        [row for row in rows if row["stop_s"] > row["start_s"]],
        [row for row in observed if row["stop_s"] > row["start_s"]],
        Behaviors.of(behaviors, exclusive=True),
    )
    bouts = drop_short(_filled(found.bouts, fill_gap_s), min_bout_s)
    return Annotations.of(bouts, found.observed, found.behaviors)


def _runs(
    behavior: Int64[np.ndarray, " point"], start: Float64[np.ndarray, " point"], stop: Float64[np.ndarray, " point"]
) -> list[tuple[int, int, Float64[np.ndarray, "run 2"]]]:
    """Stretches of touching points of one behavior: first, one past the last, and their spans."""
    if not len(behavior):
        return []
    breaks: Bool[np.ndarray, " border"] = (np.diff(behavior) != 0) | (start[1:] - stop[:-1] > _TOUCHING_S)
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(behavior)]
    spans = np.column_stack([start, stop])
    return [(first, last, spans[first:last]) for first, last in itertools.pairwise(edges)]


def _filled(bouts: pd.DataFrame, gap_s: int | float) -> pd.DataFrame:
    """Join bouts of a behavior over short gaps in which nothing else was found."""
    if not gap_s:
        return bouts
    who = ["recording", "subject", "target"]
    ordered = bouts.sort_values([*who, "start_s"], kind="stable", ignore_index=True)
    same = (ordered[who] == ordered[who].shift()).all(axis=1)
    turn = (~same | (ordered["behavior"] != ordered["behavior"].shift())).cumsum()
    parts = [merge_close(group, gap_s) for _, group in ordered.groupby(turn, sort=False)]
    return pd.concat(parts, ignore_index=True) if parts else bouts
