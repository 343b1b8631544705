"""The ethogram below the video: rows of bouts and predictions over time, to look at and to draw in."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QRect, QSize, Qt
from qtpy.QtGui import QFontInfo, QMouseEvent, QPainter, QPaintEvent, QWheelEvent
from qtpy.QtWidgets import QScrollBar, QSizePolicy, QToolTip, QWidget

import vp_science as vp
from napari_vp_science.state import PanelState
from napari_vp_science.style import theme_colors
from napari_vp_science.timeline import changes
from napari_vp_science.timeline.axis import TimeAxis
from napari_vp_science.timeline.canvas import Canvas, touched_rows
from napari_vp_science.timeline.hits import Hit, hit_test
from napari_vp_science.timeline.menu import build_menu
from napari_vp_science.timeline.overlay import Preview, paint_box, paint_cursor, paint_preview, paint_range
from napari_vp_science.timeline.pointer import Pointer
from napari_vp_science.timeline.scene import Scene
from napari_vp_science.timeline.sources import Look, SceneSources
from napari_vp_science.timeline.tips import tip

_NO_RECORDING = "Open a recording to see its behaviors over time"
_OPENING = "Opening the recording ..."
_SCORE_STYLE = "timeline_scores"
_BEHIND, _AHEAD = 0.08, 0.85
"""Where in the visible time the cursor comes to stand when a page is turned forward and back."""


class TimelineView(QWidget):
    """Labels, predictions and scored time of the shown recording; reads and changes the state that it is given.

    Attributes:
        state: of the panel.
        chosen: numbers of the chosen bouts; the one chosen first is ``state.bout``.
    """

    _scene: Scene | None = None  # Qt sends the first events before the widget is complete

    def __init__(self, state: PanelState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self.chosen: frozenset[int] = frozenset()
        self._sources = SceneSources(state)
        self._canvas = Canvas()
        self._pointer = Pointer(self)
        self._axes: dict[str, TimeAxis] = {}
        self._link: Any = None
        self._frame = 0
        self._previews: list[Preview] = []
        self._live: dict[str, tuple[float, float]] = {}
        self._marks: tuple[float | None, float | None] = (None, None)
        self._box: tuple[float, float, float, float] | None = None
        self._bar = QScrollBar(Qt.Orientation.Vertical, self)
        self._bar.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._bar.valueChanged.connect(self._rebuild)
        self._bar.hide()
        self._colors = theme_colors(state.viewer)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumHeight(120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Ethogram")
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

    # ---- looking

    @property
    def scene(self) -> Scene:
        """What is drawn now; only while a recording is shown."""
        assert self._scene is not None, "no recording is shown"
        return self._scene

    @property
    def frame(self) -> int:
        """The current frame."""
        return self._frame

    @property
    def visible_range(self) -> tuple[float, float] | None:
        """Begin and end of the visible time in seconds; None when no recording is shown."""
        return None if self._scene is None else (self._scene.axis.start_s, self._scene.axis.stop_s)

    @property
    def marked_range(self) -> tuple[float, float] | None:
        """The range between the in and out marks, None without one."""
        start_s, stop_s = self._marks
        return None if start_s is None or stop_s is None or not start_s < stop_s else (start_s, stop_s)

    @property
    def score_style(self) -> str:
        """How confidence is drawn: ``height`` or ``opacity``."""
        session = self.state.session
        return "opacity" if session is not None and session.settings.get(_SCORE_STYLE) == "opacity" else "height"

    def set_score_style(self, style: str) -> None:
        """Draw confidence as ``height`` or ``opacity``; the session remembers it."""
        if self.state.session is not None:
            self.state.session.settings[_SCORE_STYLE] = style
            self._rebuild()

    def hit(self, x: float, y: float) -> Hit:
        """What is at a pixel."""
        return hit_test(self.scene, x, y)

    def sizeHint(self) -> QSize:
        """As much as ten rows need."""
        return QSize(1000, 240)

    # ---- moving in time

    def show_axis(self, axis: TimeAxis) -> None:
        """Show another part of the recording."""
        if self._scene is not None and axis != self._scene.axis:
            self._scene = replace(self._scene, axis=axis)
            self._axes[self.state.current] = axis
            self._canvas.forget(overview=False)
            self.update()

    def zoom(self, factor: float) -> None:
        """Show ``factor`` times as much detail, around the cursor if it is visible."""
        if self._scene is None:
            return
        axis, here = self._scene.axis, self._scene.frames.start(self._frame)
        visible = axis.start_s <= here <= axis.stop_s
        self.show_axis(axis.zoomed(factor, here if visible else (axis.start_s + axis.stop_s) / 2))

    def fit(self) -> None:
        """Show all of the recording."""
        if self._scene is not None:
            self.show_axis(self._scene.axis.fitted())

    def zoom_to(self, start_s: float, stop_s: float, margin: float = 0.75) -> None:
        """Show a stretch, with a share of its length more on both sides."""
        if self._scene is not None:
            lasts = max(stop_s, start_s + self._scene.frames.typical_s)
            self.show_axis(self._scene.axis.showing(start_s, lasts, margin))

    def seek(self, frame: int) -> None:
        """Let the video show a frame."""
        if self.state.link is not None:
            self.state.link.go(frame)

    def scroll_rows(self, pixels: int) -> None:
        """Show rows further down, or up."""
        self._bar.setValue(self._bar.value() + pixels)

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
        """Remove the chosen bouts in one step of undo."""
        changes.delete(self.state, self.chosen)

    # ---- what others show here

    def set_live(self, behavior: str, start_s: float, stop_s: float) -> None:
        """Show a bout that grows while its key is held."""
        self._live[behavior] = (start_s, stop_s)
        self.update()

    def clear_live(self, behavior: str | None = None) -> None:
        """End one of the growing bouts, or all of them."""
        if behavior is None:
            self._live.clear()
        else:
            self._live.pop(behavior, None)
        self.update()

    def set_range(self, start_s: float | None, stop_s: float | None = None) -> None:
        """Show the in and out marks; None where there is none."""
        self._marks = (start_s, stop_s)
        self.update()

    def show_previews(self, previews: list[Preview]) -> None:
        """Show bouts as they would be."""
        self._previews = previews
        self.update()

    def show_box(self, start_s: float, stop_s: float, top: float, bottom: float) -> None:
        """Show the box that chooses bouts."""
        self._box = (start_s, stop_s, top, bottom)
        self.update()

    def hide_box(self) -> None:
        """No box."""
        self._box = None
        self.update()

    # ---- hearing of changes

    def _look(self) -> Look:
        font = self.font()
        font.setPixelSize(min(max(QFontInfo(font).pixelSize(), 10), 13))
        bar_px = self._bar.sizeHint().width()
        return Look(
            self.size(), self.devicePixelRatioF(), font, self._colors, self._bar.value(), bar_px, self.score_style
        )

    def _rebuild(self, *_: object) -> None:
        """Make the scene anew and paint everything."""
        self._make_scene()
        self._canvas.forget()
        self.update()

    def _make_scene(self) -> None:
        axis = self._axes.get(self.state.current)
        self._scene = self._sources.scene(self._look(), axis, self.chosen)
        if self._scene is None:
            self._bar.hide()
            return
        places, layout = self._scene.places, self._scene.layout
        room = max(layout.height - places.rows.height(), 0)
        self._bar.blockSignals(True)
        self._bar.setRange(0, room)
        self._bar.setPageStep(max(places.rows.height(), 1))
        self._bar.setSingleStep(20)
        self._bar.blockSignals(False)
        width = self._bar.sizeHint().width()
        self._bar.setGeometry(self.width() - width, places.rows_top, width, places.rows.height())
        self._bar.setVisible(room > 0)

    def _on_theme(self, _event: object = None) -> None:
        self._colors = theme_colors(self.state.viewer)
        self._rebuild()

    def _on_session(self) -> None:
        self._axes.clear()
        self.clear_live()
        self._on_recording(self.state.current)

    def _on_recording(self, recording: str) -> None:
        self._pointer.cancel()
        self._attach(self.state.link)
        book, number = self.state.labels, self.state.bout
        stays = book is not None and number is not None and number in book and book.bout(number).recording == recording
        self.chosen = frozenset((number,)) if stays and number is not None else frozenset()
        self._marks, self._live = (None, None), {}
        frames = self._sources.frames
        known = self._axes.get(recording)
        if frames is None or known is None or not _same_time(known, frames.edges_s):
            self._axes.pop(recording, None)  # another clock, or more frames than were known: show all of it
        self._frame = self._current_frame()
        self._rebuild()
        if not stays:
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

    def _cursor_areas(self, frame: int) -> tuple[QRect, QRect]:
        scene = self.scene
        frame = min(frame, len(scene.frames) - 1)
        start, stop = scene.frames.edges_s[frame], scene.frames.edges_s[frame + 1]
        first, last = (min(max(scene.axis.x(float(t)), -50.0), self.width() + 50.0) for t in (start, stop))
        small = scene.axis.fitted().x(float(start))
        overview = scene.places.overview
        return (
            QRect(int(first) - 8, overview.bottom() + 1, int(last - first) + 17, self.height()),
            QRect(int(small) - 3, 0, 7, overview.bottom() + 2),
        )

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
        if number is None and self.chosen:
            before, self.chosen = self.chosen, frozenset()
            self._show_chosen(before)
        elif number is not None and number not in self.chosen:
            before, self.chosen = self.chosen, frozenset((number,))
            self._show_chosen(before)
            self._reveal(number)

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
        if self._scene is None or book is None or number not in book:
            return
        bout = book.bout(number)
        row = self._scene.layout.find(bout.behavior, bout.subject)
        if row is not None and bout.recording == self.state.current:
            room = self._scene.places.rows.height()
            lowest, highest = row.top + row.height - room, row.top
            self._bar.setValue(min(max(self._bar.value(), lowest), highest))

    # ---- events

    def paintEvent(self, event: QPaintEvent) -> None:
        """The kept picture, and what moves above it."""
        if self._scene is not None and self._scene.ratio != self.devicePixelRatioF():
            self._make_scene()
            self._canvas.forget()
        painter = QPainter(self)
        scene = self._scene
        if scene is None:
            painter.fillRect(self.rect(), self._colors.background)
            painter.setPen(self._colors.faint)
            text = _OPENING if self.state.current else _NO_RECORDING
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, text)
            return
        painter.setClipRect(event.rect())
        painter.drawPixmap(0, 0, self._canvas.pixmap(scene))
        painter.setFont(scene.font)
        if self._marks != (None, None):
            paint_range(painter, scene, *self._marks)
        live = [Preview(name, self.state.subject, *span) for name, span in self._live.items()]
        for preview in (*live, *self._previews):
            paint_preview(painter, scene, preview)
        paint_cursor(painter, scene, self._frame)
        if self._box is not None:
            paint_box(painter, scene, self._box)

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

    def resizeEvent(self, _event: QEvent) -> None:
        """Another size, other pixels."""
        self._rebuild()

    def changeEvent(self, event: QEvent) -> None:
        """Another font, other names."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._rebuild()

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
