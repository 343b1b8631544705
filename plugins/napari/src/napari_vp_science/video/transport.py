"""The bar under the video: play, step, speed, where we are, and where to go."""

from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QLineEdit, QSizePolicy, QToolButton, QWidget

from napari_vp_science.state import PanelState
from napari_vp_science.style import GAP, MARGIN, theme_colors
from napari_vp_science.video.icons import icon
from napari_vp_science.video.link import TimeLink
from napari_vp_science.video.playback import SPEEDS
from napari_vp_science.video.times import parse_place, rate_text, time_text


class TransportBar(QWidget):
    """One row under the video. It follows ``state.link`` from the first recording on."""

    title = "Video"

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        self._link: TimeLink | None = None
        self._build()
        self._paint_icons()
        self._follow()
        state.recording_changed.connect(self._recording_changed)
        state.viewer.events.theme.connect(self._paint_icons)

    def _build(self) -> None:
        self.back = self._tool("One frame back", lambda: self._step(-1))
        self.play = self._tool("Play", self._toggle)
        self.forward = self._tool("One frame on", lambda: self._step(1))
        self.speed = QComboBox()
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g}x", speed)
        self.speed.setCurrentIndex(SPEEDS.index(1.0))
        self.speed.setToolTip("Speed: seconds of the recording in a second; frames are left out where need be")
        self.speed.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.speed.currentIndexChanged.connect(self._speed_chosen)
        self.every_frame = QCheckBox("Every frame")
        self.every_frame.setToolTip("Show each frame when playing, however long it takes")
        self.every_frame.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.every_frame.toggled.connect(self._every_frame_chosen)
        self.place = QLabel()
        self.place.setFont(_fixed_font())
        self.place.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.place.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.jump = QLineEdit()
        self.jump.setPlaceholderText("Go to 1:30 or #1234")
        self.jump.setToolTip("Go to a time (90, 1:30, 1:02:03.5) or to a frame (#1234), then Enter")
        self.jump.setFixedWidth(150)
        self.jump.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.jump.returnPressed.connect(self._jump)
        self.badge = QLabel()
        self.badge.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.rate = QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(MARGIN, 2, MARGIN, 2)
        layout.setSpacing(GAP)
        for widget in (self.back, self.play, self.forward, self.speed, self.every_frame, self.place, self.jump):
            layout.addWidget(widget)
        layout.addWidget(self.badge, 1)
        layout.addWidget(self.rate)

    def _tool(self, tip: str, act: Any) -> QToolButton:
        made = QToolButton()
        made.setToolTip(tip)
        made.setAutoRaise(True)
        made.setIconSize(QSize(18, 18))
        made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        made.clicked.connect(lambda: act())
        return made

    def close_view(self) -> None:
        """Stop listening."""
        self._state.recording_changed.disconnect(self._recording_changed)
        self._state.viewer.events.theme.disconnect(self._paint_icons)
        if self._link is not None:
            self._link.moved.disconnect(self._show_place)
            self._link.shown.disconnect(self._show_badge)
            self._link.playing_changed.disconnect(self._playing_changed)
            self._link.speed_changed.disconnect(self._speed_changed)
            self._link = None

    # ---- what it shows

    def _recording_changed(self, recording_id: str) -> None:
        self._follow()

    def _follow(self) -> None:
        link = self._state.link
        if link is not None and link is not self._link:
            self._link = link
            link.moved.connect(self._show_place)
            link.shown.connect(self._show_badge)
            link.playing_changed.connect(self._playing_changed)
            link.speed_changed.connect(self._speed_changed)
            link.set_speed(self.speed.currentData())
            link.set_every_frame(self.every_frame.isChecked())
        there = link is not None and link.num_frames > 0
        for widget in (self.back, self.play, self.forward, self.speed, self.every_frame, self.jump):
            widget.setEnabled(there)
        self.rate.setText(rate_text(link.times_s) if link is not None and there else "")
        self._show_place()
        self._show_badge()

    def _show_place(self, frame: int = 0) -> None:
        link = self._link
        if link is None or link.num_frames == 0:
            self.place.setText(f"{time_text(0)}   frame - / -")
            return
        count = str(link.num_frames - 1)
        self.place.setText(f"{time_text(link.time_s)}   frame {link.frame:>{len(count)}} / {count}")
        if not link.playing:
            self._show_badge()

    def _show_badge(self, frame: int = 0, exact: bool = True) -> None:
        """Whether the picture on screen is the one of the current frame, and if not, why."""
        link = self._link
        text, tip = "", ""
        if link is not None and link.num_frames and link.on_screen.frame >= 0:
            drawn = link.on_screen
            if link.exact and drawn.damaged:
                text = f"frame {drawn.frame} is damaged: frame {drawn.shown_index} is shown"
                tip = "The file is damaged here: the last good frame is shown. Labels land on the frame that is named."
            elif not link.exact and not link.playing:
                text = f"preview - decoding frame {link.frame}"
                tip = "A picture nearby, until the frame is decoded. Labels land on the frame that is named."
        if text != self.badge.text():
            self.badge.setText(text)
            self.badge.setToolTip(tip)
            accent = theme_colors(self._state.viewer).accent.name()
            self.badge.setStyleSheet(
                f"QLabel {{ border-left: 3px solid {accent}; padding-left: 5px; }}" if text else ""
            )

    def _playing_changed(self, playing: bool) -> None:
        self._paint_icons()
        self.play.setToolTip("Stop" if playing else "Play")
        self._show_badge()

    def _speed_changed(self, speed: float) -> None:
        self.speed.setCurrentIndex(SPEEDS.index(speed))

    def _paint_icons(self, event: Any = None) -> None:
        color = theme_colors(self._state.viewer).text
        playing = self._link is not None and self._link.playing
        self.back.setIcon(icon("back", color))
        self.play.setIcon(icon("pause" if playing else "play", color))
        self.forward.setIcon(icon("forward", color))

    # ---- what it does

    def _step(self, frames: int) -> None:
        if self._link is not None:
            self._link.step(frames)

    def _toggle(self) -> None:
        if self._link is not None:
            self._link.toggle()

    def _speed_chosen(self, index: int) -> None:
        if self._link is not None:
            self._link.set_speed(self.speed.itemData(index))

    def _every_frame_chosen(self, every: bool) -> None:
        if self._link is not None:
            self._link.set_every_frame(every)

    def _jump(self) -> None:
        if self._link is None:
            return
        try:
            kind, value = parse_place(self.jump.text())
        except ValueError as error:
            self._state.message.emit(str(error))
            return
        if kind == "frame":
            self._link.go(int(value))
        else:
            self._link.go_s(value)
        self.jump.clear()
        self.jump.clearFocus()


def _fixed_font() -> Any:
    """Digits of one width, so that nothing moves while it plays."""
    return QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
