import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vp_science.checkpoints.load import initialise, load_encoder
from vp_science.checkpoints.model_folder import write_model_folder
from vp_science.checkpoints.save import save_weights
from vp_science.encoder.config import LVT_BASE, VideoTextConfig
from vp_science.errors import CheckpointError, SettingsError
from vp_science.train.contrastive import ContrastiveSettings
from vp_science.train.contrastive.contrastive_stage import TrainingWarning, make_stage
from vp_science.train.contrastive.start import find_start, with_text
from vp_science.train.data.settings import AugmentSettings, ClipSettings
from vp_science.train.settings_file import build_settings, describe_settings, read_settings

sys.path.insert(0, str(Path(__file__).parent))
from contrastive_micro import MICRO, micro_stage

RECIPES = Path(__file__).parents[2] / "recipes"
KERNEL = "params/vision_encoder/patch_projection/linear/kernel"
PIECES = "params/text_encoder/token_emb/emb_var"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A video-text model and a video encoder of the same size, as files and as folders; seeds 7 and 8."""
    where = tmp_path_factory.mktemp("start")
    whole, alone = load_encoder(MICRO, seed=7), load_encoder(MICRO.encoder, seed=8)
    save_weights(whole, where / "whole.safetensors")
    save_weights(alone, where / "alone.npz")
    write_model_folder(whole, where / "stage1", {})
    write_model_folder(alone, where / "stage2", {})
    return where


def start_tensors(**settings):
    tensors, random = find_start(ContrastiveSettings(**({"seed": 3} | settings))).read()
    return tensors, random


@pytest.mark.parametrize("given", ["whole.safetensors", "stage1"])
def test_a_video_text_model_fills_everything(files, given):
    model = MICRO if "." in given else None
    tensors, random = start_tensors(init=str(files / given), model=model)
    assert random == ()
    for name, values in initialise(MICRO, 7).items():
        np.testing.assert_array_equal(tensors[name], values, err_msg=name)


@pytest.mark.parametrize("given", ["alone.npz", "stage2"])
def test_a_video_encoder_fills_its_part_and_the_rest_is_random(files, given):
    tensors, random = start_tensors(init=str(files / given), model=MICRO)
    assert random == ("auxiliary_encoder", "contrastive_vision_pooler", "text_encoder")
    np.testing.assert_array_equal(
        tensors[KERNEL], initialise(MICRO.encoder, 8)["params/patch_projection/linear/kernel"]
    )
    np.testing.assert_array_equal(tensors[PIECES], initialise(MICRO, 3)[PIECES])


def test_what_is_random_is_said(files):
    with pytest.warns(TrainingWarning, match="start at random: auxiliary_encoder, contrastive_vision_pooler, text_enc"):
        micro_stage(init=str(files / "stage2")).init()


def test_text_of_the_first_stage_and_video_of_the_second(files):
    tensors, random = start_tensors(init=str(files / "stage1"), video_init=str(files / "stage2"), freeze="video")
    assert random == ()
    np.testing.assert_array_equal(
        tensors[KERNEL], initialise(MICRO.encoder, 8)["params/patch_projection/linear/kernel"]
    )
    np.testing.assert_array_equal(tensors[PIECES], initialise(MICRO, 7)[PIECES])


def test_without_init_everything_comes_from_the_seed():
    first, random = start_tensors(model=MICRO)
    assert random == tuple(sorted({name.split("/")[1] for name in first}))
    np.testing.assert_array_equal(first[PIECES], initialise(MICRO, 3)[PIECES])
    assert (start_tensors(model=MICRO, seed=4)[0][PIECES] != first[PIECES]).any()


def test_sizes_come_from_names_tables_and_origins():
    assert find_start(ContrastiveSettings()).config == LVT_BASE
    assert find_start(ContrastiveSettings(model="videoprism-tiny")).config.vocabulary_size == 1024
    assert with_text(replace(MICRO.encoder, num_spatial_layers=3)) == VideoTextConfig(
        6, (4, 3, 3), 16, 3, 2, 2, 32, num_auxiliary_layers=2, num_unimodal_layers=12
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"init": "stage1", "model": replace(MICRO, mlp_dim=48)}, r"found stage1 with mlp_dim 32 \(model: 48\)"),
        ({"init": "stage2", "model": replace(MICRO, num_heads=4)}, r"found stage2 with num_heads 2 \(model: 4\)"),
        ({"init": "whole.safetensors", "model": replace(MICRO, vocabulary_size=31)}, "token_emb/emb_var expected"),
        ({"init": "nothing.npz", "model": MICRO}, "found '.*nothing.npz'"),
    ],
)
def test_weights_of_other_sizes_are_refused(files, change, message):
    settings = ContrastiveSettings(**(change | {"init": str(files / change["init"])}))
    with pytest.raises((SettingsError, CheckpointError), match=message):
        find_start(settings).read()


def test_weights_that_were_changed_after_the_start_are_refused(tmp_path):
    path = save_weights(load_encoder(MICRO, seed=1), tmp_path / "a.safetensors")
    stage = micro_stage(init=str(path), freeze="video")
    stage.frozen()
    save_weights(load_encoder(MICRO, seed=2), path)
    with pytest.raises(
        CheckpointError, match=r"a\.safetensors: expected the weights that the training was set up with"
    ):
        stage.frozen()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drop_tokens": 1.0}, "drop_tokens: expected 0 to below 1, found 1.0"),
        ({"temperature": 0.001}, "temperature: expected at least least_temperature"),
        ({"least_temperature": 0.0}, "temperature: expected at least least_temperature, and that above 0"),
        ({"freeze": "video"}, "freeze: expected a trained video encoder"),
        ({"freeze": "text", "video_init": "x"}, "freeze: expected a trained text encoder"),
    ],
)
def test_settings_that_cannot_be_meant(change, message):
    with pytest.raises(SettingsError, match=message):
        ContrastiveSettings(**change)


def test_the_size_of_clips_fits_the_patches():
    with pytest.raises(SettingsError, match=r"clips.size: expected a multiple of the patch size 6, found 20: take 18"):
        make_stage(ContrastiveSettings(model=MICRO, clips=ClipSettings(4, 20)))


def test_the_published_recipe_is_what_the_defaults_are():
    recipe = read_settings(ContrastiveSettings, RECIPES / "contrastive_base.toml")
    defaults = ContrastiveSettings()
    assert recipe.optimizer == defaults.optimizer
    assert recipe.clips == defaults.clips
    assert recipe.augment == defaults.augment == AugmentSettings(flip=False, area=(0.9, 1.0))
    assert recipe.loop == replace(defaults.loop, remat="layers", precision="bfloat16")
    assert recipe.model == replace(LVT_BASE, pos_emb_shape=(8, 16, 16))
    for name in ("init", "video_init", "vocabulary", "freeze", "repeated_captions", "temperature", "least_temperature"):
        assert getattr(recipe, name) == getattr(defaults, name), name
    assert recipe.dropped_share == defaults.dropped_share == 0.5
    assert build_settings(ContrastiveSettings, describe_settings(recipe)) == recipe


def test_keys_from_the_command_line():
    settings = read_settings(
        ContrastiveSettings,
        None,
        [("model.num_heads", "3"), ("model.model_dim", "192"), ("data", "synthetic"), ("drop_tokens", "0.25")],
    )
    assert settings.model == VideoTextConfig(model_dim=192, num_heads=3)
    assert settings.data[0].path == "synthetic"
    assert settings.dropped_share == 0.25
    with pytest.raises(SettingsError, match=r"unknown key model\.num_head; did you mean model\.num_heads"):
        read_settings(ContrastiveSettings, None, [("model.num_head", "3")])
