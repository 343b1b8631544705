import dataclasses
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.model_folder import write_model_folder
from vp_science.checkpoints.save import save_weights
from vp_science.encoder.config import TINY, ClassifierConfig, EncoderConfig, VideoTextConfig
from vp_science.encoder.family import build_model
from vp_science.encoder.video import VideoEncoder
from vp_science.errors import CheckpointError, SettingsError
from vp_science.train.data.settings import ClipSettings, DataSettings
from vp_science.train.distill import DecoderSettings, DistillSettings, MaskSettings, make_stage
from vp_science.train.distill.block_masks import TokenGrid, count_masked, draw_masks
from vp_science.train.distill.decoders import decoder_layers
from vp_science.train.distill.distill_stage import _mix
from vp_science.train.distill.packing import find_places
from vp_science.train.distill.teacher import make_teacher, teacher_params
from vp_science.train.functional import flat_names
from vp_science.train.settings import LoopSettings
from vp_science.train.settings_file import read_settings
from vp_science.train.starting_model import find_starting_model

sys.path.insert(0, str(Path(__file__).parent))
from distill_numpy import cosine, encode, plain, pool, predict_clip, predict_tokens
from distill_numpy import layers as run_layers

SIZES = {
    "patch_size": 6,
    "pos_emb_shape": (4, 3, 3),
    "model_dim": 16,
    "num_spatial_layers": 2,
    "num_temporal_layers": 2,
    "num_heads": 2,
    "mlp_dim": 32,
}
GRID = TokenGrid(4, 3, 3)
RECIPES = Path(__file__).parents[2] / "recipes"
CLIPS = 4


def write_model(folder, config, seed=0):
    return str(write_model_folder(build_model(config, rngs=nnx.Rngs(seed)), folder, {}))


