"""The JSON of a BORIS project: loading it, its catalogue, and its observations."""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vp_science.annotations.boris_observations import Medium, Observation, make_observation, recording_ids
from vp_science.annotations.clock import recording_name
from vp_science.annotations.text_tables import MAX_BYTES, bad, read_bytes
from vp_science.errors import AnnotationError
from vp_science.timeline.behaviors import Behavior, Behaviors

OUR_KEY = "vp_science"
GZIP = b"\x1f\x8b"
_MAX_S = 1e12
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
EVENT_ITEMS = {"MEDIA": (5, 6), "LIVE": (5, 6), "IMAGES": (5, 6, 7)}


def load_project(path: Path) -> dict[str, Any]:
    """The JSON of a project, unpacked and checked as far as everything below relies on it.

    Raises:
        AnnotationError: when it is not a project, or absurdly large once unpacked.
    """
    data = read_bytes(path)
    if data[:2] == GZIP:
        data = _unpacked(path, data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    try:
        project = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise bad(path, "a BORIS project as JSON", str(error), fix="open it in BORIS and save it again") from error
    if not isinstance(project, dict):
        raise bad(path, "a BORIS project as a JSON object", type(project).__name__)
    for key in ("behaviors_conf", "observations", "subjects_conf"):
        if not isinstance(project.setdefault(key, {}) if key == "subjects_conf" else project.get(key), dict):
            raise bad(path, f"a BORIS project with {key!r} as an object", project.get(key), place=f"key {key!r}")
    for key in ("behaviors_conf", "subjects_conf", "observations"):
        for name, entry in project.get(key, {}).items():
            if not isinstance(entry, dict):
                raise bad(path, "an object", entry, place=f"{key} {name!r}", fix="open it in BORIS and save it again")
    return project


def _unpacked(path: Path, data: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise bad(path, "a gzip file", str(error), fix="copy it again") from error
    if unpacker.unconsumed_tail:
        raise bad(path, f"a project of at most {MAX_BYTES >> 20} MiB unpacked", "more")
    if not unpacker.eof:
        raise bad(path, "a complete gzip file", "one that ends early", fix="copy it again")
    return text


def read_catalogue(path: Path, project: Mapping[str, Any], exclusive: bool | None = None) -> Behaviors:
    """The catalogue: exclusive only if every state behavior excludes every other one."""
    entries, excluded = [], {}
    for index, conf in sorted(project["behaviors_conf"].items(), key=lambda item: _order(item[0])):
        place = f"behaviors_conf {index!r}"
        code, kind = conf.get("code"), str(conf.get("type", ""))
        if not isinstance(code, str) or not kind.startswith(("State", "Point")):
            raise bad(path, "a code and the type State event or Point event", f"{code!r}, {kind!r}", place=place)
        color = str(conf.get("color") or "")
        try:
            entries.append(
                Behavior(
                    code,
                    "state" if kind.startswith("State") else "point",
                    str(conf.get("description") or ""),
                    str(conf.get("category") or ""),
                    str(conf.get("key") or ""),
                    color if _COLOR.fullmatch(color) else "",
                )
            )
        except AnnotationError as error:
            raise AnnotationError(f"{path}, {place}: {error}") from error
        excluded[code] = {name.strip() for name in str(conf.get("excluded") or "").split(",")}
    states = {entry.name for entry in entries if entry.kind == "state"}
    if exclusive is None:
        exclusive = len(states) > 1 and all(states - {name} <= excluded[name] for name in states)
    try:
        return Behaviors(tuple(entries), exclusive)
    except AnnotationError as error:
        raise AnnotationError(f"{path}: {error}") from error


def _order(index: str) -> tuple[int, str]:
    return (int(index) if index.isascii() and index.isdigit() else 1 << 30, index)


@dataclass(frozen=True)
class ProjectObservation:
    """One observation of a project, checked.

    Attributes:
        observation: media, recordings and clock.
        kind: MEDIA, LIVE or IMAGES.
        content: the observation as JSON.
        ours: what we noted under our key; empty for observations of people.
    """

    observation: Observation
    kind: str
    content: dict[str, Any]
    ours: dict[str, Any]


def read_observations(path: Path, project: Mapping[str, Any]) -> list[ProjectObservation]:
    """All observations, with the recordings that they are about."""
    media = {id: _media(path, id, content) for id, content in project["observations"].items()}
    names = recording_ids(medium.path for queue in media.values() for medium in queue)
    found = []
    for id, content in project["observations"].items():
        kind = str(content.get("type", "")).upper()
        if kind not in EVENT_ITEMS:
            raise bad(path, "the type MEDIA, LIVE or IMAGES", content.get("type"), place=place_of(id))
        offset_s = json_number(path, content.get("time offset", 0.0), f"{place_of(id)}, time offset")
        offset_s += _creation_time(path, id, content, media[id])
        observation = make_observation(id, media[id], names, offset_s)
        ours = json_object(content.get(OUR_KEY))
        name = ours.get("recording")
        if isinstance(name, str) and name and len(observation.recordings) == 1:
            observation = Observation(id, observation.media, (name,), offset_s)
        elif kind == "IMAGES" and isinstance(folders := content.get("directories_list"), list) and len(folders) == 1:
            observation = Observation(id, (), (recording_name(str(folders[0])),), offset_s)
        found.append(ProjectObservation(observation, kind, content, ours))
    return found


def place_of(id: str) -> str:
    """How messages name an observation."""
    return f"observation {id!r}"


def _media(path: Path, id: str, content: Mapping[str, Any]) -> tuple[Medium, ...]:
    files = content.get("file")
    queue = files.get("1", []) if isinstance(files, dict) else []
    if not isinstance(queue, list) or not all(isinstance(name, str) and name for name in queue):
        raise bad(path, "a list of media paths", queue, place=f"{place_of(id)}, file")
    if str(content.get("type", "")).upper() != "MEDIA":
        return ()
    lengths = json_object(json_object(content.get("media_info")).get("length"))
    media = []
    for name in queue:
        length: Any = lengths.get(name)
        known = isinstance(length, int | float) and not isinstance(length, bool) and 0 < length < _MAX_S
        media.append(Medium(name, float(length) if known else None))
    return tuple(media)


def _creation_time(path: Path, id: str, content: dict[str, Any], media: Sequence[Medium]) -> float:
    """BORIS can count from the date in the file: then that of the (only) file is part of the offset."""
    if not content.get("media_creation_date_as_offset"):
        return 0.0
    times = json_object(json_object(content.get("media_info")).get("media_creation_time"))
    if len(media) != 1 or media[0].path not in times:
        raise bad(
            path,
            "one media file with its creation date, because the times of this observation count from it",
            f"{len(media)} media files, {len(times)} dates",
            place=place_of(id),
            fix="make one observation per media file",
        )
    return json_number(path, times[media[0].path], f"{place_of(id)}, media_creation_time")


def json_object(value: object) -> dict[str, Any]:
    """An object; what is none counts as an empty one."""
    return value if isinstance(value, dict) else {}


def json_number(path: Path, value: object, place: str) -> float:
    """A finite number.

    Raises:
        AnnotationError: when it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MAX_S:
        raise bad(path, "a number of seconds", value, place=place)
    return float(value)
