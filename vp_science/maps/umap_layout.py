"""UMAP: laid out by umap-learn, kept as arrays, and put together again from them to place new points.

A fitted UMAP is what its ``transform`` needs: the points it was fitted on, where they lie, and a few numbers. All of
these are arrays, so nothing has to be pickled. ``Restored`` is an object of umap-learn that is fitted to these points
with their known nearest neighbours, and takes the known layout instead of making one: umap-learn lets subclasses
replace that step. Where it puts a few control points is compared with where the map says they lie (``MapModel``), so
that another version of umap-learn cannot quietly place points elsewhere.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from jaxtyping import Float32

from vp_science.maps.neighbors import NearestPoints
from vp_science.maps.projection import Progress
from vp_science.maps.settings import MapSettings


class _SearchIndex(NearestPoints):
    """Looks like the search index of pynndescent to ``transform``, and finds the true neighbours."""

    _angular_trees = False


class _Epochs:
    """Takes what the progress bar of umap-learn would write: the number of the epoch.

    What ``progress`` raises goes through, so that the layout can be cancelled between two epochs.
    """

    def __init__(self, progress: Progress, num_points: int, num_epochs: int) -> None:
        self._progress, self._stage, self._num_epochs = progress, f"layout of {num_points} points (umap)", num_epochs

    def write(self, text: str) -> None:
        if text.strip().isdigit():
            self._progress(self._stage, int(text), self._num_epochs)

    def flush(self) -> None:
        """Nothing waits."""


def lay_out_umap(
    vectors: Float32[np.ndarray, "point component"], settings: MapSettings, progress: Progress | None = None
) -> tuple[Float32[np.ndarray, "point 2"], Any]:
    """The map of these points, and the UMAP that made it; settings are complete.

    The layout starts from the first two principal components: it then keeps more of the large structure than from a
    random start (Kobak & Linderman 2021), and as much as from the spectrum, which takes long for graphs in pieces.
    """
    with _quiet():
        reducer = make_umap(vectors, settings)
        if progress is not None:
            assert settings.num_epochs is not None
            epochs = _Epochs(progress, len(vectors), settings.num_epochs)
            reducer.tqdm_kwds = {"disable": False, "file": epochs, "bar_format": "{n_fmt}", "mininterval": 0.2}
        reducer.fit(vectors)
        reducer.tqdm_kwds = None  # placing other points is told about elsewhere
    return np.asarray(reducer.embedding_, np.float32), reducer


def load_umap() -> Any:
    """umap-learn, with what numba compiles of it kept on disk.

    umap-learn keeps the programs of some of its functions and compiles the rest in every process, which takes about ten
    seconds. Numba keeps them where it keeps the others: beside the source or, where nobody may write there, in the
    user's cache; without either they are compiled anew.
    """
    import umap.layouts
    import umap.umap_

    for module in (umap.umap_, umap.layouts):
        for compiled in vars(module).values():
            if hasattr(compiled, "enable_caching") and compiled.stats.cache_path is None:
                with suppress(RuntimeError):  # numba found no folder to write to
                    compiled.enable_caching()
    return umap


def make_umap(vectors: Float32[np.ndarray, "point component"], settings: MapSettings) -> Any:
    """A UMAP that is not fitted, but knows the nearest neighbours."""
    umap = load_umap()
    return umap.UMAP(**_arguments(vectors, settings), init=vectors[:, :2].copy(), n_epochs=settings.num_epochs)


def restore_umap(
    vectors: Float32[np.ndarray, "point component"], coordinates: Float32[np.ndarray, "point 2"], settings: MapSettings
) -> Any:
    """The UMAP that put these points there; its ``transform`` places others."""
    umap = load_umap()

    class Restored(umap.UMAP):  # type: ignore[misc]
        """A UMAP whose layout is known."""

        def _fit_embed_data(self, *_unused: Any, **_unused_too: Any) -> tuple[np.ndarray, dict[str, Any]]:
            return coordinates.copy(), {}

    with _quiet():
        return Restored(**_arguments(vectors, settings), n_epochs=settings.num_epochs).fit(vectors)


def place_with_umap(
    reducer: Any, vectors: Float32[np.ndarray, "n component"], known: Float32[np.ndarray, "point component"]
) -> Float32[np.ndarray, "n 2"]:
    """Where new points lie.

    umap-learn scales how often edges are used by the strongest edge of all points that are placed together. The first
    known point comes along: its edge to itself is the strongest there can be, so that where a point lies does not
    depend on what it is placed with.
    """
    with _quiet():
        placed = reducer.transform(np.concatenate([known[:1], vectors]))
    return np.asarray(placed[1:], np.float32)


def _arguments(vectors: Float32[np.ndarray, "point component"], settings: MapSettings) -> dict[str, Any]:
    assert settings.num_neighbors is not None
    index = _SearchIndex(vectors)
    neighbors, distances = index.query(vectors, settings.num_neighbors)
    return {
        "n_neighbors": settings.num_neighbors,
        "min_dist": settings.min_dist,
        "random_state": settings.seed,
        "transform_seed": settings.seed,
        "n_jobs": 1,
        "precomputed_knn": (neighbors, distances, index),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings about what is meant: our search index, one thread, no Tensorflow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
