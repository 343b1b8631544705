"""Evaluation: what is learned from, what is tested on, and what stands in the report."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from probe_study import NAMES, make_study, make_track

from vp_science.errors import ProbeError
from vp_science.probes.evaluate import evaluate_probe, gather_study, make_folds
from vp_science.probes.evaluation_card import attach_evaluation
from vp_science.probes.probe import Probe
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.ethogram import Ethogram, to_ethogram
from vp_science.timeline.metrics import evaluate_frames

GIVEN = {"baselines": ["majority"]}


class Spy(Probe):
    """A probe that keeps what every clone of it was fitted on and asked about."""

    seen: list = []  # noqa: RUF012  # shared by the clones on purpose

    def fit(self, X, y):
        Spy.seen.append(("fit", [(t.recording_id, float(t.time_s[0]), float(t.time_s[-1])) for t in X], y))
        return super().fit(X, y)

    def predict(self, X):
        Spy.seen.append(("predict", [(t.recording_id, float(t.time_s[0]), float(t.time_s[-1])) for t in X], None))
        return super().predict(X)


@pytest.fixture
def spy():
    Spy.seen = []
    return Spy("logistic")


@pytest.fixture(scope="module")
def study():
    return make_study(4, 160)


@pytest.fixture(scope="module")
def report(study):
    return evaluate_probe(Probe("logistic"), *study)


def test_every_recording_is_predicted_by_a_probe_that_never_saw_it(spy, study):
    report = evaluate_probe(spy, *study, **GIVEN)
    fits, asked = ([names for what, names, _ in Spy.seen if what == kind] for kind in ("fit", "predict"))
    assert len(fits) == len(asked) == 4
    for learned, tested in zip(fits, asked, strict=True):
        assert not {name for name, *_ in learned} & {name for name, *_ in tested}
    assert sorted(name for tested in asked for name, *_ in tested) == ["rec0", "rec1", "rec2", "rec3"]
    assert not hasattr(spy, "head_"), "the probe that was given is left alone"
    assert [fold.test_recordings for fold in report.folds] == [("rec0",), ("rec1",), ("rec2",), ("rec3",)]


def test_recordings_of_one_animal_are_held_out_together(spy, study):
    table = pd.DataFrame({"recording": ["rec0.mp4", "b/rec1", "rec2", "rec3"], "animal": ["m1", "m2", "m1", "m3"]})
    report = evaluate_probe(spy, *study, table=table, **GIVEN)
    assert [fold.test_recordings for fold in report.folds] == [("rec0", "rec2"), ("rec1",), ("rec3",)]
    assert report.folds[0].test_groups == ("animal m1",)
    assert report.settings["groups"] == ["animal"]
    for learned in (names for what, names, _ in Spy.seen if what == "fit"):
        assert len({"rec0", "rec2"} & {name for name, *_ in learned}) in (0, 2)


def test_a_recording_that_the_table_lacks_is_an_error(study):
    table = pd.DataFrame({"recording": ["rec0", "rec1", "rec2"], "animal": ["m1", "m2", "m1"]})
    with pytest.raises(ProbeError, match=r"expected a line for every recording in the table of recordings.*rec3"):
        evaluate_probe(Probe("logistic"), *study, table=table)


def test_k_folds(study):
    report = evaluate_probe(Probe("logistic"), *study, folds=2, **GIVEN)
    assert [len(fold.test_recordings) for fold in report.folds] == [2, 2]
    assert report.settings["folds"] == 2


def test_tracks_of_animals_in_one_recording_stay_together():
    tracks, annotations = make_study(3, 120)
    followed = [
        make_track(
            f"{t.recording_id}@{who}",
            t.track[:, 0],
            source={"follow": {"subject": who, "of_recording": t.recording_id}},
        )
        for t in tracks
        for who in ("m1", "m2")
    ]
    bouts = pd.concat([annotations.bouts.assign(subject=who) for who in ("m1", "m2")])
    study = gather_study(Probe(), followed, Annotations.of(bouts, annotations.observed, annotations.behaviors))
    folds = make_folds(study, "leave-one-out")
    assert [[study.tracks[part.track].recording_id for part in fold.test] for fold in folds] == [
        [f"rec{i}@m1", f"rec{i}@m2"] for i in range(3)
    ]


def test_figures_are_those_of_evaluate_frames(study, report):
    for number, fold in enumerate(report.folds):
        parts = [tested for tested in report.probe.tested if tested.fold == number]
        assert [tested.truth.recording for tested in parts] == list(fold.test_recordings)
        by_hand = evaluate_frames([t.truth for t in parts], [t.prediction for t in parts])
        pd.testing.assert_frame_equal(report.probe.folds[number].per_behavior, by_hand.per_behavior)
    pooled = evaluate_frames([t.truth for t in report.probe.tested], [t.prediction for t in report.probe.tested])
    assert report.figure("macro_average_precision")["pooled"] == pooled.overall["macro_average_precision"]
    each = [metrics.per_behavior.loc["walk", "f1"] for metrics in report.probe.folds]
    found = report.figure("f1", "walk")
    assert found["mean"] == pytest.approx(np.mean(each))
    assert found["sd"] == pytest.approx(np.std(each, ddof=1))
    assert (found["min"], found["max"], found["folds"]) == (min(each), max(each), 4)


def test_the_probe_beats_the_guess_on_planted_behavior(report):
    probe = report.figure("macro_average_precision")["mean"]
    guess = report.figure("macro_average_precision", method="majority")["mean"]
    assert probe > 0.8
    assert 0.15 < guess < 0.35
    assert report.figure("average_precision", "walk", "majority")["mean"] == pytest.approx(
        np.mean([metrics.per_behavior.loc["walk", "chance"] for metrics in report.probe.folds])
    )


def test_noise_gives_no_score():
    """If anything leaked, a probe would do better than chance on vectors that mean nothing."""
    tracks, annotations = make_study(5, 160)
    noise = [make_track(t.recording_id, np.random.default_rng(i).normal(size=(160, 12))) for i, t in enumerate(tracks)]
    report = evaluate_probe(Probe("logistic"), noise, annotations, baselines=[])
    assert report.figure("macro_average_precision")["mean"] < 0.4


def test_choices_are_made_inside_the_training_part():
    """Other labels of the test recording change nothing that was fitted or chosen."""
    tracks, annotations = make_study(3, 80)
    bouts = annotations.bouts.copy()
    mine = bouts["recording"] == "rec0"
    bouts.loc[mine, "behavior"] = bouts.loc[mine, "behavior"].map(dict(zip(NAMES, NAMES[1:] + NAMES[:1], strict=True)))
    changed = Annotations.of(bouts, annotations.observed, annotations.behaviors)
    first, second = (
        evaluate_probe(Probe("logistic"), tracks, labels, tune_postprocess=True, baselines=[])
        for labels in (annotations, changed)
    )
    assert first.folds[0].thresholds == second.folds[0].thresholds
    assert first.folds[0].postprocess == second.folds[0].postprocess
    own, theirs = (r.probe.tested[0].prediction for r in (first, second))
    assert np.array_equal(own.scores, theirs.scores)
    assert np.array_equal(own.states, theirs.states)
    assert first.settings["probe"]["postprocess"] == "tune"
    assert first.probe.folds[0].overall != second.probe.folds[0].overall


def test_unmatched_names_are_listed_on_both_sides(study):
    tracks, annotations = study
    extra = Annotations.of(
        [{"recording": "forgotten", "behavior": "walk", "start_s": 0, "stop_s": 1}],
        [{"recording": "forgotten", "start_s": 0, "stop_s": 2}],
        annotations.behaviors,
    )
    more = [*tracks, make_track("unlabelled", np.zeros((50, 12)))]
    report = evaluate_probe(Probe("logistic"), more, Annotations.concat([annotations, extra]), **GIVEN)
    assert "labelled recordings without a track, left out: forgotten" in report.notes
    assert "tracks without labelled time, left out: unlabelled" in report.notes
    assert any("no table of recordings was given" in note for note in report.notes)
    assert len(report.folds) == 4


def test_a_fold_without_a_behavior_is_named(study):
    tracks, annotations = study
    kept = (annotations.bouts["behavior"] != "rear") | (annotations.bouts["recording"] == "rec1")
    behaviors = replace(
        annotations.behaviors, entries=(*annotations.behaviors, replace(annotations.behaviors["walk"], name="fly"))
    )
    labels = Annotations.of(annotations.bouts[kept], annotations.observed, behaviors)
    report = evaluate_probe(Probe("logistic"), tracks, labels, **GIVEN)
    assert "'rear' does not happen in the test part of: rec0, rec2, rec3" in report.notes
    assert "'rear' does not happen in the training part of, and cannot be learned in: rec1" in report.notes
    assert "'fly' never happens in the labels: nothing can be said about it" in report.notes
    assert report.figure("average_precision", "rear")["folds"] == 1
    assert np.isnan(report.figure("average_precision", "fly")["pooled"])
    assert report.folds[1].test_bouts["rear"] > 0
    assert report.folds[0].test_bouts["rear"] == 0
    assert "-" in report.text()


def test_time_blocks_of_one_recording_must_be_allowed_and_say_so(spy):
    tracks, annotations = make_study(1, 300)
    with pytest.raises(ProbeError, match="allow_leakage"):
        evaluate_probe(spy, tracks, annotations, folds="time-blocks")
    with pytest.raises(ProbeError, match="expected at least 2 independent groups"):
        evaluate_probe(spy, tracks, annotations)
    report = evaluate_probe(
        spy, tracks, annotations, folds="time-blocks", num_blocks=3, allow_leakage=True, gap_s=0.5, **GIVEN
    )
    assert len(report.folds) == 3
    assert report.notes[-1].startswith("NOT INDEPENDENT") or any(n.startswith("NOT INDEPENDENT") for n in report.notes)
    assert "Train and test share recordings" in report.text()
    fits, asked = ([names for what, names, _ in Spy.seen if what == kind] for kind in ("fit", "predict"))
    for learned, [(_, first, last)] in zip(fits, asked, strict=True):
        for _, start, stop in learned:
            assert stop <= first - 0.5 + 1e-9 or start >= last + 0.5 - 1e-9


def test_random_windows_hide_labels_and_score_too_high():
    tracks, annotations = make_study(1, 240)
    with pytest.raises(ProbeError, match=r"overlapping windows.*allow_leakage"):
        evaluate_probe(Probe("logistic"), tracks, annotations, folds="random-windows")
    report = evaluate_probe(
        Probe("knn"), tracks, annotations, folds="random-windows", num_blocks=2, allow_leakage=True, baselines=[]
    )
    counted = sum(metrics.overall["labelled_s"] for metrics in report.probe.folds)
    assert counted == pytest.approx(240 / 25)
    assert any("drawn at random" in note for note in report.notes)


@pytest.mark.parametrize("folds", ["time-blocks", "random-windows"])
def test_predictions_of_a_recording_are_those_of_the_probes_that_never_saw_them(folds):
    tracks, annotations = make_study(2, 240)
    report = evaluate_probe(
        Probe("knn"), tracks, annotations, folds=folds, num_blocks=3, allow_leakage=True, baselines=["pixels"]
    )
    found = {whole.recording: whole for whole in report.probe.predictions()}
    assert list(found) == ["rec0", "rec1"]
    for track in tracks:
        np.testing.assert_array_equal(found[track.recording_id].time_s, track.time_s)
    for one in report.probe.tested:
        tested = one.prediction.time_s[one.truth.known.any(axis=1)]
        rows = np.searchsorted(found[one.prediction.recording].time_s, tested)
        expected = one.prediction.scores[np.searchsorted(one.prediction.time_s, tested)]
        np.testing.assert_array_equal(found[one.prediction.recording].scores[rows], expected)
    assert report.method("pixels").predictions() == []


def test_ethograms_may_be_given_instead_of_annotations(study, report):
    tracks, annotations = study
    truths = [to_ethogram(annotations, track.recording_id, track.time_s) for track in tracks]
    again = evaluate_probe(Probe("logistic"), tracks, truths)
    assert again.figure("macro_f1") == report.figure("macro_f1")


def test_exclusive_can_be_overruled(study):
    report = evaluate_probe(Probe("logistic", exclusive=False), *study, **GIVEN)
    assert not report.behaviors.exclusive
    assert "What is taken for what" not in report.text()


def test_validation_recordings_count_where_they_are_learned_from(spy, study):
    spy.set_params(validation=["rec1"])
    report = evaluate_probe(spy, *study, **GIVEN)
    assert report.folds[0].validation == "held-out recording rec1"
    assert "rec1" not in report.folds[1].validation


def test_baselines_that_need_recordings_say_so(report):
    assert report.method("pixels").note == report.method("untrained").note == "needs the recordings (--recordings)"
    assert report.table().query("method == 'pixels'")["note"].tolist() == ["needs the recordings (--recordings)"]


def test_an_untrained_track_equals_the_untrained_baseline():
    tracks, annotations = make_study(2, 120, checkpoint="seed:0 (untrained)")
    report = evaluate_probe(Probe("logistic"), tracks, annotations, baselines=["untrained"])
    assert "equals the probe" in report.method("untrained").note
    assert any("untrained: its weights are random" in note for note in report.notes)


def test_pixels_run_in_the_same_folds(tmp_path):
    from vp_science.video.array import ArrayRecording

    tracks, annotations = make_study(3, 80, num_frames=4, stride=2)
    recordings = []
    for track in tracks:
        truth = to_ethogram(annotations, track.recording_id, track.time_s)
        frames = np.random.default_rng(0).integers(0, 60, (len(track), 24, 24, 3)).astype(np.uint8)
        for behavior, corner in enumerate(((0, 0), (0, 12), (12, 0))):
            frames[truth.states[:, behavior] == 1, corner[0] : corner[0] + 12, corner[1] : corner[1] + 12] += 120
        recordings.append(ArrayRecording(frames, source_fps=25, recording_id=track.recording_id))
    report = evaluate_probe(
        Probe("logistic"), tracks, annotations, recordings=recordings, baselines=["pixels"], cache=tmp_path
    )
    assert report.figure("macro_average_precision", method="pixels")["mean"] > 0.5  # chance: 0.25
    assert [t.fold for t in report.method("pixels").tested] == [0, 1, 2]
    missing = evaluate_probe(Probe("logistic"), tracks, annotations, recordings=recordings[:1], baselines=["pixels"])
    assert missing.method("pixels").note.startswith(
        "not computed: expected the recordings of all tracks, found none for"
    )


def test_wrong_wishes_are_refused(study):
    with pytest.raises(ProbeError, match="expected baselines among majority, pixels, untrained, found 'majorty'"):
        evaluate_probe(Probe(), *study, baselines=["majorty"])
    with pytest.raises(ProbeError, match="expected folds to be a number or one of leave-one-out"):
        make_folds(gather_study(Probe(), *study), "loo")
    with pytest.raises(ProbeError, match="expected at least one track"):
        evaluate_probe(Probe(), [], study[1])
    unobserved = Annotations.of(study[1].bouts, [], study[1].behaviors)
    with pytest.raises(
        ProbeError, match=r"expected labelled time in at least one recording.*observed intervals.*--all-scored"
    ):
        evaluate_probe(Probe(), study[0], unobserved)
    with pytest.raises(ProbeError, match=r"expected labelled time in at least one recording.*--all-scored"):
        Probe().fit(study[0], unobserved)


def test_an_error_names_the_fold(study):
    tracks, annotations = study
    labels = annotations.select(recordings=["rec0", "rec1"])
    only = Annotations.of(labels.bouts[labels.bouts["recording"] == "rec0"], labels.observed, labels.behaviors)
    with pytest.raises(ProbeError, match="fold 'rec0': expected examples with"):
        evaluate_probe(Probe("logistic", exclusive=False), tracks, only, baselines=[])


def test_progress_is_told(study):
    lines = []
    evaluate_probe(Probe("logistic"), *study, **GIVEN, progress=lines.append)
    assert lines[0] == "probe: fold 1 of 4 (rec0)"
    assert len(lines) == 4


def test_figures_go_on_the_card_of_a_probe_with_the_same_settings(study, report, tmp_path):
    report.save(tmp_path)
    probe = Probe("logistic", name="mine").fit(*study)
    attach_evaluation(probe, tmp_path / "evaluation.json")
    from_file = probe.evaluation_
    attach_evaluation(probe, report)
    assert probe.evaluation_ == from_file
    json.dumps(from_file, allow_nan=False)
    assert len(from_file["per_fold"]) == len(from_file["folds"]) == 4
    [row] = [r for r in from_file["figures"] if (r["method"], r["metric"]) == ("probe", "macro_average_precision")]
    assert row["pooled"] == report.figure("macro_average_precision")["pooled"]
    with pytest.raises(ProbeError, match=r"differences: settings.regularization: 1.0 here, null in the file"):
        attach_evaluation(Probe("logistic", regularization=1.0).fit(*study), tmp_path / "evaluation.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected an evaluation at .*, found something else"),
        ("[]", "give what probe evaluate wrote"),
        ('{"format": "vp_science.evaluation", "schema": 9}', "expected schema 1 in .*, found 9: upgrade"),
        ('{"format": "vp_science.evaluation", "schema": 1}', "found a damaged one"),
    ],
)
def test_what_is_no_evaluation_is_refused(study, tmp_path, content, message):
    path = tmp_path / "evaluation.json"
    path.write_text(content)
    with pytest.raises(ProbeError, match=message):
        attach_evaluation(Probe("logistic").fit(*study), path)
    with pytest.raises(ProbeError, match="cannot read"):
        attach_evaluation(Probe("logistic").fit(*study), tmp_path / "none.json")


def test_predictions_stand_at_the_labelled_frames(report):
    for tested in report.probe.tested:
        assert isinstance(tested.prediction, Ethogram)
        assert np.array_equal(tested.truth.time_s, tested.prediction.time_s)
        assert tested.prediction.scores is not None
