"""What an HDF5 recording was before vp-science wrote annotations into it.

``annotate --in-place`` adds the group ``/vp_science`` to a recording. With that the file has another size and other
bytes in its first and last MiB, although the recording is the same, and embeddings made before would no longer fit.
The group therefore keeps, as text in ``/vp_science/before``, the size of the file before and every byte that changed
in the part that was there: with both the fingerprint is that of the file without the group.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py

from vp_science.errors import RecordingError
from vp_science.recordings import Fingerprint, fingerprint_files
from vp_science.video.h5_access import open_h5

GROUP = "vp_science"
BEFORE = "before"

Changes = list[tuple[int, bytes]]
"""Stretches of the file before: where, and what was there."""

_MIB = 1 << 20
_MOST = 64 << 20


def fingerprint_hdf5(path: Path, num_frames: int) -> Fingerprint:
    """The fingerprint of a recording without the annotations in it.

    Raises:
        RecordingError: when the record of what was there before is damaged.
    """
    with open_h5(path) as file:
        before = read_before(file, path)
    if before is None:
        return fingerprint_files([path], num_frames)
    num_bytes, changes = before
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for start in (0, max(0, num_bytes - _MIB)):
            stream.seek(start)
            digest.update(with_changes(stream.read(min(_MIB, num_bytes - start)), start, changes))
    return Fingerprint(num_bytes, digest.hexdigest(), num_frames)


def with_changes(content: bytes, start: int, changes: Changes) -> bytes:
    """A stretch of the file with the old bytes in it."""
    stretch = bytearray(content)
    for offset, old in changes:
        first, last = max(offset, start), min(offset + len(old), start + len(stretch))
        if first < last:
            stretch[first - start : last - start] = old[first - offset : last - offset]
    return bytes(stretch)


def before_text(num_bytes: int, changes: Iterable[tuple[int, bytes]]) -> bytes:
    """What is kept in the file."""
    return json.dumps({"num_bytes": num_bytes, "changes": [[at, old.hex()] for at, old in changes]}).encode()


def read_before(file: h5py.File, path: Path) -> tuple[int, Changes] | None:
    """Size and changed bytes of the file before; None when nothing was written into it.

    Raises:
        RecordingError: when the record is there and damaged.
    """
    group = _hard(file, GROUP)
    item = _hard(group, BEFORE) if isinstance(group, h5py.Group) else None
    if item is None:
        return None
    try:
        return _parse(item)
    except (ValueError, KeyError, TypeError, OSError, RuntimeError, RecursionError) as error:
        raise RecordingError(
            f"{path}: expected /{GROUP}/{BEFORE} to say what the file was before annotations were written into it, "
            f"found something else ({error}): delete the group /{GROUP} (h5py: del file['{GROUP}'])"
        ) from error


def _hard(group: h5py.Group, name: str) -> Any:
    return group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None


def _parse(item: Any) -> tuple[int, Changes]:
    if not isinstance(item, h5py.Dataset) or item.shape != () or item.dtype.kind != "S" or item.external:
        raise ValueError("not a text")
    if item.dtype.itemsize > min(_MOST, item.id.get_storage_size()):
        raise ValueError("the text is not there")
    record = json.loads(bytes(item[()]).decode())
    num_bytes, changes = record["num_bytes"], [(at, bytes.fromhex(old)) for at, old in record["changes"]]
    ends = [0, *(at + len(old) for at, old in changes)]
    if type(num_bytes) is not int or any(type(at) is not int or at < 0 for at, _ in changes) or max(ends) > num_bytes:
        raise ValueError("the changes leave the file")
    return num_bytes, changes
