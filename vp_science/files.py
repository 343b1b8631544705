"""Files that are complete or not there, and the hash that identifies one."""

import hashlib
import os
import secrets
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
