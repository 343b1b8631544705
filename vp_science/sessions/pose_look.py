"""The animals of a recording before it is embedded: who is in its pose file, and where their pictures would be cut."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from vp_science.errors import PoseError
from vp_science.poses.load import ENDINGS, find_pose_file, load_animal_tracks
from vp_science.timeline.animals import AnimalTrack
from vp_science.video.crop_path import CropPath, FollowSettings, body_length, single_path


@dataclass(frozen=True)
class Animal:
    """One animal of a pose file.

    Attributes:
        name: as the file calls it.
        seen_share: part of the frames in which it was seen.
        length_px: length of its body in pixels, None when it is not known: then the size of its pictures must be given
            in pixels.
        has_direction: its pictures can be turned so that it looks up.
    """

    name: str
    seen_share: float
    length_px: float | None
    has_direction: bool


def find_poses(recording: Path, folder: Path | None = None) -> Path | None:
    """The pose file of a recording, by its name; None when there is none.

    Args:
        recording: the recording.
        folder: look here first, and then beside the recording.

    Raises:
        PoseError: when there are several.
    """
    for place in (folder, recording.parent):
        if place is not None and (found := _poses_in(place, recording)) is not None:
            return found
    return None


def _poses_in(folder: Path, recording: Path) -> Path | None:
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    alike = [folder / name for name in sorted(names) if name.startswith(recording.stem) and is_pose_name(name)]
    if not alike:
        return None
    try:
        return find_pose_file(recording, alike)
    except PoseError as error:
        if "found none" in str(error):
            return None
        raise


def is_pose_name(name: str) -> bool:
    """Whether a file may hold poses, by its ending."""
    return name.lower().endswith(ENDINGS)


def look_at_poses(poses: Path, follow: FollowSettings | None = None, video: str | None = None) -> list[Animal]:
    """The animals of a pose file.

    Args:
        poses: the file.
        follow: which points count as seen.
        video: file name of the recording, for pose files about several.

    Raises:
        PoseError: when it cannot be read.
        MissingExtraError: when an optional package is needed.
    """
    return [_animal(track) for track in _tracks(poses, follow or FollowSettings(), video).values()]


def _tracks(poses: Path, follow: FollowSettings, video: str | None) -> dict[str, AnimalTrack]:
    return load_animal_tracks(
        poses, min_points=follow.min_points, min_score=follow.min_score, axis=follow.axis, video=video
    )


def _animal(track: AnimalTrack) -> Animal:
    try:
        length: float | None = body_length(track)
    except PoseError:
        length = None
    seen = float(track.present.mean()) if len(track) else 0.0
    return Animal(track.name, seen, length, bool(np.isfinite(track.axis).any()))


def crop_outlines(
    poses: Path,
    time_s: Float64[np.ndarray, " frame"],
    frame_size: tuple[int, int],
    follow: FollowSettings,
    subjects: Sequence[str] | None = None,
    video: str | None = None,
) -> dict[str, Float32[np.ndarray, "frame corner axis"]]:
    """Where the pictures of the animals would be cut in every frame.

    Args:
        poses: the pose file.
        time_s: times of the frames of the recording.
        frame_size: width and height of the frames.
        follow: how pictures are cut.
        subjects: which animals; None takes all that are seen.
        video: file name of the recording.

    Returns:
        By name the four corners (upper left first in the picture, then clockwise) as row and column in pixels; NaN
        where the animal is not there.

    Raises:
        PoseError: when the poses do not fit the recording, or an animal cannot be followed.
    """
    tracks = _tracks(poses, follow, video)
    names = [name for name, track in tracks.items() if track.present.any()] if subjects is None else list(subjects)
    if missing := [name for name in names if name not in tracks]:
        raise PoseError(f'{poses}: expected the animal "{missing[0]}", found {", ".join(tracks)}')
    return {name: _outline(single_path(tracks[name], time_s, frame_size, follow)) for name in names}


def _outline(path: CropPath) -> Float32[np.ndarray, "frame corner axis"]:
    up = np.stack([np.cos(path.angle), np.sin(path.angle)], axis=1)
    right = np.stack([-up[:, 1], up[:, 0]], axis=1)
    half = path.side[:, None] / 2
    corners = np.stack(
        [path.centre + half * (a * up + b * right) for a, b in ((1, -1), (1, 1), (-1, 1), (-1, -1))], axis=1
    )
    corners[~path.shown] = np.nan
    return np.asarray(corners[:, :, ::-1], np.float32)
