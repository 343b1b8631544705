"""What the colors of the map mean: names that can be switched off, or a bar from low to high."""

from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QLinearGradient, QPainter, QPalette, QPen, QPixmap
from qtpy.QtWidgets import QApplication, QFrame, QScrollArea, QSizePolicy, QStackedWidget, QToolButton, QWidget
from superqt import QFlowLayout

from napari_vp_science.map.coloring import Classes, Coloring, Scale
from napari_vp_science.style import GAP

_DOT = 10
_HEIGHT = 84
_BAR_HEIGHT = 12


class LegendView(QStackedWidget):
    """The legend of a coloring.

    Click on a name: its points go or come back. Click with Ctrl: only these stay. Right click: a menu of the owner's.
    """

    hidden_changed = Signal(object)
    """The classes that are switched off, a frozenset; -1 is the grey points."""
    asked = Signal(int, QPoint)
    """A right click on a class, and where on the screen."""

    def __init__(self, grey: QColor) -> None:
        super().__init__()
        self._grey = grey
        self._hidden: frozenset[int] = frozenset()
        self._chips: dict[int, QToolButton] = {}
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._bar = ScaleBar()
        self.addWidget(self._area)
        self.addWidget(self._bar)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.hide()

    @property
    def hidden(self) -> frozenset[int]:
        """The classes that are switched off."""
        return self._hidden

    @property
    def chips(self) -> dict[int, QToolButton]:
        """The buttons by class."""
        return dict(self._chips)

    def set_grey(self, grey: QColor) -> None:
        """The color of points without a class; call ``show_coloring`` afterwards."""
        self._grey = grey

    def show_coloring(self, coloring: Coloring | None, keep_hidden: bool = False) -> None:
        """The legend of another coloring."""
        if not keep_hidden:
            self._hidden = frozenset()
        self.setVisible(coloring is not None)
        if isinstance(coloring, Scale):
            self._chips = {}
            self._bar.show_scale(coloring, self._grey)
            self.setCurrentWidget(self._bar)
            self.setFixedHeight(self._bar.sizeHint().height())
        elif coloring is not None:
            self.setCurrentWidget(self._area)
            self._show_classes(coloring)

    def _show_classes(self, classes: Classes) -> None:
        inside = QWidget()
        layout = QFlowLayout(inside)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        counts = np.bincount(classes.index.astype(np.int64) + 1, minlength=len(classes.names) + 1)
        self._chips = {}
        entries = [(number, name, QColor(*classes.table[number].tolist())) for number, name in enumerate(classes.names)]
        if classes.grey:
            entries.append((-1, classes.grey, self._grey))
        for number, name, color in entries:
            count = int(counts[number + 1])
            if not count and number in (-1, len(classes.names) - 1):
                continue  # "not scored" and "none of these" where there are none
            self._chips[number] = self._chip(number, name, color, count)
            layout.addWidget(self._chips[number])
        self._area.setWidget(inside)
        for chip in self._chips.values():
            chip.ensurePolished()  # its size is final only then
        self._fit_height()

    def _fit_height(self) -> None:
        """As many lines as there are, up to three; more can be scrolled to."""
        inside = self._area.widget()
        if inside is not None and self.currentWidget() is self._area:
            needed = inside.layout().heightForWidth(self.width()) + 6
            never, sometimes = Qt.ScrollBarPolicy.ScrollBarAlwaysOff, Qt.ScrollBarPolicy.ScrollBarAsNeeded
            self._area.setVerticalScrollBarPolicy(never if needed <= _HEIGHT else sometimes)
            self.setFixedHeight(min(needed, _HEIGHT))

    def resizeEvent(self, event: Any) -> None:
        """Lines break elsewhere."""
        super().resizeEvent(event)
        self._fit_height()

    def _chip(self, number: int, name: str, color: QColor, count: int) -> QToolButton:
        chip = QToolButton()
        chip.setText(name if len(name) <= 32 else f"{name[:30]}…")
        chip.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        chip.setAutoRaise(True)
        chip.setCheckable(True)
        chip.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        chip.setToolTip(f"{name}: {count:,} points\nClick: hide or show. Ctrl+click: only these. Right click: more.")
        chip.setProperty("color", color)
        _show_state(chip, number not in self._hidden)
        chip.clicked.connect(lambda: self._clicked(number))
        chip.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        chip.customContextMenuRequested.connect(lambda at: self.asked.emit(number, chip.mapToGlobal(at)))
        return chip

    def _clicked(self, number: int) -> None:
        if QApplication.keyboardModifiers() & Qt.KeyboardModifier.ControlModifier:
            self.show_only(number)
        else:
            self.set_hidden(self._hidden ^ {number})

    def show_only(self, number: int) -> None:
        """Switch all others off; or all on, when that is how it is already."""
        others = frozenset(self._chips) - {number}
        self.set_hidden(frozenset() if self._hidden == others else others)

    def set_hidden(self, hidden: frozenset[int]) -> None:
        """Switch these off and all others on."""
        self._hidden = frozenset(hidden)
        for other, chip in self._chips.items():
            _show_state(chip, other not in self._hidden)
        self.hidden_changed.emit(self._hidden)


