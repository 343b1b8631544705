"""Charts of a test, painted: what is taken for what, precision and recall, and whether scores are probabilities."""

from itertools import pairwise

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFontMetricsF, QMouseEvent, QPainter, QPainterPath, QPen
from qtpy.QtWidgets import QWidget

import vp_science as vp
from napari_vp_science.style import Colors, mixed

_GAP = 8.0
_CELL = 46.0
_BLUE = QColor("#0072B2")
_PENS = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DashDotLine, Qt.PenStyle.DotLine)


class ConfusionView(QWidget):
    """Rows are what people marked, columns what the probe found; a cell can be clicked.

    Attributes:
        clicked: row and column of a cell.
    """

    clicked = Signal(int, int)

    def __init__(self, confusion: "vp.sessions.Confusion", colors: Colors) -> None:
        super().__init__()
        self._confusion, self._colors = confusion, colors
        self._over: tuple[int, int] | None = None
        self.chosen: tuple[int, int] | None = None
        whole = confusion.counts.sum(axis=1)
        self._shares = confusion.counts / np.maximum(self._totals(whole), 1)
        self.setMouseTracking(True)
        metrics = QFontMetricsF(self.font())
        self._left = min(170.0, max([metrics.horizontalAdvance(name) for name in confusion.rows] + [60.0]) + 26)
        longest = max(metrics.horizontalAdvance(name) for name in confusion.columns)
        self._top = min(120.0, longest * 0.72 + 22) + metrics.height() + 6
        self.setMinimumSize(self.sizeHint())

    def _totals(self, whole: np.ndarray) -> np.ndarray:
        """What a cell is a share of: its row, or, for false finds, the time in which the behavior does not happen."""
        confusion = self._confusion
        totals = np.repeat(whole[:, None], confusion.counts.shape[1], axis=1)
        if confusion.columns == ("found", "missed", "falsely found"):
            totals[:, :2] = confusion.counts[:, :2].sum(axis=1, keepdims=True)
            totals[:, 2] = confusion.counts[:, 2] + confusion.rest
        return totals

    def sizeHint(self) -> QSize:
        """All cells."""
        rows, columns = self._confusion.counts.shape
        return QSize(int(self._left + columns * _CELL + 70), int(self._top + rows * _CELL + _GAP))

    def cell_rect(self, row: int, column: int) -> QRectF:
        """Where a cell is."""
        return QRectF(self._left + column * _CELL, self._top + row * _CELL, _CELL - 2, _CELL - 2)

    def _cell_at(self, place: QPointF) -> tuple[int, int] | None:
        column, row = int((place.x() - self._left) // _CELL), int((place.y() - self._top) // _CELL)
        rows, columns = self._confusion.counts.shape
        return (row, column) if 0 <= row < rows and 0 <= column < columns else None

    def words(self, row: int, column: int) -> str:
        """A cell as a sentence."""
        confusion = self._confusion
        share, frames = self._shares[row, column], int(confusion.counts[row, column])
        who, what = confusion.rows[row], confusion.columns[column]
        if what == "falsely found":
            return f"{share:.1%} of the time without {who} is taken for it ({frames:,} frames)."
        if confusion.columns == ("found", "missed", "falsely found"):
            return f"{share:.1%} of {who} is {what} ({frames:,} frames)."
        if row == column:
            return f"{share:.1%} of {who} is found ({frames:,} frames)."
        return f"{share:.1%} of {who} is taken for {what} ({frames:,} frames)."

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say what the cell under the mouse means."""
        over = self._cell_at(event.position())
        if over != self._over:
            self._over = over
            self.setToolTip(self.words(*over) + " Click for the moments." if over else "")
            self.setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)
            self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose a cell."""
        cell = self._cell_at(event.position())
        if cell is not None and event.button() == Qt.MouseButton.LeftButton:
            self.chosen = cell
            self.update()
            self.clicked.emit(*cell)

    def paintEvent(self, event: object) -> None:
        """Names, cells, and their percent."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_names(painter)
        rows, columns = self._confusion.counts.shape
        light = mixed(self._colors.background, self._colors.text, 0.07)
        for row in range(rows):
            for column in range(columns):
                rect, share = self.cell_rect(row, column), float(self._shares[row, column])
                fill = mixed(light, _BLUE, share)
                painter.fillRect(rect, fill)
                painter.setPen(QColor("white") if fill.lightnessF() < 0.5 else QColor("#202020"))
                painter.drawText(rect, int(Qt.AlignmentFlag.AlignCenter), _percent(share))
                if (row, column) in (self._over, self.chosen):
                    painter.setPen(QPen(self._colors.text, 2 if (row, column) == self.chosen else 1))
                    painter.drawRect(rect)
        painter.end()

    def _paint_names(self, painter: QPainter) -> None:
        metrics = painter.fontMetrics()
        for row, name in enumerate(self._confusion.rows):
            rect = QRectF(0, self._top + row * _CELL, self._left - _GAP, _CELL - 2)
            painter.setPen(self._colors.text)
            text = metrics.elidedText(name, Qt.TextElideMode.ElideRight, int(rect.width()))
            painter.drawText(rect, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight), text)
        for column, name in enumerate(self._confusion.columns):
            painter.save()
            painter.translate(self._left + (column + 0.45) * _CELL, self._top - 6)
            painter.rotate(-45)
            text = metrics.elidedText(name, Qt.TextElideMode.ElideRight, 150)
            painter.drawText(QPointF(0, 0), text)
            painter.restore()
        if self._confusion.rows != self._confusion.columns:
            return
        painter.setPen(self._colors.faint)
        painter.drawText(QPointF(self._left, metrics.ascent() + 2), "found by the probe")
        painter.drawText(QPointF(4, self._top - 6), "marked by people")


class PlotView(QWidget):
    """A square plot with both axes from 0 to 1; subclasses draw into it."""

    x_name = y_name = ""
    extra_bottom = 0.0
    legend_width = 0.0

    def __init__(self, colors: Colors) -> None:
        super().__init__()
        self.colors = colors
        self.setMinimumSize(330, int(330 + self.extra_bottom))

    @property
    def area(self) -> QRectF:
        """Where the plot is."""
        metrics = QFontMetricsF(self.font())
        left, bottom = metrics.horizontalAdvance("0.00") + metrics.height() + 14, 2 * metrics.height() + 12
        wide = self.width() - left - self.legend_width - _GAP
        side = max(80.0, min(wide, self.height() - bottom - self.extra_bottom - _GAP, 460.0))
        return QRectF(left, _GAP, side, side)

    def place(self, x: float, y: float) -> QPointF:
        """Where a point of the plot is."""
        area = self.area
        return QPointF(area.left() + x * area.width(), area.bottom() - y * area.height())

    def paintEvent(self, event: object) -> None:
        """Frame, ticks, names and content."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_frame(painter)
        self.paint_content(painter)
        painter.end()

    def _paint_frame(self, painter: QPainter) -> None:
        area, metrics = self.area, painter.fontMetrics()
        for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
            painter.setPen(QPen(mixed(self.colors.line, self.colors.background, 0.5), 1))
            painter.drawLine(self.place(tick, 0), self.place(tick, 1))
            painter.drawLine(self.place(0, tick), self.place(1, tick))
            painter.setPen(self.colors.faint)
            text = f"{tick:g}"
            width = metrics.horizontalAdvance(text)
            at = self.place(0, tick)
            painter.drawText(QPointF(at.x() - width - 5, at.y() + metrics.ascent() / 2 - 1), text)
            if not self.extra_bottom:
                at = self.place(tick, 0)
                painter.drawText(QPointF(at.x() - width / 2, at.y() + metrics.height()), text)
        painter.setPen(self.colors.text)
        below = area.bottom() + 2 * metrics.height() + self.extra_bottom
        painter.drawText(QPointF(area.center().x() - metrics.horizontalAdvance(self.x_name) / 2, below), self.x_name)
        painter.save()
        painter.translate(metrics.ascent(), area.center().y() + metrics.horizontalAdvance(self.y_name) / 2)
        painter.rotate(-90)
        painter.drawText(QPointF(0, 0), self.y_name)
        painter.restore()

    def paint_content(self, painter: QPainter) -> None:
        """What the plot shows."""
        raise NotImplementedError


class CurvesView(PlotView):
    """Precision and recall of every behavior at every threshold, and where the present thresholds stand."""

    x_name = "recall: share of what happens that is found"
    y_name = "precision: share of what is found that is right"
    legend_width = 190.0

    def __init__(self, scores: "vp.sessions.ProbeScores", thresholds: dict[str, float], colors: Colors) -> None:
        super().__init__(colors)
        self._scores, self._thresholds = scores, thresholds
        self.setMinimumSize(520, 330)

    def paint_content(self, painter: QPainter) -> None:
        """Steps, points at the thresholds, and names."""
        looks = vp.plots.behavior_looks(self._scores.behaviors)
        metrics, area = painter.fontMetrics(), self.area
        y = area.top() + metrics.ascent()
        for number, curve in enumerate(self._scores.curves):
            color, style = QColor(looks[curve.behavior].color), _PENS[number % len(_PENS)]
            painter.setPen(QPen(color, 2, style))
            if len(curve.recall):
                painter.drawPath(self._path(curve))
                self._paint_point(painter, curve, color)
            x = area.right() + 14
            painter.setPen(QPen(color, 2, style))
            painter.drawLine(QPointF(x, y - metrics.ascent() / 2 + 1), QPointF(x + 24, y - metrics.ascent() / 2 + 1))
            painter.setPen(self.colors.text)
            room = int(self.width() - x - 30)
            few = any(one.few for one in self._scores.each if one.name == curve.behavior)
            said = "too few labels to say" if few else f"AP {curve.average_precision:.2f}"
            words = metrics.elidedText(curve.behavior, Qt.TextElideMode.ElideRight, room)
            painter.drawText(QPointF(x + 30, y), words)
            painter.setPen(self.colors.faint)
            painter.drawText(QPointF(x + 30, y + metrics.height()), said)
            y += 2 * metrics.height() + 4

    def _path(self, curve: "vp.sessions.RankingCurve") -> QPainterPath:
        path = QPainterPath(self.place(0.0, float(curve.precision[0])))
        before = 0.0
        for recall, precision in zip(curve.recall.tolist(), curve.precision.tolist(), strict=True):
            path.lineTo(self.place(before, precision))  # steps, as average precision is the area under them
            path.lineTo(self.place(recall, precision))
            before = recall
        return path

    def _paint_point(self, painter: QPainter, curve: "vp.sessions.RankingCurve", color: QColor) -> None:
        threshold = self._thresholds.get(curve.behavior)
        reached = np.flatnonzero(curve.threshold >= (2.0 if threshold is None else threshold))
        if len(reached):
            last = int(reached[-1])
            painter.save()
            painter.setBrush(color)
            painter.setPen(QPen(self.colors.background, 1.5))
            painter.drawEllipse(self.place(float(curve.recall[last]), float(curve.precision[last])), 5.0, 5.0)
            painter.restore()


class ReliabilityView(PlotView):
    """How often a behavior happens where it gets a score, and how many frames stand behind."""

    x_name = "score of the probe"
    y_name = "share of frames in which it happens"
    extra_bottom = 64.0
    legend_width = 100.0

    def __init__(self, scores: "vp.sessions.ProbeScores", colors: Colors) -> None:
        super().__init__(colors)
        self._bins, self._frames = scores.reliability, scores.frames

    def paint_content(self, painter: QPainter) -> None:
        """The line of honest scores, the points, and bars of frames below."""
        painter.setPen(QPen(self.colors.faint, 1, Qt.PenStyle.DotLine))
        painter.drawLine(self.place(0, 0), self.place(1, 1))
        blue = QColor("#56B4E9") if self.colors.dark else _BLUE
        points = [self.place(score, share) for _, _, score, share in self._bins.tolist()]
        painter.setPen(QPen(blue, 2))
        for first, second in pairwise(points):
            painter.drawLine(first, second)
        painter.setBrush(blue)
        for point in points:
            painter.drawEllipse(point, 4.0, 4.0)
        self._paint_bars(painter)

    def _paint_bars(self, painter: QPainter) -> None:
        area, metrics = self.area, painter.fontMetrics()
        top, high = area.bottom() + 8, self.extra_bottom - 14
        most = np.log10(max(10, int(self._frames.max(initial=1))))
        for (low, up, _, _), frames in zip(self._bins.tolist(), self._frames.tolist(), strict=True):
            tall = high * max(0.06, float(np.log10(max(1, frames)) / most))
            left, right = self.place(low, 0).x() + 1, self.place(up, 0).x() - 1
            painter.fillRect(
                QRectF(left, top + high - tall, right - left, tall),
                mixed(self.colors.faint, self.colors.background, 0.4),
            )
        painter.setPen(self.colors.faint)
        beside = area.right() + 10
        painter.drawText(QPointF(beside, top + metrics.ascent()), "frames, up to")
        painter.drawText(
            QPointF(beside, top + metrics.ascent() + metrics.height()), f"{int(self._frames.max(initial=0)):,}"
        )
        for tick in (0.0, 0.5, 1.0):
            text = f"{tick:g}"
            at = self.place(tick, 0).x() - metrics.horizontalAdvance(text) / 2
            painter.drawText(QPointF(at, top + high + metrics.height()), text)


def _percent(share: float) -> str:
    return "" if share <= 0 else "<1" if share < 0.005 else f"{100 * share:.0f}"
