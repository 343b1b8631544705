"""A fine-tuned bundle in a session: opened from a file, it looks at the recordings and predicts like any probe."""

import numpy as np
import pytest
from fine_tuned_micro import BEHAVIORS, SETTINGS, make_probe
from pipeline_tools import make_encoder, write_video
from training_study import Listener, request_of

import vp_science as vp
from vp_science.embedding.run import embed
from vp_science.probes.bundle import load_probe, save_probe
from vp_science.sessions.predicting import predict_recordings
from vp_science.sessions.prediction import prediction_path, read_predictions
from vp_science.sessions.probe_scores import read_scores
from vp_science.sessions.session import open_session
from vp_science.sessions.session_probes import list_probes, probe_path, read_probe
from vp_science.sessions.worker import CancelledError, run_job
from vp_science.timeline.annotations import Annotations
from vp_science.video.crop_path import FollowSettings


@pytest.fixture(scope="module")
def encoder():
    return make_encoder()


@pytest.fixture(scope="module")
def bundle(encoder, tmp_path_factory):
    return save_probe(make_probe(encoder, name="mouse"), tmp_path_factory.mktemp("bundle") / "mouse.zip")


@pytest.fixture
def session(tmp_path):
    opened = open_session(tmp_path / "session", tmp_path / "places.json")
    for number in range(2):
        opened.add(write_video(tmp_path / f"m{number}.avi", num_frames=20 + 4 * number))
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _float32(monkeypatch):
    """The machine may prefer another precision; these tests compare bytes."""
    from vp_science.encoder import precision

    monkeypatch.setattr(precision, "choose_precision", lambda device=None: ("float32", "float32: for the test"))
    monkeypatch.setattr("vp_science.checkpoints.load.choose_precision", precision.choose_precision)


def test_a_bundle_from_a_file_looks_at_the_recordings(session, bundle, encoder, tmp_path):
    listener = Listener()
    done = run_job("predict", request_of(session, bundle=str(bundle)), listener.report)
    assert done == {"probe": done["probe"], "predicted": ["m0", "m1"], "failed": {}}
    probe_id = done["probe"]
    assert list_probes(session.folder) == [probe_id]
    card = read_probe(session.folder, probe_id)
    assert (card.head, card.model, card.training.imported) == ("fine-tuned", "custom, fine-tuned", True)
    assert card.training.recordings == ("m0",)
    looking = [event for event in listener.events if event["stage"].startswith("looking at m1")]
    assert looking[-1]["stage"] == "looking at m1 (100%)"
    assert looking[-1]["done"] == 2
    videos = [one.path for one in session.recordings]
    vp.annotate(videos, bundle, out=tmp_path / "cli", encoder=encoder)
    for name in ("m0", "m1"):
        [saved] = read_predictions(prediction_path(session.folder, name), probe_id)
        theirs = vp.read_ethogram(tmp_path / "cli" / f"{name}.ethogram.h5")
        np.testing.assert_array_equal(saved.scores, theirs.scores)


def test_tracks_of_the_session_are_not_for_it(session, bundle, encoder):
    one = session.recordings[0]
    options = {"fps": 5, "num_frames": 4, "stride": 2, "preprocess": SETTINGS.preprocess}
    embed(one.path, encoder, out=session.subfolder("tracks"), **options)
    done = run_job("predict", request_of(session, bundle=str(bundle)), Listener().report)
    assert done["failed"] == {}
    assert sorted(path.name for path in (session.folder / "tracks").glob("*.h5")) == ["m0.embeddings.h5"]


def test_thresholds_that_people_chose_need_no_second_look(session, bundle, monkeypatch):
    first = run_job("predict", request_of(session, bundle=str(bundle)), Listener().report)["probe"]
    listener = Listener()
    chosen = {"thresholds": {"walk": 0.9}}
    done = run_job("predict", request_of(session, probe=first, chosen=chosen), listener.report)
    assert done["probe"] != first
    assert done["failed"] == {}
    assert not any(stage.startswith("looking at") for stage in listener.stages)
    assert read_probe(session.folder, done["probe"]).thresholds["walk"] == pytest.approx(0.9)


