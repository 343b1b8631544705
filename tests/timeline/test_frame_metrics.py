import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)

from vp_science.errors import AnnotationError
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.calibration import expected_calibration_error, reliability_table
from vp_science.timeline.comparison import compare
from vp_science.timeline.ethogram import Ethogram
from vp_science.timeline.frame_metrics import average_precision, background_name, macro_average_precision
from vp_science.timeline.metrics import evaluate_frames


def ethogram(states, behaviors, scores=None, name="a", fps=10.0) -> Ethogram:
    states = np.asarray(states, np.int8)
    scores = None if scores is None else np.asarray(scores, np.float32)
    return Ethogram(behaviors, np.arange(len(states)) / fps, states, scores, name)


def from_index(index, behaviors, scores=None) -> Ethogram:
    index = np.asarray(index)
    states = (index[:, None] == np.arange(len(behaviors))).astype(np.int8)
    states[index == -1] = -1
    return ethogram(states, behaviors, scores)


def random_pair(seed, num=300, exclusive=False):
    rng = np.random.default_rng(seed)
    behaviors = Behaviors.of(["a", "b", "c"], exclusive=exclusive)
    if exclusive:
        truth = from_index(np.repeat(rng.integers(-1, 4, num // 5), 5), behaviors)
        found = from_index(np.where(rng.random(num) < 0.3, rng.integers(-1, 4, num), truth.label_index()), behaviors)
    else:
        truth = ethogram(rng.integers(-1, 2, (num, 3)), behaviors)
        found = ethogram(rng.integers(-1, 2, (num, 3)), behaviors)
    scores = np.round(rng.random((num, 3)) * 0.3 + 0.4 * (truth.states == 1), 2).astype(np.float32)
    scores[found.states < 0] = np.nan
    return truth, Ethogram(behaviors, found.time_s, found.states, scores, "a")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num=st.integers(1, 200), ties=st.booleans())
def test_average_precision_as_scikit_learn(seed, num, ties):
    rng = np.random.default_rng(seed)
    happens, scores = rng.random(num) < 0.3, rng.random(num).astype(np.float32)
    scores = np.round(scores, 1) if ties else scores
    if not happens.any():
        assert np.isnan(average_precision(happens, scores))
    else:
        assert average_precision(happens, scores) == pytest.approx(average_precision_score(happens, scores), abs=1e-9)


def test_macro_average_precision_leaves_out_unknown_frames_and_absent_behaviors():
    states = [np.array([[1, 0], [0, 0], [-1, 0]], np.int8), np.array([[1, 0], [0, -1]], np.int8)]
    scores = [np.array([[0.9, 0.1], [0.2, 0.1], [1.0, 0.9]]), np.array([[0.1, 0.2], [np.nan, 0.3]])]
    # Known frames of the first behavior: 0.9 yes, 0.2 no, 0.1 yes.
    assert macro_average_precision(states, scores) == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(macro_average_precision([states[0][:, 1:]], [scores[0][:, 1:]]))
    with pytest.raises(AnnotationError, match="expected scores for the labelled frames"):
        macro_average_precision([], [])


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_frames_of_behaviors_that_may_overlap_as_scikit_learn(seed):
    truth, found = random_pair(seed)
    metrics = evaluate_frames([truth], [found])
    for column, name in enumerate(truth.behaviors.names):
        counted = truth.known[:, column] & found.known[:, column]
        labels, predictions = truth.states[counted, column], found.states[counted, column]
        row = metrics.per_behavior.loc[name]
        assert row["frames"] == counted.sum()
        assert row["precision"] == pytest.approx(precision_score(labels, predictions))
        assert row["recall"] == pytest.approx(recall_score(labels, predictions))
        assert row["f1"] == pytest.approx(f1_score(labels, predictions))
        assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predictions))
        scores = found.scores[counted, column].astype(float)
        assert row["average_precision"] == pytest.approx(average_precision_score(labels, scores))
        assert row["brier"] == pytest.approx(brier_score_loss(labels, scores), abs=1e-6)
        table = metrics.confusion.loc[name]
        expected = confusion_matrix(labels, predictions, labels=[0, 1])
        assert [[table["absent"], table["false"]], [table["missed"], table["found"]]] == expected.tolist()
    assert metrics.overall["macro_f1"] == pytest.approx(metrics.per_behavior["f1"].mean())
    assert metrics.overall["macro_average_precision"] == pytest.approx(metrics.per_behavior["average_precision"].mean())


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_frames_of_an_exclusive_catalogue_as_scikit_learn(seed):
    truth, found = random_pair(seed, exclusive=True)
    metrics = evaluate_frames([truth], [found])
    labels, predictions = truth.label_index(), found.label_index()
    counted = (labels >= 0) & (predictions >= 0)
    labels, predictions = labels[counted], predictions[counted]
    assert metrics.confusion.to_numpy().tolist() == confusion_matrix(labels, predictions, labels=range(4)).tolist()
    assert metrics.overall["accuracy"] == pytest.approx((labels == predictions).mean())
    assert metrics.overall["macro_recall_with_background"] == pytest.approx(
        balanced_accuracy_score(labels, predictions)
    )
    for name in ("macro_f1", "macro_f1_with_background"):
        among = range(4 if "background" in name else 3)
        among = [label for label in among if (labels == label).any()]
        expected = f1_score(labels, predictions, labels=among, average="macro")
        assert metrics.overall[name] == pytest.approx(expected)


