"""Clusters: found among the fit points, handed on to the others, and looked for again to see which come back."""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from vp_science.maps.neighbors import NearestPoints
from vp_science.maps.settings import MapSettings

_VOTERS = 10
_REFERENCES = 1000
_BLOCK = 1024


def find_clusters(
    space: Float32[np.ndarray, "point dim"], settings: MapSettings
) -> tuple[Int32[np.ndarray, " point"], Float32[np.ndarray, " point"]]:
    """Clusters of points, numbered from the largest one.

    Args:
        space: where distances are taken.
        settings: complete.

    Returns:
        The cluster of every point, -1 for none; and how well it belongs there, 0 to 1: for HDBSCAN the probability of
        membership, for k-means 0 halfway to another center and 1 at its own.
    """
    if settings.cluster is None:
        return np.full(len(space), -1, np.int32), np.zeros(len(space), np.float32)
    label, strength = (_hdbscan if settings.cluster == "hdbscan" else _kmeans)(space, settings)
    sizes = np.bincount(label[label >= 0], minlength=label.max() + 1)
    number = np.empty(len(sizes) + 1, np.int32)
    number[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    number[-1] = -1
    return number[label], np.where(label >= 0, strength, 0).astype(np.float32)


def _hdbscan(
    space: Float32[np.ndarray, "point dim"], settings: MapSettings
) -> tuple[Int64[np.ndarray, " point"], Float64[np.ndarray, " point"]]:
    from sklearn.cluster import HDBSCAN

    found = HDBSCAN(min_cluster_size=settings.min_cluster_size, min_samples=settings.min_samples, copy=True).fit(space)
    return np.asarray(found.labels_, np.int64), np.asarray(found.probabilities_, np.float64)


def _kmeans(
    space: Float32[np.ndarray, "point dim"], settings: MapSettings
) -> tuple[Int64[np.ndarray, " point"], Float64[np.ndarray, " point"]]:
    from sklearn.cluster import KMeans

    found = KMeans(settings.num_clusters, n_init=4, random_state=settings.seed).fit(space)
    _, label = np.unique(found.labels_, return_inverse=True)  # a center may have lost all its points
    return _nearest_center(space, _centers(space, label.astype(np.int64)))


def _centers(
    space: Float32[np.ndarray, "point dim"], label: Int64[np.ndarray, " point"] | Int32[np.ndarray, " point"]
) -> Float64[np.ndarray, "cluster dim"]:
    sums = np.zeros((int(label.max()) + 1, space.shape[1]))
    np.add.at(sums, label, space)
    return sums / np.maximum(np.bincount(label, minlength=len(sums)), 1)[:, None]


def _nearest_center(
    space: Float32[np.ndarray, "point dim"], centers: Float64[np.ndarray, "cluster dim"]
) -> tuple[Int64[np.ndarray, " point"], Float64[np.ndarray, " point"]]:
    from scipy.spatial.distance import cdist

    label, strength = np.empty(len(space), np.int64), np.empty(len(space))
    for first in range(0, len(space), _BLOCK):
        rows = slice(first, min(first + _BLOCK, len(space)))
        distances = cdist(space[rows], centers)
        label[rows] = distances.argmin(axis=1)
        two = np.sort(distances, axis=1)[:, :2]
        strength[rows] = 1 - two[:, 0] / np.maximum(two[:, -1], 1e-12) if two.shape[1] > 1 else 1.0
    return label, strength


def assign_clusters(
    space: Float32[np.ndarray, "n dim"],
    known: Float32[np.ndarray, "fit dim"],
    cluster: Int32[np.ndarray, " fit"],
    strength: Float32[np.ndarray, " fit"],
    settings: MapSettings,
) -> tuple[Int32[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
    """The cluster of new points.

    For k-means that of the nearest center. For HDBSCAN the 10 nearest fit points vote, "no cluster" among them; the
    strength is the mean strength of the voters, 0 for those that voted for something else.

    Args:
        space: where the new points lie.
        known: where the fit points lie.
        cluster: of the fit points.
        strength: of their membership.
        settings: complete.
    """
    if settings.cluster == "kmeans":
        label, close = _nearest_center(space, _centers(known, cluster))
        return label.astype(np.int32), close.astype(np.float32)
    neighbors, _ = NearestPoints(known).query(space, min(_VOTERS, len(known)))
    votes = cluster[neighbors]
    counts = (votes[:, :, None] == votes[:, None, :]).sum(axis=2)
    winner = np.take_along_axis(votes, counts.argmax(axis=1)[:, None], axis=1)  # the nearest one where votes are equal
    support = np.where(votes == winner, strength[neighbors], 0).mean(axis=1)
    chosen = winner[:, 0].astype(np.int32)
    return chosen, np.where(chosen >= 0, support, 0).astype(np.float32)


def find_medoid(coordinates: Float32[np.ndarray, "member dim"], strength: Float32[np.ndarray, " member"]) -> int:
    """The member with the smallest mean distance to the others (to a thousand of them, evenly drawn), as a row.

    Only the stronger half may stand for the cluster.
    """
    from scipy.spatial.distance import cdist

    step = max(1, len(coordinates) // _REFERENCES)
    references = coordinates[::step].astype(np.float64)
    candidates = np.flatnonzero(strength >= np.median(strength))
    means = np.concatenate(
        [
            cdist(coordinates[block], references).mean(axis=1)
            for block in np.split(candidates, range(_BLOCK, len(candidates), _BLOCK))
        ]
    )
    return int(candidates[means.argmin()])


def scaled_settings(settings: MapSettings, share: float, num_points: int) -> MapSettings:
    """The same for a part of the points: the smallest cluster is as large a share of them."""
    smaller: dict[str, Any] = {}
    if settings.min_cluster_size is not None:
        smaller["min_cluster_size"] = max(2, round(settings.min_cluster_size * share))
    if settings.num_epochs is not None:
        smaller["num_epochs"] = min(settings.num_epochs, 200)
    return replace(settings, **smaller).completed(num_points, settings.num_pca)
