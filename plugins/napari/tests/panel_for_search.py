"""A panel without a viewer, and a worker that answers what a test says."""

from types import SimpleNamespace

import numpy as np
from footage_for_panel import write_video
from napari_vp_science.state import PanelState
from psygnal import SignalGroup, SignalInstance
from qtpy.QtCore import QObject, Signal

import vp_science as vp


class ViewerEvents(SignalGroup):
    pass


def make_state(folder, names=("a", "b"), num_frames=40) -> PanelState:
    """A session of small videos, the first one shown."""
    session = vp.sessions.open_session(folder / "vp_science_session", places=folder / "places.json")
    for name in names:
        session.add(write_video(folder / f"{name}.mp4", num_frames))
    session.labels.set_behaviors(vp.Behaviors.of(["groom", "walk"]))
    viewer = SimpleNamespace(theme="dark", events=SimpleNamespace(theme=SignalInstance()))
    state = PanelState(viewer)
    state.use_session(session)
    state.annotator = "ann"
    state.current = names[0]
    state.time_s = np.arange(num_frames) / 20
    state.link = SimpleNamespace(time_s=1.0)
    state.gone = []
    state.shower = lambda recording, time_s: state.gone.append((recording, time_s))
    return state


class FakeRunner(QObject):
    """Keeps what it is asked, and answers when the test says so."""

    progress = Signal(object)
    result = Signal(object)
    cancelled = Signal()
    failed = Signal(str)
    idle = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.asked = []
        self.running = False
        self.closed = False

    @property
    def searches(self):
        return [request for request in self.asked if "about" not in request]

    def start(self, job, request):
        assert job == "search"
        assert not self.running
        self.running = True
        self.asked.append(request)

    def cancel(self):
        if self.running:
            self._end(self.cancelled.emit)

    def answer(self, **result):
        self._end(lambda: self.result.emit(result))

    def fail(self, why):
        self._end(lambda: self.failed.emit(why))

    def close(self):
        self.closed = True

    def _end(self, tell):
        self.running = False
        tell()
        if not self.running:
            self.idle.emit()


def row(rank, recording="a", start_s=0.5, **changes):
    """A hit as the job tells it."""
    fields = {
        "rank": rank, "score": 1 - rank / 10, "track": recording, "recording": recording, "subject": "", "target": "",
        "start_s": start_s, "stop_s": start_s + 0.4, "peak_start_s": start_s, "peak_stop_s": start_s + 0.2,
        "why": "like a 1.0 s",
    }  # fmt: skip
    return fields | changes


def found(*hits, ask=(), **changes):
    """What the job tells."""
    facts = {
        "hits": list(hits), "ask": list(ask), "more": False, "method": "prototype", "num_recordings": 2, "hours": 0.1,
        "seconds": 0.01, "model": "videoprism-base", "untrained": False, "contrastive": False, "left_out": [],
    }  # fmt: skip
    return facts | changes
