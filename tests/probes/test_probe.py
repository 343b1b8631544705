"""Probes: the scikit-learn contract, every head learns what is planted, unknown never counts, bundles round-trip."""

import json
import zipfile

import numpy as np
import pytest
from probe_study import NAMES, make_study, make_track
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline

from vp_science.errors import AnnotationError, ProbeError
from vp_science.probes.bundle import describe, load_probe, save_probe
from vp_science.probes.dataset import cut_segments, match_annotations, window_states
from vp_science.probes.heads.windows import window_features
from vp_science.probes.holdout import plan_holdout
from vp_science.probes.probe import Probe
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import to_ethogram
from vp_science.timeline.names import match_names

HEADS = {
    "logistic": {},
    "knn": {},
    "prototype": {},
    "attentive": {"width": 32, "epochs": 12, "batch_size": 32, "dropout": 0.1},
    "temporal": {"width": 16, "epochs": 25, "batch_size": 4, "dropout": 0.1, "learning_rate": 3e-3},
}


def make_probe(head, **changes):
    return Probe(head, **(HEADS[head] | changes))


@pytest.fixture(scope="module")
def study():
    return make_study(5, 200, noise=0.3)


@pytest.fixture(scope="module", params=HEADS)
def fitted(request, study):
    tracks, annotations = study
    return make_probe(request.param).fit(tracks[:4], annotations)


def test_every_head_finds_the_planted_behaviors_in_a_recording_it_never_saw(fitted, study):
    tracks, annotations = study
    assert fitted.score(tracks[4:], annotations) > 0.85
    truth = to_ethogram(annotations, "rec4", tracks[4].time_s)
    found = fitted.predict(tracks[4])
    assert (found.states == truth.states).mean() > 0.75
    assert found.recording == "rec4"
    assert found.states.sum(axis=1).max() <= 1  # exclusive


@pytest.mark.parametrize("head", HEADS)
def test_every_head_learns_behaviors_that_may_overlap(head):
    tracks, annotations = make_study(4, 200, exclusive=False)
    probe = make_probe(head).fit(tracks[:3], annotations)
    assert probe.score(tracks[3:], annotations) > 0.9
    assert not probe.behaviors_.exclusive


def test_scores_are_probabilities_one_row_per_grid_frame(fitted, study):
    tracks, _ = study
    (scores,) = fitted.predict_proba(tracks[:1])
    assert scores.shape == (200, len(NAMES))
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    np.testing.assert_array_equal(fitted.predict_proba(tracks[0]), scores)


def test_the_same_seed_gives_the_same_probe(fitted, study):
    tracks, annotations = study
    again = clone(fitted).fit(tracks[:4], annotations)
    assert again.id == fitted.id
    np.testing.assert_array_equal(again.predict_proba(tracks[4]), fitted.predict_proba(tracks[4]))


@pytest.mark.parametrize("ending", ["", ".zip"])
def test_a_bundle_gives_the_same_predictions(fitted, study, tmp_path, ending):
    tracks, _ = study
    path = save_probe(fitted, tmp_path / f"probe{ending}")
    loaded = load_probe(path)
    np.testing.assert_array_equal(loaded.predict_proba(tracks[4]), fitted.predict_proba(tracks[4]))
    np.testing.assert_array_equal(loaded.predict(tracks[4]).states, fitted.predict(tracks[4]).states)
    assert loaded.id == fitted.id
    assert loaded.get_params() == fitted.get_params()
    assert describe(loaded) == describe(fitted)


def test_equal_probes_give_equal_bytes(fitted, tmp_path):
    one, two = save_probe(fitted, tmp_path / "a.zip"), save_probe(load_probe(tmp_path / "a.zip"), tmp_path / "b.zip")
    assert one.read_bytes() == two.read_bytes()


