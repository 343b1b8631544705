"""A timeline without a viewer: a state, a label book, and a link that only counts."""

from types import SimpleNamespace

import numpy as np
from napari.components import ViewerModel
from napari_vp_science.state import PanelState, Prediction
from napari_vp_science.timeline.view import TimelineView
from qtpy.QtCore import QObject, QPoint, Qt, Signal

import vp_science as vp

RECORDING = "fly_1"


class FakeLink(QObject):
    """The current frame, owned here."""

    moved = Signal(int)

    def __init__(self):
        super().__init__()
        self.frame, self.playing = 0, False

    def go(self, frame):
        self.frame = int(frame)
        self.moved.emit(self.frame)


def make_state(names=("walk", "groom", "jump"), *, exclusive=False, time_s=None, subject=""):
    """A state with an empty label book; "jump" is a point behavior."""
    entries = tuple(vp.sessions.Behavior(n, kind="point" if n == "jump" else "state", key=n[0]) for n in names)
    book = vp.sessions.LabelBook()
    book.set_behaviors(vp.Behaviors(entries, exclusive))
    while book.undo_name:  # what tests do is all that there is to undo
        book._done.clear()
    state = PanelState(ViewerModel())
    state.session = SimpleNamespace(labels=book, settings={}, close=lambda: None)
    book.subscribe(state.labels_changed.emit)
    state.current, state.annotator, state.subject = RECORDING, "anna", subject
    state.time_s = np.arange(1000) / 25 if time_s is None else time_s
    state.link = FakeLink()
    return state


def make_prediction(state, *, subject="", spans=((0, 10.0, 12.0),), names=None):
    """The model says yes in spans of (index of the behavior, start, stop)."""
    names = tuple(state.labels.behaviors.names) if names is None else names
    scores = np.full((len(state.time_s), len(names)), 0.2, np.float32)
    for index, start_s, stop_s in spans:
        scores[(state.time_s >= start_s) & (state.time_s < stop_s), index] = 0.9
    bouts = np.array([(*span, 0.9) for span in spans], np.float64).reshape(-1, 4)
    states = (scores > 0.5).astype(np.int8)
    prediction = Prediction(state.current, "p", names, state.time_s, scores, states, bouts, subject, {names[0]: 0.5})
    state.predictions[state.current] = prediction
    state.predictions_changed.emit()


class Hand:
    """A mouse on a timeline: times and rows instead of pixels."""

    def __init__(self, qtbot, view):
        self.qtbot, self.view = qtbot, view

    def at(self, time_s, behavior=None, subject="", lane="labels"):
        """The pixel of a time in a row, or on the ruler."""
        scene = self.view.scene
        x = round(scene.axis.x(time_s))
        if behavior is None:
            return QPoint(x, scene.places.ruler.center().y())
        row = scene.layout.find(behavior, subject)
        inside = row.labels_top + row.labels_height // 2 if lane == "labels" else row.scores_top + 4
        return QPoint(x, scene.y(inside))

    def press(self, place, button=Qt.MouseButton.LeftButton, modifier=Qt.KeyboardModifier.NoModifier):
        self.qtbot.mousePress(self.view, button, modifier, place)

    def drag(self, start, *stops, button=Qt.MouseButton.LeftButton, modifier=Qt.KeyboardModifier.NoModifier):
        """Press, move over places, and release at the last one."""
        self.press(start, button, modifier)
        for stop in stops:
            self.move(stop, button)
        self.qtbot.mouseRelease(self.view, button, modifier, stops[-1])

    def move(self, place, button=Qt.MouseButton.LeftButton):
        from qtpy.QtCore import QEvent, QPointF
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        where = QPointF(place)
        everywhere = self.view.mapToGlobal(where)
        event = QMouseEvent(
            QEvent.Type.MouseMove, where, everywhere, Qt.MouseButton.NoButton, button, Qt.KeyboardModifier.NoModifier
        )
        QApplication.sendEvent(self.view, event)

    def click(self, place, modifier=Qt.KeyboardModifier.NoModifier):
        self.qtbot.mouseClick(self.view, Qt.MouseButton.LeftButton, modifier, place)

    def wheel(self, place, notches, modifier=Qt.KeyboardModifier.NoModifier, sideways=0.0):
        from qtpy.QtCore import QPointF
        from qtpy.QtGui import QWheelEvent
        from qtpy.QtWidgets import QApplication

        event = QWheelEvent(
            QPointF(place), self.view.mapToGlobal(QPointF(place)), QPoint(0, 0),
            QPoint(round(120 * sideways), round(120 * notches)),
            Qt.MouseButton.NoButton, modifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(self.view, event)


def make_view(qtbot, state, size=(1000, 240)):
    """The view and a hand on it."""
    view = TimelineView(state)
    qtbot.addWidget(view, before_close_func=lambda widget: widget.close_view())
    view.resize(*size)
    with qtbot.waitExposed(view):
        view.show()
    view.repaint()
    return view, Hand(qtbot, view)
