"""Files that are complete or not there, the hash that identifies one, and where files of this user lie."""

import hashlib
import os
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from vp_science.typing import StrPath


def write_atomically(path: Path, write: Callable[[BinaryIO], object], *, shared: bool = False) -> None:
    """Write a file under a temporary name beside it, flush it to the disk, then rename it.

    Args:
        path: the final name; what was there is replaced in one step.
        write: writes the content to an open file.
        shared: several processes may write this file at once, so each needs a temporary name of its own; otherwise the
            name is ``path`` with ``.tmp`` behind it, which the next run cleans up after a kill.

    Raises:
        OSError: when the file system refuses; then the temporary file is removed.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp" if shared else f"{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def sync_folder(path: Path) -> None:
    """Flush the names in a folder to the disk, where the system can."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def hash_file(path: StrPath) -> str:
    """sha256 (hex) of a whole file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def user_folder() -> Path:
    """Where this user's settings of vp-science lie (``VP_SCIENCE_CONFIG`` says another place)."""
    if given := os.environ.get("VP_SCIENCE_CONFIG"):
        return Path(given)
    if os.name == "nt":
        base = Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming"))
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"))
    return base / "vp-science"


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
