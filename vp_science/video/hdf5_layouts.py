"""Where frames lie in the HDF5 files of different tools.

Known layouts: Tierpsy (``/mask``), MoSeq (``/frames``), DeepEthogram (``/frame``, encoded), SLEAP packages
(``/videoN/video``, encoded), LEAP and lab scripts (``box``, ``images``, ``frames``, ``video``), NWB ``ImageSeries``.
Any other data set with the shape of frames is taken too when it is the only one.

NWB's schema names the axes of ``ImageSeries.data`` (frame, x, y), but the tools that store behaviour video in it write
(frame, row, column) as their cameras give it; frames are read as rows and columns, as stored, and never transposed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from vp_science.errors import RecordingError
from vp_science.video.h5_access import attribute, datasets, get_dataset, groups
from vp_science.video.shapes import FrameAxes, frame_axes

_KNOWN_NAMES = frozenset({"mask", "frames", "frame", "images", "image", "video", "box", "movie", "imgs"})
_IMAGE_SERIES = frozenset({"ImageSeries", "OnePhotonSeries", "TwoPhotonSeries"})
_MIN_AUTO_SIDE = 16
_MAX_AUTO_ASPECT = 8
_SHOWN = 12

Kind = Literal["raw", "encoded", "external"]


@dataclass(frozen=True)
class Layout:
    """Where the frames of one recording lie.

    Attributes:
        name: the dataset (for external NWB video: the group).
        kind: pixels, one encoded picture per frame, or a video file beside this file.
        axes: of raw pixels.
        num_frames: how many; 0 when it is not known yet.
        series: the NWB ImageSeries group that the frames belong to, if any.
        bgr: encoded colour pictures have their channels in OpenCV's order.
    """

    name: str
    kind: Kind
    num_frames: int
    axes: FrameAxes | None = None
    series: str | None = None
    bgr: bool = False


def find_layout(file: h5py.File, path: Path, dataset: str | None) -> Layout:
    """The layout of the named dataset, or of the only one that can be meant.

    Raises:
        RecordingError: when there is none, or more than one; the message lists them.
    """
    if dataset is not None:
        return _named(file, path, dataset.strip("/"))
    found = [layout for layout in _candidates(file) if layout.num_frames > 0 or layout.kind == "external"]
    for likely in (_known(found), found):
        if len(likely) == 1:
            return likely[0]
        if likely:
            listing = "; ".join(_describe(file, layout) for layout in likely[:_SHOWN])
            raise RecordingError(
                f"{path}: expected one dataset with frames, found {len(likely)} ({listing}): choose one with "
                f"--dataset NAME (dataset=)"
            )
    raise RecordingError(_no_frames(file, path))


def _named(file: h5py.File, path: Path, name: str) -> Layout:
    if isinstance(file.get(name, getlink=True), h5py.HardLink) and isinstance(file[name], h5py.Group):
        group = file[name]
        if attribute(group, "neurodata_type") in _IMAGE_SERIES:
            layout = _series_layout(name, group)
            if layout is not None:
                return layout
    item = get_dataset(file, name, path)
    layout = _layout(file, name, item, automatic=False)
    if layout is None or layout.num_frames == 0:
        raise RecordingError(
            f'{path}: expected frames in "{name}", found shape {item.shape} of {item.dtype}: frames are [t h w], [t '
            f"h w c] "
            f"or [t c h w] numbers, or one encoded picture per frame; choose another with --dataset NAME (dataset=)"
        )
    return layout


def _candidates(file: h5py.File) -> list[Layout]:
    found = []
    series_data = set()
    for name, group in groups(file):
        if attribute(group, "neurodata_type") in _IMAGE_SERIES:
            layout = _series_layout(name, group)
            series_data.add(f"{name}/data")
            if layout is not None:
                found.append(layout)
    for name, item in datasets(file):
        layout = _layout(file, name, item, automatic=True) if name not in series_data else None
        if layout is not None:
            found.append(layout)
    return sorted(found, key=lambda layout: layout.name)


def _known(layouts: list[Layout]) -> list[Layout]:
    return [layout for layout in layouts if layout.series is not None or layout.name.split("/")[-1] in _KNOWN_NAMES]


def _series_layout(name: str, group: h5py.Group) -> Layout | None:
    if "external_file" in group:
        return Layout(name, "external", 0, series=name)
    if isinstance(group.get("data", getlink=True), h5py.HardLink) and isinstance(group["data"], h5py.Dataset):
        data = group["data"]
        axes = frame_axes(data.shape or (), data.dtype)
        if axes is not None:
            return Layout(f"{name}/data", "raw", data.shape[0], axes, series=name)
    return None


def _layout(file: h5py.File, name: str, item: h5py.Dataset, automatic: bool) -> Layout | None:
    shape = item.shape
    if not shape:
        return None
    if _is_encoded(item, automatic):
        return Layout(name, "encoded", shape[0], bgr=_is_bgr(file, name, item))
    axes = frame_axes(shape, item.dtype)
    if axes is None or (automatic and not _plausible(name, item, axes)):
        return None
    parent = name.rpartition("/")[0]
    in_series = parent and attribute(file[parent], "neurodata_type") in _IMAGE_SERIES
    return Layout(name, "raw", shape[0], axes, series=parent if in_series else None)


def _is_bgr(file: h5py.File, name: str, item: h5py.Dataset) -> bool:
    """OpenCV's channel order: as SLEAP's packages say, or from before they said it."""
    order = attribute(item, "channel_order")
    if order is not None:
        return str(order).upper() == "BGR"
    parent = name.rpartition("/")[0]
    return bool(parent) and "frame_numbers" in file[parent]


def _is_encoded(item: h5py.Dataset, automatic: bool) -> bool:
    base = h5py.check_vlen_dtype(item.dtype)
    if item.ndim == 1 and base in (np.uint8, np.int8):
        known = item.name.rpartition("/")[2] in _KNOWN_NAMES or attribute(item, "format") is not None
        return known or not automatic
    fixed = item.ndim == 2 and item.dtype in (np.uint8, np.int8)
    return fixed and str(attribute(item, "format")).lower() in ("png", "jpg", "jpeg")


def _plausible(name: str, item: h5py.Dataset, axes: FrameAxes) -> bool:
    """Whether a dataset looks like pictures rather than like key points, tables or masks."""
    short, long = sorted((axes.height, axes.width))
    if short < _MIN_AUTO_SIDE or long > _MAX_AUTO_ASPECT * short or name.endswith("_mask"):
        return False
    return item.dtype.itemsize <= 2 or name.split("/")[-1] in _KNOWN_NAMES


def _describe(file: h5py.File, layout: Layout) -> str:
    if layout.kind == "external":
        return f"{layout.name}: NWB ImageSeries, external file"
    item = file[layout.name]
    return f"{layout.name}: {item.shape} {'encoded pictures' if layout.kind == 'encoded' else item.dtype}"


def _no_frames(file: h5py.File, path: Path) -> str:
    held = [f"{name} {item.shape} {item.dtype}" for name, item in datasets(file)]
    listing = "; ".join(held[:_SHOWN]) + (f"; and {len(held) - _SHOWN} more" if len(held) > _SHOWN else "")
    return (
        f"{path}: expected a dataset with frames, found no frames in this HDF5 file; it holds "
        f"{listing or 'no datasets'}: pass the recording that belongs to it (key points and tables are no frames), or "
        f"choose with --dataset NAME (dataset=)"
    )
