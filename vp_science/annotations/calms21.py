"""CalMS21 as JSON: ``{group: {sequence: {"annotations": [class per frame], "metadata": {"vocab": ...}, ...}}}``.

Groups are annotators (``annotator-id_0``) and become the source; the recording is the last part of the sequence id, as
the videos are called. One class per frame, so the catalogue is exclusive; the class ``other`` is the background. Frames
come at the rate in the metadata, else at 30 per second, as in CalMS21, unless the times are given. Key points and
features are skipped while reading. The conversion to ``.npy`` that the dataset's own script makes is a pickle and is
refused: give the JSON.

What we write has the same tree without key points, because annotations have none. So our reader, and any program that
wants labels, can read it; programs that train on key points need those of the original file beside it.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from vp_science.annotations.boris_observations import recording_ids
from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.annotations.frame_labels import annotations_to_states, frame_times, refuse_losses, states_to_annotations
from vp_science.annotations.text_tables import bad, number_text, parse_number, read_bytes
from vp_science.errors import AnnotationError
from vp_science.files import write_atomically
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import to_ethogram

FPS = 30.0
OTHER = "other"
VOCABULARY = {"attack": 0, "investigation": 1, "mount": 2, OTHER: 3}
_TEXT = rb'"(?:[^"\\]|\\.){0,512}"\s*:\s*'
_CONTENT = rb'\{\s*"(?:keypoints|scores|annotations|metadata)"'
_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\s*" + _TEXT + rb"\{\s*" + _TEXT + _CONTENT)
_DEFAULT_GROUP = "annotator-id_0"


def matches(path: Path, head: bytes) -> bool:
    """A JSON object of groups of sequences with key points or annotations."""
    return _HEAD.match(head) is not None


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read every sequence.

    Raises:
        AnnotationError: naming group and sequence, for a class that the vocabulary lacks, or sequences without labels.
    """
    tree = _load(path)
    found = [(group, id, content) for group, sequences in tree.items() for id, content in sequences.items()]
    if not found:
        raise bad(path, "groups of sequences", "none")
    catalogue = _catalogue(path, found)
    names = recording_ids(f"{id}.x" for _, id, _ in found)  # the ending is cut off, a dot in the id is not
    if options.recording is not None and len(found) > 1:
        raise bad(path, "one sequence, to have that recording id", len(found), fix="leave out the recording id")
    parts = []
    for group, id, content in found:
        recording = options.recording or names[f"{id}.x"]
        place = _place(group, id)
        states = _states(path, place, content, catalogue)
        clock = options.clock
        if not clock.knows(recording):
            clock = clock.with_default(_rate(path, place, content))
        try:
            parts.append(states_to_annotations(states, catalogue, recording, clock, _source(group, options.annotator)))
        except AnnotationError as error:
            raise AnnotationError(f"{path}, {place}: {error}") from error
    return Annotations.concat(parts)


def _place(group: str, id: str) -> str:
    return f"sequence {id!r} of {group!r}"