def test_a_frame_of_an_exclusive_catalogue_is_known_when_one_behavior_happens():
    behaviors = Behaviors.of(["a", "b"], exclusive=True)
    truth = ethogram([[1, -1], [0, -1], [0, 0]], behaviors)
    found = ethogram([[0, 1], [0, 1], [0, 1]], behaviors)
    table = evaluate_frames([truth], [found]).confusion
    assert table.loc["a", "b"] == 1
    assert table.loc["background", "b"] == 1
    assert table.to_numpy().sum() == 2


def test_names_of_the_background():
    assert background_name(Behaviors.of(["a"], background="other")) == "other"
    assert background_name(Behaviors.of(["a"])) == "background"
    assert background_name(Behaviors.of(["background"])) == "(none)"


def test_behaviors_that_never_happen_are_left_out_of_means_and_said_so():
    behaviors = Behaviors.of(["a", "never"])
    truth = ethogram([[1, 0], [1, 0], [0, 0], [0, 0]], behaviors)
    found = ethogram([[1, 0], [1, 1], [1, 0], [0, 0]], behaviors, [[0.9, 0.1], [0.8, 0.6], [0.7, 0.1], [0.1, 0.1]])
    metrics = evaluate_frames([truth], [found])
    assert np.isnan(metrics.per_behavior.loc["never", "average_precision"])
    assert metrics.per_behavior.loc["never", "f1"] == 0
    assert metrics.overall["macro_f1"] == pytest.approx(0.8)
    assert (metrics.overall["behaviors"], metrics.overall["behaviors_present"]) == (2, 1)
    assert metrics.to_json()["behaviors_without_positives"] == ["never"]


def test_time_budget_by_hand():
    behaviors = Behaviors.of(["a"])
    time_s = np.array([0.0, 1.0, 2.0, 4.0, 5.0])  # frames of 1, 1, 2, 1, 1 s
    truth = Ethogram(behaviors, time_s, np.array([[1, 1, 0, 0, -1]], np.int8).T)
    found = truth.with_states(np.array([[0, 1, 1, 0, 1]], np.int8).T)
    row = evaluate_frames([truth], [found]).per_behavior.loc["a"]
    assert (row["seconds_true"], row["seconds_found"]) == (2, 3)
    assert row["duration_ratio"] == pytest.approx(1.5)
    assert row["time_budget_error"] == pytest.approx(1 / 5)
    assert (row["bouts_true"], row["bouts_found"], row["onset_delay_s"]) == (1, 1, 1)


