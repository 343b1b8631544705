"""From the points of an animal to its middle, direction and length."""

import re

import numpy as np
from jaxtyping import Bool, Float64

from vp_science.errors import PoseError
from vp_science.poses.points import PosePoints
from vp_science.timeline.animals import AnimalTrack

_FRONTS = ("nose", "snout", "rostrum", "beak", "bill", "nosetip", "head", "headtip", "headcenter", "headtop", "neck")
_BACKS = (
    "tailbase", "basetail", "tailroot", "tailstart", "basisoftail", "tti", "abdomen", "abdomentip", "abdomenend",
    "rump", "rear", "hip", "hips", "pelvis", "caudal", "tail", "tail0", "tail1",
)  # fmt: skip
_TAIL_BASE = re.compile(r"base|root|start|tti")


def animal_tracks(
    points: PosePoints,
    path: object,
    *,
    min_points: int = 1,
    min_score: int | float | None = None,
    axis: tuple[str, str] | None = None,
) -> dict[str, AnimalTrack]:
    """Where every animal of a pose file is.

    The direction goes from a back to a front point. Which these are is told by ``axis``, or by their usual names (nose
    and tail base, head and abdomen, ...). Where no points are called so it is the longest direction of the cloud of
    points (PCA), which never turns by more than 90 degrees from one frame to the next, and whose front is the side
    towards which the animal walks for most of the time. Boxes have no direction.

    The middle lies halfway between these two points where both were seen, otherwise it is the mean of the points; loose
    ends of tails do not count. The length is the distance of the two points, else the extent of the cloud.

    Args:
        points: what the file holds.
        path: the file, for messages.
        min_points: an animal with fewer visible points was not seen.
        min_score: points below it were not seen; None takes what the tool itself uses.
        axis: names of the front and the back point.

    Raises:
        PoseError: when a name in ``axis`` is not a point of the file.
    """
    ends = _ends(points, path, axis)
    least = points.usual_score if min_score is None else min_score
    body = np.array([not _is_loose(node) for node in points.nodes])
    if not body.any():
        body[:] = True
    tracks = {}
    for index, name in enumerate(points.animals):
        xy = points.xy[:, index].astype(np.float64)
        score = points.score[:, index]
        seen = np.isfinite(xy).all(axis=2) & ~(score < least)
        seen &= (seen.sum(axis=1) >= min_points)[:, None]
        xy[~seen] = np.nan
        tracks[name] = _track(name, xy, seen, body, ends, points.boxes)
    return tracks


def usual_ends(nodes: list[str]) -> tuple[int, int] | None:
    """Positions of the front and the back point among points with the usual names; None when there are none."""
    plain = [_plain(node) for node in nodes]
    front = next((plain.index(name) for name in _FRONTS if name in plain), None)
    back = next((plain.index(name) for name in _BACKS if name in plain), None)
    return None if front is None or back is None else (front, back)


def _ends(points: PosePoints, path: object, axis: tuple[str, str] | None) -> tuple[int, int] | None:
    if axis is None:
        return None if points.boxes else usual_ends(points.nodes)
    for name in axis:
        if points.boxes or name not in points.nodes:
            found = "boxes" if points.boxes else ", ".join(points.nodes)
            raise PoseError(
                f'{path}: expected a point called "{name}" (front or back of the body), found {found}: name two of them'
            )
    front, back = (points.nodes.index(name) for name in axis)
    if front == back:
        raise PoseError(f'{path}: expected two different points for the front and the back, found "{axis[0]}" twice')
    return front, back


def _plain(node: str) -> str:
    return re.sub(r"[^a-z0-9]", "", node.lower())


def _is_loose(node: str) -> bool:
    """Whether a point swings about and says little about where the body is: a tail beyond its base."""
    plain = _plain(node)
    return "tail" in plain and _TAIL_BASE.search(plain) is None


def _track(
    name: str,
    xy: Float64[np.ndarray, "frames nodes 2"],
    seen: Bool[np.ndarray, "frames nodes"],
    body: Bool[np.ndarray, " nodes"],
    ends: tuple[int, int] | None,
    boxes: bool,
) -> AnimalTrack:
    counted = seen & body
    counted[~counted.any(axis=1)] = seen[~counted.any(axis=1)]  # a tail alone is better than nothing
    centre = _mean(xy, counted)
    long_axis, extent = _principal(xy, counted, centre)
    if boxes:
        axis, length = np.full(len(xy), np.nan), _longer_side(xy)
    elif ends is None:
        axis, length = _face_forward(_unflipped(long_axis), centre), extent
    else:
        front, back = xy[:, ends[0]], xy[:, ends[1]]
        along = front - back
        both = np.isfinite(along).all(axis=1)
        centre = np.where(both[:, None], (front + back) / 2, centre)
        length = np.hypot(along[:, 0], along[:, 1])
        axis = np.where(length > 0, np.arctan2(along[:, 1], along[:, 0]), np.nan)
    return AnimalTrack(name, centre, axis, length, seen.sum(axis=1).astype(np.int64))


def _mean(
    xy: Float64[np.ndarray, "frames nodes 2"], counted: Bool[np.ndarray, "frames nodes"]
) -> Float64[np.ndarray, "frames 2"]:
    number = counted.sum(axis=1)
    total = np.where(counted[:, :, None], xy, 0.0).sum(axis=1)
    return np.where(number[:, None] > 0, total / np.maximum(number, 1)[:, None], np.nan)


def _longer_side(xy: Float64[np.ndarray, "frames nodes 2"]) -> Float64[np.ndarray, " frames"]:
    return np.asarray((xy.max(axis=1) - xy.min(axis=1)).max(axis=1))


def _principal(
    xy: Float64[np.ndarray, "frames nodes 2"],
    counted: Bool[np.ndarray, "frames nodes"],
    centre: Float64[np.ndarray, "frames 2"],
) -> tuple[Float64[np.ndarray, " frames"], Float64[np.ndarray, " frames"]]:
    """Angle of the longest direction of every cloud (its sign is arbitrary), and the extent along it."""
    offset = np.where(counted[:, :, None], xy - centre[:, None], 0.0)
    xx, yy = (offset**2).sum(axis=1).T
    cross = offset.prod(axis=2).sum(axis=1)
    angle = 0.5 * np.arctan2(2 * cross, xx - yy)
    along = offset[:, :, 0] * np.cos(angle)[:, None] + offset[:, :, 1] * np.sin(angle)[:, None]
    extent = along.max(axis=1) - along.min(axis=1)
    known = (counted.sum(axis=1) >= 2) & (extent > 0)
    return np.where(known, angle, np.nan), np.where(known, extent, np.nan)


def _unflipped(angle: Float64[np.ndarray, " frames"]) -> Float64[np.ndarray, " frames"]:
    """Choose signs so that the direction turns by at most 90 degrees from one known frame to the next."""
    known = np.flatnonzero(np.isfinite(angle))
    result = angle.copy()
    result[known] = np.unwrap(angle[known], period=np.pi)
    return result


def _face_forward(
    angle: Float64[np.ndarray, " frames"], centre: Float64[np.ndarray, "frames 2"]
) -> Float64[np.ndarray, " frames"]:
    """Turn a direction without a front by 180 degrees if the animal would walk backwards."""
    step = np.diff(centre, axis=0)
    forward = step[:, 0] * np.cos(angle[:-1]) + step[:, 1] * np.sin(angle[:-1])
    return angle + np.pi if np.nansum(forward) < 0 else angle
