"""Time budgets over animals, transitions, self-similarity."""

import numpy as np
import pandas as pd
import pytest
from drawn import texts
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

from vp_science.errors import AnnotationError, FigureError
from vp_science.plots import budgets, self_similarity, time_budget, transitions
from vp_science.plots.similarity import similarity_matrix, strip_times
from vp_science.timeline.animal_budget import animal_budget, bootstrap_interval, summarize_animals
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.budget import transition_matrix
from vp_science.timeline.ethogram import to_ethogram

NAMES = ("walk", "groom")


def make_labels(walks, length=10.0, **more):
    """Recordings r0, r1, ... of 10 s that begin with so many seconds of walking."""
    bouts = [
        {"recording": f"r{number}", "behavior": "walk", "start_s": 0, "stop_s": walk} | more
        for number, walk in enumerate(walks)
    ]
    observed = [{"recording": f"r{number}", "start_s": 0, "stop_s": length} for number in range(len(walks))]
    return Annotations.of(bouts, observed, Behaviors.of(NAMES, exclusive=True))


def table(**columns):
    return pd.DataFrame({"recording": [f"r{number}" for number in range(len(next(iter(columns.values()))))], **columns})


def test_the_animal_is_the_unit():
    labels = make_labels([1, 3, 5, 7])
    found = animal_budget(labels, table(animal=["a", "a", "b", "b"], group=["x", "x", "y", "y"]), "group")
    walk = found[found["behavior"] == "walk"].set_index("animal")
    assert walk["share"].to_dict() == pytest.approx({"a": 0.2, "b": 0.6})
    assert walk["group"].to_dict() == {"a": "x", "b": "y"}
    assert walk["observed_s"].to_dict() == {"a": 20, "b": 20}
    assert set(animal_budget(labels)["animal"]) == {"r0", "r1", "r2", "r3"}
    named = animal_budget(make_labels([1, 3], subject="m1"))
    assert set(named["animal"]) == {"m1"}  # the same name is the same animal


def test_groups_that_the_table_does_not_tell():
    labels = make_labels([1, 2])
    with pytest.raises(AnnotationError, match="expected a table of recordings with the column 'dose', found none"):
        animal_budget(labels, None, "dose")
    with pytest.raises(AnnotationError, match=r"expected the column 'dose' .*found recording, animal: rename"):
        animal_budget(labels, table(animal=["a", "b"]), "dose")
    with pytest.raises(AnnotationError, match="expected a line for every recording in the table, found none for r1"):
        animal_budget(labels, table(animal=["a"]))
    twice = pd.DataFrame({"recording": ["r0", "r0", "r1"], "dose": ["1", "2", "1"]})
    with pytest.raises(AnnotationError, match="expected one dose for 'r0' in the table, found 1 and 2"):
        animal_budget(labels, twice, "dose")


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.integers(0, 3))
def test_intervals_hold_the_mean_and_lie_among_the_animals(values, seed):
    low, high = bootstrap_interval(np.array(values), seed=seed)
    assert min(values) - 1e-9 <= low <= np.mean(values) + 1e-9
    assert np.mean(values) - 1e-9 <= high <= max(values) + 1e-9
    assert (low, high) == bootstrap_interval(np.array(values), seed=seed)


def test_intervals_are_those_of_the_normal_distribution_for_many_animals():
    values = np.random.default_rng(0).normal(0.5, 0.1, 400)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=1e-3)
    assert np.isnan(bootstrap_interval(np.array([1.0]))).all()


