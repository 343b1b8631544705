"""Ethograms: what stands where."""

import numpy as np
import pytest
from drawn import bars, texts
from matplotlib.colors import to_rgb

from vp_science.errors import AnnotationError, FigureError
from vp_science.plots import ethogram, raster
from vp_science.plots.palette import behavior_looks
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.ethogram import Ethogram, to_ethogram

NAMES = ("walk", "groom")
UNKNOWN = "/////"


def bout(recording, behavior, start_s, stop_s, **more):
    return {"recording": recording, "behavior": behavior, "start_s": start_s, "stop_s": stop_s, **more}


def seen(recording, start_s, stop_s, **more):
    return {"recording": recording, "start_s": start_s, "stop_s": stop_s, **more}


@pytest.fixture
def labels():
    rows = [bout("a", "walk", 1, 3), bout("a", "groom", 5, 6), bout("b", "walk", 0, 2)]
    return Annotations.of(rows, [seen("a", 0, 4), seen("a", 5, 10), seen("b", 0, 4)], Behaviors.of(NAMES))


def predicted(recording, on=slice(0, 20), num=100, scores=True, **who):
    states = np.zeros((num, 2), np.int8)
    states[on, 0] = 1
    values = np.linspace(0, 1, 2 * num, dtype=np.float32).reshape(num, 2) if scores else None
    return Ethogram(Behaviors.of(NAMES), np.arange(num) / 10, states, values, recording, **who)


def test_bouts_and_unknown_time_are_where_they_are(labels):
    axes = ethogram(labels, recordings=["a"])
    colors = {name: to_rgb(look.color) for name, look in behavior_looks(labels.behaviors).items()}
    assert [row[:2] for row in bars(axes, 0, colors["walk"])] == [(1, 3)]
    assert [row[:2] for row in bars(axes, 1, colors["groom"])] == [(5, 6)]
    assert [row[:2] for row in bars(axes, 0, hatch=UNKNOWN)] == [(4, 5)]
    assert axes.get_xlim() == (0, 10)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(NAMES)
    assert "unknown" in texts(axes)
    assert "labels" not in texts(axes)  # only one kind of thing is drawn
    assert "a" in texts(axes)  # a single recording is the title


def test_recordings_are_groups_on_one_axis_of_time(labels):
    axes = ethogram(labels, recordings=["b", "a"])
    words = texts(axes)
    assert words.index("b") < words.index("a")
    assert [label.get_text() for label in axes.get_yticklabels()] == [*NAMES, *NAMES]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_labels_stand_above_predictions_with_their_scores(labels):
    axes = ethogram(labels, [predicted("a.mp4")], recordings=["a.mp4"])
    color = to_rgb(behavior_looks(labels.behaviors)["walk"].color)
    (left, right, top, height), (left2, right2, top2, height2) = sorted(bars(axes, 0, color), key=lambda row: row[2])
    assert (left, right) == (1, 3)
    assert (left2, right2) == pytest.approx((0, 2))
    assert top + height < top2
    assert top2 + height2 < 1
    meshes = [one for one in axes.collections if hasattr(one, "get_coordinates")]
    assert len(meshes) == 2
    np.testing.assert_allclose(meshes[0].get_array().ravel(), predicted("a").scores[:, 0], atol=1e-6)
    assert {"labels", "predictions", "score, 0 to 1"} <= set(texts(axes))


def test_labels_at_frames_and_bouts_give_the_same_picture(labels):
    time_s = np.arange(100) / 10
    axes, other = ethogram(labels, recordings=["a"]), ethogram(to_ethogram(labels, "a", time_s))
    for row in (0, 1):
        np.testing.assert_allclose(bars(axes, row), bars(other, row), atol=1e-9)


def test_no_bout_is_too_short_to_be_seen(labels):
    rows = [bout("a", "walk", 100 * i, 100 * i + 1e-3) for i in range(1, 5)]
    axes = ethogram(Annotations.of(rows, [seen("a", 0, 3600)]))
    drawn = bars(axes, 0, to_rgb(behavior_looks(labels.behaviors)["walk"].color))
    assert len(drawn) == 4
    assert all(right - left > 1 for left, right, *_ in drawn)


