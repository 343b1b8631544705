"""Maps that are made in a moment."""

from dataclasses import replace

import numpy as np

from vp_science.maps import make_map
from vp_science.points import PointSettings

FRAMES = PointSettings(unit="frames")


def pca_map(tracks, **options):
    """A map without UMAP: principal components and k-means."""
    wanted = {"cluster": "kmeans", "num_clusters": 4, "stability_repeats": 0, "num_pca": 6} | options
    wanted = {name: value for name, value in wanted.items() if value is not None or name == "cluster"}
    return make_map(tracks, method="pca", **({"settings": FRAMES} | wanted))


def with_clusters(made, cluster, start_s=None, stop_s=None):
    """The same map with other clusters, all of strength 1."""
    cluster = np.asarray(cluster, np.int32)
    number = int(cluster.max()) + 1
    table = made.clusters.reindex(range(number)).rename_axis("cluster")
    table["name"] = ""
    table["medoid"] = [int(np.flatnonzero(cluster == index)[0]) for index in range(number)]
    table["size"] = np.bincount(cluster[cluster >= 0], minlength=number)
    changes = {} if start_s is None else {"start_s": np.asarray(start_s, float), "stop_s": np.asarray(stop_s, float)}
    return replace(
        made, cluster=cluster, strength=np.where(cluster >= 0, 1, 0).astype(np.float32), clusters=table, **changes
    )


def blobs(sizes, dim=2, apart=10.0, noise=0.5, seed=0):
    """Clouds of points around corners; and the number of the cloud of each."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(len(sizes)), sizes)
    centers = apart * np.array([[index % 3, index // 3, *np.zeros(dim - 2)] for index in range(len(sizes))])
    return (centers[label] + noise * rng.normal(size=(len(label), dim))).astype(np.float32), label
