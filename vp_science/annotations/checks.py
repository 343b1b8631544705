"""What is wrong or doubtful in annotations, and what is in them: plain data for people and programs."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float64

from vp_science.annotations.clock import FrameClock
from vp_science.annotations.frame_labels import bouts_outside, join_intervals
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.ethogram import frame_edges

Severity = Literal["error", "warning"]
GROUPS = ("recording", "subject")
_ROUNDING_S = 2e-3
"""Programs write milliseconds, and BORIS ends a bout one before the next: less than this is no overlap or gap."""


@dataclass(frozen=True)
class Problem:
    """One finding.

    Attributes:
        severity: ``error`` (the annotations contradict themselves or the recording) or ``warning`` (look at it).
        kind: a word for the kind of problem, such as ``overlap``.
        recording: id.
        subject: "" for nobody in particular.
        behavior: "" where no single one is meant.
        start_s: where, NaN for the whole recording.
        stop_s: until where.
        message: what is wrong and what to do.
    """

    severity: Severity
    kind: str
    recording: str
    subject: str
    behavior: str
    start_s: float
    stop_s: float
    message: str

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; no time is null."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


def check_annotations(
    annotations: Annotations, *, clock: FrameClock | None = None, behaviors: Iterable[str] | None = None
) -> list[Problem]:
    """Look for contradictions.

    Errors: bouts of one behavior that overlap, behaviors of an exclusive catalogue that overlap (both: within one
    recording, subject, target and source), the same point event twice, behaviors that are not in ``behaviors``, bouts
    or scored time beyond the recording. Warnings: bouts outside the scored time, bouts shorter than a frame, recordings
    without scored time, recordings that ``clock`` lacks. (A state without duration cannot be read at all.)

    Args:
        annotations: what to check.
        clock: presentation times of the recordings, as far as they are there; without them nothing is compared with a
            recording.
        behaviors: the names that are allowed; None allows all.
    """
    known = clock or FrameClock()
    problems = [*_unknown_behaviors(annotations, behaviors), *_self_overlaps(annotations)]
    if annotations.behaviors.exclusive:
        problems.extend(_exclusive_overlaps(annotations))
    for recording in annotations.recordings:
        bouts = annotations.bouts[annotations.bouts["recording"] == recording]
        observed = annotations.observed[annotations.observed["recording"] == recording]
        problems.extend(_against_observed(recording, bouts, observed))
        if (times := known.times(recording)) is not None:
            problems.extend(_against_recording(recording, bouts, observed, times))
        elif known.time_s:
            problems.append(_missing_recording(recording))
        elif known.fps is not None:
            problems.extend(_short_bouts(bouts, 1 / float(known.fps)))
    order = {"error": 0, "warning": 1}
    return sorted(
        problems, key=lambda p: (order[p.severity], p.recording, p.start_s if p.start_s == p.start_s else -1.0)
    )


def _problem(severity: Severity, kind: str, bout: Any, message: str) -> Problem:
    return Problem(
        severity, kind, bout.recording, bout.subject, bout.behavior, float(bout.start_s), float(bout.stop_s), message
    )


def _unknown_behaviors(annotations: Annotations, allowed: Iterable[str] | None) -> Iterator[Problem]:
    if allowed is None:
        return
    names = set(allowed)
    for (_, behavior), bouts in annotations.bouts.groupby(["recording", "behavior"], sort=True):
        if behavior not in names:
            shown = ", ".join(sorted(names))
            message = f"expected one of {shown}, found {behavior!r} in {len(bouts)} bouts: check the spelling"
            yield _problem("error", "unknown behavior", next(bouts.itertuples(index=False)), message)


_WHO = ["recording", "subject", "target", "source"]


def _self_overlaps(annotations: Annotations) -> Iterator[Problem]:
    """Bouts of one behavior that overlap, and equal point events."""
    for _, bouts in annotations.bouts.groupby([*_WHO, "behavior"], sort=False):
        start, stop = bouts["start_s"].to_numpy(), np.maximum.accumulate(bouts["stop_s"].to_numpy())
        point = bouts["kind"].to_numpy()[1:] == "point"
        twice = (
            point
            & (start[1:] == start[:-1])
            & (bouts["modifiers"].to_numpy()[1:] == bouts["modifiers"].to_numpy()[:-1])
        )
        for position in np.flatnonzero((start[1:] < stop[:-1] - _ROUNDING_S) | twice):
            bout = bouts.iloc[int(position) + 1]
            what = "the same event twice" if bout["kind"] == "point" else "a bout that overlaps another of the behavior"
            yield _problem("error", "overlap", bout, f"expected bouts apart, found {what}: merge them, or remove one")


def _exclusive_overlaps(annotations: Annotations) -> Iterator[Problem]:
    """Different behaviors at once, although they exclude each other."""
    states = annotations.bouts[annotations.bouts["kind"] == "state"]
    for _, bouts in states.groupby(_WHO, sort=False):
        last: Any = None
        for bout in bouts.itertuples(index=False):
            if last is not None and bout.start_s < last.stop_s - _ROUNDING_S and bout.behavior != last.behavior:
                yield _problem(
                    "error",
                    "exclusive overlap",
                    bout,
                    f"expected one behavior at a time, found {bout.behavior!r} during {last.behavior!r} (until "
                    f"{last.stop_s:.3f} s): shorten one of them, or make the catalogue not exclusive",
                )
            if last is None or bout.stop_s > last.stop_s:
                last = bout


def _against_observed(recording: str, bouts: pd.DataFrame, observed: pd.DataFrame) -> Iterator[Problem]:
    if len(bouts) and not len(observed):
        yield Problem(
            "warning", "nothing scored", recording, "", "", float("nan"), float("nan"),
            "expected to know which time was scored, found no such interval: without one, nothing is known to be "
            "absent (vp-science labels convert --all-scored takes whole recordings as scored)",
        )  # fmt: skip
        return
    for bout in bouts_outside(bouts, observed, _ROUNDING_S):
        message = "expected bouts in time that was scored, found one (partly) outside: it does not count there"
        yield _problem("warning", "not scored", bout, message)


def _against_recording(
    recording: str, bouts: pd.DataFrame, observed: pd.DataFrame, times: Float64[np.ndarray, " frame"]
) -> Iterator[Problem]:
    edges = frame_edges(times)
    begin, end = float(edges[0]), float(edges[-1])
    frame_s = float(np.median(np.diff(edges)))
    # Players round, and containers differ by a frame about where a recording ends: that is no mistake of a person.
    slack = max(_ROUNDING_S, frame_s)
    for bout in bouts.itertuples(index=False):
        if bout.stop_s > end + slack or bout.start_s < begin - slack:
            message = (
                f"expected bouts from {begin:.3f} to {end:.3f} s, where the recording is, found {bout.start_s:.3f} to "
                f"{bout.stop_s:.3f} s: these may be labels of another recording, or times on another clock"
            )
            yield _problem("error", "beyond the recording", bout, message)
    for row in observed[(observed["stop_s"] > end + slack) | (observed["start_s"] < begin - slack)].itertuples(
        index=False
    ):
        message = (
            f"expected scored time from {begin:.3f} to {end:.3f} s, where the recording is, found more: correct it"
        )
        yield _problem("error", "beyond the recording", row, message)
    yield from _short_bouts(bouts, frame_s)


def _short_bouts(bouts: pd.DataFrame, frame_s: float) -> Iterator[Problem]:
    states = bouts[bouts["kind"] == "state"]
    short = states[states["stop_s"] - states["start_s"] < frame_s - _ROUNDING_S / 2]
    for bout in short.itertuples(index=False):
        message = (
            f"expected bouts of at least a frame ({frame_s * 1000:.3g} ms), found "
            f"{(bout.stop_s - bout.start_s) * 1000:.3g} ms: a key pressed twice?"
        )
        yield _problem("warning", "shorter than a frame", bout, message)


def _missing_recording(recording: str) -> Problem:
    return Problem(
        "warning", "no recording", recording, "", "", float("nan"), float("nan"),
        "expected a recording of this name, found none: name the labels as the recording is called, or give its folder",
    )  # fmt: skip


def summarise(annotations: Annotations, by: str | None = None) -> list[dict[str, Any]]:
    """Counts and times of every behavior.

    Args:
        annotations: what to count.
        by: ``recording`` or ``subject`` for one row per group and behavior; None takes all together.

    Returns:
        Rows with ``behavior``, ``kind``, ``bouts``, ``total_s``, ``mean_s``, ``median_s`` (None without bouts, and for
        point events), ``observed_s`` (time in which the behavior was scored; for several subjects, that of each added
        up), ``share`` (of the observed time, within it; None where none is) and, for point events, ``per_minute``; with
        ``by`` also that column.

    Raises:
        AnnotationError: for another ``by``.
    """
    if by is None:
        return _rows(annotations, {})
    if by not in GROUPS:
        raise AnnotationError(f"expected by to be one of {', '.join(GROUPS)}, found {by!r}")
    if by == "recording":
        return [
            row for name in annotations.recordings for row in _rows(annotations.select(recordings=[name]), {by: name})
        ]
    names = [*annotations.subjects()]
    names = ["", *names] if (annotations.bouts["subject"] == "").any() or not names else names
    bouts, observed = annotations.bouts, annotations.observed
    return [
        row
        for name in names
        for row in _rows(
            Annotations(
                annotations.behaviors,
                bouts[bouts["subject"] == name],
                observed[observed["subject"].isin([name, ""])].assign(subject=name),
            ),
            {by: name},
        )
    ]


def _rows(annotations: Annotations, group: dict[str, str]) -> list[dict[str, Any]]:
    rows = []
    for entry in annotations.behaviors:
        bouts = annotations.bouts[annotations.bouts["behavior"] == entry.name]
        lengths = (bouts["stop_s"] - bouts["start_s"]).to_numpy(np.float64)
        observed_s, inside_s, inside = _observed_time(annotations, entry.name, bouts)
        state = entry.kind == "state"
        rows.append(
            {
                **group,
                "behavior": entry.name,
                "kind": entry.kind,
                "bouts": len(bouts),
                "total_s": float(lengths.sum()) if state else None,
                "mean_s": float(lengths.mean()) if state and len(lengths) else None,
                "median_s": float(np.median(lengths)) if state and len(lengths) else None,
                "observed_s": observed_s,
                "share": inside_s / observed_s if state and observed_s else None,
                "per_minute": inside * 60 / observed_s if not state and observed_s else None,
            }
        )
    return rows


def _observed_time(annotations: Annotations, behavior: str, bouts: pd.DataFrame) -> tuple[float, float, int]:
    """Seconds in which a behavior was scored, seconds of it in which it happens, and bouts that begin in it."""
    observed_s, inside_s, inside = 0.0, 0.0, 0
    rows = annotations.observed[annotations.observed["behavior"].isin([behavior, ""])]
    for recording, theirs in rows.groupby("recording", sort=False):
        mine = bouts[bouts["recording"] == recording]
        subjects = {*annotations.subjects(recording)} | ({""} if (mine["subject"] == "").any() else set())
        for subject in subjects or {""}:
            scored = theirs[theirs["subject"].isin([subject, ""])]
            spans = join_intervals(scored["start_s"].to_numpy(np.float64), scored["stop_s"].to_numpy(np.float64))
            observed_s += float((spans[:, 1] - spans[:, 0]).sum())
            those = mine[mine["subject"] == subject]
            happens = join_intervals(those["start_s"].to_numpy(np.float64), those["stop_s"].to_numpy(np.float64))
            inside_s += _overlap(spans, happens)
            starts = those["start_s"].to_numpy(np.float64)
            inside += int(sum(((spans[:, 0] <= start) & (start < spans[:, 1])).any() for start in starts))
    return observed_s, inside_s, inside


def _overlap(one: Float64[np.ndarray, "m 2"], other: Float64[np.ndarray, "n 2"]) -> float:
    """Seconds that lie in both of two sets of disjoint intervals."""
    if not len(one) or not len(other):
        return 0.0
    first = np.maximum(one[:, None, 0], other[None, :, 0])
    last = np.minimum(one[:, None, 1], other[None, :, 1])
    return float(np.maximum(last - first, 0).sum())


def allowed_names(text: str | None) -> list[str] | None:
    """Names from ``a,b`` as the command line gives them."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