def _load(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    try:
        # Key points are most of the file: numbers with a fraction all become the same object, which takes no memory.
        # Classes are whole numbers, and True is refused among them.
        tree = json.loads(read_bytes(path), parse_float=bool)
    except (ValueError, RecursionError) as error:
        raise bad(path, "CalMS21 as JSON", str(error), fix="unpack it again from the download") from error
    if not isinstance(tree, dict):
        raise bad(path, "groups of sequences", type(tree).__name__)
    for group, sequences in tree.items():
        if not isinstance(sequences, dict) or not all(isinstance(entry, dict) for entry in sequences.values()):
            raise bad(path, "an object of sequences", type(sequences).__name__, place=f"group {group!r}")
    return tree


def _vocabulary(path: Path, place: str, content: dict[str, Any]) -> dict[str, int]:
    metadata = content.get("metadata")
    words = metadata.get("vocab", VOCABULARY) if isinstance(metadata, dict) else VOCABULARY
    if isinstance(words, list):
        words = {str(name): index for index, name in enumerate(words)}
    if not isinstance(words, dict) or not words or not all(type(index) is int for index in words.values()):
        raise bad(path, "a vocabulary such as {'attack': 0, 'other': 1}", words, place=f"{place}, metadata, vocab")
    if len({*words.values()}) < len(words):
        raise bad(path, "one number per class", words, place=f"{place}, metadata, vocab")
    return words


def _catalogue(path: Path, found: list[tuple[str, str, dict[str, Any]]]) -> Behaviors:
    """Behaviors of all vocabularies, in the order of their numbers."""
    names: dict[str, None] = {}
    background = ""
    for group, id, content in found:
        words = _vocabulary(path, _place(group, id), content)
        background = OTHER if OTHER in words else background
        names.update(dict.fromkeys(sorted(words, key=words.__getitem__)))
    names.pop(OTHER, None)
    try:
        return Behaviors.of(names, exclusive=True, background=background)
    except AnnotationError as error:
        raise AnnotationError(f"{path}: {error}") from error


def _states(path: Path, place: str, content: dict[str, Any], catalogue: Behaviors) -> np.ndarray:
    labels = content.get("annotations")
    if not isinstance(labels, list) or not labels:
        raise bad(path, "annotations, one class per frame", "none", place=place, fix="give a file with labels")
    words = _vocabulary(path, place, content)
    wrong = next((index for index, label in enumerate(labels) if type(label) is not int), None)
    if wrong is not None:
        found = "a number with a fraction" if labels[wrong] is True else labels[wrong]
        raise bad(path, "whole numbers as classes", found, place=f"{place}, frame {wrong}")
    column = {number: catalogue.index(name) for name, number in words.items() if name != OTHER}
    column |= {words[OTHER]: len(catalogue)} if OTHER in words else {}
    if missing := sorted({*labels} - {*column}):
        where = labels.index(missing[0])
        raise bad(path, f"one of the classes {words}", missing[0], place=f"{place}, frame {where}")
    one_hot = np.eye(len(catalogue) + 1, dtype=np.int8)[[column[label] for label in labels]]
    return one_hot[:, :-1]


def _rate(path: Path, place: str, content: dict[str, Any]) -> float:
    metadata = content.get("metadata")
    given = metadata.get("fps", FPS) if isinstance(metadata, dict) else FPS
    number = parse_number(given) if isinstance(given, str) else given if type(given) in (int, float) else None
    if number is None or not (number > 0 and math.isfinite(number)):
        # Numbers with a fraction were not kept; we write them as text.
        found = "a number with a fraction" if given is True else given
        raise bad(path, "fps as a whole number or text", found, place=f"{place}, metadata", fix="give the rate (--fps)")
    return float(number)


def _source(group: str, annotator: str) -> str:
    if annotator:
        return f"manual:{annotator}"
    return group if group.startswith(("manual:", "model:", "curated:")) else f"manual:{group}"


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write labels without key points (see above). ``manual:<name>`` becomes the group ``<name>``.

    Raises:
        AnnotationError: for targets, modifiers, several subjects, overlapping bouts, frames that nobody scored, or when
            nobody knows the frames.
    """
    refuse_losses(annotations, f"{path} (CalMS21)", ("target", "modifiers", "subject"))
    other = annotations.behaviors.background or OTHER
    words = {name: index for index, name in enumerate((*annotations.behaviors.names, other))}
    if len(words) <= len(annotations.behaviors):
        raise AnnotationError(f"{path}: expected no behavior called {other!r} in a CalMS21 file: rename it")
    tree: dict[str, dict[str, Any]] = {}
    for recording in annotations.recordings:
        bouts = annotations.bouts[annotations.bouts["recording"] == recording]
        for source in sorted({*bouts["source"]}) or ["manual:"]:
            theirs = annotations.bouts[annotations.bouts["source"] == source]
            mine = Annotations(annotations.behaviors, theirs, annotations.observed)
            labels = _labels(mine, recording, path, options)
            name = source.removeprefix("manual:")
            metadata: dict[str, Any] = {"vocab": words, **_written_rate(recording, options)}
            content = {"annotations": labels, "metadata": metadata}
            tree.setdefault(name or _DEFAULT_GROUP, {})[recording] = content
    text = json.dumps(tree, ensure_ascii=False).encode()
    write_atomically(path, lambda file: file.write(text))
    return [path]


def _written_rate(recording: str, options: WriteOptions) -> dict[str, int | str]:
    """The rate where it is constant and not the usual one."""
    fps = options.clock.fps
    if options.clock.times(recording) is not None or fps is None or fps == FPS:
        return {}
    return {"fps": int(fps) if float(fps).is_integer() else number_text(fps)}


def _labels(annotations: Annotations, recording: str, path: Path, options: WriteOptions) -> list[int]:
    clock = options.clock if options.clock.knows(recording) else options.clock.with_default(FPS)
    time_s = frame_times(annotations, recording, clock)
    annotations_to_states(annotations, recording, time_s, clock)
    exclusive = Annotations(annotations.behaviors.replaced(exclusive=True), annotations.bouts, annotations.observed)
    try:
        labels = to_ethogram(exclusive, recording, time_s).label_index()
    except AnnotationError as error:
        raise AnnotationError(f"{path} (CalMS21): {error}") from error
    if len(unknown := np.flatnonzero(labels < 0)):
        raise AnnotationError(
            f"{path} (CalMS21): expected every frame of {recording!r} to be scored, because the format has no word for "
            f"unknown, found frame {unknown[0]} ({time_s[unknown[0]]:.3f} s) and {len(unknown) - 1} others without: "
            "write another format, or take whole recordings as scored (vp-science labels convert --all-scored)"
        )
    return [int(label) for label in labels]
