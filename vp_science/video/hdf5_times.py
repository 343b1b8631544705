"""Frame times of HDF5 recordings, always with a stated unit.

In this order: what the user gives; NWB's ``timestamps`` or ``starting_time`` (seconds by definition); Tierpsy's
``/timestamp/time`` (seconds by definition); a dataset of one number per frame with a usual name; a rate attribute of
the dataset, its group or the file.

The unit of a dataset is taken from the user, its ``unit`` attribute, or a rate attribute that fits only one unit.
Without any of these a median step below half a second is read as seconds (as milliseconds it would be a camera above
2000 fps); everything else is refused rather than guessed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import h5py
import numpy as np
from jaxtyping import Float64

from vp_science.errors import RecordingError
from vp_science.video.h5_access import attribute, check_storage, get_dataset
from vp_science.video.hdf5_layouts import Layout
from vp_science.video.times import TIMES_ADVICE, Number, TimeValues, checked_times, given_times, regular_times

TimeUnit = Literal["s", "ms", "us", "ns"]
Times = tuple[Float64[np.ndarray, " frames"], str]

_PER_SECOND: dict[str, float] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_UNIT_WORDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "µs", "usec", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("ns", "nsec", "nanosecond", "nanoseconds"), "ns"),
}
_TIME_NAMES = (
    *("timestamps", "timestamp", "frame_ts", "frame_times", "frame_time", "frame_timestamps"),
    *("time_s", "times", "time", "ts"),
)
_RATE_NAMES = ("fps", "framerate", "frame_rate", "expected_fps", "sampling_rate", "rate")


def find_times(
    file: h5py.File,
    path: Path,
    layout: Layout,
    num_frames: int,
    *,
    source_fps: Number | None,
    timestamps: TimeValues | str | None,
    timestamps_unit: TimeUnit | None,
) -> Times:
    """Times in seconds, with where they come from.

    Raises:
        RecordingError: when there are none, they are not valid, or their unit is not known.
    """
    if isinstance(timestamps, str):
        return _from_dataset(file, path, layout, timestamps, num_frames, timestamps_unit)
    given = given_times(num_frames, path, source_fps, timestamps)
    if given is not None:
        return given
    series = _nwb_times(file, path, layout, num_frames)
    if series is not None:
        return series
    for name in _time_datasets(file, layout, num_frames):
        return _from_dataset(file, path, layout, name, num_frames, timestamps_unit)
    rate = _rate(file, layout)
    if rate is not None:
        return regular_times(num_frames, rate[0], path), f"attribute {rate[1]} = {rate[0]:g} per second"
    raise RecordingError(
        f'{path}: expected frame times for "{layout.name}", but the file holds no frame times: {TIMES_ADVICE}'
    )


def _nwb_times(file: h5py.File, path: Path, layout: Layout, num_frames: int) -> Times | None:
    if layout.series is None:
        return None
    group = file[layout.series]
    if "timestamps" in group:
        name = f"{layout.series}/timestamps"
        return _checked(file, path, name, num_frames, "s")
    if "starting_time" in group:
        name = f"{layout.series}/starting_time"
        start = get_dataset(file, name, path)
        rate = attribute(start, "rate")
        if not isinstance(rate, (int, float)):
            raise RecordingError(f'{path}: expected a rate for "{name}", found {rate}: {TIMES_ADVICE}')
        check_storage(start, path)
        return regular_times(num_frames, float(rate), path) + float(start[()]), f"NWB starting_time and rate = {rate:g}"
    return None


def _time_datasets(file: h5py.File, layout: Layout, num_frames: int) -> Iterator[str]:
    parent = layout.name.rpartition("/")[0]
    folders = [f"{parent}/", ""] if parent else [""]
    names = ["timestamp/time"] + [folder + name for folder in folders for name in _TIME_NAMES]
    for name in names:
        link = file.get(name, getlink=True) if _inside(file, name) else None
        item = file[name] if isinstance(link, h5py.HardLink) else None
        if isinstance(item, h5py.Dataset) and item.shape == (num_frames,) and item.dtype.kind in "iuf":
            yield name


def _inside(file: h5py.File, name: str) -> bool:
    """Whether a path leads over hard links only."""
    group: h5py.Group | h5py.Dataset = file
    for part in name.split("/"):
        if not isinstance(group, h5py.Group) or not isinstance(group.get(part, getlink=True), h5py.HardLink):
            return False
        group = group[part]
    return True


def _from_dataset(
    file: h5py.File, path: Path, layout: Layout, name: str, num_frames: int, unit: TimeUnit | None
) -> Times:
    if unit is not None:
        return _checked(file, path, name, num_frames, unit)
    item = get_dataset(file, name, path)
    for key in ("unit", "units", "time_units"):
        word = str(attribute(item, key)).strip().lower()
        if word in _UNIT_WORDS:
            return _checked(file, path, name, num_frames, _UNIT_WORDS[word])
    if name.strip("/") == "timestamp/time":
        return _checked(file, path, name, num_frames, "s")
    return _checked(file, path, name, num_frames, _deduced_unit(file, path, layout, item, name))


def _deduced_unit(file: h5py.File, path: Path, layout: Layout, item: h5py.Dataset, name: str) -> str:
    check_storage(item, path)
    step = float(np.median(np.diff(item[:].astype(np.float64)))) if len(item) > 1 else 0.0
    rate = _rate(file, layout)
    if rate is not None:
        fitting = [unit for unit, per_second in _PER_SECOND.items() if 0.5 < step / per_second * rate[0] < 2]
        if len(fitting) == 1:
            return fitting[0]
    if 0 < step < 0.5 and item.dtype.kind == "f":
        return "s"
    raise RecordingError(
        f'{path}: expected a unit for the frame times in "{name}" (median step {step:g}), found none: pass '
        f"--timestamps-unit {'|'.join(get_args(TimeUnit))} (timestamps_unit=)"
    )


def _checked(file: h5py.File, path: Path, name: str, num_frames: int, unit: str) -> Times:
    item = get_dataset(file, name, path)
    check_storage(item, path)
    if item.shape != (num_frames,):
        raise RecordingError(
            f'{path}: expected {num_frames} frame times in "{name}", found shape {item.shape}: {TIMES_ADVICE}'
        )
    times = checked_times(item[:] / _PER_SECOND[unit], num_frames, path, f'"{name}"')
    return times, f"dataset {name.strip('/')} in {unit}"


def _rate(file: h5py.File, layout: Layout) -> tuple[float, str] | None:
    parent = layout.name.rpartition("/")[0]
    places = [(layout.name, file[layout.name]), *([(parent, file[parent])] if parent else []), ("/", file)]
    for place, item in places:
        for name in _RATE_NAMES:
            value = attribute(item, name)
            if isinstance(value, (int, float)) and np.isfinite(value) and value > 0:
                return float(value), f"{name} of {place}"
    return None
