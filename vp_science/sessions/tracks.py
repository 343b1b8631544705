"""The tracks that a recording has: found by their names, believed when the recording is the one they were made from."""

import json
import os
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vp_science.errors import StoreError, VPScienceError
from vp_science.store.plan import PLAN_NAME, read_plan
from vp_science.store.provenance import Provenance, json_differences
from vp_science.store.segments import segment_path

ENDING = ".embeddings.h5"
"""Ending of a track."""
PARTIAL = ".embeddings.partial"
"""Ending of the folder of unfinished work."""


@dataclass(frozen=True)
class FoundTrack:
    """One finished track of a recording of a session.

    Attributes:
        path: the file.
        id: names the track: the id of the recording, or ``<id>@<subject>`` for an animal that was followed.
        subject: the animal that was followed, "" for whole frames.
        target: the other animal of a pair, "" for none.
        grid_frames: how many frames were embedded.
        settings: what must be equal for a probe to read two tracks, as JSON text.
        provenance: everything that determines its content.
    """

    path: Path
    id: str
    subject: str
    target: str
    grid_frames: int
    settings: str
    provenance: Provenance

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.provenance.model


@dataclass(frozen=True)
class Unfinished:
    """Work on a track that was begun and can go on.

    Attributes:
        id: names the track, as in ``FoundTrack``.
        share: how much of it is done, 0 to 1.
        grid_frames: frames of the whole track.
    """

    id: str
    share: float
    grid_frames: int


