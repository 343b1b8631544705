import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.budget import BUDGET_COLUMNS, time_budget, transition_matrix
from vp_science.timeline.ethogram import Ethogram

CATALOGUE = Behaviors.of(["walk", "rest", Behavior("blink", "point")])


def annotated(bouts, observed, behaviors=CATALOGUE) -> Annotations:
    rows = [
        {"recording": "r", "behavior": name, "start_s": start, "stop_s": stop, **dict(*more)}
        for name, start, stop, *more in bouts
    ]
    seen = [{"recording": "r", "start_s": start, "stop_s": stop, **dict(*more)} for start, stop, *more in observed]
    return Annotations.of(rows, seen, behaviors)


def test_budget_by_hand():
    budget = time_budget(
        annotated(
            [("walk", 0.0, 2.0), ("walk", 5.0, 9.0), ("walk", 18.0, 26.0), ("blink", 1.0, 1.0), ("blink", 30.0, 30.0)],
            [(0.0, 10.0), (12.0, 20.0)],
        )
    ).set_index("behavior")
    assert list(budget.columns) == list(BUDGET_COLUMNS)
    assert list(budget.index) == ["walk", "rest", "blink"]
    walk = budget.loc["walk"]
    assert (walk["bouts"], walk["total_s"], walk["median_s"]) == (3, 8, 2)
    assert walk["mean_s"] == pytest.approx(8 / 3)
    assert (walk["observed_s"], walk["share"], walk["unobserved_s"]) == (18, pytest.approx(8 / 18), 6)
    assert walk["bouts_per_hour"] == pytest.approx(3 / 18 * 3600)
    rest = budget.loc["rest"]
    assert (rest["bouts"], rest["total_s"], rest["share"]) == (0, 0, 0)
    assert np.isnan(rest["mean_s"])
    blink = budget.loc["blink"]
    assert (blink["kind"], blink["bouts"]) == ("point", 1)
    assert np.isnan(blink["total_s"])
    assert np.isnan(blink["share"])


def test_nothing_observed_is_not_nothing_happening():
    budget = time_budget(annotated([("walk", 0.0, 2.0)], [])).set_index("behavior")
    assert budget.loc["walk", "bouts"] == 0
    assert budget.loc["walk", "observed_s"] == 0
    assert budget.loc["walk", "unobserved_s"] == 2
    assert np.isnan(budget.loc["walk", "share"])
    assert np.isnan(budget.loc["walk", "bouts_per_hour"])


def test_subjects_add_up_and_are_observed_by_name():
    made = annotated(
        [
            ("walk", 0.0, 4.0, {"subject": "a"}),
            ("walk", 0.0, 1.0, {"subject": "b"}),
            ("walk", 2.0, 5.0, {"subject": "b"}),
        ],
        [(0.0, 10.0), (10.0, 20.0, {"subject": "a"}), (20.0, 25.0, {"subject": "b", "behavior": "rest"})],
    )
    together = time_budget(made).set_index("behavior")
    assert together.loc["walk", "observed_s"] == 30
    assert together.loc["walk", "total_s"] == 8
    assert together.loc["rest", "observed_s"] == 35
    each = time_budget(made, by=("subject", "behavior")).set_index(["subject", "behavior"])
    assert each.loc[("a", "walk"), "share"] == pytest.approx(4 / 20)
    assert each.loc[("b", "walk"), "share"] == pytest.approx(4 / 10)
    assert list(each.index)[:3] == [("a", "walk"), ("a", "rest"), ("a", "blink")]


def test_targets_share_the_time_of_their_subject():
    made = annotated(
        [("walk", 0.0, 4.0, {"subject": "a", "target": "b"}), ("walk", 3.0, 5.0, {"subject": "a", "target": "c"})],
        [(0.0, 10.0)],
    )
    assert time_budget(made).set_index("behavior").loc["walk", "observed_s"] == 10
    each = time_budget(made, by=("target", "behavior")).set_index(["target", "behavior"])
    assert each.loc[("b", "walk"), "share"] == pytest.approx(0.4)
    assert each.loc[("c", "walk"), "observed_s"] == 10


def test_overlapping_bouts_of_one_animal_count_once():
    made = annotated([("walk", 0.0, 4.0), ("walk", 2.0, 5.0)], [(0.0, 10.0)])
    row = time_budget(made).iloc[0]
    assert (row["bouts"], row["total_s"]) == (1, 5)


