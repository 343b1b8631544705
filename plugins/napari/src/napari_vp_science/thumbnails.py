"""Small pictures of moments for all views: one thread decodes them, the newest wish first."""

import threading
from collections import OrderedDict
from contextlib import suppress

import numpy as np
from qtpy.QtCore import QObject, Qt, Signal, Slot
from qtpy.QtGui import QColor, QImage, QPainter, QPen

import vp_science as vp
from napari_vp_science.state import PanelState
from napari_vp_science.voice import Voice

Key = tuple[str, int, int]
"""Recording, time in milliseconds, height."""

_MOST_WAITING = 512
_MOST_BYTES = 96 << 20
_PATIENCE_S = 3.0
_NEUTRAL = QColor(96, 96, 96)
_NEUTRAL_SIGN = QColor(170, 170, 170)


class ThumbnailService(QObject):
    """Gives pictures of moments to views, by signal or at once where they are known already.

    One thread of its own decodes, the wish that came last first, with few recordings open; wishes that are older than
    the last 512 are dropped, so ask again when a picture becomes visible. Pictures are kept in memory (96 MB) and, as
    JPEG, in the cache of the session. Where a track has a region of interest, or follows an animal
    (``<recording>@<animal>``), that is what is shown.

    Args:
        state: tells the session.

    Attributes:
        ready: recording, time in seconds as it was asked for, ``QImage``.
        failed: recording, time, why; ``neutral`` is a picture for that.
    """

    ready = Signal(str, float, object)
    failed = Signal(str, float, str)
    _decoded = Signal(object)

    def __init__(self, state: PanelState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._images: OrderedDict[Key, QImage] = OrderedDict()
        self._bytes = 0
        self._reasons: dict[Key, str] = {}
        self._decoder: _Decoder | None = None
        self._decoded.connect(self._arrived, Qt.ConnectionType.QueuedConnection)
        state.session_changed.connect(self._session_changed)
        state.tracks_changed.connect(self._forget_track)

    def request(self, recording_id: str, time_s: float, height: int = 96) -> None:
        """Ask for the frame on screen at a time; ``ready`` or ``failed`` follows, never before this returns."""
        key, session = _key(recording_id, time_s, height), self._state.session
        image = self.cached(recording_id, time_s, height)
        if session is None:
            self._decoded.emit((self._decoder, key, float(time_s), None, "no session is open"))
        elif image is not None:
            self._decoded.emit((self._decoder, key, float(time_s), image, ""))
        else:
            if self._decoder is None:
                self._decoder = _Decoder(session, Voice(self._arrived))
            self._decoder.wish(key, float(time_s))

    def cached(self, recording_id: str, time_s: float, height: int = 96) -> QImage | None:
        """The picture, if it is in memory."""
        key = _key(recording_id, time_s, height)
        image = self._images.get(key)
        if image is not None:
            self._images.move_to_end(key)
        return image

    def picture(self, recording_id: str, time_s: float, height: int = 96) -> QImage | None:
        """The picture, if it is in memory; otherwise it is asked for, and None. For views that paint what is visible.

        A picture that could not be made is not asked for again until the session changes; ``neutral`` is given for it.
        """
        key = _key(recording_id, time_s, height)
        if key in self._reasons:
            return neutral(height)
        image = self.cached(recording_id, time_s, height)
        if image is None:
            self.request(recording_id, time_s, height)
        return image

    def reason(self, recording_id: str, time_s: float, height: int = 96) -> str:
        """Why there is no picture; "" where nothing failed."""
        return self._reasons.get(_key(recording_id, time_s, height), "")

    def close_view(self) -> None:
        """Stop the thread and close the recordings."""
        with suppress(ValueError):
            self._state.session_changed.disconnect(self._session_changed)
            self._state.tracks_changed.disconnect(self._forget_track)
        decoder = self._decoder
        self._forget()
        if decoder is not None:
            decoder.wait()

    def _session_changed(self) -> None:
        """Another session: nothing of the old one is shown any more. The same: what failed may work now."""
        if self._decoder is not None and self._decoder.session is self._state.session:
            self._reasons.clear()
            self._decoder.look_again()
        else:
            self._forget()

    def _forget(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()
        self._images.clear()
        self._reasons.clear()
        self._bytes = 0

    def _forget_track(self, recording_id: str) -> None:
        """A new track may show another part of the picture."""
        self._reasons = {key: why for key, why in self._reasons.items() if key[0] != recording_id}
        for key in [key for key in self._images if key[0] == recording_id]:
            self._bytes -= self._images.pop(key).sizeInBytes()
        if self._decoder is not None:
            self._decoder.look_again()

    @Slot(object)
    def _arrived(self, told: "_Told") -> None:
        decoder, key, time_s, found, why = told
        if decoder is not self._decoder:
            return  # of a session that was closed meanwhile
        if found is None:
            self._reasons[key] = why
            self.failed.emit(key[0], time_s, why)
            return
        self._reasons.pop(key, None)
        image = found if isinstance(found, QImage) else to_image(found)
        self._keep(key, image)
        self.ready.emit(key[0], time_s, image)

    def _keep(self, key: Key, image: QImage) -> None:
        old = self._images.pop(key, None)
        self._bytes += image.sizeInBytes() - (old.sizeInBytes() if old is not None else 0)
        self._images[key] = image
        while self._bytes > _MOST_BYTES and len(self._images) > 1:
            self._bytes -= self._images.popitem(last=False)[1].sizeInBytes()


class _Decoder:
    """The thread: takes the newest wish, tells what came of it."""

    def __init__(self, session: "vp.sessions.Session", voice: Voice) -> None:
        self.session = session
        self._voice = voice
        self._wishes: OrderedDict[Key, float] = OrderedDict()
        self._change = threading.Condition()
        self._closed = False
        self._sources: dict[str, vp.sessions.PictureSource] = {}
        self._thread = threading.Thread(target=self._run, name="thumbnails", daemon=True)
        self._thread.start()

    def wish(self, key: Key, time_s: float) -> None:
        """Put a wish before all others."""
        with self._change:
            self._wishes[key] = time_s
            self._wishes.move_to_end(key)
            while len(self._wishes) > _MOST_WAITING:
                self._wishes.popitem(last=False)
            self._change.notify()

    def look_again(self) -> None:
        """Tracks have changed."""
        with self._change:
            self._sources = {}

    def close(self) -> None:
        """End it, after the picture that is being made."""
        with self._change:
            self._closed = True
            self._wishes.clear()
            self._change.notify()

    def wait(self) -> None:
        """Until it has ended; not forever, because one picture of a strange file may take long."""
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        pictures = vp.sessions.SessionPictures()
        cache = vp.sessions.ThumbnailCache(self.session.folder / "cache" / "thumbnails")
        try:
            while (wish := self._next()) is not None:
                key, time_s = wish
                try:
                    self._say(key, time_s, self._pixels(pictures, cache, key, time_s), "")
                except (vp.VPScienceError, OSError) as error:
                    self._say(key, time_s, None, str(error))
                except Exception as error:  # a broken file must not end the pictures of all others
                    self._say(key, time_s, None, f"{type(error).__name__}: {error}")
        finally:
            pictures.close()
            self._voice.end()

    def _next(self) -> tuple[Key, float] | None:
        with self._change:
            while not self._wishes and not self._closed:
                self._change.wait()
            if self._closed:
                return None
            return self._wishes.popitem()

    def _pixels(
        self, pictures: "vp.sessions.SessionPictures", cache: "vp.sessions.ThumbnailCache", key: Key, time_s: float
    ) -> np.ndarray:
        recording_id, milliseconds, height = key
        with self._change:
            source = self._sources.get(recording_id)
        if source is None:
            source = vp.sessions.picture_source(self.session, recording_id)
            with self._change:
                self._sources[recording_id] = source
        name = (*source.stamp(), milliseconds, height)
        pixels = cache.get(*name)
        if pixels is None:
            pixels = pictures.picture(source, time_s, height)
            cache.put(pixels, *name)
        return pixels

    def _say(self, key: Key, time_s: float, pixels: np.ndarray | None, why: str) -> None:
        if not self._closed:
            self._voice.say((self, key, time_s, pixels, why))


_Told = tuple[_Decoder | None, Key, float, np.ndarray | QImage | None, str]


def to_image(pixels: np.ndarray) -> QImage:
    """RGB pixels as an image with memory of its own."""
    packed = np.ascontiguousarray(pixels)
    height, width, _ = packed.shape
    return QImage(packed.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def neutral(height: int) -> QImage:
    """What is shown where there is no picture: a grey field, crossed out."""
    image = QImage(max(1, height * 4 // 3), height, QImage.Format.Format_RGB888)
    image.fill(_NEUTRAL)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(_NEUTRAL_SIGN, max(1, height // 32)))
    side = max(2, height // 4)
    left, top = (image.width() - side) // 2, (height - side) // 2
    painter.drawEllipse(left, top, side, side)
    painter.drawLine(left + side // 7, top + side // 7, left + side - side // 7, top + side - side // 7)
    painter.end()
    return image


def _key(recording_id: str, time_s: float, height: int) -> Key:
    return recording_id, round(time_s * 1000), int(height)
