"""Opens one local file with FFmpeg, and only that file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

import av
from av.container import InputContainer

from vp_science.errors import RecordingError

MAX_PIXELS = 1 << 27
"""Frames above 134 megapixels are refused before anything is allocated for them."""

_PLAYLISTS = {"hls", "concat", "dash", "rtsp", "sdp", "imf", "webm_dash_manifest"}
_BUFFER = 1 << 18
_FAILURES = (av.FFmpegError, OSError, ValueError, EOFError, MemoryError, LookupError)

DEMUX_FAILURES = (av.FFmpegError, OSError, LookupError)
"""What reading a packet may raise in a damaged file (PyAV looks up streams that appear half-way, hence LookupError)."""


class Media:
    """An open container, its video stream, and the file beneath.

    The file is read through a Python file object, so that its name is never taken for a protocol (``http:``,
    ``concat:``) or a pattern; whatever else a demuxer wants to open (playlists, external references) is refused.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO = path.open("rb")
        try:
            options = {"protocol_whitelist": "file", "enable_drefs": "0"}
            self.container: InputContainer = av.open(
                self._file, mode="r", container_options=options, buffer_size=_BUFFER, io_open=_refuse
            )
            self.stream = _video_stream(self.container, path)
        except BaseException:
            self._file.close()
            raise

    @property
    def share_read(self) -> float:
        """How much of the file was passed so far, 0 to 1."""
        size = os.fstat(self._file.fileno()).st_size
        return min(1.0, self._file.tell() / size) if size else 1.0

    def close(self) -> None:
        """Close the container and the file."""
        self.container.close()
        self._file.close()


def open_media(path: Path) -> Media:
    """Open a video file.

    Raises:
        RecordingError: when it is not there, not readable, or not video.
    """
    with media_errors(path):
        return Media(path)


@contextmanager
def media_errors(path: Path) -> Iterator[None]:
    """Turn FFmpeg's and the system's errors into our own, with the path and what to do."""
    try:
        yield
    except _PointsElsewhereError as error:
        raise RecordingError(
            f"{path}: expected a video, found a playlist that points to {str(error)!r}: pass the video files themselves"
        ) from error
    except (FileNotFoundError, av.error.FileNotFoundError) as error:
        raise RecordingError(f"{path}: expected a recording, found no such file: check the path") from error
    except (PermissionError, av.error.PermissionError) as error:
        raise RecordingError(f"{path}: expected a readable file, found no permission to read it") from error
    except _FAILURES as error:
        raise _not_video(path, error) from error


def _not_video(path: Path, error: Exception) -> RecordingError:
    size = path.stat().st_size if path.is_file() else 0
    if size == 0:
        return RecordingError(f"{path}: expected a video, found an empty file: copy or record it again")
    detail = str(getattr(error, "strerror", None) or error)
    log = getattr(error, "log", None)
    if log:
        detail += f" ({log[2].strip()})"
    return RecordingError(
        f"{path}: expected a video that FFmpeg can read, found {size} bytes that it cannot ({detail}): if the "
        f"recording "
        f"was cut off before it was finalised (an MP4 without its index), repair or re-export it; otherwise check "
        f"the file"
    )


class _PointsElsewhereError(Exception):
    """A demuxer wanted to open another file."""


def _refuse(url: str, *_: object) -> NoReturn:
    raise _PointsElsewhereError(url)


def _video_stream(container: InputContainer, path: Path) -> av.VideoStream:
    name = container.format.name
    if set(name.split(",")) & _PLAYLISTS:
        raise RecordingError(
            f"{path}: expected a video, found a playlist ({name}) that points to other files: pass those files "
            f"themselves"
        )
    pictures = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & pictures]
    if not streams:
        raise RecordingError(f"{path}: expected a video stream, found none (container {name}): check the file")
    best = container.streams.best("video")
    stream = best if isinstance(best, av.VideoStream) and best in streams else streams[0]
    if stream.codec_context is None:
        raise RecordingError(f"{path}: expected a video stream that FFmpeg decodes, found an unknown codec")
    if stream.codec_context.width * stream.codec_context.height > MAX_PIXELS:
        raise RecordingError(
            f"{path}: expected frames of at most {MAX_PIXELS} pixels, found {stream.codec_context.width} x "
            f"{stream.codec_context.height}: the header is damaged or hostile"
        )
    return stream
