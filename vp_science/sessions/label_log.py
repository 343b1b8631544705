"""The labels of a session on disk: a log, so that a crash at any instant loses at most the edit being written.

``labels.log.jsonl``: the first line names format and schema; every other line is one edit: its name and, for every
element it touches, the state after it (``null``: gone), with a checksum in front. Reading the log from the top gives
the labels. Lines are appended and flushed to the disk in a thread of their own, so that nobody waits; now and then the
log is written anew without history. A torn last line is what a power failure leaves: it is put aside and named.
"""

import json
import os
import queue
import threading
import zlib
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from vp_science.errors import AnnotationError, StoreError
from vp_science.files import sync_folder, write_atomically
from vp_science.sessions.bout import Bout, Observed
from vp_science.sessions.edits import Edit, Place
from vp_science.sessions.labelbook import LabelBook
from vp_science.timeline.behaviors import Behaviors

LOG_NAME = "labels.log.jsonl"
_HEAD = {"format": "vp_science.labels", "schema": 1}
_MOST_BYTES = 2 << 30
_PER_LINE = 200


@dataclass(frozen=True)
class Recovery:
    """What opening a log found.

    Attributes:
        edits: how many edits were read.
        torn: where the bytes of an incomplete or damaged end were put, None when there was none.
    """

    edits: int
    torn: Path | None


class LabelLog:
    """Writes every edit of a label book to disk; made by ``open_label_log``.

    Attributes:
        path: the log.
        book: the label book.
        recovery: what opening found.
        error: why writing failed, None while all is well. Edits wait in memory meanwhile and ``save`` tries again.
    """

    def __init__(self, path: Path, book: LabelBook, recovery: Recovery) -> None:
        self.path = path
        self.book = book
        self.recovery = recovery
        self.error: str | None = None
        self._queue: queue.Queue[bytes | threading.Event | None] = queue.Queue()
        self._unsubscribe = book.subscribe(self._append)
        self._thread: threading.Thread | None = None

    def _append(self, edit: Edit) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_lines, name="label-log", daemon=True)
            self._thread.start()
        self._queue.put(edit_line(edit))

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until every edit made so far is on disk; False when it did not come about."""
        if self._thread is None:
            return self.error is None
        written = threading.Event()
        self._queue.put(written)
        return written.wait(timeout_s) and self.error is None

    def save(self) -> None:
        """Write the log anew without history, then go on appending.

        Raises:
            StoreError: when the disk refuses; the old log stays.
        """
        self.flush()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, lambda file: _write_book(file, self.book))
            sync_folder(self.path.parent)
        except OSError as error:
            raise StoreError(
                f"cannot write {self.path} ({error.strerror or error}): make room or choose another folder; the labels "
                "are still in memory"
            ) from error
        self.error = None

    def close(self) -> None:
        """Write what is left and stop. The log keeps its history if writing it anew fails."""
        self._unsubscribe()
        self.flush()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(10)
            self._thread = None

    def _write_lines(self) -> None:
        waiting: list[bytes] = []
        while True:
            item = self._queue.get()
            if isinstance(item, bytes):
                waiting.append(item)
                while not self._queue.empty() and isinstance(self._queue.queue[0], bytes):
                    waiting.append(self._queue.get())  # type: ignore[arg-type]
            if waiting and self._try_append(b"".join(waiting)):
                waiting.clear()
            if isinstance(item, threading.Event):
                item.set()
            if item is None:
                return

    def _try_append(self, lines: bytes) -> bool:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.path.exists()
            with self.path.open("ab") as file:
                size = file.tell()
                try:
                    file.write((_line(_HEAD) if new or size == 0 else b"") + lines)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(size)  # a full disk must not leave half a line for later ones to follow
                    raise
            self.error = None
            return True
        except OSError as error:
            self.error = f"cannot write {self.path} ({error.strerror or error}): labels are only in memory"
            return False


def open_label_log(path: Path) -> LabelLog:
    """Read the labels of a session (none when the log is not there) and log what happens to them from now on.

    Raises:
        StoreError: when the file is not a log of labels, or is damaged before its last line.
    """
    book, edits, good, content = _read(path)
    torn = _put_aside(path, content, good) if good < len(content) else None
    return LabelLog(path, book, Recovery(edits, torn))


def read_labels(path: Path) -> LabelBook:
    """The labels in a log, which another process may be writing; nothing is changed.

    Raises:
        StoreError: as ``open_label_log``.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[LabelBook, int, int, bytes]:
    """The book, the number of edits, the bytes that are good, and all bytes."""
    book = LabelBook()
    if not path.exists():
        return book, 0, 0, b""
    if path.stat().st_size > _MOST_BYTES:
        raise StoreError(f"{path}: expected a log of labels of at most {_MOST_BYTES >> 30} GiB, found a larger file")
    content = path.read_bytes()
    edits = good = 0
    for number, (stop, line) in enumerate(_lines(content)):
        record = _parsed(line)
        if record is None:
            if stop < len(content):
                raise StoreError(
                    f"{path}: expected an edit in line {number + 1}, found damage, with more lines behind it: restore "
                    f"the file from a copy, or keep only the lines before it"
                )
            break
        if number == 0:
            _check_head(record, path)
        else:
            _apply(book, record, path, number)
            edits += 1
        good = stop
    return book, edits, good, content


