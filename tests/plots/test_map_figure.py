"""Maps: what points are colored by, where pictures and names stand."""

from dataclasses import replace

import numpy as np
import pytest
from drawn import overlap, texts
from hypothesis import given, settings
from hypothesis import strategies as st
from map_study import with_clusters
from matplotlib.colors import to_hex, to_rgb

from vp_science.errors import FigureError
from vp_science.plots import embedding_map
from vp_science.plots.map_colors import Groups, Numbers, colors_of_map, colors_of_values
from vp_science.plots.palette import behavior_looks, look
from vp_science.plots.scatter import GREY, MAX_POINTS_DRAWN, MAX_THUMBNAILS
from vp_science.plots.thumbnails import fit_view, place_thumbnails
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import Ethogram, to_ethogram


def colors(made, by, **more):
    return colors_of_map(made, by, **({"labels": None, "scores": None, "behavior": None} | more))


@pytest.fixture(scope="module")
def cloud():
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 2)).astype(np.float32), rng.integers(-1, 3, 300)


def drawn_points(axes):
    """Every point that was drawn, and its color."""
    offsets = [np.asarray(one.get_offsets()) for one in axes.collections if len(one.get_offsets())]
    faces = [one.get_facecolor()[:, :3] for one in axes.collections if len(one.get_offsets())]
    return np.concatenate(offsets), np.concatenate(faces)


def test_every_point_is_drawn_once_in_the_color_of_its_group(cloud):
    places, group = cloud
    offsets, faces = drawn_points(embedding_map(places, group, names=False))
    order = np.lexsort(offsets.T)
    np.testing.assert_allclose(offsets[order], places[np.lexsort(places.T)])
    expected = [to_rgb(GREY if one < 0 else look(one).color) for one in group[np.lexsort(places.T)].tolist()]
    np.testing.assert_allclose(faces[order], expected, atol=1e-6)


def test_what_is_not_selected_is_grey(cloud):
    places, group = cloud
    selected = group == 1
    axes = embedding_map(places, group, selected=selected)
    _, faces = drawn_points(axes)
    assert (np.abs(faces - to_rgb(GREY)).max(axis=1) < 1e-6).sum() == (~selected).sum()
    assert f"other or not selected  ({(~selected).sum()})" in texts(axes)


def test_names_and_numbers_of_points_are_written(cloud):
    places, group = cloud
    words = np.array(["", "walk", "$5 groom", "rear"])[group + 1]
    written = texts(embedding_map(places, words))
    for name, shown in (("walk", "walk"), ("$5 groom", r"\$5 groom"), ("rear", "rear")):
        assert f"{shown}  ({(words == name).sum()})" in written
        assert shown in written  # beside its cloud
    assert "walk" not in texts(embedding_map(places, words, names=False))


def test_values_become_groups_or_numbers():
    found = colors_of_values(np.array([3, -1, 5, 3]), 4)
    assert isinstance(found, Groups)
    assert (found.names, found.index.tolist()) == (["3", "5"], [0, -1, 1, 0])
    found = colors_of_values(["b", "", "a"], 3)
    assert isinstance(found, Groups)
    assert (found.names, found.index.tolist()) == (["a", "b"], [1, -1, 0])
    found = colors_of_values([0.5, np.nan], 2)
    assert isinstance(found, Numbers)
    assert "unknown" in texts(embedding_map(np.eye(2, dtype=np.float32), [0.5, np.nan]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points": np.zeros((0, 2), np.float32)}, r"expected coordinates of shape \(points, 2\), found \(0, 2\)"),
        ({"points": np.full((1, 2), np.nan, np.float32)}, "expected finite coordinates, found NaN"),
        ({"color": [1, 2]}, r"expected one value for each of the 3 points, found \(2,\)"),
        ({"color": "time"}, "expected one value per point to color coordinates by, found 'time': give an array"),
        ({"selected": np.ones(2, bool)}, "expected one True or False for each of the 3 points"),
        ({"thumbnails": {3: np.zeros((2, 2, 3), np.uint8)}}, "expected pictures of points from 0 to 2"),
        ({"color": np.arange(900), "points": np.zeros((900, 2), np.float32)}, "expected at most 500 groups to color"),
    ],
)
def test_what_cannot_be_drawn(arguments, message):
    with pytest.raises(FigureError, match=message):
        embedding_map(**({"points": np.ones((3, 2), np.float32)} | arguments))


