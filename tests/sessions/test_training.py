import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_study import Listener, copy_session, make_session, relabel, request_of, write_track_of

import vp_science as vp
from vp_science.errors import ProbeError, StoreError
from vp_science.probes.bundle import load_probe
from vp_science.sessions.label_log import read_labels
from vp_science.sessions.material import LabelChanges, training_material
from vp_science.sessions.prediction import SavedPrediction, ScoreDecider, prediction_path, read_predictions
from vp_science.sessions.probe_scores import read_scores
from vp_science.sessions.session_probes import (
    list_probes,
    probe_path,
    read_probe,
    read_training,
    training_folder,
)
from vp_science.sessions.worker import CancelledError, run_job
from vp_science.store.ethogram_reader import list_ethograms
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.ethogram import Ethogram
from vp_science.timeline.postprocess import PostProcess, apply_postprocess


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    make_session(folder).close()
    return folder


@pytest.fixture
def session(template, tmp_path):
    opened = copy_session(template, tmp_path)
    yield opened
    opened.close()


def train(session, **more):
    return run_job("train", request_of(session, **more), Listener().report)["probe"]


# ---- training


def test_a_probe_is_trained_tested_and_predicts_what_annotate_writes(session, tmp_path):
    listener = Listener()
    probe_id = run_job("train", request_of(session), listener.report)["probe"]
    assert listener.stages == ["reading labels", "learning from rec0, rec1, rec2", "writing the probe"]
    card = read_probe(session.folder, probe_id)
    assert card.id == probe_id
    assert card.head == "logistic"
    assert not card.untrained
    assert card.training.recordings == ("rec0", "rec1", "rec2")
    assert card.training.scored_s == pytest.approx((160 + 164 + 168) / 25, abs=0.05)
    assert card.training.bouts == len(session.labels)
    assert read_labels(training_folder(session.folder, probe_id) / "labels.log.jsonl").bouts() == session.labels.bouts()

    done = run_job("evaluate", request_of(session, probe=probe_id), listener.report)
    assert done == {"probe": probe_id, "scores": True, "why": ""}
    scores = read_scores(session.folder, probe_id)
    assert scores.how == (
        "Tested recording by recording: every recording was predicted by a probe that learned from the other "
        "recordings only."
    )
    assert all(one.average_precision > 0.8 for one in scores.each)
    assert load_probe(card.path).evaluation_["folds"][0]["name"] == "rec0"

    listener = Listener()
    done = run_job("predict", request_of(session, probe=probe_id), listener.report)
    assert done == {"probe": probe_id, "predicted": ["rec0", "rec1", "rec2"], "failed": {}}
    assert [event["predicted"] for event in listener.events if "predicted" in event] == ["rec0", "rec1", "rec2"]
    videos = [one.path for one in session.recordings]
    vp.annotate(videos, card.path, out=tmp_path / "cli", tracks=session.folder / "tracks")
    for name in ("rec0", "rec1", "rec2"):
        ours, theirs = (
            (list_ethograms(path), vp.read_ethogram(path))
            for path in (prediction_path(session.folder, name), tmp_path / "cli" / f"{name}.ethogram.h5")
        )
        assert ours[0] == theirs[0]  # provenance, too
        np.testing.assert_array_equal(ours[1].scores, theirs[1].scores)
        np.testing.assert_array_equal(ours[1].states, theirs[1].states)


def test_what_people_chose_becomes_part_of_the_probe(session):
    chosen = {"thresholds": {"walk": 0.9}, "rules": {"min_bout_s": 0.2}}
    plain, changed = train(session), train(session, chosen=chosen)
    card = read_probe(session.folder, changed)
    assert card.thresholds["walk"] == pytest.approx(0.9)
    assert card.rules == PostProcess(min_bout_s=0.2)
    assert card.training.tuned == pytest.approx(read_probe(session.folder, plain).thresholds)
    done = run_job("predict", request_of(session, probe=plain, chosen=chosen), Listener().report)
    assert done["probe"] == changed  # the same probe, in either way
    assert list_probes(session.folder) == [changed, plain]
    assert read_training(session.folder, changed).trained


