"""The one state object of a viewer, without a viewer."""

import pytest
from napari_vp_science.state import PanelState

import vp_science as vp


@pytest.fixture
def state(tmp_path):
    made = PanelState(None)
    made.open_session(tmp_path / "session")
    yield made
    made.close_session()


def test_states_of_two_viewers_share_nothing(tmp_path):
    one, other = PanelState(None), PanelState(None)
    heard = []
    other.message.connect(heard.append)
    one.message.emit("only here")
    one.predictions["a"] = None
    one.choose_moments([("a", 0.0, 1.0)])
    assert heard == []
    assert other.predictions == {}
    assert other.moments == []


def test_edits_reach_the_listeners_until_another_session_is_open(state, tmp_path):
    heard = []
    state.labels_changed.connect(lambda edit: heard.append(edit.name))
    first = state.session
    first.labels.merge(vp.Annotations.of([], [], vp.Behaviors.of(["walk"])))
    state.labels.add("fly", "walk", 0, 1)
    assert heard == ["import", "add walk"]
    state.open_session(tmp_path / "other")
    first.labels.add("fly", "walk", 2, 3)
    assert heard == ["import", "add walk"]
    assert len(state.labels) == 0


def test_choosing_the_same_thing_again_tells_nobody(state):
    heard = []
    state.bout_changed.connect(heard.append)
    state.subject_changed.connect(heard.append)
    state.choose_bout(4)
    state.choose_bout(4)
    state.choose_subject("mouse")
    state.choose_subject("mouse")
    assert heard == [4, "mouse"]


def test_a_session_that_is_open_elsewhere_is_refused_and_the_present_one_stays(state):
    before = state.session
    with pytest.raises(vp.VPScienceError, match="found one open in another window"):
        state.open_session(before.folder)
    assert state.session is before


def test_recordings_are_added_shown_and_remembered(tmp_path):
    clip = tmp_path / "mouse.mp4"
    clip.write_bytes(b"x")
    state = PanelState(None)
    shown = []
    state.shower = lambda recording, time_s: shown.append((recording, time_s))
    state.open_recordings([clip])
    assert shown == [("mouse", None)]
    assert state.session.folder == tmp_path / "vp_science_session"
    state.close_session()
    assert state.session is None
    again = vp.sessions.open_session(tmp_path / "vp_science_session")
    assert [one.path for one in again.recordings] == [clip]
    again.close()
