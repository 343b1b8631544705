"""Reads datasets of HDF5 pose files: only what lies in the file, and only as much as is really there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vp_science.errors import PoseError
from vp_science.poses.points import check_size

_MAX_DEFLATE = 1100
_MAX_NAMES = 10_000


@contextmanager
def open_pose_h5(path: Path) -> Iterator[h5py.File]:
    """Open a pose file; what h5py finds wrong with it becomes a ``PoseError``."""
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError) as error:
        raise PoseError(
            f"{path}: expected a readable HDF5 pose file, found it damaged or of another layout ({error}): "
            "copy or export it again"
        ) from error


def has(file: h5py.Group, name: str) -> bool:
    """Whether there is an item of this name (a link that leads elsewhere counts: reading it is refused)."""
    return all(_link(file, name)) if name else False


def _link(file: h5py.Group, name: str) -> Iterator[bool]:
    group: Any = file
    for part in name.split("/"):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        yield link is not None
        if not isinstance(link, h5py.HardLink):
            return
        group = group[part]


def refuse_links(file: h5py.File, path: Path) -> None:
    """Refuse a file of which anything lies elsewhere, before a library reads it.

    Raises:
        PoseError: for links to other files, outside and virtual storage, and data that claim to be more than they are.
    """
    waiting: list[h5py.Group] = [file]
    seen = 0
    while waiting:
        group = waiting.pop()
        for name in group:
            seen += 1
            if seen > _MAX_NAMES:
                raise PoseError(f"{path}: expected at most {_MAX_NAMES} items in a pose file, found more")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise _elsewhere(path, f"{group.name}/{name}")
            item = group[name]
            if isinstance(item, h5py.Dataset):
                _check_storage(item, path)
            elif isinstance(item, h5py.Group):
                waiting.append(item)


def dataset(file: h5py.File, name: str, path: Path, ndim: tuple[int, ...]) -> h5py.Dataset:
    """A dataset that lies in this file, of a reasonable size.

    Raises:
        PoseError: when it is missing, lies elsewhere, has another number of axes, or claims more than is there.
    """
    item: Any = file
    for part in name.split("/"):
        link = item.get(part, getlink=True) if isinstance(item, h5py.Group) else None
        if link is None:
            raise PoseError(f"{path}: expected the dataset /{name}, found none: export the file again")
        if not isinstance(link, h5py.HardLink):
            raise _elsewhere(path, f"/{name}")
        item = item[part]
    if not isinstance(item, h5py.Dataset) or item.ndim not in ndim:
        found = f"{item.ndim} axes" if isinstance(item, h5py.Dataset) else "a group"
        wanted = " or ".join(str(number) for number in ndim)
        raise PoseError(f"{path}: expected /{name} to be an array of {wanted} axes, found {found}")
    _check_storage(item, path)
    if item.size:
        check_size(f"{path}: /{name}", *item.shape)
    return item


def numbers(file: h5py.File, name: str, path: Path, ndim: tuple[int, ...]) -> np.ndarray:
    """A dataset of numbers or truth values, read whole.

    Raises:
        PoseError: see ``dataset``; also when it holds something else.
    """
    found = dataset(file, name, path, ndim)
    if found.dtype.kind not in "iufb":
        raise PoseError(f"{path}: expected numbers in /{name}, found {found.dtype}")
    array: np.ndarray = found[()]
    return array


def texts(file: h5py.File, name: str, path: Path) -> list[str]:
    """A dataset of names.

    Raises:
        PoseError: see ``dataset``; also when it holds something else than text, or too many.
    """
    found = dataset(file, name, path, (1,))
    if found.size > _MAX_NAMES:
        raise PoseError(f"{path}: expected at most {_MAX_NAMES} names in /{name}, found {found.size}")
    if found.size == 0:
        return []
    if found.dtype.kind == "S" or h5py.check_string_dtype(found.dtype) is not None:
        return [bytes(value).decode("utf-8") for value in found[()].tolist()]
    if found.dtype.kind in "iu":
        return [str(value) for value in found[()].tolist()]
    raise PoseError(f"{path}: expected names in /{name}, found {found.dtype}")


def _check_storage(item: h5py.Dataset, path: Path) -> None:
    if item.is_virtual or item.external:
        raise _elsewhere(path, str(item.name))
    stored = item.id.get_storage_size() * (1 if item.chunks is None else _MAX_DEFLATE)
    if (item.nbytes or 0) > max(stored, 1 << 20):
        raise PoseError(
            f"{path}: {item.name} claims {item.nbytes} bytes, and {item.id.get_storage_size()} are in the file: "
            "it is damaged; copy or export it again"
        )


def _elsewhere(path: Path, name: str) -> PoseError:
    return PoseError(
        f"{path}: expected {name} to lie in the file, found a link or storage elsewhere: refused for safety"
    )
