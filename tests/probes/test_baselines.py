"""Baselines: what they learn from, what they read, and that they are the settings of the track."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from probe_study import make_study, make_track

from vp_science.embedding.run import embed
from vp_science.errors import ProbeError
from vp_science.probes.baselines import (
    PixelTracks,
    embed_untrained,
    guess_frequencies,
    read_pixels,
    safe_name,
    window_offsets,
)
from vp_science.probes.sources import decode_grid, find_sources, open_source
from vp_science.probes.splits import Fold, Part
from vp_science.store.reader import open_embeddings
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import Ethogram, to_ethogram
from vp_science.video.array import ArrayRecording

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from pipeline_tools import PREPROCESS, make_encoder, make_recording

FOLD = Fold("b", (Part(0),), (Part(1),), ("a",), ("b",))


def ethogram(states: list[list[int]], exclusive: bool) -> Ethogram:
    array = np.array(states, np.int8)
    return Ethogram(Behaviors.of("ab", exclusive=exclusive), np.arange(len(array)) / 10, array)


@pytest.mark.parametrize(
    ("train", "exclusive", "scores", "states"),
    [
        ([[1, 0], [1, 0], [0, 1], [0, 0]], True, [0.5, 0.25], [1, 0]),
        ([[0, 0], [0, 0], [0, 1], [1, 0]], True, [0.25, 0.25], [0, 0]),
        ([[1, 1], [1, -1], [0, 0], [1, 0]], False, [0.75, 1 / 3], [1, 0]),
    ],
)
def test_the_guess_is_how_often_it_happens_in_training(train, exclusive, scores, states):
    test = ethogram([[0, 1]] * 3, exclusive)
    [guess] = guess_frequencies([ethogram(train, exclusive)], [test])
    assert guess.scores == pytest.approx(np.tile(scores, (3, 1)))
    assert (guess.states == states).all()
    assert np.array_equal(guess.time_s, test.time_s)


def test_window_offsets_span_the_window_evenly():
    assert window_offsets(8).tolist() == list(range(-4, 4))
    assert window_offsets(1).tolist() == [0]
    assert window_offsets(64)[[0, -1]].tolist() == [-32, 31]
    assert len(window_offsets(64)) == 16


def pixel_study(num_rows: int = 60) -> PixelTracks:
    rng = np.random.default_rng(0)
    tracks = [make_track(name, np.zeros((num_rows, 2))) for name in "ab"]
    pictures = [rng.integers(0, 255, (num_rows, 576)).astype(np.uint8) for _ in tracks]
    return PixelTracks(tracks, pictures, [np.ones(num_rows, dtype=bool)] * 2)


def test_components_are_fitted_on_the_training_part_alone():
    study = pixel_study(30)
    other = replace(study, pictures=[study.pictures[0], 255 - study.pictures[1] // 3])
    first, second = study.tracks(FOLD), other.tracks(FOLD)
    assert np.array_equal(first[0].track, second[0].track)
    assert not np.array_equal(first[1].track, second[1].track)
    # ... and of the training part on what is labelled.
    fewer = replace(study, labelled=[np.arange(30) < 20, study.labelled[1]])
    changed = study.pictures[0].copy()
    changed[26:] = 0
    assert np.allclose(
        fewer.tracks(FOLD)[1].track, replace(fewer, pictures=[changed, study.pictures[1]]).tracks(FOLD)[1].track
    )


def test_pixel_tracks_are_principal_components_of_the_window():
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(1)
    patterns = rng.uniform(0, 1, (4, 576)) * np.array([100, 70, 50, 35])[:, None]
    drift = [np.abs(rng.normal(size=(60, 4)).cumsum(axis=0)) for _ in "ab"]
    pictures = [np.clip(amount / amount.max() @ patterns, 0, 255).astype(np.uint8) for amount in drift]
    study = replace(pixel_study(), pictures=pictures)
    made = study.tracks(FOLD)
    assert made[0].track.shape == (60, 1, 60)  # no more components than examples
    index = np.clip(np.arange(60)[:, None] + np.arange(-4, 4), 0, 59)
    stacks = [pictures[index].reshape(60, -1).astype(np.float64) for pictures in study.pictures]
    expected = PCA(3).fit(stacks[0]).transform(stacks[1])
    found = made[1].track[:, 0, :3]
    for column in range(3):
        assert abs(np.corrcoef(found[:, column], expected[:, column])[0, 1]) > 0.999
    assert made[0].track.var(axis=0).mean() == pytest.approx(1, rel=0.05)
    assert made[0].provenance.model == "raw pixels"
    assert np.array_equal(made[0].window_start, study.originals[0].window_start)


def test_pictures_are_what_the_encoder_saw_in_grey():
    frames = np.zeros((10, 48, 60, 3), np.uint8)
    frames[:, :, 30:] = (200, 100, 50)
    frames[4] = 255
    recording = ArrayRecording(frames, source_fps=25, recording_id="a")
    track = make_track("a", np.zeros((10, 2)))
    pictures = decode_grid(recording, track, 24)
    assert pictures.shape == (10, 576)
    assert (pictures[4] == 255).all()
    brightness = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert abs(int(pictures[0].reshape(24, 24)[12, 20]) - brightness) <= 1
    cut = make_track(
        "a", np.zeros((10, 2)), preprocess={"height": 36, "width": 36, "fit": "squash", "crop": [30, 0, 30, 48]}
    )
    assert np.ptp(decode_grid(recording, cut, 24)[0]) <= 1


def test_pictures_are_read_once(tmp_path):
    recordings = [make_recording(30, seed=i, recording_id=f"day 1/{i}") for i in range(2)]
    tracks = [make_track(recording.id, np.zeros((30, 2))) for recording in recordings]
    labelled = [np.ones(30, dtype=bool)] * 2
    first = read_pixels(recordings, tracks, labelled, tmp_path)
    assert {file.name for file in (tmp_path / "pixels").iterdir()} == {"day 1%2f0.npz", "day 1%2f1.npz"}

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    for recording in recordings:
        recording.decode = refuse
    second = read_pixels(recordings, tracks, labelled, tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(first.pictures, second.pictures, strict=True))


def test_a_stale_or_damaged_cache_is_made_again(tmp_path):
    recording = make_recording(30, recording_id="a")
    track = make_track("a", np.zeros((30, 2)))
    labelled = [np.ones(30, dtype=bool)]
    read_pixels([recording], [track], labelled, tmp_path)
    [file] = (tmp_path / "pixels").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    again = read_pixels([recording], [track], labelled, tmp_path)
    other = make_recording(30, seed=5, recording_id="a")
    changed = read_pixels([other], [track], labelled, tmp_path)
    assert not np.array_equal(again.pictures[0], changed.pictures[0])


@pytest.mark.parametrize("name", ["../../x", "a/b", ".hidden", "x\0y", "", "C:\\x", "µ 1@mouse"])
def test_no_recording_leaves_the_cache(name, tmp_path):
    made = (tmp_path / f"{safe_name(name)}.npz").resolve()
    assert made.parent == tmp_path.resolve()
    assert not made.name.startswith(".")


@pytest.fixture
def embedded(tmp_path):
    """Two recordings embedded by an encoder whose weights count as trained."""
    recordings = [make_recording(30, seed=i, recording_id=f"r{i}") for i in range(2)]
    embed(
        recordings, make_encoder(7), out=tmp_path / "tracks", num_frames=4, stride=2, preprocess=PREPROCESS,
        dtype="float32", spatial_pool=2,
    )  # fmt: skip
    tracks = [open_embeddings(tmp_path / "tracks" / f"r{i}.embeddings.h5") for i in range(2)]
    yield recordings, tracks
    for track in tracks:
        track.close()


def test_the_untrained_encoder_differs_in_its_weights_alone(embedded, tmp_path):
    recordings, tracks = embedded
    made = embed_untrained(recordings, tracks, tmp_path / "cache", seed=3)
    for track, own in zip(tracks, made, strict=True):
        theirs, ours = track.provenance.to_json(), own.provenance.to_json()
        assert {name for name in theirs if theirs[name] != ours[name]} == {"checkpoint"}
        assert ours["checkpoint"] == "seed:3 (untrained)"
        assert np.array_equal(own.time_s, track.time_s)
        assert not np.array_equal(own.track[:], track.track[:])
        own.close()
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.h5")}
    for own in embed_untrained(recordings, tracks, tmp_path / "cache", seed=3):
        own.close()
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.h5")}


def test_recordings_are_found_by_name_and_must_be_the_same(embedded, tmp_path):
    recordings, tracks = embedded
    assert find_sources(recordings[::-1], tracks) == recordings
    with pytest.raises(ProbeError, match=r"found none for r1 \(there are r0\).*--recordings"):
        find_sources(recordings[:1], tracks)
    with pytest.raises(ProbeError, match="expected the recording that the track of 'r0' was made from, found another"):
        open_source(make_recording(31, recording_id="r0"), tracks[0])
    with pytest.raises(ProbeError, match="or other times or content"):
        open_source(make_recording(30, fps=24, recording_id="r0"), tracks[0])


def test_a_recording_that_only_looks_the_same_is_refused(tmp_path):
    from pipeline_tools import write_video

    for name, start in (("one", 20), ("two", 20)):
        write_video(tmp_path / name / "a.avi", num_frames=start, width=48 if name == "one" else 64)
    embed(tmp_path / "one", make_encoder(), out=tmp_path / "t", num_frames=4, stride=4, preprocess=PREPROCESS)
    with open_embeddings(tmp_path / "t" / "a.embeddings.h5") as track:
        [path] = find_sources(tmp_path / "one", [track])
        with open_source(path, track) as recording:
            assert recording.num_frames == 20
        [path] = find_sources(tmp_path / "two", [track])
        with pytest.raises(ProbeError, match=re.escape("give the original recording")):
            open_source(path, track)


def test_tracks_of_single_animals_have_no_baselines_from_pixels(tmp_path):
    track = make_track("a@m1", np.zeros((10, 2)), source={"follow": {"subject": "m1", "of_recording": "a"}})
    with pytest.raises(ProbeError, match="found tracks that follow single animals"):
        read_pixels([], [track], [np.ones(10, dtype=bool)], tmp_path)


def test_the_study_has_labels_for_every_frame():
    tracks, annotations = make_study(2, 50)
    for track in tracks:
        assert to_ethogram(annotations, track.recording_id, track.time_s).known.all()
