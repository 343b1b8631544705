"""Annotating with a fine-tuned probe: its own model looks at the recordings, and nothing else changes."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from fine_tuned_micro import SETTINGS, logits_by_hand, make_probe
from pipeline_tools import make_encoder, make_recording, read_manifest, sha256, write_video
from study import Spy, write_hdf5, write_poses

from vp_science.annotating.encoder_for import EncoderFor
from vp_science.annotating.own_tracks import own_tracks
from vp_science.annotating.run import annotate, open_batch
from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.model_folder import write_model_folder
from vp_science.embedding.outcome import BatchError
from vp_science.embedding.run import embed
from vp_science.errors import ProbeError, SettingsError
from vp_science.probes.bundle import save_probe
from vp_science.probes.fine_tuned import build_model
from vp_science.store.ethogram_reader import list_ethograms, read_ethogram
from vp_science.store.reader import open_embeddings
from vp_science.timeline.aggregate import to_frames
from vp_science.video.crop_path import FollowSettings
from vp_science.video.open import open_recording


@pytest.fixture(scope="module")
def probe(encoder):
    return make_probe(encoder, name="mouse")


@pytest.fixture(scope="module")
def model(probe, encoder):
    return build_model(probe.head_, encoder)


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("in") / "m2.avi", num_frames=28)


def _logits(out: Path) -> list[Path]:
    return sorted((out / "logits").glob("*.logits.h5"))


@pytest.mark.parametrize("kind", ["frames", "attention", "mlap"])
def test_annotating_equals_calling_the_model(kind, encoder, video, tmp_path):
    probe = make_probe(encoder, kind=kind)
    [result] = annotate(video, probe, out=tmp_path, encoder=encoder)
    assert (result.status, result.action, result.grid_frames) == ("done", "embed", 14)
    own = build_model(probe.head_, encoder)
    with open_recording(video) as recording:
        logits = logits_by_hand(recording, own)
        times = recording.time_s
    [path] = _logits(tmp_path)
    with open_embeddings(path) as track:
        np.testing.assert_allclose(track.track[:, 0], logits, rtol=1e-4, atol=2e-5)
        assert track.track.dtype == np.float32
        assert track.provenance.model == "custom, fine-tuned"
        assert track.provenance.encoder_config["readout"] == kind
        scores = to_frames(probe.predict_proba(track), np.asarray(track.time_s), times)
    ethogram = read_ethogram(result.output)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    by_hand = to_frames(shares[:, :2].astype(np.float32), np.asarray(track.time_s), times)
    np.testing.assert_allclose(ethogram.scores, by_hand, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(ethogram.scores, scores)
    np.testing.assert_array_equal(ethogram.states, probe.states(scores, times))
    assert np.ptp(ethogram.scores, axis=0).min() > 1e-4  # a model that says the same of all frames would pass, too
    [entry] = list_ethograms(result.output)
    assert entry.provenance["probe"]["model"]["base"] == "custom"


def test_a_recording_shorter_than_a_window(probe, model, encoder, tmp_path):
    recording = make_recording(3, fps=5.0, recording_id="short")
    [result] = annotate(recording, probe, out=tmp_path, encoder=encoder)
    [path] = _logits(tmp_path)
    with open_embeddings(path) as track:
        np.testing.assert_allclose(track.track[:, 0], logits_by_hand(recording, model), rtol=1e-4, atol=2e-5)
    assert len(read_ethogram(result.output)) == 3


def test_tracks_of_other_models_are_never_read(probe, encoder, video, tmp_path):
    beside = embed(video, encoder, out=tmp_path / "embeddings", num_frames=4, stride=2, fps=5,
                   preprocess=SETTINGS.preprocess)[0].output  # fmt: skip
    before = sha256(beside)
    [result] = annotate(video, probe, out=tmp_path, encoder=encoder, tracks=tmp_path / "embeddings")
    assert result.action == "embed"
    other = make_probe(encoder, seed=1)
    [again] = annotate(video, other, out=tmp_path, encoder=encoder)
    assert again.action == "embed"
    assert len(_logits(tmp_path)) == 2
    assert sha256(beside) == before
    with open_embeddings(beside) as track, pytest.raises(ProbeError, match="made with other settings: model: "):
        probe.predict(track)
    assert {entry.probe_id for entry in list_ethograms(result.output)} == {probe.id, other.id}


def test_other_thresholds_look_at_no_recording_again(probe, encoder, video, tmp_path):
    annotate(video, probe, out=tmp_path, encoder=encoder)
    stricter = make_probe(encoder, name="mouse", thresholds=np.array([0.9, 0.9], np.float32))
    spy = Spy()
    [result] = annotate(video, stricter, out=tmp_path, encoder=encoder, progress=spy)
    assert (result.action, spy.frames) == ("reuse", 0)
    assert annotate(video, stricter, out=tmp_path, encoder=encoder)[0].status == "skipped"
    # A folder with the logits may be named from anywhere.
    assert annotate(video, probe, out=tmp_path / "b", tracks=tmp_path / "logits")[0].action == "reuse"


def test_hdf5_in_place_shards_and_tables(probe, encoder, video, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    recording = write_hdf5(folder / "worm.h5")
    (folder / "m2.avi").write_bytes(video.read_bytes())
    out = folder / "out"
    parts = [
        annotate(folder, probe, out=out, encoder=encoder, in_place=True, csv=True, shard=(part, 2)) for part in (1, 2)
    ]
    assert [result.recording_id for part in parts for result in part] == ["m2", "worm"]
    with h5py.File(recording, "r") as file:
        assert list(file["vp_science"]) == ["before", probe.id]
    assert len(read_ethogram(recording, probe.id)) == 24
    assert (out / f"{probe.id}.csv").read_text().count("\n") >= 1
    assert {line["model"] for line in read_manifest(out / "logits")} == {"custom, fine-tuned"}
    # Results that lie among recordings are no recordings.
    again = annotate(folder, probe, out=out, encoder=encoder, in_place=True)
    assert [(result.recording_id, result.status) for result in again] == [("m2", "skipped"), ("worm", "skipped")]


def test_dry_run_estimates_and_writes_nothing(probe, encoder, video, tmp_path):
    batch = open_batch(video, probe, out=tmp_path / "out", encoder=encoder)
    [planned], rates = batch.estimate()
    assert (planned.status, planned.action, planned.grid_frames) == ("planned", "embed", 14)
    assert planned.seconds > 0
    assert rates.embed_fps > 0
    assert not (tmp_path / "out").exists()
    [done] = batch.run()
    assert planned.new_bytes == pytest.approx(done.new_bytes, rel=0.8)  # both are a few tens of kB


def test_a_bundle_that_was_killed_goes_on_to_the_same_bytes(probe, tmp_path):
    video = write_video(tmp_path / "long.avi", num_frames=160)
    bundle = save_probe(probe, tmp_path / "mouse.zip")
    script = Path(__file__).with_name("fine_tuned_jobs.py")
    killed, whole = tmp_path / "killed", tmp_path / "whole"

    def work(die_after: int, *outs: Path) -> subprocess.CompletedProcess[str]:
        # Processes are compared with processes: what ran before in this one may have compiled in another way.
        command = [sys.executable, script, *map(str, (video, bundle, die_after, *outs))]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    first = work(70, killed)
    assert first.returncode == -signal.SIGKILL, first.stderr
    [partial] = (killed / "logits").glob("*.logits.partial")
    assert len(list(partial.glob("segment-*.npz"))) == 1
    second = work(1000, killed, whole)
    assert second.returncode == 0, second.stderr
    assert second.stdout.split() == ["15", "80"]  # what the first 32 of 39 windows own was on disk
    for ours, theirs in zip(_logits(killed), _logits(whole), strict=True):
        assert ours.name == theirs.name
        assert sha256(ours) == sha256(theirs)
    assert sha256(killed / "long.ethogram.h5") == sha256(whole / "long.ethogram.h5")


def test_the_wrong_base_fails_every_recording_with_its_reason(probe, video, tmp_path):
    other = make_encoder(seed=3)
    [result] = annotate(video, probe, out=tmp_path, encoder=other, raise_failures=False)
    assert result.status == "failed"
    assert "stands on custom, found custom that is another one: checkpoint" in result.error
    assert not (tmp_path / "logits").exists()


def test_the_base_may_be_the_folder_of_a_training(encoder, video, tmp_path):
    folder = write_model_folder(encoder, tmp_path / "adapted", {})
    adapted = load_encoder(folder, precision="float32")
    probe = make_probe(adapted)
    [failed] = annotate(video, probe, out=tmp_path / "a", raise_failures=False)
    assert "expected the model 'adapted'" in failed.error
    [done] = annotate(video, probe, out=tmp_path / "a", weights=folder, precision="float32")
    assert done.status == "done"
    assert not probe.training_["untrained_encoder"]


def test_a_model_of_which_everything_was_trained_needs_nothing(encoder, video, tmp_path):
    bundle = save_probe(make_probe(encoder, "full"), tmp_path / "full")
    [result] = annotate(video, bundle, out=tmp_path / "out", precision="float32")
    assert result.status == "done"


def test_a_base_in_a_folder_is_named_for_probes_on_tracks_too(encoder, video, tmp_path):
    """An ordinary probe on tracks of an adapted encoder finds it by its folder, never by a name that is a path."""
    folder = write_model_folder(encoder, tmp_path / "adapted", {})
    adapted = load_encoder(folder, precision="float32")
    settings = make_probe(encoder).track_settings_ | {
        "model": adapted.info.name,
        "checkpoint": adapted.info.checkpoint.split(" ")[0],
        "encoder_config": adapted.config.to_json(),
    }
    with pytest.raises(Exception, match=r"reads tracks of another model: expected the model 'adapted'"):
        EncoderFor(settings).get()
    for given in ({"model": folder}, {"weights": folder}):
        assert EncoderFor(settings, precision="float32", **given).get().info.name == "adapted"
    with pytest.raises(Exception, match="expected the model"):
        EncoderFor(settings | {"model": str(folder)}).get()


def test_own_tracks_of_recordings_and_of_what_is_there(probe, encoder, video, tmp_path):
    encoder_for = EncoderFor.of(probe, given=encoder)
    [made] = own_tracks([video], encoder_for, probe, tmp_path)
    assert own_tracks([tmp_path / "logits"], encoder_for, probe, tmp_path) == [made]
    assert own_tracks([made, video], encoder_for, probe, tmp_path) == [made, made]
    (tmp_path / "broken.avi").write_bytes(b"no video")
    with pytest.raises(BatchError, match="broken"):
        own_tracks([tmp_path / "broken.avi"], encoder_for, probe, tmp_path)
    follows = make_probe(encoder, follow={"settings": {"margin": 0.25}, "turned": None})
    with pytest.raises(ProbeError, match="annotate the recordings with their poses first"):
        own_tracks([video], EncoderFor.of(follows, given=encoder), follows, tmp_path)


def test_embedding_with_a_fine_tuned_model_takes_no_pooling(model, video, tmp_path):
    with pytest.raises(SettingsError, match="spatial_pool: expected 1 with a fine-tuned model, found 2"):
        embed(video, model, out=tmp_path, spatial_pool=2)
    assert replace(SETTINGS, spatial_pool=1) == SETTINGS


def test_animals_are_looked_at_where_their_poses_are_known(encoder, video, tmp_path):
    follow = FollowSettings(size_body_lengths=2)
    probe = make_probe(encoder, follow={"settings": follow.to_json(), "turned": None})
    poses = write_poses(tmp_path / "m2DLC_x.csv", 28, {"ann": 28, "bob": 12})
    [result] = annotate(video, probe, out=tmp_path / "out", encoder=encoder, poses=poses)
    assert [path.name.split(".")[0] for path in result.tracks] == ["m2@ann", "m2@bob"]
    ann, bob = (read_ethogram(result.output, probe.id, name) for name in ("ann", "bob"))
    assert not np.isnan(ann.scores).any()
    assert np.isnan(bob.scores[-1]).all()
    assert (bob.states[-1] == -1).all()
    [again] = annotate(video, probe, out=tmp_path / "out", encoder=encoder, poses=poses)
    assert again.status == "skipped"
    [failed] = annotate(video, probe, out=tmp_path / "b", encoder=encoder, raise_failures=False)
    assert "say where they are (--poses)" in failed.error
