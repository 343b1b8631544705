"""Opens recordings for looking at, with their indexes kept where this user's caches lie."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from vp_science.errors import RecordingError
from vp_science.files import user_cache_folder as user_cache_folder
from vp_science.typing import StrPath
from vp_science.video.viewing import CACHE_BYTES, ViewingSource, open_source


def open_viewing(
    path: StrPath,
    cache_folder: StrPath | None = None,
    watch: Callable[[float], None] | None = None,
    cache_bytes: int = CACHE_BYTES,
) -> ViewingSource:
    """Open a recording for looking at: any frame, exactly, in any order, with previews until it is there.

    Opening a video for the first time reads through it; its index is kept in the cache folder. Where a copy for viewing
    lies there (``viewing_copy_path``) and agrees with the recording in frames and times, its pictures are shown; the
    times stay those of the recording.

    Args:
        path: what ``open_recording`` takes.
        cache_folder: a folder that may be deleted at any time; None takes the user's own.
        watch: is told how much of a video is read, 0 to 1; what it raises ends the work.
        cache_bytes: how much memory decoded pictures may take.

    Raises:
        RecordingError: when the recording cannot be read.
    """
    folder = user_cache_folder() if cache_folder is None else Path(cache_folder)
    source = open_source(Path(path), folder / "video_index", watch, cache_bytes)
    copy = find_viewing_copy(path, folder)
    if copy is None:
        return source
    try:
        shown = open_source(copy, folder / "video_index", watch, cache_bytes)
    except RecordingError:
        return source  # a copy that cannot be read (a cache may be damaged) is as good as none
    if not shown.stands_for(source):
        shown.close()
        return source
    source.close()
    return shown


def viewing_copy_path(path: StrPath, cache_folder: StrPath | None = None) -> Path:
    """Where the copy for viewing of a recording belongs, in its present state: another state has another copy.

    Raises:
        RecordingError: when the recording is not there.
    """
    where = Path(path).resolve()
    try:
        status = where.stat()
    except OSError as error:
        raise RecordingError(f"{where}: expected a recording, found none ({error.strerror}): check the path") from error
    state = hashlib.sha256(f"{where}\n{status.st_size}\n{status.st_mtime_ns}".encode()).hexdigest()[:16]
    folder = user_cache_folder() if cache_folder is None else Path(cache_folder)
    return folder / "viewing" / f"{where.stem}.{state}.mp4"


def find_viewing_copy(path: StrPath, cache_folder: StrPath | None = None) -> Path | None:
    """The copy for viewing of a recording, when one was made of its present state."""
    try:
        copy = viewing_copy_path(path, cache_folder)
    except RecordingError:
        return None
    return copy if copy.is_file() else None
