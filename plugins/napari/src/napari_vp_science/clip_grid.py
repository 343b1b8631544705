"""Clips beside each other, each playing over and over."""

import math
import time
from collections.abc import Callable, Sequence

from qtpy.QtCore import QEvent, QPoint, QRect, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QHideEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QShowEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_vp_science.clips import FPS, Clip
from napari_vp_science.map.card import time_text
from napari_vp_science.search.hit_tile import NO, YES, draw_cross, draw_tick
from napari_vp_science.state import Moment
from napari_vp_science.style import Colors

_GAP, _SIGN = 4, 22
_ARROWS = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down)
_ACTS = (Qt.Key.Key_Y, Qt.Key.Key_N, Qt.Key.Key_Return, Qt.Key.Key_Enter)
_KEYS = frozenset({*_ARROWS, *_ACTS, Qt.Key.Key_PageDown, Qt.Key.Key_PageUp, Qt.Key.Key_P})


class ClipGrid(QWidget):
    """Three by three or four by four clips; draws what is decoded, by the clock.

    Attributes:
        wanted: a moment to go to.
        answered: a moment, and True for yes or False for no.
        turned: 1 for the next clips, -1 for those before.
        paused: somebody pressed P.
    """

    wanted = Signal(object)
    answered = Signal(object, bool)
    turned = Signal(int)
    paused = Signal()

    def __init__(self, clip_of: Callable[[Moment], Clip | None], colors: Colors) -> None:
        super().__init__()
        self._clip_of = clip_of
        self.colors = colors
        self.empty_text = ""
        self.across = 3
        self.speed = 1.0
        self._moments: list[Moment] = []
        self._answers: dict[Moment, bool] = {}
        self._current = -1
        self._over = -1
        self._clock_s, self._since = 0.0, time.monotonic()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(1000 // FPS)
        self._timer.timeout.connect(self.update)
        self._playing = True
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(280)
        self.setAccessibleName("Clips of the chosen moments")

    def sizeHint(self) -> QSize:
        """As high as wide, and room for captions."""
        return QSize(380, 380)

    # ---- what is played

    def show_moments(self, moments: Sequence[Moment]) -> None:
        """Play other clips."""
        self._moments = list(moments)
        self._current = self._over = -1
        self.update()

    def set_answers(self, answers: dict[Moment, bool]) -> None:
        """Which of them are in and which are out."""
        self._answers = answers
        self.update()

    @property
    def playing(self) -> bool:
        """Whether clips move."""
        return self._playing

    def play(self, playing: bool) -> None:
        """Play, or pause."""
        self._clock_s = self.clock_s
        self._since = time.monotonic()
        self._playing = playing
        self._run()

    def set_speed(self, speed: float) -> None:
        """Faster or slower, from the frames that are on screen."""
        self._clock_s, self._since = self.clock_s, time.monotonic()
        self.speed = speed
        self._run()

    @property
    def clock_s(self) -> float:
        """Seconds of clips that have passed."""
        passed = (time.monotonic() - self._since) * self.speed if self._playing else 0.0
        return self._clock_s + passed

    def _run(self) -> None:
        if self._playing and self.isVisible():
            self._timer.start(max(20, int(1000 / FPS / max(self.speed, 1.0))))
        else:
            self._timer.stop()
        self.update()

    def showEvent(self, event: QShowEvent) -> None:
        """Go on."""
        super().showEvent(event)
        self._run()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: nothing is drawn."""
        super().hideEvent(event)
        self._timer.stop()

    def close_view(self) -> None:
        """Stop."""
        self._playing = False
        self._timer.stop()

    # ---- drawing

    def paintEvent(self, event: QPaintEvent) -> None:
        """The frame of every clip that its turn is."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self._moments:
            painter.setPen(self.colors.faint)
            room = self.rect().adjusted(16, 16, -16, -16)
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.empty_text)
        clock = self.clock_s
        for number, moment in enumerate(self._moments):
            self._tile(painter, number, moment, clock)
        painter.end()

    def tile(self, number: int) -> QRect:
        """Where a clip lies, with its caption."""
        down = math.ceil(max(1, len(self._moments)) / self.across)
        width = (self.width() - _GAP * (self.across - 1)) // self.across
        height = (self.height() - _GAP * (down - 1)) // down
        height = min(height, width + 2 * self.fontMetrics().height())
        row, column = divmod(number, self.across)
        return QRect(column * (width + _GAP), row * (height + _GAP), width, height)

    @property
    def picture_height(self) -> int:
        """How high pictures are drawn, in pixels."""
        return max(1, self.tile(0).height() - 2 * self.fontMetrics().height())

    def _tile(self, painter: QPainter, number: int, moment: Moment, clock: float) -> None:
        tile, line = self.tile(number), self.fontMetrics().height()
        room = tile.adjusted(0, 0, 0, -2 * line)
        clip, answer = self._clip_of(moment), self._answers.get(moment)
        place = room
        if clip is None or not clip.frames:
            painter.fillRect(room, self.colors.foreground)
            painter.setPen(self.colors.faint)
            text = "no picture" if clip is not None and clip.why else "\N{HORIZONTAL ELLIPSIS}"
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter, text)
        else:
            frame = clip.frames[int(clock * FPS) % len(clip.frames)]
            place = _inside(room, frame.size())
            painter.setOpacity(0.35 if answer is False else 1.0)
            painter.drawImage(place, frame)
            painter.setOpacity(1.0)
        if number == self._current:
            painter.setPen(QPen(self.colors.accent, 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(place.adjusted(1, 1, -2, -2))
        self._signs(painter, place, answer, number in (self._current, self._over))
        self._caption(painter, QRect(tile.left(), room.bottom() + 1, tile.width(), 2 * line), moment, clip)

    def _signs(self, painter: QPainter, place: QRect, answer: bool | None, near: bool) -> None:
        for spot, means in zip(_signs(place), (True, False), strict=True):
            if answer is not means and not near:
                continue
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush((YES if means else NO) if answer is means else QColor(0, 0, 0, 150))
            painter.drawEllipse(spot)
            painter.setPen(QPen(QColor("white"), 2))
            (draw_tick if means else draw_cross)(painter, spot)

    def _caption(self, painter: QPainter, room: QRect, moment: Moment, clip: Clip | None) -> None:
        recording, start, _ = moment
        metrics, line = self.fontMetrics(), self.fontMetrics().height()
        painter.setPen(self.colors.text)
        name = metrics.elidedText(recording, Qt.TextElideMode.ElideMiddle, room.width())
        painter.drawText(QRect(room.left(), room.top(), room.width(), line), Qt.AlignmentFlag.AlignLeft, name)
        painter.setPen(self.colors.faint)
        when = time_text(start) if clip is None or not clip.shortened else f"{time_text(clip.span[0])}, middle"
        painter.drawText(QRect(room.left(), room.top() + line, room.width(), line), Qt.AlignmentFlag.AlignLeft, when)

    # ---- mouse and keys

    def at(self, place: QPoint) -> int:
        """Number of the clip at a place, -1 for none."""
        return next((number for number in range(len(self._moments)) if self.tile(number).contains(place)), -1)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The clip under the mouse shows its signs and what is wrong with it."""
        over = self.at(event.position().toPoint())
        if over != self._over:
            self._over = over
            clip = self._clip_of(self._moments[over]) if over >= 0 else None
            self.setToolTip(clip.why if clip is not None else "")
            self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """No clip is under the mouse."""
        super().leaveEvent(event)
        self._over = -1
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A sign answers; elsewhere a click goes there."""
        place = event.position().toPoint()
        number = self.at(place)
        if event.button() != Qt.MouseButton.LeftButton or number < 0:
            return
        self._current = number
        moment, line = self._moments[number], self.fontMetrics().height()
        for spot, means in zip(_signs(self._place(number, line)), (True, False), strict=True):
            if spot.contains(place):
                self.answered.emit(moment, means)
                return
        self.wanted.emit(moment)
        self.update()

    def _place(self, number: int, line: int) -> QRect:
        """Where the picture of a clip lies."""
        room, clip = self.tile(number).adjusted(0, 0, 0, -2 * line), self._clip_of(self._moments[number])
        if clip is None or not clip.frames:
            return room
        return _inside(room, clip.frames[0].size())

    def event(self, event: QEvent) -> bool:
        """Keys of the grid are not those of the video while the grid has the focus."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride and _own(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows choose; Y and N answer; Enter goes there; Page down and up turn; P pauses."""
        key, steps = event.key(), dict(zip(_ARROWS, (-1, 1, -self.across, self.across), strict=True))
        if not _own(event) or not self._moments:
            event.ignore()
        elif key in steps:
            self._current = min(max(self._current + steps[Qt.Key(key)], 0), len(self._moments) - 1)
        elif key in (Qt.Key.Key_PageDown, Qt.Key.Key_PageUp):
            self.turned.emit(1 if key == Qt.Key.Key_PageDown else -1)
        elif key == Qt.Key.Key_P:
            self.paused.emit()
        elif self._current >= 0:
            self._act(Qt.Key(key))
        self.update()

    def _act(self, key: Qt.Key) -> None:
        moment = self._moments[self._current]
        if key in (Qt.Key.Key_Y, Qt.Key.Key_N):
            self.answered.emit(moment, key == Qt.Key.Key_Y)
            self._current = min(self._current + 1, len(self._moments) - 1)
        else:
            self.wanted.emit(moment)


def _own(event: QKeyEvent) -> bool:
    plain = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier == Qt.KeyboardModifier.NoModifier
    return plain and event.key() in _KEYS


def _inside(room: QRect, picture: QSize) -> QRect:
    """As large as the room allows, in natural proportions, standing on the caption."""
    size = picture.scaled(room.size(), Qt.AspectRatioMode.KeepAspectRatio)
    return QRect(QPoint(room.center().x() - size.width() // 2, room.bottom() - size.height()), size)


def _signs(place: QRect) -> tuple[QRect, QRect]:
    """Where yes and no lie on a picture."""
    down = place.bottom() - _SIGN - 2
    return (
        QRect(place.left() + 3, down, _SIGN, _SIGN),
        QRect(place.right() - _SIGN - 2, down, _SIGN, _SIGN),
    )
