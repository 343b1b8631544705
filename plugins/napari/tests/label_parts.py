"""A Label page without a viewer: a session, a link that only counts, and a timeline that only remembers."""

import numpy as np
from napari.components import ViewerModel
from napari_vp_science.state import PanelState
from qtpy.QtCore import QObject, Signal

import vp_science as vp

TIMES = np.cumsum(np.r_[0.0, np.tile([0.04, 0.06], 499), 0.04])
"""A thousand frames of a camera that is not quite regular: frame 2 * n at n / 10 s."""


class FakeLink(QObject):
    """The current frame, owned here."""

    moved = Signal(int)
    playing_changed = Signal(bool)

    def __init__(self):
        super().__init__()
        self.frame, self.playing, self.speed, self.steps = 0, False, 1.0, []

    def go(self, frame):
        self.frame = frame
        self.moved.emit(frame)

    def step(self, frames):
        self.steps.append(("frames", frames))

    def step_s(self, seconds):
        self.steps.append(("seconds", seconds))

    def set_speed(self, speed):
        self.speed = speed

    def toggle(self):
        self.play(not self.playing)

    def play(self, on):
        self.playing = on
        self.playing_changed.emit(on)


class FakeTimeline:
    """What labelling asks of the ethogram."""

    def __init__(self):
        self.live, self.range, self.calls, self.next = {}, (None, None), [], None

    def set_live(self, behavior, start_s, stop_s, *, erase=False):
        self.live[behavior] = (start_s, stop_s)

    def clear_live(self, behavior=None):
        for name in list(self.live) if behavior is None else [behavior]:
            self.live.pop(name, None)

    def set_range(self, start_s, stop_s=None):
        self.range = (start_s, stop_s)

    def next_bout(self, direction, behavior=None):
        self.calls.append(("next", direction, behavior))
        return self.next

    def delete_chosen(self):
        self.calls.append("delete")

    def zoom(self, factor):
        self.calls.append(("zoom", factor))

    def fit(self):
        self.calls.append("fit")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def make_state(folder, *, exclusive=False, names=("fly_1", "fly_2")):
    """A session with two recordings, the first one shown; groom G, rear R, and the event jump J."""
    for name in names:
        (folder / f"{name}.mp4").write_bytes(b"x")
    state = PanelState(ViewerModel())
    state.open_session(folder / "vp_science_session")
    for name in names:
        state.session.add(folder / f"{name}.mp4")
    entries = (
        vp.sessions.Behavior("groom", key="g"),
        vp.sessions.Behavior("rear", key="r"),
        vp.sessions.Behavior("jump", "point", key="j"),
    )
    state.labels.set_behaviors(vp.Behaviors(entries, exclusive))
    state.annotator = "anna"
    state.link = FakeLink()
    show(state, names[0])
    return state


def show(state, recording):
    """Another recording is shown."""
    state.current, state.time_s = recording, TIMES
    state.recording_changed.emit(recording)


def spans(state, behavior=None, recording="fly_1"):
    """Behavior (unless it is given), first and one past the last frame of every bout."""
    edges = vp.sessions.frame_edges(TIMES)
    found = []
    for bout in state.labels.bouts(recording):
        assert np.isclose(edges, bout.start_s, atol=1e-9).any()
        first, last = (int(np.abs(edges - at).argmin()) for at in (bout.start_s, bout.stop_s))
        found.append((bout.behavior, first, last))
    return found if behavior is None else [row[1:] for row in found if row[0] == behavior]
