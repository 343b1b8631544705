"""The second part of the review page: which segments are worth labelling next."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QSpinBox, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science import style
from napari_vp_science.background import Background
from napari_vp_science.jobs import JobRunner
from napari_vp_science.review.keys import Keys
from napari_vp_science.review.player import MomentPlayer
from napari_vp_science.review.segment_list import SCORED_KEY, SegmentList
from napari_vp_science.review.settings import save_setting
from napari_vp_science.state import PanelState

SETTING = "suggestions"


class NextTab(QWidget):
    """Suggested segments, each with a reason; label one, mark it as scored, and the next one is shown."""

    def __init__(self, state: PanelState, player: MomentPlayer, background: Background) -> None:
        super().__init__()
        self.state, self._background = state, background
        self.runner = JobRunner(self)
        self.runner.progress.connect(self._progress)
        self.runner.result.connect(self._result)
        self.runner.failed.connect(self._failed)
        self.runner.cancelled.connect(lambda: self._told("Cancelled."))
        self._asked_for: object = None
        self._build(player)
        self._keys = Keys(self, [(SCORED_KEY, self.segments.mark_scored)])
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.segments.update_rows)
        self._heard: list[tuple[Any, Callable[..., None]]] = [
            (state.session_changed, self._session_changed),
            (state.labels_changed, self._labels_changed),
            (state.subject_changed, self._labels_changed),
        ]
        for signal, listener in self._heard:
            signal.connect(listener)
        self._shown_session: object = None
        self._session_changed()

    def _build(self, player: MomentPlayer) -> None:
        area, layout = style.page()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        layout.addWidget(
            style.hint(
                "Label where it helps most: segments that the probe is unsure of, and segments that are unlike "
                "everything labelled so far. This works before there is a probe, too."
            )
        )
        form = style.form()
        self.number, self.seconds = QSpinBox(), QSpinBox()
        self.number.setRange(1, 200)
        self.number.setValue(10)
        self.seconds.setRange(2, 600)
        self.seconds.setValue(10)
        self.seconds.setSuffix(" s")
        form.addRow("Segments", self.number)
        form.addRow("Length", self.seconds)
        layout.addLayout(form)
        row = QHBoxLayout()
        self.suggest = style.button(
            "Suggest segments", "Find segments worth labelling in all embedded recordings", main=True
        )
        self.suggest.clicked.connect(self.start)
        self.cancel = style.button("Cancel", "Stop looking")
        self.cancel.clicked.connect(self.runner.cancel)
        self.cancel.hide()
        row.addWidget(self.suggest, 1)
        row.addWidget(self.cancel)
        layout.addLayout(row)
        self.bar = QProgressBar()
        self.bar.setFixedHeight(6)
        self.bar.setTextVisible(False)
        self.bar.hide()
        layout.addWidget(self.bar)
        self.note = style.hint()
        layout.addWidget(self.note)
        self.segments = SegmentList(self.state, player)
        self.segments.finished.connect(lambda: self._told("All of them are scored. Train again, then ask for more."))
        layout.addWidget(self.segments, 1)
        self.segments.hide()

    def start(self) -> None:
        """Look for segments."""
        session = self.state.session
        if session is None:
            self._told("Open a recording to begin.")
            return
        if self.runner.running or self._asked_for is not None:
            return
        self._asked_for = session
        self.suggest.setEnabled(False)
        self._told("Looking for tracks \N{HORIZONTAL ELLIPSIS}")
        probes = {one.probe_id for one in self.state.predictions.values()}
        probe, number, seconds = (probes.pop() if len(probes) == 1 else ""), self.number.value(), self.seconds.value()
        self._background.run(lambda: _request(session, probe, number, seconds), self._launch, self._failed)

    def _launch(self, request: dict[str, Any]) -> None:
        if self._asked_for is not self.state.session:
            self._ended()
            return
        if not request["tracks"]:
            self._failed("Suggestions compare embeddings: embed recordings on the Embed page first.")
            return
        self.cancel.show()
        self.bar.show()
        self.runner.start("suggest", request)

    def _progress(self, event: dict[str, Any]) -> None:
        self.bar.setRange(0, int(event["total"]))
        self.bar.setValue(int(event["done"]))
        self.note.setText(event["stage"])

    def _result(self, result: dict[str, Any]) -> None:
        same = self._asked_for is self.state.session
        self._ended()
        if not same:
            return
        rows = [[one["recording"], one["start_s"], one["stop_s"], one["reason"]] for one in result["segments"]]
        save_setting(self.state, SETTING, rows)
        self._show(rows)
        self._told(" ".join(result["notes"]) or "Label what you see in each segment, then mark it as scored.")
        self.segments.begin()

    def _failed(self, text: str) -> None:
        self._ended()
        self._told(text)

    def _told(self, text: str) -> None:
        if text == "Cancelled.":
            self._ended()
        self.note.setText(text)

    def _ended(self) -> None:
        self._asked_for = None
        self.suggest.setEnabled(True)
        self.cancel.hide()
        self.bar.hide()

    def _show(self, rows: Any) -> None:
        good = [row for row in rows if _is_row(row)] if isinstance(rows, list) else []
        segments = [vp.sessions.Segment(str(row[0]), float(row[1]), float(row[2])) for row in good]
        self.segments.set_segments(segments, [str(row[3]) for row in good])
        self.segments.setVisible(bool(good))

    def _session_changed(self) -> None:
        session = self.state.session
        if session is not self._shown_session:
            self._shown_session = session
            self.runner.cancel()
            self._show([] if session is None else session.settings.get(SETTING, []))
            self.note.setText("")

    def _labels_changed(self, *_: object) -> None:
        self._soon.start()

    def showEvent(self, event: QShowEvent) -> None:
        """On screen: the key works."""
        super().showEvent(event)
        self._keys.set_active(True)

    def hideEvent(self, event: QHideEvent) -> None:
        """Off screen: it rests."""
        super().hideEvent(event)
        self._keys.set_active(False)

    def close_view(self) -> None:
        """End the process, and listen no more."""
        self._soon.stop()
        self._keys.close()
        self.runner.close()
        for signal, listener in self._heard:
            with suppress(ValueError):
                signal.disconnect(listener)


def _request(session: "vp.sessions.Session", probe: str, number: int, seconds: int) -> dict[str, Any]:
    """What the worker needs to know; looks at folders and waits until labels are on disk."""
    session.log.flush()
    tracks = vp.sessions.session_tracks(session)
    files = {one.id: vp.sessions.prediction_path(session.folder, one.id) for one in session.recordings}
    return {
        "tracks": [str(path) for path in tracks.values()],
        "labels": str(session.log.path),
        "predictions": {name: str(path) for name, path in files.items() if probe and Path(path).exists()},
        "probe": probe,
        "number": number,
        "segment_s": seconds,
        "excluded": vp.sessions.ground_truth_spans(session),
    }


def _is_row(row: Any) -> bool:
    if not isinstance(row, list) or len(row) != 4 or not isinstance(row[0], str):
        return False
    times = row[1:3]
    return all(isinstance(time, int | float) and abs(time) < 1e12 for time in times) and times[0] < times[1]
