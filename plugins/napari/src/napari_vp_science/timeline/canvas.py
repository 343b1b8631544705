"""The picture of the timeline, kept between events: only what changed is painted again."""

from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QPainter, QPixmap

from napari_vp_science.timeline.painting import paint_rows
from napari_vp_science.timeline.rows import Row
from napari_vp_science.timeline.scene import Scene
from napari_vp_science.timeline.strips import (
    overview_pixels,
    paint_legend,
    paint_moments,
    paint_names,
    paint_overview,
    paint_ruler,
)

_EMPTY = "Add behaviors on the Label page to begin"


class Canvas:
    """A pixmap of the scene, without what moves (cursor, drags).

    Attributes:
        num_full: how often everything was painted.
        num_rows: how often single rows were painted.
    """

    def __init__(self) -> None:
        self._pixmap: QPixmap | None = None
        self._overview: np.ndarray | None = None
        self._stale_rows: set[tuple[str, str]] = set()
        self.num_full = 0
        self.num_rows = 0

    def forget(self, *, overview: bool = True) -> None:
        """Paint everything the next time; the overview may stay when only the visible time changed."""
        self._pixmap = None
        self._stale_rows.clear()
        if overview:
            self._overview = None

    def forget_rows(self, rows: Sequence[tuple[str, str]], *, overview: bool = True) -> None:
        """Paint rows (behavior and subject) the next time."""
        self._stale_rows |= set(rows)
        if overview:
            self._overview = None

    def pixmap(self, scene: Scene) -> QPixmap:
        """The picture of a scene."""
        if self._pixmap is None:
            self._paint_all(scene)
        elif self._stale_rows or self._overview is None:
            self._paint_stale(scene)
        self._stale_rows.clear()
        assert self._pixmap is not None
        return self._pixmap

    def _paint_all(self, scene: Scene) -> None:
        ratio = scene.ratio
        width, height = scene.places.width, scene.places.height
        self._pixmap = QPixmap(max(round(width * ratio), 1), max(round(height * ratio), 1))
        self._pixmap.setDevicePixelRatio(ratio)
        self._pixmap.fill(scene.colors.background)
        painter = QPainter(self._pixmap)
        self._paint_overview(painter, scene)
        painter.setFont(scene.font)
        paint_ruler(painter, scene)
        paint_legend(painter, scene)
        paint_moments(painter, scene)
        paint_names(painter, scene)
        if scene.layout.rows:
            paint_rows(painter, scene, scene.layout.rows)
        else:
            painter.setPen(scene.colors.faint)
            area = QRect(0, scene.places.rows_top, width, scene.places.rows.height())
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, _EMPTY)
        painter.end()
        self.num_full += 1

    def _paint_stale(self, scene: Scene) -> None:
        painter = QPainter(self._pixmap)
        painter.setFont(scene.font)
        if self._overview is None:
            painter.fillRect(scene.places.overview.adjusted(-6, 0, 6, 0), scene.colors.background)
            self._paint_overview(painter, scene)
        rows = [row for row in scene.layout.rows if (row.behavior, row.subject) in self._stale_rows]
        paint_rows(painter, scene, rows)
        painter.end()
        self.num_rows += len(rows)

    def _paint_overview(self, painter: QPainter, scene: Scene) -> None:
        if self._overview is None:
            self._overview = overview_pixels(scene)
        paint_overview(painter, scene, self._overview)


def touched_rows(rows: Sequence[Row], behavior: str, subject: str) -> list[tuple[str, str]]:
    """Rows that an interval of a behavior ("" for all) and a subject ("" for everybody) reaches."""
    return [
        (row.behavior, row.subject)
        for row in rows
        if (not behavior or row.behavior == behavior) and (not subject or row.subject == subject)
    ]
