"""Between the window and the decoder thread: what is wanted, and what is ready to be drawn. No Qt in here.

The window never waits for a decoder: it asks for a frame, takes what is ready (the frame itself, or what is nearest to
it) and draws again when it is told that more came. The thread serves the latest request only; an older one is given up
between two decoded pictures.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import vp_science as vp

if TYPE_CHECKING:
    from vp_science.sessions import DecodedFrame

READY_BYTES = 96 << 20
_FEWEST_READY = 3
_MOST_READY = 12
_PREVIEW_AFTER_S = 0.04
"""A frame that takes longer than this is preceded by a preview."""
_AHEAD = 32
_BEHIND_S = 0.05
"""While playing, a decoder that cannot keep up lets a picture through this often."""

Opener = Callable[[Callable[[float], None]], "vp.sessions.ViewingSource"]
Tell = Callable[..., None]


class _GivenUpError(Exception):
    """The recording is not wanted any more, while it is being opened."""


class Desk:
    """Requests and pictures of one recording, and the thread that turns the ones into the others.

    Attributes:
        source: the open recording; None until then.
        error: what went wrong last, in words; "" when all is well.
        wanted: the frame asked for last.
        playing: the frames are asked for in order, by a clock.
        stride: how many frames from one request to the next while playing.

    Args:
        opener: opens the recording; runs in the thread.
        tell: hears what happens, in the thread: ``("progress", share)``, ``("opened",)``, ``("failed", words)``,
            ``("pictured", frame, exact)`` and, once there is something to say about its speed, ``("measured",)``.
        ended: is called last of all in the thread.
    """

    def __init__(self, opener: Opener, tell: Tell, ended: Callable[[], None] = lambda: None) -> None:
        self.source: vp.sessions.ViewingSource | None = None
        self.error = ""
        self.wanted = 0
        self.playing = False
        self.stride = 1
        self._opener = opener
        self._tell = tell
        self._ended = ended
        self._news = threading.Condition()
        self._pending: int | None = None
        self._serving: int | None = None
        self._ready: OrderedDict[int, DecodedFrame] = OrderedDict()
        self._preview: DecodedFrame | None = None
        self._last_put_s = 0.0
        self._measured = False
        self._quit = False
        self._thread = threading.Thread(target=self._run, name="vp-science-decoder", daemon=True)
        self._thread.start()

    # ---- the window's side

    def ask(self, frame: int) -> None:
        """Want a frame; whatever was wanted before is given up."""
        with self._news:
            if frame == self.wanted and (self._pending is not None or frame in self._ready):
                return
            self.wanted = frame
            self._pending = None if frame == self._serving else frame
            self._news.notify_all()

    def take(self, frame: int, patience_s: float = 0.0) -> "tuple[DecodedFrame | None, bool]":
        """The picture of a frame and whether it is exact; otherwise the nearest that is ready, None for none at all.

        Args:
            frame: which one.
            patience_s: wait this long for the exact one.
        """
        with self._news:
            if patience_s > 0:
                self._news.wait_for(lambda: frame in self._ready or self._quit, patience_s)
            found = self._ready.get(frame)
            if found is not None:
                self._ready.move_to_end(frame)
                return found, True
            known = [*self._ready.values(), *([self._preview] if self._preview is not None else [])]
            return min(known, key=lambda picture: abs(picture.shown_index - frame), default=None), False

    def newest_ready(self, after: int, until: int) -> int | None:
        """The last frame that is ready of those after one and not after another."""
        with self._news:
            return max((frame for frame in self._ready if after < frame <= until), default=None)

    def is_ready(self, frame: int) -> bool:
        """Whether a frame can be drawn at once."""
        return frame in self._ready

    def stop(self) -> None:
        """End the thread at its next step; it closes the recording."""
        with self._news:
            self._quit = True
            self._news.notify_all()

    def close(self) -> None:
        """End the thread and wait for it."""
        self.stop()
        self.join()

    def join(self, seconds: float = 5.0) -> bool:
        """Wait for the thread; whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def wait_open(self) -> None:
        """Wait until the recording is open, or cannot be opened."""
        with self._news:
            self._news.wait_for(lambda: self.source is not None or bool(self.error) or self._quit)

    # ---- the thread's side

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._ended()

    def _work(self) -> None:
        try:
            source = self._opener(self._watch)
        except _GivenUpError:
            return
        except Exception as error:
            self._fail(error)
            return
        with self._news:
            self.source = source
            self._pending = self.wanted = min(self.wanted, source.num_frames - 1)
            self._news.notify_all()
        self._tell("opened")
        try:
            while (frame := self._next()) is not None:
                try:
                    self._serve(source, frame)
                except Exception as error:  # a frame that cannot be read is told, not the end of the thread
                    self._fail(error)
        finally:
            source.close()
            with self._news:
                self._ready.clear()
                self._preview = None

    def _watch(self, share: float) -> None:
        if self._quit:
            raise _GivenUpError
        self._tell("progress", share)

    def _fail(self, error: Exception) -> None:
        words = str(error) if isinstance(error, vp.VPScienceError) else f"{type(error).__name__}: {error}"
        with self._news:
            self.error = words
            self._news.notify_all()
        self._tell("failed", words)

    def _next(self) -> int | None:
        with self._news:
            self._serving = None
            self._news.wait_for(lambda: self._quit or self._pending is not None)
            if self._quit:
                return None
            self._serving, self._pending = self._pending, None
            return self._serving

    def _overtaken(self) -> bool:
        return self._quit or self._pending is not None

    def _serve(self, source: "vp.sessions.ViewingSource", frame: int) -> None:
        if frame not in self._ready:
            expected = source.expected_s(frame)
            if (expected is None or expected > _PREVIEW_AFTER_S) and not self.playing:
                self._put_preview(frame, source.preview(frame, self._overtaken))
            picture = source.exact(frame, lambda: self._given_up(source, frame))
            if picture is None:
                return
            self._put(frame, picture)
        self.error = ""
        self._tell("pictured", frame, True)
        self._read_ahead(source, frame)
        if not self._measured and source.jump_s() is not None:
            self._measured = True
            self._tell("measured")

    def _given_up(self, source: "vp.sessions.ViewingSource", frame: int) -> bool:
        """Between two decoded pictures: let one through when playing is too fast for the decoder."""
        if self.playing and time.perf_counter() - self._last_put_s > _BEHIND_S:
            passed = source.reached
            picture = source.exact(passed) if passed < frame and source.cached(passed) else None
            if picture is not None:
                self._put(passed, picture)
                self._tell("pictured", frame, False)
        return self._overtaken()

    def _put(self, frame: int, picture: "DecodedFrame") -> None:
        with self._news:
            self._ready[frame] = picture
            self._ready.move_to_end(frame)
            self._preview = None if frame == self.wanted else self._preview
            most = max(_FEWEST_READY, min(_MOST_READY, READY_BYTES // max(1, picture.pixels.nbytes)))
            while len(self._ready) > most:
                self._ready.popitem(last=False)
            self._last_put_s = time.perf_counter()
            self._news.notify_all()

    def _put_preview(self, frame: int, picture: "DecodedFrame | None") -> None:
        if picture is not None and not self._overtaken():
            with self._news:
                self._preview = picture
            self._tell("pictured", frame, False)

    def _read_ahead(self, source: "vp.sessions.ViewingSource", frame: int) -> None:
        """Decode on; make the pictures ready that will be drawn next. A frame that fails here is told when wanted."""
        with suppress(vp.VPScienceError):
            for ahead in self._soon(source, frame):
                if self._overtaken():
                    return
                if ahead not in self._ready:
                    picture = source.exact(ahead, self._overtaken)
                    if picture is None:
                        return
                    self._put(ahead, picture)
            for ahead in range(frame + 1, min(source.num_frames, frame + 1 + self._how_far(source))):
                if self._overtaken() or not source.fetch(ahead, self._overtaken):
                    return

    def _soon(self, source: "vp.sessions.ViewingSource", frame: int) -> Iterator[int]:
        """The frames that will be drawn next, as many as may be ready at a time beside the present one."""
        room = max(_FEWEST_READY, min(_MOST_READY, READY_BYTES // max(1, source.height * source.width * 3))) - 1
        step = max(1, self.stride) if self.playing else 1
        last = source.num_frames - 1
        if not self.playing and room > 2 and frame > 0 and source.cached(frame - 1):
            room -= 1
            yield frame - 1
        yield from range(frame + step, min(last, frame + step * min(room, 6)) + 1, step)

    def _how_far(self, source: "vp.sessions.ViewingSource") -> int:
        """Frames to decode ahead: few where they are so large that they would fill the cache."""
        cache = source.cache
        each = cache.num_bytes / max(1, len(cache))
        return int(min(_AHEAD, cache.most_bytes / 4 / max(1.0, each)))
