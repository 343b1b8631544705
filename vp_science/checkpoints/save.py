"""Weights to a file, complete or not at all, and the hash that identifies them."""

import hashlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vp_science.checkpoints.layout import flatten_parameters
from vp_science.encoder.family import TrackModel, VideoModel
from vp_science.errors import CheckpointError
from vp_science.files import sync_folder, write_atomically
from vp_science.typing import StrPath


def save_weights(encoder: VideoModel, path: StrPath) -> Path:
    """Write the weights of a model under the official names, float32.

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
    tensors = flatten_parameters(encoder)
    try:
        write_atomically(path, lambda file: _write(tensors, file, path.suffix), shared=True)
        sync_folder(path.parent)
    except OSError as error:
        raise CheckpointError(f"{path}: expected to write weights, found {error}: choose another folder") from error
    return path


def hash_parameters(encoder: TrackModel) -> str:
    """sha256 (hex) of names, shapes and float32 values of all parameters: equal weights, equal hash, on any machine."""
    digest = hashlib.sha256()
    for name, values in sorted(flatten_parameters(encoder).items()):
        digest.update(f"{name} {list(values.shape)}\n".encode())
        digest.update(np.ascontiguousarray(values, "<f4").data)
    return digest.hexdigest()


def _write(tensors: dict[str, np.ndarray], file: BinaryIO, suffix: str) -> None:
    if suffix == ".safetensors":
        from safetensors.numpy import save_file

        save_file(tensors, file.name)  # fills the same file; the library takes names only
    else:
        np.savez(file, **tensors)  # type: ignore[arg-type]  # numpy takes the flag for a tensor