def test_reliability_by_hand():
    scores = np.array([0.0, 0.05, 0.15, 0.95, 1.0, 0.1])
    happens = np.array([False, True, False, True, True, True])
    table = reliability_table(happens, scores, 10)
    assert table["count"].tolist() == [2, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    np.testing.assert_allclose(table["frequency"][[0, 1, 9]], [0.5, 0.5, 1])
    np.testing.assert_allclose(table["score"][[0, 1, 9]], [0.025, 0.125, 0.975])
    assert np.isnan(table["score"][5])
    assert expected_calibration_error(table) == pytest.approx((0.475 * 2 + 0.375 * 2 + 0.025 * 2) / 6)
    assert np.isnan(expected_calibration_error(reliability_table(happens[:0], scores[:0])))


def test_well_calibrated_scores_have_no_error():
    rng = np.random.default_rng(0)
    scores = rng.random(200_000)
    table = reliability_table(rng.random(200_000) < scores, scores)
    assert len(table) == 15
    assert expected_calibration_error(table) < 0.01
    assert expected_calibration_error(reliability_table(rng.random(200_000) < 0.5, scores)) > 0.2


def test_metrics_are_plain_json():
    for exclusive in (True, False):
        value = evaluate_frames(*([part] for part in random_pair(0, exclusive=exclusive))).to_json()
        again = json.loads(json.dumps(value, allow_nan=False))
        assert [row["behavior"] for row in again["per_behavior"]] == ["a", "b", "c"]
        assert len(again["reliability"]) == 15
    nothing = Behaviors.of(["a"])
    value = evaluate_frames([ethogram([[-1]], nothing)], [ethogram([[0]], nothing)]).to_json()
    json.dumps(value, allow_nan=False)
    assert value["overall"]["macro_f1"] is None
    assert value["per_behavior"][0]["f1"] is None


def test_frames_without_a_prediction_do_not_count_and_are_reported():
    behaviors = Behaviors.of(["a"])
    truth = ethogram([[1], [1], [0], [0]], behaviors)
    found = ethogram([[1], [-1], [-1], [0]], behaviors, [[0.9], [np.nan], [np.nan], [0.1]])
    metrics = evaluate_frames([truth], [found])
    row = metrics.per_behavior.loc["a"]
    assert (row["labelled_frames"], row["frames"], row["recall"]) == (4, 2, 1)
    assert metrics.overall["labelled_s"] == pytest.approx(0.4)
    assert metrics.overall["counted_s"] == pytest.approx(0.2)


def test_predictions_must_fit_the_labels():
    one, two = Behaviors.of(["a"]), Behaviors.of(["b"])
    truth = ethogram([[0], [1]], one)
    with pytest.raises(AnnotationError, match="expected predictions of the labelled frames and behaviors of 'a'"):
        compare(truth, ethogram([[0]], one))
    with pytest.raises(AnnotationError, match="found 2 frames; b"):
        compare(truth, ethogram([[0], [1]], two))
    with pytest.raises(AnnotationError, match="at the times of the labels"):
        compare(truth, ethogram([[0], [1]], one, fps=9.0))
    with pytest.raises(AnnotationError, match="one prediction per labelled recording, found 0 for 1"):
        evaluate_frames([truth], [])
    with pytest.raises(AnnotationError, match=r"found that of 'a' \(a\) and another in 'a' \(b\)"):
        evaluate_frames([truth, ethogram([[0]], two)], [truth, ethogram([[0]], two)])
    both = Behaviors.of(["a", "b"], exclusive=True)
    with pytest.raises(AnnotationError, match=r"expected one behavior at a time, found a and b at 0\.000 s"):
        evaluate_frames([ethogram([[0, 0]], both)], [ethogram([[1, 1]], both)])


def test_catalogues_may_differ_in_colors():
    plain, colored = Behaviors.of(["a"]), Behaviors.of([Behavior("a", color="#e69f00")])
    truths = [ethogram([[1]], plain), ethogram([[0]], colored)]
    assert evaluate_frames(truths, truths).overall["macro_f1"] == 1
