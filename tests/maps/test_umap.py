"""UMAP: kept as arrays, rebuilt, and places points where the object that was fitted would."""

from dataclasses import replace
from types import SimpleNamespace

import h5py
import map_study
import numpy as np
import probe_study
import pytest

from vp_science.errors import MapError
from vp_science.maps import join_maps, make_map, open_map, relate, save_map
from vp_science.maps.map_file import _LAYOUT
from vp_science.maps.settings import MapSettings
from vp_science.maps.umap_layout import lay_out_umap, load_umap, make_umap, place_with_umap, restore_umap

EPOCHS = 60


@pytest.fixture(scope="module")
def made(study):
    return make_map(study[0][:3], settings=map_study.FRAMES, num_pca=8, num_epochs=EPOCHS, stability_repeats=1)


@pytest.mark.filterwarnings("ignore:precomputed_knn")
def test_rebuilt_from_arrays_it_places_points_exactly_where_the_fitted_object_does():
    vectors, _ = map_study.blobs((120, 90, 60), dim=6)
    settings = MapSettings(num_epochs=EPOCHS).completed(len(vectors), 6)
    fitted = make_umap(vectors, settings).fit(vectors)
    new = map_study.blobs((20, 30, 10), dim=6, seed=1)[0]
    rebuilt = restore_umap(vectors.copy(), fitted.embedding_.copy(), settings)
    np.testing.assert_array_equal(rebuilt.transform(new), fitted.transform(new))
    np.testing.assert_array_equal(rebuilt.embedding_, fitted.embedding_)


def test_what_numba_compiles_of_it_is_kept_for_the_next_process_where_it_can_be(monkeypatch):
    asked = []

    def refuse():
        asked.append("for a folder")
        raise RuntimeError("no locator available")

    nowhere = SimpleNamespace(stats=SimpleNamespace(cache_path=None), enable_caching=refuse)
    monkeypatch.setattr("umap.layouts.nowhere", nowhere, raising=False)
    umap = load_umap()
    assert asked == ["for a folder"]
    slow = umap.umap_.smooth_knn_dist, umap.umap_.compute_membership_strengths
    assert all(compiled.stats.cache_path for compiled in slow)


def test_epochs_are_told_and_what_hears_of_them_can_end_the_layout():
    vectors, _ = map_study.blobs((60, 40), dim=6)
    settings = MapSettings(num_epochs=5000).completed(len(vectors), 6)
    told = []

    def hear(stage, done, total):
        told.append((stage, done, total))
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lay_out_umap(vectors, settings, hear)
    assert told[-1][0] == "layout of 100 points (umap)"
    assert 0 < told[-1][1] < told[-1][2] == 5000
    short = replace(settings, num_epochs=EPOCHS)
    quiet, loud = lay_out_umap(vectors, short)[0], lay_out_umap(vectors, short, lambda *_: None)[0]
    np.testing.assert_array_equal(quiet, loud)


def test_where_a_point_is_placed_does_not_depend_on_what_it_is_placed_with():
    vectors, _ = map_study.blobs((120, 90, 60), dim=6)
    settings = MapSettings(num_epochs=EPOCHS).completed(len(vectors), 6)
    reducer = restore_umap(vectors, vectors[:, :2].copy(), settings)
    new = map_study.blobs((20, 30, 10), dim=6, seed=1)[0]
    together = place_with_umap(reducer, new, vectors)
    apart = np.concatenate([place_with_umap(reducer, part, vectors) for part in (new[:7], new[7:])])
    np.testing.assert_allclose(apart, together, atol=1e-4)


def test_alike_points_lie_together_and_new_recordings_join_them(study, made):
    tracks, labels = study
    relation = relate(made, labels)
    assert relation.ami > 0.5
    placed = made.transform(tracks[3:])
    assert placed.recordings == ("rec3",)
    assert relate(placed, labels).ami > 0.5
    again = made.transform(tracks[:3])
    off = np.linalg.norm(again.coordinates - made.coordinates, axis=1)
    assert np.median(off) < 0.05 * np.ptp(made.coordinates, axis=0).max()
    assert (again.cluster == made.cluster).mean() > 0.9


def test_the_placer_of_a_map_in_memory_is_the_one_that_was_fitted(made):
    assert made.model.placer.n_epochs == EPOCHS
    np.testing.assert_array_equal(made.model.placer.embedding_, made.model.coordinates)


