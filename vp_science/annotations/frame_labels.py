"""Labels per frame, for formats that count frames: bouts from states and back, and what such formats cannot hold."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int8

from vp_science.annotations.clock import FrameClock
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import runs, to_ethogram

_MAX_FRAMES = 1 << 28
_ROUNDING_S = 1e-6
_PLURAL = {"target": "targets", "subject": "several subjects", "source": "several sources"}


def states_to_annotations(
    states: Int8[np.ndarray, "frame behavior"],
    behaviors: Behaviors,
    recording: str,
    clock: FrameClock,
    source: str,
    subject: str = "",
) -> Annotations:
    """Bouts and observed intervals of one recording.

    Args:
        states: 1 happens, 0 does not, -1 unknown; from the first frame on.
        behaviors: the catalogue in the order of the columns.
        recording: id.
        clock: when the frames are shown. Frames of the recording behind the last row are unknown.
        source: of all bouts.
        subject: who does it.

    Raises:
        AnnotationError: when the recording has fewer frames, or nobody knows when they are shown.
    """
    edges = clock.seconds(recording, np.arange(len(states) + 1, dtype=np.int64))
    common = {"recording": recording, "subject": subject}
    bouts = [
        {**common, "behavior": name, "start_s": edges[first], "stop_s": edges[stop], "source": source}
        for name, column in zip(behaviors.names, states.T, strict=True)
        for first, stop in runs(column == 1)
    ]
    known = states >= 0
    same = bool((known == known[:, :1]).all())
    columns = [("", known[:, 0])] if same and len(behaviors) else list(zip(behaviors.names, known.T, strict=True))
    observed = [
        {**common, "behavior": name, "start_s": edges[first], "stop_s": edges[stop]}
        for name, column in columns
        for first, stop in runs(column)
    ]
    return Annotations.of(bouts, observed, behaviors)


def frame_times(annotations: Annotations, recording: str, clock: FrameClock) -> Float64[np.ndarray, " frame"]:
    """Times of all frames of a recording: those of the recording, or at a constant rate up to the last annotation.

    Raises:
        AnnotationError: when there is neither, or nothing to write.
    """
    times = clock.times(recording)
    if times is not None:
        return np.asarray(times, dtype=np.float64)
    tables = (annotations.observed, annotations.bouts)
    ends = [table.loc[table["recording"] == recording, "stop_s"] for table in tables]
    last_s = max((float(column.max()) for column in ends if len(column)), default=0.0)
    clock.frames(recording, np.zeros(1))  # says what is missing when there is no rate
    fps = float(clock.fps or 1)
    # A frame that ends within rounding of the last annotation is the last one.
    count = max(1, int(np.ceil((last_s - _ROUNDING_S) * fps)))
    if count > _MAX_FRAMES:
        raise AnnotationError(
            f"expected at most 2**28 frames in {recording!r}, found about {count} ({last_s:g} s at {fps:g} frames per "
            "second): correct the times, or the rate"
        )
    return clock.seconds(recording, np.arange(count, dtype=np.int64))


def annotations_to_states(
    annotations: Annotations, recording: str, time_s: Float64[np.ndarray, " frame"], clock: FrameClock
) -> Int8[np.ndarray, "frame behavior"]:
    """States of all frames of ``frame_times``; bouts and point events take at least one frame.

    Raises:
        AnnotationError: when a bout lies outside the recording: it would be lost.
    """
    bouts = annotations.bouts[annotations.bouts["recording"] == recording]
    end = float(clock.seconds(recording, np.array([len(time_s)], dtype=np.int64))[0])
    late = bouts[(bouts["stop_s"] > end + _ROUNDING_S) | (bouts["start_s"] < float(time_s[0]) - _ROUNDING_S)]
    if len(late):
        row = late.iloc[0]
        raise AnnotationError(
            f"expected bouts within the frames of {recording!r} ({time_s[0]:g} to {end:.6g} s), found "
            f"{row['behavior']!r} at {row['start_s']:.6g} to {row['stop_s']:.6g} s ({len(late)} such): correct the "
            "times, or give the right recording or rate"
        )
    return to_ethogram(annotations, recording, time_s).states


def require_scored_bouts(annotations: Annotations, recording: str, what: str) -> None:
    """Refuse bouts in time that was not scored, where the format would turn them into unknown frames.

    Raises:
        AnnotationError: naming the first such bout.
    """
    bouts = annotations.bouts[annotations.bouts["recording"] == recording]
    observed = annotations.observed[annotations.observed["recording"] == recording]
    for bout in bouts_outside(bouts, observed, _ROUNDING_S):
        raise AnnotationError(
            f"{what}: expected every bout in time that was scored, found {bout.behavior!r} at {bout.start_s:.6g} "
            f"to {bout.stop_s:.6g} s of {recording!r} outside of it, which would be lost: extend the observed "
            "intervals (vp-science labels convert --all-scored takes whole recordings as scored)"
        )


def bouts_outside(bouts: pd.DataFrame, observed: pd.DataFrame, tolerance_s: float) -> Iterator[Any]:
    """Bouts of one recording that are not wholly in time in which their behavior and subject were scored.

    Args:
        bouts: of one recording.
        observed: intervals of that recording.
        tolerance_s: how far a bout may reach out.
    """
    for (subject, behavior), mine in bouts.groupby(["subject", "behavior"], sort=False):
        theirs = observed[observed["subject"].isin([subject, ""]) & observed["behavior"].isin([behavior, ""])]
        spans = join_intervals(theirs["start_s"].to_numpy(np.float64), theirs["stop_s"].to_numpy(np.float64))
        start_s, stop_s = mine["start_s"].to_numpy(np.float64), mine["stop_s"].to_numpy(np.float64)
        holder = np.searchsorted(spans[:, 0], start_s + tolerance_s, side="right") - 1
        ends = np.append(spans[:, 1], -np.inf)  # before the first interval: index -1
        outside = ends[holder] < stop_s - tolerance_s
        yield from mine[outside].itertuples(index=False)


def join_intervals(start_s: Float64[np.ndarray, " n"], stop_s: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "m 2"]:
    """Intervals joined where they touch or overlap, sorted."""
    joined: list[list[float]] = []
    for start, stop in sorted(zip(start_s.tolist(), stop_s.tolist(), strict=True)):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], stop)
        else:
            joined.append([start, stop])
    return np.array(joined, dtype=np.float64).reshape(-1, 2)


def refuse_losses(annotations: Annotations, what: str, columns: Iterable[str]) -> None:
    """Refuse what a format has no place for.

    Args:
        annotations: what is to be written.
        what: file and format, for the message.
        columns: columns of the bout table that the format cannot hold. ``subject`` and ``source``: one is left out
            silently (it is the same for all), several are refused.

    Raises:
        AnnotationError: saying what would be lost, and how to leave it out on purpose.
    """
    for column in columns:
        values = sorted({*annotations.bouts[column]})
        if column == "subject":
            values = sorted({*annotations.bouts["subject"], *annotations.observed["subject"]} - {""})
            several = len(values) > 1 or (len(values) == 1 and (annotations.bouts["subject"] == "").any())
            fix = "choose one (vp-science labels convert --subject NAME)"
        elif column == "source":
            several, fix = len(values) > 1, "choose one (vp-science labels convert --source manual)"
        else:
            several, fix = any(values), f"leave it out on purpose (vp-science labels convert --drop {column})"
        if several:
            shown = ", ".join(repr(value) for value in values[:4] if value)
            raise AnnotationError(
                f"{what}: expected annotations without {_PLURAL.get(column, column)}, because the format has no place "
                f"for them, found {shown}: {fix}, or write another format"
            )


def whole_interval(annotations: Annotations, recording: str, what: str) -> tuple[float, float]:
    """The one interval that was scored, for formats that hold one for all subjects and behaviors.

    Raises:
        AnnotationError: when nothing was scored, or several or partial intervals.
    """
    rows = annotations.observed[annotations.observed["recording"] == recording]
    distinct = rows[["start_s", "stop_s"]].drop_duplicates()
    subjects = {*annotations.subjects(recording)}
    complete = {*rows["subject"]} in ({""}, subjects) and {*rows["behavior"]} == {""}
    if len(distinct) == 1 and complete:
        return float(distinct["start_s"].iloc[0]), float(distinct["stop_s"].iloc[0])
    found = "none" if not len(rows) else f"{len(rows)} (or only some subjects or behaviors)"
    raise AnnotationError(
        f"{what}: expected one scored interval of {recording!r} for everything, because the format holds only one, "
        f"found {found}: write our own CSV, or take whole recordings as scored (vp-science labels convert --all-scored)"
    )


def one_word_names(annotations: Annotations, what: str) -> dict[str, str]:
    """Names with underscores for spaces, for formats that split at spaces.

    Raises:
        AnnotationError: when two names become the same.
    """
    names = {name: "_".join(name.split()) for name in annotations.behaviors.names}
    if len({*names.values()}) < len(names):
        raise AnnotationError(f"{what}: expected names that differ in more than spaces, found {sorted(names)}: rename")
    return names
