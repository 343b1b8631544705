"""Where fit points lie: one function per method."""

import logging
from typing import Any

import numpy as np
from jaxtyping import Float32

from vp_science.errors import require_extra
from vp_science.maps.projection import Progress
from vp_science.maps.settings import MapSettings
from vp_science.maps.umap_layout import lay_out_umap


def lay_out(
    vectors: Float32[np.ndarray, "point component"], settings: MapSettings, progress: Progress | None = None
) -> tuple[Float32[np.ndarray, "point 2"], Any]:
    """The map of these points, and what places others in it (None where that is made from the map).

    Args:
        vectors: principal components.
        settings: complete.
        progress: is told about the epochs of UMAP; what it raises ends the work.

    Raises:
        MissingExtraError: when the method is PaCMAP and it is not installed.
    """
    if settings.method == "umap":
        return lay_out_umap(vectors, settings, progress)
    make = {"tsne": _tsne, "pacmap": _pacmap, "pca": _pca}[settings.method]
    return np.ascontiguousarray(make(vectors, settings), np.float32), None


def _pca(vectors: Float32[np.ndarray, "point component"], settings: MapSettings) -> Float32[np.ndarray, "point 2"]:
    return vectors[:, :2]


def _tsne(vectors: Float32[np.ndarray, "point component"], settings: MapSettings) -> Float32[np.ndarray, "point 2"]:
    from sklearn.manifold import TSNE

    tsne = TSNE(perplexity=settings.perplexity, init="pca", random_state=settings.seed, n_jobs=None)
    return np.asarray(tsne.fit_transform(vectors), np.float32)


def _pacmap(vectors: Float32[np.ndarray, "point component"], settings: MapSettings) -> Float32[np.ndarray, "point 2"]:
    pacmap = require_extra("pacmap", "maps")
    logging.getLogger("pacmap.pacmap").setLevel(logging.ERROR)  # it warns of the seed, and of vectors of 50 numbers
    layout = pacmap.PaCMAP(n_neighbors=settings.num_neighbors, apply_pca=False, random_state=settings.seed)
    return np.asarray(layout.fit_transform(vectors.copy(), init="pca"), np.float32)
