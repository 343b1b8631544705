"""The decoder thread of one recording, as the window sees it."""

import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

import vp_science as vp
from napari_vp_science.video.desk import Desk, Opener
from napari_vp_science.voice import Voice

if TYPE_CHECKING:
    from vp_science.sessions import DecodedFrame

_PATIENCE_S = 0.015
"""How long drawing may wait for a frame that is about to come: less than drawing twice costs."""


@dataclass(frozen=True)
class OnScreen:
    """What was drawn last.

    Attributes:
        frame: the frame that was to be drawn; -1 for none.
        shown_index: the frame whose picture it is; -1 for none.
        exact: it is the right one (or, when damaged, what stands for it).
        damaged: the frame is damaged in the file.
    """

    frame: int = -1
    shown_index: int = -1
    exact: bool = False
    damaged: bool = False


class Decoder:
    """Opens a recording and decodes its frames in a thread of its own; all signals arrive in the window's thread.

    Attributes:
        opened: the recording is open, ``source`` is there.
        failed: opening it, or decoding a frame, went wrong: in words.
        progress: how much of the file is indexed, 0 to 1.
        pictured: a picture came for the frame that was wanted (frame, exact).
        displayed: another picture was drawn (``on_screen``).
        measured: enough was decoded to know how long a jump takes.
    """

    opened = Signal()
    failed = Signal(str)
    progress = Signal(float)
    pictured = Signal(int, bool)
    displayed = Signal()
    measured = Signal()

    def __init__(self, path: Path, opener: Opener | None = None) -> None:
        self.path = path
        self.on_screen = OnScreen()
        # The thread must not keep this object alive: it ends when nobody uses it any more. No QObject, because nobody
        # says in which thread that happens.
        voice = Voice(self._told)
        opener = opener or (lambda watch: vp.sessions.open_viewing(path, watch=watch))
        self.desk = Desk(opener, voice.say, voice.end)
        voice.before_quit(self.desk.close)
        self._end = weakref.finalize(self, self.desk.stop)

    @property
    def source(self) -> "vp.sessions.ViewingSource | None":
        """The open recording; None until then."""
        return self.desk.source

    def now(self, frame: int) -> "DecodedFrame | None":
        """What to draw for a frame, at once; asks for the frame itself where it is not ready."""
        self.desk.ask(frame)
        picture, exact = self.desk.take(frame, self._patience(frame))
        drawn = (
            OnScreen() if picture is None else OnScreen(frame, picture.shown_index, exact, exact and picture.damaged)
        )
        if drawn != self.on_screen:
            self.on_screen = drawn
            self.displayed.emit()
        return picture

    def _patience(self, frame: int) -> float:
        if self.source is None or self.desk.error:
            return 0.0
        expected = self.source.expected_s(frame)
        return _PATIENCE_S if expected is not None and expected < _PATIENCE_S else 0.0

    def stop(self) -> None:
        """Let the thread end by itself."""
        self._end()

    def close(self) -> None:
        """End the thread and wait for it."""
        self.desk.close()

    def _told(self, event: str, *facts: Any) -> None:
        getattr(self, event).emit(*facts)
