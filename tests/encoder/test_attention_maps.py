"""The weights that are shown are those that the layers read with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from vp_science.encoder import spatial_attention, temporal_attention
from vp_science.encoder.fine_tuned import FineTunedModel
from vp_science.errors import SettingsError


def clip(official):
    """Frames of the first golden clips, one after the other."""
    video = official.io["case0/inputs"]
    return jnp.asarray(video.reshape(-1, *video.shape[2:]))


def spatial_tokens(official):
    """What the official encoder made of these frames."""
    found = official.io["case0/spatial_features"]
    return found.reshape(len(found), -1, 16, found.shape[-1])


def normalise(x, scale, bias):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return x * (1 + scale) + bias


def run_layers(official, part, x, weights):
    """The layers of a transformer in numpy, on ``[b s d]``, that read with the given weights ``[b k s s]``."""
    tensors = {name.removeprefix("params/"): values for name, values in official.weights.items()}
    for number, shares in enumerate(weights):
        prefix = f"{part}_encoder/transformers_stack/x_layers/"
        w = {name.removeprefix(prefix): v[number] for name, v in tensors.items() if name.startswith(prefix)}
        normal = normalise(x, w["layer_norm/scale"], w["layer_norm/bias"])
        value = np.einsum("bsd,dke->bkse", normal, w["self_attention/value/w"])
        value += w["self_attention/value/b"][:, None]
        read = np.einsum("bkqs,bkse->bqke", shares, value)
        x = x + np.einsum("bqke,dke->bqd", read, w["self_attention/post/w"]) + w["self_attention/post/b"]
        hidden = normalise(x, w["ff_layer/layer_norm/scale"], w["ff_layer/layer_norm/bias"])
        hidden = hidden @ w["ff_layer/ffn_layer1/linear/kernel"] + w["ff_layer/ffn_layer1/linear/bias"]
        hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
        x = x + hidden @ w["ff_layer/ffn_layer2/linear/kernel"] + w["ff_layer/ffn_layer2/linear/bias"]
    return normalise(x, tensors[f"{part}_ln/scale"], tensors[f"{part}_ln/bias"])


def test_spatial_weights_lead_to_the_official_tokens(official):
    frames = clip(official)
    weights = [np.asarray(spatial_attention(official.encoder, frames, layer)) for layer in range(3)]
    assert [found.shape for found in weights] == [(len(frames), 4, 16, 16)] * 3
    start = np.asarray(jax.jit(lambda encoder, frames: encoder.place_patches(frames))(official.encoder, frames))
    expected = spatial_tokens(official)
    found = run_layers(official, "spatial", start.astype(np.float64), weights)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=0, atol=1e-5)


def test_temporal_weights_lead_to_the_official_tokens(official):
    spatial = spatial_tokens(official)
    b, t, n, d = spatial.shape
    weights = [np.asarray(temporal_attention(official.encoder, jnp.asarray(spatial), layer)) for layer in range(2)]
    assert [found.shape for found in weights] == [(b, n, 4, t, t)] * 2
    start = spatial.astype(np.float64) + official.weights["params/temporal_pos_emb/emb_var"][:, None]
    found = run_layers(
        official,
        "temporal",
        start.transpose(0, 2, 1, 3).reshape(b * n, t, d),
        [found.reshape(b * n, 4, t, t) for found in weights],
    )
    found = found.reshape(b, n, t, d).transpose(0, 2, 1, 3)
    np.testing.assert_allclose(found.reshape(b, t * n, d), official.io["case0/embeddings"], rtol=0, atol=1e-5)


def test_layers_count_from_both_ends(official):
    frames = clip(official)
    first, last = (np.asarray(spatial_attention(official.encoder, frames, layer)) for layer in (0, 2))
    np.testing.assert_array_equal(spatial_attention(official.encoder, frames), last)
    np.testing.assert_array_equal(spatial_attention(official.encoder, frames, -3), first)
    assert np.abs(first - last).max() > 0.01
    np.testing.assert_allclose(first.sum(axis=-1), 1, atol=1e-6)


def test_padded_frames_get_no_weight(official):
    spatial = jnp.asarray(spatial_tokens(official))
    valid = jnp.asarray(np.arange(spatial.shape[1]) < spatial.shape[1] - 1)[None].repeat(len(spatial), axis=0)
    weights = np.asarray(temporal_attention(official.encoder, spatial, valid=valid))
    assert (weights[..., -1] == 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize("kind", ["video-text", "fine-tuned"])
def test_models_that_hold_an_encoder_are_looked_into(official, second_set, kind):
    if kind == "video-text":
        model, expected = second_set[0], second_set[0].vision_encoder
    else:
        model, expected = object.__new__(FineTunedModel), official.encoder
        object.__setattr__(model, "encoder", official.encoder)
    frames = clip(official)[:4]
    np.testing.assert_array_equal(spatial_attention(model, frames), spatial_attention(expected, frames))


@pytest.mark.parametrize("number", [3, -4])
def test_a_spatial_layer_that_is_not_there(official, number):
    with pytest.raises(SettingsError, match=f"layer: expected -3 to 2, because the spatial encoder .* found {number}"):
        spatial_attention(official.encoder, clip(official), number)


def test_a_temporal_layer_that_is_not_there(official):
    with pytest.raises(SettingsError, match="layer: expected -2 to 1, because the temporal encoder has 2 layers"):
        temporal_attention(official.encoder, jnp.asarray(spatial_tokens(official)), 2)