def test_predictions_of_older_probes_make_room_and_those_of_others_stay(session, tmp_path):
    first = train(session)
    other = vp.load_probe(probe_path(session.folder, first)).set_params(name="elsewhere")
    vp.annotate(session.recordings[0].path, other, out=session.folder / "predictions", tracks=session.folder / "tracks")
    run_job("predict", request_of(session, probe=first), Listener().report)
    second = train(session, chosen={"thresholds": {"walk": 0.8}})
    run_job("predict", request_of(session, probe=second), Listener().report)
    there = {entry.probe_id for entry in list_ethograms(prediction_path(session.folder, "rec0"))}
    assert there == {second, other.id}
    assert read_predictions(prediction_path(session.folder, "rec0"), first) == []


def test_time_that_is_excluded_is_not_learned_from(session):
    whole = train(session)
    part = train(session, excluded=[["rec0", 1.0, 3.0], ["rec2", 0.0, 100.0]])
    seconds = [read_training(session.folder, probe).scored_s for probe in (whole, part)]
    # A frame that the time touches is left out: at most two more than its length.
    assert seconds[0] - seconds[1] == pytest.approx(2.0 + 168 / 25, abs=0.1)


def test_only_behaviors_that_happen_are_learned(session):
    catalogue = session.labels.behaviors
    more = Behaviors((*catalogue.entries, Behavior("sleep")), catalogue.exclusive)
    session.labels.set_behaviors(more)
    session.log.flush()
    done = run_job("train", request_of(session), Listener().report)
    assert done["notes"] == ["nothing to learn from, left out: sleep"]
    assert read_probe(session.folder, done["probe"]).behaviors.names == catalogue.names


# ---- what is missing


def test_what_is_missing_is_said(session, tmp_path):
    def message(**more):
        with pytest.raises(ProbeError) as caught:
            train(session, **more)
        return str(caught.value)

    assert "found none: label some first" in message(labels=str(tmp_path / "nothing.jsonl"))
    assert "expected look_at to be auto, frames or animals" in message(look_at="pixels")
    assert "(single animals), found none: embed rec0, rec1, rec2 first" in message(look_at="animals")
    relabel(session, Annotations.of([{"recording": "rec0", "behavior": "walk", "start_s": 0, "stop_s": 2}], []))
    for one in session.labels.recordings:
        session.labels.forget(one, -1, 1e6)
    session.log.flush()
    assert "expected time that is marked as scored, found none" in message()


def test_one_behavior_all_the_time_is_refused(tmp_path):
    session = make_session(tmp_path, 1)
    bouts = [{"recording": "rec0", "behavior": "walk", "start_s": 0.0, "stop_s": 5.0}]
    observed = [{"recording": "rec0", "start_s": 0.0, "stop_s": 5.0}]
    relabel(session, Annotations.of(bouts, observed, session.labels.behaviors))
    with pytest.raises(ProbeError, match="expected scored time with and without walk, found only time in which"):
        train(session)
    session.close()


def test_a_track_that_is_gone_leaves_its_recording_out(session):
    (session.folder / "tracks" / "rec1.embeddings.h5").unlink()
    done = run_job("train", request_of(session), Listener().report)
    assert done["notes"] == ["not embedded, left out: rec1"]
    done = run_job("predict", request_of(session, probe=done["probe"]), Listener().report)
    assert done["predicted"] == ["rec0", "rec2"]
    assert "rec1: expected a track, found none: embed it first" in done["failed"]["rec1"]
    for path in (session.folder / "tracks").glob("*.h5"):
        path.unlink()
    with pytest.raises(ProbeError, match=r"found none: embed rec0, rec1, rec2 first"):
        train(session)


def test_tracks_made_otherwise_are_refused_by_name(session):
    probe_id = train(session)
    table = vp.open_embeddings(session.folder / "tracks" / "rec1.embeddings.h5")
    with table:
        copy = table.load() if hasattr(table, "load") else table
        vectors = np.asarray(table.track[:])
    (session.folder / "tracks" / "rec1.embeddings.h5").unlink()
    from probe_study import make_track

    other = make_track("rec1", vectors[:, 0])
    write_track_of(other, session.recordings[1].path, session.folder / "tracks", model="videoprism-base")
    assert copy is not None
    done = run_job("predict", request_of(session, probe=probe_id), Listener().report)
    assert done["predicted"] == ["rec0", "rec2"]
    assert "model" in done["failed"]["rec1"]
    assert "videoprism-base" in done["failed"]["rec1"]
    with pytest.raises(ProbeError, match="videoprism-base"):
        train(session)


def test_cancelling_stops_before_anything_is_written(session):
    listener = Listener()
    listener.report.control("cancel")
    with pytest.raises(CancelledError):
        run_job("train", request_of(session), listener.report)
    assert list_probes(session.folder) == []


