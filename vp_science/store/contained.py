"""Arrays of HDF5 files from anywhere: only those that lie in the file, and hold as much as they claim."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py

from vp_science.errors import VPScienceError

# The most that deflate can shrink anything.
_MAX_DEFLATE = 1100

Damaged = Callable[[Path, str], VPScienceError]
"""Gives the error that says what is wrong with a file of a kind."""


def contained_member(group: h5py.Group, name: str, path: Path, error: type[VPScienceError]) -> Any:
    """A member of a group that lies in the same file; None when there is none.

    Raises:
        VPScienceError: ``error``, when it is a link elsewhere.
    """
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        where = f"{group.name.rstrip('/')}/{name}"
        raise error(f"expected {where} of {path} to lie in the file, found a link elsewhere: refused for safety")
    return group[name]


def contained_dataset(
    group: h5py.Group,
    name: str,
    ndim: int,
    dtypes: Sequence[str],
    path: Path,
    error: type[VPScienceError],
    damaged: Damaged,
) -> h5py.Dataset:
    """A dataset that lies in the file, has the expected type, and as much data as it claims.

    Args:
        group: of the open file.
        name: of the dataset.
        ndim: its number of axes.
        dtypes: the types it may have.
        path: of the file, for messages.
        error: raised when its content lies elsewhere.
        damaged: gives the error for everything else.

    Raises:
        VPScienceError: one of the two.
    """
    dataset = contained_member(group, name, path, error)
    where = f"{group.name.rstrip('/')}/{name}"
    if dataset is None:
        raise damaged(path, f"{where} is missing")
    if not isinstance(dataset, h5py.Dataset):
        raise damaged(path, f"{where} is not an array")
    if dataset.is_virtual or dataset.external:
        raise error(f"expected {where} of {path} to lie in the file, found outside storage: refused for safety")
    if dataset.ndim != ndim or str(dataset.dtype) not in dtypes:
        raise damaged(path, f"{where} has shape {dataset.shape} and type {dataset.dtype}")
    stored = dataset.id.get_storage_size() * (1 if dataset.compression is None else _MAX_DEFLATE)
    if dataset.nbytes > stored:
        raise damaged(path, f"{where} claims {dataset.nbytes} bytes and {stored} are there")
    return dataset
