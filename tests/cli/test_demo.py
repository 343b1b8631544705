"""``vp-science demo`` and its figure."""

import numpy as np
import pytest
from PIL import Image
from pipeline_tools import make_encoder, make_recording

from vp_science.embedding import embed
from vp_science.plots import save, self_similarity, strip_frames
from vp_science.plots.similarity import average_steps, similarity_matrix
from vp_science.store.reader import open_embeddings


@pytest.mark.usefixtures("small_models")
def test_the_demo(run, tmp_path, monkeypatch):
    """All of it on the real recording, with a small encoder and a coarse grid."""
    from vp_science.cli import demo

    monkeypatch.setattr(demo, "_FPS", 1.0)
    monkeypatch.chdir(tmp_path)
    code, out, err = run("demo", "--out", tmp_path / "results", "--precision", "float32")
    assert code == 0, err
    folder = tmp_path / "results"
    names = ["flies_male_crop.embeddings.h5", "flies_male_crop.png", "manifest.jsonl"]
    assert sorted(path.name for path in folder.iterdir()) == names
    for name in names[:2]:
        assert str(folder / name) in out
    assert "(120 frames x 32 numbers)" in out
    assert "vp-science embed" in out
    with Image.open(folder / "flies_male_crop.png") as picture:
        picture.load()
        assert min(picture.size) > 800
        assert len(np.unique(np.asarray(picture.convert("L")))) > 100
    code, _, err = run("demo", "--out", tmp_path / "results", "--precision", "float32")
    assert code == 0
    assert "skipped flies_male_crop: complete already" in err


@pytest.mark.parametrize("num_source", [1, 3, 60])
def test_recordings_of_any_length_can_be_drawn(tmp_path, num_source, encoder_of_plots):
    recording = make_recording(num_source)
    [result] = embed(recording, encoder_of_plots, out=tmp_path, num_frames=4, stride=2, spatial_pool=2)
    with open_embeddings(result.output) as embeddings:
        axes = self_similarity(embeddings, frames=strip_frames(embeddings, recording), title="a [b] $c$ & d")
        save(axes, tmp_path / "x.png")
        assert average_steps(embeddings).shape == (-(-num_source // 2), 32)
    with Image.open(tmp_path / "x.png") as picture:
        picture.load()
        assert min(picture.size) > 500


@pytest.fixture(scope="module")
def encoder_of_plots():
    return make_encoder()


def test_similarity_matrix():
    track = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float16)
    expected = np.kron(np.array([[1, -1], [-1, 1]]), np.ones((2, 2)))
    np.testing.assert_allclose(similarity_matrix(track), expected, atol=1e-3)
    np.testing.assert_array_equal(similarity_matrix(np.ones((3, 2), np.float32)), np.zeros((3, 3)))
