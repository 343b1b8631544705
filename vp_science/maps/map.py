"""``Map``: where every moment of a study lies, and to which cluster it belongs."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64, Int32, Int64

from vp_science.errors import MapError
from vp_science.maps.model import MapModel
from vp_science.maps.projection import Progress
from vp_science.maps.spans import owned_spans
from vp_science.points import PointSettings
from vp_science.store.tables import EmbeddingTable

CLUSTER_COLUMNS = ("name", "size", "seconds", "stability", "medoid")
NO_CLUSTER = "no cluster"


@dataclass(frozen=True, eq=False)
class Map:
    """Points of recordings in two dimensions, with clusters; made by ``make_map`` and ``open_map``.

    Attributes:
        coordinates: where every point lies. Near points are alike; sizes of gaps and clouds mean little (UMAP, t-SNE).
        recordings: ids of the recordings (of followed animals, of their tracks).
        recording: of every point, as a position in ``recordings``.
        start_s: begin of every point, in seconds on the clock of its recording.
        stop_s: its end; points may overlap.
        cluster: of every point; -1 for none.
        strength: how well it belongs there, 0 to 1; 0 for none.
        clusters: index ``cluster``; columns ``name`` ("" until somebody names it), ``size`` (points), ``seconds`` (no
            moment counts twice), ``stability`` (0 to 1, see ``cluster_stability``; NaN when nobody looked) and
            ``medoid`` (the most typical point, -1 where a map of new recordings has none of the cluster).
        provenance: how it was made: settings, seed, versions, and for every track what it was and how it was made.
        settings: what a point is.
        model: what places new recordings in the map.
    """

    coordinates: Float32[np.ndarray, "point 2"]
    recordings: tuple[str, ...]
    recording: Int32[np.ndarray, " point"]
    start_s: Float64[np.ndarray, " point"]
    stop_s: Float64[np.ndarray, " point"]
    cluster: Int32[np.ndarray, " point"]
    strength: Float32[np.ndarray, " point"]
    clusters: pd.DataFrame
    provenance: dict[str, Any]
    settings: PointSettings
    model: MapModel

    def __len__(self) -> int:
        return len(self.recording)

    @property
    def id(self) -> str:
        """``map-`` and a hash of what places and clusters points.

        It says what a cluster is, so it does not change with names, nor with recordings that are added.
        """
        parts = self.model
        digest = hashlib.sha256(json.dumps([parts.settings.to_json(), self.settings.to_json()]).encode())
        for array in (parts.projection.mean, parts.projection.components, parts.coordinates, parts.cluster):
            digest.update(np.ascontiguousarray(array).tobytes())
        return f"map-{digest.hexdigest()[:12]}"

    @property
    def seconds(self) -> Float64[np.ndarray, " point"]:
        """Seconds that belong to each point: no moment counts twice where points overlap (see ``owned_spans``)."""
        start, stop = owned_spans(self.recording, self.start_s, self.stop_s)
        return np.asarray(stop - start)

    def names(self, unnamed: str = "cluster {}") -> dict[int, str]:
        """What to call every cluster: its name, or ``unnamed`` with its number."""
        return {
            int(number): name or unnamed.format(number)
            for number, name in zip(self.clusters.index, self.clusters["name"], strict=True)
        }

    def members(self, cluster: int) -> Int64[np.ndarray, " member"]:
        """The points of a cluster (-1: those of none).

        Raises:
            MapError: when there is no such cluster.
        """
        self.check_cluster(cluster)
        return np.flatnonzero(self.cluster == cluster).astype(np.int64)

    def check_cluster(self, cluster: int) -> None:
        """Refuse a number that is no cluster.

        Raises:
            MapError: saying which there are.
        """
        if cluster != -1 and cluster not in self.clusters.index:
            raise MapError(f"expected a cluster from 0 to {len(self.clusters) - 1}, found {cluster}: check the number")

    def transform(self, tracks: Sequence[EmbeddingTable], progress: Progress | None = None) -> "Map":
        """Place other recordings in this map, and give their points its clusters; see ``MapModel.place``.

        Args:
            tracks: open, made with the settings of those of the map.
            progress: is told about it.

        Returns:
            A map of these recordings only; ``join_maps`` puts it together with this one.

        Raises:
            ProbeError: when a track was made in another way.
            MapError: when the installed libraries would place points elsewhere.
        """
        from vp_science.maps.make import place_tracks

        return place_tracks(self, tracks, progress)

    def to_pandas(self) -> pd.DataFrame:
        """One row per point: ``recording, start_s, stop_s, x, y, cluster, cluster_name, strength``."""
        names = self.names() | {-1: NO_CLUSTER}
        return pd.DataFrame(
            {
                "recording": np.array(self.recordings, dtype=object)[self.recording],
                "start_s": self.start_s,
                "stop_s": self.stop_s,
                "x": self.coordinates[:, 0],
                "y": self.coordinates[:, 1],
                "cluster": self.cluster,
                "cluster_name": [names[number] for number in self.cluster.tolist()],
                "strength": self.strength,
            }
        )

    @property
    def untrained(self) -> bool:
        """Whether the embeddings come from random weights: then the map means nothing."""
        return "untrained" in str(self.provenance["track_settings"].get("checkpoint", "")).lower()

    def __repr__(self) -> str:
        made = self.model.settings
        lines = [
            f"Map {self.id}: {len(self)} points ({self.settings.unit}) of {len(self.recordings)} recordings, "
            f"{made.method} of {made.num_pca} principal components"
        ]
        if made.cluster is not None:
            share = float((self.cluster < 0).mean())
            named = int((self.clusters["name"] != "").sum())
            lines.append(
                f"  {len(self.clusters)} clusters ({made.cluster}; {named} named), {share:.0%} of points in none"
            )
        if self.untrained:
            lines.append("  UNTRAINED: random weights, for testing only")
        return "\n".join(lines)