def test_too_many_pictures():
    pictures = {index: np.zeros((2, 2, 3), np.uint8) for index in range(MAX_THUMBNAILS + 1)}
    with pytest.raises(FigureError, match=f"expected at most {MAX_THUMBNAILS} pictures, found {MAX_THUMBNAILS + 1}"):
        embedding_map(np.zeros((100, 2), np.float32), thumbnails=pictures)


# Maps of recordings


def test_clusters_recordings_and_time(small_map):
    made = with_clusters(small_map, np.where(np.arange(len(small_map)) % 7 == 0, -1, np.arange(len(small_map)) % 3))
    made.clusters.loc[1, "name"] = "grooming"
    found = colors(made, "cluster")
    assert found.names == ["cluster 0", "grooming", "cluster 2"]
    np.testing.assert_array_equal(found.index, made.cluster)
    assert found.grey == "no cluster"
    assert colors(made, "recording").names == list(made.recordings)
    found = colors(made, "time")
    assert found.label == "time since the start of each recording"
    np.testing.assert_allclose(found.values[:3], made.start_s[:3] - made.start_s[0])
    assert "time since the start of each recording (s)" in texts(embedding_map(made, "time"))
    with pytest.raises(
        FigureError, match=r"expected a way to color the map among .*, found 'tim': did you mean 'time'"
    ):
        embedding_map(made, "tim")


def test_the_behavior_of_a_point_is_what_takes_most_of_it(small_map, study):
    tracks, labels = study
    found = colors(small_map, "behavior", labels=labels)
    truth = {
        track.recording_id: to_ethogram(labels, track.recording_id, track.time_s).label_index() for track in tracks
    }
    expected = np.concatenate([truth[name] for name in small_map.recordings])  # a frame is a point
    np.testing.assert_array_equal(found.index, expected)
    assert found.names[:3] == list(labels.behaviors.names)
    assert [one.color for one in found.looks[:3]] == [one.color for one in behavior_looks(labels.behaviors).values()]


def test_time_that_nobody_scored_is_grey(small_map):
    first = small_map.recordings[0]
    labels = Annotations.of(
        [{"recording": first, "behavior": "walk", "start_s": 0, "stop_s": 1}],
        [{"recording": first, "start_s": 0, "stop_s": 2}],
        Behaviors.of(["walk"]),
    )
    found = colors(small_map, "behavior", labels=labels)
    middle = (small_map.start_s + small_map.stop_s) / 2
    expected = np.where((small_map.recording == 0) & (middle < 2), np.where(middle < 1, 0, 1), -1)
    np.testing.assert_array_equal(found.index, expected)
    with pytest.raises(FigureError, match="expected labels of the recordings of the map"):
        colors(small_map, "behavior", labels=labels.renamed({first: "another"}))


def test_scores_of_points(small_map, study):
    tracks, labels = study
    rng = np.random.default_rng(0)
    scores = rng.random((len(tracks[1]), 3), dtype=np.float32)
    states = np.zeros(scores.shape, np.int8)
    one = Ethogram(labels.behaviors, np.asarray(tracks[1].time_s), states, scores, tracks[1].recording_id)
    found = colors(small_map, "score", scores=one, behavior="groom")
    np.testing.assert_allclose(found.values[small_map.recording == 1], scores[:, 1], rtol=1e-4)
    assert np.isnan(found.values[small_map.recording != 1]).all()
    with pytest.raises(FigureError, match="expected one behavior whose score colors the map, found walk, groom, rear"):
        colors(small_map, "score", scores=one)
    for by in ("score", "behavior"):
        with pytest.raises(FigureError, match=f"to color the map by {by}, found none"):
            colors(small_map, by)


def test_an_untrained_encoder_is_named(small_map):
    record = dict(small_map.provenance) | {"track_settings": {"checkpoint": "seed:0 (untrained)"}}
    assert any("untrained encoder" in words for words in texts(embedding_map(replace(small_map, provenance=record))))
    assert not any("untrained" in words for words in texts(embedding_map(small_map)))


# Many points


