"""What a full disk and other refusals of the file system come to, said before and after they happen."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vp_science.errors import StoreError

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_WRONG_KIND = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST}
_ZEROS = bytes(1 << 20)


def reserve(path: Path, num_bytes: int) -> None:
    """Grow a file to a size for which the file system has really set blocks aside.

    HDF5 crashes the process when the disk fills up under it, so the room is claimed before HDF5 opens the file.

    Args:
        path: an existing file.
        num_bytes: its size afterwards, at least.

    Raises:
        OSError: when there is no room.
    """
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        if size >= num_bytes:
            return
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), size, num_bytes - size)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                    raise
            else:
                return
        file.seek(size)
        while (left := num_bytes - file.tell()) > 0:
            file.write(_ZEROS[:left])
        file.flush()
        os.fsync(file.fileno())


def sync_file(path: Path) -> None:
    """Flush a closed file to the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


@contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn what the file system says into what the user can do.

    Raises:
        StoreError: for every OSError inside the block.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(write_error(path, error)) from error


def write_error(path: Path, error: OSError) -> str:
    """The message about a file that could not be written."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if isinstance(error.filename, str) and error.filename != str(path):
        reason = f"{reason}: {error.filename}"
    if error.errno in _FULL:
        return (
            f"cannot write {path}: the disk is full, or a quota or size limit is reached ({reason}). What was finished "
            "is kept: free space and run the same command again to go on from there"
        )
    if error.errno in _FORBIDDEN:
        return (
            f"cannot write {path}: the folder is read-only or belongs to someone else ({reason}). "
            "Choose another output folder (--out), or ask for permission to write there"
        )
    if error.errno in _WRONG_KIND:
        return (
            f"cannot write {path}: expected a file below a folder, found something else in its place ({reason}). "
            "Move it away, or choose another output folder (--out)"
        )
    if error.errno == errno.ENAMETOOLONG:
        return (
            f"cannot write {path}: the name is too long for the file system ({reason}). "
            "Rename the recording, or choose an output folder with a shorter path (--out)"
        )
    return f"cannot write {path}: {reason}. What was finished is kept: run the same command again to go on from there"
