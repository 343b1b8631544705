"""Video-text models in the pipeline: window vectors that sentences are compared with."""

import numpy as np
import pytest
from pipeline_tools import PREPROCESS, make_encoder, make_recording, write_video
from toy_tokenizer import make_tokenizer

import vp_science as vp
from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.save import save_weights
from vp_science.checkpoints.tokenizer import TextWarning, load_tokenizer
from vp_science.embedding.run import embed
from vp_science.encoder.config import ClassifierConfig, VideoTextConfig
from vp_science.errors import CheckpointError, SettingsError
from vp_science.store.reader import open_embeddings
from vp_science.text import embed_texts, load_text_model, text_scores

SIZES = (18, (4, 2, 2), 32, 1, 1, 2, 64)
CONFIG = VideoTextConfig(*SIZES, num_auxiliary_layers=1, num_unimodal_layers=1, vocabulary_size=50)
TEXTS = ["a mouse grooming", "two flies walk"]
QUICK = {"num_frames": 4, "stride": 2, "preprocess": PREPROCESS}

pytestmark = pytest.mark.filterwarnings("ignore::vp_science.checkpoints.tokenizer.TextWarning")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return make_tokenizer(tmp_path_factory.mktemp("spm") / "toy.model")


@pytest.fixture(scope="module")
def model():
    return load_encoder(CONFIG, precision="float32", seed=3)


@pytest.fixture(scope="module")
def track(model, tmp_path_factory):
    [result] = embed(make_recording(13), model, out=tmp_path_factory.mktemp("tracks"), **QUICK)
    with open_embeddings(result.output) as opened:
        yield opened


def test_windows_hold_the_contrastive_vector(model, track):
    recording = make_recording(13)
    frames = np.stack([f.pixels for f in recording.decode(np.arange(13), PREPROCESS)]).astype(np.float32) / 255
    clips = np.stack([frames[a:b] for a, b in zip(track.window_start, track.window_stop, strict=True)])
    assert track.contrastive
    np.testing.assert_allclose(track.window[:], model.embed_video(clips), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(track.window[:], axis=1), 1, atol=1e-6)
    assert track.provenance.encoder_config == CONFIG.to_json()


def test_scores_are_products_of_unit_vectors(model, track, tokenizer):
    scores = vp.text_scores(track, TEXTS, tokenizer=tokenizer)
    assert list(scores.columns) == ["recording", "start_s", "stop_s", *TEXTS]
    assert (scores["recording"] == track.recording_id).all()
    np.testing.assert_allclose(scores["start_s"], track.time_s[track.window_start])
    ids, valid = load_tokenizer(tokenizer)(TEXTS)
    expected = track.window[:] @ np.asarray(model.embed_text(ids, valid)).T
    np.testing.assert_allclose(scores[TEXTS].to_numpy(), expected, atol=1e-6)
    assert (np.abs(expected) <= 1 + 1e-6).all()
    given = text_scores([track], TEXTS, model=model, tokenizer=tokenizer)
    np.testing.assert_allclose(given[TEXTS].to_numpy(), expected, atol=1e-6)


def test_many_texts_are_embedded_in_batches(model, tokenizer, monkeypatch):
    texts = [f"a mouse {i}" for i in range(7)]
    whole = embed_texts(texts, model, tokenizer=tokenizer)
    monkeypatch.setattr("vp_science.text._BATCH", 3)
    np.testing.assert_allclose(embed_texts(texts, model, tokenizer=tokenizer), whole, atol=1e-6)


def test_an_untrained_model_is_said_to_be_one(model, tokenizer):
    with pytest.warns(TextWarning, match="the model is untrained: its scores of texts say nothing"):
        embed_texts(TEXTS, model, tokenizer=tokenizer)


def test_weights_of_the_user_are_named_and_checked(model, tmp_path, tokenizer):
    path = save_weights(model, tmp_path / "mine.npz")
    mine = load_encoder(CONFIG, path, "float32")
    [result] = embed(make_recording(9), mine, out=tmp_path / "t", **QUICK)
    with open_embeddings(result.output) as track:
        found = text_scores(track, TEXTS, weights=path, tokenizer=tokenizer)
        expected = text_scores(track, TEXTS, model=mine, tokenizer=tokenizer)
        np.testing.assert_array_equal(found[TEXTS], expected[TEXTS])
        other = save_weights(load_encoder(CONFIG, seed=4), tmp_path / "other.npz")
        with pytest.raises(CheckpointError, match=r"expected the weights that the track of .* was made with"):
            load_text_model(track, weights=other)


def test_tracks_without_such_vectors_are_refused(tmp_path, tokenizer):
    [result] = embed(make_recording(9), make_encoder(), out=tmp_path, **QUICK)
    with open_embeddings(result.output) as track:
        assert not track.contrastive
        with pytest.raises(SettingsError, match=r"a track of a video-text model, found one of .*videoprism-lvt-base"):
            text_scores(track, TEXTS, tokenizer=tokenizer)


def test_mistakes_in_texts(track, model, tokenizer, tmp_path):
    with pytest.raises(SettingsError, match="expected every text once"):
        text_scores(track, ["a", "a"], tokenizer=tokenizer)
    bigger = VideoTextConfig(*SIZES, num_auxiliary_layers=1, num_unimodal_layers=1, vocabulary_size=20)
    with pytest.raises(CheckpointError, match="at most the 20 pieces that custom knows, found 36"):
        embed_texts(TEXTS, load_encoder(bigger, seed=0), tokenizer=tokenizer)


def test_a_name_instead_of_an_encoder(tmp_path, monkeypatch):
    from dataclasses import replace

    from vp_science.checkpoints import registry

    small = tuple(
        replace(spec, config=CONFIG, bundled=None, seed=0) if spec.name == "videoprism-lvt-tiny" else spec
        for spec in registry._SPECS
    )
    monkeypatch.setattr(registry, "_SPECS", small)
    video = write_video(tmp_path / "m.avi")
    [result] = vp.embed(video, model="videoprism-lvt-tiny", out=tmp_path / "t", **QUICK)
    with vp.open_embeddings(result.output) as track:
        assert track.contrastive
        assert track.provenance.model == "videoprism-lvt-tiny"
    with pytest.raises(SettingsError, match="expected an encoder or the name of a model, found neither"):
        vp.embed(video, out=tmp_path / "t")
    with pytest.raises(SettingsError, match="found both"):
        vp.embed(video, make_encoder(), model="videoprism-tiny", out=tmp_path / "t")


def test_classifiers_embed_with_what_their_logits_are_read_from(tmp_path):
    model = load_encoder(ClassifierConfig(*SIZES, num_classes=3), precision="float32", seed=0)
    [result] = embed(make_recording(9), model, out=tmp_path, **QUICK)
    with open_embeddings(result.output) as track:
        assert not track.contrastive
        assert track.window.shape[1] == 32
        assert not np.allclose(track.window[0], np.asarray(track.track[:4], np.float32).mean(axis=(0, 1)), atol=0.1)
