"""JABS annotations: one JSON file per video, frame ranges with inclusive ends for every animal and behavior.

``{version, file, num_frames, labels: {identity: {behavior: [{start, end, present}]}}, unfragmented_labels: {...},
external_identities, metadata, annotations}``. JABS is the one program that writes down what was looked at: ``present``
true is a bout, false says that the behavior was looked for and absent; both are observed for that animal and behavior,
all else is unknown. ``unfragmented_labels`` (as the person drew them) are read before ``labels`` (cut where the pose
was lost). In projects of several exclusive classes the reserved behavior "None" means that none of them happens: such
files are exclusive, and every label is an observation of all behaviors.

Animals are named as in ``external_identities``, else by their number. Timeline annotations (tags that are no behavior
labels) become behaviors of the category "JABS timeline annotation" that are never observed, so that nothing is trained
on them by accident; they are written back as such. A catalogue with tags is not exclusive: tags overlap labels.

JABS has no targets, modifiers and instants, labels an animal always, and would take predictions for labels: such
annotations are refused. Comments (of behavior labels), scores and the annotator are not kept. Frame numbers need the
recording's times, and writing needs the number of its frames.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from jaxtyping import Float64, Int8

from vp_science.annotations.capacity import all_frame_times, refuse_all_but, refuse_outside
from vp_science.annotations.clock import recording_name
from vp_science.annotations.formats import ReadOptions, WriteOptions, one_file_per_recording
from vp_science.annotations.json_files import get_list, get_object, get_whole, read_json_object
from vp_science.annotations.sniffing import json_mentions
from vp_science.annotations.text_tables import bad
from vp_science.errors import AnnotationError
from vp_science.files import write_atomically
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.ethogram import cover, runs

TIMELINE_CATEGORY = "JABS timeline annotation"
_NONE = "None"
_TITLE = "JABS"
_LABELS = ("unfragmented_labels", "labels")
_MAX_TAG = 32
_MAX_FRAMES = 1 << 28


def matches(path: Path, head: bytes) -> bool:
    """A JSON object with ``file``, ``num_frames`` and labels."""
    return json_mentions(path, head, "file", "num_frames") and any(json_mentions(path, head, key) for key in _LABELS)


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read the labels and timeline annotations of one video."""
    content = read_json_object(path)
    file = content.get("file")
    if not isinstance(file, str) or not file.strip():
        raise bad(path, "the name of the video at file", file)
    reader = _Reader(path, content, options.recording or recording_name(file), options)
    for place, identity, behavior, blocks in reader.tracks():
        reader.add_track(place, identity, behavior, blocks)
    for index, entry in enumerate(get_list(path, content.get("annotations", []), "annotations")):
        reader.add_timeline(f"annotations[{index}]", get_object(path, entry, f"annotations[{index}]"))
    return reader.annotations()


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write one file per recording, to be put into ``jabs/annotations`` of a project."""
    refuse_all_but(annotations, f"{path} (JABS)", ("target", "modifiers"))
    if _NONE in annotations.behaviors:
        raise AnnotationError(
            f"{path} (JABS): expected no behavior called {_NONE!r}, because it means none of the behaviors, found one: "
            "rename it"
        )
    files = one_file_per_recording(annotations, path, ".json")
    for recording, file in files:
        text = json.dumps(_content(annotations, recording, options), ensure_ascii=False, indent=2) + "\n"
        write_atomically(file, lambda out, text=text: out.write(text.encode()))  # type: ignore[misc]
    return [file for _, file in files]


class _Reader:
    """Gathers what one file says."""

    def __init__(self, path: Path, content: Mapping[str, Any], recording: str, options: ReadOptions) -> None:
        self.path, self.content, self.recording, self.clock = path, content, recording, options.clock
        self.source = f"manual:{options.annotator}"
        self.count = get_whole(path, content.get("num_frames"), "num_frames", 1, _MAX_FRAMES)
        known = self.clock.num_frames(recording)
        if known is not None and known != self.count:
            fix = "the annotations belong to another version of the video"
            raise bad(path, f"num_frames {known} as {recording!r} has", self.count, fix=fix)
        names = get_object(path, content.get("external_identities") or {}, "external_identities")
        self.names = {str(identity): str(name) for identity, name in names.items()}
        self.exclusive = any(behavior == _NONE for _, _, behavior, _ in self.tracks())
        self.behaviors: dict[str, Behavior] = {}
        self.bouts: list[dict[str, Any]] = []
        self.observed: list[dict[str, Any]] = []

    def tracks(self) -> Iterable[tuple[str, str, str, list[Any]]]:
        """Place, identity, behavior and blocks of every track of labels."""
        key = next((key for key in _LABELS if key in self.content), "labels")
        for identity, behaviors in get_object(self.path, self.content.get(key, {}), key).items():
            for behavior, blocks in get_object(self.path, behaviors, f"{key}.{identity}").items():
                place = f"{key}.{identity}.{behavior}"
                yield place, identity, behavior, get_list(self.path, blocks, place)

    def add_track(self, place: str, identity: str, behavior: str, blocks: list[Any]) -> None:
        """Labels of one animal and behavior."""
        if behavior != _NONE:
            self.behaviors.setdefault(behavior, Behavior(behavior))
        taken: list[tuple[int, int, bool]] = []
        for index, entry in enumerate(blocks):
            block = get_object(self.path, entry, f"{place}[{index}]")
            start, stop = self._frames(f"{place}[{index}]", block)
            present = block.get("present")
            if not isinstance(present, bool):
                raise bad(self.path, f"true or false at {place}[{index}].present", present)
            taken.append((start, stop, present))
        taken.sort()
        reached = {True: 0, False: 0}
        for start, stop, present in taken:
            if start < reached[not present]:
                raise bad(self.path, f"one label per frame at {place}", f"present and absent at frame {start}")
            reached[present] = max(reached[present], stop)
        for start, stop, present in taken:
            row = self._row(identity, start, stop)
            everything = behavior == _NONE or (self.exclusive and present)
            self.observed.append({**row, "behavior": "" if everything else behavior})
            if present and behavior != _NONE:
                self.bouts.append({**row, "behavior": behavior, "source": self.source})

    def add_timeline(self, place: str, entry: Mapping[str, Any]) -> None:
        """A tag, which is no label."""
        tag, color = entry.get("tag"), entry.get("color", "")
        if not isinstance(tag, str) or not tag.strip():
            raise bad(self.path, f"a tag at {place}.tag", tag)
        name = tag
        while name in self.behaviors and self.behaviors[name].category != TIMELINE_CATEGORY:
            name = f"{name} (tag)"
        shown = color if isinstance(color, str) and len(color) == 7 and color.startswith("#") else ""
        self.behaviors.setdefault(name, Behavior(name, category=TIMELINE_CATEGORY, color=shown))
        identity = entry.get("identity")
        row = self._row("" if identity is None else str(identity), *self._frames(place, entry))
        comment = str(entry.get("description") or "")
        self.bouts.append({**row, "behavior": name, "source": self.source, "comment": comment})

    def annotations(self) -> Annotations:
        """What was gathered."""
        labels = [entry.name for entry in self.behaviors.values() if entry.category != TIMELINE_CATEGORY]
        exclusive, observed = self.exclusive, self.observed
        if len(labels) < len(self.behaviors):  # tags may overlap labels, and are never observed
            exclusive = False
            names = {row["behavior"]: [row["behavior"]] if row["behavior"] else labels for row in observed}
            observed = [{**row, "behavior": name} for row in observed for name in names[row["behavior"]]]
        behaviors = Behaviors(tuple(self.behaviors.values()), exclusive, _NONE if exclusive else "")
        try:
            return Annotations.of(self.bouts, observed, behaviors)
        except AnnotationError as error:
            raise AnnotationError(f"{self.path}: {error}") from error

    def _frames(self, place: str, entry: Mapping[str, Any]) -> tuple[int, int]:
        """First frame and one past the last."""
        start = get_whole(self.path, entry.get("start"), f"{place}.start", 0, self.count - 1)
        return start, 1 + get_whole(self.path, entry.get("end"), f"{place}.end", start, self.count - 1)

    def _row(self, identity: str, start: int, stop: int) -> dict[str, Any]:
        start_s, stop_s = self.clock.seconds(self.recording, np.array([start, stop], dtype=np.int64))
        subject = self.names.get(identity, identity)
        return {"recording": self.recording, "subject": subject, "start_s": float(start_s), "stop_s": float(stop_s)}


def _content(annotations: Annotations, recording: str, options: WriteOptions) -> dict[str, Any]:
    times = all_frame_times(options.clock, recording, _TITLE)
    part = annotations.select(recordings=[recording])
    refuse_outside(part, recording, times, _TITLE)
    tags = [entry.name for entry in part.behaviors if entry.category == TIMELINE_CATEGORY]
    identities = _identities(part, tags)
    labels = {number: _tracks(part, subject, times, tags) for subject, number in identities.items()}
    labels = {number: tracks for number, tracks in labels.items() if tracks}
    media = options.media.get(recording, "")
    name = PureWindowsPath(media).name if "\\" in media else PurePosixPath(media).name
    content: dict[str, Any] = {
        "version": 1,
        "file": name or f"{recording}.mp4",
        "num_frames": len(times),
        "labels": labels,
        "unfragmented_labels": labels,
        "metadata": {"project": {}, "video": {}},
    }
    if any(subject != number for subject, number in identities.items()):
        content["external_identities"] = {number: subject for subject, number in identities.items()}
    if entries := _timeline(part, identities, times, tags):
        content["annotations"] = entries
    return content


def _identities(part: Annotations, tags: list[str]) -> dict[str, str]:
    """Number of every animal: its own name when all names are numbers, else its place in the alphabet."""
    nobody = part.bouts[(part.bouts["subject"] == "") & ~part.bouts["behavior"].isin(tags)]
    subjects = part.subjects()
    if len(nobody) or (not subjects and len(part.observed)):
        raise AnnotationError(
            f"{_TITLE} labels animals, found annotations of {part.recordings[0]!r} that name none: fill the column "
            "'subject' (0 for the only animal)"
        )
    if all(name.isascii() and name.isdigit() and str(int(name)) == name for name in subjects):
        return {name: name for name in subjects}
    return {name: str(index) for index, name in enumerate(subjects)}


def _tracks(
    part: Annotations, subject: str, times: Float64[np.ndarray, " frame"], tags: list[str]
) -> dict[str, list[dict[str, Any]]]:
    """Blocks of every behavior of one animal; a bout in time that nobody observed is a label all the same."""
    labels = [name for name in part.behaviors.names if name not in tags]
    states = np.full((len(labels) + 1, len(times)), -1, dtype=np.int8)
    for row, name in enumerate(labels):
        mine = part.observed["subject"].isin([subject, ""]) & part.observed["behavior"].isin([name, ""])
        seen = part.observed[mine]
        states[row][cover(seen["start_s"].to_numpy(), seen["stop_s"].to_numpy(), times, keep_short=False)] = 0
        bouts = part.bouts[(part.bouts["subject"] == subject) & (part.bouts["behavior"] == name)]
        states[row][cover(bouts["start_s"].to_numpy(), bouts["stop_s"].to_numpy(), times, keep_short=True)] = 1
    if part.behaviors.exclusive:
        labels.append(_NONE)
        _to_classes(states, part, subject, times)
    tracks = {name: _blocks(row) for name, row in zip(labels, states, strict=False)}
    # An empty track of "None" tells that the classes exclude each other, also where none of them was ever absent.
    return {name: blocks for name, blocks in tracks.items() if blocks or (name == _NONE and any(tracks.values()))}


def _to_classes(
    states: Int8[np.ndarray, "behavior frame"], part: Annotations, subject: str, times: Float64[np.ndarray, " frame"]
) -> None:
    """Labels as projects of exclusive classes have them: only positive ones, the last row meaning none of them."""
    happens = states == 1
    if len(bad_frames := np.flatnonzero(happens.sum(axis=0) > 1)):
        names = [name for name, on in zip(part.behaviors.names, happens[:, bad_frames[0]], strict=False) if on]
        raise AnnotationError(
            f"expected one behavior of {subject!r} at a time, found {' and '.join(names)} at "
            f"{times[bad_frames[0]]:.3f} s of {part.recordings[0]!r}: correct the bouts, or make the catalogue not "
            "exclusive"
        )
    nothing = (states[:-1] == 0).all(axis=0) if len(states) > 1 else np.zeros(states.shape[1], dtype=bool)
    partly = ~nothing & ~happens.any(axis=0) & (states[:-1] == 0).any(axis=0)
    if len(frames := np.flatnonzero(partly)):
        raise AnnotationError(
            f"{_TITLE} states all of several exclusive classes at once: found that only some of them were observed at "
            f"{times[frames[0]]:.6g} s of {part.recordings[0]!r}: observe all, or make the catalogue not exclusive"
        )
    states[states == 0] = -1
    states[-1, nothing] = 1


def _blocks(row: Int8[np.ndarray, " frame"]) -> list[dict[str, Any]]:
    spans = [(first, stop - 1, present) for present in (True, False) for first, stop in runs(row == int(present))]
    return [{"start": first, "end": last, "present": present} for first, last, present in sorted(spans)]


def _timeline(
    part: Annotations, identities: Mapping[str, str], times: Float64[np.ndarray, " frame"], tags: list[str]
) -> list[dict[str, Any]]:
    entries = []
    for row in part.bouts[part.bouts["behavior"].isin(tags)].itertuples():
        tag = row.behavior.removesuffix(" (tag)")
        if len(tag) > _MAX_TAG or not all(letter.isalnum() or letter in "_-" for letter in tag):
            raise AnnotationError(
                f"{_TITLE} tags have at most {_MAX_TAG} letters, digits, '_' and '-', found {tag!r}: rename it"
            )
        on = cover(np.array([row.start_s]), np.array([row.stop_s]), times, keep_short=True)
        for first, stop in runs(on):
            entry = {
                "start": first,
                "end": stop - 1,
                "tag": tag,
                "color": part.behaviors[row.behavior].color or "#808080",
            }
            entry |= {"description": row.comment} if row.comment else {}
            entry |= {"identity": int(identities[row.subject])} if row.subject else {}
            entries.append(entry)
    return entries
