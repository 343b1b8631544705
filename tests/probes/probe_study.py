"""A study in memory: tracks whose vectors show what happens, with labels, so that a probe has something to find."""

from pathlib import Path
from typing import Any

import numpy as np

from vp_science.annotations.formats import write_annotations
from vp_science.store.plan import RecordingFacts
from vp_science.store.provenance import Provenance
from vp_science.store.tables import EmbeddingTable
from vp_science.store.writer import EmbeddingWriter
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.grid import SampleGrid, plan_windows

DIM = 12
NAMES = ("walk", "groom", "rear")


def provenance(num_grid: int, num_frames: int = 8, stride: int = 4, **changes: Any) -> Provenance:
    facts: dict[str, Any] = {
        "model": "videoprism-tiny",
        "checkpoint": "sha256:ab",
        "encoder_config": {},
        "preprocess": {"height": 36, "width": 36, "fit": "squash", "crop": None},
        "source": {"backend": "test"},
        "grid": {"sample_fps": None, "num_grid": num_grid},
        "num_frames": num_frames,
        "stride": stride,
        "spatial_pool": 1,
        "dtype": "float32",
        "precision": "float32",
        "software": "test",
    }
    return Provenance(**(facts | changes))


def make_track(
    recording: str, vectors: np.ndarray, fps: float = 25.0, num_frames: int = 8, stride: int = 4, **changes: Any
) -> EmbeddingTable:
    rows = len(vectors)
    windows = plan_windows(rows, num_frames, stride)
    window = np.stack([vectors[a:b].mean(axis=0) for a, b in zip(windows.start, windows.stop, strict=True)])
    return EmbeddingTable(
        recording_id=recording,
        num_frames=rows,
        provenance=provenance(rows, num_frames, stride, **changes),
        first_grid=0,
        track=vectors[:, None].astype(np.float32),
        window=window.astype(np.float32),
        time_s=np.arange(rows) / fps,
        frame_index=np.arange(rows),
        shown_index=np.arange(rows),
        damaged_frames=np.zeros(0, np.int64),
        window_start=windows.start,
        window_stop=windows.stop,
    )


def make_study(
    num_recordings: int = 4,
    num_rows: int = 240,
    *,
    names: tuple[str, ...] = NAMES,
    exclusive: bool = True,
    noise: float = 0.5,
    seed: int = 0,
    **changes: Any,
) -> tuple[list[EmbeddingTable], Annotations]:
    """Recordings ``rec0``, ... of bouts of 12 rows on average; every behavior has a direction, every recording an
    offset of its own."""
    rng = np.random.default_rng(seed)
    directions = 2 * np.eye(max(DIM, len(names)))[: len(names)]
    tracks, bouts, observed = [], [], []
    for number in range(num_recordings):
        recording = f"rec{number}"
        num_rows += 4 * (number > 0)  # recordings are not equally long
        vectors = noise * rng.normal(size=(num_rows, directions.shape[1])) + 0.3 * rng.normal(size=directions.shape[1])
        row, turn = 0, number
        while row < num_rows:
            stop = min(num_rows, row + int(rng.integers(8, 17)))
            behavior = turn % (len(names) + 1)
            if behavior < len(names):
                vectors[row:stop] += directions[behavior]
                bouts.append(
                    {"recording": recording, "behavior": names[behavior], "start_s": row / 25, "stop_s": stop / 25}
                )
            row, turn = stop, turn + 1
        observed.append({"recording": recording, "start_s": 0.0, "stop_s": num_rows / 25})
        tracks.append(make_track(recording, vectors, **changes))
    return tracks, Annotations.of(bouts, observed, Behaviors.of(names, exclusive=exclusive))


def write_track(table: EmbeddingTable, folder: Path) -> Path:
    """An embedding file with the content of a table."""
    path = folder / f"{table.recording_id}.embeddings.h5"
    grid = SampleGrid(np.asarray(table.time_s, np.float64), np.asarray(table.frame_index, np.int64), None)
    windows = plan_windows(len(grid), table.provenance.num_frames, table.provenance.stride)
    facts = RecordingFacts(table.recording_id, None, 1, "ab" * 32, table.num_frames)
    with EmbeddingWriter.open(path, table.provenance, facts, grid, windows, table.dim, len(windows)) as writer:
        writer.write_segment(0, table.track, table.window, table.shown_index, table.damaged_frames)
        writer.finish()
    return path


def write_study(folder: Path, **options: Any) -> tuple[list[EmbeddingTable], Annotations]:
    """A study on disk: ``tracks/rec0.embeddings.h5``, ... and ``labels.csv`` with what belongs to it."""
    tracks, annotations = make_study(**options)
    for track in tracks:
        write_track(track, folder / "tracks")
    write_annotations(annotations, folder / "labels.csv")
    return tracks, annotations
