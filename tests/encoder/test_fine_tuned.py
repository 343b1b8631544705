"""Fine-tuned models: readouts against numpy, what padded frames do, and how parts come together with their base."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vp_science.encoder import readouts
from vp_science.encoder.config import EncoderConfig, FineTunedConfig, read_config
from vp_science.encoder.fine_tuned import (
    FineTunedModel,
    FineTunedParts,
    assemble,
    check_parts,
    encoder_shapes,
    readout_shapes,
)
from vp_science.encoder.info import ModelInfo
from vp_science.encoder.parts import cut_layers, split_off_last
from vp_science.errors import CheckpointError, SettingsError

MICRO = EncoderConfig(
    patch_size=6,
    pos_emb_shape=(4, 3, 3),
    model_dim=16,
    num_spatial_layers=2,
    num_temporal_layers=3,
    num_heads=2,
    mlp_dim=32,
)
SIZES = {name: getattr(MICRO, name) for name in EncoderConfig.__dataclass_fields__}
CONFIGS = {
    "attention": FineTunedConfig(**SIZES, readout="attention", num_classes=3, readout_width=16, readout_heads=2),
    "mlap": FineTunedConfig(**SIZES, readout="mlap", num_classes=3, readout_width=8, readout_heads=2, readout_layers=2),
    "frames": FineTunedConfig(
        **SIZES, readout="frames", num_classes=3, readout_width=8, readout_heads=2, num_queries=4
    ),
}
INFO = ModelInfo("custom", "seed:0 (untrained)", True, "float32")


def moved(model):
    """The model with no parameter of the readout at a value that hides mistakes (zero biases, unit scales)."""
    rng = np.random.default_rng(0)
    graph, state = nnx.split(model.readout)
    model.readout = nnx.merge(
        graph, jax.tree.map(lambda leaf: leaf + 0.3 * rng.standard_normal(leaf.shape).astype(np.float32), state)
    )
    return model


@pytest.fixture(scope="module", params=["attention", "mlap", "frames"])
def model(request):
    return moved(FineTunedModel(CONFIGS[request.param], rngs=nnx.Rngs(1)))


@pytest.fixture(scope="module")
def video():
    return jax.random.uniform(jax.random.key(0), (2, 4, 18, 18, 3))


def parameters(module):
    return {
        "/".join(map(str, path)): np.asarray(leaf[...], np.float64)
        for path, leaf in nnx.to_flat_state(nnx.state(module, nnx.Param))
    }


def norm(x, scale, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * (1 + scale) + bias


def read_in_numpy(p, prefix, query, tokens, seen):
    """Cross-attention, one query and one head at a time; ``p`` may hold one layer of a stack."""

    def part(name):
        return p[f"{prefix}{name}"]

    _, heads, width = part("query/w").shape
    out = np.zeros(query.shape)
    for index, one in enumerate(query):
        joined = np.zeros(query.shape[-1])
        for head in range(heads):
            scale = np.log1p(np.exp(part("per_dim_scale/per_dim_scale"))) / math.log(2) / math.sqrt(width)
            asked = (one @ part("query/w")[:, head] + part("query/b")[head]) * scale
            keys = tokens @ part("key/w")[:, head] + part("key/b")[head]
            values = tokens @ part("value/w")[:, head] + part("value/b")[head]
            logits = np.where(seen, keys @ asked, -np.inf)
            weights = np.exp(logits - logits.max())
            joined += part("post/w")[:, head] @ (weights @ values / weights.sum())
        out[index] = joined + part("post/b")
    return out


def read_input(p, prefix, tokens):
    x = (tokens - p[f"{prefix}features/centre"]) * p[f"{prefix}features/inverse"]
    if f"{prefix}project/linear/kernel" in p:
        x = x @ p[f"{prefix}project/linear/kernel"] + p[f"{prefix}project/linear/bias"]
    return norm(x, p[f"{prefix}token_norm/scale"], p[f"{prefix}token_norm/bias"])


def gelu(x):
    return np.vectorize(lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2))))(x)


def window_in_numpy(p, layers, seen):
    query = p["query"]
    for index, tokens in enumerate(layers):
        own = {name.removeprefix("x_layers/"): value[index] for name, value in p.items() if "x_layers/" in name}
        asked = norm(query, own["query_norm/scale"], own["query_norm/bias"])
        query = query + read_in_numpy(own, "attention/", asked, read_input(own, "input/", tokens), seen)
        hidden = norm(query, own["ff_layer/layer_norm/scale"], own["ff_layer/layer_norm/bias"])
        hidden = gelu(hidden @ own["ff_layer/ffn_layer1/linear/kernel"] + own["ff_layer/ffn_layer1/linear/bias"])
        query = query + hidden @ own["ff_layer/ffn_layer2/linear/kernel"] + own["ff_layer/ffn_layer2/linear/bias"]
    return norm(query, p["norm/scale"], p["norm/bias"])


def frames_in_numpy(p, tokens, seen, num_patches):
    x = read_input(p, "input/", tokens) + np.repeat(p["time"], num_patches, axis=0)
    asked = norm(p["query"], p["query_norm/scale"], p["query_norm/bias"])
    return norm(read_in_numpy(p, "attention/", asked, x, seen), p["norm/scale"], p["norm/bias"])


def test_readouts_equal_numpy(model, video):
    spatial = model.spatial(video.reshape(8, 18, 18, 3)).reshape(2, 4, 9, 16)
    valid = jnp.array([[True, True, True, True], [True, True, True, False]])
    layers, found = model.layers(spatial, valid), model.frame_logits(spatial, valid)
    p = parameters(model.readout)
    for clip in range(2):
        tokens = np.asarray(layers, np.float64)[:, clip].reshape(len(layers), 36, 16)
        seen = np.repeat(np.asarray(valid[clip]), 9)
        if model.config.readout == "frames":
            vectors = frames_in_numpy(p, tokens[-1], seen, 9)
        else:
            vectors = np.repeat(window_in_numpy(p, tokens, seen), 4, axis=0)
        expected = vectors @ p["output/linear/kernel"] + p["output/linear/bias"]
        np.testing.assert_allclose(found[clip], expected, atol=2e-5)


def test_padded_frames_influence_nothing(model, video):
    valid = jnp.array([[True, True, True, False]] * 2)
    shown = model(video, valid)[:, :3]
    np.testing.assert_array_equal(shown, model(video.at[:, 3].set(0.5), valid)[:, :3])
    assert np.abs(np.asarray(model(video)[:, :3] - shown)).max() > 1e-4


def test_attention_in_blocks_changes_neither_values_nor_gradients(monkeypatch):
    keys = jax.random.split(jax.random.key(0), 3)
    query, key, value = (jax.random.normal(k, (2, 5, 4, 3)) for k in keys)
    seen = jnp.arange(5) < jnp.array([[5], [3]])

    def total(query, key, value):
        read = readouts.read_tokens(query, key, value, seen, jnp.dtype("float32"))
        return (read**2).sum(), read

    def both():
        # A new function every time: what was compiled before knows the size of its blocks.
        return jax.jit(jax.value_and_grad(lambda *x: total(*x), argnums=(0, 1, 2), has_aux=True))(query, key, value)

    whole = both()
    for block in (1, 2 * 5 * 5 * 3):  # one head at a time; three, which do not divide the four
        monkeypatch.setattr(readouts, "BLOCK_WEIGHTS", block)
        for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(both()), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_windows_have_one_label_and_frames_have_their_own(video):
    for name, config in CONFIGS.items():
        logits = np.asarray(moved(FineTunedModel(config, rngs=nnx.Rngs(2)))(video))
        assert logits.shape == (2, 4, 3)
        same = all(np.array_equal(logits[:, 0], logits[:, t]) for t in range(4))
        assert same == (name != "frames")


def test_queries_of_frames_fit_windows_of_other_lengths(video):
    model = moved(FineTunedModel(CONFIGS["frames"], rngs=nnx.Rngs(2)))
    assert model(jnp.concatenate([video, video[:, :2]], axis=1)).shape == (2, 6, 3)


def test_mlap_reads_the_last_layers(video):
    model = FineTunedModel(CONFIGS["mlap"], rngs=nnx.Rngs(1))
    spatial = model.spatial(video.reshape(8, 18, 18, 3)).reshape(2, 4, 9, 16)
    layers = model.layers(spatial)
    np.testing.assert_allclose(layers[1], model.temporal(spatial), atol=1e-6)
    without_last = split_off_last(model.encoder.temporal_encoder, 1)[0]
    positions = model.encoder.temporal_pos_emb.emb_var[...]
    np.testing.assert_allclose(
        layers[0], without_last(spatial + positions[:, None], None, jnp.dtype("float32")), atol=1e-6
    )


@pytest.mark.parametrize("above", [1, 2])
def test_cut_stacks_compute_the_same(video, above):
    whole = FineTunedModel(CONFIGS["mlap"], rngs=nnx.Rngs(1))
    cut = FineTunedModel(CONFIGS["mlap"], rngs=nnx.Rngs(1))
    cut.encoder.temporal_encoder = cut_layers(cut.encoder.temporal_encoder, above)
    cut.encoder.spatial_encoder = cut_layers(cut.encoder.spatial_encoder, 1)
    np.testing.assert_array_equal(whole(video), cut(video))


def test_dropout_needs_a_key_and_keeps_the_mean():
    x = jnp.arange(1.0, 9.0)
    np.testing.assert_array_equal(readouts.drop(x, None, 0.5), x)
    drawn = np.asarray(readouts.drop(jnp.tile(x, (4000, 1)), jax.random.key(0), 0.25))
    np.testing.assert_allclose((drawn == 0).mean(axis=0), 0.25, atol=0.03)
    np.testing.assert_allclose(drawn.mean(axis=0), x, rtol=0.04)


def test_only_the_vector_of_a_window_is_dropped_out(video):
    model = moved(FineTunedModel(CONFIGS["frames"], rngs=nnx.Rngs(2)))
    layers = model.layers(model.spatial(video.reshape(8, 18, 18, 3)).reshape(2, 4, 9, 16))
    np.testing.assert_array_equal(model.read(layers, dropout=0.5), model.read(layers))
    assert np.abs(np.asarray(model.read(layers, key=jax.random.key(0), dropout=0.5) - model.read(layers))).max() > 0.05


STACK = "temporal_encoder/transformers_stack/x_layers/"
WEIGHT = STACK + "self_attention/query/w"


def parts_of(model, tensors=None, lora=None):
    readout = {name: value.astype(np.float32) for name, value in parameters(model.readout).items()}
    return FineTunedParts(model.config, INFO, readout, tensors or {}, lora or {})


def test_parts_are_put_into_the_last_layers(video):
    model = FineTunedModel(CONFIGS["frames"], rngs=nnx.Rngs(1))
    base = parameters(model.encoder)
    rng = np.random.default_rng(0)
    bias = rng.standard_normal((2, 16)).astype(np.float32)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((1, 16, 2), (1, 2, 16)))
    name = STACK + "ff_layer/ffn_layer2/linear/bias"
    made = assemble(parts_of(model, {name: bias}, {WEIGHT: (a, b)}), model.encoder)
    found = parameters(made.encoder)
    np.testing.assert_array_equal(found[name], np.concatenate([base[name][:1], bias]))
    np.testing.assert_array_equal(found[WEIGHT][:2], base[WEIGHT][:2])
    np.testing.assert_allclose(found[WEIGHT][2], base[WEIGHT][2] + (a[0] @ b[0]).reshape(16, 2, 8), atol=1e-6)
    assert {key for key in base if not np.array_equal(base[key], found[key])} == {name, WEIGHT}
    np.testing.assert_array_equal(assemble(parts_of(model), model.encoder)(video), model(video))


@pytest.mark.parametrize(
    ("tensors", "lora", "message"),
    [
        ({"nothing/here": np.zeros(3)}, {}, "expected parameters of the encoder, found 'nothing/here'"),
        ({"spatial_ln/scale": np.zeros(3)}, {}, r"spatial_ln/scale: expected the shape \(16,\), found \(3,\)"),
        ({WEIGHT: np.zeros((4, 16, 2, 8))}, {}, r"query/w: expected the shape \(3, 16, 2, 8\), found \(4, 16, 2, 8\)"),
        ({}, {WEIGHT: (np.zeros((1, 9, 2)), np.zeros((1, 2, 16)))}, r"query/w \(a\): expected the shape \(3, 16, 2\)"),
        ({}, {WEIGHT: (np.zeros((1, 16, 2)), np.zeros((1, 3, 16)))}, r"\(b\): expected the shape \(1, 2, 16\), found"),
        ({}, {"spatial_ln/scale": (np.zeros((1, 2)), np.zeros((1, 2)))}, "expected a matrix of stacked layers"),
    ],
)
def test_parts_that_do_not_fit_are_named(tensors, lora, message):
    model = FineTunedModel(CONFIGS["frames"], rngs=nnx.Rngs(1))
    with pytest.raises(CheckpointError, match=message):
        check_parts(parts_of(model, tensors, lora))


def test_a_readout_that_is_not_whole_and_another_encoder_are_refused():
    model = FineTunedModel(CONFIGS["frames"], rngs=nnx.Rngs(1))
    whole = parts_of(model)
    with pytest.raises(CheckpointError, match=r"readout: .* found a difference in \['time'\]"):
        check_parts(replace(whole, readout={k: v for k, v in whole.readout.items() if k != "time"}))
    other = FineTunedModel(replace(CONFIGS["frames"], num_spatial_layers=1), rngs=nnx.Rngs(1))
    with pytest.raises(CheckpointError, match="expected an encoder with the sizes"):
        assemble(whole, other.encoder)


def test_shapes_are_those_of_the_modules():
    for config in CONFIGS.values():
        model = FineTunedModel(config, rngs=nnx.Rngs(0))
        assert {n: v.shape for n, v in parameters(model.encoder).items()} == dict(encoder_shapes(config))
        assert {n: v.shape for n, v in parameters(model.readout).items()} == dict(readout_shapes(config))


@pytest.mark.parametrize("name", list(CONFIGS))
def test_configurations_survive_json(name):
    assert read_config(CONFIGS[name].to_json()) == CONFIGS[name]
    assert CONFIGS[name].encoder == MICRO


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"readout_heads": 3}, "readout_heads: expected a divisor of readout_width=8, found 3"),
        ({"readout_layers": 4}, "readout_layers: expected at most 3 with the readout 'mlap' and 3 temporal layers"),
        ({"num_queries": 2}, "num_queries: expected 1 with the readout 'mlap', found 2"),
        ({"num_classes": 0}, "num_classes: expected at least 1, found 0"),
    ],
)
def test_impossible_sizes_are_refused(change, message):
    with pytest.raises(SettingsError, match=message):
        replace(CONFIGS["mlap"], **change)