def test_many_points_are_a_density_that_shows_what_most_of_them_are():
    rng = np.random.default_rng(0)
    num = MAX_POINTS_DRAWN + 1
    group = np.repeat([0, 1], [num // 2, num - num // 2])
    places = (0.2 * rng.normal(size=(num, 2)) + 10 * group[:, None]).astype(np.float32)
    axes = embedding_map(places, group, names=False)
    [image] = axes.get_images()
    pixels = np.asarray(image.get_array())
    shown = pixels[pixels[..., 3] > 0]
    found = {to_hex(color) for color in np.unique(shown[:, :3].round(6), axis=0)}
    assert found == {look(0).color, look(1).color}
    half = pixels.shape[1] // 2
    assert {to_hex(one[:3]) for one in pixels[:, :half][pixels[:, :half, 3] > 0]} == {look(0).color}
    assert image.origin == "lower"


def test_grey_points_of_a_density_lie_below():
    places = np.zeros((MAX_POINTS_DRAWN + 2, 2), np.float32)
    places[-2:] = 1
    group = np.full(len(places), -1)
    group[0] = 0
    [image] = embedding_map(places, group, names=False).get_images()
    pixels = np.asarray(image.get_array())
    assert {to_hex(one[:3]) for one in pixels[pixels[..., 3] > 0]} == {look(0).color, GREY}


# Pictures


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), st.integers(1, 30), st.integers(0, 10_000), st.floats(0.5, 2.0))
def test_pictures_cover_neither_points_nor_each_other(num, count, seed, ratio):
    rng = np.random.default_rng(seed)
    points = (rng.normal(size=(num, 2)) * rng.uniform(0.1, 10, 2) + rng.normal(size=2)).astype(np.float32)
    anchors = rng.integers(0, num, count)
    placed = place_thumbnails(points, anchors, (7.0, 6.0), (0.5 * ratio, 0.5))
    assert len(placed.boxes) == count
    boxes = placed.boxes.tolist()
    for index, (left, bottom, wide, high) in enumerate(boxes):
        inside = (points[:, 0] > left) & (points[:, 0] < left + wide) & (points[:, 1] > bottom)
        assert not (inside & (points[:, 1] < bottom + high)).any()
        assert not any(overlap(boxes[index], other) for other in boxes[:index])
        assert (np.array([left, bottom]) >= placed.low).all()
        assert (np.array([left + wide, bottom + high]) <= placed.high).all()
    assert (points >= placed.low).all()
    assert (points <= placed.high).all()


def crossing(first, second):
    """Whether two segments cross properly."""
    (a, b), (c, d) = first, second

    def side(p, q, r):
        return np.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10_000))
def test_lines_to_pictures_do_not_cross(count, seed):
    points = np.random.default_rng(seed).normal(size=(200, 2)).astype(np.float32)
    anchors = np.random.default_rng(seed).choice(200, count, replace=False)
    placed = place_thumbnails(points, anchors, (7.0, 6.0), (0.8, 0.6))
    middles = placed.boxes[:, :2] + placed.boxes[:, 2:] / 2
    lines = [(points[a].astype(float), middle) for a, middle in zip(anchors, middles, strict=True)]
    assert not any(crossing(one, other) for i, one in enumerate(lines) for other in lines[:i])


def test_units_are_equal_on_both_axes(cloud):
    low, high = fit_view(cloud[0] * [3, 1], (8.0, 4.0))
    assert (high - low)[0] / (high - low)[1] == pytest.approx(2)


def test_pictures_keep_their_proportions_and_names_stay_off_them(cloud):
    places, group = cloud
    pictures = {0: np.zeros((40, 80, 3), np.uint8), 7: np.full((60, 60, 3), 99, np.uint8)}
    axes = embedding_map(places, group, thumbnails=pictures)
    images = axes.get_images()
    assert len(images) == 2
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert (right - left) / (top - bottom) == pytest.approx(7.2 / 6.2)
    for image, ratio in zip(images, (2, 1), strict=True):
        a, b, c, d = image.get_extent()
        assert (b - a) / (d - c) == pytest.approx(ratio)
        box = image.get_window_extent()
        names = [text for text in axes.texts if text.get_text() in "012"]
        assert names
        assert not any(text.get_window_extent().overlaps(box) for text in names)
