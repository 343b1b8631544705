"""CVAT: tracks of boxes in "CVAT for video" XML."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vp_science.errors import PoseError, require_extra
from vp_science.poses.points import PosePoints, check_names, check_size

_CORNERS = ["left top", "right top", "right bottom", "left bottom"]
_SIDES = ("xtl", "ytl", "xbr", "ybr")
_MAX_FRAME = 50_000_000
_OTHER_SHAPES = frozenset({"polygon", "polyline", "points", "cuboid", "skeleton", "mask", "ellipse"})

Boxes = dict[int, tuple[float, float, float, float] | None]
"""By frame: left, top, right and bottom, or None where the animal has left the picture ("outside")."""


def read_cvat(path: Path) -> PosePoints:
    """Read tracks of boxes. An animal is called by its label and the number of its track: ``zebra_3``.

    Between two frames of a track that are not listed the box moves evenly, as it does in CVAT, unless the animal is
    "outside" from the first one on. After the last frame of a track nothing is known.

    Raises:
        PoseError: when it is no such file, naming track and frame; for entities, which well-meant files never have.
        MissingExtraError: when defusedxml is not installed.
    """
    xml = require_extra("defusedxml.ElementTree", "pose")
    tracks: dict[str, Boxes] = {}
    depth = 0
    try:
        with path.open("rb") as file:
            for event, element in xml.iterparse(file, events=("start", "end"), forbid_dtd=True):
                depth += 1 if event == "start" else -1
                if event == "start" and depth == 1 and element.tag != "annotations":
                    raise PoseError(f"{path}: expected a CVAT file (<annotations>), found <{element.tag}>")
                if event == "end" and depth == 1:
                    if element.tag == "image":
                        raise PoseError(
                            f'{path}: expected tracks, found single pictures: export as "CVAT for video 1.1"'
                        )
                    if element.tag == "track":
                        name, boxes = _track(element, path)
                        check_names(str(path), "track", [*tracks, name])
                        tracks[name] = boxes
                    element.clear()
    except PoseError:
        raise
    except Exception as error:  # expat's, defusedxml's and the decoder's own errors
        raise PoseError(f"{path}: expected XML that CVAT wrote, found {type(error).__name__}: {error}") from error
    if not tracks:
        raise PoseError(f'{path}: expected tracks, found none: export as "CVAT for video 1.1"')
    return _points(tracks, path)


def _track(element: Any, path: Path) -> tuple[str, Boxes]:
    label, number = element.get("label"), element.get("id")
    if not label or not number:
        raise PoseError(f"{path}: expected a label and an id for every track, found {label!r} and {number!r}")
    boxes: Boxes = {}
    for child in element:
        if child.tag in _OTHER_SHAPES:
            raise PoseError(f"{path}, track {number}: expected boxes, found <{child.tag}>: draw tracks of rectangles")
        if child.tag != "box":
            continue
        frame = _frame(child.get("frame"), number, path)
        if frame in boxes:
            raise PoseError(f"{path}, track {number}: expected each frame once, found frame {frame} twice")
        boxes[frame] = None if child.get("outside") == "1" else _box(child, number, frame, path)
    if not boxes:
        raise PoseError(f"{path}, track {number}: expected boxes, found none: delete the empty track in CVAT")
    return f"{label}_{number}", boxes


def _frame(text: str | None, track: str, path: Path) -> int:
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > _MAX_FRAME:
        raise PoseError(f"{path}, track {track}: expected the number of a frame, found {(text or '')[:40]!r}")
    return int(text)


def _box(element: Any, track: str, frame: int, path: Path) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(element.get(name, "")) for name in _SIDES)
    except ValueError:
        left = top = right = bottom = np.nan
    if not (np.isfinite([left, top, right, bottom]).all() and left < right and top < bottom):
        found = ", ".join(f"{name}={element.get(name)!r}"[:60] for name in _SIDES)
        raise PoseError(f"{path}, track {track}, frame {frame}: expected a box of some width and height, found {found}")
    if float(element.get("rotation") or 0):
        raise PoseError(
            f"{path}, track {track}, frame {frame}: expected upright boxes, found one that is turned: set its rotation "
            "to 0 in CVAT"
        )
    return left, top, right, bottom


def _points(tracks: dict[str, Boxes], path: Path) -> PosePoints:
    num_frames = max(max(boxes) for boxes in tracks.values()) + 1
    check_size(str(path), num_frames, len(tracks), 4, 3)
    sides = np.full((num_frames, len(tracks), 4), np.nan)
    for index, boxes in enumerate(tracks.values()):
        _fill(sides[:, index], boxes)
    left, top, right, bottom = np.moveaxis(sides - 0.5, 2, 0)  # CVAT's (0, 0) is the corner of the first pixel
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    xy = np.stack([np.stack(corner, axis=2) for corner in corners], axis=2)
    score = np.full(xy.shape[:3], np.nan)
    return PosePoints("CVAT", list(tracks), list(_CORNERS), xy, score, boxes=True)


def _fill(sides: np.ndarray, boxes: Boxes) -> None:
    frames = sorted(boxes)
    for frame in frames:
        if (box := boxes[frame]) is not None:
            sides[frame] = box
    for first, last in pairwise(frames):
        begin, end = boxes[first], boxes[last]
        if last == first + 1 or begin is None:
            continue
        share = np.arange(1, last - first)[:, None] / (last - first)
        target = begin if end is None else end  # it stays where it was until it is gone
        sides[first + 1 : last] = (1 - share) * np.array(begin) + share * np.array(target)
