"""The tracks of a benchmark: made once, read piece by piece, thousands at a time."""

from pathlib import Path
from typing import Any

import numpy as np

from vp_science.store.reader import open_embeddings
from vp_science.store.tables import EmbeddingTable


class TrackFile:
    """The track of an embedding file, opened only while a part of it is read: there may be more files than handles.

    Attributes:
        shape: grid frames, k*k, width.
        dtype: of the values.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._path = path
        self.shape = shape
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        with open_embeddings(self._path) as embeddings:
            return embeddings.track[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("an array on disk cannot be read without a copy")
        array: np.ndarray = self[()]
        return array if dtype is None else array.astype(dtype, copy=False)


def read_track(path: Path) -> EmbeddingTable:
    """An embedding file as a table that keeps no file open.

    Raises:
        StoreError: when it is not a complete embedding file.
    """
    with open_embeddings(path) as found:
        return EmbeddingTable(
            recording_id=found.recording_id,
            num_frames=found.num_frames,
            provenance=found.provenance,
            first_grid=found.first_grid,
            track=TrackFile(path, found.track.shape, found.track.dtype),
            window=np.zeros((len(found.window_start), 0), np.float32),
            time_s=found.time_s,
            frame_index=found.frame_index,
            shown_index=found.shown_index,
            damaged_frames=found.damaged_frames,
            window_start=found.window_start,
            window_stop=found.window_stop,
        )
