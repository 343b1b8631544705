"""What a map keeps of its making: enough to place new recordings in it."""

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from vp_science.errors import MapError
from vp_science.maps.clusters import assign_clusters
from vp_science.maps.neighbors import NearestPoints
from vp_science.maps.projection import Progress, Projection
from vp_science.maps.settings import MapSettings
from vp_science.maps.umap_layout import place_with_umap, restore_umap

_PLACED_BY = 10
_BLOCK = 16_384
_TOLERANCE = 0.02
_RELEVANT = {"umap": ("umap-learn", "numba", "scikit-learn", "numpy"), "pacmap": ("pacmap", "scikit-learn", "numpy")}


@dataclass(eq=False)
class MapModel:
    """The fitted parts of a map; the points in it are the fit points.

    Attributes:
        settings: complete.
        projection: to principal components.
        vectors: the fit points among the principal components.
        coordinates: where they lie in the map.
        cluster: of each; -1 for none.
        strength: how well each belongs to it, 0 to 1.
        control_vectors: a few more points,
        control_coordinates: and where they were placed when the map was made.
        versions: of the libraries that made it.
        placer: what was fitted, while the map that made it is in memory; otherwise made from the arrays when needed.
    """

    settings: MapSettings
    projection: Projection
    vectors: Float32[np.ndarray, "fit component"]
    coordinates: Float32[np.ndarray, "fit 2"]
    cluster: Int32[np.ndarray, " fit"]
    strength: Float32[np.ndarray, " fit"]
    control_vectors: Float32[np.ndarray, "control component"]
    control_coordinates: Float32[np.ndarray, "control 2"]
    versions: dict[str, str]
    placer: Any = field(default=None, repr=False)

    def place(
        self, vectors: Float32[np.ndarray, "n component"], progress: Progress | None = None
    ) -> Float32[np.ndarray, "n 2"]:
        """Where points lie in the map.

        UMAP places new points itself; of PCA the map is the first two components. t-SNE and PaCMAP have no such step:
        a new point lies at the median of its 10 nearest fit points (as in Kobak & Berens 2019).

        Args:
            vectors: principal components of the points; may lie on disk.
            progress: is told about it.

        Raises:
            MapError: when the installed libraries place the control points elsewhere than those that made the map.
        """
        placed = np.empty((len(vectors), 2), np.float32)
        self._check_controls()
        for first in range(0, len(vectors), _BLOCK):
            rows = slice(first, min(first + _BLOCK, len(vectors)))
            placed[rows] = self._place(np.asarray(vectors[rows], np.float32))
            if progress:
                progress("placing points", rows.stop, len(vectors))
        return placed

    def assign(
        self, vectors: Float32[np.ndarray, "n component"], coordinates: Float32[np.ndarray, "n 2"]
    ) -> tuple[Int32[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
        """The cluster of placed points, and how well they belong to it."""
        if self.settings.cluster is None or not len(vectors):
            return np.full(len(vectors), -1, np.int32), np.zeros(len(vectors), np.float32)
        in_map = self.settings.cluster_space == "map"
        known = self.coordinates if in_map else self.vectors
        return assign_clusters(coordinates if in_map else vectors, known, self.cluster, self.strength, self.settings)

    def _place(self, vectors: Float32[np.ndarray, "n component"]) -> Float32[np.ndarray, "n 2"]:
        if self.settings.method == "pca":
            return np.asarray(vectors[:, :2], np.float32)
        if self.placer is None:
            umap = self.settings.method == "umap"
            self.placer = (
                restore_umap(self.vectors, self.coordinates, self.settings) if umap else NearestPoints(self.vectors)
            )
        if self.settings.method == "umap":
            return place_with_umap(self.placer, vectors, self.vectors)
        neighbors, distances = self.placer.query(vectors, min(_PLACED_BY, len(self.vectors)))
        middle = np.median(self.coordinates[neighbors], axis=1).astype(np.float32)
        return np.asarray(np.where(distances[:, :1] == 0, self.coordinates[neighbors[:, 0]], middle))

    def _check_controls(self) -> None:
        """Place the control points again, once."""
        if self.placer is not None or not len(self.control_vectors):
            return
        off = np.linalg.norm(self._place(self.control_vectors) - self.control_coordinates, axis=1)
        size = float(np.ptp(self.coordinates, axis=0).max())
        if not np.median(off) <= _TOLERANCE * size:
            self.placer = None
            made, here = _listed(self.versions), _listed(library_versions(self.settings.method))
            raise MapError(
                f"expected the control points of the map where they were placed when it was made ({made}), found half "
                f"of them {np.median(off):.3g} or more away, in a map {size:.3g} wide (here: {here}): install those "
                "versions, or make the map again"
            )

    @staticmethod
    def controls(
        vectors: Float32[np.ndarray, "fit component"], seed: int, count: int = 32
    ) -> Float32[np.ndarray, "control component"]:
        """Points halfway between fit points and their nearest neighbours."""
        rows = np.random.default_rng(seed).choice(len(vectors), min(count, len(vectors)), replace=False)
        near = NearestPoints(vectors).query(vectors[rows], 2)[0][:, 1]
        return np.asarray((vectors[rows] + vectors[near]) / 2, np.float32)


def library_versions(method: str) -> dict[str, str]:
    """Versions of the libraries that decide where points lie."""
    return {name: version(name) for name in _RELEVANT.get(method, ("scikit-learn", "numpy"))}


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())
