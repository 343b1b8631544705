"""Files of video-text models and classifiers: both layouts, strict both ways."""

import json

import numpy as np
import pytest
from jaxtyping import TypeCheckError
from safetensors.numpy import save_file
from transformers_layout import to_transformers

from vp_science.checkpoints.layout import parameter_shapes
from vp_science.checkpoints.load import initialise, load_encoder
from vp_science.checkpoints.save import save_weights
from vp_science.checkpoints.weights import load_weights
from vp_science.encoder.config import ClassifierConfig, EncoderConfig, VideoTextConfig, read_config
from vp_science.errors import CheckpointError, SettingsError

SIZES = (2, (2, 2, 3), 8, 2, 1, 2, 12)
VIDEO_TEXT = VideoTextConfig(*SIZES, num_auxiliary_layers=1, num_unimodal_layers=2, vocabulary_size=7)
CLASSIFIER = ClassifierConfig(*SIZES, num_classes=3)


def random_tensors(config):
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in parameter_shapes(config).items()}


def assert_same(found, expected):
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("config", [VIDEO_TEXT, CLASSIFIER], ids=["video-text", "classifier"])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_save_then_load_is_bit_exact(tmp_path, config, suffix):
    model = load_encoder(config, seed=1)
    path = save_weights(model, tmp_path / f"w{suffix}")
    loaded = load_weights(path, config)
    assert loaded.layout == "official"
    assert_same(loaded.tensors, initialise(config, 1))
    assert load_encoder(config, path).info.checkpoint.startswith(f"sha256:{loaded.sha256}")


@pytest.mark.parametrize("size", ["base", "large"])
def test_transformers_layout_by_the_checked_list(tmp_path, size):
    tensors = random_tensors(VIDEO_TEXT)
    renamed = to_transformers(tensors, size, VIDEO_TEXT.patch_size, "lvt_public")
    # The port stores positions of the text too, by another formula than the official code: they must not be read.
    buffers = {
        "text_model.embeddings.position_embedding": np.full((64, 8), 1e9, np.float32),
        "text_model.embeddings.position_ids": np.arange(64)[None],
    }
    save_file(renamed | buffers, tmp_path / "model.safetensors")
    loaded = load_weights(tmp_path / "model.safetensors", VIDEO_TEXT)
    assert loaded.layout == "transformers"
    assert loaded.source == ""
    assert_same(loaded.tensors, tensors)
    encoder = load_weights(tmp_path / "model.safetensors", VIDEO_TEXT.encoder)
    assert encoder.source == "video encoder of a video-text model"


def test_every_difference_is_named(tmp_path):
    tensors = random_tensors(VIDEO_TEXT)
    del tensors["params/text_encoder/cls_emb"]
    tensors["params/text_encoder/extra"] = np.zeros(2, np.float32)
    tensors["params/contrastive_vision_pooler/pooling_attention_query"] = np.zeros((2, 8), np.float32)
    np.savez(tmp_path / "w.npz", **tensors)
    with pytest.raises(CheckpointError) as caught:
        load_weights(tmp_path / "w.npz", VIDEO_TEXT)
    message = str(caught.value)
    assert "tensors of the video-text model (official layout)" in message
    assert "missing (1): params/text_encoder/cls_emb [1, 1, 8]" in message
    assert "unexpected (1): params/text_encoder/extra [2]" in message
    assert "pooling_attention_query expected [1, 8], found [2, 8]" in message


def test_a_video_encoder_is_no_video_text_model(tmp_path, monkeypatch):
    from dataclasses import replace

    from vp_science.checkpoints import weights
    from vp_science.checkpoints.registry import PRESETS

    config = EncoderConfig(*SIZES)
    np.savez(tmp_path / "w.npz", **random_tensors(config))
    known = {"videoprism-base": replace(PRESETS["videoprism-base"], config=config)}
    monkeypatch.setattr(weights, "PRESETS", known)
    with pytest.raises(CheckpointError, match="they fit videoprism-base: use that model"):
        load_weights(tmp_path / "w.npz", VIDEO_TEXT)


def test_classifiers_of_transformers_are_another_model(tmp_path):
    renamed = to_transformers(random_tensors(EncoderConfig(*SIZES)), "large", 2)
    save_file({f"vision_model.{name}": values for name, values in renamed.items()}, tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match=r"these are not the weights of the classifier in a layout known here"):
        load_weights(tmp_path / "m.safetensors", CLASSIFIER)
    hybrid = VideoTextConfig(*SIZES, norm_policy="primer_hybrid")
    renamed = {f"video_model.vision_model.{name}": values for name, values in renamed.items()}
    save_file(renamed, tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="norm_policy pre in the transformers layout, found primer_hybrid"):
        load_weights(tmp_path / "m.safetensors", hybrid)


@pytest.mark.parametrize("config", [VIDEO_TEXT, CLASSIFIER, EncoderConfig(*SIZES)], ids=lambda c: type(c).__name__)
def test_configurations_survive_json(config):
    assert read_config(json.loads(json.dumps(config.to_json()))) == config
    with pytest.raises(SettingsError, match=r"missing \['mlp_dim'\]"):
        read_config({name: value for name, value in config.to_json().items() if name != "mlp_dim"})


def test_impossible_configurations():
    with pytest.raises(SettingsError, match="vocabulary_size: expected at least 1, found 0"):
        VideoTextConfig(*SIZES, vocabulary_size=0)
    # The type checker of the test run stops it before our own check does.
    with pytest.raises((SettingsError, TypeCheckError), match="norm_policy"):
        VideoTextConfig.from_json(VIDEO_TEXT.to_json() | {"norm_policy": "post"})


def test_initial_weights_have_unit_gain():
    tensors = initialise(VideoTextConfig(18, (4, 4, 4), 64, 1, 1, 4, 128, vocabulary_size=500), 0)
    assert np.isclose(tensors["params/text_encoder/token_emb/emb_var"].std(), 64**-0.5, rtol=0.02)
    assert np.isclose(tensors["params/text_encoder/cls_emb"].std(), 64**-0.5, rtol=0.3)
    pooler = "params/contrastive_vision_pooler/pooling_attention"
    assert np.isclose(tensors[f"{pooler}/post/w"].std(), 256**-0.5, rtol=0.02)
    assert np.isclose(tensors[f"{pooler}/key/w"].std(), 64**-0.5, rtol=0.02)
    assert not tensors[f"{pooler}/per_dim_scale/per_dim_scale"].any()
