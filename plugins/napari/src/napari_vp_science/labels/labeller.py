"""What the keys do: labels at the current frame, marks, steps through the video. Knows neither keys nor windows."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from qtpy.QtCore import QObject, Signal

import vp_science as vp
from napari_vp_science.labels.live import LiveStrokes, Stroke, Watch
from napari_vp_science.state import PanelState
from napari_vp_science.video.playback import SPEEDS


class Timeline(Protocol):
    """What labelling needs of the ethogram (``timeline/view.py``)."""

    def set_live(self, behavior: str, start_s: float, stop_s: float, *, erase: bool = False) -> None:
        """Show a bout that grows."""

    def clear_live(self, behavior: str | None = None) -> None:
        """End one of them, or all."""

    def set_range(self, start_s: float | None, stop_s: float | None = None) -> None:
        """Show the marks."""

    def next_bout(self, direction: int, behavior: str | None = None) -> int | None:
        """Choose the next bout or the one before."""

    def delete_chosen(self) -> None:
        """Remove the chosen bouts."""

    def zoom(self, factor: float) -> None:
        """Show so many times as much detail."""

    def fit(self) -> None:
        """Show all of the recording."""


class Labeller(QObject):
    """Acts on the labels of the shown recording at the current frame.

    Frames count as a whole: what is labelled from one frame to another includes both. Labels land on ``link.frame``,
    whatever is on the screen at that moment.

    Attributes:
        on: whether keys label, and watching scores.
        score_watched: stretches that were played count as scored.
        claim: asked first when the key of a behavior goes down; True: another page labelled something with it.
        others: commands of the table that other parts of the panel carry out, by name.
        changed: ``on``, the marks or what is under way changed.
        help_wanted: somebody asked for the keys.
    """

    changed = Signal()
    help_wanted = Signal()

    def __init__(self, state: PanelState, timeline: Timeline, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.state, self.timeline = state, timeline
        self.on = False
        self.score_watched = True
        self.claim: Callable[[str], bool] = lambda behavior: False
        self.others: dict[str, Callable[[], Any]] = {}
        self._clock = clock
        self._strokes = LiveStrokes(self._finish)
        self._watch = Watch(self._watched)
        self._marks: tuple[int | None, int | None] = (None, None)
        self._recording, self._subject = "", ""
        self._edges = np.zeros(0)
        self._link: Any = None
        self._book = state.labels
        state.recording_changed.connect(self._on_recording)
        state.subject_changed.connect(self._on_subject)
        state.session_changed.connect(self._on_session)
        self._on_recording(state.current)

    def close_view(self) -> None:
        """Finish what is under way and let go of everything."""
        self.finish()
        self.state.recording_changed.disconnect(self._on_recording)
        self.state.subject_changed.disconnect(self._on_subject)
        self.state.session_changed.disconnect(self._on_session)
        self._attach(None)

    # ---- whether, and where

    def switch(self, on: bool) -> None:
        """Begin or end labelling."""
        if on != self.on:
            self.finish()
            self.on = on
            self.changed.emit()

    def set_score_watched(self, on: bool) -> None:
        """Whether stretches that are played count as scored."""
        if not on:
            self._watch.stop()
        self.score_watched = on

    @property
    def ready(self) -> bool:
        """Whether there is a recording to label."""
        return self.state.labels is not None and self._link is not None and len(self._edges) > 1

    @property
    def marks(self) -> tuple[int | None, int | None]:
        """First and last frame of the range; None where it is not marked."""
        return self._marks

    @property
    def strokes(self) -> list[Stroke]:
        """What is being labelled or erased now."""
        return self._strokes.strokes

    def finish(self) -> None:
        """End what is under way, as labels."""
        self._strokes.end_all()
        self._watch.stop()
        self.changed.emit()

    # ---- behaviors

    def press(self, behavior: str, *, erase: bool = False) -> None:
        """The key of a behavior goes down."""
        book = self.state.labels
        if book is None or behavior not in book.behaviors or (not erase and self.claim(behavior)):
            return
        if not self.ready:
            return
        if None not in self._marks:
            self.label_range(behavior, erase=erase)
        elif book.behaviors[behavior].kind == "point" and not erase:
            self._paint(behavior, self._frame, self._frame)
        else:
            exclusive = book.behaviors.exclusive
            self._strokes.press(behavior, self._frame, self._clock(), erase=erase, exclusive=exclusive)
            self._show_strokes()

    def moment(self) -> tuple[int, float] | None:
        """The current frame and the time on the clock; None when there is no recording."""
        return (self._frame, self._clock()) if self.ready else None

    def release(self, behavior: str, moment: tuple[int, float] | None = None) -> None:
        """The key of a behavior goes up, now or at a moment a little while ago."""
        if moment is None:
            moment = self.moment()
        if moment is not None and self.ready:
            self._strokes.release(behavior, *moment)
            self._show_strokes()

    def label_range(self, behavior: str, *, erase: bool = False) -> None:
        """Label (or erase) the marked range, and forget the range."""
        first, last = self._marks
        if first is not None and last is not None:
            self._set_marks(None, None)
            self._paint(behavior, first, last, erase=erase)

    # ---- commands of the table in keys.py

    def run(self, name: str) -> None:
        """Do what a command says.

        Raises:
            KeyError: when there is none of this name.
        """
        if name in self.others:
            self.others[name]()
            return
        action = self._actions()[name]
        if self.ready or name in ("help", "undo", "redo"):
            with self._told():
                action()

    def _actions(self) -> dict[str, Callable[[], Any]]:
        link, timeline = self._link, self.timeline
        return {
            "play": lambda: link.toggle(),
            "back_frame": lambda: link.step(-1),
            "forward_frame": lambda: link.step(1),
            "back_10_frames": lambda: link.step(-10),
            "forward_10_frames": lambda: link.step(10),
            "back_second": lambda: link.step_s(-1.0),
            "forward_second": lambda: link.step_s(1.0),
            "back_10_seconds": lambda: link.step_s(-10.0),
            "forward_10_seconds": lambda: link.step_s(10.0),
            "previous_bout": lambda: self._go_to_bout(-1),
            "next_bout": lambda: self._go_to_bout(1),
            "previous_same": lambda: self._go_to_bout(-1, same=True),
            "next_same": lambda: self._go_to_bout(1, same=True),
            "slower": lambda: self._change_speed(-1),
            "faster": lambda: self._change_speed(1),
            "mark_in": lambda: self._mark(first=self._frame),
            "mark_out": lambda: self._mark(last=self._frame),
            "let_go": self._let_go,
            "mark_scored": lambda: self._score_range(True),
            "mark_not_scored": lambda: self._score_range(False),
            "next_subject": self.next_subject,
            "start_here": lambda: self._extend(start=True),
            "stop_here": lambda: self._extend(start=False),
            "split": self._split,
            "delete": timeline.delete_chosen,
            "undo": self.undo,
            "redo": self.redo,
            "zoom_in": lambda: timeline.zoom(1.5),
            "zoom_out": lambda: timeline.zoom(1 / 1.5),
            "fit": timeline.fit,
            "help": self.help_wanted.emit,
        }

    def undo(self) -> None:
        """Take back the last step; what is being labelled now is dropped first."""
        if self.strokes:
            self._drop_strokes()
        elif self.state.labels is not None:
            self.state.labels.undo()

    def redo(self) -> None:
        """Do the last undone step again."""
        if self.state.labels is not None:
            self.state.labels.redo()

    def next_subject(self) -> None:
        """Label the next of the subjects, after the last one nobody in particular."""
        names = ["", *subjects(self.state)]
        here = names.index(self.state.subject) if self.state.subject in names else 0
        self.state.choose_subject(names[(here + 1) % len(names)])

    def _go_to_bout(self, direction: int, *, same: bool = False) -> None:
        bout = self._chosen()
        if same and bout is None:
            self.state.message.emit("Choose a bout first: the next one of the same behavior follows it")
            return
        found = self.timeline.next_bout(direction, bout.behavior if same and bout is not None else None)
        if found is None:
            self.state.message.emit(f"There is no {'further' if direction > 0 else 'earlier'} bout")

    def _change_speed(self, direction: int) -> None:
        place = SPEEDS.index(self._link.speed) + direction
        if 0 <= place < len(SPEEDS):
            self._link.set_speed(SPEEDS[place])

    def _mark(self, *, first: int | None = None, last: int | None = None) -> None:
        """Set one end of the range; the other one goes when it is on the wrong side."""
        start, stop = self._marks
        start, stop = (first, stop) if first is not None else (start, last)
        if start is not None and stop is not None and start > stop:
            start, stop = (start, None) if first is not None else (None, stop)
        self._set_marks(start, stop)

    def _let_go(self) -> None:
        self._drop_strokes()
        self._set_marks(None, None)
        if self.state.moments:
            self.state.choose_moments([])

    def _score_range(self, scored: bool) -> None:
        book, (first, last) = self.state.labels, self._marks
        if first is None or last is None:
            self.state.message.emit("Mark a range first: where it starts and where it ends")
            return
        assert book is not None
        self._set_marks(None, None)
        start_s, stop_s = self._times(first, last)
        if scored:
            book.observe(self._recording, start_s, stop_s, subject=self.state.subject)
        else:
            book.forget(self._recording, start_s, stop_s, subject=self.state.subject or None)

    def _extend(self, *, start: bool) -> None:
        bout = self._chosen()
        if bout is None or bout.recording != self._recording:
            self.state.message.emit("Choose a bout first: click it, or go to the next one")
            return
        assert self.state.labels is not None
        edge = self._times(self._frame, self._frame)[0 if start else 1]
        if bout.is_point:
            fields = {"start_s": edge, "stop_s": edge} if start else {}
        else:
            fields = {"start_s": edge} if start else {"stop_s": edge}
        if fields and (bout.is_point or fields.get("start_s", bout.start_s) < fields.get("stop_s", bout.stop_s)):
            self.state.labels.change(bout.id, source=self._source_after(bout), **fields)
        else:
            self.state.message.emit("The bout would end before it starts: go to another frame")

    def _split(self) -> None:
        book, at_s = self.state.labels, float(self._edges[self._frame])
        bout = self._chosen()
        if book is None or bout is None or bout.recording != self._recording:
            self.state.message.emit("Choose a bout first: click it, or go to the next one")
            return
        self.state.choose_bout(book.split(bout.id, at_s))

    def _source_after(self, bout: "vp.sessions.Bout") -> str:
        """A bout that a model found is curated once somebody changes it."""
        model = bout.status == vp.sessions.Status.MODEL
        return f"curated:{self.state.annotator}" if model else bout.source

    def _chosen(self) -> "vp.sessions.Bout | None":
        book, number = self.state.labels, self.state.bout
        return book.bout(number) if book is not None and number is not None and number in book else None

    # ---- painting

    @property
    def _frame(self) -> int:
        return min(max(int(self._link.frame), 0), len(self._edges) - 2)

    def _times(self, first: int, last: int) -> tuple[float, float]:
        """Begin of the first frame and end of the last one."""
        return float(self._edges[first]), float(self._edges[last + 1])

    def _finish(self, stroke: Stroke) -> None:
        self.timeline.clear_live(stroke.behavior)
        self._paint(stroke.behavior, stroke.first, stroke.last, erase=stroke.erase)
        self.changed.emit()

    def _paint(self, behavior: str, first: int, last: int, *, erase: bool = False) -> None:
        book = self.state.labels
        if book is None or behavior not in book.behaviors:
            return
        start_s, stop_s = self._times(first, last)
        with self._told():
            if erase:
                book.erase(self._recording, start_s, stop_s, behavior=behavior, subject=self._subject)
                return
            source = f"manual:{self.state.annotator}"
            touch_s = float(np.median(np.diff(self._edges))) / 2
            number = book.paint(
                self._recording, behavior, start_s, stop_s, subject=self._subject, source=source, join_s=touch_s
            )
            self.state.choose_bout(number)

    def _watched(self, first: int, last: int) -> None:
        book = self.state.labels
        if book is not None and self._recording:
            book.observe(self._recording, *self._times(first, last), subject=self._subject)

    def _show_strokes(self) -> None:
        for stroke in self.strokes:
            self.timeline.set_live(stroke.behavior, *self._times(stroke.first, stroke.last), erase=stroke.erase)
        self.changed.emit()

    def _drop_strokes(self) -> None:
        self._strokes.drop_all()
        self.timeline.clear_live()
        self.changed.emit()

    def _set_marks(self, first: int | None, last: int | None) -> None:
        self._marks = (first, last)
        start_s = None if first is None else self._times(first, first)[0]
        stop_s = None if last is None else self._times(last, last)[1]
        self.timeline.set_range(start_s, stop_s)
        self.changed.emit()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the labels refuse is said, and nothing changes."""
        try:
            yield
        except vp.VPScienceError as error:
            self.state.message.emit(str(error))

    # ---- what happens around

    def _on_recording(self, recording: str) -> None:
        self.finish()
        times_s = self.state.time_s
        self._book = self.state.labels
        self._recording, self._subject = recording, self.state.subject
        self._edges = vp.sessions.frame_edges(times_s) if recording and len(times_s) else np.zeros(0)
        if self._marks != (None, None):
            self._marks = (None, None)
            self.timeline.set_range(None)
        self._attach(self.state.link if recording else None)
        self.changed.emit()

    def _on_subject(self, subject: str) -> None:
        self.finish()
        self._subject = subject

    def _on_session(self) -> None:
        if self.state.labels is not self._book or self.state.current != self._recording:
            self._strokes.drop_all()  # they belonged to labels that are closed
            self._watch.drop()
            self.timeline.clear_live()
            self._on_recording(self.state.current)

    def _attach(self, link: Any) -> None:
        if link is self._link:
            return
        if self._link is not None:
            self._link.moved.disconnect(self._moved)
            self._link.playing_changed.disconnect(self._playing)
        self._link = link
        if link is not None:
            link.moved.connect(self._moved)
            link.playing_changed.connect(self._playing)

    def _moved(self, _frame: int) -> None:
        if not self.on or not self.ready:
            return
        frame = self._frame
        if self.strokes:
            self._strokes.moved(frame)
            self._show_strokes()
        if self._link.playing and self.score_watched:
            self._watch.playing(frame, float(self._edges[frame]), float(self._link.speed), self._clock())
        else:
            self._watch.stop()

    def _playing(self, playing: bool) -> None:
        if not self.on or not self.ready:
            return
        if playing and self.score_watched:
            self._moved(self._frame)
        else:
            self._watch.stop()


def subjects(state: PanelState) -> list[str]:
    """Who can be labelled: named in the labels, or added on the page."""
    if state.session is None:
        return []
    added = state.session.settings.get("subjects")
    known = [name for name in added if isinstance(name, str)] if isinstance(added, list) else []
    return sorted({*state.session.labels.subjects(), *known, state.subject} - {""})
