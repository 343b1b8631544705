"""What there is to review: predicted bouts that nobody has scored, and places where labels and predictions disagree.

Time that somebody scored is never asked about again, except where it contradicts the prediction. A predicted bout that
is scored in part is asked about in pieces; crumbs at the borders of labels are not worth a question.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64, Int64

from vp_science.sessions.labelbook import LabelBook
from vp_science.sessions.scored_time import NOTHING, Intervals, joined, labelled_time, scored_time
from vp_science.timeline.ethogram import frame_edges
from vp_science.timeline.intervals import intersect_intervals, subtract_intervals, total_s

Kind = Literal["predicted", "extra", "missed"]
KINDS: tuple[Kind, ...] = ("predicted", "extra", "missed")

CRUMB_S = 1.0
"""A piece of a bout is asked about when it is at least this long, or at least half of the bout."""

POINT_TOLERANCE_S = 0.5
"""A predicted and a labelled point event that are no further apart are the same."""


@runtime_checkable
class PredictedRecording(Protocol):
    """What a probe says about one recording; see ``Prediction`` of the panel.

    Attributes:
        recording: its id.
        probe_id: of the probe.
        subject: whose behavior; "" for the whole frame.
        behaviors: names, in the order of the columns.
        time_s: ``(frame,)`` times of the frames.
        scores: ``(frame, behavior)`` 0 to 1, NaN unknown.
        states: ``(frame, behavior)`` 1, 0, -1 unknown.
        bouts: ``(bout, 4)``: position of the behavior, start, stop, mean score; sorted by start.
    """

    recording: str
    probe_id: str
    subject: str
    behaviors: tuple[str, ...]
    time_s: np.ndarray
    scores: np.ndarray
    states: np.ndarray
    bouts: np.ndarray


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One question.

    Attributes:
        kind: ``predicted`` where nobody scored; ``extra``: predicted, scored as absent; ``missed``: labelled, not
            predicted.
        recording: id of the recording.
        behavior: which one it is about.
        start_s: in seconds.
        stop_s: its end; equal to ``start_s`` for a point event.
        until_s: end of the time that is scored when it is decided; later than ``stop_s`` only for point events.
        score: of the prediction, 0 to 1; NaN for none.
        subject: whose behavior; "" for the whole frame.
        probe_id: of the probe.
    """

    kind: Kind
    recording: str
    behavior: str
    start_s: float
    stop_s: float
    until_s: float
    score: float
    subject: str
    probe_id: str


@dataclass(frozen=True, eq=False)
class ItemTable:
    """The questions about one recording as columns, sorted by start.

    Attributes:
        recording: id of the recording.
        subject: whose behavior.
        probe_id: of the probe.
        names: behaviors of the probe.
        behavior: position in ``names``.
        kind: position in ``KINDS``.
        start_s: in seconds.
        stop_s: in seconds.
        until_s: in seconds.
        score: of the prediction; for ``missed`` the mean score where the label is.
        bout: the predicted bout that it comes from, as its row in the prediction; -1 for ``missed``.
    """

    recording: str
    subject: str
    probe_id: str
    names: tuple[str, ...]
    behavior: Int64[np.ndarray, " item"]
    kind: Int64[np.ndarray, " item"]
    start_s: Float64[np.ndarray, " item"]
    stop_s: Float64[np.ndarray, " item"]
    until_s: Float64[np.ndarray, " item"]
    score: Float64[np.ndarray, " item"]
    bout: Int64[np.ndarray, " item"]

    def __len__(self) -> int:
        return len(self.behavior)

    def item(self, row: int) -> ReviewItem:
        """One question."""
        return ReviewItem(
            KINDS[int(self.kind[row])],
            self.recording,
            self.names[int(self.behavior[row])],
            float(self.start_s[row]),
            float(self.stop_s[row]),
            float(self.until_s[row]),
            float(self.score[row]),
            self.subject,
            self.probe_id,
        )


