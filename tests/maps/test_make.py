"""Making a map: what goes in, what is refused, and how much memory it takes."""

import sys
import tracemalloc

import map_study
import numpy as np
import pandas as pd
import probe_study
import pytest

from vp_science.errors import MapError, MissingExtraError, ProbeError
from vp_science.maps import make as making
from vp_science.maps import make_map, projection, relate
from vp_science.points import PointSettings, open_points


def test_a_map_says_where_every_moment_lies(study, small_map):
    table = small_map.to_pandas()
    assert list(table.columns) == ["recording", "start_s", "stop_s", "x", "y", "cluster", "cluster_name", "strength"]
    assert len(table) == sum(len(track) for track in study[0])
    assert table.groupby("recording").size().to_dict() == {track.recording_id: len(track) for track in study[0]}
    points = open_points(study[0], map_study.FRAMES)
    np.testing.assert_array_equal(table["start_s"], points.start_s)
    assert set(table["cluster_name"]) == {"cluster 0", "cluster 1", "cluster 2", "cluster 3"}
    clusters = small_map.clusters
    assert list(clusters.columns) == ["name", "size", "seconds", "stability", "medoid"]
    assert clusters["size"].is_monotonic_decreasing
    assert clusters["size"].sum() == len(small_map)
    assert clusters["seconds"].sum() == pytest.approx(sum(len(track) for track in study[0]) / 25)
    assert (small_map.cluster[clusters["medoid"]] == clusters.index).all()
    assert clusters["stability"].isna().all()


def test_coordinates_of_pca_are_the_first_two_components(study, small_map):
    vectors = open_points(study[0], map_study.FRAMES).read(slice(None)).astype(np.float64)
    centered = vectors - vectors.mean(axis=0)
    expected = centered @ np.linalg.svd(centered, full_matrices=False)[2][:2].T
    np.testing.assert_allclose(np.abs(small_map.coordinates), np.abs(expected), atol=1e-4)


def test_recordings_can_be_placed_in_maps_of_every_method(study, small_map):
    placed = small_map.transform(study[0][1:2])
    rows = small_map.recording == 1
    np.testing.assert_allclose(placed.coordinates, small_map.coordinates[rows], atol=1e-5)
    np.testing.assert_array_equal(placed.cluster, small_map.cluster[rows])
    assert placed.clusters["size"].tolist() == np.bincount(placed.cluster, minlength=4).tolist()
    assert placed.provenance["placed_in"] == small_map.id == placed.id


@pytest.mark.parametrize("options", [{"method": "tsne", "perplexity": 10}, {"method": "pacmap"}])
def test_layouts_that_place_nothing_themselves_take_the_nearest_points(study, options):
    if options["method"] == "pacmap":
        pytest.importorskip("pacmap")
    short = list(probe_study.make_study(2, 100, noise=0.25)[0])
    made = make_map(short[:1], settings=map_study.FRAMES, num_pca=5, stability_repeats=0, **options)
    again = made.transform(short[:1])
    np.testing.assert_allclose(again.coordinates, made.coordinates, atol=1e-5 * np.ptp(made.coordinates))
    placed = made.transform(short[1:]).coordinates
    assert (placed >= made.coordinates.min(axis=0)).all()
    assert (placed <= made.coordinates.max(axis=0)).all()


def test_centering_recordings_takes_away_what_parts_them():
    tracks, labels = probe_study.make_study(3, 240, noise=0.25)
    for number, track in enumerate(tracks):
        track.track = (track.track + 5 * np.eye(12, dtype=np.float32)[4 + number]).astype(np.float32)
    parted = map_study.pca_map(tracks, num_pca=3)
    centered = map_study.pca_map(tracks, num_pca=3, center_recordings=True)
    assert relate(parted, labels).ami_recordings > 0.8
    assert relate(centered, labels).ami_recordings < 0.05
    assert relate(centered, labels).ami > relate(parted, labels).ami + 0.3
    assert centered.transform(tracks[:1]).coordinates == pytest.approx(
        centered.coordinates[centered.recording == 0], abs=1e-4
    )