def test_animals_are_groups_and_whole_frames_show_all_of_them():
    rows = [bout("a", "walk", 0, 1, subject="m1"), bout("a", "groom", 2, 3, subject="m2", target="m1")]
    labels = Annotations.of(rows, [seen("a", 0, 10)], Behaviors.of(NAMES))
    assert {"a, m1", "a, m2"} <= set(texts(ethogram(labels)))
    one = ethogram(labels, predicted("a", subject="m2"))
    assert {"a, m1", "a, m2"} <= set(texts(one))
    together = ethogram(labels, predicted("a"))
    colors = [to_rgb(look.color) for look in behavior_looks(labels.behaviors).values()]
    assert [row[:2] for row in bars(together, 0, colors[0]) if row[2] < 0.4] == [(0, 1)]
    assert [row[:2] for row in bars(together, 1, colors[1]) if row[2] < 0.4] == [(2, 3)]


def test_events_are_lines():
    behaviors = Behaviors.of([Behavior("jump", "point"), "walk"])
    labels = Annotations.of([bout("a", "jump", 2, 2), bout("a", "walk", 3, 4)], [seen("a", 0, 5)], behaviors)
    axes = ethogram(labels)
    [lines] = [one for one in axes.collections if hasattr(one, "get_segments")]
    assert [segment[0][0] for segment in lines.get_segments()] == [2]


def test_behaviors_in_the_order_that_was_asked_for(labels):
    axes = ethogram(labels, behaviors=["groom"], recordings=["a"])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["groom"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"behaviors": ["grom"]}, r"expected a behavior among walk, groom, found 'grom': did you mean 'groom'\?"),
        ({"recordings": ["c1"]}, "expected a recording among a, b, found 'c1': check the spelling"),
    ],
)
def test_unknown_names(labels, options, message):
    with pytest.raises(FigureError, match=message):
        ethogram(labels, **options)


def test_nothing_to_draw(labels):
    with pytest.raises(FigureError, match="expected labels or predictions to draw, found neither"):
        ethogram()
    with pytest.raises(FigureError, match="expected bouts or observed time to draw, found none"):
        ethogram(labels.select(recordings=["nobody"]))
    with pytest.raises(AnnotationError, match="is a state in one file and a point in another"):
        ethogram(labels, Ethogram(Behaviors.of([Behavior("walk", "point")]), np.arange(3.0), np.zeros((3, 1), np.int8)))


def test_too_many_rows(labels, monkeypatch):
    monkeypatch.setattr(raster, "MAX_ROWS", 3)
    with pytest.raises(
        FigureError, match=r"expected at most 3 rows, found 4 \(2 recordings .*, 2 behaviors\): choose some"
    ):
        ethogram(labels)


def test_clocks_that_start_late_are_counted_from_the_start():
    late = Annotations.of([bout("a", "walk", 1.7e9 + 1, 1.7e9 + 2)], [seen("a", 1.7e9, 1.7e9 + 60)])
    axes = ethogram(late)
    assert axes.get_xlim() == pytest.approx((0, 60))
    assert axes.get_xlabel() == "time since the start (s)"
    assert ethogram(late, since_start=False).get_xlim()[0] == pytest.approx(1.7e9)


def test_long_recordings_keep_their_mean_scores():
    num = 10_001
    scores = np.random.default_rng(0).random((num, 1), dtype=np.float32)
    scores[5] = np.nan
    one = Ethogram(Behaviors.of(["walk"]), np.arange(num) / 10, np.zeros((num, 1), np.int8), scores, "a")
    axes = ethogram(predictions=one)
    [mesh] = [part for part in axes.collections if hasattr(part, "get_coordinates")]
    values = mesh.get_array().ravel()
    assert len(values) <= 2000
    np.testing.assert_allclose(values[0], np.nanmean(scores[:6]), rtol=1e-5)
    edges = mesh.get_coordinates()[0, :, 0]
    assert edges[0] == 0
    assert edges[-1] == pytest.approx(num / 10)
