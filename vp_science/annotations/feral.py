"""FERAL labels: one JSON file for many videos, a label (or a 0/1 list) for every frame.

``{class_names: {"0": name, ...}, is_multilabel, labels: {video file: [...]}, splits: {...}}``. Every frame has a label,
so every video is observed throughout. In files of one label per frame a class called "other", "background" or "none"
means none of the behaviors (FERAL leaves "other" out of its scores as well); elsewhere it is an ordinary behavior.

The splits say how to train and are not annotations: they are not read, and a new file puts every video into ``train``
(divide them before training). FERAL has no subjects, no targets, no instants and no word for unknown; annotations that
need these are refused. Scores, comments and the annotator are not kept.
"""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from jaxtyping import Int8

from vp_science.annotations.capacity import all_frame_times, refuse_all_but, whole_states
from vp_science.annotations.clock import FrameClock, recording_name
from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.annotations.frame_labels import states_to_annotations
from vp_science.annotations.json_files import get_list, get_object, read_json_object
from vp_science.annotations.sniffing import json_mentions
from vp_science.annotations.text_tables import bad
from vp_science.errors import AnnotationError
from vp_science.files import write_atomically
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import Ethogram

_BACKGROUNDS = ("other", "background", "none")
_MAX_CLASSES = 10_000
_MAX_FRAMES = 1 << 28


def matches(path: Path, head: bytes) -> bool:
    """A JSON object with ``class_names``, ``is_multilabel`` and ``labels``."""
    return json_mentions(path, head, "class_names", "is_multilabel") and json_mentions(path, head, "labels")


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read all videos of one file."""
    content = read_json_object(path)
    names = _class_names(path, content)
    multilabel = content.get("is_multilabel")
    if not isinstance(multilabel, bool):
        raise bad(path, "true or false at is_multilabel", multilabel)
    background = "" if multilabel else next((name for name in names if name.casefold() in _BACKGROUNDS), "")
    behaviors = Behaviors.of([n for n in names if n != background], exclusive=not multilabel, background=background)
    parts, seen = [], set[str]()
    videos = get_object(path, content.get("labels"), "labels")
    if options.recording and len(videos) > 1:
        raise bad(path, f"one video, because its recording was given as {options.recording!r}", f"{len(videos)} videos")
    for file, labels in videos.items():
        recording = options.recording or recording_name(file)
        if recording in seen:
            raise bad(path, "videos of different names", file, fix="two videos would get one id: rename one of them")
        seen.add(recording)
        states = _states(path, labels, f"labels[{file!r}]", len(names), multilabel=multilabel)
        columns = [names.index(name) for name in behaviors.names]
        _check_length(path, options.clock, recording, len(states))
        source = f"manual:{options.annotator}"
        parts.append(states_to_annotations(states[:, columns], behaviors, recording, options.clock, source))
    if not parts:
        return Annotations.of((), (), behaviors)
    return Annotations.concat(parts)


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write all recordings into one file; the background is class 0 of a file of one label per frame."""
    what = f"{path} (FERAL)"
    refuse_all_but(annotations, what, ("subject", "target", "modifiers"))
    behaviors = annotations.behaviors
    background = (behaviors.background or "other") if behaviors.exclusive else ""
    if background in behaviors:
        raise AnnotationError(
            f"{what}: expected no behavior called {background!r}, because that class means none of the behaviors, "
            "found one: rename it"
        )
    names = [background, *behaviors.names] if background else list(behaviors.names)
    labels: dict[str, object] = {}
    for recording in annotations.recordings:
        times = all_frame_times(options.clock, recording, what)
        states = whole_states(annotations, recording, times, what, gaps=False)
        labels[_video(recording, options)] = _labels(states)
    content = {
        "class_names": {str(index): name for index, name in enumerate(names)},
        "is_multilabel": not behaviors.exclusive,
        "labels": labels,
        "splits": {"train": list(labels), "val": [], "test": [], "inference": []},
    }
    text = json.dumps(content, ensure_ascii=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))
    return [path]


def _class_names(path: Path, content: Mapping[str, Any]) -> list[str]:
    given = get_object(path, content.get("class_names"), "class_names")
    if len(given) > _MAX_CLASSES:
        raise bad(path, f"at most {_MAX_CLASSES} classes", len(given))
    names = [given.get(str(index)) for index in range(len(given))]
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise bad(
                path, f"a name at class_names['{index}']", name, fix="number the classes 0, 1, 2, ... and name them"
            )
        if name in names[:index]:
            raise bad(path, "every class name once", name, fix="rename one of the classes")
    return [str(name) for name in names]


def _states(path: Path, labels: object, place: str, count: int, *, multilabel: bool) -> Int8[np.ndarray, "frame class"]:
    """0 or 1 for every frame and class."""
    rows = get_list(path, labels, place)
    if not 0 < len(rows) <= _MAX_FRAMES:
        raise bad(path, f"1 to {_MAX_FRAMES} frames at {place}", len(rows))
    for frame, row in enumerate(rows):
        if multilabel and not (isinstance(row, list) and len(row) == count and all(type(x) is int for x in row)):
            raise bad(path, f"a list of {count} numbers 0 or 1 at {place}[{frame}]", row)
        if not multilabel and type(row) is not int:
            raise bad(path, f"the number of a class at {place}[{frame}]", row)
    values = np.array(rows, dtype=object)
    low, high = (0, 1) if multilabel else (0, count - 1)
    if len(wrong := np.argwhere((values < low) | (values > high))):
        where = "".join(f"[{index}]" for index in wrong[0])
        raise bad(path, f"a number from {low} to {high} at {place}{where}", values[tuple(wrong[0])])
    if multilabel:
        return values.astype(np.int8).reshape(len(rows), count)
    return np.asarray(values.astype(np.int64)[:, None] == np.arange(count), np.int8)


def _check_length(path: Path, clock: FrameClock, recording: str, count: int) -> None:
    known = clock.num_frames(recording)
    if known is not None and known != count:
        fix = "the labels belong to another version of the video (FERAL re-encodes videos)"
        raise bad(path, f"{known} frames as {recording!r} has", f"{count} labels", fix=fix)


def _labels(states: Ethogram) -> list[Any]:
    values = states.states.astype(int)
    if states.behaviors.exclusive:
        # FERAL counts the background as class 0; the index of the ethogram counts it last.
        index = states.label_index()
        values = np.where(index == len(states.behaviors), 0, index + 1)
    return list(values.tolist())


def _video(recording: str, options: WriteOptions) -> str:
    """The key of a recording: the file name of its video, as FERAL finds it in the folder of videos."""
    media = options.media.get(recording, "")
    name = PureWindowsPath(media).name if "\\" in media else PurePosixPath(media).name
    return name or f"{recording}.mp4"
