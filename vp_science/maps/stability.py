"""Which clusters come back when the map is made again from a part of its points."""

import numpy as np
from jaxtyping import Float32, Float64, Int32

from vp_science.maps.clusters import find_clusters, scaled_settings
from vp_science.maps.layouts import lay_out
from vp_science.maps.projection import Progress
from vp_science.maps.settings import MapSettings

_MOST_POINTS = 5000


def cluster_stability(
    vectors: Float32[np.ndarray, "point component"],
    cluster: Int32[np.ndarray, " point"],
    settings: MapSettings,
    progress: Progress | None = None,
) -> tuple[Float64[np.ndarray, " cluster"], float]:
    """How well clusters are found again in random halves of the points, layout included.

    Every time, half of the fit points (at most 5000) are laid out and clustered anew. A cluster is found again as far
    as the most similar new one has the same points: the Jaccard index, common points over points of either (Hennig
    2007, who calls means below 0.6 no patterns at all, and above 0.85 highly stable).

    Args:
        vectors: principal components of the fit points.
        cluster: of the fit points; -1 for none.
        settings: complete.
        progress: is told about the turns.

    Returns:
        The mean of that index for every cluster, 0 to 1; and the adjusted Rand index of all points, mean over the
        turns (points without a cluster count as one more cluster). NaN without repeats.
    """
    from sklearn.metrics import adjusted_rand_score

    num_clusters, repeats = int(cluster.max(initial=-1)) + 1, settings.stability_repeats
    if not repeats or not num_clusters:
        return np.full(num_clusters, np.nan), float("nan")
    count = min(len(vectors) // 2, _MOST_POINTS)
    smaller = scaled_settings(settings, count / len(vectors), count)
    found, agreement = np.full((repeats, num_clusters), np.nan), []
    for turn in range(repeats):
        rows = np.sort(np.random.default_rng([settings.seed, turn]).choice(len(vectors), count, replace=False))
        space = lay_out(vectors[rows], smaller)[0] if settings.cluster_space == "map" else vectors[rows]
        again, _ = find_clusters(space, smaller)
        found[turn] = _best_jaccard(cluster[rows], again, num_clusters)
        agreement.append(adjusted_rand_score(cluster[rows], again))
        if progress:
            progress("stability of clusters", turn + 1, repeats)
    known = ~np.isnan(found)
    mean = np.where(known, found, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known.any(axis=0), mean, np.nan), float(np.mean(agreement))


def _best_jaccard(
    before: Int32[np.ndarray, " point"], after: Int32[np.ndarray, " point"], num_clusters: int
) -> Float64[np.ndarray, " cluster"]:
    """Of every cluster, the Jaccard index with the most similar new one; NaN where none of its points was drawn."""
    num_after = int(after.max(initial=-1)) + 1
    common = np.zeros((num_clusters, max(num_after, 1)))
    both = (before >= 0) & (after >= 0)
    np.add.at(common, (before[both], after[both]), 1)
    size = np.bincount(before[before >= 0], minlength=num_clusters)[:, None]
    size_after = np.bincount(after[after >= 0], minlength=max(num_after, 1))[None]
    best = (common / np.maximum(size + size_after - common, 1)).max(axis=1)
    return np.where(size[:, 0] > 0, best, np.nan)
