"""One process per output: a lock that dies with its process, on a file that is deleted when the work is done."""

import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from vp_science.errors import StoreError

LOCK_NAME = "lock"
_ATTEMPTS = 20

WRITTEN_ELSEWHERE = "another process is writing"
"""How a message begins about a file that is being written; whoever can wait looks for it."""


class FolderLock:
    """Holds a folder for this process until ``release``; the system releases it when the process is killed.

    The holder before may delete the lock file (and the folder) when it has finished. Whoever was about to lock the
    deleted file would then hold nothing, so after locking we check that the name still leads to the same file.
    """

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock

    @classmethod
    def acquire(cls, folder: Path, output: Path) -> "FolderLock":
        """Make the folder and lock it, without waiting.

        Args:
            folder: where the work in progress lies; made when it is missing.
            output: what the work is for; named in the message.

        Raises:
            StoreError: when another process holds it, the folder is a link, or the file system has no locks.
            OSError: when the folder cannot be made or written.
        """
        for _ in range(_ATTEMPTS):
            if folder.is_symlink():
                raise StoreError(f"expected {folder} to be a plain folder, found a link: remove the link")
            folder.mkdir(parents=True, exist_ok=True)
            try:
                lock = _try_lock(folder / LOCK_NAME)
            except FileNotFoundError:
                continue
            except Timeout as error:
                raise StoreError(_busy(output)) from error
            except NotImplementedError as error:
                raise StoreError(
                    f"cannot lock {folder / LOCK_NAME}: this file system has no file locks. "
                    "Choose an output folder on a local disk (--out)"
                ) from error
            if lock is not None:
                return cls(lock)
        raise StoreError(_busy(output))

    def release(self) -> None:
        """Let go; the lock file stays if the folder does."""
        self._lock.release()

    def remove(self, folder: Path) -> None:
        """Delete the lock file and the (then empty) folder while holding them, and let go."""
        path = folder / LOCK_NAME
        if os.name == "nt":  # an open file cannot be deleted there, neither by us nor under the next holder
            self._lock.release()
        with suppress(OSError):
            path.unlink(missing_ok=True)
        self._lock.release()
        with suppress(OSError):
            folder.rmdir()


def _try_lock(path: Path) -> FileLock | None:
    """Lock a file, or None when its name led elsewhere meanwhile."""
    # Holding the file open keeps its inode number from being used again: equal numbers mean the same file.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    try:
        lock = FileLock(path, timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            if not _leads_to(path, handle):
                return None
            raise
        if not _leads_to(path, handle):
            lock.release()
            return None
        return lock
    finally:
        os.close(handle)


def _leads_to(path: Path, handle: int) -> bool:
    held = os.fstat(handle)
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)


def _busy(output: Path) -> str:
    return (
        f"{WRITTEN_ELSEWHERE} {output}: wait until it has finished, "
        "or choose another output folder (--out) for this one"
    )