def test_bars_are_means_lines_intervals_dots_animals():
    labels = make_labels([1, 2, 3, 4, 5, 6])
    axes = time_budget(labels, table(dose=["low", "high"] * 3, animal=list("abcdef")), group_by="dose")
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert sorted(bar.get_width() for bar in bars) == pytest.approx([0, 0, 30, 40])
    summary = summarize_animals(animal_budget(labels, table(dose=["low", "high"] * 3), "dose"))
    walk = summary[summary["behavior"] == "walk"].set_index("group")
    spans = [line.get_xdata() for line in axes.get_lines() if len(line.get_xdata()) == 2]
    for group in ("low", "high"):
        assert any(np.allclose(span, 100 * walk.loc[group, ["low", "high"]].astype(float)) for span in spans)
    dots = np.concatenate([line.get_xdata() for line in axes.get_lines() if line.get_marker() == "o"])
    assert sorted(dots) == pytest.approx([0] * 6 + [10, 20, 30, 40, 50, 60])
    words = texts(axes)
    assert {"low  (3 animals)", "high  (3 animals)", "dose"} <= set(words)
    assert any("mean over 3 animals" in one and "fewer than 5" in one for one in words)
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in bars}) == 2


def test_one_animal_has_no_interval_and_it_says_so():
    axes = time_budget(make_labels([4]))
    assert "one animal: no interval can be given" in texts(axes)
    assert not axes.get_lines()
    assert any("each recording is taken as one animal" in words for words in texts(time_budget(make_labels([4, 5]))))


def test_budgets_of_ethograms_are_those_of_their_bouts():
    labels = make_labels([2.0, 4.0])
    ethograms = [to_ethogram(labels, name, np.arange(100) / 10) for name in ("r0", "r1")]
    widths = [[bar.get_width() for bar in time_budget(source).patches] for source in (labels, ethograms)]
    assert widths[0] == pytest.approx(widths[1])


def test_budgets_that_cannot_be_drawn(monkeypatch):
    labels = make_labels([1])
    with pytest.raises(FigureError, match=r"expected a behavior among walk, groom, found 'grom': did you mean 'groom'"):
        time_budget(labels, behaviors=["grom"])
    unseen = Annotations.of(labels.bouts, (), labels.behaviors)
    with pytest.raises(FigureError, match="expected observed time of behaviors that last, found none"):
        time_budget(unseen)
    events = Annotations.of((), [{"recording": "a", "start_s": 0, "stop_s": 1}], Behaviors.of([Behavior("j", "point")]))
    with pytest.raises(FigureError, match="behaviors that last, found none"):
        time_budget(events)
    monkeypatch.setattr(budgets, "MAX_BARS", 1)
    with pytest.raises(FigureError, match="expected at most 1 bars, found 2: choose behaviors"):
        time_budget(labels)


# Transitions


@pytest.fixture(scope="module")
def sequence():
    names, start, rows = ["walk", "groom", "walk", "rear", "walk", "groom"], 0, []
    for name in names:
        rows.append({"recording": "a", "behavior": name, "start_s": start, "stop_s": start + 2})
        start += 2
    behaviors = Behaviors.of(["walk", "groom", "rear", "fly"], exclusive=True)
    return Annotations.of(rows, [{"recording": "a", "start_s": 0, "stop_s": 12}], behaviors)


def arrows(axes):
    return [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]


def circles(axes):
    return [patch for patch in axes.patches if isinstance(patch, Circle)]


def test_arrows_and_circles(sequence):
    axes = transitions(sequence)
    matrix = transition_matrix(sequence)
    assert len(circles(axes)) == 3  # what never happens has no circle
    assert len(arrows(axes)) == int((matrix.counts.to_numpy() > 0).sum()) == 4
    assert sorted(one.get_linewidth() for one in arrows(axes)) == pytest.approx(
        sorted(0.5 + 4.5 * value for value in (2 / 3, 1 / 3, 1, 1))
    )
    areas = {round(one.radius**2, 9) for one in circles(axes)}
    assert min(areas) * 3 == pytest.approx(max(areas), rel=1e-6)  # walking takes three times as long
    assert {".67", ".33", "1", "walk", "groom", "rear"} <= set(texts(axes))
    assert any("5 in all; below 5% not drawn" in words for words in texts(axes))


def test_counts_and_thresholds(sequence):
    axes = transitions(sequence, show="counts", threshold=2)
    assert len(arrows(axes)) == 1
    assert "2" in texts(axes)
    assert len(arrows(transitions(sequence, threshold=0.5))) == 3


