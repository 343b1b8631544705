"""Weights to a file, complete or not at all, and the hashes that identify weights."""

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

import numpy as np

from vp_science.checkpoints.layout import flatten_parameters
from vp_science.encoder.video import VideoEncoder
from vp_science.errors import CheckpointError
from vp_science.typing import StrPath


def save_weights(encoder: VideoEncoder, path: StrPath) -> Path:
    """Write the weights of an encoder under the official names, float32.

    The file is written under another name in the same folder and renamed when complete, so that a crash leaves the old
    file, if there was one, as it was. Reading it back gives the same bits.

    Args:
        encoder: not changed.
        path: ends in ``.npz`` (readable by the official code) or ``.safetensors``.

    Returns:
        The path.

    Raises:
        CheckpointError: for other endings, or when the folder cannot be written.
    """
    path = Path(path)
    if path.suffix not in {".npz", ".safetensors"}:
        raise CheckpointError(
            f"{path}: expected a name ending in .npz or .safetensors, found {path.suffix!r}: rename it"
        )
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        _write(flatten_parameters(encoder), temporary, path.suffix)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise CheckpointError(f"{path}: expected to write weights, found {error}: choose another folder") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return path


def hash_parameters(encoder: VideoEncoder) -> str:
    """sha256 (hex) of names, shapes and float32 values of all parameters: equal weights, equal hash, on any machine."""
    digest = hashlib.sha256()
    for name, values in sorted(flatten_parameters(encoder).items()):
        digest.update(f"{name} {list(values.shape)}\n".encode())
        digest.update(np.ascontiguousarray(values, "<f4").data)
    return digest.hexdigest()


def hash_file(path: StrPath) -> str:
    """sha256 (hex) of a file."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write(tensors: dict[str, np.ndarray], path: Path, suffix: str) -> None:
    if suffix == ".safetensors":
        from safetensors.numpy import save_file

        save_file(tensors, path)
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        return
    with path.open("xb") as file:
        np.savez(file, **tensors)  # type: ignore[arg-type]  # numpy takes the flag for a tensor
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system can (Windows cannot)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
