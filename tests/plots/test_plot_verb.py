"""``vp-science plot``: the same figures from files."""

import numpy as np
import pytest
from map_study import pca_map
from probe_study import write_study
from typer.testing import CliRunner

from vp_science.annotations.formats import write_annotations
from vp_science.cli.plot import app
from vp_science.cli.plot_inputs import read_inputs
from vp_science.errors import FigureError, ProbeError
from vp_science.maps import save_map
from vp_science.store.ethogram import Annotated, write_ethogram_file
from vp_science.timeline.ethogram import scored, to_ethogram

UNTRAINED = {"tracks": [{"checkpoint": "seed:0 (untrained)"}]}


def plot(*arguments):
    """Run the verb; its error is raised, what it printed is returned."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def draw(folder, *arguments):
    """The SVG that the verb wrote, as text."""
    out = folder / "figure.svg"
    assert str(out) in plot(*arguments, "--out", out).replace("\n", "")
    content = out.read_text(encoding="utf-8")
    out.unlink()
    return content


@pytest.fixture(scope="module")
def files(tmp_path_factory, report):
    """Tracks, labels, ethograms and bouts of a model, a map, an evaluation and a table of recordings."""
    folder = tmp_path_factory.mktemp("study")
    tracks, labels = write_study(folder, num_recordings=2, num_rows=160, noise=0.25)
    rng = np.random.default_rng(0)
    found = []
    for track in tracks:
        truth = to_ethogram(labels, track.recording_id, track.time_s)
        scores = np.clip(0.7 * (truth.states == 1) + 0.3 * rng.random(truth.states.shape), 0, 1).astype(np.float32)
        found.append(scored(scores, (scores > 0.5).astype(np.int8), truth))
        path = folder / "found" / f"{track.recording_id}.ethogram.h5"
        path.parent.mkdir(exist_ok=True)
        write_ethogram_file(path, Annotated("probe-1", track.recording_id, found[-1:], UNTRAINED), "test")
    write_annotations(found[0].to_annotations("model:probe-1"), folder / "model.csv")
    save_map(pca_map(tracks), folder / "map.h5")
    report.save(folder / "evaluation")
    (folder / "table.csv").write_text("recording,animal,dose\nrec0,m1,low\nrec1,m2,high\n")
    return folder


def test_labels_and_predictions_are_told_apart(files):
    read = read_inputs([str(files / "labels.csv"), str(files / "found")], None, None)
    assert read.labels is not None
    assert [one.recording for one in read.ethograms] == ["rec0", "rec1"]
    assert read.untrained
    assert read.found is None
    read = read_inputs([str(files / "model.csv")], None, None)
    assert read.labels is None
    assert read.found is not None
    assert not read.untrained


def test_an_ethogram_of_labels_and_predictions(files):
    content = draw(files, "ethogram", files / "labels.csv", files / "found", "--title", "Two mice")
    for words in (
        "Two mice",
        "labels",
        "predictions",
        "score, 0 to 1",
        "rec0",
        "rec1",
        "untrained encoder",
        "time (s)",
    ):
        assert words in content
    only = draw(files, "ethogram", files / "labels.csv", "--only", "rec1", "--behaviors", "rear,walk")
    assert "rec1" in only
    assert "rec0" not in only
    assert "groom" not in only
    below = draw(files, "ethogram", files / "labels.csv", "--below", files / "labels.csv")
    assert "predictions" in below


def test_a_map_with_pictures_needs_both(files):
    for by, words in (("cluster", "cluster 3"), ("recording", "rec1"), ("time", "time since the start")):
        assert words in draw(files, "map", files / "map.h5", "--color", by)
    assert "background" in draw(files, "map", files / "map.h5", "-c", "behavior", "--labels", files / "labels.csv")
    scores = ("--scores", files / "found", "--behavior", "walk")
    assert "score of walk" in draw(files, "map", files / "map.h5", "-c", "score", *scores)
    with pytest.raises(FigureError, match="expected --recordings and --tracks together, for pictures, found one"):
        plot("map", files / "map.h5", "--tracks", files / "tracks", "--out", files / "x.png")


def test_similarity_of_a_track(files):
    assert "alike" in draw(files, "similarity", files / "tracks" / "rec0.embeddings.h5")


def test_evaluations_are_drawn_again(files):
    assert "walk" in draw(files, "confusion", files / "evaluation")
    assert "AP" in draw(files, "precision-recall", files / "evaluation" / "evaluation.json", "--behavior", "walk")
    assert "score" in draw(files, "reliability", files / "evaluation")


def test_labels_and_ethograms_are_evaluated(files):
    both = (files / "labels.csv", files / "found")
    for kind, words in (("confusion", "background"), ("precision-recall", "(AP 1.00)"), ("reliability", "as it says")):
        content = draw(files, kind, *both)
        assert words in content
        assert "untrained encoder" in content
    with pytest.raises(FigureError, match=r"expected evaluation.json, or labels together with .*found no ethograms"):
        plot("confusion", files / "labels.csv", "--out", files / "x.png")
    with pytest.raises(FigureError, match=r"expected evaluation.json, or labels together with .*found no labels"):
        plot("reliability", files / "found", "--out", files / "x.png")


def test_a_budget_with_groups(files):
    groups = ("--table", files / "table.csv", "--group-by", "dose")
    content = draw(files, "budget", files / "labels.csv", *groups)
    assert "low  (1 animal)" in content
    assert "one animal per group: no intervals" in content
    assert "share of observed time" in draw(files, "budget", files / "found")


def test_transitions_as_counts(files):
    assert "number of transitions" in draw(files, "transitions", files / "labels.csv", "--show", "counts")
    with pytest.raises(FigureError, match="expected labels or predictions, found both: draw a figure of each"):
        plot("transitions", files / "labels.csv", files / "found", "--out", files / "x.png")


def test_endings_and_files_are_checked_first(files):
    with pytest.raises(FigureError, match=r"expected a figure file ending in .png, .svg or .pdf, found 'x.tif'"):
        plot("ethogram", files / "nothing.csv", "--out", files / "x.tif")
    with pytest.raises(ProbeError, match=r"the pattern .* matches no file"):
        plot("ethogram", files / "*.xyz", "--out", files / "x.png")
    with pytest.raises(FigureError, match=r"expected .ethogram.h5 files in .*tracks, found none"):
        plot("ethogram", files / "tracks", "--out", files / "x.png")
    with pytest.raises(FigureError, match=r"found 'wlak': did you mean 'walk'\?"):
        plot("ethogram", files / "labels.csv", "--behaviors", "wlak", "--out", files / "x.png")
    assert not (files / "x.png").exists()
