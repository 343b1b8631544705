"""Where the time goes, and what follows what.

Only observed time counts: a bout counts as far as it lies within an observed interval of its subject and behavior, and
nothing is said to follow anything across time that nobody looked at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import Ethogram
from vp_science.timeline.frame_metrics import background_name
from vp_science.timeline.intervals import Intervals, as_union, covers, intersect_intervals, total_s

BY = ("recording", "subject", "target", "behavior")
BUDGET_COLUMNS = (
    "kind",
    "bouts",
    "total_s",
    "mean_s",
    "median_s",
    "observed_s",
    "share",
    "bouts_per_hour",
    "unobserved_s",
)

Kind = Literal["bout", "frame"]
_NO_GAP_S = 2e-3
"""Times are rounded to a millisecond at both ends: what is this close follows at once."""

_NOTHING_S = 1e-9


def time_budget(annotations: Annotations, by: Sequence[str] = ("behavior",)) -> pd.DataFrame:
    """How often and how long each behavior happens in the time that was observed.

    Every combination of the ``by`` columns among what was observed has a row, with zeros where the behavior never
    happened there; targets appear where there are bouts. Several subjects add up: ``observed_s`` is then animal-time.
    Bouts of one subject (and target) that overlap count their common time once.

    Args:
        annotations: bouts and observed intervals.
        by: ``behavior`` and any of ``recording``, ``subject``, ``target``, in the order wanted.

    Returns:
        The ``by`` columns, then ``kind``; ``bouts`` (that are at least partly within observed time); ``total_s``,
        ``mean_s`` and ``median_s`` of their observed parts (NaN for point events, and without bouts); ``observed_s``;
        ``share`` of the observed time (NaN for point events and where nothing was observed); ``bouts_per_hour`` of
        observed time; ``unobserved_s``, the duration of bouts outside observed time, which counts nowhere.

    Raises:
        AnnotationError: when ``by`` lacks ``behavior`` or names another column.
    """
    if "behavior" not in by or any(name not in BY for name in by):
        raise AnnotationError(
            f"expected the time budget by behavior, and any of {', '.join(BY)}, found {', '.join(by) or 'nothing'}"
        )
    rows = pd.DataFrame(
        _unit_rows(annotations, "target" in by), columns=[*BY, "kind", "lengths", "observed_s", "out_s"]
    )
    summed = [_summed(dict(zip(by, key, strict=True)), group) for key, group in rows.groupby(list(by), sort=False)]
    table = pd.DataFrame(summed, columns=[*by, *BUDGET_COLUMNS])
    place = {name: index for index, name in enumerate(annotations.behaviors.names)}
    return table.sort_values(
        list(by), key=lambda values: values.map(place) if values.name == "behavior" else values, ignore_index=True
    )


def _unit_rows(annotations: Annotations, by_target: bool) -> Iterator[tuple[object, ...]]:
    """One row per recording, subject, target and behavior: lengths of observed bouts, and observed time."""
    bouts = annotations.bouts
    for recording, subject in units(annotations):
        mine = bouts[(bouts["recording"] == recording) & (bouts["subject"] == subject)]
        for entry in annotations.behaviors:
            seen = observed_time(annotations, recording, subject, entry.name)
            theirs = mine[mine["behavior"] == entry.name]
            targets = sorted(set(theirs["target"])) or [""]
            for index, target in enumerate(targets):
                rows = theirs[theirs["target"] == target]
                lengths, out_s = _observed_lengths(rows, seen, entry.kind)
                # Without targets in the table their time is one and the same, and counts once.
                observed_s = total_s(seen) if by_target or index == 0 else 0.0
                yield recording, subject, target, entry.name, entry.kind, lengths, observed_s, out_s


def _observed_lengths(rows: pd.DataFrame, seen: Intervals, kind: str) -> tuple[Float64[np.ndarray, " bout"], float]:
    times = rows[["start_s", "stop_s"]].to_numpy(np.float64).reshape(-1, 2)
    if kind == "point":
        return np.zeros(int(covers(seen, times[:, 0]).sum())), 0.0
    apart = as_union(times)
    lengths = _seconds_before(seen, apart[:, 1]) - _seconds_before(seen, apart[:, 0])
    return lengths[lengths > _NOTHING_S], max(0.0, total_s(apart) - float(lengths.sum()))


def _seconds_before(seen: Intervals, at_s: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Observed time before each of these instants."""
    if not len(seen):
        return np.zeros(len(at_s))
    passed = np.cumsum(seen[:, 1] - seen[:, 0])
    return np.asarray(np.interp(at_s, seen.ravel(), np.column_stack([np.append(0.0, passed[:-1]), passed]).ravel()))


