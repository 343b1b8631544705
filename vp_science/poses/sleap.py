"""SLEAP: projects and predictions (.slp), and analysis files (.h5)."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from vp_science.errors import PoseError, require_extra
from vp_science.poses.h5_read import has, numbers, open_pose_h5, refuse_links, texts
from vp_science.poses.points import PosePoints, check_names, check_size

_MATLAB_AXES = ["track", "xy", "node", "frame"]
ALONE = "animal"
"""What the one animal of a recording is called where the tool gives it no name."""


def read_slp(path: Path, video: str | None) -> PosePoints:
    """Read a ``.slp`` file with ``sleap-io``; instances that a person corrected win over predicted ones.

    Args:
        path: the file.
        video: file name of the recording, to choose by where the file is about several videos.

    Raises:
        PoseError: when it cannot be read, has several videos of which none is called so, or untracked animals.
        MissingExtraError: when sleap-io is not installed.
    """
    sleap_io = require_extra("sleap_io", "pose")
    with open_pose_h5(path) as file:
        refuse_links(file, path)
        counts = [len(file[name]) for name in ("points", "pred_points") if has(file, name)]
    check_size(str(path), sum(counts), 2)
    try:
        # The absolute path: a name such as "http://..." must stay a name. Videos that the file names are not opened.
        labels = sleap_io.load_slp(str(path.absolute()), open_videos=False, lazy=True)
        chosen = _choose_video(labels.videos, path, video)
        tracks, table = _whole_table(labels, chosen, path)
    except PoseError:
        raise
    except Exception as error:  # sleap-io raises what it likes for a file it cannot understand
        raise PoseError(
            f"{path}: expected a SLEAP file that sleap-io reads, found {type(error).__name__}: {error}; save it again "
            "with SLEAP, or export an analysis file (.h5)"
        ) from error
    check_names(str(path), "track", tracks)
    nodes = [str(name) for name in labels.skeletons[0].node_names]
    return PosePoints("SLEAP", tracks, nodes, table[..., :2], table[..., 2])


def _choose_video(videos: list[Any], path: Path, wanted: str | None) -> Any:
    names = [_stem(video.filename) for video in videos]
    if len(videos) == 1:
        return videos[0]
    matching = [video for video, name in zip(videos, names, strict=True) if wanted and name == _stem(wanted)]
    if len(matching) != 1:
        raise PoseError(
            f"{path}: expected poses of one video, or of exactly one that is called like the recording ({wanted}), "
            f"found {len(videos)} videos: {', '.join(names) or 'none'}; export an analysis file (.h5) per video"
        )
    return matching[0]


def _stem(name: object) -> str:
    first = name[0] if isinstance(name, list) and name else name
    return Path(str(first).replace("\\", "/")).stem


def _whole_table(labels: Any, video: Any, path: Path) -> tuple[list[str], np.ndarray]:
    """Names of the animals, and x, y and score of every point from frame 0 on.

    Built from the frames themselves: ``Labels.numpy`` begins at the first frame with animals, and puts animals that are
    never seen together into one column.
    """
    if len(labels.skeletons) != 1:
        raise PoseError(f"{path}: expected one skeleton, found {len(labels.skeletons)}: export an analysis file (.h5)")
    frames = labels.find(video)
    if not frames:
        raise PoseError(f"{path}: expected poses, found no frame with animals: predict the whole video first")
    names = [str(track.name) for track in labels.tracks] or [ALONE]
    column = {id(track): index for index, track in enumerate(labels.tracks)}
    shape = (max(int(frame.frame_idx) for frame in frames) + 1, len(names), len(labels.skeletons[0].nodes), 3)
    check_size(str(path), *shape)
    table = np.full(shape, np.nan)
    untracked = 0
    for frame in frames:
        if frame.frame_idx < 0:
            raise PoseError(f"{path}: expected frames from 0 on, found {frame.frame_idx}")
        instances = [instance for instance in frame.instances if not labels.tracks or instance.track is not None]
        untracked += len(frame.instances) - len(instances)
        for index, instance in _winners(instances, column, path, int(frame.frame_idx)).items():
            table[frame.frame_idx, index] = _point_table(instance)
    if not np.isfinite(table[..., 0]).any():
        raise PoseError(
            f"{path}: expected animals with tracks, found {untracked} without: run SLEAP's tracker, and save again"
        )
    return names, table


def _winners(instances: list[Any], column: dict[int, int], path: Path, frame: int) -> dict[int, Any]:
    """One instance per animal: what a person placed wins over what was predicted."""
    chosen: dict[int, Any] = {}
    for instance in instances:
        index = column.get(id(instance.track), 0)
        other = chosen.get(index)
        if other is not None and _predicted(other) == _predicted(instance):
            who = f'the track "{instance.track.name}" twice' if column else "several animals without tracks"
            raise PoseError(
                f"{path}: expected each animal once per frame, found {who} in frame {frame}: run SLEAP's tracker or "
                "correct the tracks, and save again"
            )
        if other is None or _predicted(other):
            chosen[index] = instance
    return chosen


def _predicted(instance: Any) -> bool:
    return type(instance).__name__ == "PredictedInstance"


def _point_table(instance: Any) -> np.ndarray:
    xy: np.ndarray = instance.numpy()
    score = instance.points["score"] if _predicted(instance) else np.full(len(xy), np.nan)
    return np.column_stack([xy, score])


def read_analysis(path: Path) -> PosePoints:
    """Read an analysis file. ``sleap-io`` needs point scores in it, which files of older SLEAP versions lack.

    Raises:
        PoseError: when it is not such a file, or damaged.
    """
    with open_pose_h5(path) as file:
        table = numbers(file, "tracks", path, (4,))
        order = _axes(file["tracks"], path)
        nodes, tracks = texts(file, "node_names", path), texts(file, "track_names", path)
        scores = numbers(file, "point_scores", path, (3,)) if has(file, "point_scores") else None
    xy = table.transpose([order.index(name) for name in ("frame", "track", "node", "xy")]).astype(np.float64)
    tracks = tracks or [ALONE]
    if xy.shape[1:] != (len(tracks), len(nodes), 2):
        raise PoseError(
            f"{path}: expected {len(tracks)} tracks of {len(nodes)} points with x and y, found /tracks of shape "
            f"{table.shape}: export it again"
        )
    check_names(str(path), "track", tracks)
    score = np.full(xy.shape[:3], np.nan)
    if scores is not None:
        rest = [name for name in order if name != "xy"]
        score = scores.transpose([rest.index(name) for name in ("frame", "track", "node")])
        if score.shape != xy.shape[:3]:
            raise PoseError(f"{path}: expected a score per point, found /point_scores of shape {scores.shape}")
    return PosePoints("SLEAP analysis", tracks, nodes, xy, score)


def _axes(tracks: Any, path: Path) -> list[str]:
    """The order of the axes: newer files name it, older ones have MATLAB's."""
    value = tracks.attrs.get("dims")
    if value is None:
        return _MATLAB_AXES
    try:
        order = json.loads(value)
    except (TypeError, ValueError):
        order = None
    if not isinstance(order, list) or sorted(map(str, order)) != sorted(_MATLAB_AXES):
        raise PoseError(f"{path}: expected the axes {', '.join(_MATLAB_AXES)} in some order, found {value!r}")
    return [str(name) for name in order]
