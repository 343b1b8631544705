"""The job: every recording once, whatever happens in between."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hdf5_files import content
from pipeline_tools import FakeRecording, make_encoder, make_frames, make_recording, read_manifest, sha256, write_video
from study import SETTINGS, Spy, train, write_hdf5, write_poses, write_recordings

from vp_science.annotating.outputs import as_annotations, read_all
from vp_science.annotating.results import AnnotateError
from vp_science.annotating.run import annotate, open_batch, parse_shard
from vp_science.annotations.formats import read_annotations
from vp_science.embedding.run import embed
from vp_science.errors import ProbeError, SettingsError
from vp_science.probes.bundle import save_probe
from vp_science.probes.probe import Probe
from vp_science.store.ethogram_reader import list_ethograms, read_ethogram
from vp_science.store.reader import open_embeddings
from vp_science.timeline.aggregate import to_frames
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.ethogram import frame_edges
from vp_science.video.crop_path import FollowSettings
from vp_science.video.open import open_recording


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    recordings = write_recordings(folder / "in")
    return recordings, folder / "tracks", train(recordings, folder / "tracks")


@pytest.fixture
def recordings(made, tmp_path) -> Path:
    """A copy that a test may write into."""
    return shutil.copytree(made[0], tmp_path / "in")


@pytest.fixture
def tracks(made) -> Path:
    return made[1]


@pytest.fixture
def probe(made):
    return made[2]


@pytest.fixture
def run(encoder, probe, tracks, tmp_path):
    def run_job(inputs, **options):
        return annotate(inputs, probe, **{"out": tmp_path / "out", "encoder": encoder, "tracks": tracks, **options})

    return run_job


# What comes out


def test_embeds_what_has_no_track_and_reuses_what_has(run, probe, recordings, tracks, tmp_path):
    spy = Spy()
    results = run(recordings, progress=spy)
    assert [(r.recording_id, r.status, r.action) for r in results] == [
        ("m0", "done", "reuse"), ("m1", "done", "reuse"), ("m2", "done", "embed"), ("worm", "done", "embed"),
    ]  # fmt: skip
    assert spy.started == [("m2", 2, 4), ("worm", 3, 4)]
    assert spy.results == results
    assert spy.frames == sum(result.grid_frames for result in results) > 0
    for result in results:
        assert result.output == tmp_path / "out" / f"{result.recording_id}.ethogram.h5"
        assert result.output_sha256 == sha256(result.output)
        ethogram = read_ethogram(result.output)
        assert (ethogram.recording, ethogram.subject) == (result.recording_id, "")
        assert len(ethogram) == result.num_frames
        with open_recording(Path(result.input)) as recording:
            assert np.array_equal(ethogram.time_s, recording.time_s)
    assert sorted(p.name for p in (tmp_path / "out" / "embeddings").glob("*.h5")) == [
        "m2.embeddings.h5", "worm.embeddings.h5",
    ]  # fmt: skip


def test_states_are_those_of_the_probe_at_every_frame(run, probe, recordings, tracks):
    """The grid has 5 frames per second, the recording 10."""
    [result] = run(recordings / "m0.avi")
    ethogram = read_ethogram(result.output)
    with open_embeddings(tracks / "m0.embeddings.h5") as track:
        scores = to_frames(probe.predict_proba(track), track.time_s, ethogram.time_s)
    assert len(ethogram) == 20 == 2 * len(track)
    np.testing.assert_array_equal(ethogram.scores, scores)
    np.testing.assert_array_equal(ethogram.states, probe.states(scores, ethogram.time_s))
    assert (ethogram.states == 1).any()
    widths = np.diff(frame_edges(ethogram.time_s))
    for column, name in enumerate(probe.behaviors_.names):
        total = result.behaviors[name]
        assert total.total_s == pytest.approx(widths[ethogram.states[:, column] == 1].sum())
        assert total.observed_s == pytest.approx(2.0)
        assert total.bouts == (ethogram.to_bouts()["behavior"] == name).sum()


def test_embedded_here_or_before_gives_the_same(run, recordings, tmp_path):
    [reused] = run(recordings / "m1.avi")
    [embedded] = run(recordings / "m1.avi", out=tmp_path / "other", tracks=None)
    assert (reused.action, embedded.action) == ("reuse", "embed")
    for name in ("scores", "states", "time_s"):
        a, b = (getattr(read_ethogram(result.output), name) for result in (reused, embedded))
        np.testing.assert_array_equal(a, b)


def test_provenance_says_how_it_was_made(run, probe, recordings):
    [result] = run(recordings / "worm.h5")
    [entry] = list_ethograms(result.output)
    provenance = entry.provenance
    assert provenance["probe"]["id"] == entry.probe_id == probe.id
    assert provenance["recording"]["identity"]["sha256"] == result.recording_sha256
    assert provenance["tracks"][0]["grid"] == {"sample_fps": 5.0, "num_grid": 12}
    assert provenance["steps"][0].startswith("Scores of the sample grid are brought to the frames")
    assert "A behavior happens at every frame where its score reaches its threshold." in provenance["steps"]
    assert provenance["thresholds"].keys() == {"walk", "groom"}
    assert provenance["software"].startswith("vp-science ")


def test_manifest_and_report(run, probe, recordings, tmp_path):
    (recordings / "broken.mp4").write_bytes(b"no video" * 99)
    with pytest.raises(AnnotateError, match=r"1 of 5 recordings failed:\n  broken: .*broken.mp4: expected") as caught:
        run(recordings)
    lines = read_manifest(tmp_path / "out")
    assert [(line["recording_id"], line["status"]) for line in lines] == [
        ("broken", "failed"), ("m0", "done"), ("m1", "done"), ("m2", "done"), ("worm", "done"),
    ]  # fmt: skip
    assert {line["probe"] for line in lines} == {probe.id}
    assert [line["status"] for line in lines] == [result.status for result in caught.value.results]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["recordings"] == {"all": 5, "done": 4, "skipped": 0, "failed": 1, "embedded": 2}
    assert report["hours"] == pytest.approx((1.9 + 2.3 + 2.7 + 2.3) / 3600, abs=1e-6)
    assert report["realtime_factor"] == pytest.approx(3600 * report["hours_this_run"] / report["wall_s"], rel=0.01)
    assert report["untrained_encoder"] is True
    assert report["behaviors"]["walk"]["observed_s"] == pytest.approx(2.0 + 2.4 + 2.8 + 2.4)
    assert report["behaviors"]["walk"]["share"] == pytest.approx(report["behaviors"]["walk"]["total_s"] / 9.6, abs=1e-5)
    assert [failure["recording"] for failure in report["failures"]] == ["broken"]


# Again


def test_what_is_finished_is_skipped(run, recordings, tmp_path):
    first = run(recordings, csv=True)
    before = {path: sha256(path) for path in (tmp_path / "out").glob("*.ethogram.h5")}
    second = run(recordings, encoder=None, csv=True)  # no encoder is needed, so none is loaded
    assert {result.status for result in second} == {"skipped"}
    assert [result.behaviors for result in second] == [result.behaviors for result in first]
    assert {path: sha256(path) for path in before} == before
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["recordings"]["skipped"] == 4
    assert report["realtime_factor"] is None


def test_a_track_that_was_begun_is_resumed(run, recordings, tmp_path):
    class Stop(Spy):
        def advance(self, grid_frames: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(recordings, progress=Stop())
    assert (tmp_path / "out" / "embeddings" / "m2.embeddings.partial").exists()
    results = run(recordings)
    assert {result.status for result in results} <= {"done", "skipped"}
    assert [p.name for p in (tmp_path / "out").rglob("*.partial")] == []


def test_results_of_another_recording_are_not_replaced_unasked(run, recordings):
    run(recordings / "m0.avi")
    write_video(recordings / "m0.avi", num_frames=30)
    with pytest.raises(AnnotateError, match="holds the ethogram of another recording"):
        run(recordings / "m0.avi", tracks=None)
    [result] = run(recordings / "m0.avi", tracks=None, overwrite=True)
    assert (result.status, result.num_frames) == ("done", 30)
    assert len(read_ethogram(result.output)) == 30


def test_damaged_results_are_replaced_when_asked(run, recordings):
    [result] = run(recordings / "m0.avi")
    result.output.write_bytes(result.output.read_bytes()[:3000])
    with pytest.raises(AnnotateError, match="damaged, cut short or something else"):
        run(recordings / "m0.avi")
    [again] = run(recordings / "m0.avi", overwrite=True)
    assert again.status == "done"


# Tracks


def test_tracks_are_found_by_what_they_were_made_from(run, recordings, tracks, tmp_path):
    """Names and places may have changed."""
    moved = tmp_path / "elsewhere" / "deep"
    shutil.copytree(tracks, moved)
    (recordings / "m0.avi").rename(recordings / "renamed.avi")
    [result] = run(recordings / "renamed.avi", tracks=tmp_path / "elsewhere")
    assert result.action == "reuse"
    assert result.tracks == (moved / "m0.embeddings.h5",)
    assert read_ethogram(result.output).recording == "renamed"


def test_tracks_of_other_settings_are_not_taken(run, encoder, recordings, tmp_path):
    embed(recordings / "m0.avi", encoder, out=tmp_path / "other", **{**SETTINGS, "stride": 1})
    [result] = run(recordings / "m0.avi", tracks=tmp_path / "other")
    assert result.action == "embed"


def test_a_track_of_another_camera_in_the_same_file_is_not_taken(run, tmp_path):
    path = tmp_path / "rig.h5"
    with h5py.File(path, "w") as file:
        for seed, name in enumerate(("left", "right")):
            file[name] = make_frames(20, seed=seed)
    [left] = run(path, dataset="left", source_fps=10)
    [right] = run(path, dataset="right", source_fps=10, out=tmp_path / "right", tracks=tmp_path / "out")
    assert (left.action, right.action) == ("embed", "embed")
    assert left.recording_sha256 == right.recording_sha256
    with pytest.raises(AnnotateError, match="holds the ethogram of another recording"):
        run(path, dataset="right", source_fps=10)
    [again] = run(path, dataset="left", source_fps=10, out=tmp_path / "again", tracks=tmp_path / "out")
    assert again.action == "reuse"


def test_a_track_on_another_clock_is_not_taken(run, tmp_path):
    path = tmp_path / "plain.h5"
    with h5py.File(path, "w") as file:
        file["frames"] = make_frames(20)
    run(path, source_fps=10)
    [slower] = run(path, source_fps=5, out=tmp_path / "slower", tracks=tmp_path / "out")
    assert slower.action == "embed"
    np.testing.assert_allclose(read_ethogram(slower.output).time_s, np.arange(20) / 5)


def test_two_fitting_tracks_of_other_names_are_refused(run, tracks, recordings, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "two" / name).mkdir(parents=True)
        shutil.copy(tracks / "m0.embeddings.h5", tmp_path / "two" / name)
    with pytest.raises(AnnotateError, match="expected one embedding track of 'm0' that the probe can read, found 2"):
        run(recordings / "m0.avi", tracks=tmp_path / "two")


def test_unreadable_tracks_are_told(run, tracks, recordings, tmp_path):
    shutil.copytree(tracks, tmp_path / "tracks")
    (tmp_path / "tracks" / "old.embeddings.h5").write_bytes(b"cut")
    run(recordings / "m0.avi", tracks=tmp_path / "tracks")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    [(name, why)] = report["unreadable_tracks"].items()
    assert name.endswith("old.embeddings.h5")
    assert "damaged" in why


def test_the_wrong_encoder_is_refused_by_name(run, recordings):
    with pytest.raises(
        AnnotateError, match=r"checkpoint: seed:0 \(untrained\) for the probe, seed:5 .* here.*--weights"
    ):
        run(recordings / "worm.h5", encoder=make_encoder(seed=5))


def test_the_encoder_is_loaded_by_its_name(recordings, tracks, tmp_path, monkeypatch):
    import pipeline_tools

    from vp_science.checkpoints import registry
    from vp_science.checkpoints.load import load_encoder

    monkeypatch.setattr(registry, "_SPECS", registry._SPECS)
    pipeline_tools.shrink_models()
    probe = train(recordings, tmp_path / "mine", load_encoder("videoprism-tiny", seed=3, precision="float32"))
    save_probe(probe, tmp_path / "probe")
    [result] = annotate(recordings / "worm.h5", tmp_path / "probe", out=tmp_path / "out", precision="float32")
    assert (result.status, result.action) == ("done", "embed")
    with open_embeddings(result.tracks[0]) as track:
        assert (track.provenance.model, track.provenance.checkpoint) == ("videoprism-tiny", "seed:3 (untrained)")


# Animals


class Followed(FakeRecording):
    """An animal in another recording."""

    def __init__(self, inner, subject: str) -> None:
        super().__init__(inner.num_frames, recording_id=f"{inner.id}@{subject}", change=self._show)
        self.inner, self.time_s = inner, inner.time_s
        self.source = inner.source | {"follow": {"subject": subject, "target": "", "of_recording": inner.id}}

    def _show(self, frame):
        hidden = frame.frame_index >= 12
        return replace(
            frame, pixels=np.resize(frame.pixels, (36, 36, 3)), shown_index=-1 if hidden else frame.shown_index
        )

    def fingerprint(self):
        return self.inner.fingerprint()


def test_every_animal_has_its_ethogram(encoder, recordings, tmp_path):
    with open_recording(recordings / "worm.h5") as worm:
        animals = [Followed(worm, name) for name in ("ann", "bob")]
        results = embed(animals, encoder, out=tmp_path / "tracks", **{**SETTINGS, "fps": None})
    tables = [open_embeddings(result.output) for result in results]
    labels = Annotations.of(
        [
            {"recording": "worm", "subject": name, "behavior": "walk", "start_s": 0.2, "stop_s": 0.7}
            for name in ("ann", "bob")
        ],
        [{"recording": "worm", "start_s": 0, "stop_s": 1.2}],
    )
    probe = Probe(name="follow").fit(tables, labels)
    options = {"out": tmp_path / "out", "tracks": tmp_path / "tracks", "encoder": encoder}
    [result] = annotate(recordings / "worm.h5", probe, csv=True, **options)
    assert len(result.tracks) == 2
    ethograms = {e.subject: e for e in read_all(result.output, probe.id)}
    assert ethograms.keys() == {"ann", "bob"}
    for ethogram in ethograms.values():
        assert (ethogram.states[:12] >= 0).all()
        assert (ethogram.states[12:] == -1).all()
    assert result.behaviors["walk"].observed_s == pytest.approx(2 * 1.2)
    table = read_annotations(tmp_path / "out" / f"{probe.id}.csv")
    assert set(table.observed["subject"]) == {"ann", "bob"}
    with pytest.raises(AnnotateError, match=r"This probe follows animals: say where they are \(--poses\), or embed"):
        annotate(recordings / "m0.avi", probe, **options)


def test_animals_are_embedded_where_their_poses_are_known(encoder, recordings, tmp_path):
    """Trained on one recording, used on another; killed after the first animal, the second is not forgotten."""
    for name, frames in (("m0", 20), ("m1", 24)):
        write_poses(tmp_path / "poses" / f"{name}DLC_x.csv", frames, {"ann": frames, "bob": 12})
    follow = {"poses": tmp_path / "poses", "whole_frame": False, "follow": FollowSettings(size_body_lengths=2)}
    results = embed(recordings / "m0.avi", encoder, out=tmp_path / "tracks", **{**SETTINGS, "fps": None}, **follow)
    tables = [open_embeddings(result.output) for result in results]
    bout = {"recording": "m0", "behavior": "walk", "start_s": 0.2, "stop_s": 0.7}
    observed = {"recording": "m0", "start_s": 0.0, "stop_s": 2.0}
    labels = Annotations.of([{**bout, "subject": name} for name in ("ann", "bob")], [observed])
    probe = Probe(name="follow").fit(tables, labels)
    options = {"out": tmp_path / "out", "encoder": encoder, "tracks": tmp_path / "tracks"}
    with pytest.raises(AnnotateError, match="expected embedding tracks of the animals in 'm1', found none"):
        annotate(recordings / "m1.avi", probe, **options)
    [planned] = annotate(recordings / "m1.avi", probe, poses=tmp_path / "poses", dry_run=True, **options)
    assert (planned.action, planned.grid_frames) == ("embed", 48)
    [result] = annotate(recordings / "m1.avi", probe, poses=tmp_path / "poses", **options)
    assert (result.action, result.grid_frames) == ("embed", 48)
    ethograms = {e.subject: e for e in read_all(result.output, probe.id)}
    assert ethograms.keys() == {"ann", "bob"}
    assert (ethograms["ann"].states >= 0).all()
    assert (ethograms["bob"].states[14:] == -1).all()
    names = sorted(path.name for path in (tmp_path / "out" / "embeddings").glob("*.h5"))
    assert names == ["m1@ann.embeddings.h5", "m1@bob.embeddings.h5"]
    (tmp_path / "out" / "embeddings" / names[1]).unlink()
    result.output.unlink()
    [again] = annotate(recordings / "m1.avi", probe, poses=tmp_path / "poses", **options)
    assert (again.action, again.grid_frames, len(again.tracks)) == ("embed", 24, 2)
    [same] = annotate(recordings / "m1.avi", probe, poses=tmp_path / "poses", **options)
    assert same.status == "skipped"
    # Corrected poses make other tracks.
    write_poses(tmp_path / "poses" / "m1DLC_x.csv", 24, {"ann": 24, "bob": 18})
    with pytest.raises(AnnotateError, match=r"was made with other settings: source\.follow\.pose"):
        annotate(recordings / "m1.avi", probe, poses=tmp_path / "poses", **options)
    [corrected] = annotate(recordings / "m1.avi", probe, poses=tmp_path / "poses", overwrite=True, **options)
    assert (corrected.status, corrected.action) == ("done", "embed")
    assert (read_ethogram(corrected.output, subject="bob").states[:17] >= 0).all()
    with pytest.raises(AnnotateError, match="m2"):
        annotate(recordings / "m2.avi", probe, poses=tmp_path / "poses", **options)


# In place


def test_in_place(run, probe, recordings, tmp_path):
    path = recordings / "worm.h5"
    before = content(path)
    [first] = run(path, in_place=True)
    assert (first.output, first.status, first.output_sha256) == (path, "done", "")
    assert content(path) == before
    [beside] = run(path, out=tmp_path / "beside", tracks=tmp_path / "out" / "embeddings")
    # The recording is still the one that was embedded, although its bytes have changed.
    assert beside.action == "reuse"
    assert beside.recording_sha256 == first.recording_sha256
    np.testing.assert_array_equal(read_ethogram(path).states, read_ethogram(beside.output).states)
    data = path.read_bytes()
    [again] = run(path, in_place=True)
    assert again.status == "skipped"
    assert path.read_bytes() == data
    with h5py.File(path) as file:
        assert sorted(file["vp_science"]) == ["before", probe.id]


def test_in_place_leaves_videos_alone(run, recordings, tmp_path):
    digest = sha256(recordings / "m0.avi")
    results = run([recordings / "m0.avi", recordings / "worm.h5"], in_place=True)
    assert [result.output for result in results] == [tmp_path / "out" / "m0.ethogram.h5", recordings / "worm.h5"]
    assert sha256(recordings / "m0.avi") == digest


def test_in_place_in_an_open_recording(run, recordings):
    with open_recording(recordings / "worm.h5") as recording:
        [result] = run(recording, in_place=True)
        assert result.status == "done"
        assert recording.read(3).shape == (24, 30, 3)
        assert recording.fingerprint().sha256 == result.recording_sha256


def test_a_recording_that_another_program_reads_fails_and_the_others_do_not(run, recordings, tracks):
    run(recordings / "worm.h5")  # makes the track
    with h5py.File(recordings / "worm.h5"):
        results = run(recordings, in_place=True, raise_failures=False)
    assert [result.status for result in results] == ["done", "done", "done", "failed"]
    assert "another program has it open" in results[-1].error


# Shards


def test_shards_share_the_work_and_the_folder(run, probe, recordings, tmp_path):
    parts = [run(recordings, shard=f"{part}/3", csv=True, boris=True) for part in (1, 2, 3)]
    assert [[r.recording_id for r in part] for part in parts] == [["m0", "worm"], ["m1"], ["m2"]]
    table = read_annotations(tmp_path / "out" / f"{probe.id}.csv")
    assert set(table.recordings) == {"m0", "m1", "m2", "worm"}
    assert set(table.bouts["source"]) == {f"model:{probe.id}"}
    whole = run(recordings, out=tmp_path / "whole", csv=True, boris=True)
    assert len(whole) == 4
    assert table.equals(read_annotations(tmp_path / "whole" / f"{probe.id}.csv"))
    assert len(read_manifest(tmp_path / "out")) == 4
    assert sorted(p.name for p in (tmp_path / "out").glob("report*")) == [f"report.{n}-of-3.json" for n in (1, 2, 3)]
    review = read_annotations(tmp_path / "out" / "predictions.boris")
    assert len(review.bouts) == len(table.bouts)
    assert set(review.bouts["source"].str.split(":").str[0]) == {"model"}


def test_more_shards_than_recordings(run, recordings, tmp_path):
    assert run(recordings / "m0.avi", shard=(2, 2)) == []
    assert json.loads((tmp_path / "out" / "report.2-of-2.json").read_text())["recordings"]["all"] == 0


@pytest.mark.parametrize("shard", ["0/4", "5/4", "1", "a/b", "-1/4", (0, 3), (1, 0)])
def test_shards_that_are_none(shard):
    with pytest.raises(
        SettingsError, match="shard: expected a part and the number of parts, counted from 1, such as 1/4"
    ):
        parse_shard(shard)


# Tables


def test_predictions_are_added_to_a_project_once(run, recordings, tmp_path):
    project = tmp_path / "lab.boris"
    for _ in range(2):
        run(recordings, boris=project, tracks=None)
    observations = json.loads(project.read_text())["observations"]
    assert len(observations) == 4
    assert not (tmp_path / "out" / "predictions.boris").exists()


def test_the_table_keeps_recordings_of_earlier_runs_and_replaces_those_of_this_one(run, probe, recordings, tmp_path):
    run([recordings / "m0.avi", recordings / "m1.avi"], csv=True)
    write_video(recordings / "m1.avi", num_frames=32)
    run([recordings / "m1.avi", recordings / "m2.avi"], csv=True, overwrite=True)
    table = read_annotations(tmp_path / "out" / f"{probe.id}.csv")
    ends = table.observed.groupby("recording")["stop_s"].max()
    assert ends.round(6).to_dict() == {"m0": 2.0, "m1": 3.2, "m2": 2.8}


# Dry runs


def test_a_dry_run_writes_nothing(run, probe, recordings, encoder, tracks, tmp_path):
    (recordings / "broken.mp4").write_bytes(b"no video" * 99)
    before = {path: path.read_bytes() for path in recordings.iterdir()}
    batch = open_batch(recordings, probe, out=tmp_path / "out", encoder=encoder, tracks=tracks, in_place=True)
    results, rates = batch.estimate()
    assert [(r.recording_id, r.status, r.action) for r in results] == [
        ("broken", "failed", ""), ("m0", "planned", "reuse"), ("m1", "planned", "reuse"),
        ("m2", "planned", "embed"), ("worm", "planned", "embed"),
    ]  # fmt: skip
    assert not (tmp_path / "out").exists()
    assert {path: path.read_bytes() for path in recordings.iterdir()} == before
    assert rates.source == "measured on the first frames of m2"
    assert rates.embed_fps > 0
    assert rates.predict_fps > 0
    m2 = results[3]
    assert m2.seconds == pytest.approx(m2.grid_frames / rates.embed_fps)
    assert results[0].error.startswith(f"{recordings / 'broken.mp4'}: expected")


def test_the_estimate_is_near_what_it_takes_on_disk_and_uses_earlier_rates(run, probe, recordings, tmp_path):
    planned = run(recordings, dry_run=True)
    done = run(recordings)
    for guess, real in zip(planned, done, strict=True):
        assert guess.grid_frames == real.grid_frames or real.action == "reuse"
        assert real.new_bytes < 1.5 * guess.new_bytes
    (recordings / "m3.avi").write_bytes(write_video(tmp_path / "new" / "m3.avi", num_frames=26).read_bytes())
    batch = open_batch(recordings, probe, out=tmp_path / "out")
    results, rates = batch.estimate()
    assert [result.status for result in results] == ["skipped"] * 3 + ["planned", "skipped"]
    assert rates.source == f"rate of earlier runs in {tmp_path / 'out' / 'embeddings'}"
    assert results[3].seconds == pytest.approx(13 / rates.embed_fps)


# Settings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tracks": "nowhere"}, "tracks: expected a folder with embedding tracks, found none at nowhere"),
        ({"boris": "a.txt"}, r"boris: expected a BORIS project \(.boris\), found a.txt"),
        ({"shard": "9/4"}, "shard: expected a part"),
    ],
)
def test_settings_that_cannot_work(run, recordings, tmp_path, options, message):
    with pytest.raises(SettingsError, match=message):
        run(recordings, **options)
    assert not (tmp_path / "out").exists()


def test_a_probe_that_is_none(recordings, tmp_path):
    with pytest.raises(ProbeError, match="expected a probe bundle"):
        annotate(recordings, tmp_path / "nothing", out=tmp_path / "out")


def test_arrays_can_be_annotated(run):
    [result] = run(make_recording(20, fps=10, recording_id="array"))
    assert (result.status, result.input) == ("done", "")
    assert read_ethogram(result.output).recording == "array"


def test_results_in_the_folder_of_the_recordings_are_no_recordings(run, recordings):
    (recordings / "x.probe.ethogram.nwb").write_bytes(b"ours")
    first = run(recordings, out=recordings)
    second = run(recordings, out=recordings)
    assert [r.recording_id for r in second] == [r.recording_id for r in first] == ["m0", "m1", "m2", "worm"]


def test_many_hdf5_recordings_at_once(run, tmp_path):
    """Decoding one while another is written in place: HDF5 in three threads."""
    (tmp_path / "many").mkdir()
    for number in range(5):
        write_hdf5(tmp_path / "many" / f"w{number}.h5", 20 + number)
    before = {path: content(path) for path in (tmp_path / "many").iterdir()}
    results = run(tmp_path / "many", in_place=True)
    assert [result.status for result in results] == ["done"] * 5
    assert {path: content(path) for path in before} == before


# NWB


def test_nwb_beside(run, probe, recordings, tmp_path):
    [result] = run(recordings / "m0.avi", nwb=True)
    assert result.nwb == tmp_path / "out" / f"m0.{probe.id}.ethogram.nwb"
    table = read_annotations(result.nwb, recording="m0")
    expected = as_annotations(read_all(result.output, probe.id), probe.id)
    assert table.behaviors.names == ("walk", "groom")
    for name in ("behavior", "source"):
        assert list(table.bouts[name]) == list(expected.bouts[name])
    np.testing.assert_allclose(table.bouts[["start_s", "stop_s"]], expected.bouts[["start_s", "stop_s"]])
    np.testing.assert_allclose(table.observed[["start_s", "stop_s"]], [[0, 2]])
    with h5py.File(result.nwb) as file:
        links = [v for v in _all_texts(file) if v.endswith("m0.avi")]
    assert links == ["../in/m0.avi"]
    result.nwb.unlink()
    [again] = run(recordings / "m0.avi", nwb=True)
    assert again.status == "skipped"
    assert again.nwb.is_file()


def _all_texts(file: h5py.File) -> list[str]:
    found = []

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and name.endswith("external_file"):
            found.extend(value.decode() for value in item[()].ravel())

    file.visititems(visit)
    return found


def write_nwb_recording(path: Path, num_frames: int = 24) -> Path:
    from datetime import UTC, datetime

    import pynwb
    from pynwb.image import ImageSeries

    file = pynwb.NWBFile(
        session_description="cage", identifier="id-1", session_start_time=datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
    )
    frames = make_frames(num_frames)[..., 0]
    file.add_acquisition(ImageSeries(name="camera", data=frames, unit="n.a.", rate=10.0, starting_time=2.0))
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return path


def test_an_nwb_recording_in_place_and_beside(run, probe, tmp_path):
    import pynwb

    path = write_nwb_recording(tmp_path / "rig.nwb")
    before = content(path)
    [result] = run(path, in_place=True, nwb=True)
    assert result.output == path
    assert content(path) == before
    with pynwb.NWBHDF5IO(str(path), "r") as io:  # other programs read it as before
        assert io.read().acquisition["camera"].data.shape == (24, 24, 30)
    ethogram = read_ethogram(path)
    np.testing.assert_allclose(ethogram.time_s, 2 + np.arange(24) / 10)
    with pynwb.NWBHDF5IO(str(result.nwb), "r") as io:
        beside = io.read()
        assert beside.session_start_time.isoformat() == "2026-03-01T08:30:00+00:00"
        assert probe.id in str(beside.fields)
    assert pynwb.validate(path=str(result.nwb)) in ([], ([], 0))
