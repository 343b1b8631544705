"""The review queue: which predicted bout is shown next, what was decided, how much is left."""

import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from vp_science.errors import AnnotationError
from vp_science.sessions import review_decisions
from vp_science.sessions.edits import Edit
from vp_science.sessions.labelbook import LabelBook
from vp_science.sessions.review_estimate import RestEstimate, estimate_rest
from vp_science.sessions.review_items import (
    ItemTable,
    PredictedRecording,
    ReviewItem,
    count_reviewed,
    disagreements,
    predicted_items,
)
from vp_science.sessions.review_log import Decision, Verdict
from vp_science.sessions.review_questions import Order, Questions
from vp_science.sessions.scored_time import NOTHING, Intervals, scored_time
from vp_science.timeline.intervals import covers
from vp_science.typing import JSON

LONGEST_S = 120.0
"""A decision that takes longer was interrupted: it counts as this many seconds."""

_PACE_OF = 30
_MOST_DECISIONS = 5000


@dataclass(frozen=True)
class ReviewProgress:
    """How far a review is.

    Attributes:
        total: predicted bouts that were chosen; in a review of disagreements those there are and were.
        done: those that need no decision any more.
        open: questions that are left.
        pace_s: seconds per decision, the median of the last ones; None before any was made.
        rest: how right the predictions are that nobody reviewed.
    """

    total: int
    done: int
    open: int
    pace_s: float | None
    rest: RestEstimate

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest takes at this pace; None while it is not known."""
        return None if self.pace_s is None else self.pace_s * self.open


class ReviewQueue:
    """Goes through predictions; all changes go to the label book as steps of undo.

    What is open follows from labels and predictions alone: undo brings a question back, labelling by hand answers it.
    Only "the label is right", and what was skipped, leave no trace in the labels; the queue remembers these.

    Attributes:
        book: the labels.
        decisions: what was decided, oldest first.
        order: how the questions are sorted.
        recording: only of this one; None for all.
        behavior: only this one; None for all.
        place: of the question that is shown.
        current: the question that is shown; None when there is none.
        patience_s: looking through predictions takes no longer than about this at a time; None takes as long as it
            takes.
        pending: how many recordings are not looked through yet; ``refresh`` goes on.
    """

    def __init__(self, book: LabelBook, decisions: Iterable[Decision] = ()) -> None:
        self.book = book
        self.decisions = list(decisions)
        self.order: Order = "confidence"
        self.recording: str | None = None
        self.behavior: str | None = None
        self.place = 0
        self.current: ReviewItem | None = None
        self.patience_s: float | None = None
        self.pending = 0
        self._seen = -1
        self._predictions: dict[str, PredictedRecording] = {}
        self._apart: dict[str, Intervals] = {}
        self._tables: dict[tuple[str, bool], ItemTable] = {}
        self._counts: dict[tuple[str, str | None], tuple[int, int]] = {}
        self._questions = Questions.of([])
        self._skipped: list[ReviewItem] = []
        self._history: list[tuple[ReviewItem, Edit | None]] = []

    # ---- what there is

    def load(self, predictions: Iterable[PredictedRecording], apart: Mapping[str, Intervals] | None = None) -> None:
        """Take other predictions.

        Args:
            predictions: at most one of every recording.
            apart: time that is not asked about, by recording (that of the ground truth).
        """
        before, apart_before = self._predictions, self._apart
        self._predictions = {one.recording: one for one in predictions}
        self._apart = dict(apart or {})
        names = {*before, *self._predictions, *self._apart, *apart_before}
        self.refresh(name for name in names if not self._is_same(name, before, apart_before))

    def refresh(self, recordings: Iterable[str]) -> None:
        """Labels of these recordings changed; "" for all of them, none to go on with what is pending."""
        names, self._seen = set(recordings), self.book.version
        self._tables = {key: table for key, table in self._tables.items() if not names & {key[0], ""}}
        self._counts = {key: count for key, count in self._counts.items() if not names & {key[0], ""}}
        self._arrange()

    def choose(self, order: Order, *, recording: str | None = None, behavior: str | None = None) -> None:
        """Choose and sort the questions, and begin with the first."""
        self.order, self.recording, self.behavior = order, recording, behavior
        self.current, self.place = None, 0
        self._arrange()

    def __len__(self) -> int:
        return len(self._questions)

    def item(self, place: int) -> ReviewItem:
        """A question by its place in the queue."""
        return self._questions.item(place)

    def go(self, place: int) -> None:
        """Show another question."""
        self.place = min(max(place, 0), max(len(self) - 1, 0))
        self.current = self.item(self.place) if len(self) else None

    # ---- deciding

    def accept(
        self,
        annotator: str,
        *,
        seconds: int | float,
        subject: str = "",
        span: tuple[float, float] | None = None,
        behavior: str | None = None,
    ) -> None:
        """The prediction is right, perhaps with other borders, or is another behavior.

        Raises:
            AnnotationError: when nothing is asked.
        """
        item, before = self._asked(), self.book.last_edit
        review_decisions.accept(self.book, item, annotator, subject=subject, span=span, behavior=behavior)
        self._decided(item, "accepted" if behavior in (None, item.behavior) else "relabelled", seconds, before)

    def reject(self, *, seconds: int | float, subject: str = "") -> None:
        """The prediction is wrong.

        Raises:
            AnnotationError: when nothing is asked.
        """
        item, before = self._asked(), self.book.last_edit
        review_decisions.reject(self.book, item, subject=subject)
        self._decided(item, "rejected", seconds, before)

    def skip(self) -> None:
        """Ask this one again after all others.

        Raises:
            AnnotationError: when nothing is asked.
        """
        item = self._asked()
        self._skipped = [*(one for one in self._skipped if one != item), item]
        self._history.append((item, None))
        self._leave(item)

    def back(self) -> bool:
        """Show the question before, and take back what was decided about it.

        Returns:
            False when there is none to show: what was labelled since answers it, and undo takes that back.
        """
        while self._history:
            item, edit = self._history.pop()
            self._skipped = [one for one in self._skipped if one != item]
            self.decisions = [one for one in self.decisions if one.item != item]
            if edit is not None and edit is self.book.last_edit:
                self.book.undo()
            self.refresh([item.recording])
            places = np.flatnonzero(self._questions.same(item))
            if len(places):
                self.go(int(places[0]))
                return True
        return False

    def confident(self, above: float) -> list[ReviewItem]:
        """Open predicted bouts, of the chosen ones, whose score is at least this."""
        if self.order == "disagreement":
            return []
        return [self.item(place) for place in np.flatnonzero(self._questions.score >= above).tolist()]

    def count_confident(self, above: float) -> int:
        """How many ``confident`` gives."""
        return 0 if self.order == "disagreement" else int((self._questions.score >= above).sum())

    # ---- how far

    def progress(self) -> ReviewProgress:
        """How far the review of the chosen bouts is."""
        seconds = [min(one.seconds, LONGEST_S) for one in self.decisions[-_PACE_OF:]]
        pace = statistics.median(seconds) if seconds else None
        if self.order == "disagreement":
            settled = [one.item for one in self.decisions if one.item.kind != "predicted" and self._chosen(one.item)]
            done = sum(not self._questions.same(item).any() for item in settled)
            return ReviewProgress(len(self) + done, done, len(self), pace, self._estimate(np.zeros(0)))
        counts = [self._count(name) for name in self._names() if self._is_ready(name)]
        total, done = (sum(count[i] for count in counts) for i in (0, 1))
        return ReviewProgress(total, done, len(self), pace, self._estimate(self._questions.score))

    def to_json(self) -> list[JSON]:
        """The decisions, for the settings of a session."""
        return [one.to_json() for one in self.decisions[-_MOST_DECISIONS:]]

    # ---- inside

    def _asked(self) -> ReviewItem:
        if self.current is None:
            raise AnnotationError("expected a bout to review, found none: all are reviewed, or none is predicted")
        return self.current

    def _decided(self, item: ReviewItem, verdict: Verdict, seconds: int | float, before: Edit | None) -> None:
        self.decisions = [one for one in self.decisions if one.item != item]
        self.decisions.append(Decision(item, verdict, min(float(seconds), LONGEST_S)))
        self._skipped = [one for one in self._skipped if one != item]
        edit = self.book.last_edit
        self._history.append((item, None if edit is before else edit))
        self._leave(item)

    def _leave(self, item: ReviewItem) -> None:
        """Show what stands at this place now; after the last one begin anew."""
        place = self.place
        self.refresh([item.recording] if self._seen != self.book.version else [])
        self.go(place if place < len(self) else 0)
        if len(self) > 1 and self.item(self.place) == item:
            self.go((place + 1) % len(self))

    def _names(self) -> list[str]:
        return [name for name in self._predictions if self.recording in (None, name)]

    def _chosen(self, item: ReviewItem) -> bool:
        return self.recording in (None, item.recording) and self.behavior in (None, item.behavior)

    def _table(self, name: str) -> ItemTable:
        key = (name, self.order == "disagreement")
        if key not in self._tables:
            find = disagreements if key[1] else predicted_items
            self._tables[key] = find(self._predictions[name], self.book, self._apart.get(name, NOTHING))
        return self._tables[key]

    def _count(self, name: str) -> tuple[int, int]:
        key = (name, self.behavior)
        if key not in self._counts:
            self._counts[key] = count_reviewed(self._predictions[name], self.book, self._table(name), self.behavior)
        return self._counts[key]

    def _is_same(
        self, name: str, before: Mapping[str, PredictedRecording], apart_before: Mapping[str, Intervals]
    ) -> bool:
        """Whether a recording has the very prediction, and the time apart, that it had."""
        same = before.get(name) is self._predictions.get(name)
        return same and np.array_equal(apart_before.get(name, NOTHING), self._apart.get(name, NOTHING))

    def _is_ready(self, name: str) -> bool:
        return (name, self.order == "disagreement") in self._tables

    def _look_through(self) -> list[ItemTable]:
        """Tables of the chosen recordings, as many as patience allows."""
        end = None if self.patience_s is None else time.monotonic() + self.patience_s
        names = self._names()
        for name in names:
            if not self._is_ready(name):
                self._table(name)
                if end is not None and time.monotonic() >= end:
                    break
        ready = [self._table(name) for name in names if self._is_ready(name)]
        self.pending = len(names) - len(ready)
        return ready

    def _arrange(self) -> None:
        questions = Questions.of(self._look_through())
        if self.behavior is not None:
            questions = questions.taken(questions.of_behavior(self.behavior))
        if self.order == "disagreement":
            for one in self.decisions:
                if one.verdict == "rejected" and one.item.kind != "predicted":
                    questions = questions.taken(~questions.alike(one.item))
        last = np.zeros(len(questions), bool)
        for item in self._skipped:
            last |= questions.same(item)
        self._questions = questions.taken(questions.sorted(self.order, self.book.behaviors.names, last))
        places = np.zeros(0) if self.current is None else np.flatnonzero(self._questions.same(self.current))
        self.go(int(places[0]) if len(places) else self.place)

    def _estimate(self, rest: np.ndarray) -> RestEstimate:
        probes = {one.probe_id for one in self._predictions.values()}
        decided = [one for one in self.decisions if one.item.kind == "predicted" and one.item.probe_id in probes]
        decided = [one for one in decided if self._stands(one.item)]
        scores = np.array([one.item.score for one in decided], np.float64)
        return estimate_rest(rest, scores, np.array([one.verdict == "accepted" for one in decided], bool))

    def _stands(self, item: ReviewItem) -> bool:
        """Whether its time is still scored: undo takes a decision back, too."""
        if item.behavior not in self.book.behaviors:
            return False
        middle = np.array([(item.start_s + item.until_s) / 2])
        return bool(covers(scored_time(self.book, item.recording, item.behavior, item.subject), middle)[0])
