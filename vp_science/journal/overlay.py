"""A file that looks changed and is not: changes go to a sidecar, page by page."""

import os
from collections.abc import Iterator
from typing import Any

from vp_science.errors import StoreError

PAGE = 1 << 16
"""Bytes that are copied, logged and written together."""


class Overlay:
    """What h5py needs of a file, over a file that is only read.

    Reading shows the changes. HDF5 crashes the process when one of these methods raises, so a failing disk is
    remembered instead (the page stays in memory) and told by ``check``.

    Attributes:
        old_size: size of the file below, in bytes.
        size: size of the file as it looks.
        slots: for every page that was written, its place in the sidecar in pages.
    """

    def __init__(self, below: int, sidecar: int | None = None) -> None:
        """Lay an empty overlay over a file.

        Args:
            below: descriptor of the file, open for reading.
            sidecar: descriptor of an empty file for what will be written; None refuses writing.
        """
        self._below = below
        self._sidecar = sidecar
        self._lost: dict[int, bytearray] = {}
        self._error: Exception | None = None
        self._position = 0
        self.old_size = os.fstat(below).st_size
        self.size = self.old_size
        self.slots: dict[int, int] = {}

    def check(self) -> None:
        """Tell what went wrong while HDF5 was writing.

        Raises:
            OSError: from the file system.
        """
        if self._error is not None:
            raise self._error

    def old_page(self, page: int) -> bytes:
        """A page of the file below; shorter at its end."""
        return _read(self._below, page * PAGE, max(0, min(PAGE, self.old_size - page * PAGE)))

    def new_page(self, page: int) -> bytes:
        """A page as it looks, filled up with zeros."""
        if page in self._lost:
            return bytes(self._lost[page])
        if page not in self.slots:
            return self.old_page(page).ljust(PAGE, b"\0")
        assert self._sidecar is not None
        return _read(self._sidecar, self.slots[page] * PAGE, PAGE).ljust(PAGE, b"\0")

    def bytes_at(self, start: int, stop: int) -> bytes:
        """A stretch of the file as it looks; bytes behind its end are missing."""
        parts = [self.new_page(page)[first:last] for page, first, last in _pieces(start, min(stop, self.size))]
        return b"".join(parts)

    def write_at(self, start: int, data: bytes | memoryview) -> None:
        """Change a stretch of the file."""
        view = memoryview(data).cast("B")
        done = 0
        for page, first, last in _pieces(start, start + len(view)):
            self._store(page, first, view[done : done + last - first])
            done += last - first
        self.size = max(self.size, start + len(view))

    def _store(self, page: int, first: int, part: memoryview) -> None:
        if page not in self.slots:
            content = bytearray(self.old_page(page).ljust(PAGE, b"\0"))
            content[first : first + len(part)] = part
            self.slots[page] = len(self.slots)
            self._put(page, 0, memoryview(content))
        else:
            self._put(page, first, part)

    def _put(self, page: int, first: int, part: memoryview) -> None:
        if page in self._lost:
            self._lost[page][first : first + len(part)] = part
            return
        try:
            if self._sidecar is None:
                raise StoreError("this overlay is for reading only")
            write_all(self._sidecar, part, self.slots[page] * PAGE + first)
        except (OSError, StoreError) as error:
            self._error = self._error or error
            content = bytearray(PAGE) if len(part) == PAGE else bytearray(self.new_page(page))
            content[first : first + len(part)] = part
            self._lost[page] = content

    # The protocol of h5py's file-like objects

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a place counted from the start (0), from here (1) or from the end (2)."""
        self._position = offset + (0, self._position, self.size)[whence]
        return self._position

    def tell(self) -> int:
        """The place of the next byte."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the file goes; the number of bytes."""
        view = memoryview(buffer).cast("B")
        try:
            data = self.bytes_at(self._position, self._position + len(view))
        except OSError as error:
            self._error = self._error or error
            data = bytes(max(0, min(len(view), self.size - self._position)))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """The next bytes; all that are left for -1."""
        buffer = bytearray(max(0, self.size - self._position) if size < 0 else size)
        return bytes(buffer[: self.readinto(buffer)])

    def write(self, data: Any) -> int:
        """Change the next bytes."""
        view = memoryview(data).cast("B")
        self.write_at(self._position, view)
        self._position += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the size."""
        self.size = self._position if size is None else size
        return self.size

    def flush(self) -> None:
        """Nothing waits to be written."""


def write_all(handle: int, data: memoryview | bytes, offset: int) -> None:
    """Write all bytes at a place; a full disk may take a part of them first."""
    view, done = memoryview(data), 0
    while done < len(view):
        done += os.pwrite(handle, view[done:], offset + done)


def _read(handle: int, offset: int, size: int) -> bytes:
    parts = []
    while size > 0 and (part := os.pread(handle, size, offset)):
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)


def _pieces(start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Pages of a stretch: (page, first byte, one past the last byte in the page)."""
    while start < stop:
        page, first = divmod(start, PAGE)
        last = min(PAGE, first + stop - start)
        yield page, first, last
        start += last - first
