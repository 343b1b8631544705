"""The animals of a recording, each as a recording of its own."""

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vp_science.batch import BatchItem
from vp_science.errors import PoseError, SettingsError
from vp_science.files import hash_file
from vp_science.poses.body import animal_tracks
from vp_science.poses.load import find_pose_file, read_points
from vp_science.recordings import Recording
from vp_science.timeline.animals import AnimalTrack
from vp_science.typing import JSON, StrPath
from vp_science.video.crop_path import PAIRS_NEED_ROTATE, FollowSettings, pair_path, single_path
from vp_science.video.follow import FollowedRecording
from vp_science.video.open import open_recording

Poses = StrPath | Mapping[str, StrPath]
Subjects = Sequence[str] | Mapping[str, str]

_PLAIN = " !#$&'(),;=[]{}^`~"
_MAX_NAME = 100


def follow_animals(
    recording: Recording,
    pose_file: StrPath,
    settings: FollowSettings | None = None,
    *,
    subjects: Subjects | None = None,
    pairs: bool = False,
) -> list[FollowedRecording]:
    """One recording per animal of a pose file: pictures around it, at the times of the recording it is in.

    Args:
        recording: an open recording; it must stay open while the others are used.
        pose_file: where the animals are; see ``load_animal_tracks``.
        settings: how pictures are cut.
        subjects: which animals, in this order; a mapping also says what bouts call them. None takes all that are ever
            seen.
        pairs: also a recording per ordered pair, which holds both animals; needs ``rotate``.

    Returns:
        Animals in the order of the file (or of ``subjects``), called ``<recording id>@<subject>``, then pairs, called
        ``<recording id>@<subject>+<target>``. Characters that do not belong into file names become ``%2F`` and so on.

    Raises:
        PoseError: when the pose file cannot be read, is not of this recording, or has no such animal.
        SettingsError: when names or settings contradict each other.
        MissingExtraError: when an optional package is needed (extra ``pose``).
    """
    settings = settings or FollowSettings()
    poses = _read(pose_file, recording.path, settings, subjects)
    return [
        _follow(recording, poses, settings, subject, target, owned=False)
        for subject, target in _who(poses.tracks, pairs)
    ]


def followed_id(recording_id: str, subject: str, target: str = "") -> str:
    """The id of the recording that follows an animal: it leads to a file beside that of the whole frames."""
    names = "+".join(file_name_part(name) for name in (subject, target) if name)
    return f"{recording_id}@{names}"


def file_name_part(name: str) -> str:
    """A name as part of a file name: no two names give the same, and none leaves the folder.

    Raises:
        SettingsError: when it is empty or too long for a file name.
    """
    part = "".join(
        char if char in _PLAIN or char.isalnum() else quote(char, safe="", errors="replace") for char in name
    )
    if not name.strip() or len(part.encode("utf-8", "replace")) > _MAX_NAME:
        raise SettingsError(
            f"expected the name of an animal of at most {_MAX_NAME} bytes, found {name[:60]!r}: rename it "
            '(subjects={"old": "new"})'
        )
    return part


def pose_file_of(recording_id: str, path: Path | None, poses: Poses, *, alone: bool) -> Path:
    """Which pose file belongs to a recording.

    Args:
        recording_id: its id.
        path: where it lies; None for an array.
        poses: a folder or pattern, in which it is found by its name (see ``find_pose_file``); one file, for a single
            recording; or files by the id or the path of the recording.
        alone: the recording is the only one of the batch.

    Raises:
        PoseError: when there is none, or more than one.
    """
    if isinstance(poses, Mapping):
        keys = (recording_id, *(() if path is None else (str(path), path.name)))
        for key in keys:
            if key in poses:
                return Path(poses[key])
        raise PoseError(f"{recording_id}: expected its pose file in poses, found only {', '.join(poses) or 'nothing'}")
    where = Path(poses)
    name = path if path is not None else Path(Path(recording_id).name + ".none")
    if where.is_dir():
        return find_pose_file(name, where)
    if not where.exists() and any(char in os.fspath(poses) for char in "*?["):
        return find_pose_file(name, sorted(Path(match) for match in glob.glob(os.fspath(poses), recursive=True)))
    if not alone:
        raise PoseError(
            f"{where}: expected a folder of pose files, or one file for one recording, found one file for several "
            "recordings: give the folder"
        )
    return where


@dataclass(frozen=True)
class FollowedItem(BatchItem):
    """One animal (or pair) of one recording of a batch; opened when its turn comes.

    Attributes:
        of_recording: id of the recording.
        pose_file: where the animals are.
        settings: how pictures are cut.
        subjects: the animal's name in the pose file, and the name that bouts use; for a pair both.
        error: why there is nothing to open; then only ``open`` says so, and the rest of the batch goes on.
    """

    of_recording: str
    pose_file: Path
    settings: FollowSettings
    subjects: tuple[tuple[str, str], ...] = ()
    error: str = ""

    def open(self, reading: Mapping[str, Any]) -> FollowedRecording:
        """Open the recording and follow the animal through it.

        Args:
            reading: options of ``open_recording``.

        Raises:
            RecordingError: when the recording cannot be read.
            PoseError: when the poses cannot be read, or are not of this recording.
        """
        if self.error:
            raise PoseError(self.error)
        poses = _read(self.pose_file, self.path, self.settings, dict(self.subjects))
        names = [new for _, new in self.subjects]
        recording = open_recording(self.path, recording_id=self.of_recording, **reading)
        try:
            return _follow(recording, poses, self.settings, names[0], "".join(names[1:]), owned=True)
        except BaseException:
            recording.close()
            raise


