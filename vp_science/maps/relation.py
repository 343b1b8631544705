"""How clusters relate to what people saw."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int32, Int64

from vp_science.errors import MapError
from vp_science.maps.map import Map
from vp_science.maps.spans import owned_spans
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.budget import observed_time
from vp_science.timeline.frame_metrics import background_name
from vp_science.timeline.intervals import Intervals, as_union, intersect_intervals, subtract_intervals
from vp_science.timeline.names import listed, match_names

_MOSTLY = 0.5
_SURE = 1e-9


@dataclass(frozen=True, eq=False)
class Relation:
    """What clusters have to do with behaviors, in time that was observed.

    The measures take points as units: a point counts when at least half of its time was observed for every behavior,
    and has the label that takes most of it (where behaviors may overlap: all that take at least half of it, together).
    Points without a cluster are one more cluster for all measures but purity.

    Attributes:
        table: seconds, one row per cluster (-1: none), one column per behavior and one for time without any. Where
            behaviors overlap, a moment counts for each of them.
        ami: adjusted mutual information of clusters and labels (Vinh et al. 2010): 0 as by chance, 1 one cluster for
            every behavior.
        homogeneity: 1 when every cluster holds one behavior only (Rosenberg & Hirschberg 2007); grows with the number
            of clusters.
        completeness: 1 when every behavior lies in one cluster only.
        purity: share of the clustered points whose label is the most common one of their cluster; grows with the number
            of clusters, too.
        ami_recordings: adjusted mutual information of clusters and recordings, of all points: where it is large,
            clusters may show cages, cameras or animals rather than behavior. NaN for one recording.
        num_points: that were counted.
        observed_s: the time of the table.
        unlabelled: recordings without labels, left out.
    """

    table: pd.DataFrame
    ami: float
    homogeneity: float
    completeness: float
    purity: float
    ami_recordings: float
    num_points: int
    observed_s: float
    unlabelled: tuple[str, ...]

    @property
    def main(self) -> pd.DataFrame:
        """What takes most of the observed time of every cluster.

        Columns ``behavior`` ("" where nothing was observed), ``share`` of that time, ``observed_s``.
        """
        total = self.table.sum(axis=1)
        some = total > 0
        behavior = self.table.idxmax(axis=1).where(some, "")
        share = (self.table.max(axis=1) / total.where(some)).where(some)
        return pd.DataFrame({"behavior": behavior, "share": share, "observed_s": total})

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; numbers that are not known are None."""
        measures = ("ami", "homogeneity", "completeness", "purity", "ami_recordings")
        known: dict[str, Any] = {name: _known(getattr(self, name)) for name in measures}
        return known | {
            "num_points": self.num_points,
            "observed_s": self.observed_s,
            "unlabelled": list(self.unlabelled),
            "seconds": {str(row): values.to_dict() for row, values in self.table.iterrows()},
        }


def relate(made: Map, annotations: Annotations) -> Relation:
    """Compare the clusters of a map with labels of its recordings.

    Recordings are matched by name, as everywhere. In tracks of a followed animal its own bouts count; in whole frames a
    behavior happens when any subject does it. Point events have no duration, and do not count.

    Args:
        made: a map with clusters.
        annotations: labels with observed time.

    Raises:
        MapError: when the map has no clusters, no recording has labels, or no time of a point was observed.
    """
    from sklearn.metrics import adjusted_mutual_info_score, homogeneity_completeness_v_measure

    if made.model.settings.cluster is None:
        raise MapError("expected a map with clusters, found one without: make it with cluster='hdbscan' or 'kmeans'")
    names = [entry.name for entry in annotations.behaviors if entry.kind == "state"]
    tracks = made.provenance["tracks"]
    labelled = match_names(annotations.recordings, [track["of_recording"] for track in tracks])
    if not names or not any(labelled):
        raise MapError(
            f"expected labels of states in the recordings of the map ({listed(list(made.recordings))}), found those of "
            f"{listed(list(annotations.recordings)) or 'none'}: give labels of these recordings"
        )
    seconds = np.zeros((len(made), len(names) + 1))
    observed = np.zeros(len(made))
    start, stop = owned_spans(made.recording, made.start_s, made.stop_s)
    for number, (track, name) in enumerate(zip(tracks, labelled, strict=True)):
        rows = np.flatnonzero(made.recording == number)
        if name and len(rows):
            happening, everything = _happening(annotations, name, track["subject"], track["target"], names)
            for column, intervals in enumerate(happening):
                seconds[rows, column] = _overlap(intervals, start[rows], stop[rows])
            observed[rows] = _overlap(everything, start[rows], stop[rows])
    counted = observed >= np.maximum(_MOSTLY * (stop - start) - _SURE, _SURE)
    if not counted.any():
        raise MapError(
            "expected labels of the time of the points, found none observed: check that the labels have observed "
            "intervals, and the clock of the recordings"
        )
    label = _labels(seconds[counted], observed[counted], annotations.behaviors.exclusive)
    cluster = made.cluster[counted]
    homogeneity, completeness, _ = homogeneity_completeness_v_measure(label, cluster)
    several = len(made.recordings) > 1
    return Relation(
        table=_table(made, seconds, [*names, background_name(annotations.behaviors)]),
        ami=float(adjusted_mutual_info_score(label, cluster)),
        homogeneity=float(homogeneity),
        completeness=float(completeness),
        purity=_purity(label[cluster >= 0], cluster[cluster >= 0]),
        ami_recordings=float(adjusted_mutual_info_score(made.recording, made.cluster)) if several else float("nan"),
        num_points=int(counted.sum()),
        observed_s=float(observed.sum()),
        unlabelled=tuple(recording for recording, name in zip(made.recordings, labelled, strict=True) if not name),
    )