class Listings:
    """What lies in folders, each listed once: thousands of recordings may share a folder of tracks."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, str], dict[str, list[str]]] = {}

    def ids(self, folder: Path, ending: str, recording_id: str, others: Collection[str]) -> list[str]:
        """Ids of the tracks of a recording with this ending in a folder, whole frames first."""
        if (folder, ending) not in self._known:
            self._known[folder, ending] = _by_recording(folder, ending)
        ids = self._known[folder, ending].get(recording_id, [])
        return sorted(track_id for track_id in ids if track_id == recording_id or track_id not in others)


def _by_recording(folder: Path, ending: str) -> dict[str, list[str]]:
    """``a@b@c`` may be a track of the recording ``a@b@c``, ``a@b`` or ``a``."""
    found: dict[str, list[str]] = {}
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        if name.endswith(ending):
            parts = name[: -len(ending)].split("@")
            for count in range(1, len(parts) + 1):
                found.setdefault("@".join(parts[:count]), []).append("@".join(parts))
    return found


def track_path(folder: Path, track_id: str) -> Path:
    """Where the track of this id lies in a folder of tracks."""
    return folder / f"{track_id}{ENDING}"


def places_of_tracks(session_folder: Path, recording: Path | None) -> list[Path]:
    """Folders in which the tracks of a recording are looked for, first to last."""
    beside = [] if recording is None else [recording.parent, recording.parent / "embeddings"]
    return [session_folder / "tracks", *beside]


def find_tracks(
    session_folder: Path,
    recording_id: str,
    recording: Path | None,
    others: Collection[str] = (),
    listings: Listings | None = None,
) -> tuple[list[FoundTrack], list[str]]:
    """All tracks of a recording: of whole frames and of animals in it; the first place in which one lies wins.

    Args:
        session_folder: of the session.
        recording_id: id of the recording.
        recording: where it lies, None when nobody knows: then tracks are taken by their names.
        others: ids of other recordings of the session: ``a@b`` may be one of them, and no track of ``a``.
        listings: shared by many calls; None looks anew.

    Returns:
        The tracks, whole frames first, and what is wrong with files of these names that are not used.
    """
    listings = listings or Listings()
    found: dict[str, FoundTrack] = {}
    problems = []
    for folder in places_of_tracks(session_folder, recording):
        for track_id in listings.ids(folder, ENDING, recording_id, others):
            if track_id in found:
                continue
            try:
                found[track_id] = read_track(track_path(folder, track_id), recording)
            except VPScienceError as error:
                problems.append(str(error))
    return sorted(found.values(), key=lambda track: (track.subject != "", track.id)), problems


def read_track(path: Path, recording: Path | None = None) -> FoundTrack:
    """What there is to know of a track without reading its vectors.

    Raises:
        StoreError: when it is no track, or was made from another recording.
    """
    # Only here, so that a session opens without HDF5.
    from vp_science.probes.tracks import track_settings
    from vp_science.store.reader import open_embeddings

    if recording is not None and not is_track_of(path, recording):
        raise StoreError(
            f"{path}: expected the track of {recording}, found one of another recording of that name: move it away, "
            "or embed this recording"
        )
    with open_embeddings(path) as track:
        follow = track.provenance.source.get("follow")
        who = follow if isinstance(follow, dict) else {}
        return FoundTrack(
            path,
            path.name[: -len(ENDING)],
            str(who.get("subject", "")),
            str(who.get("target", "")),
            track.grid_size,
            json.dumps(track_settings(track.provenance), sort_keys=True),
            track.provenance,
        )


def is_track_of(track: Path, recording: Path) -> bool:
    """Whether a file says that it was made from this recording: its size, and a hash of its first and last MiB.

    A recording that is not there (a disk that is not plugged in) cannot be compared, and the name is believed. So it
    is with a file that says nothing.
    """
    try:
        return _is_track_of(track, _stamp(track), recording, _stamp(recording))
    except OSError:
        return True


def _stamp(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=65536)
def _is_track_of(track: Path, _: tuple[int, int], recording: Path, stamp: tuple[int, int]) -> bool:
    """The stamps are part of the question: a file that changed is asked again."""
    said = _said_fingerprint(track)
    if said is None:
        return True
    if _is_plain(recording):
        from vp_science.recordings import fingerprint_files

        return stamp[0] == said[0] and fingerprint_files([recording], 0).sha256 == said[1]
    from vp_science.video.open import open_recording

    try:
        with open_recording(recording) as opened:
            print_of = opened.fingerprint()
    except VPScienceError:
        return True  # whoever opens it will say what is wrong with it
    return (print_of.num_bytes, print_of.sha256) == said


def _is_plain(recording: Path) -> bool:
    """Whether the fingerprint is that of one file as it lies there (HDF5 leaves out what was written into it)."""
    if recording.is_dir():
        return False
    with recording.open("rb") as file:
        return file.read(8) != b"\x89HDF\r\n\x1a\n" and recording.suffix.lower() != ".npy"


def _said_fingerprint(track: Path) -> tuple[int, str] | None:
    import h5py

    try:
        with h5py.File(track, "r") as file:
            size, digest = file.attrs.get("fingerprint_num_bytes"), file.attrs.get("fingerprint_sha256")
            return None if size is None or digest is None else (int(size), str(digest))
    except (OSError, RuntimeError, ValueError, TypeError, KeyError):
        return None  # no HDF5 file: whoever opens it will say so


def find_unfinished(
    session_folder: Path, recording_id: str, others: Collection[str] = (), listings: Listings | None = None
) -> list[Unfinished]:
    """Tracks of a recording that were begun in the session and are not finished."""
    folder = session_folder / "tracks"
    ids = (listings or Listings()).ids(folder, PARTIAL, recording_id, others)
    work = (unfinished_work(folder / f"{track_id}{PARTIAL}", track_id) for track_id in ids)
    return [one for one in work if one is not None]


def unfinished_work(partial: Path, track_id: str) -> Unfinished | None:
    """How far the work in a folder of segments is; None when there is nothing that can go on."""
    try:
        plan = read_plan(partial / PLAN_NAME)
        windows, per_segment, grid = (int(plan[key]) for key in ("num_windows", "windows_per_segment", "grid_size"))
        segments = -(-windows // per_segment)
        done = next((i for i in range(segments) if not segment_path(partial, i).is_file()), segments)
        return Unfinished(track_id, done / segments, grid)
    except (OSError, StoreError, KeyError, ValueError, TypeError, ZeroDivisionError):
        return None


def unlike_the_others(settings: Mapping[str, str]) -> dict[str, list[str]]:
    """Tracks that were made in another way than most: a probe reads only tracks of the same settings.

    Args:
        settings: ``FoundTrack.settings`` by the id of the track; leave out followed animals when whole frames are
            compared, and the other way round.

    Returns:
        By id what differs, for example ``["stride: 8 instead of 4"]``; empty when all are alike.
    """
    if len(set(settings.values())) < 2:
        return {}
    usual = Counter(settings.values()).most_common(1)[0][0]
    expected = json.loads(usual)
    return {
        name: [plain_difference(text) for text in json_differences(expected, json.loads(own))]
        for name, own in settings.items()
        if own != usual
    }


def plain_difference(text: str) -> str:
    """``stride: 4 here, 8 in the file`` in the words of the panel."""
    name, _, values = text.partition(": ")
    here, _, there = values.removesuffix(" in the file").rpartition(" here, ")
    return f"{name}: {there} instead of {here}"


def same_settings(track: FoundTrack, wanted: Mapping[str, Any]) -> list[str]:
    """In which of the wanted settings a track was made otherwise; empty when in none.

    Args:
        track: a finished track.
        wanted: parts of the provenance as JSON, by name; ``grid.sample_fps`` for the rate of the sample grid.
    """
    return _unlike(track.provenance.to_json(), wanted)


def plan_differences(partial: Path, wanted: Mapping[str, Any]) -> list[str]:
    """In which of the wanted settings unfinished work was begun otherwise."""
    try:
        return _unlike(read_plan(partial / PLAN_NAME)["provenance"], wanted)
    except (OSError, StoreError) as error:
        return [str(error)]


def _unlike(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    grid = made.get("grid")
    flat = {**made, "grid.sample_fps": grid.get("sample_fps") if isinstance(grid, dict) else None}
    return [
        plain_difference(text)
        for name, value in wanted.items()
        for text in json_differences(value, flat.get(name), name)
    ]