def test_unit_length_compares_directions():
    tracks, _ = probe_study.make_study(1, 60, noise=0.25)
    louder = probe_study.make_track("rec0", tracks[0].track[:, 0] * np.linspace(1, 9, 60)[:, None])
    here, there = (map_study.pca_map([track], num_pca=3, unit_length=True) for track in (tracks[0], louder))
    np.testing.assert_allclose(here.coordinates, there.coordinates, atol=1e-5)


def test_what_cannot_be_mapped_is_refused(study, small_map):
    tracks = study[0]
    with pytest.raises(MapError, match=r"expected at least 20 points to map, found 10: .*PointSettings\(unit='frames'"):
        map_study.pca_map([probe_study.make_track("a", np.eye(10, 12))])
    with pytest.raises(MapError, match="expected points that differ, found 40 equal ones"):
        map_study.pca_map([probe_study.make_track("a", np.ones((40, 12)))])
    broken = np.random.default_rng(0).normal(size=(40, 12))
    broken[7, 3] = np.inf
    with pytest.raises(MapError, match="expected finite embeddings, found others in the track of 'bad'"):
        map_study.pca_map([tracks[0], probe_study.make_track("bad", broken)])
    with pytest.raises(MapError, match="one track per recording, found several of rec0"):
        map_study.pca_map([tracks[0], tracks[0]])
    with pytest.raises(MapError, match=r"expected options among .*num_pca.* found something else"):
        make_map(tracks, neighbours=3)
    with pytest.raises(MapError, match=r"unit belongs to settings=vp.maps.PointSettings"):
        make_map(tracks, unit="frames")
    other = probe_study.make_track("x", np.zeros((40, 12)), num_frames=4)
    with pytest.raises(ProbeError, match="num_frames"):
        small_map.transform([other])
    with pytest.raises(MapError, match="expected a cluster from 0 to 3, found 9"):
        small_map.members(9)


def test_windows_pools_and_context_are_points_too(study):
    for settings in (PointSettings(), PointSettings("frames", 0.2), PointSettings("frames", None, 3, 0.1, True)):
        made = make_map(
            study[0][:2], settings=settings, method="pca", cluster="kmeans", num_clusters=3, stability_repeats=0
        )
        assert made.settings == settings
        whole = sum(len(track) / 25 for track in study[0][:2])
        assert made.clusters["seconds"].sum() == pytest.approx(whole)
        assert isinstance(made.to_pandas(), pd.DataFrame)


class _Endless:
    """Vectors that are made when they are read, as a file on disk would give them."""

    def __init__(self, rows, dim):
        self.shape, self.ndim = (rows, dim), 2

    def __getitem__(self, rows):
        index = np.arange(self.shape[0])[rows]
        rng = np.random.default_rng(int(index[0]))
        return rng.normal(size=(len(index), self.shape[1])).astype(np.float32)


def _long_track(rows, dim):
    track = probe_study.make_track("long", np.zeros((rows, 1)), num_frames=2, stride=1)
    track.window, track.track = _Endless(len(track.window_start), dim), np.zeros((1, 1, dim))
    return track


def test_memory_does_not_grow_with_the_vectors(monkeypatch):
    dim = 512
    monkeypatch.setattr(projection, "_FIT_BYTES", 2 << 20)
    monkeypatch.setattr(projection, "_CHUNK_BYTES", 1 << 20)
    monkeypatch.setattr(making, "_IN_MEMORY", 1 << 10)
    peaks = []
    for rows in (300, 5_000, 20_000):  # what libraries allocate once counts in the first, which is not looked at
        track = _long_track(rows, dim)
        tracemalloc.start()
        made = map_study.pca_map([track], settings=PointSettings(), fit_points=200)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(made) == rows - 1
    assert peaks[2] - peaks[1] < 15_000 * 4 * dim / 4, f"{[peak >> 10 for peak in peaks]} KiB"


def test_a_missing_package_is_named_before_any_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "pacmap", None)
    with pytest.raises(MissingExtraError, match=r'needs the package "pacmap".*vp-science\[maps\]'):
        make_map([], method="pacmap")
