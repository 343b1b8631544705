"""Ethograms: the state of every behavior at every frame, and the way from bouts to them and back.

A frame stands from its presentation time to that of the next one. A bout covers a frame when it covers its middle: so
times that a program rounded (BORIS to a millisecond) still give the frames that were meant, and bouts whose ends lie
on frame borders come back exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32, Float64, Int8, Int64

from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors

_LONE_FRAME_S = 1 / 30
_POINT_TOLERANCE = 1 / 3


def frame_edges(time_s: Float64[np.ndarray, " frame"]) -> Float64[np.ndarray, " edge"]:
    """Borders of the frames: their times, and the end of the last one (which lasts as long as the median frame)."""
    last = float(np.median(np.diff(time_s))) if len(time_s) > 1 else _LONE_FRAME_S
    return np.append(time_s, time_s[-1] + last)


@dataclass(frozen=True, eq=False)
class Ethogram:
    """Behaviors over the frames of one recording, for one subject (and target).

    Attributes:
        behaviors: the catalogue; its order is the order of the columns.
        time_s: presentation time of every frame (or grid frame) in seconds, strictly increasing.
        states: ``(frame, behavior)``: 1 happens, 0 does not, -1 unknown.
        scores: ``(frame, behavior)`` in [0, 1], or None; NaN where there is no score.
        recording: id of the recording.
        subject: who does it; "" for the whole frame.
        target: to whom; "" for nobody in particular.
        source: where the states come from, as bouts say it: ``manual:<annotator>`` or ``model:<probe>``.
    """

    behaviors: Behaviors
    time_s: Float64[np.ndarray, " frame"]
    states: Int8[np.ndarray, "frame behavior"]
    scores: Float32[np.ndarray, "frame behavior"] | None = None
    recording: str = ""
    subject: str = ""
    target: str = ""
    source: str = "manual:"

    def __post_init__(self) -> None:
        expected = (len(self.time_s), len(self.behaviors))
        for name, array in (("states", self.states), ("scores", self.scores)):
            if array is not None and array.shape != expected:
                raise AnnotationError(f"expected {name} of shape {expected} (frames, behaviors), found {array.shape}")
        if not np.isin(self.states, (-1, 0, 1)).all():
            raise AnnotationError("expected the states -1 (unknown), 0 and 1, found other numbers")
        if len(self.time_s) == 0 or not np.isfinite(self.time_s).all() or (np.diff(self.time_s) <= 0).any():
            raise AnnotationError("expected strictly increasing frame times, found something else")

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def known(self) -> Bool[np.ndarray, "frame behavior"]:
        """Where the state is known."""
        return self.states >= 0

    def label_index(self) -> Int64[np.ndarray, " frame"]:
        """For an exclusive catalogue: the behavior of every frame, ``len(behaviors)`` for none of them, -1 unknown.

        Raises:
            AnnotationError: when the catalogue is not exclusive, or two behaviors happen at once.
        """
        if not self.behaviors.exclusive:
            raise AnnotationError("expected an exclusive catalogue of behaviors, found one whose behaviors may overlap")
        happens = self.states == 1
        if len(bad := np.flatnonzero(happens.sum(axis=1) > 1)):
            names = [name for name, on in zip(self.behaviors.names, happens[bad[0]], strict=True) if on]
            raise AnnotationError(
                f"expected one behavior at a time, found {' and '.join(names)} at {self.time_s[bad[0]]:.3f} s of "
                f"{self.recording!r} ({len(bad)} such frames): correct the bouts, or make the catalogue not exclusive"
            )
        index = np.where(happens.any(axis=1), happens.argmax(axis=1), len(self.behaviors))
        # A frame in which one behavior happens is known; one without any is known only if all are known to be absent.
        return np.where(happens.any(axis=1) | self.known.all(axis=1), index, -1).astype(np.int64)

    def to_bouts(self, source: str | None = None) -> pd.DataFrame:
        """Maximal runs of frames in which a behavior happens, as rows of a bout table.

        A state gives one bout per run, with the mean score; a point event gives one row per frame.

        Args:
            source: of the bouts; None takes that of the ethogram.
        """
        edges = frame_edges(self.time_s)
        rows = []
        for column, behavior in enumerate(self.behaviors):
            on = self.states[:, column] == 1
            spans = runs(on) if behavior.kind == "state" else [(int(i), int(i) + 1) for i in np.flatnonzero(on)]
            for first, stop in spans:
                end = edges[stop] if behavior.kind == "state" else edges[first]
                rows.append(
                    {
                        "recording": self.recording,
                        "subject": self.subject,
                        "target": self.target,
                        "behavior": behavior.name,
                        "start_s": edges[first],
                        "stop_s": end,
                        "kind": behavior.kind,
                        "score": np.nan if self.scores is None else float(self.scores[first:stop, column].mean()),
                        "source": self.source if source is None else source,
                    }
                )
        return pd.DataFrame(rows)

    def to_observed(self) -> pd.DataFrame:
        """Intervals in which states are known, as rows of an observed-interval table."""
        edges, known = frame_edges(self.time_s), self.known
        same = bool((known == known[:, :1]).all())
        columns = (
            [("", known[:, 0])] if same and known.shape[1] else list(zip(self.behaviors.names, known.T, strict=True))
        )
        return pd.DataFrame(
            [
                {
                    "recording": self.recording,
                    "subject": self.subject,
                    "behavior": name,
                    "start_s": edges[first],
                    "stop_s": edges[stop],
                }
                for name, column in columns
                for first, stop in runs(column)
            ]
        )

    def to_annotations(self, source: str | None = None) -> Annotations:
        """Bouts and observed intervals of this ethogram; see ``to_bouts``."""
        return Annotations.of(self.to_bouts(source), self.to_observed(), self.behaviors)

    def with_states(self, states: Int8[np.ndarray, "frame behavior"]) -> "Ethogram":
        """The same with other states."""
        return replace(self, states=states)


def spans(on: Bool[np.ndarray, " frame"]) -> Int64[np.ndarray, "run 2"]:
    """Half-open index ranges of the maximal runs of True, one per row."""
    padded = np.zeros(len(on) + 2, dtype=np.int8)
    padded[1:-1] = on
    return np.flatnonzero(np.diff(padded)).reshape(-1, 2).astype(np.int64)


def runs(on: Bool[np.ndarray, " frame"]) -> list[tuple[int, int]]:
    """Half-open index ranges of the maximal runs of True."""
    return [(first, stop) for first, stop in spans(on).tolist()]


def cover(
    start_s: Float64[np.ndarray, " interval"],
    stop_s: Float64[np.ndarray, " interval"],
    time_s: Float64[np.ndarray, " frame"],
    *,
    keep_short: bool,
) -> Bool[np.ndarray, " frame"]:
    """Frames whose middle lies in one of the intervals ``[start_s, stop_s)``.

    Args:
        start_s: starts in seconds.
        stop_s: stops in seconds.
        time_s: frame times.
        keep_short: an interval that covers no middle still takes the frame in which it begins.
    """
    edges = frame_edges(time_s)
    middle = (edges[:-1] + edges[1:]) / 2
    first = np.searchsorted(middle, start_s, side="left")
    stop = np.searchsorted(middle, stop_s, side="left")
    if keep_short:
        lost = np.flatnonzero((stop <= first) & (stop_s > edges[0]) & (start_s < edges[-1]))
        holder = np.clip(np.searchsorted(edges, start_s[lost], side="right") - 1, 0, len(time_s) - 1)
        first[lost], stop[lost] = holder, holder + 1
    delta = np.zeros(len(time_s) + 1, dtype=np.int64)
    np.add.at(delta, first, 1)
    np.add.at(delta, np.maximum(stop, first), -1)
    return np.asarray(np.cumsum(delta)[:-1] > 0)


def point_frames(at_s: Float64[np.ndarray, " event"], time_s: Float64[np.ndarray, " frame"]) -> Int64[np.ndarray, " n"]:
    """Frames on screen at these times, for the events within the recording.

    An event may be stamped up to a third of a frame before its frame (of the shorter one of the frames on both sides of
    that border): programs round times.
    """
    edges = frame_edges(time_s)
    lasts = np.diff(edges)
    tolerance = _POINT_TOLERANCE * np.minimum(lasts, np.concatenate([lasts[:1], lasts[:-1]]))
    index = np.searchsorted(edges[:-1] - tolerance, at_s, side="right") - 1
    inside = (index >= 0) & (at_s < edges[-1])
    return np.asarray(index[inside], np.int64)


def to_ethogram(
    annotations: Annotations,
    recording: str,
    time_s: Float64[np.ndarray, " frame"],
    *,
    subject: str | None = None,
    target: str | None = None,
) -> Ethogram:
    """States of every behavior at every frame of one recording.

    Time outside the observed intervals is unknown (-1), also where a bout was marked there. A bout too short to cover
    the middle of a frame takes the frame in which it begins; among behaviors that exclude each other it takes it from
    the longer ones, as a point event does.

    Args:
        annotations: bouts and observed intervals.
        recording: which recording; it may have no bouts.
        time_s: frame times in seconds.
        subject: whose behavior; None takes that of all subjects together (a frame is then observed where every subject
            was). For a named subject, bouts that name nobody make the behavior unknown: somebody did it.
        target: keep only bouts with this target; None keeps all.
    """
    bouts = annotations.bouts[annotations.bouts["recording"] == recording]
    if target is not None:
        bouts = bouts[bouts["target"] == target]
    observed = annotations.observed[annotations.observed["recording"] == recording]
    behaviors = annotations.behaviors
    states = np.where(_observed_frames(annotations, recording, observed, time_s, subject), 0, -1).astype(np.int8)
    whose = bouts["subject"].to_numpy()
    mine = np.ones(len(bouts), dtype=bool) if subject is None else whose == subject
    states[_happening(bouts[mine], behaviors, time_s) & (states >= 0)] = 1
    if subject:
        nobody = _happening(bouts[whose == ""], behaviors.replaced(exclusive=False), time_s)
        states[nobody & (states == 0)] = -1
    return Ethogram(behaviors, np.asarray(time_s, np.float64), states, None, recording, subject or "", target or "")


def _happening(
    bouts: pd.DataFrame, behaviors: Behaviors, time_s: Float64[np.ndarray, " frame"]
) -> Bool[np.ndarray, "frame behavior"]:
    """Frames at which each behavior happens."""
    rows = [bouts[bouts["behavior"] == behavior.name] for behavior in behaviors]
    on, lasting = np.zeros((2, len(time_s), len(behaviors)), dtype=bool)
    for column, behavior in enumerate(behaviors):
        on[:, column], lasting[:, column] = _happens(rows[column], behavior.kind, time_s)
    if behaviors.exclusive:
        _give_way(on, lasting, rows, frame_edges(time_s))
    return on


def _give_way(
    on: Bool[np.ndarray, "frame behavior"],
    lasting: Bool[np.ndarray, "frame behavior"],
    rows: Sequence[pd.DataFrame],
    edges: Float64[np.ndarray, " edge"],
) -> None:
    """Where something brief happens among behaviors that exclude each other, leave it alone in its frame (in place).

    Bouts that follow each other within one frame do not contradict each other. The longest of several brief ones stays.
    """
    brief = on & ~lasting
    for frame in np.flatnonzero(brief.any(axis=1) & (on.sum(axis=1) > 1)):
        candidates = np.flatnonzero(brief[frame])
        occupied = [_occupied_s(rows[column], edges[frame], edges[frame + 1]) for column in candidates.tolist()]
        on[frame] = False
        on[frame, candidates[int(np.argmax(occupied))]] = True


def _occupied_s(rows: pd.DataFrame, start_s: float, stop_s: float) -> float:
    """Time of bouts between two instants; infinite for point events, which have no other place."""
    if (rows["kind"] == "point").any():
        return np.inf
    inside = np.minimum(rows["stop_s"].to_numpy(), stop_s) - np.maximum(rows["start_s"].to_numpy(), start_s)
    return float(np.maximum(inside, 0).sum())


def _happens(
    rows: pd.DataFrame, kind: str, time_s: Float64[np.ndarray, " frame"]
) -> tuple[Bool[np.ndarray, " frame"], Bool[np.ndarray, " frame"]]:
    """Frames at which one behavior happens, and those of them whose middle it covers."""
    start_s, stop_s = rows["start_s"].to_numpy(np.float64), rows["stop_s"].to_numpy(np.float64)
    if kind == "state":
        return cover(start_s, stop_s, time_s, keep_short=True), cover(start_s, stop_s, time_s, keep_short=False)
    on = np.zeros(len(time_s), dtype=bool)
    on[point_frames(start_s, time_s)] = True
    return on, np.zeros_like(on)


def _observed_frames(
    annotations: Annotations,
    recording: str,
    observed: pd.DataFrame,
    time_s: Float64[np.ndarray, " frame"],
    subject: str | None,
) -> Bool[np.ndarray, "frame behavior"]:
    """Frames at which each behavior of the subject (None: of every subject) was scored."""
    subjects = [subject] if subject is not None else list(annotations.subjects(recording)) or [""]
    known = np.ones((len(time_s), len(annotations.behaviors)), dtype=bool)
    for name in subjects:
        theirs = observed[observed["subject"].isin([name, ""])]
        for column, behavior in enumerate(annotations.behaviors.names):
            rows = theirs[theirs["behavior"].isin([behavior, ""])]
            starts, stops = rows["start_s"].to_numpy(np.float64), rows["stop_s"].to_numpy(np.float64)
            known[:, column] &= cover(starts, stops, time_s, keep_short=False)
    return known


def scored(
    scores: Float[np.ndarray, "frame behavior"],
    states: Int8[np.ndarray, "frame behavior"],
    like: Ethogram,
) -> Ethogram:
    """An ethogram of predictions at the frames of another one."""
    return replace(like, states=states, scores=np.asarray(scores, np.float32))
