"""KABR and BaboonLand frame labels (the Charades layout of SlowFast): a row per frame, classes in a JSON file beside.

Columns, separated by spaces: ``original_vido_id video_id frame_id path labels`` (the misspelling is part of the format;
the right spelling is read as well). ``labels`` holds one or several class numbers (``4``, ``1,5``, ``"[1, 5]"``) or
nothing. The names are in ``classes.json`` in the same folder, ``{name: number}``.

Frames count from 1 in KABR, from 0 in Charades: a file in which a frame 0 occurs counts from 0. A frame without a row
is unknown. Behaviors exclude each other when no frame has two labels. The format has no subjects, targets, instants or
scores, and states all behaviors of a frame at once; annotations that need more are refused. Comments and the annotator
are not kept. Files are written as KABR has them: frames from 1, paths ``<recording>/<frame>.jpg``.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vp_science.annotations.capacity import refuse_all_but, whole_states
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.annotations.frame_labels import frame_times
from vp_science.annotations.json_files import get_whole, read_json_object
from vp_science.annotations.sniffing import table_header
from vp_science.annotations.text_tables import bad, read_text
from vp_science.errors import AnnotationError
from vp_science.files import write_atomically
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import Ethogram

_COLUMNS = ("original_vido_id", "video_id", "frame_id", "path", "labels")
_SPELLINGS = ("original_vido_id", "original_video_id")
_CLASSES = "classes.json"
_EMPTY = '""'
"""A cell for no label: SlowFast splits rows at blanks and wants five cells."""

_MAX_CLASSES = 10_000
_MAX_FRAMES = 1 << 28


def matches(path: Path, head: bytes) -> bool:
    """Delimited text with the columns of the frame lists of SlowFast."""
    header = table_header(head)
    return header >= {"frame_id", "labels"} and not header.isdisjoint(_SPELLINGS)


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read all videos of one file; give several files (train.csv, val.csv) as a list."""
    names = _class_names(path)
    videos: dict[str, _Video] = {}
    for line, video, frame, labels in _rows(path, len(names)):
        entry = videos.setdefault(video, _Video())
        if frame in entry.labels:
            expected, fix = f"every frame of {video!r} once", "remove the row that is wrong"
            raise bad(path, expected, f"frame {frame} again", line=line, fix=fix)
        entry.labels[frame] = labels
    first = 0 if any(0 in entry.labels for entry in videos.values()) else 1
    exclusive = all(len(labels) < 2 for entry in videos.values() for labels in entry.labels.values())
    behaviors = Behaviors.of(names, exclusive=exclusive if options.exclusive is None else options.exclusive)
    parts = [
        _annotations(behaviors, options.recording or name, entry, first, options) for name, entry in videos.items()
    ]
    if options.recording and len(videos) > 1:
        raise bad(path, f"one video, because its recording was given as {options.recording!r}", f"{len(videos)} videos")
    return Annotations.concat(parts) if parts else Annotations.of((), (), behaviors)


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write all recordings into one file, and the classes beside it."""
    what = f"{path} (Charades layout)"
    refuse_all_but(annotations, what, ("subject", "target", "modifiers"))
    for recording in annotations.recordings:
        if re.search(r"\s|\"", recording):
            raise AnnotationError(
                f"{what}: expected recording ids without spaces, because they separate the cells, found {recording!r}: "
                "rename it"
            )
    classes = path.with_name(_CLASSES)
    content = {name: index for index, name in enumerate(annotations.behaviors.names)}
    if classes.exists() and read_json_object(classes) != content:
        fix = "write into another folder, or use the same catalogue"
        raise bad(classes, "no other classes in this folder", ", ".join(read_json_object(classes)), fix=fix)
    lines = [" ".join(_COLUMNS)]
    for number, recording in enumerate(annotations.recordings, start=1):
        times = frame_times(annotations, recording, options.clock)
        if options.clock.times(recording) is None:
            # With a mere rate, one frame more says how long the last one lasts; nobody observed it.
            times = options.clock.seconds(recording, np.arange(len(times) + 1, dtype=np.int64))
        states = whole_states(annotations, recording, times, what, gaps=True)
        lines += _frame_lines(states, recording, number)
    if annotations.recordings and len(lines) == 1:
        raise AnnotationError(
            f"{what}: expected observed intervals, because the format has a row for every observed frame, found none: "
            "say which time was scored (--all-scored)"
        )
    write_atomically(classes, lambda file: file.write(json.dumps(content, ensure_ascii=False).encode()))
    write_atomically(path, lambda file: file.write("".join(f"{line}\n" for line in lines).encode()))
    return [path, classes]


@dataclass
class _Video:
    """Class numbers by frame, as the file counts frames."""

    labels: dict[int, tuple[int, ...]] = field(default_factory=dict)


def _class_names(path: Path) -> list[str]:
    file = path.with_name(_CLASSES)
    if not file.exists():
        raise bad(
            path,
            f"{_CLASSES} beside it with the names of the classes",
            "nothing there",
            fix=f'put {{"name": number, ...}} into {file}',
        )
    content = read_json_object(file)
    if len(content) > _MAX_CLASSES:
        raise bad(file, f"at most {_MAX_CLASSES} classes", len(content))
    names = [""] * len(content)
    for name, index in content.items():
        number = get_whole(file, index, repr(name), 0, len(content) - 1)
        if names[number]:
            raise bad(file, "every number once", f"{number} for {names[number]!r} and {name!r}")
        names[number] = name
    return names


def _rows(path: Path, num_classes: int) -> Iterator[tuple[int, str, int, tuple[int, ...]]]:
    """Line, video, frame and class numbers of every row; these files have millions, so they are not kept as text."""
    text = read_text(path)
    header = text.split("\n", 1)[0]
    separator = max(" \t,", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    columns = [cell.strip() for cell in next(reader, [])]
    spelling = next((name for name in _SPELLINGS if name in columns), None)
    if spelling is None or not {"frame_id", "labels"} <= set(columns):
        raise bad(path, f"the columns {' '.join(_COLUMNS)}", " ".join(columns), line=1)
    video_at, frame_at, labels_at = (columns.index(name) for name in (spelling, "frame_id", "labels"))
    known: dict[str, tuple[int, ...]] = {}
    try:
        for cells in reader:
            if not any(cells):
                continue
            line = reader.line_num
            if len(cells) < len(columns):
                raise bad(path, f"{len(columns)} cells", f"{len(cells)} cells", line=line)
            # Lists with spaces that nobody quoted fall into several cells.
            labels = " ".join(cells[labels_at : labels_at + 1 + len(cells) - len(columns)])
            frame = _number(path, cells[frame_at], line, "frame_id", _MAX_FRAMES)
            if labels not in known:
                known[labels] = _labels(path, labels, line, num_classes)
            yield line, cells[video_at], frame, known[labels]
    except csv.Error as error:
        raise bad(path, "delimited text", str(error), line=reader.line_num) from error


def _labels(path: Path, cell: str, line: int, num_classes: int) -> tuple[int, ...]:
    words = re.findall(r"[^\s,\[\]\"']+", cell)
    return tuple(sorted({_number(path, word, line, "labels", num_classes - 1) for word in words}))


def _number(path: Path, text: str, line: int, column: str, high: int) -> int:
    whole = re.fullmatch(r"(\d{1,12})(?:\.0*)?", text.strip())
    if whole is None or int(whole.group(1)) > high:
        raise bad(path, f"a whole number from 0 to {high}", text, line=line, column=column)
    return int(whole.group(1))


def _annotations(behaviors: Behaviors, recording: str, video: _Video, first: int, options: ReadOptions) -> Annotations:
    """Bouts and observed intervals of the labelled frames of one video."""
    source = f"manual:{options.annotator}"
    frames: list[list[int]] = [[] for _ in behaviors]
    for frame, labels in video.labels.items():
        for label in labels:
            frames[label].append(frame - first)
    bouts = [
        {"recording": recording, "behavior": name, "start_s": start, "stop_s": stop, "source": source}
        for name, on in zip(behaviors.names, frames, strict=True)
        for start, stop in _spans(options.clock, recording, on)
    ]
    observed = [
        {"recording": recording, "start_s": start, "stop_s": stop}
        for start, stop in _spans(options.clock, recording, [frame - first for frame in video.labels])
    ]
    return Annotations.of(bouts, observed, behaviors)


def _spans(clock: FrameClock, recording: str, frames: Sequence[int]) -> list[tuple[float, float]]:
    """Times of the maximal runs of consecutive frames."""
    if not len(frames):
        return []
    ordered = np.sort(np.array(frames, dtype=np.int64))
    breaks = np.flatnonzero(np.diff(ordered) > 1)
    starts = clock.seconds(recording, ordered[np.append(0, breaks + 1)])
    stops = clock.seconds(recording, ordered[np.append(breaks, len(ordered) - 1)] + 1)
    return [(float(start), float(stop)) for start, stop in zip(starts, stops, strict=True)]


def _frame_lines(states: Ethogram, recording: str, number: int) -> list[str]:
    if states.behaviors.exclusive:
        states.label_index()  # refuses frames with two behaviors
    lines = []
    for index in np.flatnonzero(states.known.all(axis=1)):
        labels = ",".join(str(label) for label in np.flatnonzero(states.states[index] == 1))
        lines.append(f"{recording} {number} {index + 1} {recording}/{index + 1}.jpg {labels or _EMPTY}")
    return lines