def test_parameters_can_be_searched_and_put_into_a_pipeline(study):
    tracks, annotations = study
    ethograms = match_annotations(annotations, tracks)
    search = GridSearchCV(Probe("logistic"), {"regularization": [1e-6, 0.01]}, cv=GroupKFold(2))
    search.fit(tracks[:4], ethograms[:4], groups=["a", "a", "b", "b"])
    assert search.best_params_ == {"regularization": 0.01}
    pipeline = Pipeline([("probe", Probe("prototype"))]).fit(tracks[:4], ethograms[:4])
    assert len(pipeline.predict(tracks[4:])) == 1


@pytest.mark.parametrize("head", ["logistic", "temporal"])
def test_time_that_nobody_observed_teaches_nothing(head):
    """Whatever is or is not marked outside the observed time, the probe is the same; observing it makes another one."""
    tracks, annotations = make_study(3, 120)
    half = annotations.observed.assign(stop_s=annotations.observed["stop_s"] / 2)
    inside = annotations.bouts[annotations.bouts["start_s"] < half["stop_s"].iloc[0]]
    marked, unmarked, observed = (
        make_probe(head).fit(tracks, Annotations.of(bouts, seen, annotations.behaviors)).id
        for bouts, seen in ((annotations.bouts, half), (inside, half), (inside, annotations.observed))
    )
    assert marked == unmarked
    assert marked != observed


def test_cut_segments_reads_only_around_the_labels():
    track = make_track("a", np.random.default_rng(0).normal(size=(400, 6)))
    states = np.full((400, 1), -1, np.int8)
    states[100:140], states[300:310, 0] = 0, 1
    segments = cut_segments(track, states, context=8, exclusive=False)
    assert [len(s.cells) for s in segments] == [56, 26]
    assert {tuple(s.windows[0]) for s in segments} <= {(0, 8), (4, 12), (8, 16), (12, 20)}
    for segment in segments:
        assert (segment.window_states >= 0).any(axis=1).all()
        assert (segment.windows[:, 1] <= len(segment.cells)).all()


def test_a_window_takes_the_label_of_the_frames_it_owns():
    states = np.array([[1], [1], [1], [1], [1], [0], [0], [0], [1], [1], [0], [0], [-1], [-1], [-1], [1]], np.int8)
    owner = np.repeat(np.arange(4), 4)
    assert window_states(states, owner, 4, exclusive=False)[:, 0].tolist() == [1, -1, 1, -1]
    halves = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.int8)
    assert window_states(halves, owner[:4], 1, exclusive=False).tolist() == [[1, 1]]
    assert window_states(halves, owner[:4], 1, exclusive=True).tolist() == [[-1, -1]]  # neither has more than half


def test_window_features_equal_plain_means_and_deviations():
    rng = np.random.default_rng(1)
    cells = (rng.normal(size=(50, 4, 6)) * 3 + 100).astype(np.float16)
    windows = np.array([[0, 16], [4, 20], [30, 50]])
    found = window_features(cells, windows, "mean+std")
    for row, (first, stop) in zip(found, windows, strict=True):
        part = cells[first:stop].astype(np.float64).reshape(-1, 6)
        np.testing.assert_allclose(row, [*part.mean(axis=0), *part.std(axis=0)], rtol=2e-5)


def test_holdout_keeps_every_behavior_in_the_training_part():
    tracks, annotations = make_study(4, 200)
    states = [e.states for e in match_annotations(annotations, tracks)]
    plan = plan_holdout(tracks, states, None)
    assert plan.how.startswith("held-out recording rec")
    [(train, held)] = plan.folds
    assert sum(mask.all() for mask in held) == 1
    only = [s.copy() for s in states]
    for index in range(1, 4):
        only[index][:, 0][only[index][:, 0] == 1] = 0  # behavior 0 is seen in the first recording alone
    [(train, held)] = plan_holdout(tracks, only, None).folds
    assert not held[0].any()
    for index, s in enumerate(only[:3]):
        s[:] = 0
        s[:, index] = 1  # every recording shows what no other shows
    plan = plan_holdout(tracks[:3], only[:3], None)
    assert "too few recordings" in plan.how
    assert len(plan.folds) == 5
    for train, held in plan.folds:
        for learn, test in zip(train, held, strict=True):
            distance = np.abs(np.flatnonzero(learn)[:, None] - np.flatnonzero(test)).min()
            assert distance > 8


