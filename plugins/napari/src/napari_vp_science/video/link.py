"""One current frame, many views: ``viewer.dims`` owns it, everybody reads and moves it here."""

import time
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Qt, QTimer, Signal

from napari_vp_science.video.decoder import Decoder, OnScreen
from napari_vp_science.video.playback import SPEEDS, Playback, frame_at

_TICK_MS = 8
_DRAWING_S = 0.033
"""About how often a frame can be drawn."""
_LATE_S = 0.2
"""A decoder that is further behind the clock than this is not waited for."""


class TimeLink(QObject):
    """The current frame of the viewer, and moving it: by hand, by the clock, frame by frame.

    Attributes:
        moved: the current frame changed, also while playing.
        shown: the picture on screen changed: whose it is, and whether it is the one of the current frame.
        playing_changed: playing began or ended.
        speed_changed: another speed was chosen.
        speed: seconds of the recording in a second.
        every_frame: play shows each frame, slower than the clock where drawing cannot keep up.
        times_s: presentation times of the recording on screen; none before there is one.
    """

    moved = Signal(int)
    shown = Signal(int, bool)
    playing_changed = Signal(bool)
    speed_changed = Signal(float)
    _drawn = Signal()

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.speed = 1.0
        self.every_frame = False
        self.times_s = np.zeros(0)
        self._viewer = viewer
        self._layer: Any = None
        self._decoder: Decoder | None = None
        self._last = -1
        self._playback: Playback | None = None
        self._advanced_s = 0.0
        self._placed = 0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)
        # queued: a picture is taken in the middle of napari's drawing, where nobody should move anything
        self._drawn.connect(self._displayed, Qt.ConnectionType.QueuedConnection)
        viewer.dims.events.point.connect(self._dims_moved)

    # ---- where we are

    @property
    def num_frames(self) -> int:
        """Frames of the recording; 0 before there is one."""
        return len(self.times_s)

    @property
    def frame(self) -> int:
        """The current frame, whatever is drawn yet; 0 before there is a recording."""
        if self._layer is None or self.num_frames == 0:
            return 0
        axis = self._axis()
        point = self._viewer.dims.point[axis] if 0 <= axis < self._viewer.dims.ndim else 0.0
        start, step = self._scale()
        return max(0, min(round((point - start) / step), self.num_frames - 1))

    @property
    def time_s(self) -> float:
        """Presentation time of the current frame."""
        return float(self.times_s[self.frame]) if self.num_frames else 0.0

    @property
    def on_screen(self) -> OnScreen:
        """What was drawn last."""
        return OnScreen() if self._decoder is None else self._decoder.on_screen

    @property
    def exact(self) -> bool:
        """Whether the picture on screen is the one of the current frame."""
        drawn = self.on_screen
        return drawn.exact and drawn.frame == self.frame

    @property
    def playing(self) -> bool:
        """Whether it plays."""
        return self._timer.isActive()

    # ---- moving

    def go(self, frame: int) -> None:
        """To a frame (the nearest there is); playing goes on from there."""
        if self.num_frames == 0:
            return
        self._move(frame)
        if self.playing:
            self._restart_clock()

    def go_s(self, time_s: float) -> None:
        """To the frame on screen at a time."""
        self.go(frame_at(self.times_s, time_s))

    def step(self, frames: int) -> None:
        """So many frames on (or back); playing stops."""
        self.stop()
        self.go(self.frame + frames)

    def step_s(self, seconds: float) -> None:
        """So many seconds on (or back), at least a frame; playing stops."""
        self.stop()
        here = self.frame
        there = frame_at(self.times_s, self.time_s + seconds)
        self.go(there if there != here else here + (1 if seconds > 0 else -1))

    def play(self) -> None:
        """Play from here; from the start when the end is reached."""
        if self.num_frames < 2 or self.playing:
            return
        if self.frame == self.num_frames - 1:
            self._move(0)
        self._restart_clock()
        self._timer.start()
        self.playing_changed.emit(True)

    def stop(self) -> None:
        """Stop playing."""
        if not self.playing:
            return
        self._timer.stop()
        if self._decoder is not None:
            self._decoder.desk.playing = False
        self.playing_changed.emit(False)

    def toggle(self) -> None:
        """Play, or stop."""
        if self.playing:
            self.stop()
        else:
            self.play()

    def set_speed(self, speed: float) -> None:
        """How fast to play, one of 0.25, 0.5, 1, 2, 4 and 8."""
        if speed not in SPEEDS:
            raise ValueError(f"expected one of the speeds {', '.join(f'{s:g}' for s in SPEEDS)}, found {speed}")
        if speed == self.speed:
            return
        self.speed = speed
        if self.playing:
            self._restart_clock()
        self.speed_changed.emit(speed)

    def set_every_frame(self, every_frame: bool) -> None:
        """Whether playing shows each frame."""
        self.every_frame = every_frame
        if self.playing:
            self._restart_clock()

    # ---- for the stage

    def follow(self, layer: Any, decoder: Decoder | None, times_s: np.ndarray, frame: int) -> None:
        """Belong to another recording from now on, and go to one of its frames."""
        self.stop()
        if self._decoder is not None:
            self._decoder.displayed.disconnect(self._was_drawn)
        self._layer, self._decoder, self.times_s = layer, decoder, times_s
        self._last = -1
        if decoder is not None:
            decoder.displayed.connect(self._was_drawn)
            self._move(frame)
            self._dims_moved()

    def close_view(self) -> None:
        """Let go of the viewer."""
        self.follow(None, None, np.zeros(0), 0)
        self._viewer.dims.events.point.disconnect(self._dims_moved)

    # ---- inside

    def _was_drawn(self) -> None:
        self._drawn.emit()

    def _axis(self) -> int:
        return int(self._viewer.dims.ndim - self._layer.ndim)  # napari aligns axes at the right

    def _scale(self) -> tuple[float, float]:
        """Place of frame 0 and distance of frames on napari's slider."""
        return float(self._layer.translate[0]), float(self._layer.scale[0]) or 1.0

    def _move(self, frame: int) -> None:
        self._placed = frame = max(0, min(int(frame), self.num_frames - 1))
        if frame != self.frame:
            start, step = self._scale()
            self._viewer.dims.set_point(self._axis(), start + step * frame)

    def _dims_moved(self, event: Any = None) -> None:
        if self._layer is None or self.num_frames == 0:
            return
        frame = self.frame
        if frame != self._last:
            self._last = frame
            self.moved.emit(frame)

    def _displayed(self) -> None:
        drawn = self.on_screen
        if drawn.frame >= 0:
            self.shown.emit(drawn.frame if drawn.exact else drawn.shown_index, self.exact)

    def _restart_clock(self) -> None:
        now = time.perf_counter()
        self._placed = self.frame
        self._playback = Playback(self.times_s, self.time_s, now, self.speed)
        self._advanced_s = now
        if self._decoder is not None:
            desk = self._decoder.desk
            desk.playing = True
            desk.stride = 1 if self.every_frame else self._playback.stride(_DRAWING_S)

    def _tick(self) -> None:
        if self._playback is None:
            return
        if self.frame != self._placed:
            self._restart_clock()  # somebody moved the slider
        if self.every_frame:
            self._next_frame(self._playback)
        else:
            self._follow_clock(self._playback)

    def _next_frame(self, playback: Playback) -> None:
        """One frame on, when this one is drawn and its time is over."""
        here, now = self.frame, time.perf_counter()
        if here == self.num_frames - 1:
            self.stop()
        elif self.exact and now - self._advanced_s >= playback.wait_s(here):
            late = now - self._advanced_s - playback.wait_s(here)
            self._advanced_s = now - min(late, _TICK_MS / 1e3)  # a late tick does not make the next frame later
            self._move(here + 1)

    def _follow_clock(self, playback: Playback) -> None:
        """The frame that is due, or the newest before it that is ready, unless the decoder is too far behind."""
        now, here = time.perf_counter(), self.frame
        due = playback.frame(now)
        if playback.ended(now):
            self._move(self.num_frames - 1)
            self.stop()
        elif due > here:
            self._move(self._newest(here, due, playback))

    def _newest(self, here: int, due: int, playback: Playback) -> int:
        if self._decoder is None:
            return due
        desk = self._decoder.desk
        ready = desk.newest_ready(here, due)
        if ready is not None:
            return ready
        late = (self.times_s[due] - self.times_s[here]) / playback.speed
        if late < _LATE_S:
            desk.ask(due)
            return here
        return due
