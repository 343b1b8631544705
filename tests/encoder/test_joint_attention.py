"""Long sequences attend in blocks; nothing of that may show, whatever is masked."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.checkpoints.layout import make_abstract_encoder
from vp_science.checkpoints.load import initialise
from vp_science.checkpoints.weights import load_into
from vp_science.encoder import attention
from vp_science.encoder.attention import attend
from vp_science.encoder.classifier import VideoClassifier
from vp_science.encoder.config import ClassifierConfig, VideoTextConfig

SIZES = (6, (4, 2, 2), 16, 1, 1, 2, 32)
F32 = jnp.dtype("float32")


def random(key, *shape):
    return jax.random.normal(jax.random.key(key), shape)


@settings(max_examples=6, deadline=None)
@given(
    length=st.integers(5, 40),
    size=st.integers(1, 200),
    mask=st.sampled_from(["none", "keys", "rows"]),
    cap=st.sampled_from([0.0, 50.0]),
)
def test_blocks_change_nothing(length, size, mask, cap):
    query, key, value = (random(i, 3, length, 4) for i in range(3))
    seen = None
    if mask == "keys":
        seen = jax.random.bernoulli(jax.random.key(5), 0.6, (3, 1, length))
    elif mask == "rows":
        seen = jnp.tril(jnp.ones((3, length, length), bool)).at[1, 2].set(False)

    def run():
        # A new function every time: the sizes of blocks are read when it is traced.
        return jax.jit(lambda q, k, v: attend(q, k, v, seen, cap, F32))(query, key, value)

    expected = run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "LONG_SEQUENCE", 4)
        patch.setattr(attention, "BLOCK_LOGITS", size)
        np.testing.assert_allclose(run(), expected, atol=2e-6)


def test_memory_of_the_logits_does_not_grow_with_the_clip():
    def temporary_bytes(length):
        arrays = [jax.ShapeDtypeStruct((4, length, 8), jnp.float32)] * 3
        run = jax.jit(lambda q, k, v: attend(q, k, v, None, 50.0, F32))
        return run.lower(*arrays).compile().memory_analysis().temp_size_in_bytes

    short, long = temporary_bytes(4096), temporary_bytes(16384)
    activations = 3 * 4 * 8 * 4 * 16384
    assert long <= 1.5 * short + activations
    assert short < 4 * 4096**2 * 4 / 4, "four heads of 4096 x 4096 logits were kept"


@pytest.fixture(scope="module", params=["video-text", "classifier"])
def model(request):
    config = (
        VideoTextConfig(*SIZES, num_auxiliary_layers=1, num_unimodal_layers=1, vocabulary_size=11)
        if request.param == "video-text"
        else ClassifierConfig(*SIZES, num_classes=3)
    )
    made = make_abstract_encoder(config)
    rng = np.random.default_rng(0)
    load_into(made, {k: v + rng.normal(0, 0.1, v.shape).astype("f4") for k, v in initialise(config, 0).items()})
    return made


def pooled(model, video, valid, **options):
    b, t = video.shape[:2]
    tokens = model(video, valid)
    return np.asarray(model.pool_clips(tokens.reshape(b, t, -1, tokens.shape[-1]), valid, **options))


def test_content_of_padded_frames_reaches_nothing_pooled(model):
    video = random(0, 3, 4, 12, 12, 3) * 0.2 + 0.5
    valid = jnp.array([[True, False, True, True], [False, True, False, False], [True] * 4])
    other = jnp.where(valid[..., None, None, None], video, 1 - video)
    np.testing.assert_array_equal(pooled(model, video, valid), pooled(model, other, valid))
    leak = np.abs(
        pooled(model, video, valid, official_padding=True) - pooled(model, other, valid, official_padding=True)
    )
    assert leak[:2].max() > 1e-4
    assert leak[2].max() == 0
    np.testing.assert_allclose(pooled(model, video, valid)[2], pooled(model, video, None)[2], atol=1e-6)


def test_frame_vectors_ignore_padded_frames(model):
    if isinstance(model, VideoClassifier):
        assert not hasattr(model, "pool_frames")
        return
    video, valid = random(0, 1, 4, 12, 12, 3), jnp.array([[True, False, True, False]])
    other = jnp.where(valid[..., None, None, None], video, 0.0)

    def frames(video):
        tokens = model(video, valid)
        return np.asarray(model.pool_frames(tokens.reshape(1, 4, -1, tokens.shape[-1]), valid))

    np.testing.assert_array_equal(frames(video), frames(other))
    assert (frames(video)[0, [1, 3]] == 0).all()
    np.testing.assert_allclose(np.linalg.norm(frames(video)[0, [0, 2]], axis=1), 1, atol=1e-6)


def test_a_clip_without_a_real_frame_gives_zeros(model):
    found = pooled(model, random(0, 1, 4, 12, 12, 3), jnp.zeros((1, 4), bool))
    assert (found == 0).all()


def test_texts_do_not_depend_on_their_padding():
    config = VideoTextConfig(*SIZES, num_auxiliary_layers=1, num_unimodal_layers=2, vocabulary_size=11)
    model = make_abstract_encoder(config)
    load_into(model, initialise(config, 0))
    ids = np.array([[3, 4, 5, 0, 0, 0], [7, 1, 0, 0, 0, 0]], np.int32)
    valid = np.arange(6) < np.array([[3], [2]])
    short = model.embed_text(jnp.asarray(ids[:, :3]), jnp.asarray(valid[:, :3]))
    other = np.where(valid, ids, 9)
    np.testing.assert_allclose(model.embed_text(jnp.asarray(ids), jnp.asarray(valid)), short, atol=1e-6)
    np.testing.assert_allclose(model.embed_text(jnp.asarray(other), jnp.asarray(valid)), short, atol=1e-6)
    outside = model.embed_text(jnp.asarray([[3, 11]]), jnp.ones((1, 2), bool))
    assert np.isnan(np.asarray(outside)).all(), "an unknown piece must not pass for another one"


def test_gradients_pass_through_blocks(monkeypatch):
    monkeypatch.setattr(attention, "LONG_SEQUENCE", 4)
    monkeypatch.setattr(attention, "BLOCK_LOGITS", 30)
    arrays = [random(i, 2, 9, 4) for i in range(3)]

    def total(arrays):
        return jnp.sum(jnp.square(attend(*arrays, None, 50.0, F32)))

    blocked = jax.grad(total)(arrays)
    monkeypatch.setattr(attention, "LONG_SEQUENCE", 100)
    for found, expected in zip(blocked, jax.grad(total)(arrays), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
