"""BORIS projects: writing. A new project, or more observations in one that is there, for a person to review.

Every recording and source becomes an observation of its own, ``<recording> [<source>]`` (plainly ``<recording>`` for
``manual:``). In an existing project everything else stays as it is: other observations, settings, keys that we do not
know. Behaviors and subjects that the project lacks are added behind its own. Predictions that stand there already are
not added twice.

Times are milliseconds, as in BORIS. Not held: scores (left out) and targets (refused). Scored intervals are kept under
our own key; BORIS itself knows one interval per observation and gets the one from the first to the last of them.
"""

import gzip
import json
import string
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vp_science.annotations.boris_json import (
    OUR_KEY,
    ProjectObservation,
    json_object,
    load_project,
    read_catalogue,
    read_observations,
)
from vp_science.annotations.boris_observations import Medium, medium_path, refuse_targets, tagged_id
from vp_science.annotations.boris_project import events_hash, holds_hash
from vp_science.annotations.boris_tabular import refuse_overlaps
from vp_science.annotations.formats import WriteOptions
from vp_science.annotations.text_tables import read_bytes
from vp_science.errors import AnnotationError
from vp_science.files import write_atomically
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.ethogram import frame_edges

_KEYS = string.ascii_lowercase + string.digits + string.ascii_uppercase
_NOTHING_KNOWN_FPS = 25.0


