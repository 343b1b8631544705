"""Bento and MARS annotations (``.annot``).

Rows are bouts by channel and behavior. Frames count from 1 and both ends belong to the bout; a row with a "." is in
seconds, which are the same frame numbers divided by the frame rate of the file (30 where it says none): so it is in
Bento, MARS and SimBA. Frame numbers are absolute; start and stop in the header say what was scored.

A channel is a stream of annotations. One channel is the recording as a whole, several are subjects of that name, and
``classifier_output`` (MARS) is a source, ``model:classifier_output``. Behaviors may overlap. ``other`` means none of
them. Bento replaces spaces in names by underscores: so we do when writing; when reading, names stay as they are.

The recording is that of the (only) movie in the header, else the name of the file. Not held: scores, comments, the only
source; a point event becomes a bout of one frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from vp_science.annotations.boris_observations import medium_path
from vp_science.annotations.clock import FrameClock, recording_name
from vp_science.annotations.formats import ReadOptions, WriteOptions, one_file_per_recording
from vp_science.annotations.frame_labels import (
    annotations_to_states,
    frame_times,
    one_word_names,
    refuse_losses,
    require_scored_bouts,
    whole_interval,
)
from vp_science.annotations.text_tables import bad, number_text, parse_number, read_text
from vp_science.errors import AnnotationError
from vp_science.files import write_atomically
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import frame_edges, runs

FIRST_LINE = "Bento annotation file"
FPS = 30.0
OTHER = "other"
CLASSIFIER = "classifier_output"
_RULE = "-----"


@dataclass
class _File:
    """What a file says, times still as it counts them."""

    path: Path
    movies: list[str] = field(default_factory=list)
    fps: float | None = None
    first: tuple[float, bool] | None = None
    last: tuple[float, bool] | None = None
    names: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    bouts: list[tuple[str, str, int, int, int]] = field(default_factory=list)


def matches(path: Path, head: bytes) -> bool:
    """A text file whose first line says so."""
    return head.lstrip(b"\xef\xbb\xbf \r\n\t")[: len(FIRST_LINE)].lower() == FIRST_LINE.lower().encode()


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read the annotations of one recording.

    Raises:
        AnnotationError: with the line, for rows that are not a bout, and frames that the recording does not have.
    """
    content = _parse(path)
    recording = options.recording or (recording_name(content.movies[0]) if len(content.movies) == 1 else path.stem)
    # A known recording has its own times; otherwise the rate that the user gave, then that of the file, then 30.
    clock = options.clock.with_default(content.fps).with_default(FPS)
    behaviors = Behaviors.of(content.names, exclusive=bool(options.exclusive), background=OTHER)
    subjects = [name for name in content.channels if name != CLASSIFIER]
    rows, last = [], 0
    for channel, name, first, stop, line in content.bouts:
        start_s, stop_s = _span(path, clock, recording, first, stop, line)
        source = f"model:{CLASSIFIER}" if channel == CLASSIFIER else f"manual:{options.annotator}"
        subject = channel if len(subjects) > 1 and channel != CLASSIFIER else ""
        row: dict[str, Any] = {"behavior": name, "start_s": start_s, "stop_s": stop_s, "source": source}
        rows.append({"recording": recording, "subject": subject, **row})
        last = max(last, stop)
    try:
        return Annotations.of(rows, _observed(content, clock, recording, last), behaviors)
    except AnnotationError as error:
        raise AnnotationError(f"{path}: {error}") from error


def _span(path: Path, clock: FrameClock, recording: str, first: int, last: int, line: int) -> tuple[float, float]:
    """Seconds of frames counted from 1, both ends included. Bento takes a start before frame 1 as frame 1."""
    try:
        start_s, stop_s = clock.seconds(recording, np.array([max(first, 1) - 1, last], dtype=np.int64))
    except AnnotationError as error:
        raise AnnotationError(f"{path}, line {line}: {error}") from error
    return float(start_s), float(stop_s)


def _observed(content: _File, clock: FrameClock, recording: str, last: int) -> list[dict[str, Any]]:
    """From start to stop in the header; later bouts extend it, as in Bento."""
    if content.last is None:
        return []
    first = _frame(content.first or (1.0, False), content.fps)
    stop = max(_frame(content.last, content.fps), last)
    known = clock.num_frames(recording)
    if known is not None and stop > known and last <= known:
        stop = known  # the header counts frames that the decoder does not give
    if stop < max(first, 1):
        return []
    start_s, stop_s = clock.seconds(recording, np.array([max(first, 1) - 1, stop], dtype=np.int64))
    return [{"recording": recording, "start_s": float(start_s), "stop_s": float(stop_s)}]


def _frame(value: tuple[float, bool], fps: float | None) -> int:
    number, is_seconds = value
    return round(number * (fps or FPS)) if is_seconds else round(number)


def _parse(path: Path) -> _File:
    lines = enumerate(read_text(path).splitlines(), start=1)
    content = _File(path)
    channel = name = ""
    for line, text in lines:
        text = text.strip()
        lower = text.lower()
        if not channel and text and not text.startswith(">") and not text.endswith(_RULE):
            _header_line(content, lower, text, line, lines)
        elif text.endswith(_RULE):
            channel, name = text.rstrip("-").strip(), ""
            content.channels += [channel] if channel not in content.channels else []
        elif text.startswith(">"):
            name = _known_name(content, text[1:].strip())
        elif text and not lower.startswith("start"):
            if not channel or not name:
                raise bad(path, "a channel and a behavior (>name) before the rows", text, line=line)
            first, last = _row(content, text, line)
            if name != OTHER:
                content.bouts.append((channel, name, first, last, line))
    return content


