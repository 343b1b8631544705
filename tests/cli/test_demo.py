"""``vp-science demo`` and its figure."""

import dataclasses
import functools
import html
import re
import shlex
import webbrowser

import numpy as np
import pytest
import typer
from PIL import Image
from pipeline_tools import make_encoder, make_recording
from threadpoolctl import threadpool_limits

from vp_science.cli import demo
from vp_science.cli.app import app
from vp_science.embedding.run import embed
from vp_science.errors import MapError
from vp_science.maps import open_map, rename_clusters, save_map
from vp_science.plots import save, self_similarity, strip_frames
from vp_science.plots.similarity import average_steps, similarity_matrix
from vp_science.points import PointSettings
from vp_science.store.reader import open_embeddings

FILES = [
    "flies_male_crop.embeddings.h5",
    "flies_male_crop.labels.behaviors.json",
    "flies_male_crop.labels.csv",
    "flies_male_crop.labels.observed.csv",
    "flies_male_crop.map.h5",
    "flies_male_crop.png",
    "manifest.jsonl",
    "report.html",
]


@pytest.fixture
def quick(small_models, monkeypatch):
    """A coarse grid, and a layout that needs no compiler (tests/maps have the real one)."""
    from vp_science.maps import make

    monkeypatch.setattr(demo, "_FPS", 1.0)
    monkeypatch.setattr(make, "make_map", functools.partial(make.make_map, method="pca"))
    with threadpool_limits(1):  # small products, of which threads on a busy machine take far longer
        yield


@pytest.mark.usefixtures("quick")
def test_the_demo(run, tmp_path, monkeypatch):
    """All of it on the real recording, with a small encoder."""
    monkeypatch.chdir(tmp_path)
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    folder = tmp_path / "results"
    code, out, err = run("demo", "--out", folder, "--precision", "float32")
    assert code == 0, err
    assert sorted(path.name for path in folder.iterdir()) == FILES
    for name in (FILES[0], FILES[2], FILES[4], FILES[5], FILES[7]):
        assert str(folder / name) in out
    assert "(120 frames x 32 numbers)" in out
    assert "vp-science embed" in out
    assert not opened
    with Image.open(folder / "flies_male_crop.png") as picture:
        picture.load()
        assert min(picture.size) > 800
        assert len(np.unique(np.asarray(picture.convert("L")))) > 100
    check_page((folder / "report.html").read_text(encoding="utf-8"))
    check_names_stay(folder / "flies_male_crop.map.h5")
    monkeypatch.setattr(demo, "_make_page", lambda track, out: out / "report.html")
    code, _, err = run("demo", "--out", folder, "--precision", "float32", "--open")
    assert code == 0
    assert "skipped flies_male_crop: complete already" in err
    assert opened == [(folder / "report.html").as_uri()]


def check_names_stay(path):
    """Somebody names clusters, as the page says, and runs the demo again."""
    made = open_map(path)
    save_map(rename_clusters(made, {1: "song"}), path, overwrite=True)
    assert demo._keep_map(made, path).names()[1] == "song"
    with pytest.raises(MapError, match=r"the map of an earlier demo .* found another one .*or choose another"):
        demo._keep_map(dataclasses.replace(made, settings=PointSettings(unit="frames")), path)


def check_page(page):
    """Everything is there, inside, and light; commands are commands of ours."""
    assert len(page) < 5_000_000
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == [
        "What was embedded",
        "Which moments look alike",
        "A map of the recording",
        "Clusters, to look at and to name",
        "What the fly did",
        "Moments that fit a sentence",
        "What a probe finds where it never learned",
        "Next steps",
    ]
    assert "its weights are random numbers" in page
    assert "Trustees of Princeton University" in page
    images = re.findall(r'<img src="data:image/(\S+?);base64,[^"]+" alt="([^"]+)"', page)
    assert len(images) == page.count("<img") == 1 + 3 + 6 + 2 + 5 + 2
    assert len({alt for _, alt in images}) == len(images)
    for word in ("wing extension", "walking"):
        row = re.findall(rf"<td[^>]*>{word}</td><td[^>]*>probe</td><td>(.*?)</td>", page)
        assert len(row) == 1
        assert 0 < float(row[0]) <= 1
    for sentence, behavior in (("a fly extends one wing", "wing extension"), ("a fly walks forward", "walking")):
        [(precision, chance)] = re.findall(
            rf"{sentence}</td><td[^>]*>{behavior}</td><td>(.*?)</td><td>(.*?)</td>", page
        )
        assert 0 < float(precision) <= 1
        assert 0 < float(chance) < 1
    commands = html.unescape(re.sub("<[^>]+>", "", re.search(r"<pre>(.*?)</pre>", page, re.DOTALL)[1]))
    lines = [line for line in commands.splitlines() if line.startswith("vp-science ")]
    assert len(lines) >= 8
    for line in lines:
        check_command(shlex.split(line)[1:])


def check_command(words):
    """A verb of ours, with options that it knows and all that it needs."""
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    command.make_context("verb", words)


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
