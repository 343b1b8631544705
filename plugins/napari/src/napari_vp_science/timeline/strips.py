"""What surrounds the rows: overview, ruler, selected moments and names."""

import numpy as np
from qtpy.QtCore import QLineF, QPointF, QRect, QRectF, QSize, Qt
from qtpy.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter, QPen

from napari_vp_science.style import mixed
from napari_vp_science.timeline.axis import clock, finer_step, tick_step, ticks
from napari_vp_science.timeline.columns import coverage, majority
from napari_vp_science.timeline.raster import picture, premultiplied
from napari_vp_science.timeline.rows import Row
from napari_vp_science.timeline.scene import Scene

_SAMPLE_PX = QSize(18, 9)
_SWATCH_PX = 11
_KEY_PX = 16
_PAD = 6
NOBODY = "Nobody in particular"


def overview_pixels(scene: Scene) -> np.ndarray:
    """The whole recording in two lines of pixels: scored time, and on it the behavior that covers most of a column."""
    axis, table, columns = scene.axis.fitted(), scene.table, scene.num_columns
    everything = Row("", scene.subject, True, 0, 0, 0)
    scored = scene.scored.columns([everything], axis, columns)[0]
    ground = premultiplied(scene.scored_color, (scored >= 0.5) * 1.0)
    scale = columns / axis.length_s
    start = (table.start_s - axis.first_s) * scale
    # Point events and very short bouts are seen, too.
    stop = np.maximum((table.stop_s - axis.first_s) * scale, start + 0.5)
    most = majority(coverage(start, stop, table.behavior.astype(np.int64), max(len(table.names), 1), columns))
    inks = [int(scene.ink(name).rgba()) for name in table.names] or [0]
    return np.stack([np.where(most >= 0, np.array(inks, np.uint32)[most], ground), ground])