@pytest.mark.parametrize("head", ["logistic", "attentive", "temporal"])
def test_clips_hardly_longer_than_a_window_are_all_fitted(head):
    """A fifth of each and the gaps around it would leave too little, or nothing."""
    rng = np.random.default_rng(0)
    tracks = [make_track(f"clip{index}", rng.normal(size=(10, 12)) + 3 * (index % 3)) for index in range(3)]
    bouts = [{"recording": f"clip{i}", "behavior": name, "start_s": 0.0, "stop_s": 0.4} for i, name in enumerate(NAMES)]
    annotations = Annotations.of(bouts, [{k: v for k, v in bout.items() if k != "behavior"} for bout in bouts],
                                 Behaviors.of(NAMES, exclusive=True))  # fmt: skip
    probe = make_probe(head).fit(tracks, annotations)
    assert probe.training_["validation"].startswith("nothing: there are too few labels, or clips are too short")
    assert len(probe.predict(tracks[0]).scores) == 10


def test_the_part_that_is_held_out_first_looks_like_the_whole():
    """A last fifth full of one behavior would give a threshold that calls everything this behavior."""
    tracks, _ = make_study(1, 500)
    states = np.zeros((500, 1), np.int8)
    states[400:], states[110:130], states[230:250] = 1, 1, 1
    first = plan_holdout(tracks, [states], None).folds[0][1][0]
    assert not first[400:].any()
    assert states[first].any()


def test_names_in_labels_find_their_tracks():
    assert match_names(["videos/A.mp4", r"C:\data\b.avi", "c.d.mp4"], ["A", "b", "c.d", "e"]) == [
        "videos/A.mp4",
        r"C:\data\b.avi",
        "c.d.mp4",
        "",
    ]
    with pytest.raises(
        AnnotationError, match=r"expected one recording of the labels to be 'day2/a', found a.mp4, a.avi"
    ):
        match_names(["a.mp4", "a.avi"], ["day2/a"])


def test_what_a_probe_found_is_no_label():
    tracks, annotations = make_study(2, 100)
    probe = Probe("prototype").fit(tracks, annotations)
    found = Annotations.concat([ethogram.to_annotations() for ethogram in probe.predict(tracks)])
    assert set(found.bouts["source"]) == {f"model:{probe.id}"}
    with pytest.raises(AnnotationError, match=r"found only what a model found .* review it first"):
        probe.fit(tracks, found)


def test_predictions_are_no_labels_until_somebody_reviewed_them():
    tracks, annotations = make_study(2, 100)
    guessed = annotations.bouts["recording"] == "rec1"
    bouts = annotations.bouts.assign(source=np.where(guessed, "model:p-1", "manual:anna"))
    first, second = match_annotations(Annotations.of(bouts, annotations.observed, annotations.behaviors), tracks)
    assert (first.states >= 0).all()
    assert (second.states == -1).all()
    bouts = annotations.bouts.assign(source=np.where(guessed, "curated:ben", "manual:anna"))
    _, second = match_annotations(Annotations.of(bouts, annotations.observed, annotations.behaviors), tracks)
    assert (second.states >= 0).all()


def test_the_only_animal_takes_bouts_that_name_nobody():
    tracks, annotations = make_study(1, 100)
    follow = {"follow": {"subject": "fly1", "of_recording": "rec0", "settings": {}, "turned": None}}
    alone = make_track("rec0@fly1", np.asarray(tracks[0].track)[:, 0], source=follow)
    assert (match_annotations(annotations, [alone])[0].states >= 0).all()
    other = {"follow": {**follow["follow"], "subject": "fly2"}}
    pair = [alone, make_track("rec0@fly2", np.asarray(tracks[0].track)[:, 0], source=other)]
    states = match_annotations(annotations, pair)[0].states
    whole = match_annotations(annotations, tracks)[0].states
    assert (states[whole == 1] == -1).all()  # somebody did it, and nobody knows who
    assert (states[whole == 0] == 0).all()


