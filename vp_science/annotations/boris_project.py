"""BORIS projects (``.boris``, ``.boris.gz``): reading. Writing is in ``boris_review``.

A state event is two rows of one subject, behavior and modifiers: the first starts it, the second stops it. Times are on
the clock of the observation (see ``boris_observations``). Scored is the time interval of the observation, or all of its
media; live observations count from the first to the last event.

Observations that we wrote carry their source, recording, behaviors and scored intervals under the key ``vp_science``,
with a hash of their events. While the hash holds they are predictions (``model:<id>``); once a person changed an event
in BORIS they read as ``curated:<annotator>``. To accept predictions unchanged, rename the observation to
"<recording> [curated:name]". Where a person scored a recording too, only what people scored counts as observed.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vp_science.annotations.boris_json import (
    EVENT_ITEMS,
    GZIP,
    OUR_KEY,
    ProjectObservation,
    json_number,
    load_project,
    place_of,
    read_catalogue,
    read_observations,
)
from vp_science.annotations.boris_observations import NO_FOCAL_SUBJECT, manual_sources, split_id
from vp_science.annotations.boris_tables import merge_observed, name_recording
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.annotations.text_tables import bad
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors


def matches(path: Path, head: bytes) -> bool:
    """A JSON file (perhaps compressed) with the catalogue of BORIS, or any that ends in ``.boris``."""
    name = path.name.lower()
    if name.endswith(".boris.gz"):
        return head[:2] == GZIP
    return name.endswith(".boris") or (head.lstrip()[:1] == b"{" and b'"behaviors_conf"' in head)


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read every observation of a project.

    Raises:
        AnnotationError: naming observation and event, for what BORIS would not write, or a state event without its
            other half.
    """
    return project_annotations(path, load_project(path), options)


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write a new project, or add observations to the project that is there; see ``boris_review``."""
    from vp_science.annotations.boris_review import write_project

    return write_project(annotations, path, options)


def project_annotations(path: Path, project: Mapping[str, Any], options: ReadOptions) -> Annotations:
    """Annotations of a loaded project."""
    behaviors = read_catalogue(path, project, options.exclusive)
    observations = read_observations(path, project)
    pairs = [
        (item.observation.id, name) for item in observations if not item.ours for name in item.observation.recordings
    ]
    manual = manual_sources(pairs, options.annotator)
    bouts: list[dict[str, Any]] = []
    scored: list[tuple[str, list[dict[str, Any]]]] = []
    for item in observations:
        events = _pairs(path, item, behaviors, options.clock)
        source = _source(item, manual, options.annotator)
        for first, last in events:
            for recording, start_s, stop_s in item.observation.place(first.time_s, last.time_s):
                bouts.append(_bout(recording, start_s, stop_s, first, last, behaviors, source))
        noted = "observed" in item.ours
        scored.append((source, _our_intervals(path, item, behaviors) if noted else _observed(path, item, events)))
    try:
        annotations = Annotations.of(bouts, _scored_by_people(scored), behaviors)
    except AnnotationError as error:
        raise AnnotationError(f"{path}: {error}") from error
    return name_recording(annotations, path, options.recording)


def _scored_by_people(scored: Sequence[tuple[str, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """Each interval once. What a model looked at says nothing about a recording that a person scored, too."""
    by_people = {row["recording"] for source, rows in scored if not source.startswith("model:") for row in rows}
    kept = [
        row
        for source, rows in scored
        for row in rows
        if not (source.startswith("model:") and row["recording"] in by_people)
    ]
    groups: dict[tuple[str, str], list[tuple[str, float, float]]] = {}
    for row in kept:
        key = (row.get("subject", ""), row.get("behavior", ""))
        groups.setdefault(key, []).append((row["recording"], row["start_s"], row["stop_s"]))
    return [
        {**row, "subject": subject, "behavior": behavior}
        for (subject, behavior), spans in groups.items()
        for row in merge_observed(spans)
    ]


@dataclass(frozen=True)
class ProjectEvent:
    """One row of an observation."""

    time_s: float
    subject: str
    behavior: str
    modifiers: str
    comment: str
    number: int


def _events(path: Path, item: ProjectObservation, clock: FrameClock) -> list[ProjectEvent]:
    rows = item.content.get("events", [])
    if not isinstance(rows, list):
        raise bad(path, "a list of events", type(rows).__name__, place=place_of(item.observation.id))
    events = []
    for number, row in enumerate(rows):
        place = f"{place_of(item.observation.id)}, event {number + 1}"
        if not isinstance(row, list) or len(row) not in EVENT_ITEMS[item.kind]:
            raise bad(path, "time, subject, behavior, modifier, comment (and frame index)", row, place=place)
        subject, code, modifiers, comment = ("" if text is None else text for text in row[1:5])
        if not all(isinstance(text, str) for text in (subject, code, modifiers, comment)):
            raise bad(path, "subject, behavior, modifier and comment as text", row, place=place)
        time_s = _event_time(path, item, row, clock, place)
        subject = "" if subject == NO_FOCAL_SUBJECT else subject
        events.append(ProjectEvent(time_s, subject, code, modifiers, comment, number))
    return sorted(events, key=lambda event: event.time_s)


def _event_time(path: Path, item: ProjectObservation, row: list[Any], clock: FrameClock, place: str) -> float:
    if item.kind == "IMAGES" and not (isinstance(row[0], int | float) and abs(row[0]) < math.inf):
        index = row[5] if len(row) > 5 else None
        if isinstance(index, bool) or not isinstance(index, int) or index < 1:
            raise bad(path, "a time, or the index of a picture from 1", row, place=place)
        return float(clock.seconds(item.observation.recordings[0], np.array([index - 1], dtype=np.int64))[0])
    return json_number(path, row[0], place)


def _pairs(
    path: Path, item: ProjectObservation, behaviors: Behaviors, clock: FrameClock
) -> list[tuple[ProjectEvent, ProjectEvent]]:
    """First and last row of every bout; twice the same row for a point event."""
    done: list[tuple[ProjectEvent, ProjectEvent]] = []
    waiting: dict[tuple[str, str, str], ProjectEvent] = {}
    for event in _events(path, item, clock):
        place = f"{place_of(item.observation.id)}, event {event.number + 1}"
        if event.behavior not in behaviors:
            known = ", ".join(behaviors.names)
            raise bad(
                path,
                f"one of the behaviors of the project ({known})",
                event.behavior,
                place=place,
                fix="add it to the ethogram in BORIS, or rename it in the events",
            )
        key = (event.subject, event.behavior, event.modifiers)
        if behaviors[event.behavior].kind == "point":
            done.append((event, event))
        elif key in waiting:
            started = waiting.pop(key)
            if not event.time_s > started.time_s:
                raise bad(path, f"{event.behavior!r} to last some time", f"0 s at {event.time_s:g} s", place=place)
            done.append((started, event))
        else:
            waiting[key] = event
    if waiting:
        event = next(iter(waiting.values()))
        raise bad(
            path,
            f"a stop for every state event, found none for {event.behavior!r} of "
            f"{event.subject or NO_FOCAL_SUBJECT!r} that starts at {event.time_s:g} s",
            f"{len(waiting)} such in this observation",
            place=f"{place_of(item.observation.id)}, event {event.number + 1}",
            fix="in BORIS use Observations > Close unpaired events, or delete the event",
        )
    return done


def _bout(
    recording: str,
    start_s: float,
    stop_s: float,
    first: ProjectEvent,
    last: ProjectEvent,
    behaviors: Behaviors,
    source: str,
) -> dict[str, Any]:
    comments = (first.comment,) if first is last else (first.comment, last.comment)
    return {
        "recording": recording,
        "subject": first.subject,
        "behavior": first.behavior,
        "start_s": start_s,
        "stop_s": stop_s,
        "kind": behaviors[first.behavior].kind,
        "source": source,
        "modifiers": first.modifiers,
        "comment": " / ".join(text for text in comments if text),
    }


def events_hash(events: Sequence[Sequence[Any]]) -> str:
    """Tells whether a person changed events: times to the millisecond, subjects, behaviors and modifiers."""
    rows = sorted([round(float(row[0]) * 1000), *row[1:4]] for row in events)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def holds_hash(content: Mapping[str, Any], digest: object) -> bool:
    """Whether the events of an observation are still those of which this is the hash."""
    try:
        return digest == events_hash(content.get("events", []))
    except (TypeError, ValueError, OverflowError):
        return False


def _source(item: ProjectObservation, manual: Mapping[str, str], annotator: str) -> str:
    """The name given by a person wins; then ours, if nobody changed the events; then the annotator."""
    named = split_id(item.observation.id)[1]
    noted = item.ours.get("source")
    if not isinstance(noted, str):
        return named or manual.get(item.observation.id, f"manual:{annotator}")
    if named and named != noted:
        return named
    unchanged = holds_hash(item.content, item.ours.get("events_sha256"))
    return noted if unchanged or not noted.startswith("model:") else f"curated:{annotator}"


def _our_intervals(path: Path, item: ProjectObservation, behaviors: Behaviors) -> list[dict[str, Any]]:
    place, intervals = f"{place_of(item.observation.id)}, {OUR_KEY}", item.ours["observed"]
    if not isinstance(intervals, list):
        raise bad(path, "a list of scored intervals", intervals, place=place)
    # All behaviors means those that were known when the observation was written, not what was added since.
    known = item.ours.get("behaviors")
    known = [name for name in known if name in behaviors] if isinstance(known, list) else list(behaviors.names)
    rows: list[dict[str, Any]] = []
    for entry in intervals:
        if not isinstance(entry, list) or len(entry) != 4 or not all(isinstance(text, str) for text in entry[2:]):
            raise bad(path, "start, stop, subject and behavior of a scored interval", entry, place=place)
        start_s, stop_s = json_number(path, entry[0], place), json_number(path, entry[1], place)
        names = [entry[3]] if entry[3] or set(known) == set(behaviors.names) else known
        rows.extend(_interval(item.observation.recordings[0], start_s, stop_s, entry[2], name) for name in names)
    return rows


def _interval(recording: str, start_s: float, stop_s: float, subject: str = "", behavior: str = "") -> dict[str, Any]:
    return {
        "recording": recording, "subject": subject, "behavior": behavior, "start_s": start_s, "stop_s": stop_s,
    }  # fmt: skip


def _observed(
    path: Path, item: ProjectObservation, events: Sequence[tuple[ProjectEvent, ProjectEvent]]
) -> list[dict[str, Any]]:
    interval = item.content.get("observation time interval") or [0, 0]
    place = f"{place_of(item.observation.id)}, observation time interval"
    if not isinstance(interval, list) or len(interval) != 2:
        raise bad(path, "two numbers", interval, place=place)
    start_s, stop_s = (json_number(path, value, place) for value in interval)
    if item.kind == "MEDIA":
        spans = item.observation.observed((start_s, stop_s if stop_s > start_s else None))
        return [_interval(*span) for span in spans]
    times = [event.time_s - item.observation.offset_s for pair in events for event in pair]
    if stop_s <= start_s:
        start_s, stop_s = min(times, default=0.0), max(times, default=0.0)
    return [_interval(item.observation.recordings[0], start_s, stop_s)] if stop_s > start_s else []