def _happening(
    annotations: Annotations, recording: str, subject: str, target: str, names: list[str]
) -> tuple[list[Intervals], Intervals]:
    """When each behavior happens and was observed, when none does, and when all were observed."""
    bouts = annotations.bouts[annotations.bouts["recording"] == recording]
    if target:
        bouts = bouts[bouts["target"] == target]
    subjects = [subject] if subject else list(annotations.subjects(recording)) or [""]
    everything, found = np.array([[-np.inf, np.inf]]), []
    for name in names:
        theirs = bouts[bouts["behavior"] == name]
        seen = np.array([[-np.inf, np.inf]])
        for each in subjects:
            seen = intersect_intervals(seen, observed_time(annotations, recording, each, name))
        mine = _intervals(theirs[theirs["subject"] == subject] if subject else theirs)
        if subject:  # somebody did it, and nobody says who: unknown for this one
            seen = subtract_intervals(seen, subtract_intervals(_intervals(theirs[theirs["subject"] == ""]), mine))
        found.append(intersect_intervals(mine, seen))
        everything = intersect_intervals(everything, seen)
    found.append(subtract_intervals(everything, np.concatenate(found)))
    return found, everything


def _intervals(bouts: pd.DataFrame) -> Intervals:
    return as_union(bouts[["start_s", "stop_s"]].to_numpy(np.float64).reshape(-1, 2))


def _overlap(
    intervals: Intervals, start_s: Float64[np.ndarray, " point"], stop_s: Float64[np.ndarray, " point"]
) -> Float64[np.ndarray, " point"]:
    """Seconds of every span that the intervals (sorted, apart) cover."""
    if not len(intervals):
        return np.zeros(len(start_s))
    passed = np.concatenate([[0.0], np.cumsum(intervals[:, 1] - intervals[:, 0])])
    before = np.column_stack([passed[:-1], passed[1:]]).ravel()
    return np.asarray(np.interp(stop_s, intervals.ravel(), before) - np.interp(start_s, intervals.ravel(), before))


def _labels(
    seconds: Float64[np.ndarray, "point column"], observed: Float64[np.ndarray, " point"], exclusive: bool
) -> Int64[np.ndarray, " point"]:
    """A number for what happens in every point; the last column is nothing."""
    if exclusive:
        return np.asarray(seconds.argmax(axis=1), np.int64)
    on = seconds[:, :-1] >= _MOSTLY * observed[:, None] - _SURE
    return np.asarray(np.unique(on, axis=0, return_inverse=True)[1].reshape(-1), np.int64)


def _table(made: Map, seconds: Float64[np.ndarray, "point column"], columns: list[str]) -> pd.DataFrame:
    sums = np.zeros((len(made.clusters) + 1, len(columns)))
    np.add.at(sums, made.cluster, seconds)  # -1 is the last row
    index = pd.Index([*made.clusters.index, -1], name="cluster")
    return pd.DataFrame(sums, index=index, columns=pd.Index(columns, name="behavior"))


def _purity(label: Int64[np.ndarray, " point"], cluster: Int32[np.ndarray, " point"]) -> float:
    if not len(label):
        return float("nan")
    counts = np.zeros((int(cluster.max()) + 1, int(label.max()) + 1), np.int64)
    np.add.at(counts, (cluster, label), 1)
    return float(counts.max(axis=1).sum() / len(label))


def _known(number: float) -> float | None:
    return None if np.isnan(number) else number