def test_tuned_rules_are_stored_and_explained(study, tmp_path):
    tracks, annotations = study
    probe = Probe("logistic", postprocess="tune").fit(tracks[:4], annotations)
    loaded = load_probe(save_probe(probe, tmp_path / "p"))
    assert loaded.postprocess_ == probe.postprocess_
    np.testing.assert_array_equal(loaded.predict(tracks[4]).states, probe.predict(tracks[4]).states)


def test_exclusive_labels_that_leave_no_background_always_give_a_behavior():
    tracks, annotations = make_study(3, 200)
    covered = annotations.observed.iloc[:0]
    covered = [
        {"recording": b.recording, "start_s": b.start_s, "stop_s": b.stop_s} for b in annotations.bouts.itertuples()
    ]
    probe = Probe("logistic").fit(tracks, Annotations.of(annotations.bouts, covered, annotations.behaviors))
    assert (probe.predict(tracks[0]).states.sum(axis=1) == 1).all()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("exclusive", [True, False])
def test_a_behavior_too_short_for_any_window_breaks_nothing(head, exclusive):
    tracks, annotations = make_study(2, 80, exclusive=exclusive)
    bouts = [{"recording": "rec0", "behavior": "walk", "start_s": 1.0, "stop_s": 1.04}]
    labels = Annotations.of(bouts, annotations.observed, annotations.behaviors)
    probe = make_probe(head).fit(tracks, labels)
    assert np.isfinite(probe.predict_proba(tracks[1])).all()
    assert probe.training_["behaviors_without_examples"] == ["groom", "rear"]


def test_absent_animals_stay_unknown(study):
    tracks, annotations = study
    probe = Probe("logistic").fit(tracks[:4], annotations)
    tracks[4].shown_index = tracks[4].shown_index.copy()
    tracks[4].shown_index[50:60] = -1
    try:
        assert (probe.predict(tracks[4]).states[50:60] == -1).all()
        assert np.isnan(probe.predict_proba(tracks[4])[50:60]).all()
        assert (match_annotations(annotations, tracks[4:])[0].states[50:60] == -1).all()
    finally:
        tracks[4].shown_index[50:60] = np.arange(50, 60)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"head": "svm"}, "expected a head of logistic, knn, prototype, attentive, temporal, found 'svm'"),
        (
            {"head": "logistic", "width": 64},
            "the head 'logistic' has no setting 'width': it has features",
        ),
        ({"head": "knn", "loss": "focal"}, "expected cross-entropy without label smoothing for the head 'knn'"),
        ({"head": "temporal", "dropout": 1.0}, "expected dropout from 0 to below 1"),
        ({"head": "attentive", "width": 40}, "expected a width from 32 to 768, a multiple of 32, found 40"),
        ({"head": "temporal", "loss": "mse"}, "expected a loss of cross-entropy, focal, eql"),
        ({"head": "logistic", "features": "max"}, "expected features to be one of mean, mean[+]std, found 'max'"),
        ({"validation": ["rec9"]}, "expected validation recordings among rec0, .*found 'rec9'"),
        ({"postprocess": "auto"}, "expected postprocess to be a PostProcess"),
        ({"label_smoothing": 0.5, "head": "temporal"}, "expected label smoothing from 0 to below 0.5"),
    ],
)
def test_settings_that_cannot_work_are_refused(study, parameters, message):
    tracks, annotations = study
    with pytest.raises(ProbeError, match=message):
        Probe(**parameters).fit(tracks[:4], annotations)


