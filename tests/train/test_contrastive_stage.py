import json
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.save import save_weights
from vp_science.encoder.video_text import VideoTextModel
from vp_science.errors import SettingsError
from vp_science.train.contrastive.contrastive_stage import LOG_TEMPERATURE
from vp_science.train.contrastive.gradient_cache import cached_value_and_grad
from vp_science.train.contrastive.loss import contrastive_loss, same_captions
from vp_science.train.functional import flat_names

sys.path.insert(0, str(Path(__file__).parent))
from contrastive_micro import MICRO, QUICK, micro_batch, micro_stage

KEY = jax.random.key(3)


def compiled(stage, batch):
    """Loss, figures and gradient of a stage, compiled for a batch."""
    return jax.jit(stage.value_and_grad).lower(stage.init(), stage.frozen(), batch, KEY).compile(QUICK)


def assert_same_gradients(found, expected):
    found, expected = flat_names(found), flat_names(expected)
    assert found.keys() == expected.keys()
    largest = max(float(jnp.abs(gradient).max()) for gradient in expected.values())
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-4, atol=1e-5 * largest, err_msg=name)


@pytest.fixture(scope="module")
def plain():
    """A batch, the stage for it, and its compiled gradient in one piece."""
    batch = micro_batch(32)
    batch["text"][5], batch["text_valid"][5] = batch["text"][2], batch["text_valid"][2]
    stage = micro_stage(32)
    return batch, stage, compiled(stage, batch)


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    return save_weights(load_encoder(MICRO, seed=7), tmp_path_factory.mktemp("weights") / "micro.safetensors")


def test_gradient_caching_is_exact_and_takes_less_memory(plain):
    batch, stage, whole = plain
    cached = compiled(micro_stage(32, accumulation=8), batch)
    params = stage.init()
    (loss, metrics), gradient = whole(params, {}, batch, KEY)
    (same_loss, same_metrics), same_gradient = cached(params, {}, batch, KEY)
    np.testing.assert_allclose(same_loss, loss, rtol=1e-6)
    assert metrics.keys() == same_metrics.keys()
    for name, value in metrics.items():
        np.testing.assert_allclose(same_metrics[name], value, rtol=1e-6, err_msg=name)
    assert_same_gradients(same_gradient, gradient)
    assert float(metrics["repeated_captions"]) == 2 / 32
    assert float(jnp.abs(gradient[LOG_TEMPERATURE])) > 0
    # An eighth of the clips at a time: what does not shrink are the batch itself and the vectors.
    assert cached.memory_analysis().temp_size_in_bytes < 0.35 * whole.memory_analysis().temp_size_in_bytes


def test_pieces_that_devices_cannot_share_are_refused():
    mesh = jax.sharding.AbstractMesh((8,), ("data",))
    with pytest.raises(SettingsError, match="expected pieces that 8 devices can share, found 4 pieces of 4 clips each"):
        cached_value_and_grad(lambda p, rows: rows, lambda p, rows: (rows, {}), {}, jnp.ones((16, 2)), 4, mesh)


def test_what_is_dropped_depends_on_the_key_alone(plain):
    batch, stage, whole = plain
    first, again = (whole(stage.init(), {}, batch, KEY) for _ in range(2))
    other = whole(stage.init(), {}, batch, jax.random.key(4))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert float(first[0][0]) != float(other[0][0])


def test_without_dropping_it_is_the_loss_of_the_plain_model():
    batch = micro_batch(4)
    stage = micro_stage(4, drop_tokens=0.0)
    params = stage.init()
    model = load_encoder(MICRO, seed=0, precision="float32")
    clips = model.embed_video(jnp.asarray(batch["video"], jnp.float32) / 255, jnp.asarray(batch["valid"]))
    text, valid = jnp.asarray(batch["text"]), jnp.asarray(batch["text_valid"])
    same = same_captions(text, valid)
    expected, figures = contrastive_loss(clips, model.embed_text(text, valid), jnp.asarray(0.07), same, "exclude")
    rows = stage._embed(params, {}, stage._rows({name: jnp.asarray(rows) for name, rows in batch.items()}, KEY))
    np.testing.assert_array_equal(rows["clips"], clips)
    loss, metrics = jax.jit(stage.loss, compiler_options=QUICK)(params, {}, batch, KEY)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    assert float(metrics["temperature"]) == pytest.approx(0.07)
    assert float(metrics["retrieval_v2t"]) == float(figures["retrieval_v2t"])


def test_it_learns_which_caption_belongs_to_which_clip():
    """Eight clips, half of their patches dropped anew in every step, known by heart."""
    batch = jax.tree.map(jnp.asarray, micro_batch(8))
    stage = micro_stage(8)
    params = stage.init()
    optimizer = optax.adam(optax.cosine_decay_schedule(4e-3, 200))

    @partial(jax.jit, compiler_options=QUICK)
    def train(params, state, keys):
        def step(carry, key):
            (loss, metrics), gradient = stage.value_and_grad(carry[0], {}, batch, key)
            updates, state = optimizer.update(gradient, carry[1])
            return (optax.apply_updates(carry[0], updates), state), (loss, metrics)

        return jax.lax.scan(step, (params, state), keys)

    (trained, _), (losses, metrics) = train(params, optimizer.init(params), jax.random.split(KEY, 200))
    assert float(losses[0]) > 1.5
    assert float(losses[-10:].mean()) < 0.1
    assert float(metrics["retrieval_v2t"][-10:].min()) == float(metrics["retrieval_t2v"][-10:].min()) == 1
    assert float(trained[LOG_TEMPERATURE]) != float(params[LOG_TEMPERATURE])


