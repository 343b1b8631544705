"""Keeps up to date what is known of every recording: files in a thread, labels as they change."""

import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

import vp_science as vp
from napari_vp_science.state import PanelState
from napari_vp_science.voice import Voice

_TELL_EVERY_S = 0.2
_SLICE_S = 0.008
_PATIENCE_S = 3.0
_LOOKS = "looks.json"


class Survey(QObject):
    """The states of all recordings of the session.

    Attributes:
        renewed: other recordings are on the list.
        changed: more is known of these recordings; a list of ids.
    """

    renewed = Signal()
    changed = Signal(object)

    def __init__(self, state: PanelState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._rows: dict[str, vp.sessions.RecordingState] = {}
        self._unlike: dict[str, list[str]] = {}
        self._looker: _Looker | None = None
        self._reviews: list[str] = []
        self._review_timer = QTimer(self)
        self._review_timer.setInterval(0)
        self._review_timer.timeout.connect(self._count_reviews)
        state.session_changed.connect(self._session_changed)
        state.tracks_changed.connect(self._track_changed)
        state.labels_changed.connect(self._labels_changed)
        state.predictions_changed.connect(self._predictions_changed)
        self._session_changed()

    @property
    def ids(self) -> list[str]:
        """All recordings, in the order of the session."""
        return list(self._rows)

    @property
    def looking(self) -> bool:
        """Whether files are still being looked at."""
        return self._looker is not None and self._looker.busy

    def row(self, recording_id: str) -> "vp.sessions.RecordingState":
        """What is known of a recording."""
        return self._rows[recording_id]

    def rows(self) -> "list[vp.sessions.RecordingState]":
        """What is known of all recordings."""
        return list(self._rows.values())

    def unlike(self, recording_id: str) -> list[str]:
        """In which settings its track differs from those of most others."""
        return self._unlike.get(recording_id, [])

    def look_again(self, recording_ids: Iterable[str] | None = None) -> None:
        """Look at the files of these recordings (None: of all) again."""
        if self._looker is not None:
            wanted = self.ids if recording_ids is None else [name for name in recording_ids if name in self._rows]
            self._looker.want([self._rows[name].recording for name in wanted], set(self._rows))

    def close_view(self) -> None:
        """Stop the thread and stop listening."""
        state = self._state
        state.session_changed.disconnect(self._session_changed)
        state.tracks_changed.disconnect(self._track_changed)
        state.labels_changed.disconnect(self._labels_changed)
        state.predictions_changed.disconnect(self._predictions_changed)
        self._review_timer.stop()
        self._stop_looking(wait=True)

    # ---- what happens

    def _session_changed(self) -> None:
        session = self._state.session
        if session is None:
            self._stop_looking()
            self._rows = {}
            self.renewed.emit()
            return
        if self._looker is None or self._looker.session is not session:
            self._stop_looking()
            self._looker = _Looker(session, Voice(self._looked))
            self._rows = {}
        old, self._rows = self._rows, {}
        labelled = set(session.labels.recordings)
        for one in session.recordings:
            before = old.get(one.id)
            if before is not None and before.recording == one:
                self._rows[one.id] = before
            else:
                self._rows[one.id] = vp.sessions.RecordingState(one)
                if one.id in labelled:
                    labels = vp.sessions.label_state(session.labels, one.id)
                    self._rows[one.id] = replace(self._rows[one.id], labels=labels)
        self._compare_tracks()
        self.renewed.emit()
        self.look_again([name for name, row in self._rows.items() if row.disk is None])
        self._predictions_changed()

    def _stop_looking(self, wait: bool = False) -> None:
        looker, self._looker = self._looker, None
        if looker is not None:
            looker.close(wait)

    def _track_changed(self, recording_id: str) -> None:
        self.look_again([recording_id])

    def _labels_changed(self, edit: Any) -> None:
        book = self._state.labels
        touched = [name for name in edit.touched() if name in self._rows]
        if book is None or not touched:
            return
        for name in touched:
            self._rows[name] = replace(self._rows[name], labels=vp.sessions.label_state(book, name))
        self.changed.emit(touched)
        self._want_reviews([name for name in touched if name in self._state.predictions])

    def _predictions_changed(self) -> None:
        known = self._state.predictions
        changed = [name for name, row in self._rows.items() if row.predicted_now != (name in known)]
        for name in changed:
            self._rows[name] = replace(self._rows[name], predicted_now=name in known, reviewed_share=None)
        if changed:
            self.changed.emit(changed)
        self._want_reviews([name for name in known if name in self._rows])

    def _want_reviews(self, names: list[str]) -> None:
        self._reviews = list(dict.fromkeys([*names, *self._reviews]))
        if self._reviews:
            self._review_timer.start()

    def _count_reviews(self) -> None:
        """A few recordings at a time, so that thousands of predictions never hold the window."""
        book, began, changed = self._state.labels, time.monotonic(), []
        while self._reviews and time.monotonic() - began < _SLICE_S:
            name = self._reviews.pop(0)
            prediction = self._state.predictions.get(name)
            if book is None or prediction is None or name not in self._rows:
                continue
            share = vp.sessions.review_state(prediction, book).share
            if share != self._rows[name].reviewed_share:
                self._rows[name] = replace(self._rows[name], reviewed_share=share)
                changed.append(name)
        if not self._reviews:
            self._review_timer.stop()
        if changed:
            self.changed.emit(changed)

    def _looked(self, looker: Any, found: dict[str, Any]) -> None:
        if looker is not self._looker:
            return
        changed = [name for name in found if name in self._rows]
        for name in changed:
            self._rows[name] = replace(self._rows[name], disk=found[name])
        before = set(self._unlike)
        self._compare_tracks()
        self.changed.emit([*changed, *(before ^ set(self._unlike))])

    def _compare_tracks(self) -> None:
        """Whole frames with whole frames, animals with animals."""
        self._unlike = {}
        for whole in (True, False):
            settings = {
                f"{name}\n{track.id}": track.settings
                for name, row in self._rows.items()
                for track in (row.disk.tracks if row.disk is not None else ())
                if (track.subject == "") == whole
            }
            for key, differences in vp.sessions.unlike_the_others(settings).items():
                self._unlike.setdefault(key.split("\n")[0], differences)


class _Looker:
    """The thread that looks at files; the wishes that came last go first."""

    def __init__(self, session: "vp.sessions.Session", voice: Voice) -> None:
        self.session = session
        self._voice = voice
        self._wanted: dict[str, vp.sessions.SessionRecording] = {}
        self._ids: set[str] = set()
        self._change = threading.Condition()
        self._closed = False
        self.busy = False
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
        self._thread.start()

    def want(self, recordings: "list[vp.sessions.SessionRecording]", ids: set[str]) -> None:
        """Look at these next."""
        with self._change:
            new = {one.id: one for one in recordings}
            self._wanted = new | {name: one for name, one in self._wanted.items() if name not in new}
            self._ids = ids
            self.busy = bool(self._wanted)
            self._change.notify()

    def close(self, wait: bool) -> None:
        """End it after the file that is being looked at."""
        with self._change:
            self._closed = True
            self._wanted = {}
            self._change.notify()
        if wait:
            self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        try:
            self._look()
        finally:
            self._voice.end()

    def _look(self) -> None:
        looks = vp.sessions.LookCache(self.session.folder / "cache" / _LOOKS)
        while self._wait():
            listings, found, said = vp.sessions.Listings(), {}, time.monotonic()
            while (one := self._next()) is not None:
                look = vp.sessions.QuickLook() if one.path is None else looks.look(one.path)
                found[one.id] = vp.sessions.look_at_disk(self.session.folder, one, self._ids - {one.id}, listings, look)
                if time.monotonic() - said > _TELL_EVERY_S:
                    self._say(found)
                    found, said = {}, time.monotonic()
            self._say(found)
            if not self._closed:
                looks.save()

    def _wait(self) -> bool:
        with self._change:
            self._change.wait_for(lambda: self._closed or bool(self._wanted))
            return not self._closed

    def _next(self) -> "vp.sessions.SessionRecording | None":
        with self._change:
            if self._closed or not self._wanted:
                self.busy = False
                return None
            return self._wanted.pop(next(iter(self._wanted)))

    def _say(self, found: dict[str, Any]) -> None:
        if found and not self._closed:
            self._voice.say(self, found)
