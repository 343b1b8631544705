"""What the timeline shows: the kept picture, what moves above it, and which time is visible."""

from dataclasses import replace

from qtpy.QtCore import QEvent, QRect, QSize, Qt
from qtpy.QtGui import QFontInfo, QPainter, QPaintEvent
from qtpy.QtWidgets import QScrollBar, QSizePolicy, QWidget

from napari_vp_science.state import PanelState
from napari_vp_science.style import theme_colors
from napari_vp_science.timeline.axis import TimeAxis
from napari_vp_science.timeline.canvas import Canvas
from napari_vp_science.timeline.overlay import Preview, paint_box, paint_cursor, paint_preview, paint_range
from napari_vp_science.timeline.scene import Scene
from napari_vp_science.timeline.sources import Look, SceneSources

_NO_RECORDING = "Open a recording to see its behaviors over time"
_SCORE_STYLE = "timeline_scores"


class Surface(QWidget):
    """Draws the state of the panel; changes nothing in it.

    Attributes:
        state: of the panel.
        chosen: numbers of the chosen bouts.
    """

    _scene: Scene | None = None  # Qt sends the first events before the widget is complete

    def __init__(self, state: PanelState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self.chosen: frozenset[int] = frozenset()
        self._sources = SceneSources(state)
        self._canvas = Canvas()
        self._axes: dict[str, TimeAxis] = {}
        self._frame = 0
        self._previews: list[Preview] = []
        self._live: dict[str, Preview] = {}
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

    def scroll_rows(self, pixels: int) -> None:
        """Show rows further down, or up."""
        self._bar.setValue(self._bar.value() + pixels)

    # ---- what others show here

    def set_live(self, behavior: str, start_s: float, stop_s: float, *, erase: bool = False) -> None:
        """Show a bout of the current subject that grows while its key is held, or time that is being erased."""
        self._live[behavior] = Preview(behavior, self.state.subject, start_s, stop_s, gives_way=erase)
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

    # ---- drawing

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
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, _NO_RECORDING)
            return
        painter.setClipRect(event.rect())
        painter.drawPixmap(0, 0, self._canvas.pixmap(scene))
        painter.setFont(scene.font)
        if self._marks != (None, None):
            paint_range(painter, scene, *self._marks)
        for preview in (*self._live.values(), *self._previews):
            paint_preview(painter, scene, preview)
        paint_cursor(painter, scene, self._frame)
        if self._box is not None:
            paint_box(painter, scene, self._box)

    def resizeEvent(self, _event: QEvent) -> None:
        """Another size, other pixels."""
        self._rebuild()

    def changeEvent(self, event: QEvent) -> None:
        """Another font, other names."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._rebuild()
