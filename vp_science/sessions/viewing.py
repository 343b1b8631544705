"""Opens recordings for looking at, with their indexes kept where this user's caches lie."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from vp_science.sessions.places import user_folder
from vp_science.typing import StrPath
from vp_science.video.viewing import CACHE_BYTES, ViewingSource, open_source


def user_cache_folder() -> Path:
    """Where this user's caches of vp-science lie (below ``VP_SCIENCE_CONFIG`` where that is set).

    Everything in it may be deleted at any time.
    """
    if os.environ.get("VP_SCIENCE_CONFIG"):
        return user_folder() / "cache"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "vp-science" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "vp-science"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vp-science"


def open_viewing(
    path: StrPath,
    cache_folder: StrPath | None = None,
    watch: Callable[[float], None] | None = None,
    cache_bytes: int = CACHE_BYTES,
) -> ViewingSource:
    """Open a recording for looking at: any frame, exactly, in any order, with previews until it is there.

    Opening a video for the first time reads through it; its index is kept in the cache folder.

    Args:
        path: what ``open_recording`` takes.
        cache_folder: a folder that may be deleted at any time; None takes the user's own.
        watch: is told how much of a video is read, 0 to 1; what it raises ends the work.
        cache_bytes: how much memory decoded pictures may take.

    Raises:
        RecordingError: when the recording cannot be read.
    """
    folder = user_cache_folder() if cache_folder is None else Path(cache_folder)
    return open_source(Path(path), folder / "video_index", watch, cache_bytes)
