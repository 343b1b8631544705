"""Pictures of moments: frames of the recordings that tracks were made from, for people to look at."""

from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from types import TracebackType

import numpy as np
from jaxtyping import Float64, UInt8

from vp_science.animals import Poses, follow_animals, pose_file_of
from vp_science.errors import PoseError, RecordingError, SettingsError, StoreError
from vp_science.files import hash_file
from vp_science.probes.sources import Recordings, find_sources, open_source, preprocess_of
from vp_science.recordings import Recording
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.ethogram import frame_edges
from vp_science.timeline.names import listed
from vp_science.video.crop_path import FollowSettings
from vp_science.video.preprocess import Preprocess

_MAX_HEIGHT = 4320
_MAX_FRAMES = 64
_WIDEST = 8
"""Pictures are at most this many times as wide as high; a stranger shape is squeezed."""
_GAP = 2
_BEYOND_S = 1.0
"""Times this far outside a recording show its first or last frame: tables round, and the last window may reach out."""


class PictureBook:
    """Frames of many recordings, looked up by time; a context manager.

    A picture shows the part of the frame that the encoder saw (the region of interest, or the middle that
    ``fit="crop"`` kept) in its natural proportions. A track does not say where its animal was in each frame, so the
    pictures of followed animals need the pose files (``poses``): with them they are cut, and turned, as they were for
    the encoder, and black where the animal was not seen; without them the whole frame is shown.

    Recordings are matched to tracks by name, opened when they are first needed and checked to be the ones the tracks
    were made from; a few stay open. Open recordings that were given stay open when the book is closed.

    Args:
        recordings: a folder, a pattern, files or open recordings.
        tracks: of which pictures are wanted; they may be closed already.
        poses: pose files of followed animals: a folder, a pattern, or files by recording (see ``pose_file_of``).
        max_open: recordings that are open at once.

    Raises:
        ProbeError: listing the tracks whose recording is not among them.
        SettingsError: when a folder or pattern holds no recording.
    """

    def __init__(
        self,
        recordings: Recordings,
        tracks: Sequence[EmbeddingTable],
        *,
        poses: Poses | None = None,
        max_open: int = 4,
    ) -> None:
        if max_open < 1:
            raise SettingsError(f"expected at least 1 open recording, found max_open={max_open}")
        self._tracks = {track.recording_id: track for track in tracks}
        self._sources = dict(zip(self._tracks, find_sources(recordings, list(self._tracks.values())), strict=True))
        self._poses = poses
        self._max_open = max_open
        self._open: OrderedDict[str, Recording] = OrderedDict()  # by the recording that tracks were made from
        self._checked: dict[str, Recording] = {}  # by track: the recording, or the animal in it
        self._in_use: Counter[str] = Counter()

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """Of the tracks, in their order."""
        return tuple(self._tracks)

    def extent_s(self, recording_id: str) -> tuple[float, float]:
        """When the recording of a track begins, and when its last frame ends, in seconds.

        Raises:
            SettingsError, RecordingError, ProbeError, PoseError: see ``frame``.
        """
        with self._borrow(recording_id) as recording:
            edges = frame_edges(recording.time_s)
            return float(edges[0]), float(edges[-1])

    def width(self, recording_id: str, height: int) -> int:
        """How wide pictures of this height are, in pixels.

        Raises:
            SettingsError, RecordingError, ProbeError, PoseError: see ``frame``.
        """
        with self._borrow(recording_id) as recording:
            return _plan(recording, self._tracks[recording_id], height).width

    def frame(self, recording_id: str, time_s: int | float, height: int) -> UInt8[np.ndarray, "h w 3"]:
        """The frame on screen at a time.

        Args:
            recording_id: of a track (``<recording>@<animal>`` for a followed one).
            time_s: on the clock of the recording, in seconds.
            height: of the picture in pixels.

        Raises:
            SettingsError: when the recording or the height is not one.
            RecordingError: when the recording cannot be read, or the time lies outside of it.
            ProbeError: when it is not the one the track was made from.
            PoseError: when the pose file is missing, or another one.
        """
        return next(self._pictures(recording_id, np.array([time_s], np.float64), height))

    def strip(
        self,
        recording_id: str,
        start_s: int | float,
        stop_s: int | float,
        *,
        num_frames: int = 6,
        height: int = 96,
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Frames of a span, evenly spread, side by side with thin white gaps.

        Args:
            recording_id: of a track.
            start_s: from here, in seconds.
            stop_s: up to here; each frame is in the middle of its share of the span.
            num_frames: how many.
            height: of the strip in pixels.

        Raises:
            SettingsError: when the span, the number or the height makes no sense.
            RecordingError, ProbeError, PoseError: see ``frame``.
        """
        _check_span(start_s, stop_s)
        if not 1 <= num_frames <= _MAX_FRAMES:
            raise SettingsError(f"expected a strip of 1 to {_MAX_FRAMES} frames, found num_frames={num_frames}")
        times = start_s + (np.arange(num_frames) + 0.5) * ((stop_s - start_s) / num_frames)
        pictures = list(self._pictures(recording_id, times, height))
        gap = np.full((height, _GAP, 3), 255, np.uint8)
        return np.concatenate(list(chain.from_iterable((gap, picture) for picture in pictures))[1:], axis=1)

    def frames(
        self, recording_id: str, start_s: int | float, stop_s: int | float, *, fps: int | float, height: int
    ) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """The frames of a span at a constant rate, decoded in order, each once: a frame on screen longer comes again.

        Args:
            recording_id: of a track.
            start_s: time of the first one, in seconds.
            stop_s: up to here; there is always at least one frame.
            fps: frames per second.
            height: in pixels.

        Raises:
            SettingsError: when the span, the rate or the height makes no sense.
            RecordingError, ProbeError, PoseError: see ``frame``.
        """
        _check_span(start_s, stop_s)
        if not 0 < fps <= 1000:
            raise SettingsError(f"expected between 0 and 1000 frames per second, found fps={fps}")
        count = max(1, round((stop_s - start_s) * fps))
        return self._pictures(recording_id, start_s + np.arange(count) / fps, height)

    def close(self) -> None:
        """Close what this book opened."""
        for name in list(self._open):
            self._forget(name)

    def __enter__(self) -> "PictureBook":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pictures(
        self, recording_id: str, times_s: Float64[np.ndarray, " n"], height: int
    ) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """The pictures at increasing times."""
        with self._borrow(recording_id) as recording:
            index = _on_screen(recording, times_s)
            wanted, count = np.unique(index, return_counts=True)
            plan = _plan(recording, self._tracks[recording_id], height)
            for frame, times in zip(recording.decode(wanted, plan), count.tolist(), strict=True):
                for _ in range(times):
                    yield frame.pixels

    @contextmanager
    def _borrow(self, recording_id: str) -> Iterator[Recording]:
        """An open recording that is not closed meanwhile."""
        if recording_id not in self._tracks:
            raise SettingsError(
                f"expected a recording among {listed(list(self._tracks)) or '(none)'}, found {recording_id!r}"
            )
        track = self._tracks[recording_id]
        name = track.bout_recording
        self._in_use[name] += 1
        try:
            if recording_id not in self._checked:
                self._checked[recording_id] = self._opened(name, track)
            if name in self._open:
                self._open.move_to_end(name)
            yield self._checked[recording_id]
        finally:
            self._in_use[name] -= 1
            self._close_some()

    def _opened(self, name: str, track: EmbeddingTable) -> Recording:
        """The recording of a track, or the animal in it."""
        source = self._sources[track.recording_id]
        recording = open_source(self._open.get(name, source), track)
        if not isinstance(source, Recording):
            self._open[name] = recording
        return recording if self._poses is None or not track.subject else self._followed(recording, track, self._poses)

    def _followed(self, recording: Recording, track: EmbeddingTable, poses: Poses) -> Recording:
        alone = len({other.bout_recording for other in self._tracks.values()}) == 1
        pose_file = pose_file_of(track.bout_recording, recording.path, poses, alone=alone)
        animals, sha256, settings = _recorded_following(track)
        names = [name for name in (track.subject, track.target) if name]
        subjects = dict(zip(animals, names, strict=True))
        found = follow_animals(recording, pose_file, settings, subjects=subjects, pairs=bool(track.target))
        if (given := hash_file(pose_file)) != sha256:
            raise PoseError(
                f"{pose_file}: expected the pose file that the track of {track.recording_id!r} was made with (sha256 "
                f"{sha256[:12]}...), found another one ({given[:12]}...): give the original one, or none"
            )
        return next(one for one in found if (one.subject, one.target) == (track.subject, track.target))

    def _close_some(self) -> None:
        for name in list(self._open):
            if len(self._open) <= self._max_open:
                return
            if not self._in_use[name]:
                self._forget(name)

    def _forget(self, name: str) -> None:
        self._open.pop(name).close()
        self._checked = {key: kept for key, kept in self._checked.items() if self._tracks[key].bout_recording != name}


def _check_span(start_s: int | float, stop_s: int | float) -> None:
    if not -np.inf < start_s <= stop_s < np.inf:
        raise SettingsError(f"expected start_s <= stop_s in seconds, found {start_s} and {stop_s}")


def _on_screen(recording: Recording, times_s: Float64[np.ndarray, " n"]) -> np.ndarray:
    """The frame that is shown at each time."""
    edges = frame_edges(recording.time_s)
    first, last = float(edges[0]) - _BEYOND_S, float(edges[-1]) + _BEYOND_S
    if not ((times_s >= first) & (times_s <= last)).all():
        raise RecordingError(
            f"{recording.id}: expected times from {edges[0]:.3f} to {edges[-1]:.3f} s, found "
            f"{times_s.min():.3f} to {times_s.max():.3f} s: give times on the clock of the recording"
        )
    # Rounding to a microsecond keeps a time that was computed just short of a frame's own on that frame.
    index = np.searchsorted(recording.time_s, times_s + 1e-6, side="right") - 1
    return np.clip(index, 0, recording.num_frames - 1).astype(np.int64)


def _plan(recording: Recording, track: EmbeddingTable, height: int) -> Preprocess:
    """What the encoder saw of a frame, in natural proportions and at this height."""
    if not 1 <= height <= _MAX_HEIGHT:
        raise SettingsError(f"expected a height of 1 to {_MAX_HEIGHT} pixels, found {height}")
    made = preprocess_of(track)
    if "follow" in recording.source:  # the picture is a square; the region of interest is of the frame around it
        return Preprocess(height, height, "squash", made.crop)
    if track.subject:  # the fit was that of the picture around the animal
        made = replace(made, fit="squash")
    x, y, wide, high = made.geometry(recording.width, recording.height).source
    width = min(max(1, round(height * wide / high)), _WIDEST * height)
    return Preprocess(height, width, "squash", (x, y, wide, high))


def _recorded_following(track: EmbeddingTable) -> tuple[list[str], str, FollowSettings]:
    """Names of the animals in the pose file, its sha256, and how pictures were cut, as the track tells."""
    follow = track.provenance.source["follow"]
    try:
        settings = dict(follow["settings"])
        axis = settings["axis"]
        settings["axis"] = None if axis is None else (str(axis[0]), str(axis[1]))
        animals = [str(name) for name in follow["pose"]["animals"]]
        if len(animals) != 1 + bool(track.target):
            raise ValueError(f"{len(animals)} animals")
        return animals, str(follow["pose"]["sha256"]), FollowSettings(**settings)
    except (KeyError, IndexError, TypeError, ValueError, SettingsError) as error:
        raise StoreError(
            f"{track.recording_id}: expected its track to say how the animal was followed, found something else "
            f"({error}): the file is damaged; make it again"
        ) from error
