"""Block-tube masks (BEVT, Wang et al. 2022; blocks as in BEiT, Bao et al. 2022), with an exact count.

Random rectangles cover patches until their share is reached; the same patches are hidden in a random run of
consecutive frames, which wraps around the end of the clip.

What the papers leave open: VideoPrism hides 0.65 of ALL tokens (its table 9 counts [8 (1 - ratio)] x 256 visible ones).
The released BEVT code hides half of the patches in a run of half of the frames or more, and the count varies.
Here the length of the run is drawn first, and the share of patches in the run follows: ``ratio * t / length``. A
short run hides nearly whole frames, a long one leaves more of each, and the count is the same. Lengths that would need
more than ``max_patch_share`` of a frame are not drawn: of 16 frames, with 0.65 and 0.9, the run takes 12 to 16, which
hide 0.87 to 0.65 of their patches. Where rectangles do not fit any more, single random patches make up the difference;
where the count does not divide by the length, single random tokens of the run stay visible (fewer than it has frames).
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from vp_science.errors import SettingsError
from vp_science.train.distill.settings import MaskSettings

# Rectangles that are tried: of base's 256 patches, 16 leave 1 percent to single patches, 64 leave 0.03 percent.
ATTEMPTS = 64


@dataclass(frozen=True)
class TokenGrid:
    """Tokens of a clip: frames, and rows and columns of patches."""

    frames: int
    rows: int
    columns: int

    @property
    def patches(self) -> int:
        """Tokens of a frame."""
        return self.rows * self.columns

    @property
    def tokens(self) -> int:
        """Tokens of a clip."""
        return self.frames * self.patches


def count_masked(grid: TokenGrid, ratio: float) -> int:
    """Tokens of a clip that are hidden: the share rounded, and at least one hidden and one visible.

    Raises:
        SettingsError: for clips of a single token.
    """
    if grid.tokens < 2:
        raise SettingsError(f"clips: expected at least 2 patches in a clip, found {grid}: use larger frames")
    return min(max(round(ratio * grid.tokens), 1), grid.tokens - 1)


def run_lengths(grid: TokenGrid, settings: MaskSettings) -> tuple[int, int]:
    """The least and the largest number of frames in the run."""
    t = grid.frames
    most = max(1, math.floor(settings.tube_range[1] * t + 1e-6))
    # The run must hold the tokens, first of all; where it can, it leaves something of every frame.
    holds = math.ceil(count_masked(grid, settings.ratio) / grid.patches)
    leaves = math.ceil(settings.ratio * t / settings.max_patch_share - 1e-6)
    least = max(math.ceil(settings.tube_range[0] * t - 1e-6), min(leaves, most), holds)
    return least, max(least, most)


def draw_masks(key: PRNGKeyArray, num_clips: int, grid: TokenGrid, settings: MaskSettings) -> Bool[Array, "b t n"]:
    """True where a token is hidden; another mask for every clip, all with :func:`count_masked` tokens hidden.

    Args:
        key: of the batch.
        num_clips: b.
        grid: of every clip.
        settings: shares and shapes.
    """
    masks: Array = jax.vmap(lambda key: _draw_mask(key, grid, settings))(jax.random.split(key, num_clips))
    return masks


def _draw_mask(key: PRNGKeyArray, grid: TokenGrid, settings: MaskSettings) -> Bool[Array, "t n"]:
    length_key, start_key, block_key, patch_key, token_key = jax.random.split(key, 5)
    least, most = run_lengths(grid, settings)
    length = jax.random.randint(length_key, (), least, most + 1)
    start = jax.random.randint(start_key, (), 0, grid.frames)
    in_run = (jnp.arange(grid.frames) - start) % grid.frames < length
    hidden = count_masked(grid, settings.ratio)
    patches = -(-hidden // length)
    blocks = cover_blocks(jax.random.uniform(block_key, (ATTEMPTS, 4)), patches, grid, settings)
    flat = keep_count(blocks.reshape(-1), patches, jax.random.uniform(patch_key, (grid.patches,)))
    tube = in_run[:, None] & flat
    exact = keep_count(tube.reshape(-1), hidden, jax.random.uniform(token_key, (grid.tokens,)))
    return exact.reshape(grid.frames, grid.patches)


def cover_blocks(
    draws: Float[Array, "attempts 4"], patches: int | Int[Array, ""], grid: TokenGrid, settings: MaskSettings
) -> Bool[Array, "rows columns"]:
    """Rectangles, one after the other, that cover at most ``patches`` patches together.

    A rectangle is dropped when it does not fit the frame, covers nothing new or more than is missing.

    Args:
        draws: uniform numbers from 0 to 1 for area, aspect, row and column of every rectangle that is tried. The area
            lies between the least one and what is missing, the logarithm of height / width between those of ``aspect``
            and its inverse.
        patches: to be covered.
        grid: of the clip.
        settings: least area and aspect.
    """
    least_area = settings.min_num_patches * grid.patches / 196
    widest = math.log(settings.aspect)
    row, column = jnp.arange(grid.rows)[:, None], jnp.arange(grid.columns)[None]

    def place(covered: Array, draw: Array) -> tuple[Array, None]:
        missing = patches - jnp.sum(covered)
        area = least_area + draw[0] * (missing - least_area)
        aspect = jnp.exp(widest * (1 - 2 * draw[1]))
        height = jnp.maximum(jnp.round(jnp.sqrt(area * aspect)), 1).astype(jnp.int32)
        width = jnp.maximum(jnp.round(jnp.sqrt(area / aspect)), 1).astype(jnp.int32)
        top = jnp.floor(draw[2] * (grid.rows - height + 1)).astype(jnp.int32)
        left = jnp.floor(draw[3] * (grid.columns - width + 1)).astype(jnp.int32)
        block = (row >= top) & (row < top + height) & (column >= left) & (column < left + width)
        new = jnp.sum(block & ~covered)
        fits = (height <= grid.rows) & (width <= grid.columns) & (new > 0) & (new <= missing)
        return covered | (block & fits), None

    empty = jnp.zeros((grid.rows, grid.columns), bool)
    covered: Array = jax.lax.scan(place, empty, draws)[0]
    return covered


def keep_count(mask: Bool[Array, " p"], count: int | Int[Array, ""], noise: Float[Array, " p"]) -> Bool[Array, " p"]:
    """The mask with exactly ``count`` entries set: random ones are dropped or added.

    Args:
        mask: as it came out.
        count: 0 to p.
        noise: uniform numbers from 0 to below 1, which choose.
    """
    order = jnp.argsort(-(mask + noise))
    rank = jnp.zeros_like(order).at[order].set(jnp.arange(len(mask)), unique_indices=True)
    return rank < count
