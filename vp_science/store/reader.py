"""Reading an embedding file: checked when opened, read when asked."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float64, Int64

from vp_science.errors import SettingsError, StoreError
from vp_science.store.contained import contained_dataset
from vp_science.store.hdf5 import FORMAT, SCHEMA
from vp_science.store.plan import RecordingFacts
from vp_science.store.provenance import Provenance
from vp_science.store.tables import EmbeddingTable
from vp_science.typing import StrPath

_LAYOUT = {
    "track": (3, ("float16", "float32")),
    "window": (2, ("float32",)),
    "time_s": (1, ("float64",)),
    "frame_index": (1, ("int64",)),
    "shown_index": (1, ("int64",)),
    "window_start": (1, ("int64",)),
    "window_stop": (1, ("int64",)),
    "damaged_frames": (1, ("int64",)),
}
_CACHE_BYTES = 16 << 20


class LazyArray:
    """An array on disk: slicing it reads that part, ``np.asarray`` reads all of it.

    Attributes:
        shape: lengths of the axes.
        dtype: of the values.
    """

    def __init__(self, dataset: h5py.Dataset, path: Path) -> None:
        self._dataset = dataset
        self._path = path
        self.shape: tuple[int, ...] = tuple(int(length) for length in dataset.shape)
        self.dtype: np.dtype[Any] = dataset.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        if not self._dataset:
            raise StoreError(f"{self._path} is closed: open it again with open_embeddings, or read before closing it")
        try:
            return self._dataset[key]
        except (OSError, RuntimeError) as error:
            raise StoreError(
                f"cannot read {self._dataset.name} of {self._path} ({error}): the file is damaged; make it again"
            ) from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("an array on disk cannot be read without a copy")
        array: np.ndarray = self[()]
        return array if dtype is None else array.astype(dtype, copy=False)

    def __repr__(self) -> str:
        state = "" if self._dataset else ", closed"
        return f"LazyArray(shape={self.shape}, dtype={self.dtype}{state})"


class Embeddings(EmbeddingTable):
    """One embedding file, open for reading; made by ``open_embeddings``.

    The small arrays are in memory; ``track`` and ``window`` are read when they are sliced, and only while the file is
    open. Use it as a context manager, or call ``close``.

    Attributes:
        path: the file.
        recording: what it was made from (its path is for people to read; nothing opens it).
        track: ``(grid, k*k, dim)``, one vector (or k x k, row by row) per grid frame; float16 or float32.
        window: ``(window, dim)`` float32, one vector per window.
        software: package and version that completed the file.

    The other attributes are those of ``EmbeddingTable``.
    """

    track: LazyArray
    window: LazyArray

    def __init__(self, file: h5py.File, path: Path) -> None:
        """Use ``open_embeddings``."""
        self._file = file
        self.path = path
        self.software = _text(file, "software", path)
        self.recording = _recording(file, path)
        datasets = {name: _dataset(file, name, path) for name in _LAYOUT}
        provenance = _provenance(file, path)
        _check_shapes(datasets, provenance, path)
        small = {name: np.asarray(datasets[name][()]) for name in _LAYOUT if name not in ("track", "window")}
        _check_values(small, self.recording.num_frames, path)
        super().__init__(
            recording_id=self.recording.id,
            num_frames=self.recording.num_frames,
            provenance=provenance,
            first_grid=0,
            track=LazyArray(datasets["track"], path),
            window=LazyArray(datasets["window"], path),
            **small,
        )

    def select(self, start_s: int | float, stop_s: int | float) -> EmbeddingTable:
        """The part between two times, in memory.

        Args:
            start_s: from here, in seconds on the clock of the recording.
            stop_s: up to here, exclusive.

        Returns:
            The grid frames in that time (perhaps none), and the windows that overlap them.

        Raises:
            SettingsError: when the times are not ordered numbers.
            StoreError: when the file is closed or damaged.
        """
        if not start_s <= stop_s:
            raise SettingsError(f"expected start_s <= stop_s in seconds, found {start_s} and {stop_s}: swap them")
        first, stop = (int(index) for index in np.searchsorted(self.time_s, [start_s, stop_s], side="left"))
        overlapping = np.flatnonzero((self.window_start < stop) & (self.window_stop > first))
        rows = slice(int(overlapping[0]), int(overlapping[-1]) + 1) if stop > first else slice(0, 0)
        shown = np.isin(self.damaged_frames, self.frame_index[first:stop])
        return EmbeddingTable(
            recording_id=self.recording_id,
            num_frames=self.num_frames,
            provenance=self.provenance,
            first_grid=first,
            track=self.track[first:stop],
            window=self.window[rows],
            time_s=self.time_s[first:stop],
            frame_index=self.frame_index[first:stop],
            shown_index=self.shown_index[first:stop],
            window_start=self.window_start[rows],
            window_stop=self.window_stop[rows],
            damaged_frames=self.damaged_frames[shown],
        )

    def close(self) -> None:
        """Close the file; ``track`` and ``window`` can no longer be read."""
        self._file.close()

    def __enter__(self) -> "Embeddings":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_embeddings(path: StrPath) -> Embeddings:
    """Open an embedding file.

    Args:
        path: the file.

    Raises:
        StoreError: when it is missing, cut short, damaged, not an embedding file, of a newer format, incomplete, or
            refers to other files.
    """
    where = Path(path)
    if os.path.isdir(where):
        raise StoreError(f"expected an embedding file, found the folder {where}: give the .embeddings.h5 file in it")
    if os.path.exists(where) and not os.path.isfile(where):
        raise StoreError(f"expected an embedding file, found a device or pipe at {where}: give the .embeddings.h5 file")
    try:
        file = h5py.File(where, "r", rdcc_nbytes=_CACHE_BYTES)
    except FileNotFoundError as error:
        raise StoreError(
            f"expected an embedding file, found nothing at {where}: check the name, or embed first"
        ) from error
    except PermissionError as error:
        raise StoreError(f"cannot read {where}: permission denied; ask for permission to read it") from error
    except (OSError, RuntimeError) as error:
        raise _damaged(where, f"HDF5 says: {error}") from error
    try:
        _check_format(file, where)
        return Embeddings(file, where)
    except StoreError:
        file.close()
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError) as error:
        file.close()
        raise _damaged(where, str(error)) from error


def _damaged(path: Path, reason: str) -> StoreError:
    return StoreError(
        f"expected {path} to be a complete embedding file; it is damaged, cut short or something else ({reason}): "
        "move it away and make it again"
    )


def _check_format(file: h5py.File, path: Path) -> None:
    found = file.attrs.get("format")
    if not isinstance(found, str) or found != FORMAT:
        raise StoreError(
            f'expected format="{FORMAT}" in {path}, found {found!r}: give an embedding file, not another HDF5 file'
        )
    if (schema := _integer(file, "schema", path)) != SCHEMA:
        raise StoreError(f"expected schema {SCHEMA} in {path}, found {schema}: upgrade vp-science to read it")
    if not file.attrs.get("complete", False):
        raise _damaged(path, "it is not marked as complete")


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    ndim, dtypes = _LAYOUT[name]
    return contained_dataset(file, name, ndim, dtypes, path, StoreError, _damaged)


def _check_shapes(datasets: dict[str, h5py.Dataset], provenance: Provenance, path: Path) -> None:
    shapes = {name: dataset.shape for name, dataset in datasets.items()}
    grid, patches, dim = shapes["track"]
    num_windows = shapes["window"][0]
    expected = {
        "track": (grid, provenance.spatial_pool**2, dim),
        "window": (num_windows, dim),
        **dict.fromkeys(("time_s", "frame_index", "shown_index"), (grid,)),
        **dict.fromkeys(("window_start", "window_stop"), (num_windows,)),
    }
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise _damaged(path, f"/{name} has shape {shapes[name]}, the other arrays want {shape}")
    if min(grid, patches, dim, num_windows) < 1:
        raise _damaged(path, "an array is empty")
    if datasets["track"].dtype != np.dtype(provenance.dtype):
        raise _damaged(path, f"/track is {datasets['track'].dtype}, the provenance says {provenance.dtype}")


def _check_values(small: dict[str, np.ndarray], num_frames: int, path: Path) -> None:
    time_s: Float64[np.ndarray, " grid"] = small["time_s"]
    start: Int64[np.ndarray, " window"] = small["window_start"]
    stop: Int64[np.ndarray, " window"] = small["window_stop"]
    for name in ("frame_index", "shown_index", "damaged_frames"):
        index, lowest = small[name], -1 if name == "shown_index" else 0  # -1: nothing was shown
        if len(index) and (index.min() < lowest or index.max() >= num_frames):
            raise _damaged(path, f"/{name} leaves the {num_frames} source frames")
    if not np.isfinite(time_s).all() or (np.diff(time_s) <= 0).any():
        raise _damaged(path, "/time_s does not increase")
    if (start < 0).any() or (stop > len(time_s)).any() or (start >= stop).any():
        raise _damaged(path, "/window_start and /window_stop leave the grid")


def _recording(file: h5py.File, path: Path) -> RecordingFacts:
    return RecordingFacts(
        id=_text(file, "recording_id", path),
        path=_text(file, "recording_path", path) or None,
        num_bytes=_integer(file, "fingerprint_num_bytes", path),
        sha256=_text(file, "fingerprint_sha256", path),
        num_frames=_integer(file, "num_frames", path),
    )


def _provenance(file: h5py.File, path: Path) -> Provenance:
    try:
        value = json.loads(_text(file, "provenance", path))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its provenance is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _damaged(path, "its provenance is not a JSON object")
    return Provenance.from_json(value)


def _text(file: h5py.File, name: str, path: Path) -> str:
    value = file.attrs.get(name)
    if not isinstance(value, str):
        raise _damaged(path, f"the attribute {name} is {value!r} and not text")
    return value


def _integer(file: h5py.File, name: str, path: Path) -> int:
    value = file.attrs.get(name)
    if not isinstance(value, int | np.integer):
        raise _damaged(path, f"the attribute {name} is {value!r} and not a whole number")
    return int(value)
