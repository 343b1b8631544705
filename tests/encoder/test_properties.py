"""What must hold for any weights and any input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.checkpoints.layout import make_abstract_encoder
from vp_science.checkpoints.load import initialise
from vp_science.checkpoints.weights import load_into
from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.info import ModelInfo
from vp_science.encoder.video import VideoEncoder
from vp_science.errors import SettingsError

SMALL = EncoderConfig(
    pos_emb_shape=(4, 2, 2), model_dim=16, num_spatial_layers=1, num_temporal_layers=1, num_heads=2, mlp_dim=32
)


def make(config: EncoderConfig, seed: int = 0, compute_dtype: str = "float32") -> VideoEncoder:
    """Random weights with non-zero biases and layer-norm scales."""
    rng = np.random.default_rng(seed)
    tensors = initialise(config, seed)
    for values in tensors.values():
        if not values.any():
            values += rng.normal(0, 0.2, values.shape).astype(np.float32)
    encoder = make_abstract_encoder(config, compute_dtype)
    load_into(encoder, tensors)
    return encoder


def random_video(*shape: int, seed: int = 0):
    return jnp.asarray(np.random.default_rng(seed).random(shape, np.float32))


@pytest.fixture(scope="module")
def small():
    return make(SMALL)


@pytest.mark.parametrize("shape", [(2, 4, 36, 36, 3), (1, 3, 18, 54, 3)])
def test_video_tokens_are_temporal_of_spatial(small, shape):
    video = random_video(*shape)
    b, t = shape[:2]
    spatial = small.spatial(video.reshape(b * t, *shape[2:]))
    composed = small.temporal(spatial.reshape(b, t, *spatial.shape[1:]))
    np.testing.assert_allclose(composed.reshape(b, -1, 16), small(video), rtol=0, atol=1e-6)


def test_spatial_tokens_depend_on_their_own_frame_only(small):
    frames = np.asarray(random_video(4, 36, 36, 3))
    changed = frames.copy()
    changed[2] = 1 - changed[2]
    before, after = small.spatial(jnp.asarray(frames)), small.spatial(jnp.asarray(changed))
    np.testing.assert_array_equal(np.delete(before, 2, axis=0), np.delete(after, 2, axis=0))
    assert not np.array_equal(before[2], after[2])


@settings(max_examples=25, deadline=None)
@given(
    valid=st.lists(st.booleans(), min_size=8, max_size=8).map(lambda v: np.array(v).reshape(2, 4)), fill=st.floats(0, 1)
)
def test_content_of_padded_frames_reaches_no_valid_token(small, valid, fill):
    video = np.asarray(random_video(2, 4, 36, 36, 3))
    changed = np.where(valid[:, :, None, None, None], video, np.float32(fill))
    mask = jnp.asarray(valid)
    before, after = (np.asarray(small(jnp.asarray(v), mask)).reshape(2, 4, 4, 16) for v in (video, changed))
    np.testing.assert_array_equal(before[valid], after[valid])
    assert np.isfinite(before).all()
    assert np.isfinite(after).all()


def test_all_frames_valid_equals_no_mask(small):
    video = random_video(1, 4, 36, 36, 3)
    np.testing.assert_allclose(small(video, jnp.ones((1, 4), bool)), small(video), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(18, 18), (36, 90), (54, 18)])
def test_every_multiple_of_the_patch_size_is_accepted(small, height, width):
    tokens = small(random_video(1, 2, height, width, 3))
    assert tokens.shape == (1, 2 * (height // 18) * (width // 18), 16)
    assert np.isfinite(tokens).all()


@pytest.mark.parametrize(("height", "width", "advice"), [(40, 36, "36 x 36"), (36, 50, "36 x 54"), (5, 36, "18 x 36")])
def test_other_sizes_are_refused_with_the_nearest_good_one(small, height, width, advice):
    with pytest.raises(ValueError, match=rf"multiples of 18 pixels, found {height} x {width}.*{advice}"):
        small(random_video(1, 1, height, width, 3))


def test_bfloat16_operands_change_tokens_by_less_than_two_percent():
    config = EncoderConfig(
        pos_emb_shape=(4, 4, 4), model_dim=128, num_spatial_layers=4, num_temporal_layers=2, num_heads=2, mlp_dim=256
    )
    video = random_video(1, 4, 72, 72, 3)
    exact = np.asarray(make(config)(video))
    rounded = np.asarray(make(config, compute_dtype="bfloat16")(video))
    assert rounded.dtype == np.float32
    error = np.linalg.norm(rounded - exact) / np.linalg.norm(exact)
    assert 0 < error < 2e-2


def test_gradients_are_finite(small):
    graph, parameters = nnx.split(small)
    video, valid = random_video(1, 4, 36, 36, 3), jnp.array([[True, True, False, False]])

    def loss(parameters, valid):
        return jnp.sum(jnp.square(nnx.merge(graph, parameters)(video, valid)))

    gradient = jax.jit(jax.grad(loss))
    for mask, num_reached in ((valid, 38), (~valid & valid, 20)):
        leaves = jax.tree.leaves(gradient(parameters, mask))
        assert len(leaves) == 40
        assert all(np.isfinite(leaf).all() for leaf in leaves)
        assert sum(bool(np.any(np.asarray(leaf))) for leaf in leaves) >= num_reached


def test_info_is_static_and_survives_jit(small):
    info = ModelInfo("custom", "seed:0 (untrained)", True, "float32")
    small.info = info
    traces = []

    @jax.jit
    def run(encoder, video):
        traces.append(encoder.info)
        return encoder(video)

    video = random_video(1, 2, 36, 36, 3)
    run(small, video)
    small.info = ModelInfo("custom", "seed:0 (untrained)", True, "float32")
    run(small, video)
    assert traces == [info]
    assert len(jax.tree.leaves(small)) == 40


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_heads": 5}, "divisor of model_dim=16, found 5"),
        ({"mlp_dim": 0}, "mlp_dim: expected at least 1, found 0"),
        ({"pos_emb_shape": (4, 0, 2)}, "pos_emb_shape"),
        ({"atten_logit_cap": -1.0}, "atten_logit_cap"),
    ],
)
def test_impossible_sizes_are_refused(change, message):
    with pytest.raises(SettingsError, match=message):
        EncoderConfig(**({"model_dim": 16, "num_heads": 2} | change))


def test_config_round_trip():
    assert EncoderConfig.from_json(SMALL.to_json()) == SMALL
    with pytest.raises(SettingsError, match=r"missing \['mlp_dim'\], unexpected \['mlp'\]"):
        EncoderConfig.from_json({("mlp" if k == "mlp_dim" else k): v for k, v in SMALL.to_json().items()})