def test_labels_that_cannot_work_are_refused(study):
    tracks, annotations = study
    with pytest.raises(AnnotationError, match=r"expected labels of the recordings rec0, found labels of x"):
        Probe().fit(tracks[:1], annotations.select(recordings=["rec0"]).renamed({"rec0": "x"}))
    nothing = Annotations.of(annotations.bouts, (), annotations.behaviors)
    with pytest.raises(ProbeError, match=r"unknown is never absent, so labels need"):
        Probe().fit(tracks, nothing)
    same = Annotations.of(annotations.bouts.iloc[:0], annotations.observed, annotations.behaviors)
    with pytest.raises(ProbeError, match=r"found labels that are all the same"):
        Probe().fit(tracks, same)
    with pytest.raises(ProbeError, match=r"expected a fitted probe"):
        Probe().predict(tracks)
    twice = Annotations.of(
        [{"recording": "rec0", "behavior": name, "start_s": 0.0, "stop_s": 4.0} for name in NAMES[:2]],
        [{"recording": "rec0", "start_s": 0.0, "stop_s": 8.0}],
        Behaviors.of(NAMES[:2], exclusive=True),
    )
    with pytest.raises(
        AnnotationError, match=r"expected one behavior at a time, found walk and groom at 0.000 s of 'rec0'"
    ):
        Probe().fit(tracks[:1], twice)


@pytest.mark.parametrize("head", ["logistic", "knn", "prototype"])
def test_a_behavior_that_never_happens_is_refused_also_where_nothing_can_be_held_out(head):
    """Clips hardly longer than a window, and labels whose bouts name other recordings."""
    tracks, annotations = make_study(2, 16)
    nothing = Annotations.of([], annotations.observed, annotations.behaviors)
    with pytest.raises(ProbeError, match="expected examples with and without the behaviors"):
        make_probe(head).fit(tracks, nothing)


def test_tracks_made_with_other_settings_are_refused_by_name(study):
    tracks, annotations = study
    probe = Probe("logistic").fit(tracks[:4], annotations)
    other = make_track("x", np.zeros((40, 12)), model="videoprism-base", spatial_pool=2, software="other")
    with pytest.raises(ProbeError) as error:
        probe.predict(other)
    assert "model: videoprism-tiny for this probe, videoprism-base in the track" in str(error.value)
    assert "spatial_pool: 1 for this probe, 2 in the track" in str(error.value)
    assert "software" not in str(error.value)
    with pytest.raises(ProbeError, match=r"num_frames: 8 for the track of 'rec0', 4 in the track"):
        Probe().fit([tracks[0], make_track("rec1", np.zeros((40, 12)), num_frames=4)], annotations)


def test_bundles_that_lie_are_refused(study, tmp_path):
    tracks, annotations = study
    path = save_probe(Probe("logistic").fit(tracks[:4], annotations), tmp_path / "p")
    with pytest.raises(ProbeError, match=r"expected nothing at .*p, found a file or folder"):
        save_probe(load_probe(path), path)
    save_probe(load_probe(path), path, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p"]
    with pytest.raises(ProbeError, match=r"expected a probe bundle at .*missing, found no missing"):
        load_probe(tmp_path / "missing")
    card = json.loads((path / "probe.json").read_text())
    changed = card | {"thresholds": [0.1, 0.2, 0.3]}
    (path / "probe.json").write_text(json.dumps(changed))
    with pytest.raises(ProbeError, match=r"its id is .*, its content gives"):
        load_probe(path)
    (path / "probe.json").write_text(json.dumps(card | {"schema": 2}))
    with pytest.raises(ProbeError, match=r"expected schema 1 in .*found 2: upgrade"):
        load_probe(path)
    (path / "probe.json").write_text(json.dumps(card | {"thresholds": [0.1]}))
    with pytest.raises(ProbeError, match=r"expected 3 thresholds"):
        load_probe(path)
    (path / "probe.json").write_text(json.dumps(card))
    whole = (path / "weights.npz").read_bytes()
    (path / "weights.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ProbeError, match=r"damaged \(weights.npz"):
        load_probe(path)


def test_pickles_and_absurd_sizes_in_weights_are_refused(study, tmp_path):
    tracks, annotations = study
    path = save_probe(Probe("logistic").fit(tracks[:4], annotations), tmp_path / "p")
    np.savez(path / "weights.npz", mean=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ProbeError, match=r"an array claims shape \(1,\) of object"):
        load_probe(path)
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"
    header = header.ljust(117) + b"\n"
    with zipfile.ZipFile(path / "weights.npz", "w") as archive:
        archive.writestr("mean.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ProbeError, match=r"claims shape \(1000000000000,\) of float32 and has 0 bytes"):
        load_probe(path)
