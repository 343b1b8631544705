"""What the list of recordings knows: headers, tracks that belong, unfinished work, labels, filters."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from session_embedding import Listener, make_request, shrink_models, write_video

import vp_science as vp
from vp_science.errors import StoreError
from vp_science.sessions import quick_look as quick_look_module
from vp_science.sessions.quick_look import LookCache, QuickLook, quick_look
from vp_science.sessions.recording_state import RECORDING_FILTERS, LabelState, RecordingState, label_state
from vp_science.sessions.tracks import find_unfinished, is_track_of, read_track
from vp_science.sessions.worker import run_job


@pytest.fixture
def session(tmp_path):
    opened = vp.sessions.open_session(tmp_path / "vp_science_session", tmp_path / "places.json")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """A video and its track."""
    folder = tmp_path_factory.mktemp("embedded")
    patch = pytest.MonkeyPatch()
    patch.setenv("VP_SCIENCE_CONFIG", str(folder / "config"))
    shrink_models(patch.setattr)
    video = write_video(folder / "mouse.mp4", 40)
    run_job("embed", make_request(folder / "tracks", video), Listener())
    run_job("embed", make_request(folder / "other", video, stride=4), Listener())
    patch.undo()
    return video, folder / "tracks" / "mouse.embeddings.h5", folder / "other" / "mouse.embeddings.h5"


# ---- quick looks


def test_headers_tell_length_and_size(tmp_path):
    video = write_video(tmp_path / "a.mp4", 50, size=(64, 36))
    look = quick_look(video)
    assert (look.num_frames, look.width, look.height, look.error) == (50, 64, 36, "")
    assert look.duration_s == pytest.approx(2.0, abs=0.05)
    assert look.mean_fps == pytest.approx(25, rel=0.02)
    assert (look.grid_frames(None), look.grid_frames(5)) == (50, 11)


def test_hdf5_and_pictures_are_opened(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["frames"] = np.zeros((10, 20, 30), np.uint8)
        file["timestamps"] = np.arange(10) / 10
    look = quick_look(tmp_path / "a.h5")
    assert (look.num_frames, look.width, look.height, look.duration_s) == (10, 30, 20, pytest.approx(0.9))


@pytest.mark.parametrize(
    ("content", "message"), [(None, "found no such file"), (b"", "found an empty file"), (b"text", "expected a video")]
)
def test_what_cannot_be_read_says_why(tmp_path, content, message):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    look = quick_look(path)
    assert message in look.error
    assert look.grid_frames(None) is None
    assert look.mean_fps is None


def test_looks_are_kept_until_the_file_changes(tmp_path, monkeypatch):
    video = write_video(tmp_path / "a.mp4", 20)
    cache = LookCache(tmp_path / "cache" / "looks.json")
    first = cache.look(video)
    cache.save()
    monkeypatch.setattr(quick_look_module, "quick_look", lambda path: pytest.fail("looked again"))
    assert LookCache(tmp_path / "cache" / "looks.json").look(video) == first
    monkeypatch.undo()
    write_video(video, 30)
    assert LookCache(tmp_path / "cache" / "looks.json").look(video).num_frames == 30
    for rubbish in ("[1, 2", "[1]", json.dumps({"a": 3})):
        (tmp_path / "cache" / "looks.json").write_text(rubbish)
        assert LookCache(tmp_path / "cache" / "looks.json").look(video).num_frames == 30


# ---- tracks


def test_tracks_are_found_in_the_session_and_beside_the_recording(session, embedded, tmp_path):
    source, track, _ = embedded
    video = Path(shutil.copy(source, tmp_path / "mouse.mp4"))
    one = session.add(video)
    assert vp.sessions.find_track(session, one.id) is None
    for place in (tmp_path / "embeddings", tmp_path, session.subfolder("tracks")):
        place.mkdir(exist_ok=True)
        shutil.copy(track, place)
        assert vp.sessions.find_track(session, one.id) == place / track.name
        (found,), problems = vp.sessions.find_tracks(session.folder, one.id, video)
        assert (found.path, found.id, found.subject, problems) == (place / track.name, "mouse", "", [])
    assert found.model == "videoprism-tiny"


def test_a_track_of_another_recording_of_that_name_is_refused(session, embedded, tmp_path):
    one = session.add(write_video(tmp_path / "mouse.mp4", 41, seed=9))
    shutil.copy(embedded[1], session.subfolder("tracks"))
    assert vp.sessions.find_track(session, one.id) is None
    found, problems = vp.sessions.find_tracks(session.folder, one.id, one.path)
    assert found == []
    assert "found one of another recording of that name: move it away" in problems[0]
    with pytest.raises(StoreError, match="another recording"):
        read_track(session.folder / "tracks" / embedded[1].name, one.path)
    state = vp.sessions.look_at_disk(session.folder, one)
    assert (state.tracks, state.problems) == ((), tuple(problems))


def test_same_size_and_other_content_is_another_recording(embedded, tmp_path):
    video = Path(shutil.copy(embedded[0], tmp_path / "mouse.mp4"))
    assert is_track_of(embedded[1], video)
    content = bytearray(video.read_bytes())
    content[-1] ^= 1
    video.write_bytes(content)
    assert not is_track_of(embedded[1], video)


def test_recordings_that_are_not_there_are_believed(embedded, tmp_path):
    assert is_track_of(embedded[1], tmp_path / "unplugged" / "mouse.mp4")


def test_files_that_are_no_tracks_are_problems(session, embedded, tmp_path):
    one = session.add(Path(shutil.copy(embedded[0], tmp_path / "mouse.mp4")))
    (session.subfolder("tracks") / "mouse.embeddings.h5").write_bytes(b"nothing")
    found, problems = vp.sessions.find_tracks(session.folder, one.id, one.path)
    assert found == []
    assert len(problems) == 1


def test_animals_belong_to_the_recording_whose_id_they_carry(session, embedded, tmp_path):
    video = Path(shutil.copy(embedded[0], tmp_path / "a.mp4"))
    tracks = session.subfolder("tracks")
    for name in ("a", "a@male", "a@b", "a@b@female", "ab@male"):
        shutil.copy(embedded[1], tracks / f"{name}.embeddings.h5")
    found, _ = vp.sessions.find_tracks(session.folder, "a", video, others={"a@b"})
    assert {track.id for track in found} == {"a", "a@male", "a@b@female"}
    found, _ = vp.sessions.find_tracks(session.folder, "a@b", video)
    assert {track.id for track in found} == {"a@b", "a@b@female"}


def test_the_track_that_was_made_otherwise_is_named(embedded):
    usual, other = (read_track(path).settings for path in embedded[1:])
    found = vp.sessions.unlike_the_others({"a": usual, "b": other, "c": usual})
    assert found == {"b": ["stride: 4 instead of 2"]}
    assert vp.sessions.unlike_the_others({"a": usual, "b": usual}) == {}


def test_unfinished_work_that_cannot_go_on_is_none(tmp_path):
    folder = tmp_path / "tracks" / "a.embeddings.partial"
    assert find_unfinished(tmp_path, "a") == []
    folder.mkdir(parents=True)
    assert find_unfinished(tmp_path, "a") == []
    for rubbish in (
        "{",
        '{"provenance": {}, "recording": {}}',
        '{"provenance": {}, "recording": {}, "num_windows": "x"}',
    ):
        (folder / "plan.json").write_text(rubbish)
        assert find_unfinished(tmp_path, "a") == []


# ---- labels


def test_labels_are_counted(session, tmp_path):
    one = session.add(write_video(tmp_path / "a.mp4", 10))
    book = session.labels
    book.set_behaviors(vp.Behaviors((vp.sessions.Behavior("groom"), vp.sessions.Behavior("rear"))))
    assert label_state(book, one.id) == LabelState()
    book.add(one.id, "groom", 0.0, 4.0)
    book.add(one.id, "rear", 2.0, 6.0)
    book.add(one.id, "rear", 10.0, 11.0, source="model:p", observe=False)
    state = label_state(book, one.id)
    assert state == LabelState(num_bouts=2, scored_s=6.0, to_review=1, reviewed=0)
    assert state.reviewed_share == 0
    book.add(one.id, "groom", 20.0, 21.0, source="curated:me", observe=False)
    assert label_state(book, one.id).reviewed_share == 0.5
    book.undo()
    assert label_state(book, one.id) == state


# ---- rows and filters


def row(**facts):
    recording = vp.sessions.SessionRecording("a", Path("/v/a.mp4"), "a.mp4")
    return RecordingState(recording, **facts)


def test_filters_ask_what_their_words_say(embedded):
    track = read_track(embedded[1])
    disk = vp.sessions.DiskState(QuickLook(10.0, 250, 64, 48), tracks=(track,))
    plain = row(disk=vp.sessions.DiskState())
    done = row(disk=replace(disk, predicted=True), labels=LabelState(2, 10.0, 0, 3))
    missing = RecordingState(vp.sessions.SessionRecording("b", None, "b.mp4"))

    def passing(one):
        return {name for name in RECORDING_FILTERS if one.passes(name)}

    assert passing(plain) == {"all", "not embedded", "no labels"}
    assert passing(done) == {"all", "embedded", "has labels", "predicted", "reviewed"}
    assert passing(missing) == {"all", "not embedded", "no labels", "missing", "problems"}
    assert "to review" in passing(row(disk=replace(disk, predicted=True)))
    assert "to review" in passing(row(disk=disk, predicted_now=True, reviewed_share=0.4))
    assert "reviewed" in passing(row(disk=disk, predicted_now=True, reviewed_share=1.0))
    assert "problems" in passing(row(disk=replace(disk, problems=("a track of another recording",))))
    assert "problems" in passing(row(disk=vp.sessions.DiskState(QuickLook(error="cannot be read"))))
    assert missing.problems == ("b.mp4: nobody knows where this file is now: locate it",)


@given(st.floats(0, 1), st.booleans())
def test_a_recording_is_reviewed_or_to_review_and_never_both(share, predicted):
    one = row(predicted_now=predicted, reviewed_share=share)
    assert one.passes("reviewed") != one.passes("to review")


# ---- sessions of many


def test_a_recording_that_moved_is_located(session, tmp_path):
    one = session.add(write_video(tmp_path / "a.mp4", 5))
    other = session.add(write_video(tmp_path / "b.mp4", 5))
    session.save()
    moved = one.path.rename(tmp_path / "moved.mp4")
    session.close()
    again = vp.sessions.open_session(session.folder, tmp_path / "places.json")
    try:
        assert again.recording(one.id).path is None
        with pytest.raises(StoreError, match="expected the file of 'a', found that of 'b'"):
            again.locate(one.id, other.path)
        assert again.locate(one.id, moved).path == moved
        assert again.add(moved).id == one.id
        again.set_poses(one.id, tmp_path / "poses.csv")
        assert again.recording(one.id).poses == tmp_path / "poses.csv"
        assert again.set_poses(one.id, None).poses is None
    finally:
        again.close()


def test_models_say_what_they_need(monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    models = {one.name: one for one in vp.sessions.list_models()}
    tiny, base, giant = (models[f"videoprism-{size}"] for size in ("tiny", "base", "giant"))
    assert (tiny.ready, tiny.untrained, tiny.included, tiny.download_bytes) == (True, False, True, None)
    assert (base.ready, base.released, base.download_bytes) == (False, True, 4 * base.num_parameters)
    assert (giant.ready, giant.released) == (False, False)
    weights = tmp_path / "vp-science" / "weights"
    weights.mkdir(parents=True)
    (weights / "flax_base_f16r288_repeated.npz").touch()
    base = next(one for one in vp.sessions.list_models() if one.name == "videoprism-base")
    assert base.ready
    assert base.weights == weights / "flax_base_f16r288_repeated.npz"
