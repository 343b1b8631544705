"""One writer of a file at a time, and no reader meanwhile: the lock that HDF5 takes too."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vp_science.errors import StoreError

OPEN_ELSEWHERE = "another program has it open"
"""What a message says about a file that is in use; whoever can wait looks for it."""

_ADVICE = "Without --in-place the results go to files of their own (--out)"


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Open an existing file for reading and writing, and keep every other program from opening it meanwhile.

    HDF5 holds the same lock (``flock``) on every file it has open, so this finds out whether a program reads the
    file now, and makes it wait until we are done. It sees neither programs that run with HDF5_USE_FILE_LOCKING=FALSE
    nor those on other machines where the network file system does not pass locks on.

    Yields:
        The file descriptor.

    Raises:
        StoreError: when the file cannot be written, somebody has it open, or there are no locks here.
    """
    handle = _open(path)
    try:
        _lock(handle, path)
        yield handle
    finally:
        os.close(handle)  # this also lets go of the lock


def _open(path: Path) -> int:
    try:
        handle = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as error:
        raise StoreError(f"expected a recording at {path}, found no such file: check the name") from error
    except OSError as error:
        raise StoreError(
            f"cannot write into {path} ({os.strerror(error.errno or 0)}): ask for permission to write it. {_ADVICE}"
        ) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise StoreError(f"cannot write into {path}: expected a plain file, found something else. {_ADVICE}")
    return handle


def _lock(handle: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError as error:
        raise StoreError(f"cannot write into {path}: this system cannot lock files as HDF5 does. {_ADVICE}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            raise StoreError(
                f"cannot write into {path}: {OPEN_ELSEWHERE}. Close it there (MATLAB, a notebook, another "
                "run) and run the same command again"
            ) from error
        raise StoreError(
            f"cannot write into {path}: this file system has no file locks, so nothing would keep two programs from "
            f"writing at once ({os.strerror(error.errno or 0)}). {_ADVICE}"
        ) from error