def test_the_budget_is_by_behavior():
    made = annotated([], [(0.0, 1.0)])
    for by in ((), ("recording",), ("behavior", "score")):
        with pytest.raises(AnnotationError, match="expected the time budget by behavior, and any of recording"):
            time_budget(made, by)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_budget_of_an_ethogram_is_a_count_of_its_frames(seed):
    rng = np.random.default_rng(seed)
    behaviors = Behaviors.of(["a", "b"])
    states = rng.integers(-1, 2, (60, 2)).astype(np.int8)
    ethogram = Ethogram(behaviors, np.arange(60) / 10, states, recording="r")
    budget = time_budget(ethogram.to_annotations()).set_index("behavior")
    for column, name in enumerate("ab"):
        assert budget.loc[name, "total_s"] == pytest.approx((states[:, column] == 1).sum() / 10)
        assert budget.loc[name, "observed_s"] == pytest.approx((states[:, column] >= 0).sum() / 10)
        assert budget.loc[name, "unobserved_s"] == pytest.approx(0, abs=1e-9)


EXCLUSIVE = Behaviors.of(["a", "b"], exclusive=True, background="other")


def letters(text: str, behaviors=EXCLUSIVE) -> Ethogram:
    states = np.array([[letter == name for name in "ab"] for letter in text], np.int8)
    states[[letter == "?" for letter in text]] = -1
    return Ethogram(behaviors, np.arange(len(text)) / 10, states, recording="r")


def test_transitions_between_bouts_go_through_the_background():
    found = transition_matrix([letters("aab..abb?bb")])
    expected = [[0, 2, 0], [0, 0, 1], [1, 0, 0]]  # a b . a b, and a b alone after the unknown frame
    assert found.counts.to_numpy().tolist() == expected
    assert list(found.counts.columns) == ["a", "b", "other"]
    np.testing.assert_allclose(found.probabilities, [[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    assert np.isnan(transition_matrix([letters("ab")]).probabilities.loc["b"]).all()


def test_transitions_between_frames():
    found = transition_matrix([letters("aab..abb?bb")], "frame")
    assert found.counts.to_numpy().tolist() == [[1, 2, 0], [0, 2, 1], [1, 0, 1]]
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)


def test_smoothing_makes_the_possible_likely():
    found = transition_matrix([letters("ab")], smoothing=1)
    np.testing.assert_allclose(found.probabilities, [[0, 2 / 3, 1 / 3], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    found = transition_matrix([letters("ab")], "frame", smoothing=1)
    np.testing.assert_allclose(found.probabilities.loc["a"], [1 / 4, 2 / 4, 1 / 4])
    assert found.counts.to_numpy().sum() == 1


@settings(max_examples=25, deadline=None)
@given(text=st.text("ab.?", min_size=1, max_size=30))
def test_bouts_and_frames_tell_the_same_transitions(text):
    ethogram = letters(text)
    frames = transition_matrix([ethogram], "frame").counts.to_numpy()
    frames = frames * (1 - np.eye(3, dtype=np.int64))
    np.testing.assert_array_equal(transition_matrix([ethogram]).counts, frames)
    np.testing.assert_array_equal(transition_matrix(ethogram.to_annotations()).counts, frames)


def test_overlapping_behaviors_follow_each_other_as_they_begin():
    made = annotated(
        [("walk", 0.0, 5.0), ("rest", 1.0, 2.0), ("blink", 3.0, 3.0), ("walk", 12.0, 13.0), ("rest", 14.0, 15.0)],
        [(0.0, 10.0), (11.0, 20.0)],
    )
    found = transition_matrix(made)
    assert found.counts.to_numpy().tolist() == [[0, 2, 0], [0, 0, 1], [0, 0, 0]]
    both = Behaviors.of(["a", "b"])
    ethogram = letters("a.b?aba", both)
    assert transition_matrix([ethogram]).counts.to_numpy().tolist() == [[0, 2], [1, 0]]


def test_nothing_follows_where_one_behavior_was_not_observed():
    made = annotated(
        [("walk", 0.0, 1.0), ("rest", 2.0, 3.0)],
        [(0.0, 10.0, {"behavior": "walk"}), (0.0, 10.0, {"behavior": "rest"})],
    )
    assert transition_matrix(made).counts.to_numpy().sum() == 0  # nobody looked for blinks


def test_wrong_transitions():
    overlapping = Behaviors.of(["a", "b"])
    with pytest.raises(AnnotationError, match="found behaviors that may overlap: use to_ethogram, or kind='bout'"):
        transition_matrix([letters("ab", overlapping)], "frame")
    with pytest.raises(AnnotationError, match="exclusive catalogue for transitions between frames, found bouts"):
        transition_matrix(letters("ab").to_annotations(), "frame")
    with pytest.raises(AnnotationError, match="expected at least one ethogram"):
        transition_matrix([])
    with pytest.raises(AnnotationError, match="expected smoothing of 0 or more"):
        transition_matrix([letters("ab")], smoothing=-1)
    other = Ethogram(Behaviors.of(["c"], exclusive=True), np.zeros(1), np.zeros((1, 1), np.int8))
    with pytest.raises(AnnotationError, match="ethograms of one catalogue"):
        transition_matrix([letters("ab"), other])
