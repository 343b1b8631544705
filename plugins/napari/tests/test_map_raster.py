"""Points as pixels, and the lasso: what array operations give is what drawing and testing one by one gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline
from napari_vp_science.map.lasso import enclosed
from napari_vp_science.map.raster import (
    View,
    colored,
    disc_rows,
    nearest_point,
    packed,
    point_radius,
    rank_picture,
    widened,
)

WIDTH, HEIGHT = 37, 23


def random_pixels(seed, count):
    rng = np.random.default_rng(seed)
    return (rng.random((count, 2)) * (WIDTH + 20, HEIGHT + 20) - 10).astype(np.float32)


def slow_ranks(pixels, rows):
    """Disc after disc, later ones over earlier ones."""
    picture = np.zeros((HEIGHT, WIDTH), np.int32)
    for rank, (px, py) in enumerate(pixels, start=1):
        x, y = int(np.floor(px)), int(np.floor(py))
        for dy in range(-len(rows) + 1, len(rows)):
            for dx in range(-rows[abs(dy)], rows[abs(dy)] + 1):
                if 0 <= y + dy < HEIGHT and 0 <= x + dx < WIDTH:
                    picture[y + dy, x + dx] = rank
    return picture


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(0, 80), st.floats(0.3, 6))
def test_ranks_are_those_of_drawing_disc_after_disc(seed, count, radius):
    pixels = random_pixels(seed, count)
    for rows in disc_rows(radius):
        margin = max(len(rows), max(rows) + 1)
        found = widened(rank_picture(pixels, WIDTH, HEIGHT, margin), rows, margin)
        np.testing.assert_array_equal(found, slow_ranks(pixels, rows))


@given(st.floats(0.1, 12))
def test_discs_are_round_and_the_rim_is_around_the_core(radius):
    core, rim = disc_rows(radius)
    for rows in (core, rim):
        assert rows == sorted(rows, reverse=True)
        assert abs(rows[0] - (len(rows) - 1)) <= 1
        area = sum((2 * width + 1) * (1 if row == 0 else 2) for row, width in enumerate(rows))
        assert area == pytest.approx(np.pi * radius**2, rel=0.5, abs=9)
    assert len(rim) >= len(core)
    assert all(a >= b for a, b in zip(rim, core, strict=False))


def test_colors_are_full_inside_and_half_on_the_rim():
    colors = packed(np.array([[10, 20, 30], [200, 100, 0], [0, 250, 90]], np.uint8))
    core, rim = np.array([[0, 1, 2, 1]]), np.array([[1, 1, 2, 2]])
    picture = colored(core, rim, colors)
    channels = [(int(value) >> shift) & 255 for value in picture[0] for shift in (24, 16, 8, 0)]
    halves = [[255, 105, 60, 15], [255, 200, 100, 0], [255, 0, 250, 90], [255, 100, 175, 45]]
    np.testing.assert_allclose(np.reshape(channels, (4, 4)), halves, atol=1)


def test_packed_is_what_qt_reads():
    from qtpy.QtGui import QImage

    picture = packed(np.array([[[1, 2, 3], [250, 128, 0]]], np.uint8))
    image = QImage(picture.data, 2, 1, 8, QImage.Format.Format_RGB32)
    assert [image.pixelColor(x, 0).getRgb() for x in (0, 1)] == [(1, 2, 3, 255), (250, 128, 0, 255)]


@given(
    st.floats(-50, 50),
    st.floats(-50, 50),
    st.floats(0.01, 100),
    st.floats(0.2, 5),
    st.floats(0, 380),
    st.floats(0, 300),
)
def test_zooming_keeps_the_place_under_the_mouse_and_moving_moves_by_pixels(x, y, scale, factor, at_x, at_y):
    view = View(x, y, scale, 380, 300)
    np.testing.assert_allclose(view.zoomed(factor, at_x, at_y).to_map(at_x, at_y), view.to_map(at_x, at_y), atol=1e-6)
    np.testing.assert_allclose(view.moved(30, -12).to_map(at_x + 30, at_y - 12), view.to_map(at_x, at_y), atol=1e-6)


@given(st.integers(0, 2**31), st.integers(1, 50), st.integers(50, 900), st.integers(50, 900))
def test_all_points_fit_and_places_and_pixels_belong_together(seed, count, width, height):
    points = (np.random.default_rng(seed).normal(size=(count, 2)) * (3, 0.5) + 7).astype(np.float32)
    view = View.fitting(points, width, height)
    pixels = view.to_pixels(points)
    assert (pixels >= -0.5).all()
    assert (pixels <= (width + 0.5, height + 0.5)).all()
    np.testing.assert_allclose(view.to_pixels(points, 2.0), 2 * pixels, atol=0.05)
    np.testing.assert_allclose([view.to_map(*pixel) for pixel in pixels.tolist()], points, atol=0.02)
    larger = view.resized(width * 2, height * 2)
    np.testing.assert_allclose(larger.to_pixels(points), 2 * pixels, atol=0.1)


@given(st.integers(0, 2**31), st.integers(0, 200), st.floats(0, WIDTH), st.floats(0, HEIGHT), st.floats(0, 10))
def test_the_nearest_point_is_the_one_a_search_through_all_finds(seed, count, x, y, reach):
    pixels = random_pixels(seed, count)
    away = [float(np.hypot(px - x, py - y)) for px, py in pixels.astype(np.float64)]
    found = nearest_point(pixels, x, y, reach)
    if found is None:
        assert not away or min(away) > reach - 1e-4
    else:
        assert away[found] <= min(min(away) + 1e-4, reach + 1e-4)


def test_few_points_are_large_and_many_are_small():
    rng = np.random.default_rng(0)
    radii = [point_radius(rng.random((n, 2)) * 400, 400, 400) for n in (3, 300, 3000, 30_000)]
    assert radii == sorted(radii, reverse=True)
    assert radii[0] > 2 * radii[-1]
    assert point_radius(np.zeros((0, 2)), 400, 400, 2.0) == 2 * point_radius(np.zeros((0, 2)), 400, 400)


# ---- lasso


def star(seed, corners):
    """A polygon that does not cross itself."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.random(corners)) * 2 * np.pi
    return np.column_stack([np.cos(angle), np.sin(angle)]) * (0.3 + rng.random((corners, 1)))


