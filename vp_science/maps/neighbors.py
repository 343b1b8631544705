"""Nearest points, exactly: by blocked matrix products, on all cores, the same every time."""

from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

_BLOCK = 8192


class NearestPoints:
    """Looks up the nearest of a set of points.

    Args:
        vectors: the points that can be found.
    """

    def __init__(self, vectors: Float32[np.ndarray, "point dim"]) -> None:
        from sklearn.neighbors import NearestNeighbors

        self._vectors = vectors
        # A tree is faster than all distances only in a map.
        algorithm = "kd_tree" if vectors.shape[1] <= 3 else "brute"
        self._search = NearestNeighbors(algorithm=algorithm, n_jobs=None).fit(vectors)

    def query(
        self, vectors: Float32[np.ndarray, "n dim"], count: int, **_unused: Any
    ) -> tuple[Int32[np.ndarray, "n neighbor"], Float32[np.ndarray, "n neighbor"]]:
        """The nearest points of each of these, nearest first.

        Args:
            vectors: any number.
            count: neighbours; at most as many as there are points.

        Returns:
            Their numbers, and Euclidean distances (0 for the same vector, without rounding).
        """
        indices = np.empty((len(vectors), count), np.int32)
        distances = np.empty((len(vectors), count), np.float32)
        for first in range(0, len(vectors), _BLOCK):
            rows = slice(first, first + _BLOCK)
            found = self._search.kneighbors(vectors[rows], count, return_distance=False)
            # The fast product rounds; differences do not, and make equal vectors exactly equal.
            gaps = np.stack([np.linalg.norm(vectors[rows] - self._vectors[near], axis=1) for near in found.T], axis=1)
            order = np.lexsort((found, gaps), axis=1)
            indices[rows] = np.take_along_axis(found, order, axis=1)
            distances[rows] = np.take_along_axis(gaps, order, axis=1)
        return indices, distances
