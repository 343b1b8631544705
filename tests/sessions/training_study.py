"""A session with small videos, tracks that show what happens in them, and labels: without any encoder."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from pipeline_tools import write_video
from probe_study import make_study, provenance

from vp_science.sessions.session import Session, open_session
from vp_science.sessions.worker import Reporter
from vp_science.store.plan import RecordingFacts
from vp_science.store.tables import EmbeddingTable
from vp_science.store.writer import EmbeddingWriter
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.grid import SampleGrid, plan_windows
from vp_science.video.open import open_recording


def make_session(folder: Path, num_recordings: int = 3, **options: Any) -> Session:
    """``rec0.avi``, ... with tracks and labels in all of their time; the session is open."""
    session = open_session(folder / "session", folder / "places.json")
    tables, annotations = make_study(num_recordings, **{"num_rows": 160, **options})
    for table in tables:
        path = write_video(folder / f"{table.recording_id}.avi", num_frames=len(table), fps=25)
        session.add(path)
        write_track_of(table, path, session.subfolder("tracks"))
    session.labels.merge(annotations)
    assert session.log.flush()
    return session


def copy_session(template: Path, folder: Path) -> Session:
    """A session of its own like one that was made and closed before."""
    shutil.copytree(template, folder, dirs_exist_ok=True)
    return open_session(folder / "session", folder / "places.json")


def write_track_of(table: EmbeddingTable, recording: Path, folder: Path, **changes: Any) -> Path:
    """The vectors of a table as the track of a recording."""
    with open_recording(recording) as opened:
        identity, time_s = opened.fingerprint(), opened.time_s
    path = folder / f"{recording.stem}.embeddings.h5"
    grid = SampleGrid(time_s, np.arange(len(time_s)), None)
    windows = plan_windows(len(grid), 8, 4)
    facts = RecordingFacts(recording.stem, str(recording), identity.num_bytes, identity.sha256, identity.num_frames)
    made = provenance(len(grid), 8, 4, **changes)
    with EmbeddingWriter.open(path, made, facts, grid, windows, table.dim, len(windows)) as writer:
        writer.write_segment(0, table.track, table.window, table.shown_index, table.damaged_frames)
        writer.finish()
    return path


def request_of(session: Session, **more: Any) -> dict[str, Any]:
    """What the panel asks of a job about all recordings of a session."""
    recordings = [{"id": one.id, "path": None if one.path is None else str(one.path)} for one in session.recordings]
    return {
        "session": str(session.folder),
        "labels": str(session.log.path),
        "recordings": recordings,
        "ids": [one.id for one in session.recordings],
        **more,
    }


def relabel(session: Session, annotations: Annotations) -> None:
    """Replace all labels."""
    with session.labels.step("again"):
        session.labels.merge(annotations, replace_recordings=True)
    assert session.log.flush()


class Listener:
    """A reporter that remembers what it heard."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.report = Reporter(self.events.append)

    @property
    def stages(self) -> list[str]:
        return [event["stage"] for event in self.events]
