"""Session folders: what is kept, who may open them, and what tampering cannot do."""

import errno
import json
import os
import threading

import pytest

from vp_science.errors import SettingsError, StoreError
from vp_science.sessions import find_track, open_session, read_user_settings, session_folder, write_user_settings
from vp_science.sessions import label_log as label_log_module
from vp_science.sessions.label_log import LOG_NAME
from vp_science.sessions.places import Places, user_folder
from vp_science.sessions.session import SESSION_NAME
from vp_science.timeline.behaviors import Behaviors


@pytest.fixture(autouse=True)
def own_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("VP_SCIENCE_CONFIG", str(tmp_path / "config"))


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    for name in ("fly.mp4", "fly.avi", "mouse.h5"):
        (folder / name).write_bytes(b"x")
    return folder


def record_of(folder):
    return json.loads((folder / SESSION_NAME).read_text())


def test_a_session_is_found_again_and_can_be_moved(study, tmp_path):
    folder = session_folder(study / "fly.mp4")
    assert folder == study / "vp_science_session"
    session = open_session(folder)
    names = [session.add(study / name).id for name in ("fly.mp4", "fly.avi", "mouse.h5")]
    assert names == ["fly", "fly.avi", "mouse"]
    assert session.add(study / "fly.mp4").id == "fly"
    session.add(study / "fly.mp4", poses=study / "mouse.h5")
    session.settings["annotator"] = "Jörg"
    session.labels.set_behaviors(Behaviors.of(["groom"]))
    session.labels.add("fly", "groom", 1, 2)
    session.close()
    study.rename(tmp_path / "elsewhere")
    again = open_session(tmp_path / "elsewhere" / "vp_science_session")
    assert [one.id for one in again.recordings] == names
    assert again.recording("fly").path == tmp_path / "elsewhere" / "fly.mp4"
    assert again.recording("fly").poses == tmp_path / "elsewhere" / "mouse.h5"
    assert again.settings == {"annotator": "Jörg"}
    assert len(again.labels) == 1
    again.remove("mouse")
    assert "mouse" not in again
    assert (tmp_path / "elsewhere" / "mouse.h5").exists()
    with pytest.raises(StoreError, match=r"expected a recording of the session .*, found 'mouse'"):
        again.recording("mouse")
    again.close()


def test_recordings_elsewhere_are_remembered_for_this_user_only(study, tmp_path):
    session = open_session(tmp_path / "sessions" / "one")
    session.add(study / "fly.mp4")
    session.close()
    assert str(study) not in (tmp_path / "sessions" / "one" / SESSION_NAME).read_text()
    assert open_then_path(tmp_path / "sessions" / "one") == study / "fly.mp4"
    stranger = tmp_path / "stranger.json"
    session = open_session(tmp_path / "sessions" / "one", places=stranger)
    assert session.recording("fly").path is None
    assert session.add(study / "fly.mp4").id == "fly"
    session.close()
    assert stranger.exists()


def open_then_path(folder):
    session = open_session(folder)
    session.close()
    return session.recording("fly").path


def test_two_windows_cannot_have_one_session(study):
    session = open_session(study / "session")
    with pytest.raises(StoreError, match=r"expected a session that nobody uses, found one open in another window"):
        open_session(study / "session")
    session.close()
    open_session(study / "session").close()


@pytest.mark.parametrize("path", ["../secret.mp4", "/etc/passwd", "a/../../secret.mp4", "link/secret.mp4"])
@pytest.mark.parametrize("kind", ["path", "poses"])
def test_paths_in_a_session_never_lead_out_of_its_place(study, path, kind):
    (study.parent / "secret.mp4").write_bytes(b"x")
    (study / "a").mkdir()
    (study / "link").symlink_to(study.parent)
    open_session(study / "session").close()
    record = record_of(study / "session")
    record["recordings"] = [{"id": "x", "name": "x.mp4", kind: path}]
    (study / "session" / SESSION_NAME).write_text(json.dumps(record))
    session = open_session(study / "session")
    assert getattr(session.recording("x"), kind) is None
    session.close()


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "../x", "name": "x"},
        {"id": "..", "name": "x"},
        {"id": "", "name": "x"},
        {"id": "a/b", "name": "x"},
        {"id": "a\0b", "name": "x"},
        {"id": 5, "name": "x"},
        {"id": ["x"], "name": "x"},
        {"id": "x"},
        {"id": "x", "name": None},
        {"id": "x", "name": "x", "path": "a\0b"},
        "x",
        None,
    ],
)
def test_nonsense_in_a_session_is_refused(study, entry):
    open_session(study / "session").close()
    record = record_of(study / "session")
    record["recordings"] = [entry]
    (study / "session" / SESSION_NAME).write_text(json.dumps(record))
    with pytest.raises(StoreError, match=r"expected a session, found something else .*: restore it from a copy, or"):
        open_session(study / "session")
    (study / "session" / SESSION_NAME).unlink()
    open_session(study / "session").close()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"format": "vp_science.session", "schema": 2, "settings": {}, "recordings": []}',
        '{"format": "vp_science.session", "schema": 1, "settings": [], "recordings": []}',
        '{"format": "vp_science.session", "schema": 1, "settings": {}}',
        '{"format": "vp_science.session", "schema": 1, "settings": {}, "recordings": 7}',
        "[" * 100_000,
    ],
)
def test_other_files_under_that_name_are_refused(study, text):
    (study / "session").mkdir()
    (study / "session" / SESSION_NAME).write_text(text)
    with pytest.raises(StoreError, match=r"expected a session, found something else"):
        open_session(study / "session")


