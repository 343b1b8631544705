"""Many devices and several hosts give what one device gives, to rounding; what lies where."""

import socket
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

from vp_science.encoder.config import LayerConfig
from vp_science.encoder.transformer import Transformer
from vp_science.errors import TrainError
from vp_science.train import mesh as mesh_module
from vp_science.train.functional import split_model
from vp_science.train.loop import fit
from vp_science.train.memory import bytes_per_device
from vp_science.train.mesh import agree, gather_text, make_mesh, parameter_sharding, tree_shardings
from vp_science.train.settings import HostSettings
from vp_science.train.settings_file import describe_settings

sys.path.insert(0, str(Path(__file__).parent))
from loop_toy import EncoderStage, Told, Toy, ToyStream, read_lines, read_result, run_program, settings, start_program

# Adam divides by the square root of tiny squares: rounding grows where a gradient is almost zero.
NEARLY = 1e-4


def assert_close(folder, expected):
    found = read_result(folder)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=NEARLY, err_msg=name)


def order(chosen, kind="toy", **more):
    return {"settings": describe_settings(chosen), "kind": kind, **more}


def test_eight_devices_agree_with_one(tmp_path):
    def encoder(name, **loop):
        small = settings(tmp_path / name, steps=4, checkpoint_every=4, tensorboard=False, **loop)
        return replace(small, optimizer=replace(small.optimizer, learning_rate=1e-3, layer_decay=0.5))

    parted = settings(tmp_path / "parted", fsdp=8)
    ended = run_program(
        [
            order(settings(tmp_path / "8x1", fsdp=1)),
            order(settings(tmp_path / "4x2", fsdp=2, accumulation=2)),
            order(parted, before={"7": "SIGTERM"}),
            order(encoder("encoder", fsdp=2), "encoder"),
        ],
        devices=8,
    )
    assert ended.output.count("done 12") == 2, ended.output
    assert "TrainingStopped: stopped by SIGTERM after step 8 of 12" in ended.output, ended.output
    assert "done 4" in ended.output, ended.output
    # What eight devices wrote in parts, one goes on with.
    told = Told()
    fit(Toy(), ToyStream(), replace(parted, loop=replace(parted.loop, fsdp=1)), resume=True, report=told)
    assert "resumed after step 8 of 12" in told.lines
    fit(Toy(), ToyStream(), settings(tmp_path / "one"))
    fit(Toy(), ToyStream(), settings(tmp_path / "pieces", accumulation=2))
    for name, expected in (("8x1", "one"), ("4x2", "pieces"), ("parted", "one")):
        assert_close(tmp_path / name, read_result(tmp_path / expected))
    fit(EncoderStage(), ToyStream("encoder"), encoder("alone"))
    expected = read_result(tmp_path / "alone")
    assert_close(tmp_path / "encoder", expected)
    # It did move, by much more than rounding.
    start = EncoderStage().init()["spatial_encoder"]["transformers_stack"]["x_layers"]["ff_layer"]["ffn_layer1"]
    kernel = expected["spatial_encoder.transformers_stack.x_layers.ff_layer.ffn_layer1.linear.kernel"]
    assert np.abs(kernel - start["linear"]["kernel"]).max() > 10 * NEARLY


def test_two_processes_agree_with_one_stop_together_and_go_on(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    chosen = [
        replace(settings(tmp_path / "two", fsdp=2), hosts=HostSettings(f"localhost:{port}", 2, index))
        for index in (0, 1)
    ]
    # The second of two hears the signal; then both go on, in the same processes.
    both = [
        [
            order(own, before={"6": "SIGTERM"} if index else {}),
            order(own, resume=True),
        ]
        for index, own in enumerate(chosen)
    ]
    processes = [start_program(orders, devices=2) for orders in both]
    outputs = [process.communicate(timeout=280)[0] for process in processes]
    for output in outputs:
        assert "TrainingStopped: stopped by SIGTERM after step 8 of 12" in output, output
        assert "done 12" in output, output
    fit(Toy(), ToyStream(), settings(tmp_path / "one"))
    assert_close(tmp_path / "two", read_result(tmp_path / "one"))
    one, two = ([(line["step"], line["loss"]) for line in read_lines(tmp_path / name)] for name in ("one", "two"))
    assert [step for step, _ in one] == [step for step, _ in two]
    np.testing.assert_allclose([loss for _, loss in one], [loss for _, loss in two], rtol=1e-4)


def test_every_layer_gathers_its_weights_where_there_are_several_devices():
    def count(mesh):
        skeleton, params = split_model(Transformer(LayerConfig(16, 2, 64), 3, rngs=nnx.Rngs(0)))
        place = (lambda *axes: None) if mesh is None else lambda *axes: NamedSharding(mesh, PartitionSpec(*axes))
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place()), params)
        x = jax.ShapeDtypeStruct((8, 4, 1, 16), np.float32, sharding=place(("data", "fsdp")))
        gradient = jax.jit(jax.grad(lambda params, x: skeleton.bind(params)(x, None, jax.numpy.dtype("float32")).sum()))
        return gradient.trace(shapes, x).lower(lowering_platforms=("cpu",)).as_text().count("sharding_constraint")

    num_arrays = len(jax.tree.leaves(split_model(Transformer(LayerConfig(16, 2, 64), 3, rngs=nnx.Rngs(0)))[1]))
    assert count(None) == 0  # nothing changes on one device
    assert count(jax.sharding.AbstractMesh((2, 4), ("data", "fsdp"))) == 2 * num_arrays  # forward and backward


def test_arrays_are_cut_along_their_largest_axis_that_divides():
    mesh = jax.sharding.AbstractMesh((2, 4), ("data", "fsdp"))

    def axes(*shape):
        return tuple(parameter_sharding(mesh, shape).spec)

    assert axes(12, 768, 3072) == (None, None, "fsdp")
    assert axes(12, 768, 767) == (None, "fsdp", None)
    assert axes(30, 999, 767) == ()
    assert axes(12, 64) == ()  # small: repeated
    assert axes() == ()
    tree = {"w": jax.ShapeDtypeStruct((12, 768, 3072), np.float32), "b": jax.ShapeDtypeStruct((64,), np.float32)}
    assert bytes_per_device(tree, tree_shardings(mesh, tree)) == 12 * 768 * 3072 + 4 * 64
    assert make_mesh(1).shape == {"data": 1, "fsdp": 1}


def test_an_error_on_one_host_is_raised_on_all(monkeypatch):
    assert gather_text("é") == ["é"]
    agree(None)
    with pytest.raises(ValueError, match="own"):
        agree(ValueError("own"))
    monkeypatch.setattr(mesh_module, "gather_text", lambda text: [text, "no room"])
    with pytest.raises(TrainError, match="host 1: no room"):
        agree(None)
    with pytest.raises(ValueError, match="own"):
        agree(ValueError("own"))
