"""JABS: ``<video>_pose_est_v2.h5`` to ``_v8.h5``.

``sleap-io`` reads these too, frame by frame and up to version 6, and takes instances that JABS has masked.
"""

import heapq
from pathlib import Path

import h5py
import numpy as np

from vp_science.errors import PoseError
from vp_science.poses.h5_read import has, numbers, open_pose_h5
from vp_science.poses.points import PosePoints, check_size

NODES = [
    "NOSE", "LEFT_EAR", "RIGHT_EAR", "BASE_NECK", "LEFT_FRONT_PAW", "RIGHT_FRONT_PAW", "CENTER_SPINE", "LEFT_REAR_PAW",
    "RIGHT_REAR_PAW", "BASE_TAIL", "MID_TAIL", "TIP_TAIL",
]  # fmt: skip
USUAL_SCORE = 0.3
"""JABS itself takes points up to this confidence as not seen."""

_MAX_ANIMALS = 1000


def is_jabs(file: h5py.File) -> bool:
    """Whether an HDF5 file is a pose file of JABS."""
    return has(file, "poseest/points")


def read_jabs(path: Path) -> PosePoints:
    """Read a pose file of JABS; animals are called as in its annotation files: "0", "1", ...

    Version 2 holds one mouse. Version 3 holds pieces of tracks, which take the lowest free identity, as in JABS. From
    version 4 on identities are stored; masked instances are nobody.

    Raises:
        PoseError: when it is not such a file, or damaged.
    """
    with open_pose_h5(path) as file:
        points = numbers(file, "poseest/points", path, (3, 4))
        confidence = numbers(file, "poseest/confidence", path, (2, 3))
        version = _version(file, path, points.ndim)
        if points.ndim == 3:
            points, confidence = points[:, None], confidence[:, None]
        if points.shape[2:] != (len(NODES), 2) or confidence.shape != points.shape[:3]:
            raise PoseError(
                f"{path}: expected 12 points with y and x and a confidence per animal, found /poseest/points of shape "
                f"{points.shape} and /poseest/confidence of shape {confidence.shape}"
            )
        if version == 2:
            identity = np.zeros(points.shape[:2], np.int64)
        elif version == 3:
            identity = _from_pieces(file, path, points.shape[:2])
        else:
            identity = _stored(file, path, points.shape[:2])
    count = int(identity.max()) + 1 if identity.size else 0
    if not 1 <= count <= _MAX_ANIMALS:
        raise PoseError(f"{path}: expected 1 to {_MAX_ANIMALS} animals, found {count}: track identities in JABS first")
    check_size(str(path), len(points), count, len(NODES), 3)
    xy = np.full((len(points), count, len(NODES), 2), np.nan)
    score = np.zeros(xy.shape[:3])
    frame, slot = np.nonzero(identity >= 0)
    who = identity[frame, slot]
    _check_once(frame, who, path)
    xy[frame, who] = points[frame, slot][..., ::-1]  # stored as y, x
    score[frame, who] = confidence[frame, slot]
    xy[score <= USUAL_SCORE / 1000] = np.nan  # confidence 0 and the place (0, 0) fill what was not found
    return PosePoints(f"JABS v{version}", [str(index) for index in range(count)], list(NODES), xy, score, USUAL_SCORE)


def _version(file: h5py.File, path: Path, ndim: int) -> int:
    value = np.atleast_1d(file["poseest"].attrs.get("version", 2 if ndim == 3 else 0))
    version = int(value[0]) if value.dtype.kind in "iu" else 0
    if not 2 <= version <= 8 or (version == 2) != (ndim == 3):
        raise PoseError(f"{path}: expected a JABS pose file of version 2 to 8, found version {value[0]} of {ndim} axes")
    return version


def _stored(file: h5py.File, path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Identity of every instance, -1 for nobody; stored from 1 on."""
    identity = numbers(file, "poseest/instance_embed_id", path, (2,)).astype(np.int64) - 1
    masked = numbers(file, "poseest/id_mask", path, (2,)) != 0
    if identity.shape != shape or masked.shape != shape:
        raise PoseError(
            f"{path}: expected an identity and a mask per instance {shape}, found {identity.shape} and {masked.shape}"
        )
    return np.where(masked, -1, np.maximum(identity, -1))


def _from_pieces(file: h5py.File, path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Give every piece of a track the lowest identity that is free when it begins."""
    count = numbers(file, "poseest/instance_count", path, (1,)).astype(np.int64)
    piece = numbers(file, "poseest/instance_track_id", path, (2,)).astype(np.int64)
    if piece.shape != shape or len(count) != shape[0] or (len(count) and count.max() > shape[1]):
        raise PoseError(f"{path}: expected a track number per instance {shape}, found {piece.shape}")
    identity = np.full(shape, -1, np.int64)
    free = list(range(shape[1]))
    running: dict[int, int] = {}
    for frame in range(shape[0]):
        now = piece[frame, : max(0, count[frame])].tolist()
        for ended in running.keys() - set(now):
            heapq.heappush(free, running.pop(ended))
        for slot, number in enumerate(now):
            if number not in running:
                running[number] = heapq.heappop(free)
            identity[frame, slot] = running[number]
    return identity


def _check_once(frame: np.ndarray, who: np.ndarray, path: Path) -> None:
    pairs, count = np.unique(np.stack([frame, who]), axis=1, return_counts=True)
    if (count > 1).any():
        twice = pairs[:, count > 1][:, 0]
        raise PoseError(
            f"{path}: expected each animal once per frame, found identity {twice[1]} twice in frame {twice[0]}: "
            "run JABS's identity tracking again"
        )
