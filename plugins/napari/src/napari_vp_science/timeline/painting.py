"""Rows of the timeline: scored time, bouts and predictions."""

from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QBrush, QColor, QPainter, QPen, QPolygonF

import vp_science as vp
from napari_vp_science.style import mixed
from napari_vp_science.timeline.columns import coverage
from napari_vp_science.timeline.raster import bouts_line, picture, premultiplied, scores_picture
from napari_vp_science.timeline.rows import Row
from napari_vp_science.timeline.scene import Scene

_MANUAL, _MODEL, _CURATED = (int(status) for status in vp.sessions.Status)
_NARROW_PX = 6.0
"""Bouts below this width are drawn together, as columns."""
_TICK_PX = 15.0
_MOST_DIAMONDS = 120
_DIAMOND_PX = 5.0


def paint_rows(painter: QPainter, scene: Scene, rows: Sequence[Row]) -> None:
    """Paint some rows from their background up; names stand elsewhere."""
    area = scene.places.rows
    seen = [row for row in rows if scene.y(row.top) < area.bottom() + 1 and scene.y(row.top) + row.height > area.top()]
    if not seen:
        return
    painter.save()
    painter.setClipRect(area)
    _paint_scored(painter, scene, seen)
    if scene.scores is not None:
        _paint_scores(painter, scene, seen)
    _paint_bouts(painter, scene, seen)
    painter.restore()


def _paint_scored(painter: QPainter, scene: Scene, rows: Sequence[Row]) -> None:
    left, width = scene.places.left, scene.places.time_px
    shares = scene.scored.columns(rows, scene.axis, scene.num_columns)
    for row, share in zip(rows, shares, strict=True):
        here = QRectF(left, scene.y(row.top), width, row.height)
        painter.fillRect(here, scene.colors.background)
        painter.fillRect(here, QBrush(scene.unscored_line, Qt.BrushStyle.BDiagPattern))
        if share.any():
            # Scored time is plain, so that "did not happen" and "nobody looked" differ at a glance.
            pixels = premultiplied(scene.scored_color, (share >= 0.5) * 1.0)[None]
            painter.drawImage(here, picture(pixels))
        painter.setPen(QPen(mixed(scene.colors.background, scene.colors.text, 0.22), 1))
        bottom = scene.y(row.top) + row.height - 0.5
        painter.drawLine(QPointF(left, bottom), QPointF(left + width, bottom))


def _paint_scores(painter: QPainter, scene: Scene, rows: Sequence[Row]) -> None:
    assert scene.scores is not None
    prediction = scene.scores.prediction
    left, width = scene.places.left, scene.places.time_px
    for row in rows:
        if not row.scores_height or row.behavior not in prediction.behaviors:
            continue
        index = prediction.behaviors.index(row.behavior)
        height = max(round(row.scores_height * scene.ratio), 1)
        scores = scene.scores.highest(index, scene.axis, scene.num_columns)
        happens = scene.scores.happening(index, scene.axis, scene.num_columns) > 0
        pixels = scores_picture(scores, happens, scene.ink(row.behavior), height, scene.ratio, scene.score_style)
        top = scene.y(row.scores_top)
        painter.drawImage(QRectF(left, top, width, row.scores_height), picture(pixels))
        threshold = scene.thresholds.get(row.behavior)
        if threshold is not None and scene.score_style == "height":
            pen = QPen(mixed(scene.colors.text, scene.colors.background, 0.35), 1, Qt.PenStyle.DotLine)
            painter.setPen(pen)
            y = top + row.scores_height * (1 - threshold)
            painter.drawLine(QPointF(left, y), QPointF(left + width, y))


def _paint_bouts(painter: QPainter, scene: Scene, rows: Sequence[Row]) -> None:
    table, scale = scene.table, scene.num_columns / scene.axis.length_s
    place = np.full((len(table.names) + 1, len(table.subjects) + 1), -1)
    for number, row in enumerate(rows):
        if row.behavior in table.names and row.subject in table.subjects:
            place[table.names.index(row.behavior), table.subjects.index(row.subject)] = number
    seen = scene.visible()
    row_of = place[table.behavior[seen], table.subject[seen]]
    seen, row_of = seen[row_of >= 0], row_of[row_of >= 0]
    start = (table.start_s[seen] - scene.axis.start_s) * scale
    stop = (table.stop_s[seen] - scene.axis.start_s) * scale
    status = table.status[seen].astype(np.int64)
    is_point = table.stop_s[seen] == table.start_s[seen]
    narrow = (stop - start < _NARROW_PX * scene.ratio) & ~is_point
    covered = coverage(
        start[narrow], stop[narrow], row_of[narrow] * 3 + status[narrow], 3 * len(rows), scene.num_columns
    ).reshape(len(rows), 3, scene.num_columns)
    wide = ~narrow & ~is_point
    for number, row in enumerate(rows):
        own = row_of == number
        _paint_narrow(painter, scene, row, covered[number])
        if (here := own & wide).any():
            _paint_wide(painter, scene, row, start[here], stop[here], status[here])
        if (here := own & is_point).any():
            _paint_points(painter, scene, row, start[here], status[here])
        if scene.chosen and own.any():
            _paint_chosen(painter, scene, row, table.id[seen[own]], start[own], stop[own])


