"""The labels of a session on disk: a log, so that a crash at any instant loses at most the edit being written.

``labels.log.jsonl``: the first line names format and schema; every other line is one edit: its name and, for every
element it touches, the state after it (``null`` or ``false``: gone), with a checksum in front. Reading the log from the
top gives the labels. Lines are appended and flushed to the disk in a thread of their own, so that nobody waits; a log
with much history is written anew when its session is closed. A torn last line is what a power failure leaves: it is put
aside and named.
"""

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from vp_science.errors import StoreError
from vp_science.files import sync_folder, write_atomically
from vp_science.sessions.edits import Edit
from vp_science.sessions.label_lines import book_lines, closed_line, edit_line, head_line, read_log
from vp_science.sessions.labelbook import LabelBook
from vp_science.sessions.places import user_folder

LOG_NAME = "labels.log.jsonl"
_MUCH_HISTORY_BYTES = 4 << 20
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Recovery:
    """What opening a log found.

    Attributes:
        edits: how many edits were read.
        crashed: the session was not closed in order the last time.
        torn: where the bytes of an incomplete end were put, None when there was none.
    """

    edits: int
    crashed: bool
    torn: Path | None


@dataclass
class _Task:
    """Something that the writing thread shall do and say when it is done."""

    book: LabelBook | None
    last: bool
    done: threading.Event


class LabelLog:
    """Writes every edit of a label book to disk; made by ``open_label_log``.

    Attributes:
        path: the log.
        book: the label book.
        recovery: what opening found.
        error: why writing failed, None while all is well. Edits wait in memory meanwhile, and the next edit, ``retry``
            and ``save`` try again.
        kept: where a file was put that another program made of the log meanwhile, None when that did not happen.
    """

    def __init__(self, path: Path, book: LabelBook, recovery: Recovery, size: int) -> None:
        self.path = path
        self.book = book
        self.recovery = recovery
        self.error: str | None = None
        self.kept: Path | None = None
        self._size = size
        self._half = self._lost = self._closed = False
        self._pending: list[Edit] = []
        self._made = self._written = 0
        self._queue: SimpleQueue[Edit | _Task] = SimpleQueue()
        self._unsubscribe = book.subscribe(self._append)
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """How many edits are not on disk yet."""
        return self._made - self._written

    def flush(self, timeout_s: float = _PATIENCE_S) -> bool:
        """Wait until every edit made so far is on disk; False when it did not come about."""
        if self._thread is None:
            return self.error is None
        return self._ask(None).wait(timeout_s) and self.error is None

    def retry(self) -> None:
        """Try again to write what waits, without waiting for it."""
        self._ask(self.book.copy() if self._lost else None)

    def save(self) -> None:
        """Write the log anew without history, then go on appending.

        Raises:
            StoreError: when the disk refuses; the old log stays.
        """
        done = self._ask(self.book.copy())
        if not done.wait(_PATIENCE_S) or self.error is not None:
            raise StoreError(
                f"{self.error or f'cannot write {self.path} in time'}: make room or choose another folder; the labels "
                "are still in memory"
            )

    def close(self) -> None:
        """Write what is left and stop.

        Raises:
            StoreError: when the disk refuses; it says where the labels were written instead.
        """
        if self._closed:
            return
        self._closed = True
        self._unsubscribe()
        if self._thread is not None or self.recovery.crashed:
            much = self._size > _MUCH_HISTORY_BYTES
            self._ask(self.book.copy() if much or self._lost else None, last=True).wait(_PATIENCE_S)
            assert self._thread is not None
            self._thread.join(_PATIENCE_S)
            self._thread = None
        if self.waiting:
            raise StoreError(f"{self.error}: {_rescued(self.book, self.path)}")

    # ---- the thread that writes

    def _append(self, edit: Edit) -> None:
        self._made += 1
        self._start()
        self._queue.put(edit)
        if self._lost:
            self.retry()

    def _ask(self, book: LabelBook | None, *, last: bool = False) -> threading.Event:
        self._start()
        task = _Task(book, last, threading.Event())
        self._queue.put(task)
        return task.done

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="label-log", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            item = self._queue.get()
            if isinstance(item, Edit):
                self._pending.append(item)
                if self._queue.empty():
                    self._write(None, closing=False)
                continue
            self._write(item.book, closing=item.last)
            item.done.set()
            if item.last:
                return

    def _write(self, book: LabelBook | None, *, closing: bool) -> None:
        """Bring the file up to date; what is pending stays so when the disk refuses."""
        ready = len(self._pending)
        try:
            if book is not None:
                self._write_anew(book)
            elif ready or closing:
                self._write_lines(edit_line(edit) for edit in self._pending)
            self._written += ready
            del self._pending[:ready]
            if closing and self._size:
                self._write_lines([closed_line()])
            self.error = None
        except OSError as error:
            self.error = f"cannot write {self.path} ({error.strerror or error}): labels are only in memory"
        except StoreError as error:
            self.error = str(error)

    def _write_anew(self, book: LabelBook) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._lost and self.path.exists():
            self.kept = free_name(self.path, "other")
            self.path.replace(self.kept)
        write_atomically(self.path, lambda file: file.writelines(book_lines(book)))
        sync_folder(self.path.parent)
        self._size, self._half, self._lost = self.path.stat().st_size, False, False

    def _write_lines(self, lines: Iterable[bytes]) -> None:
        data = b"".join(lines)
        if self._size == 0:
            data = head_line() + data if data else b""
        there = self.path.stat().st_size if self.path.exists() else 0
        if there < self._size or (there > self._size and not self._half):
            self._lost = True
            raise StoreError(
                f"{self.path}: expected the {self._size} bytes that this session wrote, found {there}: another program "
                "changed the file; labels are only in memory until they are saved again"
            )
        self._half = True
        append_at(self.path, self._size, data)
        self._half = False
        self._size += len(data)