def test_cancelling_keeps_what_was_predicted(session):
    probe_id, listener = train(session), Listener()
    send = listener.report._send

    def cancel_after_one(event):
        send(event)
        if event.get("predicted"):
            listener.report.control("cancel")

    listener.report._send = cancel_after_one
    with pytest.raises(CancelledError):
        run_job("predict", request_of(session, probe=probe_id), listener.report)
    there = [prediction_path(session.folder, name).exists() for name in ("rec0", "rec1", "rec2")]
    assert there == [True, False, False]


def test_a_damaged_prediction_is_named_and_made_anew(session):
    probe_id = train(session)
    run_job("predict", request_of(session, probe=probe_id), Listener().report)
    path = prediction_path(session.folder, "rec0")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(StoreError, match="it is damaged"):
        read_predictions(path, probe_id)
    done = run_job("predict", request_of(session, probe=probe_id), Listener().report)
    assert done["failed"] == {}
    assert len(read_predictions(path, probe_id)) == 1


def test_a_recording_that_nobody_finds_fails_and_the_others_do_not(session):
    probe_id, request = train(session), request_of(session)
    request["recordings"][0]["path"] = None
    done = run_job("predict", {**request, "probe": probe_id}, Listener().report)
    assert done["predicted"] == ["rec1", "rec2"]
    assert "rec0: expected the recording" in done["failed"]["rec0"]


# ---- bundles


def test_a_bundle_goes_out_and_comes_back(session, tmp_path):
    probe_id = train(session)
    out = tmp_path / "probe.zip"
    run_job("export_probe", {"session": str(session.folder), "probe": probe_id, "out": str(out)}, Listener().report)
    assert load_probe(out).id == probe_id
    other = make_session(tmp_path / "other", 1)
    done = run_job("predict", request_of(other, bundle=str(out)), Listener().report)
    assert (done["probe"], done["predicted"]) == (probe_id, ["rec0"])
    training = read_training(other.folder, probe_id)
    assert training.imported
    assert training.recordings == ("rec0", "rec1", "rec2")
    assert read_scores(other.folder, probe_id) is None
    with pytest.raises(ProbeError, match="expected a probe bundle"):
        run_job("predict", request_of(other, bundle=str(tmp_path)), Listener().report)
    other.close()


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden"])
def test_ids_of_probes_lead_nowhere_else(session, name):
    with pytest.raises(ProbeError, match="expected the id of a probe"):
        probe_path(session.folder, name)


def test_damaged_cards_are_named(session):
    probe_id = train(session)
    with pytest.raises(ProbeError, match="found none that can be read"):
        read_probe(session.folder, "probe-00000000")
    card = probe_path(session.folder, probe_id) / "probe.json"
    content = json.loads(card.read_text())
    card.write_text(json.dumps({**content, "thresholds": [0.5]}))
    with pytest.raises(ProbeError, match="found a damaged one"):
        read_probe(session.folder, probe_id)
    card.write_text("[]")
    with pytest.raises(ProbeError, match="it is no record"):
        read_probe(session.folder, probe_id)


# ---- scores


def scored(session, **more):
    probe_id = train(session, **more)
    done = run_job("evaluate", request_of(session, probe=probe_id, **more), Listener().report)
    return done, read_scores(session.folder, probe_id)


def test_one_recording_is_tested_in_blocks_of_time_and_that_is_said(tmp_path):
    session = make_session(tmp_path, 1, num_rows=900)
    _, scores = scored(session)
    assert scores.how.startswith("Tested in 5 blocks of time inside rec0, at least 2 s apart")
    assert "Other recordings may well come out worse" in scores.how
    assert any("NOT INDEPENDENT" in note for note in scores.notes)
    session.close()


def test_too_few_labels_have_no_scores_and_a_reason(tmp_path):
    session = make_session(tmp_path, 1, num_rows=40)
    done, scores = scored(session)
    assert not done["scores"]
    assert "Too few labels to test the probe" in done["why"]
    assert scores is None
    session.close()


