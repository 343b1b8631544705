"""The embedding track file: its layout, and how finished segments become one.

Layout (DESIGN section 5), readable with any HDF5 library::

    /              attrs: format, schema, software, provenance (JSON), recording_id, recording_path ("" = none),
                          fingerprint_num_bytes, fingerprint_sha256, num_frames, complete
    /track         (grid, k*k, dim)  float16 or float32
    /window        (window, dim)     float32
    /time_s        (grid)            float64, seconds
    /frame_index   (grid)            int64, source frame on screen then
    /shown_index   (grid)            int64, source frame whose pixels were embedded; differs at damage, and is -1
                                     where nothing was shown (an animal was followed and not there)
    /window_start  (window)          int64, grid index
    /window_stop   (window)          int64, grid index, half-open
    /damaged_frames (damaged)        int64, source frames that did not decode

The track lies in chunks of whole grid frames with a checksum each (Fletcher-32). It is not compressed: embeddings are
noise to a compressor (20,000 x 768 Gaussian float16 shrink by 2% with shuffle + LZF and by 16% with shuffle + gzip, and
take 14 and 47 times as long to write). No file holds a time of creation: the same content, written with the same
version of HDF5, gives the same bytes.
"""

import json
import math
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np

from vp_science.store.files import reserve, sync_file
from vp_science.store.plan import Plan, Segment
from vp_science.store.segments import SegmentData
from vp_science.timeline.grid import SampleGrid, Windows

FORMAT = "vp_science.embeddings"
SCHEMA = 1
SUFFIX = ".embeddings.h5"

_CHUNK_BYTES = 512 << 10
_CACHE_BYTES = 16 << 20


def embeddings_path(folder: Path, stem: str) -> Path:
    """The name of the embedding file of a recording.

    Args:
        folder: the output folder.
        stem: names the recording, usually its file name without the suffix.
    """
    return folder / f"{stem}{SUFFIX}"


def assemble(
    path: Path,
    plan: Plan,
    software: str,
    grid: SampleGrid,
    windows: Windows,
    segments: Iterable[tuple[Segment, SegmentData]],
) -> None:
    """Write an embedding file from its segments; one segment is in memory at a time.

    Args:
        path: the file, which must not exist.
        plan: what is being made.
        software: package and version that assembles the file.
        grid: the sample grid.
        windows: the windows over it.
        segments: all segments in order.

    Raises:
        OSError: when the file system refuses; the file is then worthless.
    """
    with path.open("xb") as file:
        file.write(_empty_image())
    reserve(path, expected_bytes(plan, software))
    try:
        with h5py.File(path, "r+", rdcc_nbytes=_CACHE_BYTES) as file:
            _write_small(file, plan, software, grid, windows)
            damaged = _write_segments(file, plan, segments)
            file.create_dataset("damaged_frames", data=damaged)
            file.attrs["complete"] = True
    except RuntimeError as error:  # what h5py makes of a failing close
        raise OSError(str(error)) from error
    sync_file(path)


def expected_bytes(plan: Plan, software: str) -> int:
    """An upper bound on the size of the file: HDF5 must not run out of disk while it writes."""
    sizes = 0
    for shape, dtype in (_track_shape(plan), _window_shape(plan)):
        chunk = _chunk(shape, dtype)
        num_chunks = -(-shape[0] // chunk[0])
        sizes += num_chunks * (math.prod(chunk) * np.dtype(dtype).itemsize + 512) + 8192
    small = 8 * (3 * plan.grid_size + 2 * plan.num_windows + plan.recording.num_frames)
    texts = len(json.dumps(plan.to_json()).encode()) + len(software)
    return sizes + small + 4 * texts + (64 << 10)


def _empty_image() -> bytes:
    """A valid HDF5 file without content, made in memory."""
    with h5py.File("empty", "w", driver="core", backing_store=False) as file:
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def _track_shape(plan: Plan) -> tuple[tuple[int, ...], str]:
    return (plan.grid_size, plan.provenance.spatial_pool**2, plan.dim), plan.provenance.dtype


def _window_shape(plan: Plan) -> tuple[tuple[int, ...], str]:
    return (plan.num_windows, plan.dim), "float32"


def _chunk(shape: tuple[int, ...], dtype: str) -> tuple[int, ...]:
    row_bytes = math.prod(shape[1:]) * np.dtype(dtype).itemsize
    return (min(shape[0], max(1, _CHUNK_BYTES // row_bytes)), *shape[1:])


def _write_small(file: h5py.File, plan: Plan, software: str, grid: SampleGrid, windows: Windows) -> None:
    recording = plan.recording
    file.attrs["format"] = FORMAT
    file.attrs["schema"] = SCHEMA
    file.attrs["software"] = software
    file.attrs["provenance"] = json.dumps(plan.provenance.to_json(), sort_keys=True)
    file.attrs["recording_id"] = recording.id
    file.attrs["recording_path"] = recording.path or ""
    file.attrs["fingerprint_num_bytes"] = recording.num_bytes
    file.attrs["fingerprint_sha256"] = recording.sha256
    file.attrs["num_frames"] = recording.num_frames
    file.create_dataset("time_s", data=grid.time_s)
    file.create_dataset("frame_index", data=grid.frame_index)
    file.create_dataset("window_start", data=windows.start)
    file.create_dataset("window_stop", data=windows.stop)
    file.create_dataset("shown_index", shape=(plan.grid_size,), dtype=np.int64)
    for name, (shape, dtype) in (("track", _track_shape(plan)), ("window", _window_shape(plan))):
        file.create_dataset(name, shape=shape, dtype=dtype, chunks=_chunk(shape, dtype), fletcher32=True)


def _write_segments(file: h5py.File, plan: Plan, segments: Iterable[tuple[Segment, SegmentData]]) -> np.ndarray:
    damaged = np.zeros(0, dtype=np.int64)
    for segment, data in segments:
        file["track"][segment.grid] = data.track
        file["window"][segment.windows] = data.window
        file["shown_index"][segment.grid] = data.shown_index
        damaged = np.union1d(damaged, data.damaged_frames)
    return damaged
