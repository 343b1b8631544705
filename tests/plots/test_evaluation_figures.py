"""Curves, matrices and what an evaluation keeps for them."""

import json

import numpy as np
import pandas as pd
import pytest
from drawn import texts
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vp_science.errors import AnnotationError, FigureError, ProbeError
from vp_science.plots import confusion, precision_recall, reliability
from vp_science.probes.evaluation_file import EvaluationFigures, read_evaluation
from vp_science.timeline.calibration import reliability_table
from vp_science.timeline.frame_metrics import average_precision
from vp_science.timeline.ranking import RankingCurve, ranking_curve


@given(
    st.integers(1, 300).flatmap(
        lambda n: st.tuples(hnp.arrays(bool, n), hnp.arrays(np.float32, n, elements=st.sampled_from([0, 0.25, 0.5, 1])))
    )
)
def test_curves_agree_with_their_definition(pair):
    happens, scores = pair
    curve = ranking_curve(happens, scores, "x", max_points=1000)
    for recall, precision, threshold in zip(curve.recall, curve.precision, curve.threshold, strict=True):
        found = scores >= threshold
        assert recall == pytest.approx((happens & found).sum() / happens.sum())
        assert precision == pytest.approx((happens & found).sum() / found.sum())
    if happens.any():
        assert curve.recall[-1] == 1
        assert len(curve.threshold) == len(np.unique(scores))
        area = (np.diff(curve.recall, prepend=0) * curve.precision).sum()
        assert curve.average_precision == pytest.approx(area) == pytest.approx(average_precision(happens, scores))
    else:
        assert not len(curve.recall)
        assert np.isnan(curve.average_precision)
    again = RankingCurve.from_json(json.loads(json.dumps(curve.to_json(), allow_nan=False)))
    np.testing.assert_allclose(again.recall, curve.recall, atol=1e-6)
    assert again.num_frames == len(happens)


def test_long_curves_are_thinned_without_losing_their_shape():
    rng = np.random.default_rng(0)
    happens = rng.random(20_000) < 0.3
    scores = (happens * 0.3 + rng.random(20_000)) / 1.3
    whole, thin = (ranking_curve(happens, scores, max_points=count) for count in (20_000, 50))
    assert len(thin.recall) <= 50
    assert thin.average_precision == whole.average_precision
    assert (thin.recall[-1], thin.threshold[0]) == (1, whole.threshold[0])
    assert np.diff(np.append(0, thin.recall)).max() < 0.05
    with pytest.raises(AnnotationError, match="expected a precision-recall curve, found something else"):
        RankingCurve.from_json(thin.to_json() | {"recall": [1.0]})


def test_what_a_report_saves_is_enough_to_draw_it_again(report, tmp_path):
    report.save(tmp_path)
    saved, made = read_evaluation(tmp_path), EvaluationFigures.of(report)
    pd.testing.assert_frame_equal(saved.confusion, made.confusion)
    pd.testing.assert_frame_equal(saved.reliability, made.reliability.astype(np.float64))
    assert saved.behaviors == made.behaviors
    assert saved.titles == made.titles
    for name, curves in made.curves.items():
        for one, other in zip(saved.curves[name], curves, strict=True):
            assert (one.behavior, one.num_frames) == (other.behavior, other.num_frames)
            assert one.average_precision == pytest.approx(other.average_precision)
            assert len(one.recall) <= 100
    pooled = report.figure("average_precision", "walk")["pooled"]
    assert saved.curves["probe"][0].average_precision == pytest.approx(pooled)
    assert len(made.folds) == 3