def _show_state(chip: QToolButton, on: bool) -> None:
    """A full dot and a plain name, or a ring and a name that is struck out."""
    chip.setChecked(on)
    font = chip.font()
    font.setStrikeOut(not on)
    chip.setFont(font)
    chip.setIcon(_dot(chip.property("color"), on))


def _dot(color: QColor, full: bool) -> QIcon:
    pixmap = QPixmap(2 * _DOT, 2 * _DOT)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(color, 2.5))
    painter.setBrush(color if full else Qt.BrushStyle.NoBrush)
    painter.drawEllipse(QRectF(3, 3, 2 * _DOT - 6, 2 * _DOT - 6))
    painter.end()
    return QIcon(pixmap)


class ScaleBar(QWidget):
    """Colors from low to high, with what they mean."""

    def __init__(self) -> None:
        super().__init__()
        self._scale: Scale | None = None
        self._grey = QColor()

    def show_scale(self, scale: Scale, grey: QColor) -> None:
        """Another scale."""
        self._scale, self._grey = scale, grey
        self.setAccessibleName(f"{scale.label}: from {scale.low} to {scale.high}")
        self.update()

    def sizeHint(self) -> QSize:
        """Two lines."""
        return QSize(200, _BAR_HEIGHT + GAP + self.fontMetrics().height() + 2)

    def paintEvent(self, event: object) -> None:
        """The bar, its ends and its name below."""
        scale = self._scale
        if scale is None:
            return
        painter = QPainter(self)
        box = QRectF(1, 1, self.width() - 2, _BAR_HEIGHT)
        gradient = QLinearGradient(box.topLeft(), box.topRight())
        for number, color in enumerate(scale.table.tolist()):
            gradient.setColorAt(number / (len(scale.table) - 1), QColor(*color))
        painter.fillRect(box, gradient)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        line = QRectF(1, _BAR_HEIGHT + GAP / 2, self.width() - 2, self.fontMetrics().height() + 2)
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft, scale.low)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight, scale.high)
        painter.drawText(line, Qt.AlignmentFlag.AlignHCenter, scale.label)
        if scale.grey and (scale.index < 0).any():
            self._paint_grey(painter, line, scale.grey)
        painter.end()

    def _paint_grey(self, painter: QPainter, line: QRectF, text: str) -> None:
        at = line.left() + self.fontMetrics().horizontalAdvance("sure") + 18
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._grey)
        painter.drawEllipse(QPointF(at, line.center().y()), 4, 4)
        painter.restore()
        painter.drawText(QPointF(at + 8, line.top() + self.fontMetrics().ascent()), text)
