"""Nearest points are the true ones, and a cover holds what is rare."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.maps.neighbors import NearestPoints
from vp_science.maps.subsample import _even_shares, choose_cover


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(5, 40), st.integers(1, 5))
def test_the_nearest_points_are_the_nearest(seed, dim, num_points, count):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(num_points, dim)).astype(np.float32)
    asked = rng.normal(size=(7, dim)).astype(np.float32)
    indices, distances = NearestPoints(points).query(asked, count)
    expected = np.linalg.norm(asked[:, None].astype(np.float64) - points, axis=2)
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :count], rtol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(expected, indices.astype(int), axis=1), distances, rtol=1e-5)


def test_the_same_vector_is_at_distance_zero_without_rounding():
    points = (1e3 + np.random.default_rng(0).normal(size=(200, 50))).astype(np.float32)
    indices, distances = NearestPoints(points).query(points, 3)
    np.testing.assert_array_equal(indices[:, 0], np.arange(200))
    np.testing.assert_array_equal(distances[:, 0], 0)


def test_a_cover_holds_what_is_rare_and_keeps_what_is_common():
    rng = np.random.default_rng(0)
    common, rare = rng.normal(size=(20_000, 5)), 30 + 0.1 * rng.normal(size=(6, 5))
    vectors = np.concatenate([common[:9000], rare, common[9000:]]).astype(np.float32)
    for seed in range(5):
        chosen = choose_cover(vectors, 400, seed)
        assert len(np.unique(chosen)) == 400
        assert (np.diff(chosen) > 0).all()
        assert np.isin(np.arange(9000, 9006), chosen).any(), "a random draw holds one of them in one of nine cases"
    center = np.linalg.norm(vectors[chosen], axis=1)
    assert 1.5 < np.median(center) < 3.5, "dense parts are still dense"


def test_the_same_seed_chooses_the_same():
    vectors = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
    np.testing.assert_array_equal(choose_cover(vectors, 100, 3), choose_cover(vectors, 100, 3))
    assert not np.array_equal(choose_cover(vectors, 100, 3), choose_cover(vectors, 100, 4))


@pytest.mark.parametrize("values", [1, 3])
def test_few_different_vectors_are_covered(values):
    vectors = np.repeat(np.eye(values, 4, dtype=np.float32), 500, axis=0)
    chosen = choose_cover(vectors, 50, seed=0)
    assert len(np.unique(chosen)) == 50
    assert len(np.unique(vectors[chosen], axis=0)) == values


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.data())
def test_shares_are_even_and_as_large_as_they_can_be(sizes, data):
    sizes = np.array(sizes)
    count = data.draw(st.integers(1, int(sizes.sum())))
    shares = _even_shares(sizes, count)
    assert (shares <= sizes).all()
    assert shares.sum() <= count
    full = shares == sizes
    assert len(set(shares[~full].tolist())) <= 1
    larger = np.minimum(sizes, shares.max() + 1)
    assert larger.sum() > count or (full.all() and shares.sum() == sizes.sum())
