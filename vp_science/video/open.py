"""Opens any recording: picks the backend by what is there, not by what it is called."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np

from vp_science.errors import RecordingError, SettingsError, StoreError
from vp_science.journal.log import refuse_unfinished
from vp_science.recordings import Recording
from vp_science.typing import StrPath
from vp_science.video.array import ArrayRecording
from vp_science.video.h5_access import h5_errors, open_h5
from vp_science.video.hdf5 import Hdf5Recording
from vp_science.video.hdf5_layouts import find_layout
from vp_science.video.hdf5_times import TimeUnit
from vp_science.video.images import ImageRecording, find_images
from vp_science.video.index import VideoIndex, build_index
from vp_science.video.norpix import MAGIC, NorpixRecording
from vp_science.video.nwb import open_external
from vp_science.video.pyav import VideoRecording
from vp_science.video.tiff import TiffRecording
from vp_science.video.times import Number

_HDF5 = b"\x89HDF\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NPY = b"\x93NUMPY"
_HEAD_BYTES = 16
_STILL = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM")
_WILDCARDS = frozenset("*?[")
_USER_BLOCKS = (0, 512, 1024, 2048, 4096, 8192)


class _Times(TypedDict):
    source_fps: Number | None
    recording_id: str | None


def open_recording(
    source: StrPath | np.ndarray,
    *,
    dataset: str | None = None,
    value_range: tuple[Number, Number] | None = None,
    source_fps: Number | None = None,
    timestamps: Sequence[Number] | np.ndarray | str | None = None,
    timestamps_unit: TimeUnit | None = None,
    recording_id: str | None = None,
    indexer: Callable[[Path], VideoIndex] = build_index,
) -> Recording:
    """Open a recording.

    A video (Norpix ``.seq`` too), an HDF5 or NWB file, a TIFF stack, a folder or pattern of pictures, or an array.

    Names are always names of local files: ``http:``, ``concat:`` and the like have no meaning, and no file is read
    beside the one named (except the video of an external NWB series, which must lie in the NWB file's folder).

    Args:
        source: a file, a folder of pictures, a pattern such as ``frames/*.png``, or an array [t h w],
            [t h w c] or [t c h w].
        dataset: HDF5 and NWB: the dataset (or ImageSeries) that holds the frames, where it is not obvious.
        value_range: low and high that become black and white, for HDF5, TIFF, pictures and arrays. Without it 8-bit
            pixels pass as they are and all others are mapped by robust percentiles. Recorded in ``source``.
        source_fps: frames per second: required where the recording holds no times, and instead of its times elsewhere.
        timestamps: times in seconds, one per frame; for HDF5 also the name of a dataset.
        timestamps_unit: unit of the HDF5 dataset with the times: s, ms, us or ns.
        recording_id: names the recording in tables; by default the file or folder name without its ending.
        indexer: how the index of a video is made; ``IndexFolder`` keeps it, so that a file is read through only once.

    Raises:
        RecordingError: when it cannot be read; the message says what was expected, what was found and what to do.
        SettingsError: when an option does not apply to this kind of recording.
        MissingExtraError: when a compressed TIFF needs an optional package.
    """
    times: _Times = {"source_fps": source_fps, "recording_id": recording_id}
    hdf5_only = {"dataset": dataset, "timestamps_unit": timestamps_unit}
    if isinstance(source, np.ndarray):
        _refuse("arrays", **hdf5_only)
        return ArrayRecording(source, value_range=value_range, timestamps=_numbers(timestamps, "arrays"), **times)
    path = Path(os.fspath(source))
    kind = _kind(path)
    if kind == "hdf5":
        return _open_hdf5(
            path, dataset=dataset, value_range=value_range, source_fps=source_fps, timestamps=timestamps,
            timestamps_unit=timestamps_unit, recording_id=recording_id, indexer=indexer,
        )  # fmt: skip
    _refuse(str(path), **hdf5_only)
    numbers = _numbers(timestamps, str(path))
    if kind == "images":
        return ImageRecording(path, find_images(path), value_range=value_range, timestamps=numbers, **times)
    if kind == "tiff":
        return TiffRecording(path, value_range=value_range, timestamps=numbers, **times)
    if kind == "npy":
        array = _load_npy(path)
        return ArrayRecording(array, path=path, value_range=value_range, timestamps=numbers, **times)
    _refuse(str(path), value_range=value_range)
    if kind == "norpix":
        return NorpixRecording(path, timestamps=numbers, **times)
    return VideoRecording(path, timestamps=numbers, indexer=indexer, **times)


def _open_hdf5(
    path: Path,
    *,
    dataset: str | None,
    value_range: tuple[Number, Number] | None,
    source_fps: Number | None,
    timestamps: Sequence[Number] | np.ndarray | str | None,
    timestamps_unit: TimeUnit | None,
    recording_id: str | None,
    indexer: Callable[[Path], VideoIndex],
) -> Recording:
    try:
        refuse_unfinished(path)
    except StoreError as error:
        raise RecordingError(str(error)) from error
    with open_h5(path) as file:
        with h5_errors(path):
            layout = find_layout(file, path, dataset)
        if layout.kind == "external":
            _refuse(f"{path} (external video)", value_range=value_range, timestamps_unit=timestamps_unit)
            numbers = _numbers(timestamps, f"{path} (external video)")
            return open_external(
                file, path, layout,
                source_fps=source_fps, timestamps=numbers, recording_id=recording_id, indexer=indexer,
            )  # fmt: skip
    return Hdf5Recording(
        path, layout, value_range=value_range, source_fps=source_fps, timestamps=timestamps,
        timestamps_unit=timestamps_unit, recording_id=recording_id,
    )  # fmt: skip


def _kind(path: Path) -> str:
    if path.is_dir():
        return "images"
    if not path.exists() and _WILDCARDS & set(path.name):
        return "images"
    head = _head(path)
    if _is_hdf5(path):
        return "hdf5"
    if head.startswith(_TIFF):
        return "tiff"
    if head.startswith(_NPY):
        return "npy"
    if head == MAGIC[: len(head)] and len(head) == _HEAD_BYTES:
        return "norpix"
    if head.startswith(_STILL) and path.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp"):
        raise RecordingError(
            f"{path}: expected a recording, found a single picture: pass the folder, or a pattern such as "
            f"'*{path.suffix}'"
        )
    return "video"


def _head(path: Path) -> bytes:
    try:
        if not path.is_file():
            if path.exists():
                raise RecordingError(f"{path}: expected a file or a folder of pictures, found something else")
            if path.is_symlink():
                raise RecordingError(
                    f"{path}: expected a recording, found a link to {os.readlink(path)}, where nothing is: connect the "
                    "drive that it is on, or correct the link"
                )
            raise RecordingError(f"{path}: expected a recording, found no such file: check the path")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except PermissionError as error:
        raise RecordingError(f"{path}: expected a readable file, found no permission to read it") from error
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: expected a readable file, found {error}") from error
    if not head:
        raise RecordingError(f"{path}: expected a recording, found an empty file: copy or record it again")
    return head


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        for offset in _USER_BLOCKS:
            file.seek(offset)
            if file.read(len(_HDF5)) == _HDF5:
                return True
    return False


def _load_npy(path: Path) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise RecordingError(f"{path}: expected an array of numbers, found a damaged .npy file ({error})") from error
    return array


def _numbers(timestamps: Sequence[Number] | np.ndarray | str | None, name: str) -> Sequence[Number] | np.ndarray | None:
    if isinstance(timestamps, str):
        raise SettingsError(
            f"{name}: expected timestamps as numbers, found the name {timestamps!r}: only HDF5 has datasets"
        )
    return timestamps


def _refuse(name: str, **options: object) -> None:
    for option, value in options.items():
        if value is not None:
            raise SettingsError(
                f"{name}: the option {option}={value!r} does not apply to this kind of recording: drop it"
            )