def _put_aside(path: Path, content: bytes, good: int) -> Path:
    torn = path.with_name(f"{path.name}.torn")
    write_atomically(torn, lambda file: file.write(content[good:]))
    with path.open("r+b") as file:
        file.truncate(good)
        os.fsync(file.fileno())
    return torn


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """End and content of every line; the last one may lack its line break."""
    at = 0
    while at < len(content):
        stop = content.find(b"\n", at)
        stop = len(content) if stop < 0 else stop + 1
        yield stop, content[at:stop]
        at = stop


def _line(record: Any) -> bytes:
    body = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _parsed(line: bytes) -> Any:
    """The record of a line; None when it is torn or damaged."""
    if not line.endswith(b"\n") or line[8:9] != b" ":
        return None
    body = line[9:-1]
    if line[:8] != b"%08x" % zlib.crc32(body):
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _check_head(record: Any, path: Path) -> None:
    if not isinstance(record, dict) or record.get("format") != _HEAD["format"]:
        raise StoreError(f"{path}: expected a log of labels, found something else: choose another session folder")
    if record.get("schema") != _HEAD["schema"]:
        raise StoreError(
            f"{path}: expected schema {_HEAD['schema']}, found {record.get('schema')!r}: it was written by another "
            "version of vp-science; install that one or a newer one"
        )


def edit_line(edit: Edit) -> bytes:
    """An edit as a line of the log."""
    return _line({"edit": edit.name, "set": [[*c.place, _encoded(c.after)] for c in edit.changes]})


def _encoded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [list(astuple(one)) for one in value]
    return None if value is None else value.to_json()


def _apply(book: LabelBook, record: Any, path: Path, number: int) -> None:
    try:
        book.apply_logged([_decoded(*entry) for entry in record["set"]])
    except (KeyError, TypeError, ValueError, AnnotationError) as error:
        raise StoreError(f"{path}: expected an edit in line {number + 1}, found something else ({error})") from error


def _decoded(kind: str, key: Any, value: Any) -> tuple[Place, Any]:
    if kind == "bout" and type(key) is int:
        return ("bout", key), None if value is None else Bout.from_json(value)
    if kind == "behaviors":
        return ("behaviors", ""), Behaviors.from_json(value)
    if kind == "observed" and isinstance(key, str):
        return ("observed", key), tuple(sorted(_interval(*row) for row in value))
    raise ValueError(f"{kind!r} {key!r}")


def _interval(start_s: Any, stop_s: Any, behavior: Any, subject: Any) -> Observed:
    if not float("-inf") < start_s < stop_s < float("inf") or not isinstance(behavior, str):
        raise ValueError("an interval that ends before it starts")
    return Observed(float(start_s), float(stop_s), behavior, str(subject))


def _write_book(file: BinaryIO, book: LabelBook) -> None:
    file.write(_line(_HEAD))
    file.write(_line({"edit": "saved", "set": [["behaviors", "", book.behaviors.to_json()]]}))
    bouts = book.bouts()
    for first in range(0, len(bouts), _PER_LINE):
        some = bouts[first : first + _PER_LINE]
        file.write(_line({"edit": "saved", "set": [["bout", b.id, b.to_json()] for b in some]}))
    for name in book.recordings:
        if observed := book.observed(name):
            file.write(_line({"edit": "saved", "set": [["observed", name, _encoded(observed)]]}))
