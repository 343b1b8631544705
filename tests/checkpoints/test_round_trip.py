"""Weights come back bit for bit, from every layout that is read."""

import json
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from vp_science.checkpoints.layout import parameter_shapes, plan_unrolled
from vp_science.checkpoints.save import hash_parameters, save_weights
from vp_science.checkpoints.weights import load_into, load_weights
from vp_science.encoder.config import EncoderConfig
from vp_science.errors import CheckpointError
from vp_science.files import hash_file


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], values, err_msg=name, strict=True)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_save_then_load_is_bit_exact(tmp_path, kit, suffix):
    path = save_weights(kit.encoder, tmp_path / f"w{suffix}")
    weights = load_weights(path, kit.config)
    assert_same(weights.tensors, kit.tensors)
    assert weights.sha256 == hash_file(path)
    assert (weights.layout, weights.source) == ("official", "")
    other = kit.make_encoder(kit.config)
    assert hash_parameters(other) != hash_parameters(kit.encoder)
    load_into(other, weights.tensors)
    assert hash_parameters(other) == hash_parameters(kit.encoder)


@settings(max_examples=8, deadline=None)
@given(
    st.builds(
        EncoderConfig,
        patch_size=st.integers(1, 3),
        pos_emb_shape=st.tuples(*[st.integers(1, 3)] * 3),
        model_dim=st.sampled_from([4, 8]),
        num_spatial_layers=st.integers(1, 3),
        num_temporal_layers=st.integers(1, 2),
        num_heads=st.sampled_from([1, 2, 4]),
        mlp_dim=st.integers(1, 9),
    )
)
def test_any_size_survives_npz_and_transformers_layout(tmp_path_factory, kit, config):
    folder = tmp_path_factory.mktemp("any")
    tensors = kit.random_tensors(config)
    np.savez(folder / "w.npz", **tensors)
    assert_same(load_weights(folder / "w.npz", config).tensors, tensors)
    save_file(kit.to_transformers(tensors, config), folder / "model.safetensors")
    assert_same(load_weights(folder / "model.safetensors", config).tensors, tensors)


def test_names_order_and_types_are_those_of_the_official_file(tmp_path, kit):
    official = np.load(kit.golden / "official_weights.npz")
    config = EncoderConfig.from_json(json.loads((kit.golden / "configs.json").read_text())["official"])
    encoder = kit.make_encoder(config, dict(official))
    saved = np.load(save_weights(encoder, tmp_path / "again.npz"), allow_pickle=False)
    assert saved.files == official.files
    assert_same(dict(saved), dict(official))


def test_saving_twice_gives_the_same_file(tmp_path, kit):
    first, second = (save_weights(kit.encoder, tmp_path / name) for name in ("a.npz", "b.npz"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("prefix", ["", "model.", "vision_model.", "video_model.vision_model."])
def test_transformers_prefixes(tmp_path, kit, prefix):
    save_file(kit.to_transformers(kit.tensors, kit.config, prefix), tmp_path / "model.safetensors")
    weights = load_weights(tmp_path / "model.safetensors", kit.config)
    assert_same(weights.tensors, kit.tensors)
    assert weights.layout == "transformers"
    assert bool(weights.source) == ("vision_model." in prefix)


def test_transformers_video_text_file(tmp_path, kit):
    others = {
        name: np.ones(2, np.float32)
        for name in ("text_model.layernorm.weight", "video_model.auxiliary_layers.0.mlp.fc1.bias", "video_model.head.x")
    } | {"text_model.embeddings.position_ids": np.zeros((1, 4), np.int64)}
    file = tmp_path / "model.safetensors"
    save_file(kit.to_transformers(kit.tensors, kit.config, "video_model.vision_model.") | others, file)
    weights = load_weights(file, kit.config)
    assert_same(weights.tensors, kit.tensors)
    assert weights.source == "video encoder of a video-text model"


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 1e-3), (ml_dtypes.bfloat16, 1e-2)])
def test_narrow_floats_are_widened(tmp_path, kit, dtype, tolerance):
    narrow = {name: values.astype(dtype) for name, values in kit.tensors.items()}
    save_file(narrow, tmp_path / "w.safetensors")
    found = load_weights(tmp_path / "w.safetensors", kit.config).tensors
    assert_same(found, {name: values.astype(np.float32) for name, values in narrow.items()})
    assert all(np.allclose(found[name], kit.tensors[name], rtol=tolerance, atol=1e-6) for name in found)