@pytest.mark.parametrize(("freeze", "part"), [("video", "vision_encoder"), ("text", "text_encoder")])
def test_a_frozen_side_is_no_parameter(freeze, part, plain, weights_file):
    batch, everything, _ = plain
    stage = micro_stage(32, freeze=freeze, init=str(weights_file))
    params, frozen = stage.init(), stage.frozen()
    assert set(frozen) == {part}
    assert set(params) == set(everything.init()) - {part}
    _, gradient = jax.eval_shape(stage.value_and_grad, params, frozen, batch, KEY)
    assert jax.tree.structure(gradient) == jax.tree.structure(params)
    assert stage.flops_per_clip() < micro_stage(32, drop_tokens=stage.settings.dropped_share).flops_per_clip()


def test_a_frozen_video_encoder_costs_no_memory_for_gradients(plain, weights_file):
    batch, _, whole = plain
    stage = micro_stage(32, freeze="video", init=str(weights_file), drop_tokens=0.5)
    params, frozen = stage.init(), stage.frozen()
    program = compiled(stage, batch)
    (loss, _), gradient = program(params, frozen, batch, KEY)
    (same_loss, _), full = whole({**params, **frozen}, {}, batch, KEY)
    np.testing.assert_allclose(loss, same_loss, rtol=1e-6)
    assert_same_gradients(gradient, {name: full[name] for name in params})
    assert program.memory_analysis().temp_size_in_bytes < 0.6 * whole.memory_analysis().temp_size_in_bytes


def test_a_frozen_video_encoder_sees_all_patches_unless_asked(weights_file):
    assert micro_stage(freeze="video", init=str(weights_file)).settings.dropped_share == 0
    assert micro_stage(freeze="video", init=str(weights_file), drop_tokens=0.5).settings.dropped_share == 0.5
    assert micro_stage().settings.dropped_share == 0.5


def test_depths_rise_from_the_loss_to_the_pixels_and_to_the_pieces():
    stage = micro_stage()
    params = stage.init()
    depths = stage.depths(params)
    assert jax.tree.structure(depths) == jax.tree.structure(params)
    flat = {name: np.asarray(depth).tolist() for name, depth in flat_names(jax.tree.map(jnp.asarray, depths)).items()}
    stack = "transformers_stack/x_layers/layer_norm/scale"
    expected = {
        LOG_TEMPERATURE: 0,
        "contrastive_vision_pooler/pooling_attention_query": 0,
        f"auxiliary_encoder/{stack}": [1],
        "vision_encoder/temporal_ln/scale": 2,
        f"vision_encoder/temporal_encoder/{stack}": [3, 2],
        "vision_encoder/temporal_pos_emb/emb_var": 3,
        "vision_encoder/spatial_ln/bias": 4,
        f"vision_encoder/spatial_encoder/{stack}": [5, 4],
        "vision_encoder/spatial_pos_emb/emb_var": 6,
        "vision_encoder/patch_projection/linear/kernel": 6,
        "text_encoder/unimodal_ln/scale": 0,
        "text_encoder/unimodal_transformer/x_layers/layer_norm/scale": [2, 1],
        "text_encoder/token_emb/emb_var": 3,
        "text_encoder/cls_emb": 3,
    }
    assert {name: flat[name] for name in expected} == expected
    for name, leaf in flat_names(params).items():
        assert np.ndim(flat[name]) == ("x_layers" in name), name
        assert np.shape(flat[name]) in ((), (leaf.shape[0] if leaf.ndim else 0,)), name


def test_the_result_is_read_like_any_model(tmp_path, weights_file):
    stage = micro_stage(freeze="text", init=str(weights_file), out=str(tmp_path), temperature=0.2)
    params = stage.init()
    params["vision_encoder"] = jax.tree.map(lambda leaf: leaf * 1.5, params["vision_encoder"])
    folder = tmp_path / "run"
    folder.mkdir()
    written = stage.export(params, folder)
    assert written == folder / "model.safetensors"
    model = load_encoder(folder, precision="float32")
    assert isinstance(model, VideoTextModel)
    assert model.config == MICRO
    assert not model.info.untrained
    before = load_encoder(MICRO, weights_file, precision="float32")
    ids, valid = jnp.ones((1, 4), jnp.int32), jnp.ones((1, 4), bool)
    np.testing.assert_array_equal(model.embed_text(ids, valid), before.embed_text(ids, valid))
    kernel, old = (one.vision_encoder.patch_projection.linear.kernel[...] for one in (model, before))
    np.testing.assert_array_equal(kernel, 1.5 * old)
    # Its video encoder alone serves where an encoder is wanted.
    assert load_encoder(MICRO.encoder, written).info.source == "video encoder of a video-text model"
    card = (folder / "model.json").read_text()
    assert str(tmp_path) not in card
    assert str(weights_file.parent) not in card
    training = json.loads(card)["provenance"]
    assert training["stage"] == "contrastive"
    assert training["temperature"] == pytest.approx(0.2)
    assert training["started_from"]["init"].startswith("micro.safetensors (sha256:")
    # The next training may start there.
    again = micro_stage(model=None, init=str(folder)).init()
    np.testing.assert_array_equal(again["vision_encoder"]["patch_projection"]["linear"]["kernel"], kernel)


def test_flops_count_what_is_computed():
    half, all_of_it = micro_stage(drop_tokens=0.5), micro_stage(drop_tokens=0.0)
    video = MICRO.count_flops(4, 18, 18)
    text = 2 * 2 * 65 * (4 * 16**2 + 2 * 16 * 64 + 2 * 65 * 16)
    scores = 2 * 2 * 8 * 16
    assert all_of_it.flops_per_clip() == 3 * (video + text + scores)
    assert half.flops_per_clip() < all_of_it.flops_per_clip()