def winding(point, polygon):
    """How often the polygon goes around a point, by adding up angles."""
    corners = polygon - point
    angle = np.arctan2(corners[:, 1], corners[:, 0])
    step = (np.diff(np.append(angle, angle[0])) + np.pi) % (2 * np.pi) - np.pi
    return round(step.sum() / (2 * np.pi))


@given(st.integers(0, 2**31), st.integers(3, 60))
def test_a_lasso_encloses_what_matplotlib_says(seed, corners):
    polygon = star(seed, corners)
    points = np.random.default_rng(seed + 1).normal(size=(200, 2))
    np.testing.assert_array_equal(enclosed(points, polygon), Outline(polygon).contains_points(points))


@given(st.integers(0, 2**31), st.integers(3, 12))
def test_what_a_lasso_goes_around_counts_also_where_it_crosses_itself(seed, corners):
    rng = np.random.default_rng(seed)
    polygon, points = rng.normal(size=(corners, 2)), rng.normal(size=(100, 2))
    expected = [winding(point, polygon) != 0 for point in points]
    np.testing.assert_array_equal(enclosed(points, polygon), expected)


@given(st.integers(0, 2**31))
def test_where_a_lasso_begins_and_which_way_it_goes_does_not_matter(seed):
    polygon, points = star(seed, 20), np.random.default_rng(seed).normal(size=(100, 2)).astype(np.float32)
    once = enclosed(points, polygon)
    np.testing.assert_array_equal(enclosed(points, np.roll(polygon, 7, axis=0)), once)
    np.testing.assert_array_equal(enclosed(points, polygon[::-1]), once)


def test_a_line_and_no_points_enclose_nothing():
    assert not enclosed(np.zeros((3, 2)), np.array([[0, 0], [1, 1]])).any()
    assert enclosed(np.zeros((0, 2)), star(0, 5)).shape == (0,)