def test_recordings_of_one_animal_are_held_out_together(tmp_path):
    session = make_session(tmp_path, 4)
    annotations = session.labels.annotations()
    who = {"rec0": "A", "rec1": "A", "rec2": "B", "rec3": "C"}
    bouts = annotations.bouts.assign(subject=annotations.bouts["recording"].map(who))
    relabel(session, Annotations.of(bouts, annotations.observed, annotations.behaviors))
    _, scores = scored(session)
    assert scores.how.startswith("Tested animal by animal")
    folds = json.loads(
        (training_folder(session.folder, list_probes(session.folder)[0]) / "evaluation.json").read_text()
    )
    assert [sorted(fold["test_recordings"]) for fold in folds["folds"]] == [["rec0", "rec1"], ["rec2"], ["rec3"]]
    session.close()


def test_names_that_all_recordings_share_do_not_hide_that(tmp_path):
    session = make_session(tmp_path, 3)
    annotations = session.labels.annotations()
    bouts = annotations.bouts.assign(subject="male")
    relabel(session, Annotations.of(bouts, annotations.observed, annotations.behaviors))
    _, scores = scored(session)
    assert scores.how.startswith("Tested recording by recording")
    assert "The recordings share the names male" in scores.how
    session.close()


@pytest.mark.parametrize("exclusive", [True, False])
def test_moments_behind_the_cells_add_up_to_the_confusion(tmp_path, exclusive):
    session = make_session(tmp_path, 3, exclusive=exclusive)
    _, scores = scored(session)
    confusion = scores.confusion
    for row, column in np.ndindex(*confusion.counts.shape):
        moments = scores.moments.of(row, column, most=10**6)
        frames = sum(stop - start for _, start, stop in moments) * 25
        assert frames == pytest.approx(confusion.counts[row, column], abs=0.01)
        lengths = [stop - start for _, start, stop in moments]
        assert lengths == sorted(lengths, reverse=True)
    assert confusion.counts.sum() + confusion.rest.sum() == (160 + 164 + 168) * (1 if exclusive else 3)
    assert {name for name, *_ in scores.moments.of(0, 0)} <= {"rec0", "rec1", "rec2"}
    session.close()


def test_behaviors_with_few_bouts_are_said_to_be_so(tmp_path):
    session = make_session(tmp_path, 2)
    rare = [bout for bout in session.labels.bouts() if bout.behavior == "rear"]
    session.labels.delete([bout.id for bout in rare[2:]])
    session.log.flush()
    _, scores = scored(session)
    few = {one.name: one.few for one in scores.each}
    assert few["rear"]
    assert not few["walk"]
    session.close()


def test_damaged_scores_are_named(session):
    scored(session)
    folder = training_folder(session.folder, list_probes(session.folder)[0])
    (folder / "moments.npz").write_bytes(b"PK")
    with pytest.raises(ProbeError, match=r"found damaged ones \(moments.npz"):
        read_scores(session.folder, list_probes(session.folder)[0])


# ---- what there is to learn from


def test_material_says_what_is_missing(tmp_path):
    book = vp.sessions.LabelBook()

    def problem(tracked=()):
        return training_material(book, tracked).problem

    assert problem() == "There are no behaviors yet: add some in the Label page."
    book.set_behaviors(Behaviors.of(["walk", "groom"]))
    assert problem().startswith("Nothing is labelled yet")
    book.add("a", "walk", 0, 1, observe=False)
    assert problem(["a"]).startswith("No time is marked as scored")
    book.observe("a", 0, 10)
    assert problem() == "Labelled recordings are not embedded yet: embed a first."
    book.observe("b", 0, 4)
    assert problem(["b"]) == "The embedded recordings have no bouts: embed a, or label these."
    material = training_material(book, ["a"])
    assert material.problem == ""
    assert material.scored_s == 10
    assert material.bouts == {"walk": 1, "groom": 0}
    assert material.hints == ("Not embedded, so left out: b.", "No bouts to learn from: groom.")


def test_time_that_is_excluded_is_no_material():
    book = vp.sessions.LabelBook()
    book.set_behaviors(Behaviors.of(["walk"]))
    for start_s in (0.0, 5.0, 10.0):
        book.add("a", "walk", start_s, start_s + 1)
    book.observe("a", 0, 20)
    material = training_material(book, ["a"], [("a", 4.0, 7.0), ("a", 6.0, 8.0), ("b", 0.0, 20.0)])
    assert material.scored_s == 16
    assert material.bouts == {"walk": 2}


