"""The animals of a recording, each as a recording of its own."""

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from urllib.parse import quote

from vp_science.errors import PoseError, SettingsError
from vp_science.files import hash_file
from vp_science.poses.body import animal_tracks
from vp_science.poses.load import find_pose_file, read_points
from vp_science.recordings import Recording
from vp_science.timeline.animals import AnimalTrack
from vp_science.typing import JSON, StrPath
from vp_science.video.crop_path import FollowSettings, pair_path, single_path
from vp_science.video.follow import FollowedRecording

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
    video = None if recording.path is None else recording.path.name
    points = read_points(pose_file, video=video)
    tracks = animal_tracks(
        points, pose_file, min_points=settings.min_points, min_score=settings.min_score, axis=settings.axis
    )
    named = _chosen(tracks, subjects, Path(pose_file))
    pose: dict[str, JSON] = {"file": Path(pose_file).name, "format": points.format, "sha256": hash_file(pose_file)}
    size = (recording.width, recording.height)
    try:
        followed = [
            FollowedRecording(
                recording, followed_id(recording.id, name), single_path(track, recording.time_s, size, settings),
                subject=name, settings=settings, pose=pose,
            )
            for name, track in named.items()
        ]  # fmt: skip
        for one, other in permutations(named, 2) if pairs else ():
            path = pair_path(named[one], named[other], recording.time_s, size, settings)
            followed.append(
                FollowedRecording(
                    recording, followed_id(recording.id, one, other), path,
                    subject=one, target=other, settings=settings, pose=pose,
                )
            )  # fmt: skip
    except PoseError as error:
        raise PoseError(f"{pose_file}: {error}") from error
    return followed


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
        return find_pose_file(name, _matching(os.fspath(poses)))
    if not alone:
        raise PoseError(
            f"{where}: expected a folder of pose files, or one file for one recording, found one file for several "
            "recordings: give the folder"
        )
    return where


def _matching(pattern: str) -> Iterable[Path]:
    import glob

    return [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]


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