def _summed(key: dict[str, object], group: pd.DataFrame) -> dict[str, object]:
    lengths = np.concatenate(group["lengths"].to_list())
    observed_s, point = float(group["observed_s"].sum()), group["kind"].iloc[0] == "point"
    some = len(lengths) > 0 and not point
    return key | {
        "kind": group["kind"].iloc[0],
        "bouts": len(lengths),
        "total_s": np.nan if point else float(lengths.sum()),
        "mean_s": float(lengths.mean()) if some else np.nan,
        "median_s": float(np.median(lengths)) if some else np.nan,
        "observed_s": observed_s,
        "share": float(lengths.sum()) / observed_s if observed_s and not point else np.nan,
        "bouts_per_hour": len(lengths) * 3600 / observed_s if observed_s else np.nan,
        "unobserved_s": float(group["out_s"].sum()),
    }


def units(annotations: Annotations) -> list[tuple[str, str]]:
    """Recordings and subjects whose time is counted: the named subjects, and "" where bouts name nobody."""
    nameless = set(annotations.bouts.loc[annotations.bouts["subject"] == "", "recording"])
    return [
        (recording, subject)
        for recording in annotations.recordings
        for named in [annotations.subjects(recording)]
        for subject in ([] if named and recording not in nameless else [""]) + list(named)
    ]


def observed_time(annotations: Annotations, recording: str, subject: str, behavior: str) -> Intervals:
    """When a behavior of a subject was scored; the subject "" is seen where everybody is."""
    rows = annotations.observed
    rows = rows[(rows["recording"] == recording) & rows["subject"].isin([subject, ""])]
    rows = rows[rows["behavior"].isin([behavior, ""])]
    return as_union(rows[["start_s", "stop_s"]].to_numpy(np.float64).reshape(-1, 2))


@dataclass(frozen=True, eq=False)
class TransitionMatrix:
    """What follows what.

    Attributes:
        counts: row = before, column = after; in an exclusive catalogue the background is a state like the others.
        probabilities: rows that add up to 1; NaN in the rows of what nothing follows.
        kind: ``bout`` (from one bout to the next one) or ``frame`` (from one frame to the next one).
    """

    counts: pd.DataFrame
    probabilities: pd.DataFrame
    kind: Kind


def transition_matrix(
    labels: Annotations | Sequence[Ethogram], kind: Kind = "bout", smoothing: int | float = 0.0
) -> TransitionMatrix:
    """How often each behavior is followed by each.

    Bouts are taken in the order in which they begin (point events among them; equal times in the order of the
    catalogue), subject by subject. In an exclusive catalogue time without behavior stands between bouts as the
    background; where behaviors may overlap there is no background, and bouts that begin one after the other follow each
    other. Nothing follows across time in which one of the behaviors was not observed.

    Args:
        labels: annotations, or ethograms.
        kind: ``bout``, or ``frame`` (exclusive catalogues and ethograms only; staying counts).
        smoothing: is added to every count that can occur before the probabilities are computed (between bouts of an
            exclusive catalogue nothing follows itself).

    Raises:
        AnnotationError: when ``kind`` does not fit the labels, there are none, or two behaviors of an exclusive
            catalogue happen at once.
    """
    if kind not in ("bout", "frame"):
        raise AnnotationError(f'expected kind "bout" or "frame", found {kind!r}')
    if not smoothing >= 0:
        raise AnnotationError(f"expected smoothing of 0 or more, found {smoothing}")
    ethograms = isinstance(labels, Sequence)
    if ethograms and not labels:
        raise AnnotationError("expected at least one ethogram, found none")
    behaviors = labels[0].behaviors if isinstance(labels, Sequence) else labels.behaviors
    if kind == "frame" and not (ethograms and behaviors.exclusive):
        raise AnnotationError(
            "expected ethograms of an exclusive catalogue for transitions between frames, found "
            f"{'behaviors that may overlap' if ethograms else 'bouts'}: use to_ethogram, or kind='bout'"
        )
    names = [*behaviors.names, *([background_name(behaviors)] if behaviors.exclusive else [])]
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    for sequence in _sequences(labels, kind):
        np.add.at(counts, (sequence[:-1], sequence[1:]), 1)
    possible = np.ones(counts.shape) if kind == "frame" or not behaviors.exclusive else 1 - np.eye(len(names))
    weighted = counts + smoothing * possible
    with np.errstate(invalid="ignore"):
        probabilities = weighted / weighted.sum(axis=1, keepdims=True)
    index = {"index": pd.Index(names, name="before"), "columns": pd.Index(names, name="after")}
    return TransitionMatrix(pd.DataFrame(counts, **index), pd.DataFrame(probabilities, **index), kind)


