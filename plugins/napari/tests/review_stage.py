"""A session with predictions and a video that is none, for tests of the review page."""

from types import SimpleNamespace

import numpy as np
from napari_vp_science.state import PanelState, Prediction
from qtpy.QtCore import QObject, Signal

import vp_science as vp

FPS = 10.0
FRAMES = 1000
NAMES = ("groom", "walk")
BOUTS = [("groom", 10, 15, 0.9), ("walk", 20, 22, 0.6), ("groom", 30, 34, 0.7), ("walk", 40, 45, 0.99)]


class FakeLink(QObject):
    """As ``video/link.py``, without a video."""

    moved = Signal(int)
    playing_changed = Signal(bool)

    def __init__(self, times_s):
        super().__init__()
        self.times_s, self.num_frames = times_s, len(times_s)
        self.frame, self.playing, self.seeks = 0, False, []

    @property
    def time_s(self):
        return float(self.times_s[self.frame])

    def go(self, frame):
        self.frame = int(np.clip(frame, 0, self.num_frames - 1))
        self.moved.emit(self.frame)

    def go_s(self, time_s):
        self.seeks.append(time_s)
        self.go(int(np.clip(np.searchsorted(self.times_s, time_s + 1e-9, side="right") - 1, 0, self.num_frames - 1)))

    def play(self):
        self.playing = True

    def stop(self):
        self.playing = False

    def run_to(self, time_s):
        """The clock reaches a time while the video plays."""
        self.go(round(time_s * FPS))


def predicted(recording, bouts=BOUTS, probe="p1"):
    time_s = np.arange(FRAMES) / FPS
    scores = np.full((FRAMES, 2), 0.1, np.float32)
    states = np.zeros((FRAMES, 2), np.int8)
    rows = []
    for name, start, stop, score in bouts:
        column, frames = NAMES.index(name), slice(round(start * FPS), round(stop * FPS))
        scores[frames, column], states[frames, column] = score, 1
        rows.append((column, start, stop, score))
    return Prediction(recording, probe, NAMES, time_s, scores, states, np.array(rows, np.float64).reshape(-1, 4))


def make_state(folder, recordings=("fly_1", "fly_2"), *, keys=("", "")):
    """A panel's state with a session, two recordings of 100 s, and what a probe said about them."""
    state = PanelState(SimpleNamespace(theme="dark"))
    state.use_session(vp.sessions.open_session(folder / "session"))
    state.annotator = "ann"
    for name in recordings:
        (folder / f"{name}.mp4").touch()
        state.session.add(folder / f"{name}.mp4")
        (folder / f"{name}.mp4").unlink()  # on a disk that is not plugged in: tracks are believed by their names
    entries = [vp.sessions.Behavior(name, key=key) for name, key in zip(NAMES, keys, strict=True)]
    state.labels.set_behaviors(vp.Behaviors.of(entries))
    times = np.arange(FRAMES) / FPS

    def show(recording, time_s=None):
        new = recording != state.current
        state.current, state.time_s = recording, times
        state.link = state.link or FakeLink(times)
        if time_s is not None:
            state.link.go_s(time_s)
        if new:
            state.recording_changed.emit(recording)

    state.shower = show
    state.session_changed.emit()
    state.show(recordings[0])
    return state


def predict_all(state):
    names = [one.id for one in state.session.recordings]
    state.predictions = {name: predicted(name, BOUTS if i == 0 else BOUTS[:2]) for i, name in enumerate(names)}
    state.predictions_changed.emit()
