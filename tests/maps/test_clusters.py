"""Clusters are found, numbered by size, handed on to new points, and scored by whether they come back."""

import map_study
import numpy as np
import pytest

from vp_science.errors import MapError
from vp_science.maps.clusters import assign_clusters, find_clusters, find_medoid
from vp_science.maps.settings import MapSettings
from vp_science.maps.stability import _best_jaccard

SIZES = (200, 120, 60)


def complete(**options):
    return MapSettings(method="pca", **options).completed(sum(SIZES), 2)


@pytest.mark.parametrize(
    "options", [{"cluster": "hdbscan", "min_cluster_size": 20}, {"cluster": "kmeans", "num_clusters": 3}]
)
def test_clouds_are_found_largest_first(options):
    space, truth = map_study.blobs(SIZES)
    label, strength = find_clusters(space, complete(**options))
    inside = label >= 0
    assert inside.mean() > 0.9
    np.testing.assert_array_equal(label[inside], truth[inside])
    assert ((strength >= 0) & (strength <= 1)).all()
    assert (strength[~inside] == 0).all()


@pytest.mark.parametrize(
    "options", [{"cluster": "hdbscan", "min_cluster_size": 20}, {"cluster": "kmeans", "num_clusters": 3}]
)
def test_new_points_get_the_cluster_they_lie_in(options):
    space, _ = map_study.blobs(SIZES)
    settings = complete(**options)
    label, strength = find_clusters(space, settings)
    new, truth = map_study.blobs((30, 30, 30), seed=5)
    got, support = assign_clusters(new, space, label, strength, settings)
    np.testing.assert_array_equal(got, truth)
    assert (support > 0).all()


def test_a_new_point_among_points_without_a_cluster_has_none():
    space, _ = map_study.blobs(SIZES)
    label = np.where(space[:, 0] > 15, -1, 0).astype(np.int32)
    settings = complete(min_cluster_size=20)
    got, support = assign_clusters(
        np.array([[20, 0]], np.float32), space, label, np.ones(len(space), np.float32), settings
    )
    assert got.tolist() == [-1]
    assert support.tolist() == [0]


def test_without_clustering_no_point_has_a_cluster():
    label, strength = find_clusters(np.zeros((5, 2), np.float32), complete(cluster=None))
    assert label.tolist() == [-1] * 5
    assert strength.tolist() == [0] * 5


def test_noise_alone_is_no_cluster_and_one_is_fine():
    space = np.random.default_rng(0).uniform(size=(60, 2)).astype(np.float32)
    label, _ = find_clusters(space, MapSettings(method="pca", min_cluster_size=50).completed(60, 2))
    assert set(label.tolist()) <= {-1, 0, 1}


def test_the_medoid_is_in_the_middle_and_belongs_there():
    coordinates = np.array([[0, 0], [1, 0], [2, 0], [3, 0], [40, 0]], np.float32)
    assert find_medoid(coordinates, np.ones(5, np.float32)) == 2
    assert find_medoid(coordinates, np.array([1, 1, 0.1, 1, 1], np.float32)) in (1, 3)
    many = np.random.default_rng(0).normal(size=(5000, 2)).astype(np.float32)
    assert np.linalg.norm(many[find_medoid(many, np.ones(5000, np.float32))]) < 0.2


def test_coming_back_is_measured_by_common_points():
    before = np.array([0, 0, 0, 0, 1, 1, -1, 2], np.int32)
    after = np.array([1, 1, 1, 0, 0, -1, 0, -1], np.int32)
    # 0 and 1 share three of four points; 1 and 0 share one of four; nothing of 2 is in a cluster; 3 was not drawn.
    np.testing.assert_allclose(_best_jaccard(before, after, 4), [3 / 4, 1 / 4, 0, np.nan])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "isomap"}, "method: expected one of umap, tsne, pacmap, pca, found 'isomap'"),
        ({"cluster": "som"}, "cluster: expected one of None, hdbscan, kmeans, found 'som'"),
        ({"num_pca": 1}, "num_pca: expected a number from 2 to 1000, found 1"),
        ({"perplexity": 30}, "expected perplexity with method tsne only, found it with method umap: leave it out"),
        ({"num_clusters": 5}, "expected num_clusters with cluster kmeans only, found it with cluster hdbscan"),
        ({"method": "pca", "num_neighbors": 5}, "expected num_neighbors with method umap or pacmap only"),
        ({"cluster": None, "cluster_space": "pca"}, "found no clustering"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options, message):
    settings = MapSettings()
    for name, value in options.items():  # past the type checks that only tests have
        object.__setattr__(settings, name, value)
    with pytest.raises(MapError, match=message):
        settings.__post_init__()


def test_settings_are_completed_and_read_back():
    done = MapSettings().completed(3000, 768)
    assert (done.num_neighbors, done.min_dist, done.num_epochs, done.min_cluster_size, done.cluster_space) == (
        15, 0.1, 500, 30, "map",
    )  # fmt: skip
    assert done.perplexity is None
    assert MapSettings().completed(50_000, 768).num_epochs == 200
    assert MapSettings(cluster="kmeans").completed(3000, 768).cluster_space == "pca"
    assert MapSettings(num_pca=50).completed(30, 20).num_pca == 20
    assert MapSettings.from_json(done.to_json()) == done
    assert done.completed(3000, 768) == done
    for record in ({}, done.to_json() | {"new": 1}, done.to_json() | {"seed": [1]}, done.to_json() | {"seed": "x"}):
        with pytest.raises(MapError, match="expected map settings"):
            MapSettings.from_json(record)