def append_at(path: Path, size: int, data: bytes) -> None:
    """Write behind the first so many bytes of a file; what a failed attempt left there goes.

    Raises:
        OSError: when the disk refuses; then the file may hold a part of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    try:
        os.ftruncate(handle, size)
        os.lseek(handle, size, os.SEEK_SET)
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def free_name(path: Path, word: str) -> Path:
    """A name beside a file that is not taken."""
    number = 1
    while (candidate := path.with_name(f"{path.name}.{word}-{number}")).exists():
        number += 1
    return candidate


def open_label_log(path: Path) -> LabelLog:
    """Read the labels of a session (none when the log is not there) and log what happens to them from now on.

    Raises:
        StoreError: when the file is not a log of labels, or is damaged before its last line.
    """
    found = read_log(path)
    torn = None
    if found.rest:
        torn = free_name(path, "torn")
        try:
            write_atomically(torn, lambda file: file.write(found.rest))
            append_at(path, found.good, b"")
        except OSError as error:
            raise StoreError(f"cannot write {path} ({error.strerror or error}): choose another folder") from error
    return LabelLog(path, found.book, Recovery(found.edits, not found.closed, torn), found.good)


def read_labels(path: Path) -> LabelBook:
    """The labels in a log, which another process may be writing; nothing is changed.

    Raises:
        StoreError: as ``open_label_log``.
    """
    return read_log(path).book


def _rescued(book: LabelBook, path: Path) -> str:
    """Labels that their own disk does not take, on the disk of the user's settings."""
    place = user_folder() / "rescued" / f"{path.parent.parent.name}-{LOG_NAME}"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place = free_name(place, "copy") if place.exists() else place
        write_atomically(place, lambda file: file.writelines(book_lines(book)))
    except OSError as error:
        return f"the last edits are lost, because {place} cannot be written either ({error.strerror or error})"
    return f"all labels were written to {place} instead; copy it over {path} once there is room"
