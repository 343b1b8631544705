"""Plays one moment: from a little before it to a little after it, once or again and again."""

from contextlib import suppress

from qtpy.QtCore import QObject, Signal

from napari_vp_science.state import PanelState

MARGIN_S = 0.5


class MomentPlayer(QObject):
    """Jumps to a moment of any recording and plays it.

    Attributes:
        shown: a moment is on screen: start and stop in seconds, for the ethogram to zoom to.
        repeat: play again and again; else the video stops at the end and waits at the beginning.
    """

    shown = Signal(float, float)

    def __init__(self, state: PanelState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.repeat = True
        self._state = state
        self._link: object = None
        self._moment: tuple[str, float, float] | None = None
        self._waiting = False
        state.recording_changed.connect(self._recording_changed)

    def play(self, recording: str, start_s: float, stop_s: float) -> None:
        """Show a moment and play it."""
        self._moment, self._waiting = (recording, start_s, stop_s), True
        self._state.show(recording, max(0.0, start_s - MARGIN_S))
        if self._waiting and self._state.current == recording:
            self._begin()

    def move(self, start_s: float, stop_s: float) -> None:
        """The borders of the moment that plays are others."""
        if self._moment is not None:
            self._moment = (self._moment[0], start_s, stop_s)

    def stop(self) -> None:
        """Let go of the moment; the video stays where it is."""
        if self._moment is not None and self._state.link is not None and self._state.link.playing:
            self._state.link.stop()
        self._moment, self._waiting = None, False

    def close_view(self) -> None:
        """Stop, and listen no more."""
        self._moment, self._waiting = None, False
        self._attach(None)
        with suppress(ValueError):
            self._state.recording_changed.disconnect(self._recording_changed)

    def _recording_changed(self, recording: str) -> None:
        if self._moment is None or not recording:
            return  # "": a recording is being opened, perhaps the one that is waited for
        if recording != self._moment[0]:
            self._moment, self._waiting = None, False  # somebody went elsewhere
        elif self._waiting:
            self._begin()

    def _begin(self) -> None:
        link = self._state.link
        if link is None or self._moment is None:
            return
        self._waiting = False
        self._attach(link)
        _, start_s, stop_s = self._moment
        self.shown.emit(start_s, stop_s)
        link.go_s(max(float(self._state.time_s[0]) if len(self._state.time_s) else 0.0, start_s - MARGIN_S))
        if not link.playing:
            link.play()

    def _attach(self, link: object) -> None:
        if link is self._link:
            return
        if self._link is not None:
            with suppress(TypeError, RuntimeError):
                self._link.moved.disconnect(self._moved)  # type: ignore[attr-defined]
        self._link = link
        if link is not None:
            link.moved.connect(self._moved)  # type: ignore[attr-defined]

    def _moved(self, _frame: int) -> None:
        link = self._state.link
        if self._moment is None or link is None or not link.playing or self._state.current != self._moment[0]:
            return
        _, start_s, stop_s = self._moment
        if link.time_s < stop_s + MARGIN_S and link.frame < link.num_frames - 1:
            return
        link.stop()
        link.go_s(start_s - MARGIN_S if self.repeat else start_s)
        if self.repeat:
            link.play()
