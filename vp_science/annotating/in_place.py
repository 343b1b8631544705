"""Writing annotations into an HDF5 recording: one group is added, nothing else changes, whenever the process dies.

How, and why not by copying. A copy that is changed and renamed is safe and simple, but it reads and writes the whole
recording to add a few megabytes (200 GB of traffic and of free space for a long experiment, once per probe), breaks
hard links, and gives the file another owner where the user is not root. So the change is appended, through a journal:

1. The recording is locked with HDF5's own lock: nobody reads it now, and no second process writes.
2. HDF5 opens it through an overlay (``journal.overlay``) that only reads it; all writing goes to a sidecar file.
3. What the file would become is verified: every old object is where it was, no byte of the data of an old dataset is
   among those that change, and the new group reads back.
4. The sidecar becomes the journal (synced, renamed): the moment of decision.
5. The journal is applied: first what lies behind the old end, synced, then the few hundred bytes of the superblock and
   the root group that lead to it, synced. Then it is deleted.

Killed before 4, the recording was never touched. Killed after 4, the next run finishes it (``journal.log.recover``);
until then the journal lies beside the recording and vp-science refuses to read it. A full disk in 5 is undone.
Other programs that open a recording whose writer was killed in the instant between the last two steps may see a root
group that does not fit together; the data of the recording are untouched all the time.

Writing the same group again first deletes the old one in the same session, so that HDF5 uses its space again.
``/vp_science/before`` keeps the bytes that changed: see ``video.original``.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from vp_science.errors import RecordingError, StoreError
from vp_science.journal.lock import locked
from vp_science.journal.log import commit, finish, journal_path, read_index, recover, unfinished_path
from vp_science.journal.overlay import PAGE, Overlay
from vp_science.video.original import BEFORE, GROUP, Changes, before_text, read_before, with_changes

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_USER_BLOCKS = (0, *(512 << n for n in range(32)))
_MARGIN = 1 << 20
_NEAR = 64
_ATTEMPTS = 4

Write = Callable[[h5py.Group], None]


def write_in_place(path: Path, write: Write, check: Write, num_bytes: int = 0) -> None:
    """Change the group ``/vp_science`` of an HDF5 file, as a whole or not at all.

    Args:
        path: the file; a link is followed.
        write: is given the group and changes what is in it.
        check: is given the group as it reads back, and raises when it is not as it should be.
        num_bytes: about how much is written, to find out before whether there is room.

    Raises:
        StoreError: when the file cannot be changed: open in another program, not closed by the one that wrote it,
            read-only, no room, damaged. It is then as it was.
    """
    # HDF5 calls back into Python, and crashes when Ctrl-C is raised there: signals reach the main thread only.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(_write, path, write, check, num_bytes).result()


def _write(path: Path, write: Write, check: Write, num_bytes: int) -> None:
    recover(path)
    with locked(path) as target:
        _refuse_unclean(target, path)
        _check_room(path, num_bytes)
        sidecar = unfinished_path(path)
        try:
            handle = os.open(sidecar, os.O_RDWR | os.O_CREAT | os.O_EXCL, _mode(target))
            try:
                overlay = Overlay(target, handle)
                _change(overlay, path, write)
                _verify(overlay, target, path, check)
                commit(overlay, sidecar, handle, journal_path(path))
                finish(path, read_index(handle, journal_path(path)), handle, target)
            finally:
                os.close(handle)
        except OSError as error:
            raise StoreError(_failed(path, error)) from error
        finally:
            sidecar.unlink(missing_ok=True)


def _mode(target: int) -> int:
    """Who may read the journal: who may read the recording."""
    return os.fstat(target).st_mode & 0o666


def _refuse_unclean(target: int, path: Path) -> None:
    """Refuse files that are being written, were never closed, or have something behind their end."""
    size = os.fstat(target).st_size
    base = next((at for at in _USER_BLOCKS if at < size and os.pread(target, 8, at) == _SIGNATURE), None)
    if base is None:
        raise StoreError(f"cannot write into {path}: expected an HDF5 file, found something else. Leave out --in-place")
    head = os.pread(target, 96, base).ljust(96, b"\0")
    if head[8] >= 2 and head[11]:
        how = "is being written (SWMR)" if head[11] & 4 else "was not closed by the program that wrote it"
        raise StoreError(
            f"cannot write into {path}: it {how}. Wait until it is finished, or clear the mark with h5clear -s and run "
            "again"
        )
    # Superblock: version at 8, size of offsets at 13 (versions 0 and 1) or 9; end of file among the addresses.
    width, first = (head[9], 12) if head[8] >= 2 else (head[13], 24 if head[8] == 0 else 28)
    end = int.from_bytes(head[first + 2 * width : first + 3 * width], "little")
    if end not in (size, size - base):
        raise StoreError(
            f"cannot write into {path}: expected it to end at byte {end} as its header says, found {size} bytes. "
            "Repack it (h5repack) or copy it again"
        )


def _check_room(path: Path, num_bytes: int) -> None:
    real = Path(os.path.realpath(path))
    needed, free = 2 * num_bytes + _MARGIN, shutil.disk_usage(real.parent).free
    if free < needed:
        raise StoreError(
            f"cannot write into {path}: expected {needed / 1e6:.0f} MB of free space on its disk, found "
            f"{free / 1e6:.0f} MB: free some, or leave out --in-place and choose --out on another disk"
        )


def _failed(path: Path, error: OSError) -> str:
    reason = os.strerror(error.errno) if error.errno else str(error)
    state = "An unfinished journal lies beside it" if journal_path(path).exists() else "The recording is as it was"
    return (
        f"cannot write into {path} ({reason}). {state}: make room, ask for permission to write in its folder, or leave "
        "out --in-place; then run the same command again"
    )


def _change(overlay: Overlay, path: Path, write: Write) -> None:
    """Let HDF5 make the change in the overlay, then fill in what was there before."""
    with _h5_errors(path), h5py.File(overlay, "r") as file:
        before = read_before(file, path) or (overlay.old_size, [])
    capacity, first = 4096, True
    for _ in range(_ATTEMPTS):
        with _h5_errors(path), h5py.File(overlay, "r+") as file:
            group = _our_group(file, path)
            if first:
                write(group)
            place = _reserve(group, capacity)
        overlay.check()
        first = False
        text = before_text(before[0], _all_changes(overlay, *before))
        if len(text) <= place[1]:
            overlay.write_at(place[0], text.ljust(place[1], b"\0"))
            overlay.check()
            return
        capacity = 2 * len(text)
    raise StoreError(f"cannot write into {path}: its superblock keeps changing; please report this recording")


def _our_group(file: h5py.File, path: Path) -> h5py.Group:
    link = file.get(GROUP, getlink=True)
    if link is None:
        return file.create_group(GROUP)
    group = file[GROUP] if isinstance(link, h5py.HardLink) else None
    if not isinstance(group, h5py.Group):
        raise StoreError(f"cannot write into {path}: expected /{GROUP} to be a group, found something else: rename it")
    return group


def _reserve(group: h5py.Group, capacity: int) -> tuple[int, int]:
    """Room for a text: where it lies in the file, and how long it may be."""
    if BEFORE in group and group[BEFORE].dtype.itemsize < capacity:
        del group[BEFORE]
    if BEFORE not in group:
        group.create_dataset(BEFORE, data=np.bytes_(b"?" * capacity), dtype=h5py.string_dtype("ascii", capacity))
    dataset = group[BEFORE]
    group.file.flush()
    return dataset.id.get_offset(), dataset.dtype.itemsize


def _all_changes(overlay: Overlay, num_bytes: int, changes: Changes) -> Changes:
    """Every byte of the file before the first change that differs now, as it was then."""
    pages = {page for page in overlay.slots if page * PAGE < num_bytes}
    for at, old in changes:
        pages |= set(range(at // PAGE, -(-(at + len(old)) // PAGE)))
    pages |= set(range(overlay.size // PAGE, -(-num_bytes // PAGE)))
    found: Changes = []
    for page in sorted(pages):
        start, stop = page * PAGE, min((page + 1) * PAGE, num_bytes)
        then = with_changes(overlay.old_page(page)[: stop - start].ljust(stop - start, b"\0"), start, changes)
        now = overlay.bytes_at(start, stop).ljust(stop - start, b"\0")
        found += [(start + first, then[first:last]) for first, last in _differences(then, now)]
    return found


def _differences(a: bytes, b: bytes) -> Iterator[tuple[int, int]]:
    """Stretches in which two texts of one length differ; close ones are joined."""
    where = np.flatnonzero(np.frombuffer(a, np.uint8) != np.frombuffer(b, np.uint8))
    if len(where):
        for run in np.split(where, np.flatnonzero(np.diff(where) > _NEAR) + 1):
            yield int(run[0]), int(run[-1]) + 1


def _verify(overlay: Overlay, target: int, path: Path, check: Write) -> None:
    """Compare the file that is and the file that would be.

    Raises:
        StoreError: when an old object moved or vanished, or the data of an old dataset would change.
    """
    stretches = [
        (page * PAGE + first, page * PAGE + last)
        for page in sorted(overlay.slots)
        if (old := overlay.old_page(page))
        for first, last in _differences(old, overlay.new_page(page)[: len(old)])
    ]
    with _h5_errors(path), h5py.File(Overlay(target), "r") as now, h5py.File(overlay, "r") as then:
        objects = _objects(now)
        if objects != _objects(then):
            raise StoreError(_unsafe(path, "an object of the recording would move"))
        for name in {address: name for name, address in objects.items()}.values():
            item = now[name]
            if isinstance(item, h5py.Dataset) and _touches(item, stretches):
                raise StoreError(_unsafe(path, f"the data of {name} would change"))
        check(then[GROUP])


def _unsafe(path: Path, why: str) -> str:
    return f"refused to write into {path}: {why}. The recording is as it was; please report this"


def _objects(file: h5py.File) -> dict[str, int]:
    """Every object that is not ours: its name and its address in the file (or minus one for links that are no objects).

    Objects with several names appear once, under the first.
    """
    found: dict[str, int] = {}
    seen: set[int] = set()
    waiting: list[tuple[str, h5py.Group]] = [("", file)]
    while waiting:
        prefix, group = waiting.pop()
        for name in group:
            full = f"{prefix}/{name}"
            if full == f"/{GROUP}":
                continue
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                found[full] = -1
                continue
            item = group[name]
            found[full] = h5py.h5o.get_info(item.id).addr
            if isinstance(item, h5py.Group) and found[full] not in seen:
                seen.add(found[full])
                waiting.append((full, item))
    return found


def _touches(dataset: h5py.Dataset, stretches: list[tuple[int, int]]) -> bool:
    """Whether one of the stretches of the file lies in the data of a dataset."""
    if not stretches or dataset.external or dataset.is_virtual:
        return False
    starts = np.array([first for first, _ in stretches])
    stops = np.array([last for _, last in stretches])
    extents: list[tuple[int, int]] = []
    if dataset.chunks is not None:
        if dataset.id.get_storage_size():
            dataset.id.chunk_iter(lambda info: extents.append((info.byte_offset, info.size)))
    elif (offset := dataset.id.get_offset()) is not None:
        extents.append((offset, dataset.id.get_storage_size()))
    table = np.array(extents, np.int64).reshape(-1, 2)
    # Stretches are sorted and apart: the first one that ends behind the start of an extent must begin behind its end.
    first = np.searchsorted(stops, table[:, 0], side="right")
    inside = first < len(starts)
    return bool((starts[first[inside]] < table[inside].sum(axis=1)).any())


@contextmanager
def _h5_errors(path: Path) -> Iterator[None]:
    """Turn what HDF5 says about a damaged file into our own error."""
    try:
        yield
    except (RecordingError, RuntimeError, KeyError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise StoreError(
            f"cannot write into {path}: HDF5 finds it damaged or cannot read it ({error}). It is as it was: leave out "
            "--in-place, or repair the recording (h5repack)"
        ) from error