def test_evaluations_that_are_not_ones(report, tmp_path):
    with pytest.raises(ProbeError, match=r"cannot read .*give the evaluation.json of a report"):
        read_evaluation(tmp_path)
    report.save(tmp_path)
    path = tmp_path / "evaluation.json"
    content = json.loads(path.read_text())
    for change, message in (
        (lambda: content["methods"][0]["pooled"].pop("confusion"), "found a damaged one .*evaluate again"),
        (lambda: content["methods"][0].pop("curves"), "expected precision-recall curves in .*evaluate again"),
        (lambda: content.update(schema=9), "expected schema 1 in .*found 9: upgrade"),
        (lambda: content.update(format="x"), "give what probe evaluate wrote"),
    ):
        change()
        path.write_text(json.dumps(content))
        with pytest.raises(ProbeError, match=message):
            read_evaluation(path)


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_a_curve_per_behavior_with_its_average_precision(report):
    axes = precision_recall(report, title="t")
    drawn = lines(axes)
    for name in report.behaviors.names:
        area = report.figure("average_precision", name)["pooled"]
        line = drawn[f"{name}  (AP {area:.2f})"]
        x, y = line.get_data()
        assert (np.diff(x) * y[1:]).sum() == pytest.approx(area, abs=0.02)
    assert len({(line.get_color(), line.get_linestyle()) for line in drawn.values()}) == len(drawn)


def test_methods_of_one_behavior_with_folds_and_chance(report):
    figures = EvaluationFigures.of(report)
    axes = precision_recall(figures, "walk")
    assert len(axes.get_lines()) == 3 + 1 + 1  # folds, chance, the probe (a majority has no scores worth a line)
    chance = [line for line in axes.get_lines() if len(set(line.get_ydata())) == 1]
    assert chance[0].get_ydata()[0] == pytest.approx(figures.curves["probe"][0].chance)
    with pytest.raises(FigureError, match=r"expected a behavior among walk, groom, rear, found 'walks': did you mean"):
        precision_recall(report, "walks")
    with pytest.raises(FigureError, match="expected at least one curve, found none"):
        precision_recall([])


def test_a_behavior_that_never_happens_is_named():
    rng = np.random.default_rng(0)
    some = [ranking_curve(rng.random(50) < share, rng.random(50), name) for share, name in ((0.5, "a"), (0, "b"))]
    assert "never happens in the labels: b" in texts(precision_recall(some))
    assert "never happens\nin the labels" in texts(precision_recall(some, "b"))


def test_reliability_of_a_report_and_of_arrays(report):
    axes = reliability(report)
    below = [one for one in axes.figure.axes if one is not axes]
    assert len(below) == 1
    table = report.probe.pooled.reliability
    assert sum(bar.get_height() for bar in below[0].patches) == table["count"].sum()
    seen = table[table["count"] > 0]
    np.testing.assert_allclose(axes.get_lines()[1].get_ydata(), seen["frequency"])
    scores = np.random.default_rng(0).random(100)
    assert reliability(reliability_table(scores > 0.5, scores)) is not None
    with pytest.raises(FigureError, match="expected frames with scores, found none"):
        reliability(reliability_table(np.zeros(0, bool), np.zeros(0)))


def numbers(axes):
    return [int(text.get_text()) for text in axes.texts if text.get_text().isdecimal()]


def test_confusion_in_percent_of_every_row():
    names = pd.Index(["walk", "groom", "background"])
    counts = pd.DataFrame([[8, 2, 0], [0, 0, 0], [5, 5, 10]], index=names, columns=names)
    assert numbers(confusion(counts)) == [80, 20, 0, 25, 25, 50]  # nothing is said of a row without frames


def test_confusion_of_behaviors_that_may_overlap():
    counts = pd.DataFrame({"found": [3], "false": [1], "missed": [1], "absent": [9]}, index=["walk"])
    axes = confusion(counts)
    assert numbers(axes) == [75, 25, 10, 90]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["found", "missed", "falsely found", "left alone"]


def test_confusion_of_a_report_and_of_too_many(report):
    axes = confusion(report)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(report.probe.pooled.confusion.index)
    with pytest.raises(FigureError, match=r"expected counts of 1 to 60 behaviors, found \(61, 61\)"):
        confusion(pd.DataFrame(np.eye(61)))


def test_an_untrained_encoder_is_named(report):
    settings = dict(report.settings) | {"untrained_encoder": True}
    untrained = type(report)(report.behaviors, settings, report.folds, report.methods, report.notes)
    for draw in (confusion, precision_recall, reliability):
        assert any("untrained encoder" in words for words in texts(draw(untrained)))
        assert not any("untrained" in words for words in texts(draw(report)))
