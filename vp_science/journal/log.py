"""A change of a file that happens as a whole or not at all, whenever the process is killed.

A journal lies beside the file it is for, ``NAME.vp-science-journal``. It holds the new content of every page that
changes, and the old content of those that were there before. Under this name it is always complete (written as
``.tmp``, synced, renamed), so

- killed before the rename, the file was not touched, and the ``.tmp`` means nothing;
- killed after it, the change is finished by ``recover``, as often as need be: writing the same bytes twice is harmless.

While a journal waits, the file may be half changed. Layout: pages of 64 KiB, the index as JSON, and a footer.
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from vp_science.errors import StoreError
from vp_science.files import sync_folder
from vp_science.journal.lock import locked
from vp_science.journal.overlay import PAGE, Overlay, write_all

SUFFIX = ".vp-science-journal"
_FOOTER = struct.Struct("<8sQ32s")  # magic, bytes of the index, sha256 of the index
_MAGIC = b"VPSCJRN1"
_MAX_INDEX = 1 << 28
_RUN = 64


def journal_path(path: Path) -> Path:
    """Where the journal of a file lies: beside the file itself, not beside a link to it."""
    real = Path(os.path.realpath(path))
    return real.with_name(real.name + SUFFIX)


@dataclass(frozen=True)
class Index:
    """What a journal holds.

    Attributes:
        old_size: size of the file before.
        new_size: size of the file after.
        pages: page number in the file, slot of its new content, slot of its old content (-1: it was not there).
        sha256: of all slots in this order.
    """

    old_size: int
    new_size: int
    pages: tuple[tuple[int, int, int], ...]
    sha256: str


def commit(overlay: Overlay, sidecar: Path, handle: int, journal: Path) -> None:
    """Turn the sidecar of an overlay into a journal.

    Args:
        overlay: what changes.
        sidecar: its file.
        handle: descriptor of the sidecar.
        journal: the final name.

    Raises:
        OSError: when the file system refuses; then nothing has happened.
    """
    pages, next_slot, digest = [], len(overlay.slots), hashlib.sha256()
    for number in sorted(overlay.slots):
        if number * PAGE >= overlay.size:
            continue
        new, old = overlay.new_page(number), overlay.old_page(number)
        if old and new[: len(old)] == old and (number + 1) * PAGE <= overlay.old_size:
            continue
        digest.update(new)
        slot = -1
        if old:
            slot, next_slot = next_slot, next_slot + 1
            write_all(handle, old.ljust(PAGE, b"\0"), slot * PAGE)
            digest.update(old.ljust(PAGE, b"\0"))
        pages.append((number, overlay.slots[number], slot))
    index = Index(overlay.old_size, overlay.size, tuple(pages), digest.hexdigest())
    text = json.dumps(asdict(index)).encode()
    footer = _FOOTER.pack(_MAGIC, len(text), hashlib.sha256(text).digest())
    write_all(handle, text + footer, next_slot * PAGE)
    os.ftruncate(handle, next_slot * PAGE + len(text) + len(footer))
    os.fsync(handle)
    sidecar.replace(journal)
    sync_folder(journal.parent)


def read_index(handle: int, journal: Path) -> Index:
    """Read and check a journal.

    Raises:
        StoreError: when it is not one, or is damaged.
    """
    size = os.fstat(handle).st_size
    try:
        magic, length, digest = _FOOTER.unpack(os.pread(handle, _FOOTER.size, max(0, size - _FOOTER.size)))
        start = size - _FOOTER.size - length
        if magic != _MAGIC or length > _MAX_INDEX or start < 0 or start % PAGE:
            raise ValueError("no footer")
        text = os.pread(handle, length, start)
        if hashlib.sha256(text).digest() != digest:
            raise ValueError("the index is damaged")
        record = json.loads(text)
        pages = tuple((int(page), int(new), int(old)) for page, new, old in record["pages"])
        index = Index(int(record["old_size"]), int(record["new_size"]), pages, str(record["sha256"]))
        if min(index.old_size, index.new_size) < 0 or not _sane(index, start // PAGE):
            raise ValueError("the index is damaged")
        if _digest(handle, index) != index.sha256:
            raise ValueError("its pages are damaged")
    except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            f"expected a journal in {journal}, found something else ({error}): if the recording beside it is whole "
            "(restored from a copy), delete the journal"
        ) from error
    return index


def _sane(index: Index, num_slots: int) -> bool:
    slots = [slot for _, new, old in index.pages for slot in (new, old)]
    return all(-1 <= slot < num_slots for slot in slots) and all(
        page >= 0 and new >= 0 and page * PAGE < index.new_size and (old >= 0) == (page * PAGE < index.old_size)
        for page, new, old in index.pages
    )


def _digest(handle: int, index: Index) -> str:
    digest = hashlib.sha256()
    for _, new, old in index.pages:
        for slot in (new, old):
            if slot >= 0:
                digest.update(os.pread(handle, PAGE, slot * PAGE))
    return digest.hexdigest()


def apply(index: Index, log: int, target: int) -> None:
    """Write the new content into the file, and flush it to the disk.

    What is appended goes first, and is on the disk before a byte of the old part changes: an HDF5 file with bytes
    behind its end is as readable as before. What changes in the old part is small and close together (the superblock
    and the root group), and is mostly one write.

    Args:
        index: from ``read_index``.
        log: descriptor of the journal.
        target: descriptor of the file.

    Raises:
        OSError: when the file system refuses.
    """
    for offset, data in _runs(index, log, index.old_size, index.new_size):
        write_all(target, data, offset)
    os.fsync(target)
    for offset, data in _runs(index, log, 0, min(index.old_size, index.new_size)):
        write_all(target, data, offset)
    os.ftruncate(target, index.new_size)
    os.fsync(target)


def _runs(index: Index, log: int, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """New content between two places: (offset, bytes), neighbouring pages joined to one write."""
    offset, parts = 0, list[bytes]()
    for page, slot, _ in index.pages:
        first, last = max(start, page * PAGE), min(stop, (page + 1) * PAGE)
        if first >= last:
            continue
        if parts and (first != offset + sum(map(len, parts)) or len(parts) == _RUN):
            yield offset, b"".join(parts)
            parts = []
        offset = offset if parts else first
        parts.append(os.pread(log, PAGE, slot * PAGE)[first - page * PAGE : last - page * PAGE])
    if parts:
        yield offset, b"".join(parts)


def roll_back(index: Index, log: int, target: int) -> None:
    """Write the old content back; possible unless the file was made shorter."""
    for page, _, slot in index.pages:
        if slot >= 0:
            last = min(PAGE, index.old_size - page * PAGE)
            write_all(target, os.pread(log, last, slot * PAGE), page * PAGE)
    os.ftruncate(target, index.old_size)
    os.fsync(target)


def finish(path: Path, index: Index, log: int, target: int) -> None:
    """Apply a journal and remove it; where the disk is full, undo what was begun.

    Raises:
        OSError: when the file system refuses. The file is then as it was, or the journal is still there.
    """
    try:
        apply(index, log, target)
    except OSError:
        if index.new_size >= index.old_size:
            roll_back(index, log, target)
            _remove(path)
        raise
    _remove(path)


def _remove(path: Path) -> None:
    journal = journal_path(path)
    journal.unlink(missing_ok=True)
    sync_folder(journal.parent)


def recover(path: Path) -> bool:
    """Finish what a killed process began to write into a file; does nothing where no journal lies.

    Returns:
        Whether there was something to finish.

    Raises:
        StoreError: when the journal is damaged or the file was changed or replaced since, or cannot be written.
    """
    journal = journal_path(path)
    _remove_unfinished(path)
    if not os.path.lexists(journal):
        return False
    with locked(path) as target:
        try:
            log = os.open(journal, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:  # another process has finished it meanwhile
            return False
        except OSError as error:
            raise StoreError(f"cannot read {journal} ({os.strerror(error.errno or 0)}): allow reading it") from error
        try:
            index = read_index(log, journal)
            _check_fits(path, index, log, target)
            finish(path, index, log, target)
        except OSError as error:
            raise StoreError(
                f"cannot finish writing into {path} ({os.strerror(error.errno or 0)}): make room or allow writing, and "
                "run the same command again"
            ) from error
        finally:
            os.close(log)
    return True


def _remove_unfinished(path: Path) -> None:
    """Delete the beginnings of a journal whose writer was killed: without the final name it means nothing."""
    unfinished = unfinished_path(path)
    if not os.path.lexists(unfinished):
        return
    with locked(path), suppress(OSError):
        unfinished.unlink(missing_ok=True)


def unfinished_path(path: Path) -> Path:
    """Where a journal is prepared."""
    journal = journal_path(path)
    return journal.with_name(journal.name + ".tmp")


def refuse_unfinished(path: Path) -> None:
    """Refuse to read a file into which a killed process was writing.

    Raises:
        StoreError: saying how to finish it.
    """
    journal = journal_path(path)
    if os.path.lexists(journal):
        raise StoreError(
            f"{path} is being written, or its writer was killed before it had finished ({journal.name} lies beside "
            "it). Wait if it is still running; otherwise run the same vp-science annotate --in-place command again, "
            "which finishes the writing first"
        )


def _check_fits(path: Path, index: Index, log: int, target: int) -> None:
    """Refuse a file that is neither the old nor the new one nor a mixture: somebody changed or replaced it."""
    size = os.fstat(target).st_size
    fits = min(index.old_size, index.new_size) <= size <= max(index.old_size, index.new_size)
    for page, new_slot, old_slot in index.pages:
        if old_slot < 0 or not fits:
            continue
        last = max(0, min(PAGE, index.old_size - page * PAGE, size - page * PAGE))
        found = os.pread(target, last, page * PAGE)
        old, new = os.pread(log, last, old_slot * PAGE), os.pread(log, last, new_slot * PAGE)
        fits = found in (old, new) or all(f in (o, n) for f, o, n in zip(found, old, new, strict=True))
    if not fits:
        raise StoreError(
            f"{path} was changed or replaced after its writer was killed, so {journal_path(path).name} does not belong "
            "to it any more: make sure that the recording is whole, then delete the journal and run again"
        )
