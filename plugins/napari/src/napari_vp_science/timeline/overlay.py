"""What moves above the painted rows: the cursor, a bout that is being drawn, and the marked range."""

from dataclasses import dataclass

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QBrush, QColor, QPainter, QPen

from napari_vp_science.style import mixed
from napari_vp_science.timeline.painting import diamond
from napari_vp_science.timeline.rows import Row
from napari_vp_science.timeline.scene import Scene


@dataclass(frozen=True)
class Preview:
    """A bout that is not there yet, or not there any more.

    Attributes:
        behavior: which row.
        subject: whose.
        start_s: in seconds.
        stop_s: its end.
        gives_way: it would be cut away.
    """

    behavior: str
    subject: str
    start_s: float
    stop_s: float
    gives_way: bool = False


def cursor_rect(scene: Scene, frame: int) -> QRectF:
    """Where the cursor of a frame stands: a line at its begin and, zoomed in, a veil over its time."""
    start, stop = scene.frames.edges_s[frame], scene.frames.edges_s[frame + 1]
    left = scene.axis.x(float(start))
    width = (float(stop) - float(start)) * scene.axis.px_per_s
    top = scene.places.overview.top()
    return QRectF(left, top, width if width >= 3 else 0.0, scene.places.height - top)


def paint_cursor(painter: QPainter, scene: Scene, frame: int) -> None:
    """The current time, over ruler and rows, and as a mark in the overview."""
    color, line = scene.colors.cursor, cursor_rect(scene, frame)
    overview = scene.places.overview
    x = scene.axis.fitted().x(float(scene.frames.edges_s[frame]))
    painter.setPen(QPen(color, 2))
    painter.drawLine(QPointF(x, overview.top()), QPointF(x, overview.bottom() + 1))
    ruler, rows = scene.places.ruler, scene.places.rows
    painter.save()
    painter.setClipRect(QRectF(rows.left() - 5, ruler.top(), rows.width() + 10, scene.places.height))
    if rows.left() - 5 <= line.left() <= rows.right() + 5 or (line.left() < rows.left() < line.right()):
        if line.width():
            veil = QColor(color)
            veil.setAlphaF(0.16)
            painter.fillRect(QRectF(line.left(), rows.top(), line.width(), rows.height()), veil)
        painter.setPen(QPen(color, 1.5))
        painter.drawLine(QPointF(line.left(), ruler.bottom() - 3), QPointF(line.left(), scene.places.height))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        tip = QPointF(line.left(), ruler.bottom() + 1)
        painter.drawPolygon([tip, QPointF(tip.x() - 5, tip.y() - 7), QPointF(tip.x() + 5, tip.y() - 7)])
    painter.restore()


def paint_range(painter: QPainter, scene: Scene, start_s: float | None, stop_s: float | None) -> None:
    """The in and out marks, and the range between them."""
    ruler, height, color = scene.places.ruler, scene.places.height, scene.colors.accent
    painter.save()
    painter.setClipRect(QRectF(ruler.left(), ruler.top(), ruler.width(), height))
    if start_s is not None and stop_s is not None:
        first, last = scene.axis.x(start_s), scene.axis.x(stop_s)
        veil = QColor(color)
        veil.setAlphaF(0.16)
        painter.fillRect(QRectF(first, ruler.bottom() + 1, last - first, height), veil)
        painter.fillRect(QRectF(first, ruler.bottom() - 3, last - first, 4), color)
    painter.setFont(scene.font)
    for time_s, letter in ((start_s, "I"), (stop_s, "O")):
        if time_s is None:
            continue
        x = scene.axis.x(time_s)
        painter.setPen(QPen(color, 1.5))
        painter.drawLine(QPointF(x, ruler.top()), QPointF(x, height))
        flag = QRectF(x if letter == "I" else x - 13, ruler.top(), 13, 14)
        painter.fillRect(flag, color)
        painter.setPen(QColor("white") if color.lightnessF() < 0.6 else QColor("black"))
        painter.drawText(flag, Qt.AlignmentFlag.AlignCenter, letter)
    painter.restore()


def paint_box(painter: QPainter, scene: Scene, box: tuple[float, float, float, float]) -> None:
    """The box that chooses bouts: begin and end in seconds, top and bottom in pixels."""
    first, last = scene.axis.x(box[0]), scene.axis.x(box[1])
    veil = QColor(scene.colors.accent)
    veil.setAlphaF(0.2)
    painter.setPen(QPen(scene.colors.accent, 1, Qt.PenStyle.DashLine))
    painter.setBrush(veil)
    painter.drawRect(QRectF(first, box[2], last - first, box[3] - box[2]))


def paint_preview(painter: QPainter, scene: Scene, preview: Preview) -> None:
    """A bout as it would be, or the part of one that would go."""
    row = scene.layout.find(preview.behavior, preview.subject)
    if row is None:
        return
    painter.save()
    painter.setClipRect(scene.places.rows)
    ink = scene.ink(row.behavior)
    top = scene.y(row.labels_top)
    if preview.start_s == preview.stop_s:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(scene.colors.text, 1.5))
        painter.setBrush(ink)
        painter.drawPolygon(diamond(scene.axis.x(preview.start_s), top, row.labels_height))
    else:
        _paint_box(painter, scene, row, preview, ink)
    painter.restore()


def _paint_box(painter: QPainter, scene: Scene, row: Row, preview: Preview, ink: QColor) -> None:
    left = max(scene.axis.x(preview.start_s), scene.places.left - 4)
    right = min(scene.axis.x(preview.stop_s), scene.places.rows.right() + 5)
    box = QRectF(left, scene.y(row.labels_top) + 0.5, max(right - left, 1.5), row.labels_height - 1)
    if preview.gives_way:
        painter.fillRect(box, mixed(scene.scored_color, ink, 0.25))
        painter.setBrush(QBrush(ink, Qt.BrushStyle.DiagCrossPattern))
        painter.setPen(QPen(ink, 1, Qt.PenStyle.DashLine))
    else:
        painter.setBrush(ink)
        painter.setPen(QPen(scene.colors.text, 1.5))
    painter.drawRect(box)