def test_bouts_of_a_model_are_nothing_to_learn_from():
    book = vp.sessions.LabelBook()
    book.set_behaviors(Behaviors.of(["walk"]))
    book.add("a", "walk", 0, 1, source="model:probe-1")
    assert training_material(book, ["a"]).problem.startswith("Nothing is labelled yet")


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(["add", "delete", "move", "undo", "model"]), st.integers(0, 5))))
def test_changes_are_those_between_two_states(steps):
    book = vp.sessions.LabelBook()
    book.set_behaviors(Behaviors.of(["walk"]))
    for number in range(3):
        book.add("a", "walk", 2 * number, 2 * number + 1, observe=False)
    before = {bout.id: bout for bout in book.bouts()}
    changes = LabelChanges()
    book.subscribe(changes.note)
    for what, number in steps:
        ids = [bout.id for bout in book.bouts()]
        if what == "add" or not ids:
            book.add("a", "walk", 10 + number, 11 + number, observe=False)
        elif what == "delete":
            book.delete([ids[number % len(ids)]])
        elif what == "move":
            book.change(ids[number % len(ids)], stop_s=100.0 + number)
        elif what == "model":
            book.add("a", "walk", 50, 51, source="model:x", observe=False)
        elif what == "undo":
            book.undo()
    after = {bout.id: bout for bout in book.bouts() if not bout.source.startswith("model")}
    expected = sum(before.get(number) != after.get(number) for number in before.keys() | after.keys())
    assert changes.bouts == expected


def test_changes_since_a_training_are_found_when_a_session_is_opened_again(session):
    before = read_labels(session.log.path)
    session.labels.delete([session.labels.bouts("rec0")[0].id])
    session.log.flush()
    now = read_labels(session.log.path)
    changes = LabelChanges()
    session.labels.subscribe(changes.note)
    session.labels.add("rec0", "walk", 0.0, 0.04)
    session.labels.forget("rec1", 0, 1)
    since = changes.bouts
    changes.start_from(before, now)
    assert changes.bouts == since + 1
    assert changes.scored == 1


# ---- thresholds at once


def make_prediction(seed, frames, exclusive, with_points):
    rng = np.random.default_rng(seed)
    entries = [Behavior("jump", "point"), Behavior("walk"), Behavior("groom")][not with_points :]
    walk = np.cumsum(rng.normal(size=(frames, len(entries))), axis=0)
    scores = (1 / (1 + np.exp(-walk))).astype(np.float32)
    scores[rng.random(frames) < 0.1] = np.nan
    time_s = np.cumsum(rng.uniform(0.02, 0.2, frames))
    return SavedPrediction("a", "", "", "p", Behaviors(tuple(entries), exclusive), time_s, scores)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(1, 80),
    exclusive=st.booleans(),
    with_points=st.booleans(),
    asked=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.3, 0.5, 0.9]),
            st.sampled_from([0.2, 0.5, 0.8]),
            st.sampled_from([PostProcess(), PostProcess(median_s=0.5), PostProcess("hysteresis", min_bout_s=0.3),
                             PostProcess(fill_gap_s=0.2, min_bout_s=0.25)]),
        ),
        min_size=1, max_size=4,
    ),
)  # fmt: skip
def test_moved_thresholds_give_what_post_processing_gives(seed, frames, exclusive, with_points, asked):
    saved = make_prediction(seed, frames, exclusive, with_points)
    decider, names = ScoreDecider(saved), saved.behaviors.names
    for first, second, rules in asked:
        values = [first, *[second] * (len(names) - 1)]
        found = decider.decide(dict(zip(names, values, strict=True)), rules)
        known = ~np.isnan(saved.scores)
        levels = np.array(values, np.float32)
        expected = apply_postprocess(np.nan_to_num(saved.scores), saved.time_s, saved.behaviors, levels, rules, known)
        np.testing.assert_array_equal(found.states, expected)
        rows = Ethogram(saved.behaviors, saved.time_s, expected, saved.scores, "a").to_bouts()
        wanted = (
            np.zeros((0, 4))
            if not len(rows)
            else np.column_stack(
                [rows["behavior"].map(names.index), rows["start_s"], rows["stop_s"], rows["score"]]
            ).astype(float)
        )
        order = np.argsort(wanted[:, 1], kind="stable")
        np.testing.assert_allclose(found.bouts, wanted[order], rtol=1e-5, atol=1e-6)


def test_a_threshold_that_is_missing_is_named():
    saved = SavedPrediction("a", "", "", "p", Behaviors.of(["walk"]), np.arange(3.0), np.zeros((3, 1), np.float32))
    with pytest.raises(ProbeError, match="expected a threshold of every behavior, found none of 'walk'"):
        ScoreDecider(saved).decide({}, PostProcess())