def write_project(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write a project, or add observations to it.

    Args:
        annotations: bouts of any sources.
        path: the project, ``.boris`` or ``.boris.gz``; it need not exist.
        options: ``media`` says where BORIS finds the recordings. A recording that the project has already keeps the
            path that it has there.

    Raises:
        AnnotationError: for targets, overlapping bouts of one behavior and subject, bouts shorter than a millisecond,
            or a project in which a behavior is of another kind.
    """
    refuse_targets(annotations, str(path))
    refuse_overlaps(annotations, str(path))
    there = path.exists()
    project = load_project(path) if there else _new_project(path)
    before = json.dumps(project) if there else ""
    known = read_observations(path, project)
    _add_behaviors(path, project, annotations.behaviors)
    _add_subjects(project, annotations.bouts["subject"])
    for recording, source in _observations(annotations):
        _add_observation(project, known, annotations, recording, source, options)
    if json.dumps(project) == before:
        return [path]
    packed = path.name.lower().endswith(".gz")
    text = json.dumps(project, indent=None if packed or (there and not _is_indented(path)) else 1).encode()
    data = gzip.compress(text, mtime=0) if packed else text
    write_atomically(path, lambda file: file.write(data))
    return [path]


def _is_indented(path: Path) -> bool:
    """BORIS writes projects with or without line breaks, as its user likes: keep that."""
    return b"\n" in read_bytes(path)[:4]


def _new_project(path: Path) -> dict[str, Any]:
    return {
        "time_format": "hh:mm:ss",
        "project_date": datetime.now().isoformat(timespec="seconds"),
        "project_name": path.name.removesuffix(".gz").removesuffix(".boris"),
        "project_description": "",
        "project_format_version": "7.0",
        "subjects_conf": {},
        "behaviors_conf": {},
        "observations": {},
        "behavioral_categories": [],
        "behavioral_categories_config": {},
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }


def _next_index(entries: dict[str, Any]) -> str:
    return str(max((int(name) for name in entries if name.isascii() and name.isdigit()), default=-1) + 1)


def _free_key(wanted: str, used: set[str]) -> str:
    """A key of the keyboard that nothing else uses; none when all are taken."""
    key = next((key for key in (wanted, *_KEYS) if key and key not in used), "")
    used.add(key)
    return key


def _used_keys(project: dict[str, Any]) -> set[str]:
    entries = [*project["behaviors_conf"].values(), *project.get("subjects_conf", {}).values()]
    return {str(entry.get("key", "")) for entry in entries}


def _add_behaviors(path: Path, project: dict[str, Any], behaviors: Behaviors) -> None:
    there = read_catalogue(path, project)
    used = _used_keys(project)
    states = [entry.name for entry in (*there, *behaviors) if entry.kind == "state"]
    if behaviors.exclusive and any("," in name for name in states):
        raise AnnotationError(f"{path}: expected names without comma where behaviors exclude each other in BORIS")
    for entry in behaviors:
        if entry.name in there:
            if there[entry.name].kind != entry.kind:
                raise AnnotationError(
                    f"{path}: expected {entry.name!r} to be a {entry.kind} as in the annotations, found a "
                    f"{there[entry.name].kind} in the project: rename one of them"
                )
            continue
        _add_category(project, entry.category)
        others = [name for name in dict.fromkeys(states) if name != entry.name]
        project["behaviors_conf"][_next_index(project["behaviors_conf"])] = _behavior_entry(
            entry, _free_key(entry.key, used), others if behaviors.exclusive else []
        )


def _behavior_entry(entry: Behavior, key: str, excluded: Iterable[str]) -> dict[str, Any]:
    return {
        "type": "State event" if entry.kind == "state" else "Point event",
        "key": key,
        "code": entry.name,
        "description": entry.description,
        "color": entry.color,
        "category": entry.category,
        "modifiers": {},
        "excluded": ",".join(excluded) if entry.kind == "state" else "",
        "coding map": "",
    }


def _add_category(project: dict[str, Any], category: str) -> None:
    categories = project.get("behavioral_categories")
    if not category or not isinstance(categories, list) or category in categories:
        return
    categories.append(category)
    config = project.get("behavioral_categories_config")
    if isinstance(config, dict):
        config[_next_index(config)] = {"name": category, "color": ""}


def _add_subjects(project: dict[str, Any], names: Iterable[str]) -> None:
    subjects = project.setdefault("subjects_conf", {})
    there, used = {str(entry.get("name", "")) for entry in subjects.values()}, _used_keys(project)
    for name in dict.fromkeys(names):
        if name and name not in there:
            subjects[_next_index(subjects)] = {"key": _free_key("", used), "name": name, "description": ""}


def _observations(annotations: Annotations) -> list[tuple[str, str]]:
    """Recording and source of every observation to write; recordings without bouts go to the only source there is."""
    pairs = list(dict.fromkeys(zip(annotations.bouts["recording"], annotations.bouts["source"], strict=True)))
    sources = sorted({source for _, source in pairs})
    default = sources[0] if len(sources) == 1 else "manual:"
    silent = [name for name in annotations.recordings if name not in {recording for recording, _ in pairs}]
    return sorted([*pairs, *((name, default) for name in silent)])


def _add_observation(
    project: dict[str, Any],
    known: list[ProjectObservation],
    annotations: Annotations,
    recording: str,
    source: str,
    options: WriteOptions,
) -> None:
    bouts = annotations.bouts
    events = _events(bouts[(bouts["recording"] == recording) & (bouts["source"] == source)])
    observed = annotations.observed[annotations.observed["recording"] == recording]
    digest = events_hash(events)
    note = {
        "source": source,
        "recording": recording,
        "behaviors": list(annotations.behaviors.names),
        "observed": [[row.start_s, row.stop_s, row.subject, row.behavior] for row in observed.itertuples(index=False)],
        "events_sha256": digest,
    }
    if any(item.ours == note and holds_hash(item.content, digest) for item in known):
        return
    medium, fps = _medium(known, recording, bouts, observed, options)
    observations = project["observations"]
    observations[tagged_id(recording, source, observations)] = {
        "file": {str(player): [medium.path] if player == 1 else [] for player in range(1, 9)},
        "type": "MEDIA",
        "date": datetime.now().isoformat(timespec="seconds"),
        "description": _description(source),
        "time offset": 0.0,
        "events": events,
        "observation time interval": _interval(observed, medium.length_s or 0.0),
        "independent_variables": {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "media_creation_date_as_offset": False,
        "media_scan_sampling_duration": 0,
        "image_display_duration": 1,
        "close_behaviors_between_videos": False,
        "media_info": {
            "length": {medium.path: medium.length_s},
            "fps": {medium.path: fps},
            "hasVideo": {medium.path: True},
            "hasAudio": {medium.path: False},
            "offset": {"1": 0.0},
        },
        OUR_KEY: note,
    }


def _description(source: str) -> str:
    if not source.startswith("model:"):
        return ""
    return (
        f"Predictions of {source.removeprefix('model:')} written by vp_science. Correct the events here: after a "
        "change they are read back as curated. To accept them all, put [curated:your name] into the observation id."
    )


def _events(bouts: pd.DataFrame) -> list[list[Any]]:
    """Rows in the order of BORIS; at one time, stops stand before starts."""
    rows: list[tuple[float, int, list[Any]]] = []
    for bout in bouts.itertuples(index=False):
        start_s, stop_s = round(bout.start_s, 3), round(bout.stop_s, 3)
        rows.append((start_s, 1, [start_s, bout.subject, bout.behavior, bout.modifiers, bout.comment, "NA"]))
        if bout.kind == "state":
            if not stop_s > start_s:
                raise AnnotationError(
                    f"expected bouts of at least a millisecond, because BORIS counts in milliseconds, found "
                    f"{bout.behavior!r} at {bout.start_s:.6f} to {bout.stop_s:.6f} s of {bout.recording!r}: remove it"
                )
            rows.append((stop_s, 0, [stop_s, bout.subject, bout.behavior, bout.modifiers, "", "NA"]))
    return [row for _, _, row in sorted(rows, key=lambda entry: (entry[0], entry[1]))]


def _medium(
    known: list[ProjectObservation],
    recording: str,
    bouts: pd.DataFrame,
    observed: pd.DataFrame,
    options: WriteOptions,
) -> tuple[Medium, float]:
    """Media file, length and rate: from the project where it has the recording, else from what we know."""
    path, length, fps = _known_medium(known, recording)
    times = options.clock.times(recording)
    if times is not None and len(times) > 1:
        length = float(frame_edges(times)[-1])
        fps = float(1 / np.median(np.diff(times)))
    elif fps is None and options.clock.fps is not None:
        fps = float(options.clock.fps)
    if length is None:
        mine = bouts[bouts["recording"] == recording]
        length = float(max([*mine["stop_s"], *observed["stop_s"], 0.001]))
    return Medium(path or medium_path(recording, options.media), round(length, 3)), round(fps or _NOTHING_KNOWN_FPS, 3)


def _known_medium(known: list[ProjectObservation], recording: str) -> tuple[str | None, float | None, float | None]:
    for item in known:
        if recording in item.observation.recordings and len(item.observation.media) == len(item.observation.recordings):
            medium = item.observation.media[item.observation.recordings.index(recording)]
            rate: Any = json_object(json_object(item.content.get("media_info")).get("fps")).get(medium.path)
            known_rate = isinstance(rate, int | float) and 0 < rate < 1e6
            return medium.path, medium.length_s, float(rate) if known_rate else None
    return None, None, None


def _interval(observed: pd.DataFrame, length_s: float) -> list[float]:
    """The interval that BORIS shows; zeros stand for the whole of the media."""
    if not len(observed):
        return [0.0, 0.0]
    first, last = round(float(observed["start_s"].min()), 3), round(float(observed["stop_s"].max()), 3)
    return [0.0, 0.0] if first <= 0 and last >= length_s else [max(first, 0.0), last]
