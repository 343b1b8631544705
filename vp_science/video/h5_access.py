"""Opens HDF5 files without following anything that leads out of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from vp_science.errors import RecordingError

_BUILT_IN_FILTERS = {1, 2, 3, 4, 5, 6, 32000}
_MAX_DEPTH = 16


@contextmanager
def h5_errors(path: Path) -> Iterator[None]:
    """Turn h5py's errors into our own, with the path and what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise RecordingError(f"{path}: expected a recording, found no such file: check the path") from error
    except PermissionError as error:
        raise RecordingError(f"{path}: expected a readable file, found no permission to read it") from error
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise RecordingError(
            f"{path}: expected a readable HDF5 file, found it damaged or cut off ({error}): copy or record it again"
        ) from error


def open_h5(path: Path) -> h5py.File:
    """Open a file for reading, without locking it against the program that may still be writing elsewhere.

    Raises:
        RecordingError: when it is not there, not readable or not HDF5.
    """
    with h5_errors(path):
        return h5py.File(path, "r", locking="best-effort")


def datasets(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """All datasets of a file, by hard links only: soft and external links are not followed."""
    return ((name, item) for name, item in _items(file) if isinstance(item, h5py.Dataset))


def groups(file: h5py.File) -> Iterator[tuple[str, h5py.Group]]:
    """All groups of a file below its root, by hard links only."""
    return ((name, item) for name, item in _items(file) if isinstance(item, h5py.Group))


def _items(file: h5py.File) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    seen = {h5py.h5o.get_info(file.id).addr}
    waiting: list[tuple[str, h5py.Group]] = [("", file)]
    while waiting:
        prefix, group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            item = group[name]
            if not isinstance(item, (h5py.Group, h5py.Dataset)):
                continue
            yield f"{prefix}{name}", item
            address = h5py.h5o.get_info(item.id).addr
            if isinstance(item, h5py.Group) and address not in seen:
                seen.add(address)
                waiting.append((f"{prefix}{name}/", item))


def get_dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    """A dataset by name; soft links inside the file are followed, links out of it are refused.

    Raises:
        RecordingError: when there is no such dataset, or it lies in another file.
    """
    item: Any = file
    parts = [part for part in name.split("/") if part]
    hops = 0
    while parts:
        part = parts.pop(0)
        link = item.get(part, getlink=True) if isinstance(item, h5py.Group) else None
        if isinstance(link, h5py.ExternalLink):
            raise RecordingError(
                f'{path}: expected "{name}" inside the file, found an external link to {link.filename!r}: external '
                f"links are "
                f"not followed, open that file itself"
            )
        if isinstance(link, h5py.SoftLink):
            hops += 1
            target = [piece for piece in link.path.split("/") if piece]
            if hops > _MAX_DEPTH:
                raise RecordingError(f'{path}: expected a dataset "{name}", found a circle of soft links')
            item, parts = (file if link.path.startswith("/") else item), target + parts
            continue
        if link is None:
            raise RecordingError(
                f'{path}: expected a dataset "{name}", found none of that name: choose with --dataset (dataset=) among '
                f"{', '.join(found for found, _ in datasets(file)) or 'no datasets at all'}"
            )
        item = item[part]
    if not isinstance(item, h5py.Dataset):
        raise RecordingError(
            f'{path}: expected a dataset "{name}", found a group: choose a dataset in it with --dataset (dataset=)'
        )
    return item


def check_storage(dataset: h5py.Dataset, path: Path) -> None:
    """Refuse data that lies in other files, and bring the filters that the data needs.

    Raises:
        RecordingError: for external storage, virtual data sets of other files, and unknown filters.
    """
    _check_inside(dataset, path, 0)
    properties = dataset.id.get_create_plist()
    needed = {properties.get_filter(i)[0] for i in range(properties.get_nfilters())} - _BUILT_IN_FILTERS
    if not needed:
        return
    import hdf5plugin  # noqa: F401  (registers its filters with HDF5)

    for number in sorted(needed):
        if not h5py.h5z.filter_avail(number):
            raise RecordingError(
                f"{path}: expected compression that h5py or hdf5plugin reads, found HDF5 filter {number} on "
                f'"{dataset.name}": repack the file with h5repack -f GZIP=4'
            )


def _check_inside(dataset: h5py.Dataset, path: Path, depth: int) -> None:
    external = dataset.external
    if external:
        raise RecordingError(
            f'{path}: expected the data of "{dataset.name}" inside the file, found external storage in '
            f"{external[0][0]!r}: "
            f"it is not followed; copy the data into the file"
        )
    if not dataset.is_virtual:
        return
    for source in dataset.virtual_sources():
        if source.file_name != "." or depth >= _MAX_DEPTH:
            raise RecordingError(
                f'{path}: expected the data of "{dataset.name}" inside the file, found a virtual data set of '
                f"{source.file_name!r}: it is not followed; open that file itself"
            )
        _check_inside(get_dataset(dataset.file, source.dset_name, path), path, depth + 1)


def attribute(item: h5py.Group | h5py.Dataset, name: str) -> Any:
    """An attribute as a plain number or string; None when it is missing or of another kind."""
    try:
        value = item.attrs.get(name)
    except (OSError, TypeError, ValueError):
        return None
    if getattr(value, "shape", None) in ((), (1,)) and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, (str, int, float)) else None
