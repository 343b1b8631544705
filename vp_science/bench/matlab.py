"""Reading the few kinds of values that behavior datasets keep in MATLAB files: numbers, texts, cells, structures.

MATLAB 5 files are read by scipy, which builds plain arrays and runs nothing; version 7.3 files are HDF5 and are read
without following links out of the file. Objects and functions are refused: nothing here needs them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np

from vp_science.errors import BenchError, RecordingError
from vp_science.video.h5_access import h5_errors, open_h5

MatValue: TypeAlias = Any
"""A number array, a text, a list of values (a cell, row by row as a nested list) or a dict (a structure)."""

MAX_BYTES = 1 << 30
MAX_ELEMENTS = 1 << 28
_MAX_DEPTH = 8
_HDF5 = b"\x89HDF\r\n\x1a\n"
_HEADER_BYTES = 512


def read_mat(path: Path, names: Sequence[str]) -> dict[str, MatValue]:
    """Read variables of a MATLAB file.

    Args:
        path: the file, of version 5 (to 7.2) or 7.3.
        names: the variables.

    Returns:
        Arrays have the axes of MATLAB; texts are ``str``; cells are nested lists, rows first; structures are dicts.

    Raises:
        BenchError: when the file is missing, damaged, absurdly large, lacks a variable, or holds objects.
    """
    if not path.is_file():
        raise BenchError(f"{path}: expected a MATLAB file, found nothing there: unpack the download again")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise BenchError(f"{path}: expected a MATLAB file of at most {MAX_BYTES >> 20} MiB, found {size >> 20} MiB")
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES + len(_HDF5))
    values = _read_hdf5(path, names) if _HDF5 in (head[: len(_HDF5)], head[_HEADER_BYTES:]) else _read_5(path, names)
    for name in names:
        if name not in values:
            raise BenchError(
                f"{path}: expected the variable {name!r}, found {', '.join(sorted(values)) or 'none'}: this is another "
                "kind of file, or another version of the dataset"
            )
    return values


def _damaged(path: Path, reason: object) -> BenchError:
    return BenchError(f"{path}: expected a readable MATLAB file, found it damaged or of another kind ({reason}): "
                      "unpack the download again")  # fmt: skip


def _read_5(path: Path, names: Sequence[str]) -> dict[str, MatValue]:
    from scipy.io import loadmat, whosmat

    try:
        for name, shape, _ in whosmat(str(path)):
            if name in names and int(np.prod([float(length) for length in shape])) > MAX_ELEMENTS:
                raise BenchError(f"{path}: expected at most {MAX_ELEMENTS} values in {name!r}, found shape {shape}")
        raw = loadmat(str(path), variable_names=list(names), struct_as_record=True, squeeze_me=False)
    except BenchError:
        raise
    except Exception as error:  # scipy raises whatever a damaged byte leads to
        raise _damaged(path, error) from error
    return {name: _plain(raw[name], path) for name in names if name in raw}


def _plain(value: object, path: Path, depth: int = 0) -> MatValue:
    if depth > _MAX_DEPTH:
        raise BenchError(f"{path}: expected cells and structures at most {_MAX_DEPTH} deep, found more: refused")
    if not isinstance(value, np.ndarray) or type(value).__name__ in ("MatlabOpaque", "MatlabFunction", "MatlabObject"):
        raise BenchError(f"{path}: expected numbers, texts, cells and structures, found a MATLAB object: refused")
    if value.dtype.names is not None:
        if value.size != 1:
            raise BenchError(
                f"{path}: expected single structures, found an array of {value.size}: another kind of file"
            )
        record = value.reshape(-1)[0]
        return {name: _plain(record[name], path, depth + 1) for name in value.dtype.names}
    if value.dtype.kind in "US":
        return "".join(str(part) for part in value.reshape(-1))
    if value.dtype == object:
        rows = value.reshape(value.shape[0], -1) if value.ndim else value.reshape(1, 1)
        return [[_plain(cell, path, depth + 1) for cell in row] for row in rows]
    if value.dtype.kind not in "biuf":
        raise BenchError(f"{path}: expected real numbers, found {value.dtype}: another kind of file")
    return value


def _read_hdf5(path: Path, names: Sequence[str]) -> dict[str, MatValue]:
    try:
        with open_h5(path) as file, h5_errors(path):
            return {name: _hdf5_value(file, name, file, path) for name in names if name in file}
    except RecordingError as error:
        raise _damaged(path, error) from error


def _hdf5_value(parent: h5py.Group, name: str, file: h5py.File, path: Path) -> MatValue:
    if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
        raise BenchError(f"{path}: expected {name!r} to lie in the file, found a link elsewhere: refused for safety")
    return _hdf5_item(parent[name], file, path, 0)


def _hdf5_item(item: object, file: h5py.File, path: Path, depth: int) -> MatValue:
    if depth > _MAX_DEPTH:
        raise BenchError(f"{path}: expected cells and structures at most {_MAX_DEPTH} deep, found more: refused")
    if isinstance(item, h5py.Group):
        return {name: _hdf5_value(item, name, file, path) for name in item}
    if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external:
        raise BenchError(f"{path}: expected plain datasets, found outside storage: refused for safety")
    if item.size > MAX_ELEMENTS:
        raise BenchError(f"{path}: expected at most {MAX_ELEMENTS} values, found shape {item.shape}: refused")
    if "MATLAB_empty" in item.attrs:
        return np.zeros((0, 0))
    if item.dtype == h5py.ref_dtype:
        cells = np.asarray(item[()]).T  # MATLAB stores the last axis first
        return [[_hdf5_item(file[cell], file, path, depth + 1) for cell in row] for row in cells]
    value = np.asarray(item[()]).T
    if item.attrs.get("MATLAB_class") in (b"char", "char"):
        return "".join(map(chr, value.reshape(-1).tolist()))
    if value.dtype.kind not in "biuf":
        raise BenchError(f"{path}: expected real numbers, found {value.dtype}: another kind of file")
    return value


def texts(value: MatValue, path: Path, what: str) -> list[str]:
    """The texts of a cell, whatever its orientation.

    Raises:
        BenchError: when it holds something else.
    """
    if isinstance(value, str):
        return [value]
    found = [cell for row in value for cell in row] if isinstance(value, list) else None
    if found is None or not all(isinstance(cell, str) for cell in found):
        raise BenchError(f"{path}: expected {what} to be a cell of texts, found something else: another kind of file")
    return [str(cell) for cell in found]
