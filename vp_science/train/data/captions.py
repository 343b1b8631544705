"""Captions of recordings, or of parts of them, from CSV or JSON lines."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vp_science.annotations.text_tables import bad, decode_text, parse_table
from vp_science.batch import BatchItem
from vp_science.errors import AnnotationError
from vp_science.timeline.names import listed
from vp_science.train.data.settings import DataSettings
from vp_science.train.data.sources import relative_path

_MOST_BYTES = 1 << 29
_MOST_TEXT = 10_000
_KEYS = ("recording", "caption", "start_s", "stop_s")


@dataclass(frozen=True)
class Caption:
    """One line of a table.

    Attributes:
        line: in the file, from 1.
        recording: as the file names it.
        text: what is to be seen.
        start_s: begin of the part, in seconds on the clock of the recording; None: of the recording.
        stop_s: end of the part; None: of the recording.
    """

    line: int
    recording: str
    text: str
    start_s: float | None = None
    stop_s: float | None = None


@dataclass(frozen=True)
class CaptionedPart:
    """A part of a recording, and all that is said of it.

    Attributes:
        item: number of the recording.
        start_s: begin, or None.
        stop_s: end, or None.
        texts: captions in the order of the file.
        line: of the first one.
    """

    item: int
    start_s: float | None
    stop_s: float | None
    texts: tuple[str, ...]
    line: int


def read_captions(path: Path) -> list[Caption]:
    """Read a table of captions.

    Args:
        path: ``.csv`` or ``.tsv`` with a header, or ``.jsonl`` with an object per line. Columns or keys:
            ``recording``, ``caption``, and perhaps ``start_s`` and ``stop_s``.

    Raises:
        AnnotationError: naming line and column.
    """
    text = decode_text(_bytes(path))
    rows = list(_json_lines(path, text) if path.suffix.lower() in (".jsonl", ".ndjson") else _table(path, text))
    if not rows:
        raise bad(path, "captions", "none")
    return rows


def match_captions(
    captions: Sequence[Caption],
    items: Sequence[BatchItem],
    data: DataSettings,
    path: Path,
    left_out: Sequence[BatchItem] = (),
) -> list[CaptionedPart]:
    """Which recording every caption is of; captions of one part stand together.

    Args:
        captions: of :func:`read_captions`.
        items: recordings of the data set, which captions name by id or by path below the data folder.
        data: the data set.
        path: of the table.
        left_out: recordings that are not used; their captions are not either.

    Raises:
        AnnotationError: naming the line, where there is no such recording; or when no recording has a caption.
    """
    unused = {name for item in left_out for name in (item.recording_id, relative_path(item, data))}
    number = {relative_path(item, data): place for place, item in enumerate(items)}
    number |= {item.recording_id: place for place, item in enumerate(items)}
    parts: dict[tuple[int, float | None, float | None], list[Caption]] = {}
    for caption in captions:
        place = number.get(caption.recording)
        if place is not None:
            parts.setdefault((place, caption.start_s, caption.stop_s), []).append(caption)
        elif caption.recording not in unused:
            raise bad(
                path, f"a recording in {data.path} ({listed([item.recording_id for item in items])})",
                caption.recording, line=caption.line, column="recording",
                fix="give its id, or its path below the data folder",
            )  # fmt: skip
    if not parts:
        raise AnnotationError(f"{path}: expected captions of recordings in {data.path}, found none of those in use")
    return [
        CaptionedPart(place, start, stop, tuple(caption.text for caption in group), group[0].line)
        for (place, start, stop), group in parts.items()
    ]


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise bad(path, f"captions of at most {_MOST_BYTES >> 20} MiB", f"{size >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise bad(path, "a readable table of captions", str(error.strerror), fix="check the name") from error


def _table(path: Path, text: str) -> Iterator[Caption]:
    table = parse_table(path, text)
    table.require(("recording", "caption"))
    for row in table:
        start, stop = (table.optional_number(row, name) if name in table.columns else None for name in _KEYS[2:])
        yield _checked(path, Caption(row.line, row.cells["recording"], row.cells["caption"], start, stop))


def _json_lines(path: Path, text: str) -> Iterator[Caption]:
    for line, content in enumerate(text.splitlines(), 1):
        if not content.strip():
            continue
        try:
            record = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise bad(path, "a JSON object", content[:60], line=line) from error
        if not isinstance(record, dict):
            raise bad(path, "a JSON object", content[:60], line=line)
        for key in ("recording", "caption"):
            if not isinstance(record.get(key), str):
                raise bad(path, "a text", record.get(key), line=line, column=key)
        start, stop = (_seconds(path, record.get(key), line, key) for key in _KEYS[2:])
        yield _checked(path, Caption(line, record["recording"].strip(), record["caption"].strip(), start, stop))


def _seconds(path: Path, value: object, line: int, key: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise bad(path, "a number of seconds", value, line=line, column=key)
    return float(value)


def _checked(path: Path, caption: Caption) -> Caption:
    name = caption.recording.replace("\\", "/")
    if not name or name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0]:
        raise bad(
            path, "an id, or a path below the data folder", caption.recording, line=caption.line, column="recording"
        )
    if not caption.text or len(caption.text) > _MOST_TEXT:
        found = f"{len(caption.text)} characters" if caption.text else "nothing"
        raise bad(path, f"1 to {_MOST_TEXT} characters", found, line=caption.line, column="caption")
    start, stop = caption.start_s, caption.stop_s
    if start is not None and stop is not None and not start < stop:
        raise bad(path, f"a time after start_s = {start:g}", stop, line=caption.line, column="stop_s")
    return caption