def test_tables_and_matrices_are_drawn_alike(sequence):
    matrix = transition_matrix(sequence)
    drawn = [sorted(one.get_linewidth() for one in arrows(transitions(given))) for given in (matrix, matrix.counts)]
    assert drawn[0] == pytest.approx(drawn[1])
    axes = transitions(matrix, seconds={"walk": 4, "groom": 1, "rear": 1})
    assert "67 %" in texts(axes)


def test_a_behavior_that_follows_itself_has_a_loop():
    counts = pd.DataFrame([[3, 1], [1, 0]], index=["a", "b"], columns=["a", "b"])
    [loop] = [one for one in arrows(transitions(counts)) if one.patchA is None]
    assert loop.get_linewidth() == pytest.approx(0.5 + 4.5 * 0.75)


@given(st.integers(2, 30))
@settings(max_examples=15, deadline=None)
def test_circles_never_touch(count):
    names = [f"behavior {number}" for number in range(count)]
    counts = pd.DataFrame(np.ones((count, count)) - np.eye(count), index=names, columns=names)
    axes = transitions(counts, seconds=dict.fromkeys(names, 1.0), threshold=1.0)
    made = circles(axes)
    for one, other in zip(made, made[1:] + made[:1], strict=True):
        assert np.hypot(*np.subtract(one.center, other.center)) > one.radius + other.radius


def test_transitions_that_cannot_be_drawn(sequence):
    with pytest.raises(FigureError, match="expected behaviors that follow each other, found none"):
        transitions(sequence, behaviors=["fly", "rear"])
    with pytest.raises(FigureError, match=r"expected a behavior among .*, found 'waalk': did you mean 'walk'"):
        transitions(sequence, behaviors=["waalk"])
    with pytest.raises(FigureError, match='expected to show "probabilities" or "counts", found \'odds\''):
        transitions(sequence, show="odds")
    with pytest.raises(FigureError, match="whose rows and columns are the same behaviors"):
        transitions(pd.DataFrame([[1]], index=["a"], columns=["b"]))
    with pytest.raises(FigureError, match="expected labels or ethograms, found none"):
        transitions([])
    many = pd.DataFrame(np.ones((31, 31)))
    with pytest.raises(FigureError, match="expected at most 30 behaviors, found 31"):
        transitions(many)


# Self-similarity


def test_the_matrix_over_time(study):
    track = study[0][0]
    axes = self_similarity(track)
    [image] = axes.get_images()
    shown = np.asarray(image.get_array())
    assert shown.shape == (len(track) // 4,) * 2  # averaged over a stride
    np.testing.assert_allclose(shown, shown.T, atol=1e-6)
    assert axes.get_xlim() == pytest.approx((track.time_s[0], track.time_s[-1]))
    assert {"time (s)", "alike", "opposite"} <= set(texts(axes))


def test_vectors_with_and_without_times():
    vectors = np.random.default_rng(0).normal(size=(4000, 5)).astype(np.float32)
    axes = self_similarity(vectors)
    assert axes.get_xlabel() == "moment"
    assert len(np.asarray(axes.get_images()[0].get_array())) <= 1500
    axes = self_similarity(vectors[:100], 1.7e9 + np.arange(100.0))
    assert axes.get_xlabel() == "time since the start (s)"
    np.testing.assert_allclose(
        np.asarray(axes.get_images()[0].get_array()), similarity_matrix(vectors[:100]), atol=1e-6
    )
    with pytest.raises(FigureError, match="expected as many times as vectors and at least one, found 3 and 100"):
        self_similarity(vectors[:100], np.arange(3.0))


def test_the_strip_is_another_axes_of_the_same_width(study):
    frames = [np.full((30, 40, 3), 20 * number, np.uint8) for number in range(5)]
    axes = self_similarity(study[0][0], frames=frames)
    axes.figure.canvas.draw()
    [strip] = [one for one in axes.figure.axes if len(one.get_images()) == 5]
    assert strip.get_position().width == pytest.approx(axes.get_position().width, abs=1e-6)
    assert strip.get_position().y0 > axes.get_position().y1
    times = strip_times(study[0][0], 4)
    assert len(times) == 4
    assert np.all(np.diff(times) > 0)
