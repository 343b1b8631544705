import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vp_science.encoder.family import build_model
from vp_science.encoder.pooling import unit_length
from vp_science.encoder.positions import resize_positions
from vp_science.encoder.video import split_patches
from vp_science.train.contrastive.tube_dropping import count_kept, draw_kept, encode_kept, unit_range
from vp_science.train.functional import flat_names, split_model

sys.path.insert(0, str(Path(__file__).parent))
from contrastive_micro import MICRO, QUICK


def quick_jit(function):
    return jax.jit(function, compiler_options=QUICK)


@pytest.fixture(scope="module")
def model():
    from flax import nnx

    return build_model(MICRO, rngs=nnx.Rngs(0))


def masked_vectors(model, video, kept, valid):
    """The slow way: every patch is computed, and hidden in every layer where it was dropped."""
    encoder, dtype = model.vision_encoder, jnp.dtype("float32")
    b, t, h, w, _ = video.shape
    grid = split_patches(unit_range(video).reshape(b * t, h, w, 3), MICRO.patch_size)
    _, rows, columns, pixels = grid.shape
    n = rows * columns
    stays = (jnp.arange(n)[None, :, None] == kept[:, None]).any(-1)
    x = encoder.patch_projection(grid.reshape(-1, pixels), dtype).reshape(b * t, n, -1)
    x = x + resize_positions(encoder.spatial_pos_emb.emb_var[...], MICRO.pos_emb_shape[1:], (rows, columns))
    x = encoder.spatial_encoder(x[:, :, None], jnp.repeat(stays, t, axis=0), dtype)
    x = encoder.spatial_ln(x[:, :, 0]).reshape(b, t, n, -1)
    tokens = encoder.temporal(x, valid).reshape(b, t * n, -1)
    seen = jnp.tile(stays, (1, t)) & jnp.repeat(valid, n, axis=1)
    joined = model.auxiliary_encoder(tokens[:, :, None], seen, dtype)[:, :, 0]
    return unit_length(model.contrastive_vision_pooler(joined, seen))


def kept_vectors(model, video, kept, valid):
    return model.pool_clips(encode_kept(model.vision_encoder, video, kept, valid), valid)


@pytest.mark.parametrize("shape", [(2, 4, 18, 18, 3), (2, 3, 12, 24, 3), (2, 1, 18, 18, 3)], ids=str)
def test_equals_hiding_the_others_in_every_layer(model, shape):
    """Also at sizes that interpolate the position tables, with padded frames, and for pictures."""
    rng = np.random.default_rng(0)
    video = jnp.asarray(rng.integers(0, 256, shape, np.uint8))
    kept = draw_kept(jax.random.key(1), 2, shape[2] * shape[3] // 36, 4)
    valid = jnp.asarray(np.arange(shape[1])[None] < np.array([[shape[1]], [max(1, shape[1] - 1)]]))
    fast, slow = quick_jit(lambda model: [how(model, video, kept, valid) for how in (kept_vectors, masked_vectors)])(
        model
    )
    np.testing.assert_allclose(fast, slow, atol=2e-6)
    assert float(jnp.abs(fast[0] - fast[1]).max()) > 0.01


def test_gradients_equal_those_of_hiding(model):
    rng = np.random.default_rng(4)
    video = jnp.asarray(rng.integers(0, 256, (2, 4, 18, 18, 3), np.uint8))
    kept, valid = jnp.asarray([[0, 4, 5], [1, 2, 8]]), jnp.ones((2, 4), bool)
    weights = jnp.asarray(rng.standard_normal((2, 16)), jnp.float32)
    skeleton, params = split_model(model)

    def score(how):
        return lambda params: jnp.sum(weights * how(skeleton.bind(params), video, kept, valid))

    fast, slow = quick_jit(lambda params: [jax.grad(score(how))(params) for how in (kept_vectors, masked_vectors)])(
        params
    )
    expected = flat_names(slow)
    largest = max(float(jnp.abs(gradient).max()) for gradient in expected.values())
    for name, gradient in flat_names(fast).items():
        np.testing.assert_allclose(gradient, expected[name], atol=2e-5 * largest, err_msg=name)


def test_all_patches_kept_is_the_plain_model(model):
    video = np.random.default_rng(1).integers(0, 256, (2, 4, 18, 18, 3), np.uint8)
    kept = jnp.tile(jnp.arange(9), (2, 1))
    valid = jnp.ones((2, 4), bool)
    fast = quick_jit(lambda model, video: kept_vectors(model, video, kept, valid))(model, jnp.asarray(video))
    np.testing.assert_allclose(fast, model.embed_video(unit_range(jnp.asarray(video))), atol=1e-6)


def test_dropped_pixels_influence_nothing(model):
    rng = np.random.default_rng(2)
    video = rng.integers(0, 256, (2, 4, 18, 18, 3), np.uint8)
    kept = jnp.asarray([[0, 4, 5], [1, 2, 8]])
    valid = jnp.ones((2, 4), bool)
    other = video.copy()
    for clip, own in enumerate(np.asarray(kept)):
        for patch in set(range(9)) - set(own.tolist()):
            row, column = 6 * (patch // 3), 6 * (patch % 3)
            other[clip, :, row : row + 6, column : column + 6] = (
                255 - other[clip, :, row : row + 6, column : column + 6]
            )
    run = quick_jit(lambda model, video: kept_vectors(model, video, kept, valid))
    assert (other != video).any()
    np.testing.assert_array_equal(run(model, jnp.asarray(other)), run(model, jnp.asarray(video)))


def test_every_clip_keeps_exactly_so_many_patches_of_its_own():
    kept = np.asarray(draw_kept(jax.random.key(0), 2000, 12, 5))
    assert kept.shape == (2000, 5)
    assert (np.diff(kept, axis=1) > 0).all()
    assert kept.min() >= 0
    assert kept.max() < 12
    assert len(np.unique(kept, axis=0)) > 600  # of 792 possible choices
    # Every patch is kept in 5 of 12 clips: 833 of 2000, with a standard deviation of 22.
    counts = np.bincount(kept.ravel(), minlength=12)
    assert np.abs(counts - 2000 * 5 / 12).max() < 5 * 22
    np.testing.assert_array_equal(kept, draw_kept(jax.random.key(0), 2000, 12, 5))
    assert (kept != np.asarray(draw_kept(jax.random.key(1), 2000, 12, 5))).any()


@pytest.mark.parametrize(("patches", "share", "kept"), [(256, 0.5, 128), (9, 0.5, 4), (1, 0.9, 1), (256, 0.0, 256)])
def test_number_of_patches_that_stay(patches, share, kept):
    assert count_kept(patches, share) == kept