def paint_overview(painter: QPainter, scene: Scene, pixels: np.ndarray) -> None:
    """The strip of the whole recording with the visible range on it."""
    area = QRectF(scene.places.overview)
    painter.fillRect(area, QBrush(scene.unscored_line, Qt.BrushStyle.BDiagPattern))
    bouts = area.adjusted(0, 2, 0, -4)
    painter.drawImage(area, picture(pixels[1:]))
    painter.drawImage(bouts, picture(pixels[:1]))
    painter.setPen(QPen(scene.colors.line, 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(area.adjusted(0.5, 0.5, -0.5, -0.5))
    if scene.axis.is_whole:
        return
    shown = visible_range(scene)
    veil = QColor(scene.colors.background)
    veil.setAlphaF(0.6)
    painter.fillRect(QRectF(area.left(), area.top(), shown.left() - area.left(), area.height()), veil)
    painter.fillRect(QRectF(shown.right(), area.top(), area.right() - shown.right(), area.height()), veil)
    painter.setPen(QPen(scene.colors.text, 1.5))
    painter.drawRect(shown.adjusted(0, 0.75, 0, -0.75))


def visible_range(scene: Scene) -> QRectF:
    """Where the visible time stands in the overview; never too narrow to be seen and held."""
    area, whole = scene.places.overview, scene.axis.fitted()
    first, last = whole.x(scene.axis.start_s), whole.x(scene.axis.stop_s)
    missing = max(8.0 - (last - first), 0.0) / 2
    return QRectF(first - missing, area.top(), last - first + 2 * missing, area.height())


def paint_ruler(painter: QPainter, scene: Scene) -> None:
    """Ticks, times, and borders of frames when there is room."""
    area, axis = scene.places.ruler, scene.axis
    painter.save()
    painter.setClipRect(area.adjusted(-30, 0, 6, 0))
    metrics = QFontMetricsF(scene.font)
    step = tick_step(axis, metrics.horizontalAdvance("0:00:00.000") + 14)
    fine = finer_step(axis, step)
    bottom = area.bottom() + 1
    painter.setPen(QPen(scene.colors.faint, 1))
    places = (round(axis.x(time_s)) + 0.5 for time_s in ticks(axis, fine))
    painter.drawLines([QLineF(x, bottom - 4, x, bottom) for x in places])
    for time_s in ticks(axis, step):
        x = round(axis.x(time_s)) + 0.5
        painter.setPen(QPen(scene.colors.text, 1))
        painter.drawLine(QPointF(x, bottom - 8), QPointF(x, bottom))
        text = clock(time_s, step)
        room = metrics.horizontalAdvance(text)
        at = min(max(x - room / 2, area.left()), area.right() - room)
        painter.drawText(QPointF(at, bottom - 10), text)
    painter.setPen(QPen(scene.colors.line, 1))
    painter.drawLine(QPointF(area.left(), bottom - 0.5), QPointF(area.right() + 1, bottom - 0.5))
    painter.restore()


def paint_moments(painter: QPainter, scene: Scene) -> None:
    """The lane of selected moments."""
    area = scene.places.moments
    if area.isEmpty():
        return
    painter.fillRect(area, scene.colors.background)
    scale = scene.num_columns / scene.axis.length_s
    start = (np.array([moment[1] for moment in scene.moments]) - scene.axis.start_s) * scale
    stop = (np.array([moment[2] for moment in scene.moments]) - scene.axis.start_s) * scale
    stop = np.maximum(stop, start + 2 * scene.ratio)
    covered = coverage(start, stop, np.zeros(len(start), np.int64), 1, scene.num_columns)[0]
    line = premultiplied(scene.colors.accent, np.where(covered > 0, 0.55 + 0.45 * np.minimum(covered, 1), 0))
    painter.drawImage(QRectF(area).adjusted(0, 2, 0, -2), picture(line[None]))
    gutter = QRect(0, area.top(), area.left() - _PAD, area.height())
    painter.setFont(scene.font)
    painter.setPen(scene.colors.text)
    text = f"Selected moments: {len(scene.moments)}"
    painter.drawText(gutter, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)


def paint_names(painter: QPainter, scene: Scene) -> None:
    """Key, color and name of every row, and the subjects above theirs."""
    painter.save()
    painter.setClipRect(scene.places.names.adjusted(0, 0, scene.places.rows.width(), 0))
    painter.fillRect(scene.places.names, scene.colors.background)
    painter.setFont(scene.font)
    several = bool(scene.layout.headers)
    for header in scene.layout.headers:
        _paint_header(painter, scene, header.subject, scene.y(header.top), header.height)
    for row in scene.layout.rows:
        if -row.height < scene.y(row.top) - scene.places.rows_top < scene.places.names.height():
            _paint_name(painter, scene, row, several)
    painter.restore()


def _paint_header(painter: QPainter, scene: Scene, subject: str, top: int, height: int) -> None:
    current = subject == scene.subject
    whole = QRectF(0, top, scene.places.left + scene.places.time_px, height)
    painter.fillRect(whole, mixed(scene.colors.background, scene.colors.accent if current else scene.colors.text, 0.18))
    font = painter.font()
    font.setBold(current)
    painter.setFont(font)
    painter.setPen(scene.colors.text if current else scene.colors.faint)
    words = (subject or NOBODY) + ("  (labelled now)" if current else "")
    text = QFontMetricsF(font).elidedText(words, Qt.TextElideMode.ElideRight, whole.width() - 2 * _PAD)
    painter.drawText(whole.adjusted(_PAD, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, text)
    painter.setFont(scene.font)


def _paint_name(painter: QPainter, scene: Scene, row: Row, several: bool) -> None:
    top, current = scene.y(row.top), row.subject == scene.subject
    if several and current:
        painter.fillRect(QRectF(0, top, 3, row.height), scene.colors.accent)
    middle = top + row.height / 2
    swatch = QRectF(_PAD + 2, middle - _SWATCH_PX / 2, _SWATCH_PX, _SWATCH_PX)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(scene.ink(row.behavior))
    painter.drawRoundedRect(swatch, 2, 2)
    key = scene.behaviors[row.behavior].key.upper() if row.known else ""
    right = scene.places.left - _PAD
    painter.setPen(scene.colors.text if current else scene.colors.faint)
    if key:
        room = max(_KEY_PX, QFontMetricsF(painter.font()).horizontalAdvance(key) + 6)
        box = QRectF(right - room, middle - _KEY_PX / 2, room, _KEY_PX)
        painter.setBrush(scene.colors.foreground)
        painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, key)
        right -= box.width() + _PAD
    start = swatch.right() + _PAD
    font = painter.font()
    font.setItalic(not row.known)
    painter.setFont(font)
    text = QFontMetricsF(font).elidedText(row.behavior, Qt.TextElideMode.ElideRight, right - start)
    painter.drawText(QRectF(start, top, right - start, row.height), Qt.AlignmentFlag.AlignVCenter, text)
    line = scene.y(row.top) + row.height - 0.5
    painter.setPen(QPen(mixed(scene.colors.background, scene.colors.text, 0.22), 1))
    painter.drawLine(QPointF(0, line), QPointF(scene.places.left, line))
    painter.setFont(scene.font)


def paint_legend(painter: QPainter, scene: Scene) -> None:
    """What plain and hatched mean, left of overview and ruler."""
    painter.save()
    font = QFont(scene.font)
    font.setPixelSize(max(font.pixelSize() - 2, 9))
    painter.setFont(font)
    metrics, ink, ground = QFontMetricsF(font), scene.colors.faint, scene.colors.background
    hatch = Qt.BrushStyle.BDiagPattern
    entries = (
        (scene.places.overview, "scored", scene.scored_color, None),
        (scene.places.overview, "not scored", ground, QBrush(scene.unscored_line, hatch)),
        (scene.places.ruler, "labels", ink, None),
        (scene.places.ruler, "model", mixed(ink, ground, 0.6), QBrush(ink, hatch)),
    )
    second = _PAD + 2 + _SAMPLE_PX.width() + metrics.horizontalAdvance("scored") + 3 * _PAD
    for number, (area, word, fill, pattern) in enumerate(entries):
        left = _PAD + 2 if number % 2 == 0 else second
        sample = QRectF(left, area.center().y() - _SAMPLE_PX.height() / 2, _SAMPLE_PX.width(), _SAMPLE_PX.height())
        painter.setPen(QPen(mixed(scene.colors.background, scene.colors.text, 0.4), 1))
        for brush in filter(None, (QBrush(fill), pattern)):
            painter.setBrush(brush)
            painter.drawRect(sample)
        painter.setPen(scene.colors.faint)
        words = QRectF(sample.right() + 4, area.top(), scene.places.left - sample.right() - 6, area.height())
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, word)
    painter.restore()
