"""Caltech Behavior Annotator (``.txt``), also of CRIM13 and MARS.

Streams ``S1``, ``S2`` ... of rows ``start end name``: frames from 1, both ends belong to the row, no gaps, ``other``
where nothing happens. So the catalogue is exclusive, with the background ``other``. One stream is the recording as a
whole; several are subjects ``S1``, ``S2`` ... The recording has the name of the file. The rate must be given, unless
the recording is there. Not held: scores, comments, the only source; a point event becomes one frame.
"""

import re
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions, one_file_per_recording
from vp_science.annotations.frame_labels import annotations_to_states, frame_times, one_word_names, refuse_losses
from vp_science.annotations.text_tables import bad, read_text
from vp_science.errors import AnnotationError
from vp_science.files import write_atomically
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.ethogram import to_ethogram

FIRST_LINE = "Caltech Behavior Annotator - Annotation File"
OTHER = "other"
_STREAM = re.compile(r"S(\d+):")
_Row = tuple[int, int, str, int]


def matches(path: Path, head: bytes) -> bool:
    """A text file whose first line says so."""
    return head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(FIRST_LINE.encode())


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read the annotations of one recording.

    Raises:
        AnnotationError: with the line, for rows that leave a gap, overlap, or name a behavior that the list lacks.
    """
    lines = read_text(path).splitlines()
    keys, position = _configuration(path, lines)
    streams = _streams(path, lines, position, set(keys))
    recording = options.recording or path.stem
    entries = tuple(Behavior(name, key=key) for name, key in keys.items() if name != OTHER)
    bouts: list[dict[str, Any]] = []
    observed: list[dict[str, Any]] = []
    for stream, rows in streams.items():
        common = {"recording": recording, "subject": stream if len(streams) > 1 else ""}
        for first, last, name, line in rows:
            start_s, stop_s = _seconds(path, options.clock, recording, first, last, line)
            if name != OTHER:
                source = f"manual:{options.annotator}"
                bouts.append({**common, "behavior": name, "start_s": start_s, "stop_s": stop_s, "source": source})
        span = _seconds(path, options.clock, recording, rows[0][0], rows[-1][1], rows[-1][3])
        observed.append({**common, "start_s": span[0], "stop_s": span[1]})
    try:
        return Annotations.of(bouts, observed, Behaviors(entries, exclusive=True, background=OTHER))
    except AnnotationError as error:
        raise AnnotationError(f"{path}: {error}") from error


def _seconds(path: Path, clock: FrameClock, recording: str, first: int, last: int, line: int) -> tuple[float, float]:
    try:
        start_s, stop_s = clock.seconds(recording, np.array([first - 1, last], dtype=np.int64))
    except AnnotationError as error:
        raise AnnotationError(f"{path}, line {line}: {error}") from error
    return float(start_s), float(stop_s)


def _configuration(path: Path, lines: Sequence[str]) -> tuple[dict[str, str], int]:
    """Keys by behavior, and the line after the list (counted from 0)."""
    start = next((i for i, text in enumerate(lines) if text.strip().startswith("Configuration file:")), None)
    if start is None:
        raise bad(path, "the line 'Configuration file:' and a list of behaviors", "none")
    keys: dict[str, str] = {}
    position = start + 1
    while position < len(lines) and lines[position].strip():
        name, *rest = lines[position].split()
        if name in keys or len(rest) > 1:
            raise bad(path, "one behavior and its key, each behavior once", lines[position].strip(), line=position + 1)
        keys[name] = rest[0] if rest else ""
        position += 1
    return keys, position


def _streams(path: Path, lines: Sequence[str], position: int, known: set[str]) -> dict[str, list[_Row]]:
    streams: dict[str, list[_Row]] = {}
    rows: list[_Row] | None = None
    for line, text in enumerate(lines[position:], start=position + 1):
        text = text.strip()
        if match := _STREAM.match(text):
            rows = streams.setdefault(f"S{int(match[1])}", [])
        elif text and not text.startswith("-----"):
            if rows is None:
                raise bad(path, "a stream (S1:) before the rows", text, line=line)
            rows.append(_row(path, text, line, rows[-1][1] if rows else None, known))
    streams = {name: rows for name, rows in streams.items() if rows}
    if not streams:
        raise bad(path, "a stream (S1:) with rows", "none")
    return streams


def _row(path: Path, text: str, line: int, previous: int | None, known: set[str]) -> _Row:
    cells = text.split()
    if len(cells) != 3 or not all(cell.isascii() and cell.isdigit() for cell in cells[:2]):
        raise bad(path, "first frame, last frame and behavior", text, line=line)
    first, last, name = int(cells[0]), int(cells[1]), cells[2]
    if max(first, last) >= 1 << 40 or first < 1 or last < first:
        raise bad(path, "frames from 1, the last not before the first", text, line=line)
    if name not in known and name != OTHER:
        raise bad(path, f"one of the listed behaviors {', '.join(sorted(known))}", name, line=line)
    if previous is not None and first != previous + 1:
        what = "overlaps the row before" if first <= previous else "leaves a gap"
        raise bad(path, f"the row to start at frame {previous + 1}", f"{first}, which {what}", line=line)
    return first, last, name, line


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write one file per recording; several go into a folder as ``<recording>.txt``.

    Raises:
        AnnotationError: for targets, modifiers, several sources, subjects not called S1, S2 ..., overlapping bouts of
            one subject, frames that nobody scored, or when nobody knows the frames.
    """
    what = f"{path} (Caltech)"
    refuse_losses(annotations, what, ("target", "modifiers", "source"))
    names = one_word_names(annotations, what)
    if OTHER in names.values():
        raise AnnotationError(f"{what}: expected no behavior called {OTHER!r}, which is none of them here: rename it")
    files = one_file_per_recording(annotations, path, ".txt")
    for recording, file in files:
        text = _text(annotations, recording, names, f"{file} (Caltech)", options)
        write_atomically(file, lambda handle, text=text: handle.write(text.encode()))  # type: ignore[misc]
    return [file for _, file in files]


