"""Embeddings as labelled arrays and tables for the notebook."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from vp_science.errors import require_extra
from vp_science.store.provenance import Provenance

if TYPE_CHECKING:
    import pandas as pd


class EmbeddingTable:
    """Embeddings of a stretch of a recording.

    Attributes:
        recording_id: names the recording.
        num_frames: source frames of the whole recording.
        provenance: how the embeddings were made.
        first_grid: position of the first of these grid frames in the grid of the recording.
        track: ``(grid, k*k, dim)``, one vector (or k x k, row by row) per grid frame.
        window: ``(window, dim)``, one vector per window: the mean of its tokens, or, of video-text models, the unit
            vector that can be compared with sentences (see ``contrastive``).
        time_s: time of every grid frame in seconds, on the clock of the recording.
        frame_index: source frame on screen then.
        shown_index: source frame whose pixels were embedded; differs from ``frame_index`` at damage, and is -1 where
            nothing was shown because the followed animal was not there (see ``present``).
        damaged_frames: source frames that did not decode.
        window_start: first grid frame of every window, in the grid of the recording.
        window_stop: one past its last grid frame.
    """

    def __init__(
        self,
        *,
        recording_id: str,
        num_frames: int,
        provenance: Provenance,
        first_grid: int,
        track: Any,
        window: Any,
        time_s: Float64[np.ndarray, " grid"],
        frame_index: Int64[np.ndarray, " grid"],
        shown_index: Int64[np.ndarray, " grid"],
        damaged_frames: Int64[np.ndarray, " damaged"],
        window_start: Int64[np.ndarray, " window"],
        window_stop: Int64[np.ndarray, " window"],
    ) -> None:
        self.recording_id = recording_id
        self.num_frames = num_frames
        self.provenance = provenance
        self.first_grid = first_grid
        self.track = track
        self.window = window
        self.time_s = time_s
        self.frame_index = frame_index
        self.shown_index = shown_index
        self.damaged_frames = damaged_frames
        self.window_start = window_start
        self.window_stop = window_stop

    @property
    def grid_size(self) -> int:
        """Number of grid frames."""
        return len(self.time_s)

    @property
    def dim(self) -> int:
        """Width of one embedding."""
        return int(self.track.shape[-1])

    @property
    def spatial_pool(self) -> int:
        """The k of the k x k vectors per grid frame."""
        return self.provenance.spatial_pool

    @property
    def untrained(self) -> bool:
        """Whether the weights were random numbers."""
        return self.provenance.untrained

    @property
    def contrastive(self) -> bool:
        """Whether ``window`` holds unit vectors that can be compared with sentences (video-text models)."""
        return "vocabulary_size" in self.provenance.encoder_config

    @property
    def present(self) -> Bool[np.ndarray, " grid"]:
        """Whether anything was shown. A row where it is False was made from a black picture: it says nothing."""
        return np.asarray(self.shown_index) >= 0

    @property
    def subject(self) -> str:
        """The animal that these embeddings follow, as bouts name it; "" for whole frames."""
        return self._followed("subject")

    @property
    def target(self) -> str:
        """The other animal in the picture, where a pair is followed; "" otherwise."""
        return self._followed("target")

    @property
    def bout_recording(self) -> str:
        """The recording as bouts name it: of a followed animal the recording it was followed in."""
        return self._followed("of_recording") or self.recording_id

    def _followed(self, name: str) -> str:
        follow = self.provenance.source.get("follow")
        value = follow.get(name, "") if isinstance(follow, dict) else ""
        return value if isinstance(value, str) else ""

    def __len__(self) -> int:
        return self.grid_size

    def to_xarray(self) -> Any:
        """The track as an ``xarray.DataArray``; NaN where nothing was shown (see ``present``).

        Returns:
            Dimensions ``time_s``, ``patch`` and ``feature``; coordinates ``time_s`` (seconds) and ``frame_index``;
            attributes ``recording_id``, ``model``, ``untrained`` and ``provenance`` (JSON).

        Raises:
            MissingExtraError: when xarray is not installed.
            StoreError: when the file is closed or damaged.
        """
        xarray = require_extra("xarray", "xarray")
        return xarray.DataArray(
            self._values(),
            dims=("time_s", "patch", "feature"),
            coords={"time_s": ("time_s", self.time_s), "frame_index": ("time_s", self.frame_index)},
            name="embedding",
            attrs={
                "recording_id": self.recording_id,
                "model": self.provenance.model,
                "untrained": int(self.untrained),
                "provenance": json.dumps(self.provenance.to_json(), sort_keys=True),
            },
        )

    def to_pandas(self) -> "pd.DataFrame":
        """The track as a table with one row per grid frame; NaN where nothing was shown (see ``present``).

        Returns:
            Index ``time_s`` (seconds); columns ``frame_index`` and ``e000``, ``e001``, ... in float32. With
            ``spatial_pool`` above 1 the columns are ``p00_e000``, ``p00_e001``, ...: patches row by row; that is
            k*k*dim columns, so ``to_xarray`` or ``track`` is the better tool for large k.

        Raises:
            StoreError: when the file is closed or damaged.
        """
        import pandas as pd

        values = self._values().astype(np.float32).reshape(self.grid_size, -1)
        table = pd.DataFrame(values, index=pd.Index(self.time_s, name="time_s"), columns=self._columns())
        table.insert(0, "frame_index", self.frame_index)
        return table

    def _values(self) -> Float[np.ndarray, "grid patch dim"]:
        values = np.array(self.track)  # a copy
        values[~self.present] = np.nan
        return values

    def _columns(self) -> list[str]:
        patches = self.spatial_pool**2
        wide = max(3, len(str(self.dim - 1)))
        features = [f"e{feature:0{wide}d}" for feature in range(self.dim)]
        if patches == 1:
            return features
        narrow = max(2, len(str(patches - 1)))
        return [f"p{patch:0{narrow}d}_{feature}" for patch in range(patches) for feature in features]

    def __repr__(self) -> str:
        pool = self.spatial_pool
        vectors = f"{pool}x{pool} vectors" if pool > 1 else "one vector"
        span = f"{self.time_s[0]:.3f} to {self.time_s[-1]:.3f} s" if self.grid_size else "no time"
        plan = self.provenance
        lines = [
            f'{type(self).__name__} of "{self.recording_id}"',
            f"  {self.grid_size} grid frames, {span}, {vectors} of {self.dim} {plan.dtype} each",
            f"  {len(self.window_start)} windows of {plan.num_frames} frames, stride {plan.stride}",
            f"  model {plan.model}" + (", UNTRAINED: random weights, for testing only" * self.untrained),
        ]
        if not self.present.all():
            lines.append(f"  {int(self.present.sum())} of these grid frames show the animal, the others nothing")
        if len(self.damaged_frames):
            lines.append(f"  {len(self.damaged_frames)} damaged source frames")
        return "\n".join(lines)
