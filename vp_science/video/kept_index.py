"""Indexes of videos on disk, so that a file is read through only once.

A file per video, named by a hash of its path, that says of which state of the video it is: its path, size and time of
change, and the FFmpeg that read it. Where any of these differs, or the file is not what it should be, the video is
indexed anew. The folder may be deleted at any time.
"""

import dataclasses
import hashlib
import json
import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from vp_science.files import write_atomically
from vp_science.video.index import VideoIndex, Watch, build_index

_SCHEMA = 1
_ENDING = ".index.npz"
_MOST_BYTES = 1 << 29
_MOST_FILES = 500
# SystemError: before Python 3.11.8 the parser that numpy reads headers with may fail where several threads use it
# (python/cpython#106905).
_BROKEN = (OSError, ValueError, KeyError, TypeError, EOFError, NotImplementedError, SystemError, zipfile.BadZipFile)

_FIELDS = {field.name: field.type for field in dataclasses.fields(VideoIndex)}
_FLAGS = ("numbered", "seekable", "truncated")
_PACKETS = ("packet_id", "packet_seek", "packet_frame", "packet_key", "packet_size", "packet_corrupt")
_FRAMES = ("frame_packet", "frame_start", "frame_settled")
_BOOLEAN = ("packet_key", "packet_corrupt")


class IndexFolder:
    """Makes indexes of videos, or finds those made before; give it to ``open_recording`` as ``indexer``.

    Args:
        folder: where they are kept; made when needed. A folder that cannot be written keeps nothing, and that is all.
        watch: is told how much of a file is read, 0 to 1, when it must be; what it raises ends the work.
        most_files: older ones are deleted beyond this number.
    """

    def __init__(self, folder: Path, watch: Watch | None = None, *, most_files: int | None = None) -> None:
        self._folder = folder
        self._watch = watch
        self._most_files = most_files

    def __call__(self, path: Path) -> VideoIndex:
        """The index of a video.

        Raises:
            RecordingError: when it holds no frames.
        """
        state = _state(path)
        place = self._folder / f"{hashlib.sha256(str(state['path']).encode()).hexdigest()[:32]}{_ENDING}"
        found = _load(place, state)
        if found is None:
            found = build_index(path, self._watch)
            with suppress(OSError):
                self._keep(place, found, state)
        return found

    def _keep(self, place: Path, index: VideoIndex, state: dict[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(place, lambda file: _write(file, index, state), shared=True)
        kept = sorted(self._folder.glob(f"*{_ENDING}"), key=lambda file: file.stat().st_mtime)
        for old in kept[: -(self._most_files or _MOST_FILES)]:
            old.unlink(missing_ok=True)


def _state(path: Path) -> dict[str, Any]:
    """What must be the same for an index to fit."""
    status = os.stat(path)
    return {
        "schema": _SCHEMA,
        "path": str(path.resolve()),
        "num_bytes": status.st_size,
        "changed_ns": status.st_mtime_ns,
        "libavformat": list(av.library_versions["libavformat"]),
    }


def _write(file: BinaryIO, index: VideoIndex, state: dict[str, Any]) -> None:
    facts = state | {name: getattr(index, name) for name in _FLAGS}
    arrays = {name: getattr(index, name) for name in (*_PACKETS, *_FRAMES)}
    if index.time_s is not None:
        arrays["time_s"] = index.time_s
    np.savez(file, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **arrays)


def _load(place: Path, state: dict[str, Any]) -> VideoIndex | None:
    """The index in a file; None when there is none that fits."""
    try:
        with zipfile.ZipFile(place) as archive:
            members = archive.infolist()
        if sum(member.file_size for member in members) > _MOST_BYTES or len(members) > len(_FIELDS) + 1:
            return None
        with np.load(place, allow_pickle=False) as stored:
            facts = json.loads(bytes(stored["facts"]))
            if {name: facts[name] for name in state} != state:
                return None
            arrays = {name: stored[name] for name in (*_PACKETS, *_FRAMES)}
            times = stored["time_s"] if "time_s" in stored.files else None
        numbered, seekable, truncated = (bool(facts[name]) for name in _FLAGS)
        if not _consistent(arrays, times, numbered):
            return None
        return VideoIndex(**arrays, time_s=times, numbered=numbered, seekable=seekable, truncated=truncated)
    except _BROKEN:
        return None


def _consistent(arrays: dict[str, np.ndarray], times: np.ndarray | None, numbered: bool) -> bool:
    """Whether the arrays fit each other: every number in them that is used as a place is one."""
    packets, frames = len(arrays["packet_id"]), len(arrays["frame_packet"])
    expected = [(name, packets) for name in _PACKETS] + [(name, frames) for name in _FRAMES]
    shaped = all(
        arrays[name].shape == (length,) and arrays[name].dtype == (np.bool_ if name in _BOOLEAN else np.int64)
        for name, length in expected
    )
    if not shaped or frames == 0 or (times is None) != numbered:
        return False
    if times is not None and not _increasing(times, frames):
        return False
    return (
        _within(arrays["frame_packet"], 0, packets)
        and _within(arrays["frame_start"], 0, packets)
        and _within(arrays["frame_settled"], 0, frames)
        and _within(arrays["packet_frame"], -1, frames)
    )


def _increasing(times: np.ndarray, frames: int) -> bool:
    if times.shape != (frames,) or times.dtype != np.float64 or times[0] != 0:
        return False
    return bool(np.isfinite(times).all() and (np.diff(times) > 0).all())


def _within(values: np.ndarray, low: int, end: int) -> bool:
    return bool(values.min() >= low and values.max() < end)
