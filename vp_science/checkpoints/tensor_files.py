"""Files of named arrays, read header first: names, shapes and types are known before any array is allocated.

Files are untrusted. Nothing is ever unpickled, and nothing is read whose size has not been checked against its header.
"""

import io
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from vp_science.errors import CheckpointError

_CHUNK_BYTES = 1 << 24
_MAX_HEADER_BYTES = 10_000
_MAX_TENSORS = 100_000


@dataclass(frozen=True)
class TensorHeader:
    """What a file says about one of its arrays; ``dtype`` is a numpy name (or "object", "bfloat16")."""

    shape: tuple[int, ...]
    dtype: str
    fortran_order: bool = False
    offset: int = 0


class TensorFile(ABC):
    """An open file of named arrays; ``headers`` is what it says about them, by name."""

    headers: Mapping[str, TensorHeader]

    @abstractmethod
    def read(self, name: str) -> np.ndarray:
        """The values of one array, in its own type and in C order."""


@contextmanager
def open_tensors(path: Path) -> Iterator[TensorFile]:
    """Open an ``.npz`` or ``.safetensors`` file; which of the two it is, its content says.

    Raises:
        CheckpointError: the file is missing, damaged or something else.
    """
    start = _read_start(path)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        with _open_npz(path) as file:
            yield file
    elif _looks_like_safetensors(start):
        with _open_safetensors(path) as file:
            yield file
    else:
        raise CheckpointError(
            f"{path}: expected an .npz or .safetensors file, found {_describe(start)}: download the file again, or "
            "pass the path of the weights themselves"
        )


def _read_start(path: Path) -> bytes:
    if path.is_dir():
        raise CheckpointError(f"{path}: expected an .npz or .safetensors file, found a folder: pass a file inside it")
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{path}: expected a weights file, found none that can be read ({reason})") from error


def _looks_like_safetensors(start: bytes) -> bool:
    return len(start) > 9 and start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] <= 100_000_000


_SIGNS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer (text that stands for a file that was not downloaded)"),
    (b"<", "a web page or XML"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a single array (.npy)"),
    (b"\x80", "a pickle, which could run code and is never opened"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"{", "JSON text"),
)


def _describe(start: bytes) -> str:
    if not start:
        return "an empty file"
    text = start.lstrip().lower() if start.lstrip()[:1] == b"<" else start
    for sign, words in _SIGNS:
        if text.startswith(sign):
            return words
    return f"a file that starts with {start[:16]!r}"


class _Npz(TensorFile):
    """A zip archive with one ``.npy`` per array."""

    def __init__(self, path: Path, archive: zipfile.ZipFile):
        self._path = path
        self._archive = archive
        self._members = {info.filename.removesuffix(".npy"): info for info in self._list()}
        self.headers = {name: self._read_header(name) for name in self._members}

    def read(self, name: str) -> np.ndarray:
        """The values of one array, checksum verified."""
        header = self.headers[name]
        flat = np.empty(prod(header.shape), np.dtype(header.dtype))
        view = memoryview(flat.view(np.uint8).data)
        with self._archive.open(self._members[name]) as member:
            member.read(header.offset)
            filled = 0
            while piece := member.read(min(_CHUNK_BYTES, len(view) - filled)):
                view[filled : filled + len(piece)] = piece
                filled += len(piece)
            member.read(1)  # The end of the member is where its checksum is compared.
        if filled < len(view):
            raise CheckpointError(
                f"{self._path}: {name}: expected {len(view)} bytes, found {filled}: download it again"
            )
        return np.ascontiguousarray(flat.reshape(header.shape, order="F" if header.fortran_order else "C"))

    def _list(self) -> list[zipfile.ZipInfo]:
        members = self._archive.infolist()
        names = [info.filename for info in members]
        if any(name.endswith("data.pkl") for name in names):
            raise CheckpointError(
                f"{self._path}: expected an .npz file, found a PyTorch checkpoint (a pickle inside), which could run "
                "code and is never opened: use the .npz or .safetensors file of the model"
            )
        strange = [name for name in names if not name.endswith(".npy")]
        if strange or len(set(names)) < len(names) or len(names) > _MAX_TENSORS:
            what = f"{strange[0]!r}" if strange else f"{len(names)} entries, {len(set(names))} different"
            raise CheckpointError(f"{self._path}: expected a zip with one .npy per tensor, found {what}")
        return members

    def _read_header(self, name: str) -> TensorHeader:
        info = self._members[name]
        with self._archive.open(info) as member:
            # A bounded piece: a header that claims gigabytes, or a member that inflates to them, stops here.
            start = io.BytesIO(member.read(_MAX_HEADER_BYTES + 12))
        try:
            version = np.lib.format.read_magic(start)
            if version not in {(1, 0), (2, 0)}:
                raise ValueError(f"format version {version}")
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran_order, dtype = reader(start, max_header_size=_MAX_HEADER_BYTES)
        except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError) as error:
            raise CheckpointError(f"{self._path}: {name}: expected an .npy header, found {error}") from error
        stored = info.file_size - start.tell()
        if not dtype.hasobject and (min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != stored):
            raise CheckpointError(
                f"{self._path}: {name}: its header says shape {list(shape)} of {dtype}, "
                f"{prod(shape) * dtype.itemsize} bytes, but {stored} are stored: the file is damaged or forged"
            )
        return TensorHeader(tuple(shape), "object" if dtype.hasobject else dtype.str, fortran_order, start.tell())


@contextmanager
def _open_npz(path: Path) -> Iterator[_Npz]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield _Npz(path, archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise CheckpointError(
            f"{path}: expected a complete .npz file, found one that is damaged or cut off ({error}): download it again"
        ) from error


_SAFETENSORS_TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "bfloat16"}


class _Safetensors(TensorFile):
    """One header, then the bytes of every array."""

    def __init__(self, path: Path, file: Any):
        self._path = path
        self._file = file
        self.headers = {name: self._read_header(name) for name in file.keys()}  # noqa: SIM118 - not a mapping

    def read(self, name: str) -> np.ndarray:
        """The values of one array."""
        return np.asarray(self._file.get_tensor(name))

    def _read_header(self, name: str) -> TensorHeader:
        entry = self._file.get_slice(name)
        dtype = str(entry.get_dtype())
        return TensorHeader(tuple(entry.get_shape()), _SAFETENSORS_TYPES.get(dtype, dtype.lower()))


@contextmanager
def _open_safetensors(path: Path) -> Iterator[_Safetensors]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            yield _Safetensors(path, file)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: expected a complete .safetensors file, found one that is damaged or cut off ({error}): "
            "download it again"
        ) from error
