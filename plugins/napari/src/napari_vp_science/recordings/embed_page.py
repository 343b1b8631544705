"""The page of embedding: which recordings, how, how long it takes; then how far it is."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QMessageBox, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science.background import Background
from napari_vp_science.jobs import JobRunner
from napari_vp_science.recordings.animal_box import AnimalBox
from napari_vp_science.recordings.embed_form import EmbedForm
from napari_vp_science.recordings.embed_run import EmbedRun, estimate_words
from napari_vp_science.recordings.region_box import RegionBox
from napari_vp_science.recordings.requests import Asked, build_request, left_over
from napari_vp_science.recordings.words import breakable, counted, size
from napari_vp_science.state import PanelState
from napari_vp_science.style import MARGIN, button, heading, hint, page

_SETTING = "embedding"
_SETTLE_MS = 500


class EmbedPage(QWidget):
    """Turn recordings into tracks in a process of its own.

    Args:
        state: of the viewer.
        runner: does the work; None makes one.
    """

    title = "Embed"

    def __init__(self, state: PanelState, runner: JobRunner | None = None) -> None:
        super().__init__()
        self._state = state
        self._background = Background(self)
        self.runner = JobRunner(self) if runner is None else runner
        self._job = ""
        self._next: tuple[str, dict[str, Any]] | None = None
        self._asked = 0
        self._selected: list[str] = []
        self._session: Any = None
        self._found: dict[str, Any] | None = None
        self._offer: list[str] = []
        self._loading = False
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self.look)
        self._build()
        self._connect()
        self._session_changed()

    # ---- widgets

    def _build(self) -> None:
        self.form = EmbedForm()
        self.region = RegionBox(self._state, self._background)
        self.animals = AnimalBox(self._state, self._background)
        self.which = QComboBox()
        for key in ("missing", "current", "selected", "all"):
            self.which.addItem("", key)
        self.overwrite = QCheckBox("replace tracks made with other settings")
        self.overwrite.setToolTip("Make these tracks again, as set above")
        self.overwrite.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.others = hint()
        area, inside = page()
        inside.addWidget(self._offer_box())
        inside.addWidget(heading("Recordings"))
        inside.addWidget(self.which)
        inside.addWidget(self.form)
        inside.addWidget(self.region)
        inside.addWidget(self.animals)
        inside.addWidget(self.others)
        inside.addWidget(self.overwrite)
        inside.addStretch(1)
        self.run = EmbedRun()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area, 1)
        layout.addWidget(self.run)
        for one in (self.others, self.overwrite):
            one.hide()

    def _offer_box(self) -> QWidget:
        self.offer_text = hint()
        self.offer_button = button("Continue", "Go on with the settings of then", main=True)
        self.offer = QWidget()
        row = QHBoxLayout(self.offer)
        row.setContentsMargins(0, 0, 0, MARGIN)
        row.addWidget(self.offer_text, 1)
        row.addWidget(self.offer_button)
        self.offer.hide()
        return self.offer

    def _connect(self) -> None:
        state, runner = self._state, self.runner
        state.session_changed.connect(self._session_changed)
        state.recording_changed.connect(self._recording_changed)
        state.tracks_changed.connect(self._soon)
        for one in (self.form, self.region, self.animals):
            one.changed.connect(self._soon)
        self.which.currentIndexChanged.connect(self._soon)
        self.overwrite.toggled.connect(self._soon)
        self.offer_button.clicked.connect(lambda: self.resume())
        self.run.start.connect(self.start)
        self.run.pause.connect(self.pause)
        self.run.cancel.connect(self.stop)
        runner.progress.connect(self._progress)
        runner.result.connect(self._result)
        runner.cancelled.connect(self._cancelled)
        runner.failed.connect(self._failed)
        runner.idle.connect(self._idle)

    # ---- what happens around

    @property
    def running(self) -> bool:
        """Whether recordings are being embedded, or are about to be."""
        return self._job == "embed" or (self._next is not None and self._next[0] == "embed")

    def set_selected(self, recording_ids: Sequence[str]) -> None:
        """Which recordings are selected in the list."""
        self._selected = list(recording_ids)
        self._tell_which()
        if self.which.currentData() == "selected":
            self._soon()

    def _session_changed(self) -> None:
        session = self._state.session
        if session is not self._session:
            self._session = session
            if self.running:
                self.stop()
                self._state.message.emit("Embedding was stopped, because another session was opened. Nothing is lost.")
            self._load()
            self.region.recording_changed()
            self.animals.recording_changed()
        self._tell_which()
        self._soon()

    def _load(self) -> None:
        """Set what was set in this session, and offer to go on with what was interrupted."""
        record = self._record()
        self._loading = True
        self.form.load(record)
        self.animals.load(record)
        self._loading = False
        self._offer = []
        self.offer.hide()
        session = self._session
        if session is None or not isinstance(record.get("left"), list):
            return
        left = [name for name in record["left"] if isinstance(name, str) and name in session]
        self._background.run(
            lambda: left_over(session.folder, [session.recording(name) for name in left]),
            lambda found: self._tell_offer(session, found),
            self._state.message.emit,
        )

    def _tell_offer(self, session: Any, found: dict[str, float]) -> None:
        if session is not self._session or not found or self.running:
            return
        self._offer = list(found)
        begun = [f"{name} at {100 * share:.0f} %" for name, share in found.items() if share > 0]
        where = f" ({', '.join(begun[:2])})" if begun else ""
        self.offer_text.setText(
            breakable(f"Embedding was interrupted: {counted(len(found), 'recording')} left{where}.")
        )
        self.offer.show()
        self._state.message.emit("Embedding was interrupted. The Embed page can continue it.")

    def _recording_changed(self, _: str) -> None:
        self.region.recording_changed()
        self.animals.recording_changed()
        self._tell_which()
        if self.which.currentData() == "current":
            self._soon()

    def _tell_which(self) -> None:
        recordings = () if self._session is None else self._session.recordings
        words = {
            "missing": "All that have no track yet",
            "current": f"This one: {self._state.current}" if self._state.current else "This one",
            "selected": f"Selected in the list ({len(self._selected)})",
            "all": f"All ({len(recordings)})",
        }
        for row in range(self.which.count()):
            self.which.setItemText(row, words[self.which.itemData(row)])

    def showEvent(self, event: QShowEvent) -> None:
        """Now it is worth looking."""
        super().showEvent(event)
        if self.form.choice is None:
            self._background.run(vp.sessions.list_models, self._models_known, self._state.message.emit)
        self._soon()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody needs an estimate."""
        super().hideEvent(event)
        self._settle.stop()

    def _models_known(self, models: Any) -> None:
        self.form.set_models(models)
        self._soon()

    # ---- estimate

    def _soon(self, *_: Any) -> None:
        if self.isVisible() and not self._loading:
            self._settle.start()

    def look(self) -> None:
        """Find out what an embedding with these settings amounts to."""
        if self._session is None:
            self.run.tell_estimate("Add recordings first.", can_start=False)
            return
        if self.running or self.form.choice is None:
            return
        self._asked += 1
        asked = self._asked
        self._background.run(
            self._work(self._chosen_ids(), {}),
            lambda request: self._estimate(request) if asked == self._asked else None,
            self._state.message.emit,
        )

    def _chosen_ids(self) -> list[str] | None:
        """Recordings that are to be embedded; None for all without a track."""
        which = self.which.currentData()
        if which == "missing":
            return None
        if which == "current":
            return [self._state.current] if self._state.current else []
        return self._selected if which == "selected" else [one.id for one in self._session.recordings]

    def _work(self, ids: list[str] | None, more: dict[str, Any]) -> Any:
        """A function that builds the request in a thread: it looks for tracks and pose files."""
        settings = self.form.settings() | self.animals.values() | {"overwrite": self.overwrite.isChecked()} | more
        recordings = self._session.recordings
        regions = {one.id: self.region.region_of(one.id) for one in recordings}
        asked = Asked(self._session, recordings, ids, settings, regions, self.animals.folder())
        return lambda: build_request(asked)

    def _estimate(self, request: dict[str, Any]) -> None:
        if not request["recordings"]:
            self._found = None
            words = {
                "missing": "All recordings have a track.", "current": "Show a recording first.",
                "selected": "Select recordings in the list first.", "all": "Add recordings first.",
            }  # fmt: skip
            self.run.tell_estimate(words[self.which.currentData()], can_start=False)
            return
        if self.form.unusable:
            self.run.tell_estimate("", self.form.unusable, can_start=False)
            return
        measure = self.isVisible() and not self.form.needs_download
        self._queue("estimate", request | {"measure": measure})

    def _estimated(self, found: dict[str, Any]) -> None:
        self._found = found
        others = [track for track in found["tracks"] if track["status"] == "other"]
        self._tell_others(others)
        words = estimate_words(found, speed_comes=False)
        if found["seconds"] is None and found["frames_left"]:
            words += " The time is known once the weights are here."
        can_start = bool(found["frames_left"]) and not found["problem"]
        self.run.tell_estimate(words, found["problem"], can_start, "\n".join(why for _, why in found["unreadable"]))

    def _tell_others(self, others: list[dict[str, Any]]) -> None:
        self.others.setVisible(bool(others))
        self.overwrite.setVisible(bool(others) or self.overwrite.isChecked())
        if others:
            one = others[0]
            self.others.setText(
                breakable(
                    f"{counted(len(others), 'track')} made with other settings: {one['id']} "
                    f"({'; '.join(one['differences'])}). A probe needs tracks made with the same settings."
                )
            )

    # ---- the work

    def start(self) -> None:
        """Embed the chosen recordings."""
        if self._session is None or self.running:
            return
        self._begin(self._chosen_ids())

    def resume(self) -> None:
        """Go on with what was interrupted, with the settings of then."""
        if self._session is None or self.running or not self._offer:
            return
        self._loading = True
        self.form.load(self._record())
        self.animals.load(self._record())
        self._loading = False
        self._begin(list(self._offer))

    def _begin(self, ids: list[str] | None) -> None:
        more: dict[str, Any] = {"download": False}
        if self.form.needs_download:
            if not self._may_download():
                return
            more["download"] = True
        session = self._session
        self._background.run(
            self._work(ids, more),
            lambda request: self._ready(request) if session is self._session else None,
            self._state.message.emit,
        )

    def _may_download(self) -> bool:
        choice = self.form.choice
        assert choice is not None
        answer = QMessageBox.question(
            self,
            "Download weights",
            f"{choice.name} needs its weights: about {size(choice.download_bytes or 0)} from {choice.source} "
            f"({choice.licence}).\n\nDownload them now? They are kept for later. Without a network, run "
            f'"vp-science fetch {choice.name}" on another computer, or choose a file of your own.',
        )
        return answer == QMessageBox.StandardButton.Yes

    def _ready(self, request: dict[str, Any]) -> None:
        if self.running or not request["recordings"]:
            return
        self._remember(request, [one["id"] for one in request["recordings"]])
        self.offer.hide()
        self.run.clear_failures()
        self.run.set_running(True)
        self.run.tell_progress({"stage": "starting"})
        self._queue("embed", request)

    def pause(self) -> None:
        """Pause, or go on."""
        if self._job != "embed":
            return
        (self.runner.resume if self.runner.paused else self.runner.pause)()
        self.run.set_running(True, self.runner.paused)

    def stop(self) -> None:
        """Stop the embedding; what is finished stays."""
        if self._next is not None and self._next[0] == "embed":
            self._next = None
            self.run.tell_end("Stopped.")
        if self._job == "embed":
            self.run.now.setText("Stopping...")
            self.runner.cancel()

    def _queue(self, job: str, request: dict[str, Any]) -> None:
        """Begin a job; an estimate that is under way gives way to it."""
        self._next = (job, request)
        if self.runner.running:
            if self._job == "estimate":
                self.runner.cancel()
            return
        self._idle()

    def _idle(self) -> None:
        self._job = ""
        if self._next is not None:
            (self._job, request), self._next = self._next, None
            self.runner.start(self._job, request)

    def _progress(self, event: dict[str, Any]) -> None:
        if self._job == "estimate":
            if not self.running:
                stage = str(event["stage"])
                self.run.tell_estimate(f"{stage[:1].upper()}{stage[1:]}...", can_start=True)
            return
        self.run.tell_progress(event)
        if (one := event.get("finished")) is not None:
            self._finished(one)

    def _finished(self, one: dict[str, Any]) -> None:
        if one["status"] == "failed":
            self.run.add_failure(one["track"], one["error"])
        else:
            self._state.tracks_changed.emit(one["recording"])

    def _result(self, found: dict[str, Any]) -> None:
        if self._job == "estimate":
            self._job = ""
            if self._next is None:
                self._estimated(found)
            return
        self._job = ""
        results = found["results"]
        failed = sum(one["status"] == "failed" for one in results)
        made = sum(one["status"] == "done" for one in results)
        words = f"{counted(made, 'track')} finished"
        words += f", {failed} failed:" if failed else "."
        self.run.tell_end(words)
        self._remember(None, [])
        self.overwrite.setChecked(False)
        self._state.message.emit(f"Embedding: {words.rstrip(':.')}.")
        self._soon()

    def _cancelled(self) -> None:
        job, self._job = self._job, ""
        if job == "embed":
            self.run.tell_end("Stopped. What is finished is kept: Start goes on from there.")
            for name in self._left():
                self._state.tracks_changed.emit(name)
            self._soon()

    def _failed(self, why: str) -> None:
        job, self._job = self._job, ""
        if job == "embed":
            self.run.tell_end(why)
            self._soon()
        elif self._next is None:
            self._found = None
            self.run.tell_estimate("", why, can_start=False)

    # ---- what the session remembers

    def _record(self) -> dict[str, Any]:
        known = {} if self._session is None else self._session.settings.get(_SETTING, {})
        return known if isinstance(known, dict) else {}

    def _left(self) -> list[str]:
        left = self._record().get("left", [])
        return [name for name in left if isinstance(name, str)] if isinstance(left, list) else []

    def _remember(self, request: dict[str, Any] | None, left: list[str]) -> None:
        """Keep the settings, and what is to be done: a window that closes, or a crash, loses neither."""
        if self._session is None:
            return
        kept = (
            self._record() if request is None else {k: v for k, v in request.items() if k not in ("recordings", "out")}
        )
        self._session.settings[_SETTING] = {**kept, "left": left}
        try:
            self._session.save()
        except vp.VPScienceError as error:
            self._state.message.emit(str(error))

    def close_view(self) -> None:
        """Stop the worker where it can go on later, and take away what was drawn."""
        self._settle.stop()
        self._next = None
        self._background.close()
        state = self._state
        state.session_changed.disconnect(self._session_changed)
        state.recording_changed.disconnect(self._recording_changed)
        state.tracks_changed.disconnect(self._soon)
        self.runner.close()
        self.region.close_view()
        self.animals.close_view()
