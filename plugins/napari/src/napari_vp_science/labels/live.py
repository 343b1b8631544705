"""Labelling while the video plays: what passes while a key is held, or between two taps. No Qt, no clock of its own."""

from collections.abc import Callable
from dataclasses import dataclass

HOLD_S = 0.3
"""A key that is down longer than this, while the video moves, is held; otherwise it was tapped."""


@dataclass
class Stroke:
    """What passed: frames from the first to the last one, both included.

    Attributes:
        behavior: its name.
        erase: it is taken away instead of labelled.
        anchor: the frame at which it began.
        frame: the frame that was reached.
        down_since: when the key went down that began it; None once that key is up.
    """

    behavior: str
    erase: bool
    anchor: int
    frame: int
    down_since: float | None = None

    @property
    def first(self) -> int:
        """The first frame."""
        return min(self.anchor, self.frame)

    @property
    def last(self) -> int:
        """The last frame."""
        return max(self.anchor, self.frame)


class LiveStrokes:
    """Strokes that are under way, by behavior.

    Args:
        finish: told about every stroke that ends.
    """

    def __init__(self, finish: Callable[[Stroke], None]) -> None:
        self._finish = finish
        self._strokes: dict[str, Stroke] = {}

    @property
    def strokes(self) -> list[Stroke]:
        """What is under way."""
        return list(self._strokes.values())

    def press(self, behavior: str, frame: int, now: float, *, erase: bool = False, exclusive: bool = False) -> None:
        """A key goes down: begins a stroke, or ends the one that a tap began.

        Args:
            behavior: whose key.
            frame: the current one.
            now: seconds on any clock.
            erase: take away instead of labelling.
            exclusive: strokes of other behaviors end before this frame.
        """
        running = self._strokes.get(behavior)
        if running is not None:
            self._end(running, frame)
            if running.erase == erase:
                return
        if exclusive:
            for other in self.strokes:
                self._end(other, max(frame - 1, other.anchor) if frame > other.anchor else frame)
        self._strokes[behavior] = Stroke(behavior, erase, frame, frame, now)

    def release(self, behavior: str, frame: int, now: float) -> None:
        """A key goes up: ends what passed while it was held; what a tap began goes on."""
        running = self._strokes.get(behavior)
        if running is None or running.down_since is None:
            return
        held = now - running.down_since > HOLD_S and frame != running.anchor
        running.down_since = None
        if held:
            self._end(running, frame)

    def moved(self, frame: int) -> None:
        """Another frame is the current one."""
        for stroke in self._strokes.values():
            stroke.frame = frame

    def end_all(self) -> None:
        """End everything where it is now."""
        for stroke in self.strokes:
            self._end(stroke, stroke.frame)

    def drop_all(self) -> None:
        """Forget everything that is under way."""
        self._strokes.clear()

    def _end(self, stroke: Stroke, frame: int) -> None:
        del self._strokes[stroke.behavior]
        stroke.frame = frame
        self._finish(stroke)


class Watch:
    """Which stretches of a recording were played, and not jumped over.

    Args:
        finish: told the first and last frame of every stretch of more than one frame.
    """

    def __init__(self, finish: Callable[[int, int], None]) -> None:
        self._finish = finish
        self._first: int | None = None
        self._last = 0
        self._time_s = self._now = 0.0

    def playing(self, frame: int, time_s: float, speed: float, now: float) -> None:
        """The video plays and shows this frame.

        Args:
            frame: the current one.
            time_s: its time.
            speed: seconds of the recording in a second.
            now: seconds on any clock.
        """
        if self._first is not None and not self._follows(frame, time_s, speed, now):
            self.stop()
        if self._first is None:
            self._first = frame
        self._last, self._time_s, self._now = frame, time_s, now

    def stop(self) -> None:
        """The video stands, or something else is shown."""
        first, self._first = self._first, None
        if first is not None and self._last > first:
            self._finish(first, self._last)

    def drop(self) -> None:
        """Forget the stretch."""
        self._first = None

    def _follows(self, frame: int, time_s: float, speed: float, now: float) -> bool:
        """Whether playing leads from the last frame to this one: no further than the clock, with no long gap."""
        passed = now - self._now
        return frame >= self._last and passed < 1.0 and time_s - self._time_s <= 1.5 * speed * passed + 0.2