def test_the_same_id_twice_is_refused(study):
    open_session(study / "session").close()
    record = record_of(study / "session")
    record["recordings"] = [{"id": "x", "name": "x"}] * 2
    (study / "session" / SESSION_NAME).write_text(json.dumps(record))
    with pytest.raises(StoreError, match=r"the recording 'x', which has no name of its own"):
        open_session(study / "session")


def test_closing_with_a_full_disk_keeps_what_can_be_kept_and_lets_others_in(study, monkeypatch):
    session = open_session(study / "session")
    session.labels.set_behaviors(Behaviors.of(["groom"]))
    assert session.log.flush()
    session.add(study / "fly.mp4")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(label_log_module.os, "write", full)
        session.labels.add("fly", "groom", 0, 1)
        with pytest.raises(StoreError, match=r"all labels were written to .* instead"):
            session.close()
    again = open_session(study / "session")
    assert [one.id for one in again.recordings] == ["fly"]
    assert len(again.labels) == 0
    again.close()
    [copy] = (user_folder() / "rescued").iterdir()
    os.replace(copy, study / "session" / LOG_NAME)
    again = open_session(study / "session")
    assert len(again.labels) == 1
    again.close()


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"expected a folder that can be written, found .*: choose another folder"):
        open_session(tmp_path / "file")


def test_tracks_are_found_in_the_session_beside_the_recording_and_elsewhere(study, tmp_path):
    session = open_session(tmp_path / "session")
    session.add(study / "fly.mp4")
    assert find_track(session, "fly") is None
    places = [tmp_path / "more", study / "embeddings", study, session.subfolder("tracks")]
    for place in places[1:]:
        place.mkdir(exist_ok=True)
        (place / "fly.embeddings.h5").write_bytes(b"x")
        assert find_track(session, "fly", [tmp_path / "more"]).parent == place
    session.close()


# ---- settings of one user


def test_places_of_several_windows_are_kept_together(tmp_path):
    one, other = Places(tmp_path / "places.json"), Places(tmp_path / "places.json")
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").write_text("x")
    one.remember(tmp_path, "a", "path", tmp_path / "a")
    other.remember(tmp_path, "b", "path", tmp_path / "b")
    one.save()
    other.save()
    fresh = Places(tmp_path / "places.json")
    assert fresh.find(tmp_path, "a", "path") == tmp_path / "a"
    assert fresh.find(tmp_path, "b", "path") == tmp_path / "b"
    (tmp_path / "b").unlink()
    assert fresh.find(tmp_path, "b", "path") is None
    assert fresh.find(tmp_path, "b", "poses") is None


@pytest.mark.parametrize("text", ["", "[]", '{"x": 1}', '{"x": {"y": 1}}', '{"x": {"y": ["z"]}}', "[" * 100_000])
def test_damaged_places_remember_nothing(tmp_path, text):
    (tmp_path / "places.json").write_text(text)
    places = Places(tmp_path / "places.json")
    assert places.find(tmp_path, "a", "path") is None
    places.remember(tmp_path, "a", "path", tmp_path)
    places.save()
    assert Places(tmp_path / "places.json").find(tmp_path, "a", "path") == tmp_path


def test_user_settings_come_back_and_damage_is_named(tmp_path):
    assert read_user_settings("keys") == {}
    write_user_settings("keys", {"play": ["K"]})
    assert read_user_settings("keys") == {"play": ["K"]}
    assert user_folder() == tmp_path / "config"
    for text in ("[]", "{", "x" * ((1 << 20) + 1)):
        (tmp_path / "config" / "keys.json").write_text(text)
        with pytest.raises(
            SettingsError, match=r"keys.json: expected settings as JSON, found something else .*: delete"
        ):
            read_user_settings("keys")
    (tmp_path / "config" / "keys.json").unlink()
    (tmp_path / "config").rmdir()
    (tmp_path / "config").write_text("in the way")
    with pytest.raises(SettingsError, match=r"cannot write .*keys.json"):
        write_user_settings("keys", {})


def test_where_settings_lie(monkeypatch, tmp_path):
    monkeypatch.delenv("VP_SCIENCE_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert user_folder() == tmp_path / "vp-science"


def test_a_session_that_a_thread_opened_is_let_go_of_by_the_one_that_closes_it(tmp_path):
    opened = []
    thread = threading.Thread(target=lambda: opened.append(open_session(tmp_path / "session")))
    thread.start()
    thread.join(20)
    opened[0].close()
    open_session(tmp_path / "session").close()
