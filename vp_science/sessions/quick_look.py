"""What a list of recordings says about one before anybody opens it: length and size, from the header of the file."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av

from vp_science.batch import find_inputs
from vp_science.errors import RecordingError, VPScienceError
from vp_science.files import write_atomically
from vp_science.typing import StrPath
from vp_science.video.container import media_errors, open_media

_HDF5 = b"\x89HDF\r\n\x1a\n"
_FULL = frozenset({".h5", ".hdf5", ".he5", ".nwb", ".tif", ".tiff", ".npy", ".seq"})
"""Recordings that FFmpeg does not read; opening them is quick, because nothing is demuxed."""


@dataclass(frozen=True)
class QuickLook:
    """A recording as its header describes it; counts may be a little off for damaged or odd files.

    Attributes:
        duration_s: length in seconds, None when the header does not say.
        num_frames: frames, None when the header does not say.
        width: of a displayed frame in pixels, 0 when unknown.
        height: of a displayed frame in pixels, 0 when unknown.
        error: why it cannot be read, "" when it can.
    """

    duration_s: float | None = None
    num_frames: int | None = None
    width: int = 0
    height: int = 0
    error: str = ""

    @property
    def mean_fps(self) -> float | None:
        """Frames per second on average."""
        if not self.duration_s or self.num_frames is None:
            return None
        return self.num_frames / self.duration_s

    def grid_frames(self, fps: int | float | None) -> int | None:
        """About how many frames of a sample grid it gives; None when the header does not say."""
        if fps is None:
            return self.num_frames
        return None if self.duration_s is None else int(self.duration_s * fps) + 1


def find_recordings(inputs: Iterable[StrPath]) -> list[Path]:
    """The recordings in files, folders and patterns, as ``vp.embed`` finds them.

    Raises:
        SettingsError: when a folder or pattern holds none, or cannot be listed.
    """
    return [item.path for item in find_inputs(inputs)]


def quick_look(path: Path) -> QuickLook:
    """Read the header of a recording; what cannot be read has an ``error``, and nothing is raised."""
    try:
        if path.is_dir() or path.suffix.lower() in _FULL or _starts_like_hdf5(path):
            return _opened(path)
        return _header(path)
    except VPScienceError as error:
        return QuickLook(error=str(error))
    except OSError as error:
        return QuickLook(error=f"{path}: expected a readable recording, found {error.strerror or error}")


def _starts_like_hdf5(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_HDF5)) == _HDF5
    except FileNotFoundError:
        raise RecordingError(f"{path}: expected a recording, found no such file: check the path") from None


def _opened(path: Path) -> QuickLook:
    from vp_science.video.open import open_recording

    with open_recording(path) as recording:
        return QuickLook(recording.duration_s, recording.num_frames, recording.width, recording.height)


def _header(path: Path) -> QuickLook:
    media = open_media(path)
    try:
        with media_errors(path):
            stream = media.stream
            duration = _duration_s(media.container, stream)
            rate = stream.average_rate or stream.guessed_rate
            frames = int(stream.frames) or (round(duration * float(rate)) if duration and rate else None)
            width, height = _displayed_size(media.container, stream)
            return QuickLook(duration, frames, width, height)
    finally:
        media.close()


def _duration_s(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and container.duration > 0:
        return float(container.duration / av.time_base)
    return None


def _displayed_size(container: av.container.InputContainer, stream: av.VideoStream) -> tuple[int, int]:
    """Of the first frame that decodes: only a frame says how it is turned."""
    for frame in container.decode(stream):
        sideways = frame.rotation % 180 != 0
        return (frame.height, frame.width) if sideways else (frame.width, frame.height)
    return int(stream.width), int(stream.height)


class LookCache:
    """Quick looks that are kept in a file, so that a long list is complete at once the next time.

    Args:
        path: the file; one that is damaged or from elsewhere is started anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, dict[str, Any]] = {}
        self._used: dict[str, dict[str, Any]] = {}
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            self._known = record if isinstance(record, dict) else {}
        except (OSError, ValueError, RecursionError):
            pass

    def look(self, path: Path) -> QuickLook:
        """A quick look, kept from before if the file has not changed since."""
        key = _stamped(path)
        try:
            known = QuickLook(**self._known[key])
        except (KeyError, TypeError):
            known = quick_look(path)
        if key and not known.error:
            self._used[key] = asdict(known)
        return known

    def save(self) -> None:
        """Write what was looked at; a disk that refuses costs time the next time and nothing else."""
        if self._used == self._known:
            return
        content = json.dumps(self._known | self._used).encode()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, lambda file: file.write(content), shared=True)
        except OSError:
            return


def _stamped(path: Path) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return f"{path}|{status.st_size}|{status.st_mtime_ns}"