def open_item(item: BatchItem, reading: Mapping[str, Any]) -> Recording:
    """Open what stands for a recording in a batch: the recording itself, or an animal in it.

    Args:
        item: of a batch.
        reading: options of ``open_recording``.

    Raises:
        VPScienceError: when it cannot be read.
    """
    if isinstance(item, FollowedItem):
        return item.open(reading)
    return open_recording(item.path, recording_id=item.recording_id, **reading)


def follow_batch(
    items: Sequence[BatchItem | Recording],
    poses: Poses,
    settings: FollowSettings,
    *,
    subjects: Subjects | None = None,
    pairs: bool = False,
    whole_frame: bool = True,
) -> list[BatchItem | Recording]:
    """Put the animals of every recording behind it.

    Args:
        items: the recordings of a batch.
        poses: see ``pose_file_of``.
        settings: how pictures are cut.
        subjects: see ``follow_animals``.
        pairs: see ``follow_animals``.
        whole_frame: keep the recordings themselves.

    Returns:
        Recordings and animals. Where poses cannot be found or read there is a single item that fails with the reason.

    Raises:
        SettingsError: when pairs are asked for and pictures are not turned.
    """
    if pairs and not settings.rotate:
        raise SettingsError(PAIRS_NEED_ROTATE)
    followed: list[BatchItem | Recording] = []
    for item in items:
        name = item.id if isinstance(item, Recording) else item.recording_id
        animals: Sequence[BatchItem | Recording]
        try:
            pose_file = pose_file_of(name, item.path, poses, alone=len(items) == 1)
            if isinstance(item, Recording):
                animals = follow_animals(item, pose_file, settings, subjects=subjects, pairs=pairs)
            else:
                animals = _items(item, pose_file, settings, subjects, pairs)
        except (PoseError, SettingsError) as error:
            failing = FollowedItem(item.path or Path(name), name, name, Path(), settings, error=str(error))
            followed.append(failing)
            continue
        followed += [item, *animals] if whole_frame else animals
    return followed


def _items(
    item: BatchItem, pose_file: Path, settings: FollowSettings, subjects: Subjects | None, pairs: bool
) -> list[FollowedItem]:
    tracks = _read(pose_file, item.path, settings, subjects).tracks
    return [
        FollowedItem(
            item.path, followed_id(item.recording_id, subject, target), item.recording_id, pose_file, settings,
            tuple((tracks[name].name, name) for name in (subject, target) if name),
        )
        for subject, target in _who(tracks, pairs)
    ]  # fmt: skip


def _who(tracks: Mapping[str, AnimalTrack], pairs: bool) -> list[tuple[str, str]]:
    return [(name, "") for name in tracks] + (list(permutations(tracks, 2)) if pairs else [])


@dataclass(frozen=True, eq=False)
class _Poses:
    """Animals by the names that bouts use, and the facts of the file."""

    path: Path
    tracks: dict[str, AnimalTrack]
    facts: dict[str, JSON]


def _read(pose_file: StrPath, recording: Path | None, settings: FollowSettings, subjects: Subjects | None) -> _Poses:
    path = Path(pose_file)
    points = read_points(path, video=None if recording is None else recording.name)
    tracks = animal_tracks(
        points, path, min_points=settings.min_points, min_score=settings.min_score, axis=settings.axis
    )
    return _Poses(
        path,
        _chosen(tracks, subjects, path),
        {"format": points.format, "sha256": hash_file(path)},
    )


def _follow(
    recording: Recording, poses: _Poses, settings: FollowSettings, subject: str, target: str, *, owned: bool
) -> FollowedRecording:
    size = (recording.width, recording.height)
    one = poses.tracks[subject]
    try:
        if target:
            path = pair_path(one, poses.tracks[target], recording.time_s, size, settings)
        else:
            path = single_path(one, recording.time_s, size, settings)
    except PoseError as error:
        raise PoseError(f"{poses.path}: {error}") from error
    return FollowedRecording(
        recording,
        followed_id(recording.id, subject, target),
        path,
        subject=subject,
        target=target,
        settings=settings,
        pose=poses.facts | {"animals": [poses.tracks[name].name for name in (subject, target) if name]},
        owned=owned,
    )


def _chosen(tracks: dict[str, AnimalTrack], subjects: Subjects | None, path: Path) -> dict[str, AnimalTrack]:
    if subjects is None:
        named = {name: track for name, track in tracks.items() if track.present.any()}
        if not named:
            raise PoseError(f"{path}: expected animals that are seen in some frame, found none: lower min_score")
    else:
        new_names = dict(subjects) if isinstance(subjects, Mapping) else {name: name for name in subjects}
        for name in new_names:
            if name not in tracks:
                raise PoseError(f'{path}: expected the animal "{name}", found {", ".join(tracks)}')
        named = {new: tracks[name] for name, new in new_names.items()}
        if len(named) < len(subjects):
            raise SettingsError(f"subjects: expected names that differ, found {', '.join(new_names.values())}")
    parts = [file_name_part(name).casefold() for name in named]
    if len(set(parts)) < len(parts):
        raise SettingsError(
            f"subjects: expected names that differ not only in capitals (they name files), found {', '.join(named)}"
        )
    return named
