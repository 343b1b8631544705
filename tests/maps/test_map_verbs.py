"""``vp-science map``: every verb, on a study in files."""

import json

import numpy as np
import picture_tools
import probe_study
import pytest
from PIL import Image
from typer.testing import CliRunner

from vp_science.annotations.formats import read_annotations
from vp_science.cli.map import app
from vp_science.errors import MapError
from vp_science.maps import open_map
from vp_science.store.plan import RecordingFacts
from vp_science.store.writer import EmbeddingWriter
from vp_science.timeline.grid import SampleGrid, plan_windows
from vp_science.video.open import open_recording

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


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """Videos, tracks of them whose vectors tell the first half from the second, and a map with a cluster for each."""
    folder = tmp_path_factory.mktemp("filmed")
    for number, name in enumerate(("a", "b")):
        path = picture_tools.write_lossless(folder / "videos" / f"{name}.mkv", picture_tools.counting_frames(40))
        with open_recording(path) as recording:
            grid, windows = SampleGrid.from_timestamps(recording.time_s), plan_windows(40, 4, 2)
            mark = recording.fingerprint()
            facts = RecordingFacts(name, None, mark.num_bytes, mark.sha256, 40)
            provenance = probe_study.provenance(40, 4, 2, source=recording.source)
        noise = 0.1 * np.random.default_rng(number).normal(size=(40, 3))
        vectors = (noise + np.repeat([[0, 0, 0], [5, 0, 0]], 20, axis=0)).astype(np.float32)
        out, shown, none = folder / "tracks" / f"{name}.embeddings.h5", np.arange(40), np.zeros(0, np.int64)
        with EmbeddingWriter.open(out, provenance, facts, grid, windows, 3, len(windows)) as writer:
            writer.write_segment(0, vectors[:, None], vectors[windows.start], shown, none)
            writer.finish()
    options = ("--method", "pca", "--unit", "frames", "--cluster", "kmeans", "--num-clusters", 2)
    run("make", folder / "tracks", "-o", folder / "map.h5", *options, "--picture", folder / "map.svg")
    run("name", folder / "map.h5", "0=sit/../../stand")
    return folder


def test_clusters_become_sheets_and_videos_of_their_moments(filmed):
    where = ("--tracks", filmed / "tracks", "--recordings", filmed / "videos", "--out", filmed / "out", "--json")
    sheets = json.loads(run("sheets", filmed / "map.h5", *where, "--count", 2))["files"]
    assert [path.rsplit("/", 1)[1] for path in sheets] == ["cluster_000_sit_stand.png", "cluster_001.png"]
    made = open_map(filmed / "map.h5")
    late = made.start_s[made.clusters["medoid"]] >= 2.0
    assert sorted(late) == [False, True]
    for path, second_half in zip(sheets, late, strict=True):
        sheet = np.asarray(Image.open(path).convert("RGB"), int)
        first_strip = sheet[110:150, 20:100]
        assert (first_strip == first_strip[..., :1]).all(), "frames are grey"
        assert (np.median(first_strip) >= 20 * picture_tools.STEP) == second_half
    videos = json.loads(run("montage", filmed / "map.h5", *where, "--cluster", 1, "--count", 2))["files"]
    assert [path.rsplit("/", 1)[1] for path in videos] == ["cluster_001.mp4"]
    assert (filmed / "out" / "cluster_001.mp4").stat().st_size > 1000
    assert (filmed / "map.svg").read_text().startswith("<?xml")


def test_pictures_come_from_the_tracks_of_the_map(filmed, files, tmp_path):
    def draw(map_file, tracks, *more):
        run("sheets", map_file, "-t", tracks, "-r", filmed / "videos", "-o", tmp_path / "none", *more)

    with pytest.raises(MapError, match="expected the tracks of all recordings shown, found none of a, b"):
        draw(filmed / "map.h5", files / "tracks")
    with pytest.raises(MapError, match="expected a cluster from 0 to 1, found 5"):
        draw(filmed / "map.h5", filmed / "tracks", "--cluster", 5)
    for name in ("a", "b"):
        probe_study.write_track(probe_study.make_track(name, np.zeros((40, 3)), 10.0, 4, 2), tmp_path / "others")
    with pytest.raises(MapError, match="found those of other recordings called a, b"):
        draw(filmed / "map.h5", tmp_path / "others")
    assert not (tmp_path / "none").exists()
