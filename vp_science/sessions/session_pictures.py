"""Pictures of the moments of a session, for people: by recording and time, with few recordings open at once."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Float64, UInt8

from vp_science.errors import RecordingError, SettingsError, StoreError
from vp_science.recordings import Recording
from vp_science.sessions.peek import VideoPeek, peek
from vp_science.sessions.session import Session, find_track
from vp_science.sessions.tracks import places_of_tracks, track_path
from vp_science.sessions.viewing import find_viewing_copy
from vp_science.store.reader import open_embeddings
from vp_science.store.tables import EmbeddingTable
from vp_science.video.open import open_recording
from vp_science.video.preprocess import Preprocess

_MAX_HEIGHT = 2160
_WIDEST = 8
_ANIMAL = "@"
Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class PictureSource:
    """Where pictures come from.

    Attributes:
        path: of the recording.
        track: of it, or of an animal in it, None for none: its region of interest, or its animal, is what is shown.
        poses: pose file of a followed animal.
    """

    path: Path
    track: Path | None = None
    poses: Path | None = None

    def stamp(self) -> tuple[object, ...]:
        """Changes when the recording, or what is shown of it, does.

        Raises:
            RecordingError: when the recording is not there.
        """
        try:
            facts = self.path.stat()
            track = self.track.stat().st_mtime_ns if self.track is not None else 0
        except OSError as error:
            raise RecordingError(
                f"{self.path}: expected a recording, found {error.strerror or error}: say where it is now"
            ) from error
        return (self.path, facts.st_size, facts.st_mtime_ns, track, self.poses)


def picture_source(session: Session, recording_id: str) -> PictureSource:
    """Where the pictures of a recording (or of an animal followed in it, ``<recording>@<animal>``) come from.

    Raises:
        StoreError: when it is no recording of the session, or nobody knows where it lies.
    """
    whole = recording_id
    while whole not in session and _ANIMAL in whole:
        whole = whole.rpartition(_ANIMAL)[0]
    one = session.recording(whole if whole in session else recording_id)
    if one.path is None:
        raise StoreError(f"{whole}: expected a recording, found that it was moved: say where it is now")
    if whole == recording_id:
        return PictureSource(one.path, find_track(session, recording_id))
    tracks = (track_path(folder, recording_id) for folder in places_of_tracks(session.folder, one.path))
    return PictureSource(one.path, next((path for path in tracks if path.is_file()), None), one.poses)


class SessionPictures:
    """Opens recordings when pictures of them are wanted, and keeps a few open; used from one thread at a time.

    A picture shows what the encoder saw, in natural proportions: the region of interest of the track, or the animal
    that it follows where its poses are known; without a track the whole frame.

    Args:
        max_open: recordings that are open at once.
    """

    def __init__(self, max_open: int = 3) -> None:
        if max_open < 1:
            raise SettingsError(f"expected at least 1 open recording, found max_open={max_open}")
        self._max_open = max_open
        self._open: OrderedDict[tuple[object, ...], _Opened] = OrderedDict()

    def picture(self, source: PictureSource, time_s: int | float, height: int) -> UInt8[np.ndarray, "h w 3"]:
        """The frame on screen at a time.

        Args:
            source: from ``picture_source``.
            time_s: on the clock of the recording; beyond its ends the first or last frame is shown.
            height: in pixels.

        Raises:
            RecordingError: when the recording cannot be read.
            StoreError: when the track is damaged.
        """
        return next(self.pictures(source, np.array([time_s], np.float64), height))

    def pictures(
        self, source: PictureSource, times_s: Float64[np.ndarray, " n"], height: int
    ) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """The frames on screen at increasing times; see ``picture``."""
        if not 1 <= height <= _MAX_HEIGHT:
            raise SettingsError(f"expected a height of 1 to {_MAX_HEIGHT} pixels, found {height}")
        return self._opened(source).pictures(times_s, height)

    def close(self) -> None:
        """Close what is open."""
        while self._open:
            self._open.popitem()[1].close()

    def __enter__(self) -> "SessionPictures":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self, source: PictureSource) -> "_Opened":
        stamp = source.stamp()
        if stamp not in self._open:
            while len(self._open) >= self._max_open:
                self._open.popitem(last=False)[1].close()
            self._open[stamp] = _open(source)
        self._open.move_to_end(stamp)
        return self._open[stamp]


class _Opened:
    """A recording that is open, and the part of it that is shown."""

    def __init__(self, reader: VideoPeek | Recording, region: Region | None) -> None:
        self._reader = reader
        self._region = region

    def pictures(self, times_s: Float64[np.ndarray, " n"], height: int) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        plan = _plan(self._region, self._reader.width, self._reader.height, height)
        if isinstance(self._reader, VideoPeek):
            return self._reader.pictures(times_s, plan)
        return _decoded(self._reader, times_s, plan)

    def close(self) -> None:
        self._reader.close()


class _OpenedAnimal(_Opened):
    """An animal that is followed through a recording."""

    def __init__(self, recording: Recording, track: EmbeddingTable, poses: Path) -> None:
        from vp_science.pictures import PictureBook  # only for animals, because it takes a second to load

        super().__init__(recording, None)
        self._id = track.recording_id
        self._book = PictureBook([recording], [track], poses={track.bout_recording: poses})

    def pictures(self, times_s: Float64[np.ndarray, " n"], height: int) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        first, last = self._book.extent_s(self._id)
        for time_s in np.clip(times_s, first, last).tolist():
            yield self._book.frame(self._id, time_s, height)


def _open(source: PictureSource) -> _Opened:
    region: Region | None = None
    if source.track is not None:
        with open_embeddings(source.track) as track:
            if track.subject and source.poses is not None:
                recording = open_recording(source.path, recording_id=track.bout_recording)
                return _OpenedAnimal(recording, track, source.poses)
            crop = track.provenance.preprocess["crop"]
            region = tuple(int(value) for value in crop) if crop else None  # type: ignore[assignment]
    return _Opened(_look(source.path) or open_recording(source.path), region)


def _look(path: Path) -> VideoPeek | None:
    """The video, or the copy for viewing of it, whose key frames are close together."""
    look, copy = peek(path), find_viewing_copy(path)
    nearer = peek(copy) if look is not None and copy is not None else None
    if look is None or nearer is None:
        return look
    chosen, other = (nearer, look) if (nearer.width, nearer.height) == (look.width, look.height) else (look, nearer)
    other.close()
    return chosen


def _plan(region: Region | None, width: int, height: int, wanted: int) -> Preprocess:
    x, y, wide, high = Preprocess(wanted, wanted, "squash", region).geometry(width, height).source
    return Preprocess(wanted, min(max(1, round(wanted * wide / high)), _WIDEST * wanted), "squash", (x, y, wide, high))


def _decoded(
    recording: Recording, times_s: Float64[np.ndarray, " n"], plan: Preprocess
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    # Rounding to a microsecond keeps a time that was computed just short of a frame's own on that frame.
    index = np.clip(np.searchsorted(recording.time_s, times_s + 1e-6, side="right") - 1, 0, recording.num_frames - 1)
    wanted, counts = np.unique(index.astype(np.int64), return_counts=True)
    for frame, count in zip(recording.decode(wanted, plan), counts.tolist(), strict=True):
        for _ in range(count):
            yield frame.pixels
