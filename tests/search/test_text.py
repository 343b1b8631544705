"""Search by text with a stand-in for the text model: which vectors are compared, and which tracks can be."""

import numpy as np
import pytest
from search_study import DIM, dancing, is_dance, make_track

from vp_science.errors import CheckpointError, SettingsError
from vp_science.points import PointSettings
from vp_science.search import build_index, find, open_index

WORDS = {"dancing": 1, "sitting": 3}


@pytest.fixture
def embedder(monkeypatch):
    """Texts become directions; what the embedder was asked is kept."""
    import vp_science.text

    asked = []

    def embed_texts(texts, source, *, weights=None, tokenizer=None, offline=False):
        asked.append((list(texts), source, weights, tokenizer, offline))
        return np.eye(DIM, dtype=np.float32)[[WORDS[text] for text in texts]]

    monkeypatch.setattr(vp_science.text, "embed_texts", embed_texts)
    return asked


@pytest.fixture
def tracks():
    """Windows of a video-text model."""
    return [
        make_track(track.recording_id, np.asarray(track.track)[:, 0], encoder_config={"vocabulary_size": 7})
        for track in dancing()
    ]


def peaks_are_dance(table):
    return [is_dance(r.recording, (r.peak_start_s + r.peak_stop_s) / 2) for r in table.itertuples()]


def test_a_text_finds_what_it_names_with_whole_vectors(tracks, embedder):
    results = find(tracks, text="dancing", limit=7, offline=True)
    assert peaks_are_dance(results.to_pandas())[:6] == [True] * 6
    assert results.options.common == "none"
    rows = np.asarray(results.index.rows)
    np.testing.assert_allclose(results.scores, rows[:, 1], atol=1e-6)
    ((texts, source, *_, offline),) = embedder
    assert (texts, offline) == (["dancing"], True)
    assert source.provenance == tracks[0].provenance
    assert repr(results).count('"dancing"') == 1


def test_an_index_knows_its_model_without_tracks(tracks, embedder, tmp_path):
    build_index(tracks, tmp_path / "i.h5")
    index = open_index(tmp_path / "i.h5")
    assert index.contrastive
    assert peaks_are_dance(find(index, text="dancing", limit=6).to_pandas()) == [True] * 6
    assert embedder[0][1].provenance == tracks[0].provenance


def test_answers_sharpen_a_text(tracks, embedder):
    results = find(tracks, text=["dancing", "sitting"], limit=6)
    assert results.query.texts == ("dancing", "sitting")
    refined = results.refine(yes="a@4-6", no="b@1-2")
    peak = refined.index.points_of(refined.query.like[0])
    no = refined.index.points_of(refined.query.unlike[0])
    assert (
        refined.scores[peak].mean() - refined.scores[no].mean()
        > results.scores[peak].mean() - results.scores[no].mean()
    )
    assert refined.id != results.id


@pytest.mark.parametrize("points", [PointSettings(unit="frames"), PointSettings(context=3)])
def test_other_points_have_no_texts(tracks, embedder, points):
    with pytest.raises(SettingsError, match="windows of a video-text model to compare with a text"):
        find(tracks, text="dancing", points=points)
    assert not embedder


def test_a_model_of_another_width_is_refused(tracks, monkeypatch):
    import vp_science.text

    monkeypatch.setattr(vp_science.text, "embed_texts", lambda *_, **__: np.eye(5, dtype=np.float32)[:1])
    with pytest.raises(SettingsError, match="a model whose texts have 24 numbers, as the tracks have, found 5"):
        find(tracks, text="dancing")


def test_the_model_of_the_tracks_is_really_asked_for():
    """Without a stand-in: the weights that these tracks name are not there."""
    made = {"model": "videoprism-lvt-base", "encoder_config": {"vocabulary_size": 7}}
    with pytest.raises(CheckpointError, match=r"nowhere\.npz"):
        find([make_track("a", np.ones((60, DIM)), **made)], text="dancing", weights="nowhere.npz", offline=True)


@pytest.mark.filterwarnings("ignore::vp_science.checkpoints.tokenizer.TextWarning")
def test_scores_are_those_of_text_scores(tmp_path):
    """With a real (small) video-text model, from pixels to results."""
    from pipeline_tools import PREPROCESS, make_recording
    from toy_tokenizer import make_tokenizer

    import vp_science as vp
    from vp_science.encoder.config import VideoTextConfig

    sizes = (18, (4, 2, 2), 32, 1, 1, 2, 64)
    config = VideoTextConfig(*sizes, num_auxiliary_layers=1, num_unimodal_layers=1, vocabulary_size=50)
    model = vp.load_encoder(config, precision="float32", seed=3)
    tokenizer = make_tokenizer(tmp_path / "toy.model")
    [made] = vp.embed(make_recording(13), model, out=tmp_path, num_frames=4, stride=2, preprocess=PREPROCESS)
    with vp.open_embeddings(made.output) as track:
        expected = vp.text_scores(track, ["a mouse grooming"], model=model, tokenizer=tokenizer)
        loaded = find([track], text="a mouse grooming", tokenizer=tokenizer, merge_gap_s=0)
        given = find([track], text="a mouse grooming", tokenizer=tokenizer, model=model)
    np.testing.assert_allclose(loaded.scores, expected["a mouse grooming"], atol=1e-5)
    np.testing.assert_array_equal(loaded.scores, given.scores)
    assert loaded.to_pandas()["score"][0] == pytest.approx(expected["a mouse grooming"].max(), abs=1e-5)
