"""The index in a file: written once, complete or absent; checked when opened, its rows mapped into memory.

Layout, readable with any HDF5 library::

    /                 attrs: format, schema, software, complete
    /rows             (point, dim)      float32, unit vectors, in one piece and not compressed, so that they can be
                                        mapped into memory
    /recording        (point)           int32, position in the recordings of the record
    /start_s /stop_s  (point)           float64, seconds
    /mean             (dim)             float32, of all rows
    /recording_mean   (recording, dim)  float32
    /norm /recording_norm (point)       float32, length of every row without the mean
    /record           (bytes)           uint8, JSON: settings, provenance, recordings
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vp_science.errors import SettingsError, StoreError
from vp_science.files import sync_folder
from vp_science.points import PointSettings
from vp_science.search.index import IndexedRecording, SearchIndex
from vp_science.store.contained import contained_dataset
from vp_science.store.files import explain_write_errors, reserve, sync_file
from vp_science.store.lock import FolderLock
from vp_science.store.provenance import Provenance
from vp_science.typing import StrPath

FORMAT = "vp_science.search_index"
SCHEMA = 1
_SMALL = {
    "recording": (1, "int32"),
    "start_s": (1, "float64"),
    "stop_s": (1, "float64"),
    "mean": (1, "float32"),
    "recording_mean": (2, "float32"),
    "norm": (1, "float32"),
    "recording_norm": (1, "float32"),
}
_LAYOUT = {"rows": (2, "float32"), "record": (1, "uint8"), **_SMALL}
_MAX_RECORD = 256 << 20
_HEAD_BYTES = 1 << 20


def write_index(
    path: Path,
    shape: tuple[int, int],
    settings: PointSettings,
    recordings: Sequence[IndexedRecording],
    provenance: Provenance,
    fill: Callable[[Any], Mapping[str, Any]],
) -> None:
    """Write an index under a temporary name and rename it when it is complete; an index of that name is replaced.

    Args:
        path: the file.
        shape: of the rows.
        settings: what a moment is.
        recordings: the tracks.
        provenance: how the first track was made.
        fill: writes the rows into what it is given, and returns the other arrays.

    Raises:
        StoreError: when another process writes it, or the file system refuses.
    """
    record = {
        "settings": settings.to_json(),
        "provenance": provenance.to_json(),
        "recordings": [asdict(entry) for entry in recordings],
    }
    work = path.with_name(f"{path.name}.partial")
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FolderLock.acquire(work, path)
        temporary = work / "index.h5"
        try:
            _write(temporary, shape, len(recordings), json.dumps(record, ensure_ascii=False).encode(), fill)
            os.replace(temporary, path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
            lock.remove(work)


def _write(
    path: Path, shape: tuple[int, int], num_recordings: int, record: bytes, fill: Callable[[Any], Mapping[str, Any]]
) -> None:
    path.unlink(missing_ok=True)
    with h5py.File(path, "w"):
        pass
    # HDF5 crashes the process when the disk fills up under it: the room for the rows is claimed first.
    reserve(path, 4 * (shape[0] + num_recordings) * (shape[1] + 8) + 2 * len(record) + _HEAD_BYTES)
    try:
        with h5py.File(path, "r+") as file:
            small = fill(file.create_dataset("rows", shape, "<f4"))
            for name in _SMALL:
                values = np.asarray(small[name])
                file.create_dataset(name, data=values.astype(values.dtype.newbyteorder("<")))
            file.create_dataset("record", data=np.frombuffer(record, np.uint8))
            file.attrs.update(
                {
                    "format": FORMAT,
                    "schema": SCHEMA,
                    "software": f"vp-science {version('vp-science')}",
                    "complete": True,
                }
            )
    except RuntimeError as error:  # what h5py makes of a failing close
        raise OSError(str(error)) from error
    sync_file(path)


def open_index(path: StrPath) -> SearchIndex:
    """Open an index; its rows stay in the file and are read when they are needed.

    Args:
        path: what ``build_index`` wrote.

    Raises:
        StoreError: when the file is missing, damaged, no index, of a newer format, or refers to other files.
    """
    where = Path(path)
    if not where.is_file():
        raise StoreError(f"expected a search index, found no file at {where}: name one, or make it from tracks")
    try:
        with h5py.File(where, "r") as file:
            return _read(file, where)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError, SettingsError) as error:
        raise _damaged(where, str(error)) from error


def _read(file: h5py.File, path: Path) -> SearchIndex:
    if (found := file.attrs.get("format")) != FORMAT:
        raise StoreError(f'expected format="{FORMAT}" in {path}, found {found!r}: give a search index, or a new name')
    if (schema := file.attrs.get("schema")) != SCHEMA:
        raise StoreError(f"expected schema {SCHEMA} in {path}, found {schema}: upgrade vp-science to read it")
    if not file.attrs.get("complete", False):
        raise _damaged(path, "it is not marked as complete")
    datasets = {name: _dataset(file, name, path) for name in _LAYOUT}
    if datasets["record"].nbytes > _MAX_RECORD:
        raise _damaged(path, f"its record has {datasets['record'].nbytes} bytes")
    record = json.loads(datasets["record"][()].tobytes())
    small = {name: np.asarray(datasets[name][()]) for name in _SMALL}
    recordings = tuple(_recording(entry) for entry in record["recordings"])
    shape = datasets["rows"].shape
    _check(small, shape, recordings, path)
    rows = np.memmap(path, "<f4", "r", datasets["rows"].id.get_offset(), shape)
    settings = PointSettings.from_json(record["settings"])
    return SearchIndex(
        rows=rows,
        recordings=recordings,
        settings=settings,
        provenance=Provenance.from_json(record["provenance"]),
        path=path,
        **small,
    )


def _recording(entry: dict[str, Any]) -> IndexedRecording:
    kinds = {field.name: field.type for field in fields(IndexedRecording)}
    if entry.keys() != kinds.keys() or any(type(entry[name]) is not kind for name, kind in kinds.items()):
        raise ValueError(f"{entry!r} is no recording")
    return IndexedRecording(**entry)


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    """A dataset that lies in this file in one piece, so that it can be mapped into memory."""
    ndim, dtype = _LAYOUT[name]
    dataset = contained_dataset(file, name, ndim, (np.dtype(dtype).name,), path, StoreError, _damaged)
    there = path.stat().st_size - (dataset.id.get_offset() or 0)
    if dataset.chunks is not None or dataset.dtype.byteorder == ">" or dataset.nbytes > there:
        raise _damaged(path, f"/{name} does not lie in it in one piece")
    return dataset


def _check(
    small: dict[str, np.ndarray], shape: tuple[int, ...], recordings: tuple[IndexedRecording, ...], path: Path
) -> None:
    """Refuse arrays that do not belong together."""
    points, dim = shape
    expected = dict.fromkeys(_SMALL, (points,)) | {"mean": (dim,), "recording_mean": (len(recordings), dim)}
    for name, wanted in expected.items():
        if small[name].shape != wanted:
            raise _damaged(path, f"/{name} has shape {small[name].shape}, expected {wanted}")
        if not np.isfinite(small[name]).all():
            raise _damaged(path, f"/{name} holds something else than numbers")
    counts = [entry.num_points for entry in recordings]
    whole = min(counts, default=0) >= 0 and sum(counts) == points
    if not whole or not np.array_equal(small["recording"], np.repeat(np.arange(len(counts)), counts)):
        raise _damaged(path, "its moments are not those of its recordings")
    if points < 1 or dim < 1 or (small["stop_s"] < small["start_s"]).any():
        raise _damaged(path, "a moment ends before it starts, or there is none")


def _damaged(path: Path, reason: str) -> StoreError:
    return StoreError(
        f"expected {path} to be a complete search index; it is damaged, cut short or something else ({reason}): "
        "move it away and make it again"
    )