def test_a_saved_map_places_recordings_as_the_one_in_memory(study, made, tmp_path):
    opened = open_map(save_map(made, tmp_path / "map.h5"))
    here, there = made.transform(study[0][3:]), opened.transform(study[0][3:])
    np.testing.assert_array_equal(here.coordinates, there.coordinates)
    np.testing.assert_array_equal(here.cluster, there.cluster)
    both = join_maps(opened, there)
    assert both.id == made.id
    assert len(both) == len(made) + len(there)
    assert both.clusters["size"].tolist() == [int((both.cluster == n).sum()) for n in both.clusters.index]


def test_the_same_seed_gives_the_same_bytes_and_another_one_another_map(study, made, tmp_path):
    options = {"settings": map_study.FRAMES, "num_pca": 8, "num_epochs": EPOCHS, "stability_repeats": 1}
    again = make_map(study[0][:3], **options)
    first, second = save_map(made, tmp_path / "a.h5"), save_map(again, tmp_path / "b.h5")
    assert first.read_bytes() == second.read_bytes()
    other = make_map(study[0][:3], **(options | {"seed": 1, "stability_repeats": 0}))
    assert not np.array_equal(other.coordinates, made.coordinates)
    assert other.id != made.id


def test_a_library_that_places_points_elsewhere_is_refused(study, made, tmp_path):
    path = save_map(made, tmp_path / "map.h5")
    with h5py.File(path, "r+") as file:
        file["control_coordinates"][:] = file["control_coordinates"][:] + 100
    opened = open_map(path)
    for _ in range(2):  # not only the first time
        with pytest.raises(MapError, match=r"control points .* \(.*umap-learn .* or more away"):
            opened.transform(study[0][3:])


def test_more_points_than_are_laid_out_are_placed_among_them(study):
    tracks, labels = study
    made = make_map(
        tracks, settings=map_study.FRAMES, num_pca=8, num_epochs=EPOCHS, stability_repeats=0, fit_points=300
    )
    assert len(made.model.vectors) == 300
    assert len(made) == sum(len(track) for track in tracks)
    assert made.provenance["num_fit_points"] == 300
    assert relate(made, labels).ami > 0.4
    fitted = {tuple(row) for row in made.model.coordinates.tolist()}
    assert sum(tuple(row) in fitted for row in made.coordinates.tolist()) >= 300


def test_a_map_of_many_neighbours_of_few_points_is_made(study):
    track = probe_study.make_track("few", np.random.default_rng(0).normal(size=(24, 6)))
    made = make_map([track], settings=map_study.FRAMES, num_neighbors=200, num_epochs=10, stability_repeats=0)
    assert made.model.settings.num_neighbors == 23
    assert np.isfinite(made.coordinates).all()


def test_everything_a_map_needs_is_an_array_or_json(made, tmp_path):
    with h5py.File(save_map(made, tmp_path / "map.h5"), "r") as file:
        assert set(file) == set(_LAYOUT)
        assert {str(file[name].dtype) for name in file} <= {"uint8", "float32", "float64", "int32", "int64"}
    versions = made.provenance["versions"]
    assert set(versions) == {"umap-learn", "numba", "scikit-learn", "numpy"}
    wanted = {"seed": 0, "num_neighbors": 15, "min_dist": 0.1, "num_epochs": EPOCHS}
    assert wanted.items() <= made.provenance["map_settings"].items()


def test_stability_tells_clusters_from_none(study):
    def stability_of(noise):
        vectors, _ = map_study.blobs((150, 150, 150), dim=4, noise=noise, apart=6)
        track = probe_study.make_track("rec", vectors)
        options = {"num_epochs": EPOCHS, "stability_repeats": 2, "min_cluster_size": 20, "num_pca": 4}
        return make_map([track], settings=map_study.FRAMES, **options)

    clear = stability_of(0.3)
    assert len(clear.clusters) == 3
    assert clear.clusters["stability"].min() > 0.9
    assert clear.provenance["stability_ari"] > 0.9
    blurred = stability_of(20.0)
    stability = blurred.clusters["stability"]
    assert not len(stability) or stability.mean() < 0.7


def test_maps_of_other_layouts_are_not_joined(study, made):
    other = replace(made, model=replace(made.model, coordinates=made.model.coordinates + 1))
    with pytest.raises(MapError, match="expected two parts of one map"):
        join_maps(made, other)
    with pytest.raises(MapError, match="found rec0, rec1, rec2 again"):
        join_maps(made, made)
