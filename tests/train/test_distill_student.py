import dataclasses
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.video import VideoEncoder
from vp_science.train.distill.block_masks import TokenGrid, count_masked, draw_masks
from vp_science.train.distill.packed import encode_packed
from vp_science.train.distill.packing import find_places, permuted_places, spread, take, transpose_places
from vp_science.train.distill.settings import MaskSettings
from vp_science.train.distill.student import encode_dense
from vp_science.train.functional import split_model
from vp_science.train.memory import set_remat

sys.path.insert(0, str(Path(__file__).parent))
from distill_numpy import encode, plain

MICRO = EncoderConfig(
    patch_size=6,
    pos_emb_shape=(5, 3, 4),
    model_dim=16,
    num_spatial_layers=2,
    num_temporal_layers=2,
    num_heads=2,
    mlp_dim=32,
)
GRID = TokenGrid(5, 3, 4)
CLIPS = 3
VISIBLE = GRID.tokens - count_masked(GRID, 0.65)


class Case:
    """Clips, masks, and both ways of the student as functions of parameters and pixels, with their gradients."""

    def __init__(self, remat="none"):
        encoder = VideoEncoder(MICRO, rngs=nnx.Rngs(0))
        set_remat(encoder, remat)
        self.skeleton, params = split_model(encoder)
        # Norms that are not the identity.
        keys = iter(jax.random.split(jax.random.key(7), 100))
        self.params = jax.tree.map(lambda leaf: leaf + 0.05 * jax.random.normal(next(keys), leaf.shape), params)
        self.video = jax.random.uniform(jax.random.key(1), (CLIPS, 5, 18, 24, 3))
        self.hidden = draw_masks(jax.random.key(2), CLIPS, GRID, MaskSettings())
        self.places = find_places(~self.hidden.reshape(CLIPS, -1), VISIBLE)
        self.valid = jnp.ones((CLIPS, 5), bool)
        self.dense, self.packed = jax.jit(self._dense), jax.jit(self._packed)
        weights = jax.random.normal(jax.random.key(3), (CLIPS, VISIBLE, 16))
        self.slopes = {
            name: jax.jit(
                jax.grad(lambda p, v, valid, run=run: (run(p, v, valid) * weights * self.there(valid)).sum(), (0, 1))
            )
            for name, run in (("dense", self._dense), ("packed", self._packed))
        }

    def _dense(self, params, video, valid):
        visible = (self.places.slot < VISIBLE).reshape(self.hidden.shape) & valid[:, :, None]
        tokens = encode_dense(self.skeleton.bind(params), video, visible)
        return take(tokens.reshape(CLIPS, -1, 16), self.places)

    def _packed(self, params, video, valid):
        return encode_packed(self.skeleton.bind(params), video, self.places, valid)

    def there(self, valid):
        """1 for tokens of frames that are there."""
        return jnp.take_along_axis(valid, self.places.where // 12, axis=1)[:, :, None]


@pytest.fixture(scope="module")
def case():
    return Case()


def largest(tree):
    return max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("way", ["dense", "packed"])
def test_student_is_that_of_the_slow_version(case, way):
    tokens = np.asarray(getattr(case, way)(case.params, case.video, case.valid))
    params = plain(case.params)
    for clip in range(CLIPS):
        slow = encode(params, np.asarray(case.video[clip], np.float64), ~np.asarray(case.hidden[clip]), 6)
        for row, place in enumerate(np.asarray(case.places.where[clip])):
            np.testing.assert_allclose(tokens[clip, row], slow[place // 12, place % 12], rtol=0, atol=2e-5)


def test_without_a_mask_it_is_the_encoder(case):
    everything = jnp.ones((CLIPS, 5, 12), bool)

    @jax.jit
    def run(params):
        encoder = case.skeleton.bind(params)
        dense = encode_dense(encoder, case.video, everything).reshape(CLIPS, -1, 16)
        packed = encode_packed(encoder, case.video, find_places(everything.reshape(CLIPS, -1), 60), case.valid)
        return encoder(case.video), dense, packed

    plain_tokens, dense, packed = run(case.params)
    np.testing.assert_allclose(dense, plain_tokens, rtol=0, atol=1e-5)
    np.testing.assert_allclose(packed, plain_tokens, rtol=0, atol=1e-5)


def test_packed_equals_dense_in_values_and_gradients(case):
    valid = case.valid.at[1, 4].set(False)
    there = case.there(valid)
    dense, packed = (run(case.params, case.video, valid) * there for run in (case.dense, case.packed))
    np.testing.assert_allclose(packed, dense, rtol=0, atol=2e-6)
    slopes = [case.slopes[way](case.params, case.video, valid) for way in ("dense", "packed")]
    for one, other in zip(*map(jax.tree.leaves, slopes), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-5 * largest(slopes[0][0]))


@pytest.mark.parametrize("way", ["dense", "packed"])
def test_hidden_pixels_change_nothing_and_get_no_gradient(case, way):
    cover = np.repeat(np.repeat(np.asarray(case.hidden).reshape(CLIPS, 5, 3, 4), 6, axis=2), 6, axis=3)[..., None]
    other = jnp.where(cover, 1 - case.video, case.video)
    run = getattr(case, way)
    np.testing.assert_array_equal(run(case.params, other, case.valid), run(case.params, case.video, case.valid))
    params, pixels = case.slopes[way](case.params, case.video, case.valid)
    assert not np.asarray(pixels)[np.broadcast_to(cover, pixels.shape)].any()
    assert np.asarray(pixels)[np.broadcast_to(~cover, pixels.shape)].all()
    again = case.slopes[way](case.params, other, case.valid)[0]
    for one, two in zip(jax.tree.leaves(params), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, two)


def test_frames_that_are_not_there_change_nothing_in_others(case):
    valid = case.valid.at[:, 3:].set(False)
    other = case.video.at[:, 3:].set(0.3)
    there = case.there(valid)
    for run in (case.dense, case.packed):
        one, two = (run(case.params, video, valid) * there for video in (case.video, other))
        np.testing.assert_array_equal(one, two)


def test_recomputed_activations_give_the_same_gradients(case):
    recomputed = Case("layers")
    one, other = (c.slopes["packed"](case.params, case.video, case.valid) for c in (case, recomputed))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * largest(one[0]))


def test_bfloat16_operands_stay_near(case):
    encoder = VideoEncoder(MICRO, compute_dtype="bfloat16", rngs=nnx.Rngs(0))
    skeleton, _ = split_model(encoder)
    run = jax.jit(lambda params: encode_packed(skeleton.bind(params), case.video, case.places, case.valid))
    near = run(case.params)
    assert near.dtype == jnp.float32
    assert 0 < np.abs(near - case.packed(case.params, case.video, case.valid)).max() < 0.15


def test_cost_falls_with_the_visible_share():
    from vp_science.train.distill.cost import count_student_flops
    from vp_science.train.distill.settings import DistillSettings

    base, grid = EncoderConfig(), TokenGrid(16, 16, 16)
    whole = base.count_flops(16, 288, 288)
    packed, dense = DistillSettings(), dataclasses.replace(DistillSettings(), student="dense")
    assert count_student_flops(dense, base, grid, 1434) == whole
    assert count_student_flops(packed, base, grid, grid.tokens) == pytest.approx(whole)
    assert 0.35 < count_student_flops(packed, base, grid, 1434) / whole < 0.42


# ---- places -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scattered():
    rng = np.random.default_rng(0)
    mask = np.array([rng.permutation([True] * 4 + [False] * 8) for _ in range(3)])
    return mask, find_places(jnp.asarray(mask), 4), rng.random((3, 12, 2)), rng.random((3, 4, 2))


def test_rows_are_taken_from_their_places_and_put_back(scattered):
    mask, places, grid, rows = scattered
    np.testing.assert_array_equal(
        take(jnp.float32(grid), places), np.float32([g[m] for g, m in zip(grid, mask, strict=True)])
    )
    expected = np.zeros((3, 12, 2), np.float32)
    for clip in range(3):
        expected[clip, mask[clip]] = rows[clip]
    np.testing.assert_array_equal(spread(jnp.float32(rows), places), expected)


def test_gradients_of_taking_and_spreading_are_those_of_plain_indexing(scattered):
    _, places, grid, rows = scattered
    up, down = jnp.float32(rows[:, ::-1]), jnp.float32(grid[:, ::-1])
    batch = jnp.arange(3)[:, None]
    ours = jax.grad(lambda x: (take(x, places) * up).sum())(jnp.float32(grid))
    np.testing.assert_array_equal(ours, jax.grad(lambda x: (x[batch, places.where] * up).sum())(jnp.float32(grid)))
    ours = jax.grad(lambda x: (spread(x, places) * down).sum())(jnp.float32(rows))
    theirs = jax.grad(lambda x: (jnp.zeros((3, 12, 2)).at[batch, places.where].set(x) * down).sum())(jnp.float32(rows))
    np.testing.assert_array_equal(ours, theirs)


def test_places_counted_down_the_columns(scattered):
    _, places, grid, _ = scattered
    turned = transpose_places(places, 3)
    columns_first = grid.reshape(3, 3, 4, 2).swapaxes(1, 2).reshape(3, 12, 2)
    np.testing.assert_array_equal(take(jnp.float32(columns_first), turned), take(jnp.float32(grid), places))
    rows = take(jnp.float32(grid), places)
    back = np.asarray(spread(rows, turned)).reshape(3, 4, 3, 2).swapaxes(1, 2).reshape(3, 12, 2)
    np.testing.assert_array_equal(back, spread(rows, places))


def test_permuted_places_are_those_of_a_list():
    order = np.array([[3, 0, 4, 2, 1], [1, 4, 0, 3, 2]])
    rows = np.float32([[10, 11, 12], [20, 21, 22]])[..., None]
    spread_out = np.asarray(spread(jnp.asarray(rows), permuted_places(jnp.asarray(order), 3)))[..., 0]
    for clip, row, shuffled in zip(order, rows, spread_out, strict=True):
        sequence = [*row[:, 0], 0, 0]
        assert shuffled.tolist() == [sequence[number] for number in clip]
