"""load_encoder: what it takes, what it says about it, and what it refuses."""

import dataclasses

import jax
import numpy as np
import pytest

import vp_science.checkpoints.load as module
from vp_science.checkpoints.load import initialise, load_encoder
from vp_science.checkpoints.registry import PRESETS, ModelSpec
from vp_science.checkpoints.save import hash_parameters, save_weights
from vp_science.encoder.config import VideoTextConfig
from vp_science.encoder.video import VideoEncoder
from vp_science.errors import CheckpointError, SettingsError
from vp_science.files import hash_file

# A seed names weights: they must be these bits on every machine and with every version of jax.
TINY_SHA256 = "a376d27ec292acfaa1d56f28bac7b0fd962ced43d0eb4b29adea253384e650f7"


def test_a_seed_is_the_same_weights_everywhere():
    encoder = load_encoder("videoprism-tiny", seed=0)
    assert hash_parameters(encoder) == TINY_SHA256
    assert encoder.info.checkpoint == "seed:0 (untrained)"
    assert encoder.info.untrained
    assert encoder.info.name == "videoprism-tiny"
    assert encoder.info.precision == encoder.compute_dtype
    assert encoder.info.precision_reason


def test_initial_weights_do_not_depend_on_jax_settings(kit):
    expected = initialise(kit.config, 3)
    with jax.threefry_partitionable(False), jax.default_prng_impl("rbg"):
        found = initialise(kit.config, 3)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_initial_weights_have_unit_gain():
    tensors = initialise(PRESETS["videoprism-tiny"].config, 1)
    fan_in = {"patch_projection/linear/kernel": 972, "spatial_pos_emb/emb_var": 256}
    stack = "spatial_encoder/transformers_stack/x_layers"
    fan_in |= {f"{stack}/self_attention/query/w": 192, f"{stack}/ff_layer/ffn_layer2/linear/kernel": 768}
    for name, inputs in fan_in.items():
        assert np.var(tensors[f"params/{name}"]) * inputs == pytest.approx(1, rel=0.02)
    assert all(not v.any() for k, v in tensors.items() if k.endswith(("bias", "/b", "scale")))


def test_weights_file_is_named_by_its_hash(tmp_path, kit):
    path = save_weights(kit.encoder, tmp_path / "mine.npz")
    encoder = load_encoder(kit.config, path, "bfloat16")
    assert isinstance(encoder, VideoEncoder)
    assert encoder.info == module.ModelInfo(
        name="custom",
        checkpoint=f"sha256:{hash_file(path)} (mine.npz)",
        untrained=False,
        precision="bfloat16",
        precision_reason="bfloat16: asked for",
        layout="official",
    )
    assert encoder.compute_dtype == "bfloat16"
    assert hash_parameters(encoder) == hash_parameters(kit.encoder)


def test_custom_sizes_without_weights_are_untrained(kit):
    encoder = load_encoder(kit.config, seed=5, precision="float32")
    assert (encoder.info.name, encoder.info.checkpoint) == ("custom", "seed:5 (untrained)")
    assert hash_parameters(encoder) != hash_parameters(load_encoder(kit.config))
    assert hash_parameters(encoder) == hash_parameters(load_encoder(kit.config, seed=5))


def test_released_weights_are_fetched(tmp_path, kit, monkeypatch):
    spec = dataclasses.replace(PRESETS["videoprism-base"], config=kit.config)
    path = save_weights(kit.encoder, tmp_path / "flax_base_f16r288_repeated.npz")
    monkeypatch.setattr(module, "find_model", lambda name: spec)
    asked = []
    monkeypatch.setattr(module, "fetch_weights", lambda spec, offline: asked.append((spec.name, offline)) or path)
    encoder = load_encoder("videoprism-base", offline=True)
    assert asked == [("videoprism-base", True)]
    assert encoder.info.licence == "Apache-2.0"
    assert encoder.info.checkpoint.endswith("(flax_base_f16r288_repeated.npz)")


def test_random_weights_are_never_made_where_a_file_is_given(tmp_path, kit, monkeypatch):
    path = save_weights(kit.encoder, tmp_path / "w.npz")

    def fail(*args):
        raise AssertionError("allocated random weights")

    monkeypatch.setattr(module, "initialise", fail)
    monkeypatch.setattr(jax.random, "truncated_normal", lambda *a, **k: jax.numpy.zeros(a[3]))
    load_encoder(kit.config, path)


def test_giant_has_no_weights():
    with pytest.raises(CheckpointError, match=r"never released.*weights=PATH.*seed=0"):
        load_encoder("videoprism-giant")


def test_a_model_of_the_wrong_size_is_refused(tmp_path, kit):
    path = save_weights(kit.encoder, tmp_path / "w.npz")
    with pytest.raises(CheckpointError, match=r"expected \[972, 768\], found \[12, 8\]"):
        load_encoder("videoprism-base", path)


def test_contradictions_and_typos(kit):
    with pytest.raises(SettingsError, match="found both"):
        load_encoder(kit.config, "w.npz", seed=1)
    with pytest.raises(SettingsError, match='expected "auto", "float32" or "bfloat16", found \'half\''):
        module._check_precision("half")
    with pytest.raises(SettingsError, match="did you mean videoprism-base"):
        load_encoder("videoprism-basis")


def test_unknown_spec_without_repo_or_seed():
    assert ModelSpec("x", PRESETS["videoprism-tiny"].config, 1, "", "").released is False


def test_weights_that_came_with_the_package(tmp_path, monkeypatch):
    """A text model and its video encoder read one file; nothing is looked up elsewhere."""
    import vp_science.checkpoints.registry as registry
    from vp_science.checkpoints.fetch import fetch_weights, is_cached

    whole_config = VideoTextConfig(
        6, (2, 2, 2), 8, 1, 1, 2, 16, num_auxiliary_layers=1, num_unimodal_layers=1, vocabulary_size=5
    )
    whole = load_encoder(whole_config, seed=3)
    file = save_weights(whole, tmp_path / "small.safetensors")
    common = {"summary": "", "licence": "Apache-2.0", "bundled": file.name, "seed": 0, "num_parameters": 1}
    specs = {
        "small": registry.ModelSpec(name="small", config=whole_config.encoder, **common),
        "small-text": registry.ModelSpec(name="small-text", config=whole_config, **common),
    }
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "registry.py"))
    monkeypatch.setattr("vp_science.checkpoints.load.find_model", specs.__getitem__)
    for spec in specs.values():
        assert spec.released
        assert fetch_weights(spec, offline=True) == is_cached(spec) == file
    encoder, model = load_encoder("small", offline=True), load_encoder("small-text", offline=True)
    assert not encoder.info.untrained
    assert encoder.info.checkpoint == model.info.checkpoint
    assert encoder.info.source == "video encoder of a video-text model"
    clip = jax.numpy.asarray(np.random.default_rng(0).random((1, 2, 12, 12, 3), np.float32))
    np.testing.assert_array_equal(encoder(clip), whole(clip))
    assert load_encoder("small", seed=1).info.untrained