def _sequences(labels: Annotations | Sequence[Ethogram], kind: Kind) -> Iterator[Int64[np.ndarray, " step"]]:
    if isinstance(labels, Annotations):
        for recording, subject in units(labels):
            yield from _bout_sequences(labels, recording, subject)
        return
    for ethogram in labels:
        if ethogram.behaviors.names != labels[0].behaviors.names:
            raise AnnotationError("expected ethograms of one catalogue of behaviors, found several: merge them first")
        if kind == "frame":
            index = ethogram.label_index()
            yield from (part for part in _split(index, index >= 0))
        elif ethogram.behaviors.exclusive:
            index = ethogram.label_index()
            for part in _split(index, index >= 0):
                yield part[np.flatnonzero(np.diff(part, prepend=-1))]
        else:
            annotations = ethogram.to_annotations()
            yield from _bout_sequences(annotations, ethogram.recording, ethogram.subject)


def _split(index: Int64[np.ndarray, " frame"], known: np.ndarray) -> list[Int64[np.ndarray, " _"]]:
    """The stretches of known frames."""
    parts = np.split(index, np.flatnonzero(np.diff(known)) + 1)
    return [part for part in parts if len(part) and part[0] >= 0]


def _bout_sequences(annotations: Annotations, recording: str, subject: str) -> Iterator[Int64[np.ndarray, " bout"]]:
    """The behaviors of a subject in order, one sequence per stretch in which every behavior was observed."""
    behaviors, bouts = annotations.behaviors, annotations.bouts
    mine = bouts[(bouts["recording"] == recording) & (bouts["subject"] == subject)]
    seen = np.array([[-np.inf, np.inf]])
    for name in behaviors.names:
        seen = intersect_intervals(seen, observed_time(annotations, recording, subject, name))
    for start_s, stop_s in seen.tolist():
        inside = (mine["start_s"] < stop_s) & ((mine["stop_s"] > start_s) | (mine["start_s"] >= start_s))
        yield _sequence(mine[inside], behaviors, start_s, stop_s)


def _sequence(bouts: pd.DataFrame, behaviors: Behaviors, start_s: float, stop_s: float) -> Int64[np.ndarray, " bout"]:
    label = np.array([behaviors.index(name) for name in bouts["behavior"]], dtype=np.int64)
    start = np.maximum(bouts["start_s"].to_numpy(np.float64), start_s)
    order = np.lexsort((label, start))
    if not behaviors.exclusive:
        return label[order]
    background, reach, steps = len(behaviors), start_s, []
    for position in order.tolist():
        if start[position] - reach > _NO_GAP_S:
            steps.append(background)
        steps.append(int(label[position]))
        reach = max(reach, float(bouts["stop_s"].iloc[position]))
    if stop_s - reach > _NO_GAP_S:
        steps.append(background)
    joined = np.array(steps, dtype=np.int64)
    return joined[np.flatnonzero(np.diff(joined, prepend=-1))]  # a bout that was cut into touching pieces is one
