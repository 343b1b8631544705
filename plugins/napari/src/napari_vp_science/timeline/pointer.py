"""Mouse, wheel and trackpad on the timeline: which gesture a press begins, and how it ends."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_vp_science.timeline.gestures import Box, Create, Gesture, Pan, PanOverview, Reshape, Seek
from napari_vp_science.timeline.hits import Hit

if TYPE_CHECKING:
    from napari_vp_science.timeline.view import TimelineView

_ZOOM_PER_NOTCH = 1.25
_PAN_PER_NOTCH = 0.1
_ROWS_PX_PER_NOTCH = 40
_BORDER_MS = 40
_SEVERAL = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


class Pointer(QObject):
    """Turns events of the mouse into gestures.

    Attributes:
        gesture: what goes on between press and release, None for nothing.
    """

    def __init__(self, view: "TimelineView") -> None:
        super().__init__(view)
        self._view = view
        self.gesture: Gesture | None = None
        self._last = QPointF()
        self._at_border = QTimer(self)
        self._at_border.setInterval(_BORDER_MS)
        self._at_border.timeout.connect(self._pan_at_border)

    # ---- press, move, release

    def press(self, event: QMouseEvent) -> None:
        """Begin a gesture."""
        if self.gesture is not None:
            self.cancel()  # another button
            return
        x, y = event.position().x(), event.position().y()
        if event.button() == Qt.MouseButton.MiddleButton:
            self._begin(Pan(self._view, x), event)
        elif event.button() == Qt.MouseButton.LeftButton:
            self._press_left(self._view.hit(x, y), event)

    def _press_left(self, hit: Hit, event: QMouseEvent) -> None:
        x, y, view = event.position().x(), event.position().y(), self._view
        several = bool(event.modifiers() & _SEVERAL)
        if hit.zone == "overview":
            self._begin(PanOverview(view, hit.time_s), event)
        elif hit.zone in ("ruler", "moments"):
            self._begin(Seek(view), event)
        elif hit.zone == "header":
            view.state.choose_subject(hit.subject)
        elif hit.bout is not None and several:
            view.choose_several(view.chosen ^ {hit.bout})
        elif hit.zone in ("row", "empty") and several:
            self._begin(Box(view, x, y, hit.time_s), event)
        elif hit.bout is not None:
            view.choose(hit.bout)
            if hit.part == "body":
                view.seek(view.scene.frames.at(hit.time_s))
            self._begin(Reshape(view, hit, x), event)
        elif hit.zone == "row" and view.state.labels is not None:
            self._begin(Create(view, hit, x), event)

    def _begin(self, gesture: Gesture, event: QMouseEvent) -> None:
        self.gesture = gesture
        # Escape cancels, wherever the keyboard's focus is: it stays with the video.
        QApplication.instance().installEventFilter(self)
        self.move(event)

    def move(self, event: QMouseEvent) -> None:
        """The gesture follows; without one the shape of the pointer tells what a press would do."""
        self._last = event.position()
        if self.gesture is None:
            self._show_shape(self._view.hit(self._last.x(), self._last.y()))
        elif event.type() == QEvent.Type.MouseMove and event.buttons() == Qt.MouseButton.NoButton:
            self.cancel()  # the release went elsewhere
        else:
            self._follow()
            beyond = isinstance(self.gesture, Create | Reshape) and self._beyond() != 0
            if beyond != self._at_border.isActive():
                self._at_border.start() if beyond else self._at_border.stop()

    def release(self) -> None:
        """The gesture does what it showed."""
        if self.gesture is not None:
            gesture = self._end()
            gesture.finish()

    def cancel(self) -> None:
        """The gesture does nothing."""
        if self.gesture is not None:
            gesture = self._end()
            gesture.cancel()

    def _end(self) -> Gesture:
        assert self.gesture is not None
        gesture, self.gesture = self.gesture, None
        self._at_border.stop()
        QApplication.instance().removeEventFilter(self)
        return gesture

    def _follow(self) -> None:
        assert self.gesture is not None
        self.gesture.move(self._last.x(), self._last.y(), self._view.scene.axis.time(self._last.x()))

    def _beyond(self) -> float:
        """How many pixels the pointer is right of the visible time; negative when left of it."""
        area = self._view.scene.places.rows
        return max(self._last.x() - area.right(), 0.0) + min(self._last.x() - area.left(), 0.0)

    def _pan_at_border(self) -> None:
        """The pointer waits beyond the border: more comes into view, the faster the further."""
        axis = self._view.scene.axis
        self._view.show_axis(axis.panned(self._beyond() / axis.px_per_s * 0.15))
        self._follow()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """While a gesture goes on: Escape cancels it and does nothing else."""
        if self.gesture is None or event.type() not in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride):
            return False
        if event.key() != Qt.Key.Key_Escape:
            return False
        event.accept()
        if event.type() == QEvent.Type.KeyPress:
            self.cancel()
        return True

    def _show_shape(self, hit: Hit) -> None:
        shape = Qt.CursorShape.ArrowCursor
        if hit.part in ("start", "stop"):
            shape = Qt.CursorShape.SizeHorCursor
        elif hit.zone == "overview" and not self._view.scene.axis.is_whole:
            shape = Qt.CursorShape.OpenHandCursor
        elif hit.zone == "header":
            shape = Qt.CursorShape.PointingHandCursor
        if self._view.cursor().shape() != shape:
            self._view.setCursor(shape)

    # ---- double click, wheel, trackpad

    def double_click(self, event: QMouseEvent) -> None:
        """Zoom to what is there; on the ruler and the overview, to everything."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self.cancel()
        view, hit = self._view, self._view.hit(event.position().x(), event.position().y())
        if hit.bout is not None and view.state.labels is not None:
            bout = view.state.labels.bout(hit.bout)
            view.zoom_to(bout.start_s, bout.stop_s)
        elif hit.predicted is not None:
            _, start_s, stop_s, _ = view.state.predictions[view.state.current].bouts[hit.predicted].tolist()
            view.zoom_to(start_s, stop_s)
        elif hit.zone in ("overview", "ruler"):
            view.fit()

    def wheel(self, event: QWheelEvent) -> None:
        """Zoom at the pointer; sideways, or with Shift, pan; over the names, scroll the rows."""
        axis, place = self._view.scene.axis, event.position()
        right, up = event.angleDelta().x() / 120, event.angleDelta().y() / 120
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            right, up = right or up, 0.0
        if place.x() < self._view.scene.places.left and place.y() > self._view.scene.places.rows_top:
            self._view.scroll_rows(round(-up * _ROWS_PX_PER_NOTCH))
        elif abs(right) > abs(up):
            pixels = event.pixelDelta().x() or event.pixelDelta().y()
            by_s = pixels / axis.px_per_s if pixels else right * _PAN_PER_NOTCH * axis.length_s
            self._view.show_axis(axis.panned(-by_s))
        elif up:
            here = axis.fitted() if self._view.hit(place.x(), place.y()).zone == "overview" else axis
            self._view.show_axis(axis.zoomed(_ZOOM_PER_NOTCH**up, here.time(place.x())))
        event.accept()

    def pinch(self, value: float, x: float) -> None:
        """Two fingers on a trackpad."""
        axis = self._view.scene.axis
        self._view.show_axis(axis.zoomed(max(1.0 + value, 0.1), axis.time(x)))