def _paint_narrow(painter: QPainter, scene: Scene, row: Row, covered: np.ndarray) -> None:
    if not covered.any():
        return
    where = QRectF(scene.places.left, scene.y(row.labels_top), scene.places.time_px, row.labels_height)
    painter.drawImage(where, picture(bouts_line(covered, scene.ink(row.behavior))))


def _boxes(scene: Scene, row: Row, start: np.ndarray, stop: np.ndarray) -> list[QRectF]:
    left, ratio = scene.places.left, scene.ratio
    beyond = scene.places.time_px + 20.0
    first = np.clip(start / ratio, -20.0, beyond)
    last = np.clip(stop / ratio, -20.0, beyond)
    top, height = scene.y(row.labels_top) + 0.5, row.labels_height - 1.0
    return [QRectF(left + a, top, b - a, height) for a, b in zip(first.tolist(), last.tolist(), strict=True)]


def _paint_wide(
    painter: QPainter, scene: Scene, row: Row, start: np.ndarray, stop: np.ndarray, status: np.ndarray
) -> None:
    ink = scene.ink(row.behavior)
    painter.setPen(QPen(mixed(ink, QColor("black"), 0.45), 1))
    solid = status != _MODEL
    if solid.any():
        painter.setBrush(ink)
        painter.drawRects(_boxes(scene, row, start[solid], stop[solid]))
    if not solid.all():
        boxes = _boxes(scene, row, start[~solid], stop[~solid])
        painter.setPen(QPen(ink, 1))
        painter.setBrush(mixed(ink, scene.colors.background, 0.7))
        painter.drawRects(boxes)
        painter.setBrush(QBrush(ink, Qt.BrushStyle.BDiagPattern))
        painter.drawRects(boxes)
    ticked = (status == _CURATED) & (stop - start >= _TICK_PX * scene.ratio)
    if ticked.any():
        _paint_ticks(painter, scene, ink, _boxes(scene, row, start[ticked], stop[ticked]))


def _paint_ticks(painter: QPainter, scene: Scene, ink: QColor, boxes: list[QRectF]) -> None:
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor("black" if ink.lightnessF() > 0.45 else "white"), 1.6))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for box in boxes:
        x, y = max(box.left(), scene.places.left) + 4, box.center().y()
        painter.drawPolyline(QPolygonF([QPointF(x, y), QPointF(x + 2.5, y + 3), QPointF(x + 7, y - 3)]))
    painter.restore()


def _paint_points(painter: QPainter, scene: Scene, row: Row, at: np.ndarray, status: np.ndarray) -> None:
    ink = scene.ink(row.behavior)
    if len(at) > _MOST_DIAMONDS:
        where = QRectF(scene.places.left, scene.y(row.labels_top), scene.places.time_px, row.labels_height)
        line = np.bincount(np.clip(at, 0, scene.num_columns - 1).astype(np.int64), minlength=scene.num_columns)
        painter.drawImage(where, picture(premultiplied(ink, (line > 0) * 1.0)[None]))
        return
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for x, how in zip((scene.places.left + at / scene.ratio).tolist(), status.tolist(), strict=True):
        painter.setPen(QPen(ink if how == _MODEL else mixed(ink, QColor("black"), 0.45), 1.2))
        painter.setBrush(scene.colors.background if how == _MODEL else ink)
        painter.drawPolygon(diamond(x, scene.y(row.labels_top), row.labels_height))
        if how == _CURATED:
            painter.setBrush(scene.colors.text)
            painter.drawEllipse(QPointF(x, scene.y(row.labels_top) + row.labels_height / 2), 1.2, 1.2)
    painter.restore()


def diamond(x: float, top: float, height: float) -> QPolygonF:
    """The shape of a point event."""
    y, reach = top + height / 2, min(_DIAMOND_PX, height / 2)
    return QPolygonF([QPointF(x, y - reach), QPointF(x + reach, y), QPointF(x, y + reach), QPointF(x - reach, y)])


def _paint_chosen(
    painter: QPainter, scene: Scene, row: Row, numbers: np.ndarray, start: np.ndarray, stop: np.ndarray
) -> None:
    chosen = np.isin(numbers, list(scene.chosen))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for box in _boxes(scene, row, start[chosen], stop[chosen]):
        room = max(6.0 - box.width(), 0.0) / 2 + (4 if box.width() == 0 else 0)
        wider = box.adjusted(-room, 0, room, 0)
        painter.setPen(QPen(scene.colors.text, 2))
        painter.drawRect(wider)
        painter.setPen(QPen(scene.colors.background, 1))
        painter.drawRect(wider.adjusted(1.5, 1.5, -1.5, -1.5))