def micro_settings(init, **values):
    return DistillSettings(
        init=init,
        clips=ClipSettings(num_frames=4, size=18),
        decoders=DecoderSettings(width=24, layers=1, heads=2),
        loop=LoopSettings(precision="float32"),
        **values,
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of a video-text model, an encoder alone and a classifier."""
    folder = tmp_path_factory.mktemp("models")
    text = VideoTextConfig(**SIZES, num_auxiliary_layers=1, num_unimodal_layers=1, vocabulary_size=20)
    wide = EncoderConfig(**(SIZES | {"model_dim": 24, "mlp_dim": 48}))
    return {
        "text": write_model(folder / "text", text),
        "encoder": write_model(folder / "encoder", EncoderConfig(**SIZES), 1),
        "classifier": write_model(folder / "classifier", ClassifierConfig(**SIZES, num_classes=3), 2),
        "wide": write_model(folder / "wide", wide, 3),
    }


@pytest.fixture(scope="module")
def stage(models):
    return make_stage(micro_settings(models["text"]))


@pytest.fixture(scope="module")
def step(stage):
    return jax.jit(stage.value_and_grad)


@pytest.fixture(scope="module")
def trees(stage):
    return stage.init(), stage.frozen()


@pytest.fixture(scope="module")
def batch():
    """Clips of squares of colour, one per patch, so that every token has something of its own."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (CLIPS, 4, 3, 3, 3))
    video = np.repeat(np.repeat(colours, 6, axis=2), 6, axis=3).astype(np.uint8)
    return {"video": video, "valid": np.ones((CLIPS, 4), bool)}


def slow_loss(params, teacher, video, hidden, order):
    """Both losses of one clip."""
    visible = ~hidden
    seen = encode(params["encoder"], video, visible, 6)
    tokens = np.array([seen[place] for place in sorted(seen)])
    whole = encode(teacher["vision_encoder"], video, np.ones_like(visible), 6)
    targets = np.array([whole[place] for place in sorted(whole)])
    predicted = predict_tokens(params["token_decoder"], tokens, order, len(targets))
    cosines = np.array([cosine(a, b) for a, b in zip(predicted, targets, strict=True)])
    clip = pool(run_layers(targets, teacher["auxiliary_encoder"]), teacher["contrastive_vision_pooler"])
    return cosines, cosine(predict_clip(params["global_decoder"], tokens), clip)


def test_loss_is_that_of_the_slow_version(stage, step, trees, batch):
    key = jax.random.key(5)
    (loss, metrics), _ = step(*trees, batch, key)
    mask_key, mix_key = jax.random.split(key)
    hidden = np.asarray(draw_masks(mask_key, CLIPS, GRID, MaskSettings()))
    orders = jax.vmap(lambda key: jax.random.permutation(key, GRID.tokens))(jax.random.split(mix_key, CLIPS))
    params, teacher = plain(trees[0]), plain(trees[1])
    clips = [
        slow_loss(params, teacher, batch["video"][i] / 255, hidden[i], np.asarray(orders[i])) for i in range(CLIPS)
    ]
    tokens, clip = np.array([each[0] for each in clips]), np.array([each[1] for each in clips])
    flat = hidden.reshape(CLIPS, -1)
    assert float(loss) == pytest.approx((1 - tokens).mean() + (1 - clip).mean(), abs=1e-5)
    assert {name: float(value) for name, value in metrics.items()} == pytest.approx(
        {
            "share_visible": 1 - count_masked(GRID, 0.65) / GRID.tokens,
            "token_cosine_visible": tokens[~flat].mean(),
            "token_cosine_masked": tokens[flat].mean(),
            "global_cosine": clip.mean(),
        },
        abs=1e-5,
    )


def test_tokens_are_mixed_anew_in_every_clip():
    hidden = draw_masks(jax.random.key(0), 8, GRID, MaskSettings())
    places = find_places(~hidden.reshape(8, -1), GRID.tokens - count_masked(GRID, 0.65))
    mixed = _mix(jax.random.key(1), places)
    count = places.where.shape[1]
    for clip in range(8):
        slots = np.asarray(mixed.slot[clip])
        assert sorted(slots[slots < count].tolist()) == list(range(count))
        assert (slots == count).sum() == GRID.tokens - count
        np.testing.assert_array_equal(slots[np.asarray(mixed.where[clip])], np.arange(count))
    assert len(np.unique(np.asarray(mixed.where), axis=0)) == 8
    many = jax.vmap(lambda key: _mix(key, places).where[0, 0])(jax.random.split(jax.random.key(2), 3600))
    counts = np.bincount(np.asarray(many), minlength=GRID.tokens)
    assert abs(counts - 100).max() < 5 * np.sqrt(100)


def test_nothing_flows_into_the_teacher(stage, trees, batch):
    params, frozen = trees
    video = jnp.asarray(batch["video"], jnp.float32) / 255

    @jax.jit
    @jax.grad
    def slopes(frozen):
        targets = stage.teacher.teach(frozen, video, jnp.ones((CLIPS, 4), bool))
        return targets.tokens.sum() + targets.clip.sum()

    assert not any(np.any(leaf) for leaf in jax.tree.leaves(slopes(frozen)))
    _, gradient = jax.eval_shape(stage.value_and_grad, params, frozen, batch, jax.random.key(0))
    assert jax.tree.structure(gradient) == jax.tree.structure(params)
    assert not any(name.startswith("text_encoder") for name in flat_names(frozen))


def test_everything_that_is_trained_gets_a_gradient(step, trees, batch):
    gradient = flat_names(step(*trees, batch, jax.random.key(0))[1])
    # A constant that is added to all keys changes no softmax without a logit cap, as in pooling.
    silent = {name for name, leaf in gradient.items() if not np.any(leaf)}
    assert silent == {"global_decoder/pooler/pooling_attention/key/b"}


def test_same_key_same_loss_and_another_one_draws_other_masks(step, trees, batch):
    first, again, other = (float(step(*trees, batch, jax.random.key(seed))[0][0]) for seed in (1, 1, 2))
    assert first == again != other


def test_frames_that_are_not_there_count_for_nothing(step, trees, batch):
    valid = np.ones((CLIPS, 4), bool)
    valid[0, 2:] = False
    others = batch["video"].copy()
    others[0, 2:] = 255 - others[0, 2:]
    results = [step(*trees, {"video": video, "valid": valid}, jax.random.key(0)) for video in (batch["video"], others)]
    assert float(results[0][0][0]) == float(results[1][0][0])
    for one, two in zip(*(jax.tree.leaves(result[1]) for result in results), strict=True):
        np.testing.assert_array_equal(one, two)
    assert float(results[0][0][0]) != float(step(*trees, batch, jax.random.key(0))[0][0])


def one_coloured_clips(rng, count=CLIPS):
    """Clips of one colour each, a little different from patch to patch: what is hidden can be told from the rest."""
    colours = rng.integers(0, 256, (count, 1, 1, 1, 3)) + rng.integers(-20, 21, (count, 4, 3, 3, 3))
    return np.repeat(np.repeat(np.clip(colours, 0, 255), 6, axis=2), 6, axis=3).astype(np.uint8)


def test_it_learns_to_infer_hidden_tokens_of_clips_it_never_saw(stage, step, trees):
    params, frozen = trees
    rng, optimizer = np.random.default_rng(0), optax.adam(3e-3)
    valid = np.ones((CLIPS, 4), bool)

    @jax.jit
    def update(params, state, gradient):
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state

    state, losses = optimizer.init(params), []
    for number in range(200):
        batch = {"video": one_coloured_clips(rng), "valid": valid}
        (loss, metrics), gradient = step(params, frozen, batch, jax.random.key(number))
        params, state = update(params, state, gradient)
        losses.append((float(loss), float(metrics["token_cosine_masked"]), float(metrics["global_cosine"])))
    first, last = np.mean(losses[:5], axis=0), np.mean(losses[-20:], axis=0)
    assert last[0] < 0.2 * first[0]
    assert last[2] > 0.9
    # What predicting one vector for all tokens comes to, and, better, one vector for every place.
    video = jnp.asarray(one_coloured_clips(rng, 64), jnp.float32) / 255
    targets = np.asarray(stage.teacher.teach(frozen, video, jnp.ones((64, 4), bool)).tokens, np.float64)
    unit = targets / np.linalg.norm(targets, axis=-1, keepdims=True)
    for axes in ((0, 1), (0,)):
        mean = unit.mean(axes, keepdims=True)
        same = (unit * mean / np.linalg.norm(mean, axis=-1, keepdims=True)).sum(-1).mean()
        assert 1 - last[1] < 0.5 * (1 - same)


# ---- variants -----------------------------------------------------------------------------------------------------


def loss_of(settings, batch):
    stage = make_stage(settings)
    return stage, jax.jit(stage.loss)(stage.init(), stage.frozen(), batch, jax.random.key(3))


def test_dense_student_unmixed_tokens_and_hidden_targets_only(models, trees, batch):
    settings = micro_settings(models["text"], student="dense", shuffle=False, targets="masked")
    _, (unmixed, _) = loss_of(settings, batch)
    hidden = np.asarray(draw_masks(jax.random.split(jax.random.key(3))[0], CLIPS, GRID, MaskSettings()))
    params, teacher = plain(trees[0]), plain(trees[1])
    expected = []
    for clip in range(CLIPS):
        # Visible tokens at their own places: number i of them stands where the i-th visible patch is.
        flat = hidden[clip].reshape(-1)
        order = np.empty(GRID.tokens, int)
        order[~flat], order[flat] = np.arange((~flat).sum()), np.arange((~flat).sum(), GRID.tokens)
        cosines, pooled = slow_loss(params, teacher, batch["video"][clip] / 255, hidden[clip], order)
        expected.append((1 - cosines[flat]).mean() + 1 - pooled)
    assert float(unmixed) == pytest.approx(np.mean(expected), abs=1e-5)


def test_weights_of_losses(models, batch, step, trees):
    metrics = step(*trees, batch, jax.random.key(3))[0][1]
    tokens_only, (loss, figures) = loss_of(micro_settings(models["text"], global_loss=0.0, token_loss=0.5), batch)
    assert set(tokens_only.init()) == {"encoder", "token_decoder"}
    assert set(figures) == {"share_visible", "token_cosine_visible", "token_cosine_masked"}
    share = float(metrics["share_visible"])
    close = share * float(figures["token_cosine_visible"]) + (1 - share) * float(figures["token_cosine_masked"])
    assert float(loss) == pytest.approx(0.5 * (1 - close), abs=1e-5)
    clips_only, (loss, figures) = loss_of(micro_settings(models["text"], token_loss=0.0), batch)
    assert set(clips_only.init()) == {"encoder", "global_decoder"}
    assert float(loss) == pytest.approx(1 - float(figures["global_cosine"]), abs=1e-6)


@pytest.mark.parametrize("kind", ["text", "encoder", "classifier"])
def test_teachers_vector_is_that_of_a_window(models, batch, kind):
    model = load_encoder(models[kind], precision="float32")
    video = jnp.asarray(batch["video"], jnp.float32) / 255
    targets = make_teacher(model.config, "float32").teach(teacher_params(model), video, jnp.ones((CLIPS, 4), bool))
    tokens = model(video)
    np.testing.assert_allclose(targets.tokens, tokens, rtol=0, atol=1e-5)
    vectors = model.window_vectors(tokens.reshape(CLIPS, 4, 9, -1))
    np.testing.assert_allclose(targets.clip, vectors, rtol=0, atol=1e-5)


def test_a_wider_teacher(models, batch):
    stage = make_stage(micro_settings(models["encoder"], teacher=models["wide"]))
    params = stage.init()
    loss, _ = jax.eval_shape(stage.loss, params, stage.frozen(), batch, jax.random.key(0))
    assert loss.shape == ()
    names = flat_names(params)
    assert names["token_decoder/output_projection/linear/kernel"].shape == (24, 24)
    assert names["global_decoder/pooler/pooling_attention_query"].shape == (1, 24)
    assert names["encoder/patch_projection/linear/kernel"].shape == (108, 16)


def test_pictures_are_clips_of_one_frame(stage, trees, batch):
    pictures = {"video": batch["video"][:, :1], "valid": batch["valid"][:, :1]}
    loss, metrics = jax.jit(stage.loss)(*trees, pictures, jax.random.key(0))
    assert np.isfinite(float(loss))
    assert float(metrics["share_visible"]) == pytest.approx(3 / 9)


# ---- start and result ---------------------------------------------------------------------------------------------


def test_student_starts_as_the_model_and_decoders_by_the_seed(models, stage, trees):
    encoder = load_encoder(models["text"], precision="float32").vision_encoder
    found = flat_names(trees[0]["encoder"])
    for path, leaf in nnx.to_flat_state(nnx.state(encoder, nnx.Param)):
        np.testing.assert_array_equal(found["/".join(map(str, path))], leaf[...])
    again = flat_names(stage.init())
    other = flat_names(make_stage(dataclasses.replace(stage.settings, seed=1)).init())
    name = "token_decoder/mask_token"
    np.testing.assert_array_equal(again[name], flat_names(trees[0])[name])
    assert np.any(other[name] != again[name])


def test_result_is_an_encoder_that_is_read_anywhere(models, stage, trees, batch, tmp_path):
    params = jax.tree.map(lambda leaf: np.asarray(leaf) * np.float32(1.25), trees[0])
    written = stage.export(params, tmp_path / "run")
    assert written == tmp_path / "run" / "model.safetensors"
    encoder = load_encoder(tmp_path / "run", precision="float32")
    assert isinstance(encoder, VideoEncoder)
    video = jnp.asarray(batch["video"], jnp.float32) / 255
    np.testing.assert_array_equal(encoder(video), stage.skeleton.bind(params).encoder(video))
    start = load_encoder(models["text"], precision="float32")
    assert np.abs(encoder(video) - start(video)).max() > 0.01


def test_card_says_how_it_was_trained_and_no_path(models, tmp_path):
    data = (DataSettings("/home/anna/mice/videos", poses="/home/anna/mice/poses.csv"),)
    stage = make_stage(micro_settings(models["text"], data=data, seed=3, out="/home/anna/run"))
    stage.export(jax.device_get(stage.init()), tmp_path / "run")
    text = (tmp_path / "run" / "model.json").read_text()
    assert "anna" not in text
    assert str(Path(models["text"]).parent) not in text
    record = json.loads(text)["provenance"]
    assert record["stage"] == "distill"
    assert record["seed"] == 3
    assert record["started_from"] == record["teacher"]
    assert record["teacher"].startswith("text (sha256:")
    assert (
        record["data"]
        == [{"path": "videos", "captions": None, "annotations": None, "poses": "poses.csv", "weight": 1.0}]
        or record["data"][0]["path"] == "videos"
    )
    assert record["settings"]["masks"]["ratio"] == 0.65


def test_decoders_move_faster_and_layers_have_depths(stage, trees):
    factors, depths = (flat_names(tree(trees[0])) for tree in (stage.rate_factors, stage.depths))
    assert {name.split("/")[0]: float(factor) for name, factor in factors.items()} == {
        "encoder": 1.0,
        "token_decoder": 20.0,
        "global_decoder": 20.0,
    }
    stack = "transformers_stack/x_layers/layer_norm/scale"
    assert depths[f"encoder/temporal_encoder/{stack}"].tolist() == [2, 1]
    assert depths[f"encoder/spatial_encoder/{stack}"].tolist() == [4, 3]
    assert depths["encoder/patch_projection/linear/kernel"] == 5
    assert depths["encoder/spatial_pos_emb/emb_var"] == 5
    assert depths["token_decoder/mask_token"] == 0


def test_a_bare_weights_file_starts_a_training(tmp_path):
    tiny = load_encoder("videoprism-tiny", precision="float32", seed=5)
    path = save_weights(tiny, tmp_path / "mine.safetensors")
    start = find_starting_model(str(path))
    assert start.name == "mine.safetensors"
    assert start.config == tiny.config
    loaded = start.load("float32")
    np.testing.assert_array_equal(loaded.spatial_ln.scale[...], tiny.spatial_ln.scale[...])
    save_weights(load_encoder("videoprism-tiny", precision="float32", seed=6), path)
    with pytest.raises(CheckpointError, match="changed meanwhile"):
        start.load("float32")


def test_weights_of_unknown_sizes_are_refused(tmp_path):
    path = save_weights(build_model(EncoderConfig(**SIZES), rngs=nnx.Rngs(0)), tmp_path / "micro.npz")
    with pytest.raises(CheckpointError, match=r"expected weights of one of videoprism-base.*folder with a model\.json"):
        find_starting_model(str(path))


# ---- settings -----------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_refused(models, tmp_path):
    coarse = write_model(tmp_path / "coarse", EncoderConfig(**(SIZES | {"patch_size": 9})))
    with pytest.raises(SettingsError, match="teacher: expected patches of 6 pixels as the student has, found 9"):
        make_stage(micro_settings(models["encoder"], teacher=coarse))
    with pytest.raises(SettingsError, match=r"clips\.size: expected a multiple of the patch size 6 \(for example 18\)"):
        make_stage(dataclasses.replace(micro_settings(models["encoder"]), clips=ClipSettings(4, 20)))
    with pytest.raises(SettingsError, match=r"decoders\.heads: expected a divisor of the width 24, found 5"):
        make_stage(dataclasses.replace(micro_settings(models["encoder"]), decoders=DecoderSettings(24, 1, 5)))
    with pytest.raises(SettingsError, match="nothing would learn"):
        DistillSettings(token_loss=0.0, global_loss=0.0)
    with pytest.raises(SettingsError, match="decoder_rate: expected more than 0"):
        DistillSettings(decoder_rate=0.0)
    with pytest.raises(SettingsError, match="layers: expected 1 or more, or none, found 0"):
        DecoderSettings(layers=0)


def test_defaults_adapt_a_released_model_and_recipes_are_read():
    given = [("init", "videoprism-base"), ("data", "my_videos/")]
    settings = read_settings(DistillSettings, None, given)
    assert settings.teacher is None
    assert settings.optimizer.schedule == "constant"
    assert settings.optimizer.learning_rate <= 2e-5
    recipe = read_settings(DistillSettings, RECIPES / "adapt_lab.toml")
    assert dataclasses.replace(recipe, out=settings.out) == settings
    published = read_settings(DistillSettings, RECIPES / "distill_base.toml")
    optimizer = published.optimizer
    assert (optimizer.name, optimizer.learning_rate, optimizer.final_rate) == ("adafactor", 5e-4, 1e-5)
    assert (optimizer.schedule, optimizer.warmup_steps, optimizer.weight_decay) == ("cosine", 25_000, 0.05)
    assert (published.loop.steps, published.loop.batch_size) == (300_000, 4096)
    assert published.masks == MaskSettings()
    layer, count = decoder_layers(published.decoders, EncoderConfig())
    assert (layer.model_dim, layer.mlp_dim, count) == (512, 2048, 4)
    assert decoder_layers(DecoderSettings(), EncoderConfig()) == (layer, count)
    tiny, count = decoder_layers(DecoderSettings(), TINY)
    assert (tiny.model_dim, tiny.num_heads, tiny.mlp_dim, count) == (192, 3, 768, 2)


def test_cost_counts_teacher_student_and_decoders(models):
    stage = make_stage(micro_settings(models["encoder"]))
    alone = [
        make_stage(micro_settings(models["encoder"], **{name: 0.0})).flops_per_clip()
        for name in ("token_loss", "global_loss")
    ]
    assert max(alone) < stage.flops_per_clip()
    teacher = EncoderConfig(**SIZES).count_flops(4, 18, 18)
    dense = make_stage(micro_settings(models["encoder"], student="dense")).flops_per_clip()
    assert stage.flops_per_clip() > teacher
    assert dense - stage.flops_per_clip() == pytest.approx(3 * _spared(EncoderConfig(**SIZES)))


def _spared(config):
    """Products of projections and feed-forward layers that hidden tokens do not take part in, per clip."""
    hidden = count_masked(GRID, 0.65)
    dense = 2 * (4 * config.model_dim**2 + 2 * config.model_dim * config.mlp_dim)
    layers = config.num_spatial_layers + config.num_temporal_layers
    return hidden * (layers * dense + 2 * 3 * config.patch_size**2 * config.model_dim)