def _text(annotations: Annotations, recording: str, names: dict[str, str], what: str, options: WriteOptions) -> str:
    subjects = annotations.subjects(recording)
    unnamed = (annotations.bouts.loc[annotations.bouts["recording"] == recording, "subject"] == "").any()
    if len(subjects) + int(unnamed) > 1 and (unnamed or subjects != tuple(f"S{i + 1}" for i in range(len(subjects)))):
        raise AnnotationError(
            f"{what}: expected one subject, or subjects called S1, S2 ..., because streams have no other names, found "
            f"{', '.join(subjects)}{' and bouts without subject' if unnamed else ''}: rename them, or choose one "
            "(vp-science labels convert --subject NAME)"
        )
    lines = [FIRST_LINE, "", "Configuration file:", *_key_lines(annotations.behaviors, names), ""]
    for number, subject in enumerate(subjects or ("",), start=1):
        whose = subject if len(subjects) > 1 else None
        labels = _labels(annotations, recording, whose, options.clock, what)
        lines += [f"S{number}: start    end     type", "-----------------------------"]
        lines += [f"{first:>11} {last:>8}    {name}" for first, last, name in _rows(labels, [*names.values(), OTHER])]
        lines.append("")
    return "\n".join(lines)


def _key_lines(behaviors: Behaviors, names: dict[str, str]) -> list[str]:
    """``name key`` for every behavior; keys are one letter, each once."""
    free = [key for key in string.ascii_lowercase + string.digits + string.ascii_uppercase if key != "o"]
    used, lines = {"o"}, []
    for entry in behaviors:
        wanted = entry.key if len(entry.key) == 1 and not entry.key.isspace() else ""
        key = wanted if wanted and wanted not in used else next((key for key in free if key not in used), "?")
        used.add(key)
        lines.append(f"{names[entry.name]} {key}")
    return [*lines, f"{OTHER} o"]


def _labels(annotations: Annotations, recording: str, subject: str | None, clock: FrameClock, what: str) -> np.ndarray:
    time_s = frame_times(annotations, recording, clock)
    annotations_to_states(annotations, recording, time_s, clock)
    exclusive = Annotations(annotations.behaviors.replaced(exclusive=True), annotations.bouts, annotations.observed)
    try:
        labels = to_ethogram(exclusive, recording, time_s, subject=subject).label_index()
    except AnnotationError as error:
        raise AnnotationError(f"{what}: {error}") from error
    if len(unknown := np.flatnonzero(labels < 0)):
        raise AnnotationError(
            f"{what}: expected every frame of {recording!r} to be scored, because the rows have no gaps, found frame "
            f"{unknown[0] + 1} ({time_s[unknown[0]]:.3f} s) and {len(unknown) - 1} others without: write another "
            "format, or take whole recordings as scored (vp-science labels convert --all-scored)"
        )
    return np.asarray(labels)


def _rows(labels: np.ndarray, names: Sequence[str]) -> list[tuple[int, int, str]]:
    """First and last frame (from 1) and name of every run of one label."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1])
    stops = np.concatenate([starts[1:], [len(labels)]])
    return [(int(first) + 1, int(stop), names[labels[first]]) for first, stop in zip(starts, stops, strict=True)]
