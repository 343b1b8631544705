"""Lines of a log of labels: one edit each, with a checksum in front. Writing them, and reading them with suspicion."""

import json
import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from vp_science.errors import AnnotationError, StoreError
from vp_science.sessions.bout import Bout, Observed
from vp_science.sessions.edits import Edit, Place
from vp_science.sessions.labelbook import LabelBook
from vp_science.timeline.behaviors import Behaviors

CLOSED = "closed"
"""Name of the edit without changes that ends a log whose session was closed in order."""

_HEAD = {"format": "vp_science.labels", "schema": 1}
_MOST_BYTES = 2 << 30
_PER_LINE = 200


@dataclass(frozen=True)
class ReadLog:
    """What is in a log.

    Attributes:
        book: the labels.
        edits: number of edits that were read.
        closed: whether the session was closed in order (an empty log counts as such).
        good: so many bytes are whole lines.
        rest: what follows: a line that was not written completely.
    """

    book: LabelBook
    edits: int
    closed: bool
    good: int
    rest: bytes


def head_line() -> bytes:
    """The first line of every log."""
    return _line(json.dumps(_HEAD))


def closed_line() -> bytes:
    """The last line of a log whose session was closed in order."""
    return _line(json.dumps({"edit": CLOSED, "set": []}))


def edit_line(edit: Edit) -> bytes:
    """An edit as a line of the log."""
    return _set_line(edit.name, ((change.place, change.after) for change in edit.changes))


def book_lines(book: LabelBook) -> Iterator[bytes]:
    """All labels without their history."""
    yield head_line()
    yield _set_line("saved", [(("behaviors", ""), book.behaviors)])
    places: list[tuple[Place, Any]] = [(("bout", bout.id), bout) for bout in book.bouts()]
    places += [(("observed", (name, one)), one) for name in book.recordings for one in book.observed(name)]
    for first in range(0, len(places), _PER_LINE):
        yield _set_line("saved", places[first : first + _PER_LINE])


def read_log(path: Path) -> ReadLog:
    """Read a log; the file is not changed.

    Raises:
        StoreError: when the file is not a log of labels, cannot be read, or is damaged before its last line.
    """
    try:
        if not path.exists():
            return ReadLog(LabelBook(), 0, True, 0, b"")
        if path.stat().st_size > _MOST_BYTES:
            found = "a larger file: choose another session folder"
            raise StoreError(f"{path}: expected a log of labels of at most {_MOST_BYTES >> 30} GiB, found {found}")
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read {path} ({error.strerror or error}): check its permissions") from error
    return parsed_log(path, content)


def parsed_log(path: Path, content: bytes) -> ReadLog:
    """What is in the bytes of a log.

    Raises:
        StoreError: as ``read_log``; it names the path.
    """
    book = LabelBook()
    edits = good = 0
    closed = True
    for number, (stop, line) in enumerate(_lines(content)):
        record = parsed_line(line)
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
            closed = _apply(book, record, path, number)
            edits += not closed
        good = stop
    return ReadLog(book, edits, closed and good == len(content), good, content[good:])


def _set_line(name: str, places: Iterable[tuple[Place, Any]]) -> bytes:
    """Encoded element by element, so that a long one leaves other threads their turn."""
    entries = ",".join(_json([place[0], *_encoded(place, after)]) for place, after in places)
    return _line(f'{{"edit":{_json(name)},"set":[{entries}]}}')


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _encoded(place: Place, after: Any) -> tuple[Any, Any]:
    if place[0] == "observed":
        recording, one = place[1]
        return [recording, *astuple(one)], after is not None
    return place[1], None if after is None else after.to_json()


def _line(text: str) -> bytes:
    body = text.encode("utf-8", "surrogatepass")
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """End and content of every line; the last one may lack its line break."""
    at = 0
    while at < len(content):
        stop = content.find(b"\n", at)
        stop = len(content) if stop < 0 else stop + 1
        yield stop, content[at:stop]
        at = stop


def parsed_line(line: bytes) -> Any:
    """The record of a line; None when it is torn or damaged."""
    if not line.endswith(b"\n") or line[8:9] != b" ":
        return None
    body = line[9:-1]
    if line[:8] != b"%08x" % zlib.crc32(body):
        return None
    try:
        return json.loads(body.decode("utf-8", "surrogatepass"))
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


def _apply(book: LabelBook, record: Any, path: Path, number: int) -> bool:
    """Apply a line; whether it says that the session was closed."""
    try:
        changes = [_decoded(*entry) for entry in record["set"]]
        book.apply_logged(changes)
        return record["edit"] == CLOSED and not changes
    except (LookupError, TypeError, ValueError, AttributeError, AnnotationError) as error:
        raise StoreError(
            f"{path}: expected an edit in line {number + 1}, found something else ({error}): restore the file from a "
            "copy, or keep only the lines before it"
        ) from error


def _decoded(kind: str, key: Any, value: Any) -> tuple[Place, Any]:
    if kind == "bout" and type(key) is int and key > 0:
        bout = None if value is None else Bout.from_json(value)
        if bout is not None and bout.id != key:
            raise ValueError(f"a bout of the number {bout.id} at {key}")
        return ("bout", key), bout
    if kind == "behaviors" and key == "":
        return ("behaviors", ""), Behaviors.from_json(value)
    if kind == "observed" and isinstance(value, bool):
        recording, one = key[0], _interval(*key[1:])
        if not isinstance(recording, str) or not recording:
            raise ValueError("an observed interval without recording")
        return ("observed", (recording, one)), one if value else None
    raise ValueError(f"{kind!r} {key!r}")


def _interval(start_s: Any, stop_s: Any, behavior: Any, subject: Any) -> Observed:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (start_s, stop_s))
    if not numbers or not -math.inf < start_s < stop_s < math.inf:
        raise ValueError(f"an interval from {start_s!r} to {stop_s!r}")
    if not isinstance(behavior, str) or not isinstance(subject, str):
        raise ValueError("an interval of something that has no name")
    return Observed(float(start_s), float(stop_s), behavior, subject)
