"""The recordings of a data set: found, chosen by name, opened."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from vp_science.animals import FollowedItem, follow_batch, open_item, pose_file_of
from vp_science.batch import PICTURE_ENDINGS, BatchItem, find_inputs, natural_key, walk_folders
from vp_science.errors import PoseError, SettingsError
from vp_science.files import user_cache_folder
from vp_science.recordings import Recording
from vp_science.timeline.names import MEDIA_ENDINGS, listed
from vp_science.train.data.settings import DataSettings
from vp_science.video.images import ImageRecording
from vp_science.video.kept_index import IndexFolder

_INDEXES, _MOST_INDEXES = "training-indexes", 20_000
_STILL = PICTURE_ENDINGS - MEDIA_ENDINGS
_HDF5 = frozenset({".h5", ".hdf5", ".he5", ".nwb"})


@dataclass(frozen=True)
class PictureItem(BatchItem):
    """A picture as a video of one frame."""

    def open(self) -> Recording:
        """Open it.

        Raises:
            RecordingError: when it is no picture.
        """
        return ImageRecording(self.path, [self.path], source_fps=1.0, recording_id=self.recording_id)


def find_sources(data: DataSettings) -> tuple[list[BatchItem], list[BatchItem]]:
    """The recordings, pictures or animals of a data set, in a stable order; and the recordings that are left out.

    Raises:
        SettingsError: when there is none, a pattern of ``include`` or ``exclude`` fits none, or there are both
            recordings and pictures.
        PoseError: when the poses of a recording cannot be found or read.
    """
    found = _recordings_or_pictures(data)
    items = _chosen(found, data)
    kept = {item.recording_id for item in items}
    left_out = [item for item in found if item.recording_id not in kept]
    if data.poses is None:
        return items, left_out
    items = _without_pose_files(items, data.poses)
    followed = follow_batch(items, data.poses, data.follow, whole_frame=False)
    animals = [item for item in followed if isinstance(item, FollowedItem)]
    for item in animals:
        if item.error:
            raise PoseError(item.error)
    return list(animals), left_out


def _without_pose_files(items: list[BatchItem], poses: str) -> list[BatchItem]:
    """The items that are not the poses of another one: many programs write HDF5 files beside the videos."""
    pose_files: set[Path] = set()
    for item in items:
        with suppress(PoseError):
            pose_files.add(pose_file_of(item.recording_id, item.path, poses, alone=len(items) == 1).absolute())
    return [item for item in items if item.path.absolute() not in pose_files]


def open_item_of(item: BatchItem, data: DataSettings) -> Recording:
    """Open a recording, a picture, or the pictures around an animal.

    Indexes of videos are kept in this user's cache, so that worker processes and later runs need not read
    files through.

    Raises:
        VPScienceError: when it cannot be read.
    """
    if isinstance(item, PictureItem):
        return item.open()
    reading: dict[str, Any] = {"indexer": IndexFolder(user_cache_folder() / _INDEXES, most_files=_MOST_INDEXES)}
    if data.source_fps is not None:
        reading["source_fps"] = data.source_fps
    if data.dataset is not None and item.path.suffix.lower() in _HDF5:
        reading["dataset"] = data.dataset
    return open_item(item, reading)


def recording_of(item: BatchItem) -> str:
    """Id of the recording, also where the item is an animal in it."""
    return item.of_recording if isinstance(item, FollowedItem) else item.recording_id


def relative_path(item: BatchItem, data: DataSettings) -> str:
    """Path of a recording below the data folder."""
    folder = Path(data.path)
    below = item.path.relative_to(folder) if folder.is_dir() and item.path.is_relative_to(folder) else item.path.name
    return Path(below).as_posix()


def _recordings_or_pictures(data: DataSettings) -> list[BatchItem]:
    found = find_inputs([data.path])
    if data.source_fps is not None:
        return found
    pictures = [item for item in found if item.path.is_dir() or item.path.suffix.lower() in _STILL]
    if pictures and len(pictures) < len(found):
        stills = {item.path for item in pictures}
        other = next(item for item in found if item.path not in stills)
        raise SettingsError(
            f"path: expected recordings or pictures in {data.path}, found both ({other.path.name}, "
            f"{pictures[0].path.name}): give them as two data sets (pictures are videos of one frame), or give "
            "source_fps if folders of pictures are recordings"
        )
    if not pictures:
        return found
    folder = Path(data.path)
    return _unique(_pictures_below(folder) if folder.is_dir() else [p for item in pictures for p in _pictures(item)])


def _pictures_below(folder: Path) -> list[PictureItem]:
    """All pictures in a folder and in folders in it, at any depth."""
    return [
        PictureItem(path, path.relative_to(folder).with_suffix("").as_posix())
        for parent, names in walk_folders(folder)
        for path in sorted((Path(parent) / name for name in names), key=natural_key)
        if path.suffix.lower() in _STILL and not path.name.startswith(".")
    ]


def _pictures(item: BatchItem) -> list[PictureItem]:
    if not item.path.is_dir():
        return [PictureItem(item.path, item.recording_id)]
    return [PictureItem(one.path, f"{item.recording_id}/{one.recording_id}") for one in _pictures_below(item.path)]


def _unique(items: Sequence[BatchItem]) -> list[BatchItem]:
    """Pictures that differ only in their ending get their full names."""
    counts = Counter(item.recording_id for item in items)
    return [
        PictureItem(item.path, f"{item.recording_id}{item.path.suffix}") if counts[item.recording_id] > 1 else item
        for item in sorted(items, key=lambda item: natural_key(item.recording_id))
    ]


def _chosen(items: list[BatchItem], data: DataSettings) -> list[BatchItem]:
    names = [item.recording_id for item in items]
    for key, patterns in (("include", data.include), ("exclude", data.exclude)):
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise SettingsError(
                    f'{key}: expected names of recordings in {data.path} ({listed(names)}), found "{pattern}", which '
                    "fits none"
                )
    kept = [
        item
        for item in items
        if (not data.include or any(fnmatchcase(item.recording_id, pattern) for pattern in data.include))
        and not any(fnmatchcase(item.recording_id, pattern) for pattern in data.exclude)
    ]
    if not kept:
        raise SettingsError(f"exclude: expected recordings of {data.path} to remain, found all {len(items)} left out")
    return kept
