"""NWB ImageSeries whose pictures lie in a video file beside the NWB file."""

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float64

from vp_science.errors import RecordingError
from vp_science.video.h5_access import attribute, check_storage, get_dataset, h5_errors
from vp_science.video.hdf5_layouts import Layout
from vp_science.video.index import VideoIndex, build_index
from vp_science.video.pyav import VideoRecording
from vp_science.video.times import Number, TimeValues, checked_times

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")


def open_external(
    file: h5py.File,
    path: Path,
    layout: Layout,
    *,
    source_fps: Number | None = None,
    timestamps: TimeValues | None = None,
    recording_id: str | None = None,
    indexer: Callable[[Path], VideoIndex] = build_index,
) -> VideoRecording:
    """The video of an external ImageSeries, on the clock of the NWB file.

    NWB ``timestamps`` replace the video's own; with ``starting_time`` and ``rate`` the video keeps its own presentation
    times, shifted by ``starting_time``, because they are exact and a nominal rate is not.

    Raises:
        RecordingError: when the path leads out of the NWB file's folder, there are several files, or the times do not
        fit.
    """
    with h5_errors(path):
        group = file[layout.name]
        video = _resolve(_external_file(group, path, layout.name), path)
        times = _dataset_values(file, f"{layout.name}/timestamps", path) if "timestamps" in group else None
        start = 0.0
        if times is None and "starting_time" in group:
            start = float(_dataset_values(file, f"{layout.name}/starting_time", path))
    recording = VideoRecording(
        video, source_fps=source_fps, timestamps=timestamps, recording_id=recording_id or path.stem, indexer=indexer
    )
    recording.source |= {"nwb": path.name, "nwb_series": layout.name}
    if source_fps is not None or timestamps is not None:
        return recording
    if times is not None:
        origin = f"{layout.name}/timestamps"
        try:
            recording.time_s = checked_times(times, recording.num_frames, path, f'"{origin}" for {video.name}')
        except RecordingError:
            recording.close()
            raise
        recording.source["times"] = f"NWB dataset {origin} in s"
    else:
        recording.time_s = recording.time_s + start
        recording.source["times"] = f"presentation times of the container + NWB starting_time {start:g}"
    return recording


def _external_file(group: h5py.Group, path: Path, name: str) -> str:
    item = get_dataset(group.file, f"{name}/external_file", path)
    check_storage(item, path)
    files = [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in np.atleast_1d(item[()])]
    if len(files) != 1:
        raise RecordingError(
            f'{path}: expected one external file in "{name}", found {len(files)}: pass the video files themselves'
        )
    return files[0]


def _resolve(relative: str, path: Path) -> Path:
    folder = path.resolve().parent
    refused = RecordingError(
        f"{path}: expected an external file inside the NWB file's folder, found {relative!r}: move the video beside "
        f"the NWB "
        f"file, or pass the video itself"
    )
    if _SCHEME.match(relative) or "\\" in relative or "\0" in relative or Path(relative).is_absolute():
        raise refused
    video = (folder / relative).resolve()
    if not video.is_relative_to(folder):
        raise refused
    return video


def _dataset_values(file: h5py.File, name: str, path: Path) -> Float64[np.ndarray, "*values"]:
    item = get_dataset(file, name, path)
    check_storage(item, path)
    if attribute(item, "unit") not in (None, "seconds"):
        raise RecordingError(f'{path}: expected "{name}" in seconds, found the unit {attribute(item, "unit")}')
    return np.asarray(item[()], np.float64)
