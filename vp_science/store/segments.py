"""Segments: finished pieces of the work in progress, each verified before it is trusted."""

import hashlib
import math
import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int64

from vp_science.errors import StoreError
from vp_science.files import write_atomically
from vp_science.store.plan import Plan, Segment

_NPY_HEADER = 1024
_DIGEST = "sha256"
_DAMAGED = "damaged_frames"
_BROKEN = (OSError, ValueError, KeyError, EOFError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class SegmentData:
    """The content of one segment.

    Attributes:
        track: embeddings of the grid frames that the windows of the segment own, in the dtype of the file.
        window: one vector per window.
        shown_index: source frame whose pixels each of these grid frames shows; -1 for none.
        damaged_frames: source frames that did not decode, increasing.
    """

    track: Float[np.ndarray, "grid patch dim"]
    window: Float32[np.ndarray, "window dim"]
    shown_index: Int64[np.ndarray, " grid"]
    damaged_frames: Int64[np.ndarray, " damaged"]


def segment_path(folder: Path, index: int) -> Path:
    """Where a segment lies."""
    return folder / f"segment-{index:06d}.npz"


def checked_segment(
    plan: Plan,
    segment: Segment,
    track: Float[np.ndarray, "grid patch dim"],
    window: Float[np.ndarray, "window dim"],
    shown_index: Int64[np.ndarray, " grid"],
    damaged_frames: Int64[np.ndarray, " damaged"],
) -> SegmentData:
    """Bring what was computed into the form in which it is stored.

    Raises:
        ValueError: when a shape is not the planned one, or a frame index is not in the recording (a bug).
        StoreError: when an embedding is not finite, or too large for float16.
    """
    shapes = (track.shape, window.shape, shown_index.shape)
    wanted = tuple(_layout(plan, segment)[name][0] for name in ("track", "window", "shown_index"))
    if shapes != wanted:
        raise ValueError(f"expected track, window and shown_index of shapes {wanted}, found {shapes}")
    damaged = np.unique(np.asarray(damaged_frames, dtype=np.int64))
    for name, index in (("shown_index", shown_index), ("damaged_frames", damaged)):
        lowest = -1 if name == "shown_index" else 0  # -1: nothing was shown
        if len(index) and not (index.min() >= lowest and index.max() < plan.recording.num_frames):
            raise ValueError(f"expected {name} within the {plan.recording.num_frames} source frames")
    _check_finite(track, segment.grid.start, "grid frame")
    _check_finite(window, segment.windows.start, "window")
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(track, dtype=plan.provenance.dtype)
    if not np.isfinite(stored).all():
        raise StoreError(
            f"expected embeddings that fit into float16 (up to 65504), found {float(np.abs(track).max()):.6g}: "
            "store them as float32 (--dtype float32)"
        )
    return SegmentData(
        stored, np.ascontiguousarray(window, np.float32), np.ascontiguousarray(shown_index, np.int64), damaged
    )


def _check_finite(values: Float[np.ndarray, "..."], first: int, name: str) -> None:
    bad = np.flatnonzero(~np.isfinite(values).all(axis=tuple(range(1, values.ndim))))
    if len(bad):
        raise StoreError(
            f"expected finite embeddings, found NaN or infinity at {name} {first + int(bad[0])} "
            f"({len(bad)} in this segment): check the weights, or use a wider precision (--precision float32)"
        )


def write_segment_file(folder: Path, plan: Plan, segment: Segment, data: SegmentData) -> None:
    """Write a segment; under its name it is always whole.

    Raises:
        OSError: when the file system refuses.
    """
    digest = np.frombuffer(_digest(plan, segment, data), dtype=np.uint8)
    write_atomically(
        segment_path(folder, segment.index),
        lambda file: np.savez(file, **_arrays(data), **{_DIGEST: digest}),  # type: ignore[arg-type]
    )


def read_segment_file(folder: Path, plan: Plan, segment: Segment) -> SegmentData | None:
    """Read a segment, or None when it is missing, cut short, altered, or belongs to another plan."""
    try:
        with zipfile.ZipFile(segment_path(folder, segment.index)) as archive:
            arrays = {name: _read_array(archive, name, *wanted) for name, wanted in _layout(plan, segment).items()}
    except _BROKEN:
        return None
    digest = arrays.pop(_DIGEST)
    data = SegmentData(**arrays)
    return data if digest.tobytes() == _digest(plan, segment, data) else None


def _read_array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Read one array; sizes are checked before anything is allocated, and nothing is unpickled."""
    member = f"{name}.npy"
    most = math.prod(shape) * np.dtype(dtype).itemsize
    if archive.getinfo(member).file_size > most + _NPY_HEADER:
        raise ValueError(f"{name} is larger than planned")
    array: np.ndarray = np.load(BytesIO(archive.read(member)), allow_pickle=False)
    right = array.ndim == 1 and len(array) <= shape[0] if name == _DAMAGED else array.shape == shape
    if not right or array.dtype != np.dtype(dtype):
        raise ValueError(f"{name} is not of the planned shape and type")
    return array


def _layout(plan: Plan, segment: Segment) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and type of every array in a segment file; for the damaged frames the longest shape possible."""
    return {
        "track": ((segment.num_grid, plan.provenance.spatial_pool**2, plan.dim), plan.provenance.dtype),
        "window": ((segment.num_windows, plan.dim), "float32"),
        "shown_index": ((segment.num_grid,), "int64"),
        _DAMAGED: ((plan.recording.num_frames,), "int64"),
        _DIGEST: ((hashlib.sha256().digest_size,), "uint8"),
    }


def _arrays(data: SegmentData) -> dict[str, np.ndarray]:
    return {
        "track": data.track,
        "window": data.window,
        "shown_index": data.shown_index,
        "damaged_frames": data.damaged_frames,
    }


def _digest(plan: Plan, segment: Segment, data: SegmentData) -> bytes:
    digest = hashlib.sha256(plan.token)
    digest.update(str(segment.index).encode())
    for name, array in _arrays(data).items():
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return digest.digest()
