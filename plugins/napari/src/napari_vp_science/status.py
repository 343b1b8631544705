"""The status line below the pages: the last thing that was to be told."""

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QLabel, QSizePolicy

from napari_vp_science.state import PanelState
from napari_vp_science.style import MARGIN

_STAYS_MS = 15_000


class StatusLine(QLabel):
    """Shows ``state.message`` for a while; long texts wrap, and can be selected to be passed on."""

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.setContentsMargins(MARGIN, 2, MARGIN, 4)
        self.hide()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)
        state.message.connect(self.tell)

    def tell(self, text: str) -> None:
        """Show a text."""
        self.setText(text)
        self.setVisible(bool(text))
        self._timer.start(_STAYS_MS)

    def close_view(self) -> None:
        """Stop listening."""
        self._timer.stop()
        self._state.message.disconnect(self.tell)
