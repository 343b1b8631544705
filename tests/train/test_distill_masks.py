import functools
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vp_science.errors import SettingsError
from vp_science.train.distill.block_masks import (
    ATTEMPTS,
    TokenGrid,
    count_masked,
    cover_blocks,
    draw_masks,
    keep_count,
    run_lengths,
)
from vp_science.train.distill.settings import MaskSettings

sys.path.insert(0, str(Path(__file__).parent))
from distill_numpy import block_tube, cover

PUBLISHED = MaskSettings()
BASE = TokenGrid(16, 16, 16)


@functools.cache
def compiled(grid, count, masks):
    return jax.jit(lambda key: draw_masks(key, count, grid, masks))


def drawn(grid, count=256, seed=0, masks=PUBLISHED):
    return np.asarray(compiled(grid, count, masks)(jax.random.key(seed)))


@pytest.fixture(scope="module")
def base_masks():
    return drawn(BASE, 600)


@pytest.mark.parametrize(("rows", "columns"), [(16, 16), (9, 16), (3, 5), (1, 7)])
def test_rectangles_are_those_of_the_slow_version(rows, columns):
    grid = TokenGrid(4, rows, columns)
    run = jax.jit(lambda draws, patches: cover_blocks(draws, patches, grid, PUBLISHED))
    rng = np.random.default_rng(0)
    for _ in range(20):
        # Away from the borders of rounding, where float32 and float64 may fall on different sides.
        draws = rng.integers(1, 1000, (ATTEMPTS, 4)) / 1000
        patches = int(rng.integers(1, grid.patches + 1))
        np.testing.assert_array_equal(run(jnp.float32(draws), patches), cover(draws, patches, rows, columns))


def test_statistics_are_those_of_the_slow_version(base_masks):
    rng = np.random.default_rng(1)
    slow = np.array([block_tube(rng, 16, 16, 16)[0] for _ in range(600)])
    for name, figure in FIGURES.items():
        fast, reference = figure(base_masks), figure(slow)
        spread = np.sqrt((fast.var() + reference.var()) / len(fast))
        assert abs(fast.mean() - reference.mean()) < 4 * spread + 1e-12, name


def _edges(masks):
    """Borders between hidden and visible patches in the frame with most hidden ones: scattered masks have many."""
    frames = np.stack([mask[mask.sum(1).argmax()] for mask in masks]).reshape(len(masks), 16, 16)
    return (frames[:, 1:] != frames[:, :-1]).sum((1, 2)) + (frames[:, :, 1:] != frames[:, :, :-1]).sum((1, 2))


FIGURES = {
    "frames with hidden tokens": lambda masks: masks.any(2).sum(1),
    "hidden share of the first frame": lambda masks: masks[:, 0].mean(1),
    "hidden share of a corner": lambda masks: masks[:, :, 0].mean(1),
    "hidden share of the middle": lambda masks: masks[:, :, 8 * 16 + 8].mean(1),
    "borders": _edges,
}


def test_blocks_are_blocks(base_masks):
    rng = np.random.default_rng(2)
    scattered = np.array([rng.permutation(mask.reshape(-1)).reshape(mask.shape) for mask in base_masks[:100]])
    assert _edges(base_masks).mean() < 0.5 * _edges(scattered).mean()


def test_lengths_of_runs_are_uniform_and_starts_too(base_masks):
    frames = base_masks.any(2)
    lengths, counts = np.unique(frames.sum(1), return_counts=True)
    assert lengths.tolist() == [12, 13, 14, 15, 16]
    assert abs(counts - 120).max() < 4 * np.sqrt(120)
    partial = frames[frames.sum(1) < 16]
    starts = np.argmax(partial & ~np.roll(partial, 1, axis=1), axis=1)
    counts = np.bincount(starts, minlength=16)
    assert abs(counts - len(partial) / 16).max() < 4 * np.sqrt(len(partial) / 16)


def test_a_run_is_one_piece_around_the_clip_and_hides_the_same_patches(base_masks):
    for mask in base_masks[:200]:
        frames = mask.any(1)
        length = frames.sum()
        assert (frames & ~np.roll(frames, 1)).sum() == (length < 16)
        flat = mask.any(0)
        # Single tokens stay visible where the count does not divide by the length.
        assert length * flat.sum() - mask.sum() < length


