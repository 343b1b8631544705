"""Points that cover a study: what is rare is among them, and what is common does not crowd it out."""

import numpy as np
from jaxtyping import Float32, Int32, Int64

from vp_science.maps.projection import Progress

_CELLS = 1024
_ROUNDS = 4
_BLOCK = 2048


def choose_cover(
    vectors: Float32[np.ndarray, "point dim"], count: int, seed: int, progress: Progress | None = None
) -> Int64[np.ndarray, " chosen"]:
    """Choose points that cover all of them.

    About a thousand of them become centers of cells: in four passes, each draws those that lie far from all earlier
    ones with a probability that grows with the squared distance (k-means++ in rounds; Bahmani et al. 2012). Half of
    what is chosen is then shared evenly among the cells, so that a rare posture in a cell of its own is kept, and half
    is drawn at random, so that density is still seen. Memory: 12 bytes per point, and one block.

    Args:
        vectors: all points; may lie on disk, they are read in blocks.
        count: how many to choose, fewer than there are.
        seed: of the draws.
        progress: is told about the passes.

    Returns:
        Their numbers, sorted.
    """
    rng = np.random.default_rng(seed)
    cell = _cells(vectors, min(_CELLS, count // 2), rng, progress)
    order = rng.permutation(len(vectors))
    order = order[np.argsort(cell[order], kind="stable")]  # cell by cell, shuffled in each
    sizes = np.bincount(cell)
    starts = np.cumsum(sizes) - sizes
    taken = _even_shares(sizes, count // 2)
    rank = np.arange(len(vectors)) - np.repeat(starts, sizes)
    even = rank < np.repeat(taken, sizes)
    rest = rng.choice(order[~even], count - int(even.sum()), replace=False)
    return np.sort(np.concatenate([order[even], rest])).astype(np.int64)


def _cells(
    vectors: Float32[np.ndarray, "point dim"], count: int, rng: np.random.Generator, progress: Progress | None
) -> Int32[np.ndarray, " point"]:
    """The nearest center of every point."""
    nearest = np.full(len(vectors), np.inf, np.float32)
    cell = np.zeros(len(vectors), np.int32)
    chosen = rng.integers(len(vectors), size=1)
    total = 1
    for turn in range(_ROUNDS + 1):
        _move_closer(vectors, np.asarray(vectors[np.sort(chosen)], np.float32), total - len(chosen), nearest, cell)
        if progress:
            progress("points that cover the study", turn + 1, _ROUNDS + 1)
        weights = nearest.astype(np.float64)
        missing, apart = (count - total) // max(1, _ROUNDS - turn), int(np.count_nonzero(weights))
        if turn == _ROUNDS or not min(missing, apart):
            break
        chosen = rng.choice(len(vectors), min(missing, apart), replace=False, p=weights / weights.sum())
        total += len(chosen)
    return cell


def _move_closer(
    vectors: Float32[np.ndarray, "point dim"],
    centers: Float32[np.ndarray, "center dim"],
    first: int,
    nearest: Float32[np.ndarray, " point"],
    cell: Int32[np.ndarray, " point"],
) -> None:
    """Give points to new centers where these are closer (in place); ``nearest`` is squared."""
    lengths = (centers**2).sum(axis=1)
    for start in range(0, len(vectors), _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = np.asarray(vectors[rows], np.float32)
        # |x - c|^2 without |x|^2, which is the same for all centers.
        scores = lengths - 2 * block @ centers.T
        best = scores.argmin(axis=1)
        squared = ((block - centers[best]) ** 2).sum(axis=1)
        closer = squared < nearest[rows]
        nearest[rows] = np.where(closer, squared, nearest[rows])
        cell[rows] = np.where(closer, first + best, cell[rows])


def _even_shares(sizes: Int64[np.ndarray, " cell"], count: int) -> Int64[np.ndarray, " cell"]:
    """How many to take from every cell: equally many, or all where a cell has fewer; together at most ``count``."""
    low, high = 0, int(sizes.max())
    while low < high:  # the largest equal share that does not ask for too much
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(sizes, middle).sum() <= count else (low, middle - 1)
    return np.asarray(np.minimum(sizes, low), np.int64)