_Rows = Float64[np.ndarray, "_ 7"]
"""Behavior, kind, start, stop, until, score, predicted bout."""
_NO_ROWS: np.ndarray = np.zeros((0, 7))


def predicted_items(prediction: PredictedRecording, book: LabelBook, apart: Intervals = NOTHING) -> ItemTable:
    """Predicted bouts, or the parts of them, that nobody has scored.

    Args:
        prediction: of one recording.
        book: the labels. Behaviors that are not in its catalogue are not asked about.
        apart: time that is not asked about (ground truth is scored there without looking at predictions).
    """
    known = [name for name in prediction.behaviors if name in book.behaviors]
    return _table(prediction, [_unscored(prediction, book, name, apart) for name in known])


def disagreements(prediction: PredictedRecording, book: LabelBook, apart: Intervals = NOTHING) -> ItemTable:
    """Scored time in which the labels say something else than the prediction.

    Differences at the borders of bouts are left out (see ``CRUMB_S``). In an exclusive catalogue a behavior that was
    taken for another one is one question, about what is predicted.

    Args:
        prediction: of one recording.
        book: the labels.
        apart: time that is not asked about.
    """
    known = [name for name in prediction.behaviors if name in book.behaviors]
    extras = [_extra(prediction, book, name, apart) for name in known]
    taken = joined(*(rows[:, 2:4] for rows in extras)) if book.behaviors.exclusive else NOTHING
    missed = [_missed(prediction, book, name, joined(apart, taken)) for name in known]
    return _table(prediction, [*extras, *missed])


def count_reviewed(
    prediction: PredictedRecording, book: LabelBook, left: ItemTable, behavior: str | None = None
) -> tuple[int, int]:
    """How many predicted bouts there are (of behaviors in the catalogue), and how many of them need no question.

    Args:
        prediction: of one recording.
        book: the labels.
        left: what ``predicted_items`` gives.
        behavior: count only this one.
    """
    columns = [i for i, name in enumerate(prediction.behaviors) if name in book.behaviors and behavior in (None, name)]
    total = int(np.isin(prediction.bouts[:, 0], columns).sum())
    return total, total - len(np.unique(left.bout[np.isin(left.behavior, columns)]))


@dataclass(frozen=True)
class ReviewState:
    """How far the review of one recording is.

    Attributes:
        predicted: predicted bouts.
        reviewed: those in time that somebody scored.
    """

    predicted: int
    reviewed: int

    @property
    def share(self) -> float:
        """Part that is reviewed, 0 to 1; 1 where nothing was predicted."""
        return self.reviewed / self.predicted if self.predicted else 1.0


def review_state(prediction: PredictedRecording, book: LabelBook) -> ReviewState:
    """How far the review of one recording is."""
    return ReviewState(*count_reviewed(prediction, book, predicted_items(prediction, book)))


def _table(prediction: PredictedRecording, parts: Sequence[_Rows]) -> ItemTable:
    rows = np.concatenate([_NO_ROWS, *parts])
    rows = rows[np.lexsort((rows[:, 0], rows[:, 3], rows[:, 2]))]
    behavior, kind, bout = (rows[:, column].astype(np.int64) for column in (0, 1, 6))
    who = (prediction.recording, prediction.subject, prediction.probe_id, tuple(prediction.behaviors))
    return ItemTable(*who, behavior, kind, rows[:, 2], rows[:, 3], rows[:, 4], rows[:, 5], bout)


def _rows(column: int, kind: int, *values: np.ndarray | int | float) -> _Rows:
    """Rows of one behavior: start, stop, until, score, bout as columns."""
    columns = np.broadcast_arrays(column, kind, *values)
    return np.stack([np.asarray(one, np.float64).reshape(-1) for one in columns], axis=1)