def test_unrolled_layers(tmp_path, kit):
    unrolled = {
        source.name: kit.tensors[source.target] if source.layer is None else kit.tensors[source.target][source.layer]
        for source in plan_unrolled(kit.config)
    }
    assert len(unrolled) == 8 + 16 * (3 + 2)
    np.savez(tmp_path / "w.npz", **unrolled)
    weights = load_weights(tmp_path / "w.npz", kit.config)
    assert_same(weights.tensors, kit.tensors)
    assert weights.layout == "official, unrolled"


@pytest.mark.parametrize(
    ("prefix", "others", "source"),
    [
        ("vision_encoder", ["text_encoder/cls_emb", "auxiliary_encoder/x/b"], "video encoder of a video-text model"),
        (
            "encoder",
            ["atten_pooler/x", "projection/linear/bias"],
            "video encoder of a classifier or pooled video model",
        ),
    ],
)
def test_encoder_out_of_a_larger_model(tmp_path, kit, prefix, others, source):
    arrays = {name.replace("params/", f"params/{prefix}/"): values for name, values in kit.tensors.items()}
    np.savez(tmp_path / "w.npz", **arrays, **{f"params/{name}": np.ones(3, np.float32) for name in others})
    weights = load_weights(tmp_path / "w.npz", kit.config)
    assert_same(weights.tensors, kit.tensors)
    assert weights.source == source
    np.savez(tmp_path / "w.npz", **arrays, **{"params/decoder/x": np.ones(3, np.float32)})
    with pytest.raises(CheckpointError, match=r"unexpected \(1\): params/decoder/x \[3\]"):
        load_weights(tmp_path / "w.npz", kit.config)


def test_fortran_order_and_other_byte_order(npz, kit):
    name = "params/patch_projection/linear/kernel"
    changed = np.asfortranarray(kit.tensors[name]).astype(">f4")
    assert_same(load_weights(npz({name: changed}), kit.config).tensors, kit.tensors)


def test_arrays_of_the_caller_are_neither_changed_nor_shared(kit):
    mine = {name: values.copy() for name, values in kit.tensors.items()}
    encoder = kit.make_encoder(kit.config, mine)
    before = hash_parameters(encoder)
    np.asarray(encoder.spatial(np.ones((1, 4, 6, 3), np.float32)))
    assert_same(mine, kit.tensors)
    for values in mine.values():
        values.fill(np.nan)
    assert hash_parameters(encoder) == before


def test_hash_depends_on_values_and_not_on_the_object(kit):
    assert hash_parameters(kit.make_encoder(kit.config, kit.tensors)) == hash_parameters(kit.encoder)
    name = next(iter(kit.tensors))
    changed = kit.tensors | {name: np.nextafter(kit.tensors[name], np.float32(9))}
    assert hash_parameters(kit.make_encoder(kit.config, changed)) != hash_parameters(kit.encoder)


def test_safetensors_carry_the_official_names(tmp_path, kit):
    saved = load_file(save_weights(kit.encoder, tmp_path / "w.safetensors"))
    assert set(saved) == set(parameter_shapes(kit.config))


class TestSaving:
    def test_other_endings_are_refused(self, tmp_path, kit):
        with pytest.raises(CheckpointError, match=r"ending in \.npz or \.safetensors, found '\.pt'"):
            save_weights(kit.encoder, tmp_path / "w.pt")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
    def test_a_failed_write_leaves_the_old_file_and_nothing_else(self, tmp_path, kit, monkeypatch, suffix):
        path = tmp_path / f"w{suffix}"
        path.write_bytes(b"old")

        def fail(descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("vp_science.files.os.fsync", fail)
        with pytest.raises(CheckpointError, match=r"No space left on device.*choose another folder"):
            save_weights(kit.encoder, path)
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    def test_a_killed_write_leaves_the_old_file(self, tmp_path):
        # Dies at the worst moment: everything is written, nothing is renamed.
        script = f"""
import os
from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints import save
from vp_science.encoder.config import EncoderConfig
os.replace = lambda *names: os._exit(9)
small = EncoderConfig(model_dim=8, num_heads=1, mlp_dim=8, num_spatial_layers=1, num_temporal_layers=1)
save.save_weights(load_encoder(small), {str(tmp_path / "w.npz")!r})
"""
        (tmp_path / "w.npz").write_bytes(b"old")
        assert subprocess.run([sys.executable, "-c", script], timeout=120).returncode == 9
        assert (tmp_path / "w.npz").read_bytes() == b"old"

    def test_a_missing_folder_is_named(self, tmp_path, kit):
        with pytest.raises(CheckpointError, match=r"absent/w\.npz: expected to write weights"):
            save_weights(kit.encoder, tmp_path / "absent" / "w.npz")
