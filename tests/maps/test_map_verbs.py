"""``vp-science map``: every verb, on a study in files."""

import json

import probe_study
import pytest
from typer.testing import CliRunner

from vp_science.annotations.formats import read_annotations
from vp_science.cli.map import app
from vp_science.errors import MapError
from vp_science.maps import open_map

QUICK = ("--method", "pca", "--unit", "frames", "--cluster", "kmeans", "--num-clusters", 4, "--stability-repeats", 2)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    probe_study.write_study(folder, num_recordings=3, num_rows=120, noise=0.25)
    run(
        "make",
        *[folder / "tracks" / f"rec{number}.embeddings.h5" for number in range(2)],
        "-o",
        folder / "map.h5",
        *QUICK,
    )
    return folder


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_map_is_made_printed_and_not_replaced(files):
    made = open_map(files / "map.h5")
    assert made.recordings == ("rec0", "rec1")
    assert made.model.settings.num_clusters == 4
    record = json.loads(run("clusters", files / "map.h5", "--json"))
    assert record["id"] == made.id
    assert [row["size"] for row in record["clusters"]] == made.clusters["size"].tolist()
    assert all(0 <= row["stability"] <= 1 for row in record["clusters"])
    assert record["clusters"][0]["medoid"].startswith(("rec0@", "rec1@"))
    text = run("clusters", files / "map.h5")
    assert made.id in text
    assert "stability" in text
    with pytest.raises(MapError, match="expected no file at"):
        run("make", files / "tracks", "-o", files / "map.h5", *QUICK)


def test_recordings_are_added(files, tmp_path):
    track = files / "tracks" / "rec2.embeddings.h5"
    record = json.loads(run("add", files / "map.h5", track, "-o", tmp_path / "both.h5", "--json"))
    assert record["recordings"] == ["rec0", "rec1", "rec2"]
    assert open_map(tmp_path / "both.h5").id == open_map(files / "map.h5").id
    run("add", files / "map.h5", track, "-o", tmp_path / "new.h5", "--only-new")
    assert open_map(tmp_path / "new.h5").recordings == ("rec2",)


def test_clusters_are_compared_with_labels(files):
    record = json.loads(run("relate", files / "map.h5", "-l", files / "labels.csv", "--json"))
    assert record["ami"] > 0.5
    assert record["unlabelled"] == []
    text = run("relate", files / "map.h5", "-l", files / "labels.csv")
    assert "AMI" in text
    assert "walk" in text


def test_names_are_stored_and_become_bouts(files, tmp_path):
    named = tmp_path / "named.h5"
    before = (files / "map.h5").read_bytes()
    run("name", files / "map.h5", "0=walk", "2=walk", "1= groom ", "-o", named)
    assert (files / "map.h5").read_bytes() == before
    run("name", named, "2=")
    assert open_map(named).clusters["name"].tolist() == ["walk", "groom", "", ""]
    record = json.loads(run("bouts", named, "-o", tmp_path / "bouts.csv", "--json"))
    found = read_annotations([tmp_path / "bouts.csv"])
    assert record["bouts"] == {name: int((found.bouts["behavior"] == name).sum()) for name in ("walk", "groom")}
    assert set(found.bouts["source"]) == {f"model:{open_map(named).id}"}
    for wrong, message in (("walk", "expected names such as 3=grooming, found 'walk'"), ("9=x", "found 9")):
        with pytest.raises(MapError, match=message):
            run("name", named, wrong)
    with pytest.raises(MapError, match="expected one name for cluster 1, found two"):
        run("name", named, "1=a", "1=b")