def _header_line(content: _File, lower: str, text: str, line: int, lines: Iterator[tuple[int, str]]) -> None:
    value = text.partition(":")[2].strip()
    if lower.startswith("movie file"):
        content.movies = _movies(value)
    elif lower.startswith(("annotation start", "annotation stop", "annotation framerate")):
        number = parse_number(value)
        if number is None or (number <= 0 and lower.startswith("annotation framerate")):
            raise bad(content.path, "a number (of frames per second: a positive one)", value, line=line)
        if lower.startswith("annotation framerate"):
            content.fps = number
        elif lower.startswith("annotation start"):
            content.first = (number, "time" in lower)
        else:
            content.last = (number, "time" in lower)
    elif lower.startswith("list of"):
        listed = content.names if lower.startswith("list of annotations") else []
        listed.extend(name for name in _entries(lines) if name != OTHER and name not in listed)


def _entries(lines: Iterator[tuple[int, str]]) -> list[str]:
    """The lines up to the next empty one."""
    found: dict[str, None] = {}
    for _, text in lines:
        if not text.strip():
            break
        found[text.strip()] = None
    return list(found)


def _movies(text: str) -> list[str]:
    """Bento separates movies by spaces, which paths may have too: a part without an ending belongs to the next one."""
    movies, open_part = [], ""
    for part in text.split(" "):
        open_part = f"{open_part} {part}".strip()
        if PurePosixPath(part).suffix:
            movies.append(open_part)
            open_part = ""
    return [*movies, open_part] if open_part else movies


def _known_name(content: _File, name: str) -> str:
    """A behavior as the list in the header spells it: Bento takes spaces and underscores for the same."""
    if name == OTHER:
        return name
    for known in content.names:
        if known.replace(" ", "_") == name.replace(" ", "_"):
            return known
    content.names.append(name)
    return name


def _row(content: _File, text: str, line: int) -> tuple[int, int]:
    """First and last frame, from 1."""
    cells = text.split()
    numbers = [parse_number(cell) for cell in cells]
    if len(cells) < 2 or numbers[0] is None or numbers[1] is None:
        raise bad(content.path, "start, stop and duration", text, line=line)
    seconds = any("." in cell for cell in cells)
    first, last = (_frame((number, seconds), content.fps) for number in (numbers[0], numbers[1]))
    if last < max(first, 1):
        raise bad(content.path, "a stop that is not before the start", text, line=line)
    return first, last


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write one file per recording, in frames; several go into a folder as ``<recording>.annot``.

    Raises:
        AnnotationError: for targets, modifiers, several sources, several scored intervals, names that differ in spaces
            only, or when nobody knows the frames.
    """
    refuse_losses(annotations, f"{path} (Bento)", ("target", "modifiers", "source"))
    if OTHER in annotations.behaviors:
        raise AnnotationError(
            f"{path}: expected no behavior called {OTHER!r}, which is none of them in Bento: rename it"
        )
    names = one_word_names(annotations, f"{path} (Bento)")
    files = one_file_per_recording(annotations, path, ".annot")
    for recording, file in files:
        text = _text(annotations, recording, names, file, options)
        write_atomically(file, lambda handle, text=text: handle.write(text.encode()))  # type: ignore[misc]
    return [file for _, file in files]


def _text(annotations: Annotations, recording: str, names: dict[str, str], file: Path, options: WriteOptions) -> str:
    clock = options.clock
    start_s, stop_s = whole_interval(annotations, recording, f"{file} (Bento)")
    require_scored_bouts(annotations, recording, f"{file} (Bento)")
    time_s = frame_times(annotations, recording, clock)
    first, stop = clock.frames(recording, np.array([start_s, stop_s]))
    fps = clock.fps or (len(time_s) / float(frame_edges(time_s)[-1] - time_s[0]))
    subjects = annotations.subjects(recording)
    bouts = annotations.bouts[annotations.bouts["recording"] == recording]
    if subjects and (bouts["subject"] == "").any():
        subjects = ("", *subjects)
    if len(subjects) < 2:
        subjects = ("",)
    channels = {name: "_".join(name.split()) or "Ch1" for name in subjects}
    lines = [
        FIRST_LINE, f"Movie file(s): {medium_path(recording, options.media)}", "", "Stimulus name: ",
        f"Annotation start frame: {first + 1}", f"Annotation stop frame: {max(stop, first + 1)}",
        f"Annotation framerate: {number_text(float(fps))}", "",
        "List of channels:", *channels.values(), "", "List of annotations:", *names.values(), "",
    ]  # fmt: skip
    for subject, channel in channels.items():
        mine = bouts if len(channels) == 1 else bouts[bouts["subject"] == subject]
        part = Annotations(annotations.behaviors, mine.assign(subject=""), _for_everybody(annotations))
        states = annotations_to_states(part, recording, time_s, clock)
        lines.append(f"{channel}----------")
        for name, column in zip(annotations.behaviors.names, states.T, strict=True):
            lines += [f">{names[name]}", "Start\tStop\tDuration"]
            lines += [f"{begin + 1}\t{end}\t{end - begin}" for begin, end in runs(column == 1)]
            lines.append("")
        lines.append("")
    return "\n".join(lines) + "\n"


def _for_everybody(annotations: Annotations) -> Any:
    return annotations.observed.assign(subject="")