@pytest.mark.parametrize(
    ("frames", "rows", "columns", "ratio"),
    [(1, 1, 2, 0.05), (2, 1, 1, 0.9), (9, 1, 3, 0.65), (3, 9, 2, 0.35), (4, 3, 5, 0.97), (7, 6, 6, 0.75)],
)
def test_counts_are_exact_on_every_grid(frames, rows, columns, ratio):
    grid = TokenGrid(frames, rows, columns)
    masks = drawn(grid, 50, 0, MaskSettings(ratio))
    wanted = min(max(round(ratio * grid.tokens), 1), grid.tokens - 1)
    assert masks.shape == (50, frames, rows * columns)
    assert masks.sum((1, 2)).tolist() == [wanted] * 50 == [count_masked(grid, ratio)] * 50


def test_one_frame_has_a_mask_of_blocks():
    masks = drawn(TokenGrid(1, 16, 16), 50)
    assert set(masks.sum((1, 2))) == {166}
    assert _edges(masks).mean() < 100


@pytest.mark.parametrize(
    ("frames", "ratio", "tube", "lengths"),
    [
        (8, 0.65, (0.5, 1.0), (6, 8)),
        (16, 0.65, (0.5, 1.0), (12, 16)),
        (16, 0.65, (1.0, 1.0), (16, 16)),
        (16, 0.95, (0.5, 1.0), (16, 16)),
        (16, 0.3, (0.5, 0.75), (8, 12)),
        (1, 0.65, (0.5, 1.0), (1, 1)),
    ],
)
def test_only_lengths_that_can_hide_enough_are_drawn(frames, ratio, tube, lengths):
    assert run_lengths(TokenGrid(frames, 16, 16), MaskSettings(ratio, tube_range=tube)) == lengths


def test_least_area_and_aspect_hold():
    draw = jax.jit(jax.vmap(lambda draws: cover_blocks(draws, 180, BASE, PUBLISHED)))
    first = np.asarray(draw(jax.random.uniform(jax.random.key(0), (400, 1, 4))))
    heights, widths = first.any(2).sum(1), first.any(1).sum(1)
    found = heights > 0
    heights, widths = heights[found], widths[found]
    np.testing.assert_array_equal(first[found].sum((1, 2)), heights * widths)
    # Sides are rounded, so that a block may be a little smaller or slimmer.
    assert (heights + 0.5).astype(float).min() >= np.sqrt(16 * 256 / 196 * 0.3)
    assert ((heights + 0.5) * (widths + 0.5)).min() >= 16 * 256 / 196
    assert ((heights - 0.5) / (widths + 0.5)).max() <= 1 / 0.3
    assert ((heights + 0.5) / (widths - 0.5)).min() >= 0.3
    assert heights.std() > 1
    assert widths.std() > 1


def test_the_same_key_gives_the_same_masks_and_clips_differ(base_masks):
    again = drawn(BASE, 600)
    np.testing.assert_array_equal(again, base_masks)
    assert len(np.unique(base_masks.reshape(600, -1), axis=0)) == 600
    assert (drawn(BASE, 600, seed=1) != base_masks).any((1, 2)).all()


def test_count_is_kept_by_dropping_or_adding_at_random():
    mask = jnp.arange(10) < 4
    noise = jnp.float32([0.1, 0.9, 0.5, 0.2, 0.8, 0.3, 0.7, 0.0, 0.6, 0.4])
    assert np.flatnonzero(keep_count(mask, 2, noise)).tolist() == [1, 2]
    assert np.flatnonzero(keep_count(mask, 4, noise)).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(keep_count(mask, 6, noise)).tolist() == [0, 1, 2, 3, 4, 6]


def test_clips_of_one_token_are_refused():
    with pytest.raises(SettingsError, match="at least 2 patches in a clip"):
        count_masked(TokenGrid(1, 1, 1), 0.65)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ratio": 1.0}, "ratio: expected more than 0, less than 1, found 1.0"),
        ({"min_num_patches": 0}, "min_num_patches: expected 1 to 196"),
        ({"aspect": 1.5}, "aspect: expected more than 0, at most 1"),
        ({"tube_range": (0.8, 0.5)}, "tube_range: expected two rising numbers"),
        ({"tube_range": (0.2, 0.5)}, "ratio: expected at most the largest tube_range"),
        ({"max_patch_share": 0.0}, "max_patch_share: expected more than 0"),
    ],
)
def test_impossible_masks_are_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        MaskSettings(**values)
