"""The lower end of the page: what an embedding amounts to, and how far it is."""

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QProgressBar, QVBoxLayout, QWidget

from napari_vp_science.recordings.words import breakable, counted, duration, shortened, size
from napari_vp_science.style import GAP, MARGIN, button, hint

_MOST_FAILURES = 200


class EmbedRun(QWidget):
    """Estimate, start, progress, pause and cancel. It shows what it is told, and asks by signals.

    Attributes:
        start: somebody wants to begin.
        pause: somebody wants to pause, or to go on.
        cancel: somebody wants to stop.
    """

    start = Signal()
    pause = Signal()
    cancel = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.estimate = hint()
        self.problem = hint()
        self.start_button = button("Start", "Embed these recordings in the background", main=True)
        self.pause_button = button("Pause", "Let the work wait; the window and the disk stay as they are")
        self.cancel_button = button("Cancel", "Stop; what is finished stays, and Start goes on from there")
        self.bar, self.own_bar = QProgressBar(), QProgressBar()
        self.now = hint()
        self.failures = QPlainTextEdit()
        self.failures.setReadOnly(True)
        self.failures.setMaximumHeight(84)
        self._build()
        self.start_button.clicked.connect(lambda: self.start.emit())
        self.pause_button.clicked.connect(lambda: self.pause.emit())
        self.cancel_button.clicked.connect(lambda: self.cancel.emit())
        self.set_running(False)
        self.clear_failures()

    def _build(self) -> None:
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button, 2)
        buttons.addWidget(self.pause_button, 1)
        buttons.addWidget(self.cancel_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, 0, MARGIN, MARGIN)
        layout.setSpacing(GAP)
        for one in (line, self.estimate, self.problem):
            layout.addWidget(one)
        layout.addLayout(buttons)
        for one in (self.bar, self.own_bar, self.now, self.failures):
            layout.addWidget(one)

    # ---- before

    def tell_estimate(self, words: str, problem: str = "", can_start: bool = True, details: str = "") -> None:
        """Say what it amounts to, what is in the way, and more for those who point at it."""
        self.estimate.setText(breakable(words))
        self.estimate.setVisible(bool(words))
        self.estimate.setToolTip(details)
        self.problem.setText(breakable(problem))
        self.problem.setVisible(bool(problem))
        self.start_button.setEnabled(can_start)

    # ---- during

    def set_running(self, running: bool, paused: bool = False) -> None:
        """Show the buttons that make sense now."""
        self.start_button.setVisible(not running)
        self.pause_button.setVisible(running)
        self.pause_button.setText("Resume" if paused else "Pause")
        self.cancel_button.setVisible(running)
        for one in (self.bar, self.own_bar):
            one.setVisible(running)
        self.estimate.setVisible(not running and bool(self.estimate.text()))
        self.problem.setVisible(not running and bool(self.problem.text()))
        if running:
            self.now.setVisible(True)

    def tell_progress(self, event: dict[str, Any]) -> None:
        """Show how far the work is."""
        done, total = float(event.get("done") or 0), float(event.get("total") or 0)
        if "recording_total" not in event:
            self._tell_stage(str(event.get("stage", "")), done, total, event.get("unit") == "bytes")
            return
        _fill(self.bar, done, total)
        self.bar.setFormat(f"All: %p %  ({event['position']} of {counted(event['recordings'], 'track')})")
        _fill(self.own_bar, float(event["recording_done"]), float(event["recording_total"]))
        self.own_bar.setFormat("%p %")
        self.own_bar.show()
        self.own_bar.setToolTip(str(event["recording"]))
        rate, left = event.get("frames_per_s"), event.get("seconds_left")
        words = [str(event["recording"])]
        if rate:
            words.append(f"{rate:,.0f} frames/s" if rate >= 10 else f"{rate:.1f} frames/s")
        if left is not None:
            words.append(f"{duration(left)} left")
        if event.get("failed"):
            words.append(f"{event['failed']} failed")
        self.now.setText(breakable(" · ".join(words)))

    def _tell_stage(self, stage: str, done: float, total: float, in_bytes: bool) -> None:
        """Before the first frame: loading, downloading."""
        _fill(self.bar, done, total)
        self.own_bar.hide()
        self.bar.setFormat("%p %" if total else "")
        words = stage[:1].upper() + stage[1:]
        self.now.setText(breakable(f"{words}: {size(done)} of {size(total)}" if in_bytes and total else words))

    def tell_end(self, words: str) -> None:
        """The work ended."""
        self.set_running(False)
        self.now.setText(breakable(words))
        self.now.setVisible(bool(words))

    def clear_failures(self) -> None:
        """Nothing has failed yet."""
        self.failures.clear()
        self.failures.hide()

    def add_failure(self, name: str, why: str) -> None:
        """One more that failed."""
        if self.failures.blockCount() < _MOST_FAILURES:
            self.failures.appendPlainText(f"{name}: {why}")
            self.failures.verticalScrollBar().setValue(0)
        self.failures.show()


def _fill(bar: QProgressBar, done: float, total: float) -> None:
    """Thousandths, because Qt counts in small whole numbers."""
    bar.setRange(0, 1000 if total else 0)
    bar.setValue(round(1000 * done / total) if total else 0)


def estimate_words(found: dict[str, Any], speed_comes: bool) -> str:
    """An estimate in two or three sentences."""
    tracks = found["tracks"]
    done = sum(track["status"] == "done" for track in tracks)
    going_on = [track for track in tracks if track["status"] == "continues"]
    words = []
    if not found["frames_left"]:
        words.append("Nothing is left to embed.")
    else:
        words.append(
            f"{found['frames_left']:,} frames, {size(found['track_bytes'])} on disk ({size(found['free_bytes'])} free)."
        )
        if found["seconds"] is not None:
            how = "measured just now" if found["measured"] == "now" else "as fast as last time"
            rate = found["frames_per_s"]
            words.append(f"About {duration(found['seconds'])} at {rate:,.3g} frames/s ({how}).")
        elif speed_comes:
            words.append("Measuring the time on the first windows...")
        if found["memory_bytes"]:
            words.append(f"Uses about {size(found['memory_bytes'])} of memory.")
    if going_on:
        one = going_on[0]
        more = f" (and {len(going_on) - 1} more)" if len(going_on) > 1 else ""
        words.append(f"{one['id']} continues at {100 * one['share']:.0f} %{more}.")
    if done:
        words.append(f"{counted(done, 'track')} {'is' if done == 1 else 'are'} there already.")
    if found["without_poses"]:
        count = len(found["without_poses"])
        words.append(f"{counted(count, 'recording')} without a pose file: whole frames only.")
    if found["unreadable"]:
        names = ", ".join(shortened(name, 24) for name, _ in found["unreadable"][:2])
        more = ", ..." if len(found["unreadable"]) > 2 else ""
        words.append(f"{counted(len(found['unreadable']), 'recording')} cannot be read ({names}{more}).")
    return " ".join(words)
