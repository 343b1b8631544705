"""Video-text models and classifiers equal the official implementation (see ../golden/README.md)."""

import json
import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from vp_science.checkpoints.layout import make_abstract_encoder
from vp_science.checkpoints.weights import load_into, load_weights
from vp_science.encoder.config import ClassifierConfig, VideoTextConfig
from vp_science.encoder.text import sinusoids
from vp_science.encoder.video_text import VideoTextModel

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SIZES = json.loads((GOLDEN / "configs.json").read_text())
TEXT = {"vocabulary_size": 53, "num_unimodal_layers": 2}
POLICIES = {"video_text_pre": "pre", "video_text_primer_hybrid": "primer_hybrid"}


def sizes(name, **more):
    record = SIZES[name] | more
    return record | {"pos_emb_shape": tuple(record["pos_emb_shape"])}


def build(config, weights):
    model = make_abstract_encoder(config)
    load_into(model, weights)
    return model


def assert_close(found, expected, tolerance):
    found = np.asarray(found)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def grid_of(tokens, frames):
    return tokens.reshape(tokens.shape[0], frames, -1, tokens.shape[-1])


@pytest.fixture(scope="module", params=POLICIES)
def first_set(request):
    """The first set: the model, loaded from its file, and its inputs and outputs."""
    name = request.param
    config = VideoTextConfig(**sizes("official", **TEXT, norm_policy=POLICIES[name]))
    path = GOLDEN / f"{name}_weights.npz"
    loaded = load_weights(path, config)
    assert loaded.layout == "official"
    assert loaded.source == ""
    return build(config, loaded.tensors), dict(np.load(GOLDEN / f"{name}_io.npz"))


def test_first_set_of_videos(first_set):
    model, io = first_set
    video = jnp.asarray(io["inputs"])
    tokens = model(video)
    assert_close(tokens, io["spatiotemporal_features"], 1e-5)
    spatial = model.spatial(video.reshape(-1, *video.shape[2:]))
    assert_close(spatial.reshape(io["spatial_features"].shape), io["spatial_features"], 1e-5)
    grid = grid_of(tokens, video.shape[1])
    assert_close(model.pool_clips(grid, normalize=False), io["video_embeddings_unnormalized"], 1e-5)
    assert_close(model.pool_frames(grid), io["frame_embeddings"], 1e-6)
    assert_close(model.window_vectors(grid), io["video_embeddings"], 1e-6)


def test_first_set_of_texts(first_set):
    model, io = first_set
    ids, valid = jnp.asarray(io["text_token_ids"]), jnp.asarray(io["text_paddings"] == 0)
    assert_close(model.embed_text(ids, valid), io["text_embeddings"], 1e-6)
    assert_close(model.embed_text(ids, valid, normalize=False), io["text_embeddings_unnormalized"], 1e-5)


def test_first_set_of_classes():
    config = ClassifierConfig(**sizes("official", num_classes=5))
    io = dict(np.load(GOLDEN / "classifier_io.npz"))
    model = build(config, load_weights(GOLDEN / "classifier_weights.npz", config).tensors)
    video = jnp.asarray(io["inputs"])
    assert_close(model.classify(video), io["logits"], 1e-5)
    tokens = model(video)
    assert_close(tokens, io["spatiotemporal_features"], 1e-5)
    assert_close(model.window_vectors(grid_of(tokens, video.shape[1])), io["global_embeddings"], 1e-5)


def test_second_set_of_videos(second_set):
    model, io, _ = second_set
    video = jnp.asarray(io["in/video"])
    assert_close(model(video), io["out/spatiotemporal_features"], 1e-5)
    grid = grid_of(model(video), 4)
    assert_close(model.embed_video(video), io["out/video_embeddings"], 1e-6)
    assert_close(model.pool_clips(grid, normalize=False), io["out/video_embeddings_unnormalized"], 1e-5)
    assert_close(model.pool_frames(grid), io["out/frame_embeddings"], 1e-6)


@pytest.mark.parametrize("size", ["T5_g7"])  # all the others: test_golden_sizes.py
def test_other_frame_counts_and_grids(second_set, size):
    model, io, _ = second_set
    assert_close(model.embed_video(jnp.asarray(io[f"in/video_{size}"])), io[f"out/video_embeddings_{size}"], 1e-6)


def test_padded_frames_leak_only_where_asked_for(second_set):
    model, io, _ = second_set
    video, valid = jnp.asarray(io["in/video"]), jnp.asarray(io["in/frame_paddings"] == 0)
    leaking = model.embed_video(video, valid, official_padding=True)
    assert_close(leaking, io["out/video_embeddings_frame_paddings"], 1e-6)
    assert np.abs(np.asarray(model.embed_video(video, valid)) - np.asarray(leaking)).max() > 1e-3


def test_second_set_of_texts(second_set):
    model, io, _ = second_set
    ids, valid = jnp.asarray(io["in/text_ids"]), jnp.asarray(io["in/text_paddings"] == 0)
    assert_close(model.embed_text(ids, valid), io["out/text_embeddings"], 1e-6)
    assert_close(model.embed_text(ids, valid, normalize=False), io["out/text_embeddings_unnormalized"], 1e-5)
    # Padded positions too: they attend to everything equally, as in the official code.
    assert_close(model.text_encoder(ids, valid, jnp.dtype("float32")), io["out/text_hidden"], 1e-5)


def test_primer_hybrid_text(second_set):
    _, io, _ = second_set
    config = VideoTextConfig(
        **sizes("fixtures", vocabulary_size=50, num_unimodal_layers=2, norm_policy="primer_hybrid")
    )
    prefix = "primer_text/params/"
    text = {
        name.replace(prefix, "params/text_encoder/"): values for name, values in io.items() if name.startswith(prefix)
    }
    whole = build(config, initial(config) | text)
    ids, valid = jnp.asarray(io["in/text_ids"]), jnp.asarray(io["in/text_paddings"] == 0)
    assert_close(whole.text_encoder(ids, valid, jnp.dtype("float32")), io["out/primer_text_hidden"], 1e-5)


def test_second_set_of_classes(second_set):
    _, io, vision = second_set
    weights = {name.replace("params/", "params/encoder/", 1): values for name, values in vision.items()}
    weights |= {name.removeprefix("vc/"): values for name, values in io.items() if name.startswith("vc/")}
    model = build(ClassifierConfig(**sizes("fixtures", num_classes=7)), weights)
    video = jnp.asarray(io["in/video"])
    assert_close(model.classify(video), io["out/vc_logits"], 1e-5)
    assert_close(model.pool_clips(grid_of(model(video), 4)), io["out/vc_global_embeddings"], 1e-5)


@pytest.mark.parametrize(("length", "dim"), [(64, 32), (65, 33)])
def test_text_positions(second_set, length, dim):
    assert_close(sinusoids(length, dim), second_set[1][f"out/sinusoid_{length}x{dim}"], 1e-6)


def initial(config):
    from vp_science.checkpoints.load import initialise

    return initialise(config, 0)


@pytest.mark.skipif("NNX_GRAPH_MODE" in os.environ, reason="this is the inner run")
def test_golden_vectors_in_tree_mode(run_in_tree_mode):
    # See test_golden.py: the models must not depend on graph mode.
    assert run_in_tree_mode(__file__, "first_set_of_texts and pre") == 1


def test_models_have_one_interface(second_set):
    model, _, _ = second_set
    assert isinstance(model, VideoTextModel)
    for name in ("__call__", "spatial", "temporal", "window_vectors", "config", "info"):
        assert hasattr(model, name)
