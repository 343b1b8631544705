"""Frames of short clips, decoded ahead by a thread of its own: first a picture of each, then their frames."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QImage

import vp_science as vp
from napari_vp_science.state import Moment
from napari_vp_science.thumbnails import to_image
from napari_vp_science.voice import Voice

FPS = 12
_MOST_BYTES = 192 << 20
_BATCH = 6
_PATIENCE_S = 3.0


class Clip:
    """The frames of a moment as far as they are decoded.

    Attributes:
        moment: recording, start and stop.
        span: what is played of it, in seconds.
        frames: pictures, ``FPS`` of them per second.
        done: all of them are there.
        why: what is wrong with it, "" for nothing.
    """

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        self.span = vp.sessions.clip_span(moment)
        self.frames: list[QImage] = []
        self.done = False
        self.why = ""

    @property
    def num_bytes(self) -> int:
        """Memory that it takes."""
        return sum(frame.sizeInBytes() for frame in self.frames)

    @property
    def shortened(self) -> bool:
        """Whether only a part of the moment is played."""
        return self.span[1] - self.span[0] < self.moment[2] - self.moment[1] - 1e-6


class ClipLoader(QObject):
    """Keeps the clips that were wanted last; those that are wanted now come first.

    Attributes:
        loaded: moment whose clip has more frames, or an error.
    """

    loaded = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._clips: OrderedDict[Moment, Clip] = OrderedDict()
        self._thread: _Reader | None = None

    def want(self, session: "vp.sessions.Session", moments: Sequence[Moment], height: int) -> None:
        """Decode these, in this order; whatever was wanted before is left where it is."""
        if self._thread is None or self._thread.session is not session or self._thread.height != height:
            self.forget()
            self._thread = _Reader(session, height, Voice(self._arrived))
        for moment in reversed(moments):
            if moment not in self._clips:
                self._clips[moment] = Clip(moment)
            self._clips.move_to_end(moment)
        self._make_room(set(moments))
        self._thread.want([moment for moment in moments if not self._clips[moment].done])

    def clip(self, moment: Moment) -> Clip | None:
        """What there is of a moment."""
        return self._clips.get(moment)

    def forget(self) -> None:
        """Stop decoding and give the memory back; does not wait."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.close()
        self._clips.clear()

    def close_view(self) -> None:
        """Stop decoding, and wait until the recordings are closed."""
        thread = self._thread
        self.forget()
        if thread is not None:
            thread.wait()

    def _make_room(self, kept: set[Moment]) -> None:
        """The clips that nobody wants any more go, the oldest first; those ahead only as far as there is room."""
        total = sum(clip.num_bytes for clip in self._clips.values())
        for moment in list(self._clips):
            if total <= _MOST_BYTES:
                return
            if moment not in kept:
                total -= self._clips.pop(moment).num_bytes

    def _arrived(
        self, thread: Any, moment: Moment, first: int, pictures: list[np.ndarray], done: bool, why: str
    ) -> None:
        clip = self._clips.get(moment)
        if thread is not self._thread or clip is None:
            return
        if first <= len(clip.frames):  # work that was begun again gives frames that are there already
            clip.frames[first : first + len(pictures)] = [to_image(one) for one in pictures]
        clip.done, clip.why = done, why
        self.loaded.emit(moment)


class _Reader:
    """The thread."""

    def __init__(self, session: "vp.sessions.Session", height: int, voice: Voice) -> None:
        self.session, self.height = session, height
        self._voice = voice
        self._wanted: list[Moment] = []
        self._change = threading.Condition()
        self._version = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="clips", daemon=True)
        self._thread.start()

    def want(self, moments: list[Moment]) -> None:
        """Other clips; those under way are left."""
        with self._change:
            self._wanted, self._version = moments, self._version + 1
            self._change.notify()

    def close(self) -> None:
        """End it, soon."""
        with self._change:
            self._closed, self._version = True, self._version + 1
            self._change.notify()

    def wait(self) -> None:
        """Until it has ended; not forever."""
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        pictures = vp.sessions.SessionPictures(max_open=4)
        try:
            while (work := self._next()) is not None:
                version, moments = work
                for moment in moments:  # something to look at in every place before anything moves
                    self._read(pictures, version, moment, poster=True)
                for moment in moments:
                    self._read(pictures, version, moment, poster=False)
        finally:
            pictures.close()
            self._voice.end()

    def _next(self) -> tuple[int, list[Moment]] | None:
        with self._change:
            while not self._wanted and not self._closed:
                self._change.wait()
            wanted, self._wanted = self._wanted, []
            return None if self._closed else (self._version, wanted)

    def _read(self, pictures: "vp.sessions.SessionPictures", version: int, moment: Moment, *, poster: bool) -> None:
        if version != self._version:
            return
        try:
            source = vp.sessions.picture_source(self.session, moment[0])
            start, stop = vp.sessions.clip_span(moment)
            times = start + np.arange(max(1, round((stop - start) * FPS))) / FPS
            wanted = times[:1] if poster else times
            batch: list[np.ndarray] = []
            first = 0
            for number, pixels in enumerate(pictures.pictures(source, wanted, self.height), start=1):
                if version != self._version:
                    return
                batch.append(pixels)
                if len(batch) == _BATCH or number == len(wanted):
                    self._say(moment, first, batch, number == len(times), "")
                    first, batch = number, []
        except (vp.VPScienceError, OSError) as error:
            self._say(moment, 0, [], True, str(error))
        except Exception as error:  # a broken file must not end the clips of all others
            self._say(moment, 0, [], True, f"{type(error).__name__}: {error}")

    def _say(self, moment: Moment, first: int, pictures: list[np.ndarray], done: bool, why: str) -> None:
        if not self._closed:
            self._voice.say(self, moment, first, pictures, done, why)
