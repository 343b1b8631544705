"""Whether labels are on disk, and what was found after a crash."""

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science.state import PanelState
from napari_vp_science.style import GAP, MARGIN, button, hint

_LOOK_EVERY_MS = 400


class SaveState(QWidget):
    """Says that all labels are saved, or why not."""

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        self.said = hint()
        self.again = button("Try again", "Write the labels that are only in memory")
        self.again.clicked.connect(lambda _checked=False: self._retry())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self.said, 1)
        row.addWidget(self.again)
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_EVERY_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()
        self.look()

    def look(self) -> None:
        """Look again: the labels are written in a thread that knows no window."""
        session = self._state.session
        log = None if session is None else session.log
        if log is None:
            text = ""
        elif log.error is not None:
            text = f"Not saved: {log.error}"
        elif log.waiting:
            text = "Saving ..."
        else:
            text = "✓ All labels are saved"
            if log.kept is not None:
                text += f". Another program had changed the file; what it held is kept in {log.kept.name}"
        if text != self.said.text():
            self.said.setText(text)
        self.again.setVisible(log is not None and log.error is not None)

    def close_view(self) -> None:
        """Look no more."""
        self._timer.stop()

    def _retry(self) -> None:
        if self._state.session is not None:
            self._state.session.log.retry()


def recovery_text(session: "vp.sessions.Session | None") -> str:
    """What people should know about how the session ended the last time; "" when all went well."""
    found = None if session is None else session.log.recovery
    if found is None or not found.crashed:
        return ""
    text = "This session was not closed in order the last time. "
    if found.torn is None:
        return text + "All labels that were made then are here."
    return text + f"All labels but the very last edit are here; what was written of that one is kept in {found.torn}."


class RecoveryNotice(QFrame):
    """Shown after a crash until somebody has read it."""

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        self._read: object = None
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.said = hint()
        self.read = button("OK", "I have read this")
        self.read.clicked.connect(lambda _checked=False: self._was_read())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.addWidget(self.said)
        row = QHBoxLayout()
        row.addStretch()
        row.addWidget(self.read)
        layout.addLayout(row)
        self.refresh()

    def refresh(self) -> None:
        """Another session may be open."""
        text = recovery_text(self._state.session)
        self.said.setText(text)
        self.setVisible(bool(text) and self._read is not self._state.session)

    def _was_read(self) -> None:
        self._read = self._state.session
        self.hide()
