"""A list of segments to score, one after the other: what is suggested, or what was drawn."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHBoxLayout, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science import style
from napari_vp_science.review import words
from napari_vp_science.review.player import MomentPlayer
from napari_vp_science.state import PanelState

SCORED_KEY = "Ctrl+Shift+S"
_SLACK_S = 1e-6


class SegmentList(QWidget):
    """Segments with what is done; previous, next, and "scored, next".

    Attributes:
        chosen: a segment is shown; its place.
        finished: the last open segment was scored.
    """

    chosen = Signal(int)
    finished = Signal()

    def __init__(self, state: PanelState, player: MomentPlayer) -> None:
        super().__init__()
        self.state, self.player = state, player
        self.segments: list[vp.sessions.Segment] = []
        self.reasons: list[str] = []
        self.place = -1
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(style.GAP)
        self.list = QListWidget()
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setMinimumHeight(170)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.itemClicked.connect(lambda item: self.go(self.list.row(item)))
        layout.addWidget(self.list, 1)
        row = QHBoxLayout()
        row.setSpacing(style.GAP)
        self.previous = style.button("Previous", "The segment before")
        self.previous.clicked.connect(lambda: self.go(self.place - 1))
        self.next = style.button("Next", "The segment after this one")
        self.next.clicked.connect(lambda: self.go(self.place + 1))
        self.scored = style.button(
            "Scored, next",
            "All behaviors in this segment are labelled: mark its time as scored and go to the next open one "
            f"({SCORED_KEY})",
            main=True,
        )
        self.scored.clicked.connect(self.mark_scored)
        for button in (self.previous, self.next, self.scored):
            row.addWidget(button)
        layout.addLayout(row)
        self._show_buttons()

    @property
    def current(self) -> "vp.sessions.Segment | None":
        """The segment that is shown."""
        return self.segments[self.place] if 0 <= self.place < len(self.segments) else None

    @property
    def open_places(self) -> list[int]:
        """Places of the segments that are not scored."""
        return [place for place in range(len(self.segments)) if not self.is_done(place)]

    def is_done(self, place: int) -> bool:
        """Whether a segment is scored for all behaviors."""
        book = self.state.labels
        if book is None:
            return False
        names = book.behaviors.names or ("",)
        return self.segments[place].is_scored(book, names, self.state.subject)

    def set_segments(self, segments: Sequence["vp.sessions.Segment"], reasons: Sequence[str]) -> None:
        """Other segments."""
        before = self.current
        self.segments, self.reasons = list(segments), list(reasons)
        self.place = self.segments.index(before) if before in self.segments else -1
        self.list.clear()
        for _ in self.segments:
            item = QListWidgetItem()
            item.setSizeHint(QSize(0, 2 * self.fontMetrics().lineSpacing() + 8))
            self.list.addItem(item)
        self.update_rows()

    def update_rows(self) -> None:
        """Labels changed: what is done?"""
        for place, (segment, reason) in enumerate(zip(self.segments, self.reasons, strict=True)):
            mark = "\N{CHECK MARK} " if self.is_done(place) else ""
            text = f"{mark}{segment.recording}   {words.span(segment.start_s, segment.stop_s)}"
            item: Any = self.list.item(place)
            item.setText(f"{text}\n{'scored' if mark else reason}")
            item.setToolTip(item.text())
        if self.place >= 0:
            self.list.setCurrentRow(self.place)
        self._show_buttons()

    def go(self, place: int) -> None:
        """Show a segment and play it."""
        if not 0 <= place < len(self.segments):
            return
        self.place = place
        self.list.setCurrentRow(place)
        self._show_buttons()
        segment = self.segments[place]
        self.player.play(segment.recording, segment.start_s, segment.stop_s)
        self.chosen.emit(place)

    def begin(self) -> None:
        """Show the first segment that is not scored."""
        if open_places := self.open_places:
            self.go(open_places[0])

    def mark_scored(self) -> None:
        """The segment is labelled: its time counts as scored, and the next open one is shown."""
        segment, book = self.current, self.state.labels
        if segment is None or book is None:
            return
        start, stop = self._on_frames(segment)
        book.observe(segment.recording, start, stop, subject=self.state.subject)
        self.update_rows()
        after = [place for place in self.open_places if place > self.place]
        if later := after or self.open_places:
            self.go(later[0])
        else:
            self.player.stop()
            self.finished.emit()

    def _on_frames(self, segment: "vp.sessions.Segment") -> tuple[float, float]:
        """The segment, widened to borders of frames."""
        time_s = self.state.time_s
        if self.state.current != segment.recording or not len(time_s):
            return segment.start_s, segment.stop_s
        edges = vp.sessions.frame_edges(time_s)
        first = max(0, int(edges.searchsorted(segment.start_s + _SLACK_S, side="right")) - 1)
        last = min(len(edges) - 1, int(edges.searchsorted(segment.stop_s - _SLACK_S, side="left")))
        return min(float(edges[first]), segment.start_s), max(float(edges[last]), segment.stop_s)

    def _show_buttons(self) -> None:
        self.previous.setEnabled(self.place > 0)
        self.next.setEnabled(-1 < self.place < len(self.segments) - 1 or (self.place < 0 < len(self.segments)))
        self.scored.setEnabled(self.current is not None)
