"""What is to be said about the recording on screen: being opened, not readable, slow to jump in (and what helps)."""

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QSizePolicy

from napari_vp_science.jobs import JobRunner
from napari_vp_science.state import PanelState
from napari_vp_science.style import GAP, MARGIN, button, theme_colors
from napari_vp_science.video.stage import Stage


class NoticeBar(QFrame):
    """A calm line under the video; hidden while there is nothing to say.

    Args:
        state: of the panel.
        stage: whose recording it speaks of.
    """

    def __init__(self, state: PanelState, stage: Stage) -> None:
        super().__init__()
        self._state = state
        self._stage = stage
        self._jobs: JobRunner | None = None
        self._copying: Path | None = None
        self._slow: dict[str, float] = {}
        self._not_now: set[str] = set()
        self._is_error = False
        self._build()
        self.hide()
        stage.progress.connect(self._opening)
        stage.opened.connect(self._opened)
        stage.failed.connect(self._failed)
        stage.slow.connect(self._is_slow)
        stage.link.shown.connect(self._shown)
        state.recording_changed.connect(self._recording_changed)

    def _build(self) -> None:
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.bar = QProgressBar()
        self.bar.setFixedWidth(160)
        self.copy = button(
            "Make a copy for viewing", "Encode a copy with more key frames; the recording stays as it is"
        )
        self.copy.clicked.connect(self._make_copy)
        self.later = button("Not now", "Go on with slow jumps")
        self.later.clicked.connect(self._put_off)
        self.cancel = button("Cancel", "Stop copying; nothing stays of it")
        self.cancel.clicked.connect(self._cancel)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(MARGIN, 2, MARGIN, 2)
        layout.setSpacing(GAP)
        layout.addWidget(self.text, 1)
        for widget in (self.bar, self.copy, self.later, self.cancel):
            layout.addWidget(widget)

    def close_view(self) -> None:
        """Stop listening, and copying."""
        self._state.recording_changed.disconnect(self._recording_changed)
        self._stage.progress.disconnect(self._opening)
        self._stage.opened.disconnect(self._opened)
        self._stage.failed.disconnect(self._failed)
        self._stage.slow.disconnect(self._is_slow)
        self._stage.link.shown.disconnect(self._shown)
        if self._jobs is not None:
            self._jobs.close()

    # ---- what it says

    def _say(self, text: str, *widgets: Any) -> None:
        for widget in (self.bar, self.copy, self.later, self.cancel):
            widget.setVisible(widget in widgets)
        self.text.setText(text)
        self._is_error = False
        accent = theme_colors(self._state.viewer).accent.name()
        self.setStyleSheet(f"NoticeBar {{ border: none; border-left: 3px solid {accent}; }}")
        self.setVisible(bool(text))

    def _opening(self, recording_id: str, share: float) -> None:
        self._show_share(share)
        self._say(f"Opening {recording_id}: reading where its frames are. Next time this is known.", self.bar)

    def _opened(self, recording_id: str) -> None:
        if self._copying is not None:
            self._say(f"Making a copy for viewing of {self._copying.name}...", self.bar, self.cancel)
        elif recording_id in self._slow and recording_id not in self._not_now:
            self._offer(recording_id)
        else:
            self._say("")

    def _recording_changed(self, recording_id: str) -> None:
        if not recording_id and self._stage.decoder is None and self._copying is None:
            self._say("")

    def _failed(self, recording_id: str, words: str) -> None:
        if self._copying is None:
            self._say(f"{recording_id}: {words}")
            self._is_error = True

    def _shown(self, frame: int, exact: bool) -> None:
        """An error is over when the next frame is there."""
        if exact and self._is_error:
            self._say("")

    def _is_slow(self, recording_id: str, seconds: float) -> None:
        self._slow[recording_id] = seconds
        if self._copying is None and recording_id not in self._not_now:
            self._offer(recording_id)

    def _offer(self, recording_id: str) -> None:
        decoder = self._stage.decoder
        source = None if decoder is None else decoder.source
        if source is None or source.shows_copy:
            self._say("")
            return
        distance = source.key_distance()
        why = f": its key frames lie {distance} frames apart" if distance > 1 else ""
        self._say(
            f"Jumps in {recording_id} take up to {self._slow[recording_id]:.1f} s{why}. A copy for viewing makes them "
            f"quick; the recording stays as it is.",
            self.copy,
            self.later,
        )

    def _show_share(self, share: float) -> None:
        self.bar.setRange(0, 100 if share > 0 else 0)
        self.bar.setValue(round(100 * share))

    # ---- what it does

    def _put_off(self) -> None:
        self._not_now.add(self._state.current)
        self._say("")

    def _make_copy(self) -> None:
        decoder = self._stage.decoder
        if decoder is None:
            return
        if self._jobs is None:
            self._jobs = JobRunner(self)
            self._jobs.progress.connect(self._progressed)
            self._jobs.result.connect(self._copied)
            self._jobs.cancelled.connect(self._stopped)
            self._jobs.failed.connect(self._copy_failed)
        session = self._state.session
        folder = "" if session is None else str(session.subfolder("cache"))
        self._copying = decoder.path
        self._show_share(0)
        self._say(f"Making a copy for viewing of {decoder.path.name}...", self.bar, self.cancel)
        self._jobs.start("reencode", {"path": str(decoder.path), "cache_folder": folder})

    def _cancel(self) -> None:
        if self._jobs is not None:
            self._jobs.cancel()

    def _progressed(self, event: dict[str, Any]) -> None:
        if event.get("total"):
            self._show_share(event["done"] / event["total"])

    def _copied(self, result: dict[str, Any]) -> None:
        path, self._copying = self._copying, None
        self._say("")
        if path is not None:
            self._stage.reopen(path)

    def _stopped(self) -> None:
        self._copying = None
        self._not_now.add(self._state.current)
        self._say("")

    def _copy_failed(self, words: str) -> None:
        self._copying = None
        self._say(words, self.later)
