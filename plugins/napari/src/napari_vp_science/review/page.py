"""The review page: check predictions, find out where to look next, measure accuracy."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_vp_science.background import Background
from napari_vp_science.review.next_tab import NextTab
from napari_vp_science.review.player import MomentPlayer
from napari_vp_science.review.review_tab import ReviewTab
from napari_vp_science.review.truth_tab import TruthTab
from napari_vp_science.state import PanelState


class ReviewPage(QWidget):
    """Review, where to look next, and ground truth.

    Attributes:
        moment_shown: a bout or segment is on screen: start and stop in seconds, for the ethogram to zoom to.
        marked: borders of the question on screen (start and stop in seconds), or None, for the ethogram to show.
        keys_active: the review takes single keys (True), or gives them back.
    """

    title = "Review"
    moment_shown = Signal(float, float)
    marked = Signal(object)
    keys_active = Signal(bool)

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self.background = Background(self)
        self.player = MomentPlayer(state, self)
        self.review = ReviewTab(state, self.player, self.background)
        self.look_next = NextTab(state, self.player, self.background)
        self.truth = TruthTab(state, self.player, self.background)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        for tab, name in ((self.review, "Review"), (self.look_next, "Look next"), (self.truth, "Ground truth")):
            self.tabs.addTab(tab, name)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs)
        self.player.shown.connect(self.moment_shown)
        self.review.marked.connect(self.marked)
        self.review.keys_active.connect(self.keys_active)

    def close_view(self) -> None:
        """Stop everything and listen no more."""
        self.background.close()
        self.player.close_view()
        for tab in (self.review, self.look_next, self.truth):
            tab.close_view()
