import json
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from toy_tokenizer import make_tokenizer

import vp_science.train.contrastive.contrastive_stage as module
from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.tokenizer import load_tokenizer
from vp_science.errors import CheckpointError, SettingsError
from vp_science.train.contrastive import ContrastiveSettings, make_stream
from vp_science.train.contrastive.contrastive_stage import read_vocabulary
from vp_science.train.running import run
from vp_science.train.settings_file import read_settings

TOML = """
out = "{run}"
vocabulary = "{folder}/toy.model"
[model]
patch_size = 6
pos_emb_shape = [4, 3, 3]
model_dim = 16
num_spatial_layers = 1
num_temporal_layers = 1
num_heads = 2
mlp_dim = 32
num_auxiliary_layers = 1
num_unimodal_layers = 1
vocabulary_size = 40
[[data]]
path = "{folder}/pictures"
captions = "{folder}/captions.csv"
[clips]
num_frames = 4
size = 18
[loader]
workers = 0
[optimizer]
learning_rate = 1e-3
warmup_steps = 2
[loop]
steps = 4
batch_size = 4
accumulation = 2
precision = "float32"
checkpoint_every = 2
log_every = 2
tensorboard = false
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Six pictures of six colours, two of which are called the same."""
    folder = tmp_path_factory.mktemp("contrastive")
    (folder / "pictures").mkdir()
    lines = ["recording,caption"]
    for number, caption in enumerate(["a mouse", "a fly", "a worm", "two flies", "a zebrafish", "a mouse"]):
        Image.new("RGB", (24, 20), (40 * number, 200 - 30 * number, 90)).save(folder / f"pictures/{number}.png")
        lines.append(f"{number}.png,{caption}")
    (folder / "captions.csv").write_text("\n".join(lines) + "\n")
    make_tokenizer(folder / "toy.model")
    (folder / "run.toml").write_text(TOML.format(folder=folder.as_posix(), run=(folder / "run").as_posix()))
    return read_settings(ContrastiveSettings, folder / "run.toml")


def test_pictures_and_captions_become_a_model(settings):
    """From a settings file to a folder that is read like any model; pictures are clips of one frame."""
    result = run(settings)
    assert result.steps == 4
    lines = [json.loads(line) for line in (Path(settings.out) / "metrics.jsonl").read_text().splitlines()]
    logged = {key for line in lines for key in line}
    assert {"loss", "temperature", "retrieval_v2t", "retrieval_t2v", "repeated_captions"} <= logged
    model = load_encoder(settings.out, precision="float32")
    assert model.config == settings.model
    ids, valid = load_tokenizer(settings.vocabulary)(["a mouse", "a fly"])
    texts = np.asarray(model.embed_text(ids, valid))
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, rtol=1e-5)
    start = load_encoder(settings.model, seed=0, precision="float32")
    assert np.abs(texts - np.asarray(start.embed_text(ids, valid))).max() > 1e-3
    provenance = json.loads((Path(settings.out) / "model.json").read_text())["provenance"]
    assert provenance["data"][0]["captions"] == "captions.csv"
    assert provenance["settings"]["vocabulary"] == "toy.model"
    assert str(Path(settings.out).parent) not in json.dumps(provenance)


def test_batches_have_what_the_stage_reads(settings):
    stream = make_stream(settings, module.make_stage(settings))
    try:
        batch = next(stream)
    finally:
        stream.close()
    assert batch["video"].shape == (4, 1, 18, 18, 3)
    assert batch["text"].shape == batch["text_valid"].shape == (4, 64)
    stage = module.make_stage(settings)
    rows = stage._rows(batch, jax.random.key(0))
    assert set(rows) == {"video", "valid", "text", "text_valid", "kept"}
    assert rows["kept"].shape == (4, 4)


def test_a_vocabulary_has_no_more_pieces_than_the_model(settings):
    assert read_vocabulary(settings, 36).size == 36
    with pytest.raises(SettingsError, match=r"at most the 35 pieces of the model, found 36 in toy\.model"):
        read_vocabulary(settings, 35)
    with pytest.raises(CheckpointError, match="SentencePiece"):
        read_vocabulary(ContrastiveSettings(vocabulary=str(Path(settings.vocabulary).with_name("captions.csv"))), 36)


def test_captions_are_asked_for(settings):
    from dataclasses import replace

    bare = replace(settings, data=(replace(settings.data[0], captions=None),))
    with pytest.raises(SettingsError, match="captions: expected a table of captions"):
        make_stream(bare, module.make_stage(bare))
