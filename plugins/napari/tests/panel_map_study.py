"""A session with small tracks for tests of the map page, and what stands for the window around it."""

import sys
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from napari_vp_science.state import PanelState, Prediction
from qtpy.QtCore import QObject, Signal

import vp_science as vp
from vp_science.sessions.worker import CancelledError, Reporter, run_job

sys.path.insert(0, str(Path(__file__).parents[3] / "tests" / "probes"))
import probe_study

FPS = 25.0


class FakeLink(QObject):
    """A link to a video that is not there."""

    moved = Signal(int)

    def __init__(self):
        super().__init__()
        self.frame = 0

    def go(self, frame):
        self.frame = frame
        self.moved.emit(frame)


class NearRunner(QObject):
    """Does jobs in this process, at once; can cancel when the principal components are there."""

    progress = Signal(object)
    result = Signal(object)
    cancelled = Signal()
    failed = Signal(str)
    idle = Signal()

    def __init__(self, cancel=False):
        super().__init__()
        self.running, self.requests, self.cancels, self.closed = False, [], cancel, False

    def start(self, job, request):
        self.requests.append(request)
        self.running = True

        def send(event):
            self.progress.emit(event)
            if self.cancels and "preview" in event:
                reporter.control("cancel")

        reporter = Reporter(send)
        try:
            found = run_job(job, request, reporter)
        except CancelledError:
            self._end(self.cancelled.emit)
        except vp.VPScienceError as error:
            message = str(error)
            self._end(lambda: self.failed.emit(message))
        else:
            self._end(lambda: self.result.emit(found))

    def _end(self, tell):
        self.running = False
        tell()
        self.idle.emit()

    def cancel(self):
        """The job is over before anybody could."""

    def close(self):
        self.closed = True


def study_state(folder, recordings=("rec0", "rec1", "rec2"), tracks=("rec0", "rec1", "rec2")):
    """A panel with a session; the tracks that it shall have are on disk."""
    made, _ = probe_study.make_study(3, 120, noise=0.25)
    session = vp.sessions.open_session(folder / "session", folder / "places.json")
    for name in recordings:
        session.add(folder / f"{name}.mp4")  # not there: nobody looks at it, and the names of tracks are believed
    for track in made:
        if track.recording_id in tracks:
            probe_study.write_track(track, session.subfolder("tracks"))
    session.labels.set_behaviors(vp.Behaviors.of(("walk", "groom"), exclusive=True))
    state = PanelState(ViewerModel())
    state.use_session(session)
    return state


def write_map(state, recording=None, **options):
    """A map of the tracks of the session, without UMAP."""
    tracks = [vp.open_embeddings(path) for path in vp.sessions.session_tracks(state.session, recording).values()]
    usual = {"method": "pca", "num_pca": 4, "cluster": "kmeans", "num_clusters": 3, "stability_repeats": 0}
    try:
        made = vp.maps.make_map(tracks, **(usual | options))
    finally:
        for track in tracks:
            track.close()
    return vp.maps.save_map(made, vp.sessions.map_path(state.session.folder, recording), overwrite=True)


def show(state, recording, link):
    """As the stage does it."""
    state.current, state.link = recording, link
    state.time_s = np.arange(120) / FPS
    state.recording_changed.emit(recording)


def prediction(recording, names=("walk", "groom"), num_frames=120):
    """Sure at the beginning, unsure later; the first behavior in the first half, nothing in the last quarter."""
    time_s = np.arange(num_frames) / FPS
    scores = np.zeros((num_frames, len(names)), np.float32)
    scores[: num_frames // 2, 0] = np.linspace(1.0, 0.5, num_frames // 2)
    scores[num_frames // 2 : 3 * num_frames // 4, 1] = 0.9
    states = (scores >= 0.5).astype(np.int8)
    return Prediction(recording, "probe-1", names, time_s, scores, states, np.zeros((0, 4)))
