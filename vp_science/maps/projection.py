"""From embeddings to principal components: the space in which a map measures distances."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32

from vp_science.errors import MapError
from vp_science.maps.settings import MapSettings
from vp_science.points import Points

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and how much there is to do."""

_FIT_BYTES = 512 << 20
_FIT_ROWS = 100_000
_CHUNK_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class Projection:
    """A fitted PCA.

    Attributes:
        mean: of the vectors it was fitted on.
        components: one per row, orthonormal, the one with the largest variance first.
        explained: share of the variance along each.
        unit_length: vectors are scaled to length 1 first.
        center_recordings: then the mean of their recording is subtracted.
    """

    mean: Float32[np.ndarray, " dim"]
    components: Float32[np.ndarray, "component dim"]
    explained: Float32[np.ndarray, " component"]
    unit_length: bool
    center_recordings: bool

    def apply(
        self, points: Points, out: Float32[np.ndarray, "point component"], progress: Progress | None = None
    ) -> None:
        """Project all points, some at a time.

        Args:
            points: of the same kind as those it was fitted on.
            out: takes the result; may lie on disk.
            progress: is told about it.

        Raises:
            MapError: when a vector is not finite.
        """
        centers = recording_means(points, self.unit_length) if self.center_recordings else None
        for rows, vectors in points.chunks(chunk_rows(points.dim)):
            prepared = _prepared(points, vectors, points.recording[rows], self.unit_length, centers)
            out[rows] = (prepared - self.mean) @ self.components.T
            if progress:
                progress("principal components", rows.stop, len(points))


def fit_projection(points: Points, settings: MapSettings) -> Projection:
    """Fit the PCA, on at most 100,000 points and 512 MiB of them, drawn evenly; settings are complete.

    Raises:
        MapError: when a vector is not finite, or all are the same.
    """
    from sklearn.decomposition import PCA

    centers = recording_means(points, settings.unit_length) if settings.center_recordings else None
    count = max(settings.num_pca, min(_FIT_ROWS, _FIT_BYTES // (4 * points.dim)))
    rows = np.arange(len(points))
    if count < len(points):
        rows = np.sort(np.random.default_rng(settings.seed).choice(len(points), count, replace=False))
    sample = np.empty((len(rows), points.dim), np.float32)
    for block in np.split(np.arange(len(rows)), range(chunk_rows(points.dim), len(rows), chunk_rows(points.dim))):
        here = rows[block]
        sample[block] = _prepared(points, points.read(here), points.recording[here], settings.unit_length, centers)
    if not (sample != sample[0]).any():
        raise MapError(f"expected points that differ, found {len(points)} equal ones: there is nothing to map")
    pca = PCA(settings.num_pca, svd_solver="auto", random_state=settings.seed).fit(sample)
    return Projection(
        np.asarray(pca.mean_, np.float32),
        np.asarray(pca.components_, np.float32),
        np.asarray(pca.explained_variance_ratio_, np.float32),
        settings.unit_length,
        settings.center_recordings,
    )


def recording_means(points: Points, unit_length: bool) -> Float32[np.ndarray, "recording dim"]:
    """The mean vector of every recording."""
    sums: Float64[np.ndarray, "recording dim"] = np.zeros((len(points.recordings), points.dim))
    for rows, vectors in points.chunks(chunk_rows(points.dim)):
        number = points.recording[rows]
        prepared = _prepared(points, vectors, number, unit_length, None)
        for index in np.unique(number):
            sums[index] += prepared[number == index].sum(axis=0, dtype=np.float64)
    counts = np.bincount(points.recording, minlength=len(sums))
    return (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)


def chunk_rows(dim: int) -> int:
    """Points that are read at once."""
    return int(np.clip(_CHUNK_BYTES // (4 * dim), 64, 8192))


def _prepared(
    points: Points,
    vectors: Float32[np.ndarray, "n dim"],
    recording: Int32[np.ndarray, " n"],
    unit_length: bool,
    centers: Float32[np.ndarray, "recording dim"] | None,
) -> Float32[np.ndarray, "n dim"]:
    if not np.isfinite(vectors).all():
        bad = points.recordings[int(recording[int(np.argmin(np.isfinite(vectors).all(axis=1)))])]
        raise MapError(f"expected finite embeddings, found others in the track of {bad!r}: embed this recording again")
    if unit_length:
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    return vectors if centers is None else vectors - centers[recording]