def test_cancelled_in_the_middle_and_asked_again(session, bundle):
    class Impatient(Listener):
        def __init__(self):
            super().__init__()
            send = self.report._send

            def tell(event):
                send(event)
                if event["stage"].startswith("looking at m1"):
                    self.report.control("cancel")

            self.report._send = tell

    with pytest.raises(CancelledError):
        predict_recordings(request_of(session, bundle=str(bundle)), Impatient().report)
    listener = Listener()
    done = predict_recordings(request_of(session, bundle=str(bundle)), listener.report)
    assert done["failed"] == {}
    assert not any(stage.startswith("looking at m0") for stage in listener.stages)


def test_a_base_that_is_not_there_fails_with_its_name(session, tmp_path):
    lost = make_encoder(seed=5)
    from dataclasses import replace

    lost.info = replace(lost.info, name="adapted", checkpoint="sha256:" + "0" * 64, untrained=False)
    bundle = save_probe(make_probe(lost), tmp_path / "lost")
    done = run_job("predict", request_of(session, bundle=str(bundle)), Listener().report)
    assert done["predicted"] == []
    assert "expected the model 'adapted'" in done["failed"]["m0"]
    assert "VP_SCIENCE_WEIGHTS" in done["failed"]["m0"]


def _label(session, *recordings):
    bouts = [
        {"recording": name, "behavior": behavior, "start_s": start, "stop_s": start + 0.6}
        for name in recordings
        for behavior, start in (("walk", 0.2), ("groom", 1.0))
    ]
    observed = [{"recording": name, "start_s": 0.0, "stop_s": 2.0} for name in recordings]
    session.labels.merge(Annotations.of(bouts, observed, BEHAVIORS))
    assert session.log.flush()


def test_it_is_tested_as_it_is_on_labels_that_it_never_saw(session, bundle):
    probe_id = run_job("predict", request_of(session, bundle=str(bundle)), Listener().report)["probe"]

    def test():
        return run_job("evaluate", request_of(session, probe=probe_id), Listener().report)

    assert "expected time that is marked as scored" in test()["why"]
    _label(session, "m0")  # the bundle says that it learned from a recording of this name
    done = test()
    assert not done["scores"]
    assert "found none (the probe learned from these recordings, left out: m0)" in done["why"]
    _label(session, "m1")
    assert test() == {"probe": probe_id, "scores": True, "why": ""}
    scores = read_scores(session.folder, probe_id)
    assert scores.how == "Tested as it is on the labels of m1, from which it did not learn."
    assert "the probe learned from these recordings, left out: m0" in scores.notes
    assert [one.bouts for one in scores.each] == [1, 1]
    assert load_probe(probe_path(session.folder, probe_id)).evaluation_["folds"][0]["name"] == "m1"


def test_animals_are_looked_at_where_the_session_knows_their_poses(session, encoder, tmp_path):
    follow = {"settings": FollowSettings(size_body_lengths=2).to_json(), "turned": None}
    bundle = save_probe(make_probe(encoder, follow=follow), tmp_path / "animals")
    rows = [
        "scorer" + ",s" * 6,
        "bodyparts,nose,nose,nose,tailbase,tailbase,tailbase",
        "coords" + ",x,y,likelihood" * 2,
    ]
    rows += [f"{frame},30,15,0.99,14,15,0.99" for frame in range(20)]
    poses = tmp_path / "m0DLC.csv"
    poses.write_text("\n".join(rows) + "\n")
    request = request_of(session, bundle=str(bundle))
    request["recordings"][0]["poses"] = str(poses)
    done = run_job("predict", request, Listener().report)
    assert done["predicted"] == ["m0"]
    assert "m1: expected a pose file, found none" in done["failed"]["m1"]
    [saved] = read_predictions(prediction_path(session.folder, "m0"), done["probe"])
    assert saved.subject
    assert np.isfinite(saved.scores).all()
