"""The ethogram below the video: rows of bouts and predictions over time, to look at and to draw in."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QToolTip, QWidget

import vp_science as vp
from napari_vp_science.state import PanelState
from napari_vp_science.timeline import changes
from napari_vp_science.timeline.axis import TimeAxis
from napari_vp_science.timeline.canvas import touched_rows
from napari_vp_science.timeline.hits import Hit, hit_test
from napari_vp_science.timeline.menu import build_menu
from napari_vp_science.timeline.pointer import Pointer
from napari_vp_science.timeline.surface import Surface
from napari_vp_science.timeline.tips import tip

_BEHIND, _AHEAD = 0.08, 0.85
"""Where in the visible time the cursor comes to stand when a page is turned forward and back."""


class TimelineView(Surface):
    """Labels, predictions and scored time of the shown recording; reads and changes the state that it is given.

    Attributes:
        state: of the panel.
        chosen: numbers of the chosen bouts; one of them is ``state.bout``.
    """

    def __init__(self, state: PanelState, parent: QWidget | None = None) -> None:
        super().__init__(state, parent)
        self._pointer = Pointer(self)
        self._link: Any = None
        self._connect()
        self._on_recording(state.current)

    def _connect(self) -> None:
        state = self.state
        self._connections: list[tuple[Any, Any]] = [
            (state.session_changed, self._on_session),
            (state.recording_changed, self._on_recording),
            (state.labels_changed, self._on_labels),
            (state.predictions_changed, self._rebuild),
            (state.moments_changed, self._rebuild),
            (state.subject_changed, self._rebuild),
            (state.bout_changed, self._on_bout),
            (state.viewer.events.theme, self._on_theme),
        ]
        for signal, slot in self._connections:
            signal.connect(slot)

    def close_view(self) -> None:
        """Let go of everything; the widget stays as it is."""
        self._pointer.cancel()
        for signal, slot in self._connections:
            signal.disconnect(slot)
        self._connections = []
        self._attach(None)

    # ---- acting

    def hit(self, x: float, y: float) -> Hit:
        """What is at a pixel."""
        return hit_test(self.scene, x, y)

    def seek(self, frame: int) -> None:
        """Let the video show a frame."""
        if self.state.link is not None:
            self.state.link.go(frame)

    # ---- choosing and changing bouts

    def choose(self, number: int | None) -> None:
        """Choose one bout, or none."""
        self.choose_several(() if number is None else (number,))

    def choose_several(self, numbers: Iterable[int]) -> None:
        """Choose bouts."""
        before, self.chosen = self.chosen, frozenset(numbers)
        first = self.state.bout if self.state.bout in self.chosen else min(self.chosen, default=None)
        self._show_chosen(before)
        self.state.choose_bout(first)

    def next_bout(self, direction: int, behavior: str | None = None) -> int | None:
        """Choose the next bout (1) or the one before (-1) and show its begin.

        Counted from the chosen bout, or else from the current frame. Of the current subject, if there is one.

        Returns:
            Its number; None when there is no further one.
        """
        if self._scene is None:
            return None
        table = self._scene.table
        wanted = np.ones(len(table), bool)
        if behavior is not None:
            wanted &= table.behavior == (table.names.index(behavior) if behavior in table.names else -1)
        if self.state.subject:
            known = self.state.subject in table.subjects
            wanted &= table.subject == (table.subjects.index(self.state.subject) if known else -1)
        here = np.flatnonzero(table.id == self.state.bout) if self.state.bout is not None else []
        if len(here):
            place = np.arange(len(table)) - here[0]
            found = np.flatnonzero(wanted & (place * direction > 0))
        else:
            now_s = self._scene.frames.start(self._frame)
            found = np.flatnonzero(wanted & ((table.start_s - now_s) * direction > 0))
        if not len(found):
            return None
        at = found[0 if direction > 0 else -1]
        number = int(table.id[at])
        self.choose(number)
        self.seek(self._scene.frames.at(float(table.start_s[at])))
        self._reveal(number)
        return number

    def delete_chosen(self) -> None:
        """Remove the chosen bouts of the shown recording in one step of undo."""
        changes.delete(self.state, filter(self._is_here, self.chosen))

    # ---- hearing of changes

    def _on_session(self) -> None:
        self._axes.clear()
        self.clear_live()
        self._on_recording(self.state.current)

    def _on_recording(self, recording: str) -> None:
        self._pointer.cancel()
        self._attach(self.state.link)
        number = self.state.bout
        self.chosen = frozenset((number,)) if number is not None and self._is_here(number) else frozenset()
        self._marks, self._live = (None, None), {}
        frames = self._sources.frames
        known = self._axes.get(recording)
        if frames is None or known is None or not _same_time(known, frames.edges_s):
            self._axes.pop(recording, None)  # another clock, or more frames than were known: show all of it
        self._frame = self._current_frame()
        self._rebuild()
        if recording and not self.chosen:  # while another one is being opened, its bout may be chosen already
            self.state.choose_bout(None)

    def _attach(self, link: Any) -> None:
        if link is self._link:
            return
        if self._link is not None:
            self._link.moved.disconnect(self._on_moved)
        self._link = link
        if link is not None:
            link.moved.connect(self._on_moved)

    def _current_frame(self) -> int:
        frames = self._sources.frames
        if frames is None or self._link is None:
            return 0
        return int(min(max(self._link.frame, 0), len(frames) - 1))

    def _on_moved(self, _frame: int) -> None:
        if self._scene is None:
            return
        before, self._frame = self._frame, self._current_frame()
        if self._frame == before:
            return
        if self._pointer.gesture is None:
            self._follow()
        for frame in (before, self._frame):
            for area in self._cursor_areas(frame):
                self.update(area)

    def _follow(self) -> None:
        """Turn the page when the cursor leaves it."""
        axis, here = self.scene.axis, self.scene.frames.start(self._frame)
        if axis.start_s <= here < axis.stop_s:
            return
        back = here < axis.start_s and axis.start_s - here < axis.length_s
        share = _AHEAD if back else _BEHIND
        self.show_axis(axis.panned(here - share * axis.length_s - axis.start_s))

    def _on_labels(self, edit: "vp.sessions.Edit") -> None:
        touched = edit.touched()
        if "" not in touched and self.state.current not in touched:
            return
        book = self.state.labels
        assert book is not None
        gone = {number for number in self.chosen if number not in book}
        before = self._scene
        if gone:
            self.chosen = self.chosen - gone
        self._make_scene()
        if "" in touched or before is None or self._scene is None or before.layout != self._scene.layout:
            self._canvas.forget()
        else:
            self._canvas.forget_rows(self._edited_rows(edit))
        self.update()
        if self.state.bout is not None and self.state.bout not in book:
            self.state.choose_bout(min(self.chosen, default=None))

    def _edited_rows(self, edit: "vp.sessions.Edit") -> list[tuple[str, str]]:
        rows: set[tuple[str, str]] = set()
        for change in edit.changes:
            for one in (change.before, change.after):
                if isinstance(one, vp.sessions.Bout) and one.recording == self.state.current:
                    rows.add((one.behavior, one.subject))
                elif isinstance(one, vp.sessions.Observed):
                    rows |= set(touched_rows(self.scene.layout.rows, one.behavior, one.subject))
        return sorted(rows)

    def _on_bout(self, number: int | None) -> None:
        """Chosen elsewhere (or here: then it is among the chosen ones already)."""
        if number is not None and number in self.chosen:
            return
        here = number is not None and self._is_here(number)
        before, self.chosen = self.chosen, frozenset((number,)) if here else frozenset()
        self._show_chosen(before)
        if here:
            self._reveal(number)

    def _is_here(self, number: int) -> bool:
        """Whether there is a bout of this number in the shown recording."""
        book = self.state.labels
        return book is not None and number in book and book.bout(number).recording == self.state.current

    def _show_chosen(self, before: frozenset[int]) -> None:
        book = self.state.labels
        if self._scene is None or book is None or before == self.chosen:
            return
        self._scene = replace(self._scene, chosen=self.chosen)
        bouts = [book.bout(number) for number in before ^ self.chosen if number in book]
        self._canvas.forget_rows([(bout.behavior, bout.subject) for bout in bouts], overview=False)
        self.update()

    def _reveal(self, number: int) -> None:
        """Scroll to the row of a bout."""
        book = self.state.labels
        if self._scene is None or book is None or not self._is_here(number):
            return
        bout = book.bout(number)
        row = self._scene.layout.find(bout.behavior, bout.subject)
        if row is not None:
            room = self._scene.places.rows.height()
            lowest, highest = row.top + row.height - room, row.top
            self._bar.setValue(min(max(self._bar.value(), lowest), highest))

    # ---- events

    def event(self, event: QEvent) -> bool:
        """Explanations and pinching; the rest as usual."""
        if self._scene is not None and event.type() == QEvent.Type.ToolTip:
            self._show_tip(event)
            return True
        if self._scene is not None and event.type() == QEvent.Type.NativeGesture:
            if event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
                self._pointer.pinch(float(event.value()), event.position().x())
            return True
        return super().event(event)

    def _show_tip(self, event: Any) -> None:
        hit = self.hit(event.pos().x(), event.pos().y())
        book = self.state.labels
        bout = book.bout(hit.bout) if book is not None and hit.bout is not None else None
        if text := tip(self.scene, hit, bout):
            QToolTip.showText(event.globalPos(), text, self)
        else:
            QToolTip.hideText()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a gesture."""
        if self._scene is not None:
            self._pointer.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The gesture goes on."""
        if self._scene is not None:
            self._pointer.move(event)

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        """The gesture ends."""
        self._pointer.release()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Zoom to what is there."""
        if self._scene is not None:
            self._pointer.double_click(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom, pan or scroll."""
        if self._scene is not None:
            self._pointer.wheel(event)

    def contextMenuEvent(self, event: Any) -> None:
        """Everything that can be done here."""
        if self._scene is None:
            return
        hit = self.hit(event.pos().x(), event.pos().y())
        if hit.bout is not None and hit.bout not in self.chosen:
            self.choose(hit.bout)
        menu = build_menu(self, hit)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(event.globalPos())


def _same_time(axis: TimeAxis, edges_s: np.ndarray) -> bool:
    return (axis.first_s, axis.last_s) == (float(edges_s[0]), float(edges_s[-1]))