def _until(prediction: PredictedRecording, rows: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Ends of bouts; point events last until their frame ends."""
    start, stop = prediction.bouts[rows, 1], prediction.bouts[rows, 2].copy()
    edges = frame_edges(np.asarray(prediction.time_s, np.float64))
    point = stop <= start
    after = np.minimum(np.searchsorted(edges, start[point] + 1e-9, side="right"), len(edges) - 1)
    stop[point] = np.maximum(edges[after], start[point] + 1e-6)
    return np.asarray(stop, np.float64)


def _outside(
    start: Float64[np.ndarray, " n"], stop: Float64[np.ndarray, " n"], settled: Intervals, *, whole: bool
) -> tuple[Int64[np.ndarray, " piece"], Float64[np.ndarray, " piece"], Float64[np.ndarray, " piece"]]:
    """Rows and their parts that lie outside of settled time and are worth a question."""
    first = np.searchsorted(settled[:, 1], start, side="right")
    last = np.searchsorted(settled[:, 0], stop, side="left")
    touched = last > first
    rows = np.flatnonzero(~touched)
    parts = [np.column_stack([rows, start[rows], stop[rows]])]
    for i in [] if whole else np.flatnonzero(touched):
        left = subtract_intervals(np.array([[start[i], stop[i]]]), settled[first[i] : last[i]])
        left = left[_counts(left[:, 1] - left[:, 0], stop[i] - start[i])]
        parts.append(np.column_stack([np.full(len(left), i), left]))
    found = np.concatenate(parts)
    return found[:, 0].astype(np.int64), found[:, 1], found[:, 2]


def _counts(piece_s: Float64[np.ndarray, " n"], bout_s: float) -> Bool[np.ndarray, " n"]:
    return np.asarray(piece_s >= min(CRUMB_S, bout_s / 2))


def _unscored(prediction: PredictedRecording, book: LabelBook, name: str, apart: Intervals) -> _Rows:
    """Predicted where nobody scored."""
    column = prediction.behaviors.index(name)
    rows = np.flatnonzero(prediction.bouts[:, 0] == column)
    settled = joined(scored_time(book, prediction.recording, name, prediction.subject), apart)
    point = book.behaviors[name].kind == "point"
    which, start, until = _outside(prediction.bouts[rows, 1], _until(prediction, rows), settled, whole=point)
    stop = start if point else until
    return _rows(column, 0, start, stop, until, prediction.bouts[rows[which], 3], rows[which])


def _extra(prediction: PredictedRecording, book: LabelBook, name: str, apart: Intervals) -> _Rows:
    """Predicted where the labels say that it did not happen."""
    column = prediction.behaviors.index(name)
    rows = np.flatnonzero(prediction.bouts[:, 0] == column)
    start, until, score = prediction.bouts[rows, 1], _until(prediction, rows), prediction.bouts[rows, 3]
    scored = subtract_intervals(scored_time(book, prediction.recording, name, prediction.subject), apart)
    labels = labelled_time(book, prediction.recording, name, prediction.subject)
    if book.behaviors[name].kind == "point":
        far = _far_from(start, labels[:, 0]) & _inside(start, scored)
        return _rows(column, 1, start[far], start[far], until[far], score[far], rows[far])
    parts = [_NO_ROWS]
    absent = subtract_intervals(scored, labels)
    for i in _meeting(start, until, absent):
        where = intersect_intervals(np.array([[start[i], until[i]]]), absent)
        where = where[_counts(where[:, 1] - where[:, 0], float(until[i] - start[i]))]
        parts.append(_rows(column, 1, where[:, 0], where[:, 1], where[:, 1], float(score[i]), int(rows[i])))
    return np.concatenate(parts)


def _missed(prediction: PredictedRecording, book: LabelBook, name: str, apart: Intervals) -> _Rows:
    """Labelled where it is not predicted."""
    column = prediction.behaviors.index(name)
    mine = prediction.bouts[prediction.bouts[:, 0] == column, 1:3]
    scored = subtract_intervals(scored_time(book, prediction.recording, name, prediction.subject), apart)
    labels = labelled_time(book, prediction.recording, name, prediction.subject)
    edges = frame_edges(np.asarray(prediction.time_s, np.float64))
    if book.behaviors[name].kind == "point":
        at = labels[:, 0]
        at = at[_far_from(at, mine[:, 0]) & _inside(at, scored) & (at >= edges[0]) & (at < edges[-1])]
        until = edges[np.minimum(np.searchsorted(edges, at + 1e-9, side="right"), len(edges) - 1)]
        where = np.column_stack([at, until])
        return _rows(column, 2, at, at, until, _mean_scores(prediction, column, edges, where), -1)
    parts = [NOTHING]
    silent = intersect_intervals(subtract_intervals(scored, mine), _said(prediction, column, edges))
    for i in _meeting(labels[:, 0], labels[:, 1], silent):
        where = intersect_intervals(labels[i][None], silent)
        parts.append(where[_counts(where[:, 1] - where[:, 0], float(labels[i, 1] - labels[i, 0]))])
    where = np.concatenate(parts)
    scores = _mean_scores(prediction, column, edges, where)
    return _rows(column, 2, where[:, 0], where[:, 1], where[:, 1], scores, -1)


def _mean_scores(
    prediction: PredictedRecording, column: int, edges: Float64[np.ndarray, " edge"], where: Intervals
) -> Float64[np.ndarray, " n"]:
    """Mean score of the frames in every interval, NaN where none is known."""
    values = np.asarray(prediction.scores[:, column], np.float64)
    known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    first = np.clip(np.searchsorted(edges, where[:, 0] + 1e-9, side="right") - 1, 0, len(values) - 1)
    stop = np.clip(np.searchsorted(edges, where[:, 1] - 1e-9, side="left"), first + 1, len(values))
    with np.errstate(invalid="ignore"):
        return np.asarray((sums[stop] - sums[first]) / (counts[stop] - counts[first]), np.float64)


def _said(prediction: PredictedRecording, column: int, edges: Float64[np.ndarray, " edge"]) -> Intervals:
    """Time about which the prediction says something."""
    known: Bool[np.ndarray, " frame"] = np.asarray(prediction.states[:, column] >= 0)
    borders = np.flatnonzero(np.diff(known.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    return np.asarray(edges[borders], np.float64)


def _meeting(
    start: Float64[np.ndarray, " n"], stop: Float64[np.ndarray, " n"], spans: Intervals
) -> Int64[np.ndarray, " hit"]:
    first = np.searchsorted(spans[:, 1], start, side="right")
    return np.flatnonzero(np.searchsorted(spans[:, 0], stop, side="left") > first)


def _inside(at_s: Float64[np.ndarray, " n"], spans: Intervals) -> Bool[np.ndarray, " n"]:
    place = np.searchsorted(spans[:, 0], at_s, side="right") - 1
    ends = np.append(spans[:, 1], -np.inf)
    return np.asarray(at_s < ends[place])


def _far_from(at_s: Float64[np.ndarray, " n"], others: Float64[np.ndarray, " other"]) -> Bool[np.ndarray, " n"]:
    if not len(others):
        return np.ones(len(at_s), bool)
    ordered = np.sort(others)
    after = np.clip(np.searchsorted(ordered, at_s), 0, len(ordered) - 1)
    nearest = np.minimum(np.abs(ordered[after] - at_s), np.abs(ordered[np.maximum(after - 1, 0)] - at_s))
    return np.asarray(nearest > POINT_TOLERANCE_S)


def labels_at(book: LabelBook, item: ReviewItem) -> tuple[str, ...]:
    """Other behaviors that people marked in at least half of the time of a question."""
    span = np.array([[item.start_s, max(item.stop_s, item.until_s)]])
    names = []
    for behavior in book.behaviors:
        if behavior.name != item.behavior and behavior.kind == "state":
            theirs = labelled_time(book, item.recording, behavior.name, item.subject)
            if 2 * total_s(intersect_intervals(theirs, span)) >= span[0, 1] - span[0, 0]:
                names.append(behavior.name)
    return tuple(names)
