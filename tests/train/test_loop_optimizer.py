"""Schedules, which parameters decay, rates per layer, running means, accumulation."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from vp_science.checkpoints.layout import parameter_shapes
from vp_science.encoder.config import LVT_TINY
from vp_science.errors import SettingsError
from vp_science.train.functional import flat_names, nested_names
from vp_science.train.mesh import make_mesh
from vp_science.train.optimizer import decay_mask, make_optimizer, make_schedule, mean_decay, rate_scales
from vp_science.train.settings import OptimizerSettings
from vp_science.train.state import make_gradient, make_training, step_key

sys.path.insert(0, str(Path(__file__).parent))
from loop_toy import EncoderStage, Toy, ToyStream, settings


@hypothesis_settings(deadline=None, max_examples=25)
@given(
    name=st.sampled_from(["cosine", "linear", "constant"]),
    warmup=st.integers(0, 20),
    rest=st.integers(1, 40),
    share=st.floats(0, 1),
)
def test_schedules_follow_their_formula(name, warmup, rest, share):
    peak, steps = 0.5, warmup + rest
    rate = make_schedule(
        OptimizerSettings(schedule=name, warmup_steps=warmup, learning_rate=peak, final_rate=share * peak), steps
    )
    for done in {0, warmup - 1, warmup, steps - 1} - {-1}:
        update = done + 1
        way = (update - warmup) / rest
        down = {"cosine": (1 + np.cos(np.pi * way)) / 2, "linear": 1 - way, "constant": 1}[name]
        low = share * peak
        expected = peak * update / warmup if update <= warmup else (low + (peak - low) * down if down != 1 else peak)
        assert float(rate(done)) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_a_warm_up_longer_than_the_run_is_refused():
    with pytest.raises(SettingsError, match=r"optimizer.warmup_steps: expected at most loop.steps=5, found 6"):
        make_schedule(OptimizerSettings(warmup_steps=6), 5)


def test_weights_of_matrices_decay_and_nothing_else():
    shapes = {name.removeprefix("params/"): jnp.zeros(1) for name in parameter_shapes(LVT_TINY)}
    mask = flat_names(decay_mask(nested_names({**shapes, "log_temperature": jnp.zeros(())})))
    for name, decays in mask.items():
        last = name.split("/")[-1]
        assert decays == (last in ("kernel", "w")), name
    still = {name.split("/")[-1] for name, decays in mask.items() if not decays}
    assert still >= {"b", "bias", "scale", "emb_var", "cls_emb", "pooling_attention_query", "log_temperature"}
    assert sum(mask.values()) > 10


def test_adamw_is_the_published_update():
    settings = OptimizerSettings(
        learning_rate=0.1, schedule="constant", weight_decay=0.5, betas=(0.8, 0.9), clip_norm=1.0, layer_decay=0.5
    )
    params = {"a": {"kernel": np.array([[1.0, -2.0]])}, "b": {"bias": np.array([3.0])}}
    depths = {"a": {"kernel": np.int32(2)}, "b": {"bias": np.int32(0)}}
    factors = {"a": {"kernel": np.float32(1)}, "b": {"bias": np.float32(3)}}
    grads = {"a": {"kernel": np.array([[3.0, 0.0]])}, "b": {"bias": np.array([4.0])}}  # of norm 5
    as_jax = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), (params, grads))
    optimizer = make_optimizer(settings, 10, params, depths, factors)
    state, found = optimizer.init(as_jax[0]), as_jax[0]
    expected = {"kernel": params["a"]["kernel"], "bias": params["b"]["bias"]}
    clipped = {"kernel": grads["a"]["kernel"] / 5, "bias": grads["b"]["bias"] / 5}
    first = dict.fromkeys(expected, 0.0)
    second = dict(first)
    for step in range(1, 4):
        updates, state = optimizer.update(as_jax[1], state, found)
        found = optax.apply_updates(found, updates)
        for name, decay, factor in (("kernel", 0.5, 0.25), ("bias", 0.0, 3.0)):
            first[name] = 0.8 * first[name] + 0.2 * clipped[name]
            second[name] = 0.9 * second[name] + 0.1 * clipped[name] ** 2
            moved = (first[name] / (1 - 0.8**step)) / (np.sqrt(second[name] / (1 - 0.9**step)) + 1e-8)
            expected[name] = expected[name] - 0.1 * factor * (moved + decay * expected[name])
    np.testing.assert_allclose(found["a"]["kernel"], expected["kernel"], rtol=1e-5)
    np.testing.assert_allclose(found["b"]["bias"], expected["bias"], rtol=1e-5)


def test_adafactor_is_the_published_update_with_momentum():
    settings = OptimizerSettings(
        name="adafactor", learning_rate=0.1, schedule="constant", betas=(0.9, 0.6), clip_norm=None, weight_decay=0.2
    )
    rng = np.random.default_rng(0)
    kernel, gradient = rng.normal(size=(40, 33)), rng.normal(size=(3, 40, 33))
    params = {"kernel": jnp.asarray(kernel, jnp.float32)}
    same = {"kernel": np.float32(1)}
    optimizer = make_optimizer(settings, 10, params, {"kernel": np.int32(0)}, same)
    state = optimizer.init(params)
    expected, momentum, rows, columns = kernel, 0.0, 0.0, 0.0
    for step in range(3):
        updates, state = optimizer.update({"kernel": jnp.asarray(gradient[step], jnp.float32)}, state, params)
        params = optax.apply_updates(params, updates)
        decay = min(0.6, 1 - (step + 1.0) ** -0.8)
        square = gradient[step] ** 2 + 1e-30
        rows = decay * rows + (1 - decay) * square.mean(axis=1)
        columns = decay * columns + (1 - decay) * square.mean(axis=0)
        moved = gradient[step] / np.sqrt(np.outer(rows, columns) / rows.mean())
        moved = moved / max(1.0, np.sqrt((moved**2).mean()))
        momentum = 0.9 * momentum + 0.1 * moved
        expected = expected - 0.1 * (momentum + 0.2 * expected)
    np.testing.assert_allclose(params["kernel"], expected, rtol=1e-4)
    # Factored: what it remembers of squares is a row and a column.
    largest = max(leaf.size for leaf in jax.tree.leaves(state[0]))
    assert largest < kernel.size


def test_rates_fall_with_depth_for_every_layer_of_a_stack():
    params = {"stack": {"bias": jnp.zeros((3, 4)), "kernel": jnp.zeros((3, 4, 5))}, "head": {"bias": jnp.zeros(2)}}
    depths = {"stack": {"bias": np.array([3, 2, 1]), "kernel": np.array([3, 2, 1])}, "head": {"bias": np.int32(0)}}
    factors = jax.tree.map(lambda leaf: np.float32(2), params)
    scales = rate_scales(0.5, params, depths, factors)
    assert scales["stack"]["kernel"].shape == (3, 1, 1)
    np.testing.assert_allclose(scales["stack"]["bias"][:, 0], [0.25, 0.5, 1.0])
    assert scales["head"]["bias"] == 2


def test_the_running_mean_forgets_the_start():
    assert float(mean_decay(0.999, 0)) == pytest.approx(0.1)
    assert float(mean_decay(0.999, 1_000_000)) == pytest.approx(0.999)


def test_the_mean_of_parameters_is_their_running_mean(tmp_path):
    stage, run = Toy(), settings(tmp_path)
    training = make_training(stage, run, make_mesh(1), stage.init(), {})
    state, stream = training.start(stage.init()), ToyStream()
    expected = np.asarray(state["params"]["first"]["kernel"], np.float64)
    for step in range(4):
        batch = {name: jnp.asarray(array) for name, array in next(stream).items()}
        state, _ = training.update(state, {}, batch, jnp.zeros(1, jnp.int32))
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * np.asarray(state["params"]["first"]["kernel"], np.float64)
    np.testing.assert_allclose(state["mean"]["first"]["kernel"], expected, atol=1e-6)
    assert int(state["step"]) == 4


@pytest.mark.parametrize("pieces", [2, 4])
def test_pieces_of_a_batch_give_the_gradient_of_the_whole(tmp_path, pieces):
    stage = Toy(noise=0.0)
    batch = {name: jnp.asarray(array) for name, array in next(ToyStream()).items()}
    arguments = stage.init(), {}, batch, step_key(0, 0)
    whole = jax.jit(make_gradient(stage, settings(tmp_path)))(*arguments)
    cut = jax.jit(make_gradient(stage, settings(tmp_path, accumulation=pieces), make_mesh(1)))(*arguments)
    for expected, found in zip(jax.tree.leaves(whole), jax.tree.leaves(cut), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-7)


def test_pieces_have_their_own_randomness_and_other_steps_other_keys(tmp_path):
    stage = Toy(noise=1.0)
    one = next(ToyStream())
    same = {name: jnp.repeat(jnp.asarray(array[:1]), 16, axis=0) for name, array in one.items()}
    gradient = jax.jit(make_gradient(stage, settings(tmp_path, accumulation=16)))
    losses = [float(gradient(stage.init(), {}, same, step_key(0, step))[0][0]) for step in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    # Sixteen pieces with the same noise would give the loss of one clip with that noise.
    alone = jax.jit(make_gradient(stage, settings(tmp_path, batch_size=1)))
    single = {name: array[:1] for name, array in same.items()}
    keys = jax.random.split(step_key(0, 0), 16)
    each = [float(alone(stage.init(), {}, single, key)[0][0]) for key in keys]
    assert losses[0] == pytest.approx(np.mean(each), rel=1e-5)
    assert np.std(each) > 0


def test_recomputed_layers_give_the_same_gradient_in_less_memory():
    from vp_science.encoder.config import LayerConfig
    from vp_science.encoder.transformer import Transformer
    from vp_science.train.functional import split_model
    from vp_science.train.memory import set_remat

    rows = jnp.asarray(np.random.default_rng(0).normal(size=(32, 16, 1, 16)), jnp.float32)
    found = {}
    for policy in ("none", "layers"):
        model = Transformer(LayerConfig(model_dim=16, num_heads=2, mlp_dim=64), 8, rngs=nnx.Rngs(0))
        set_remat(model, policy)
        skeleton, params = split_model(model)

        def loss(params, skeleton=skeleton):
            return jnp.mean(skeleton.bind(params)(rows, None, jnp.dtype("float32")) ** 3)

        compiled = jax.jit(jax.grad(loss)).lower(params).compile()
        found[policy] = compiled(params), compiled.memory_analysis().temp_size_in_bytes
    for expected, other in zip(jax.tree.leaves(found["none"][0]), jax.tree.leaves(found["layers"][0]), strict=True):
        np.testing.assert_allclose(other, expected, rtol=1e-4, atol=1e-6)
    assert found["layers"][1] < found["none"][1] / 2


def test_all_layer_stacks_of_a_model_take_the_policy():
    from vp_science.encoder.video import VideoEncoder
    from vp_science.train.functional import split_model
    from vp_science.train.memory import set_remat

    model = VideoEncoder(EncoderStage.config, rngs=nnx.Rngs(0))
    set_remat(model, "layers")
    again = split_model(model)[0].bind(split_model(model)[1])
    stacks = [again.spatial_encoder.transformers_stack, again.temporal_encoder.transformers_stack]
    assert [stack.remat for stack in stacks] == ["layers", "layers"]


def test_remat_needs_layers():
    from vp_science.encoder.layers import LayerNorm
    from vp_science.train.memory import set_remat

    with pytest.raises(SettingsError, match="expected a model with layer stacks, found none in LayerNorm"):
        set_remat(LayerNorm(3), "layers")
