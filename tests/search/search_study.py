"""Tracks in which something happens at known times, in memory and on disk."""

from pathlib import Path
from typing import Any

import av
import numpy as np

from vp_science.store.plan import RecordingFacts
from vp_science.store.provenance import Provenance
from vp_science.store.tables import EmbeddingTable
from vp_science.store.writer import EmbeddingWriter
from vp_science.timeline.grid import SampleGrid, plan_windows

DIM = 24
FPS = 20.0
NUM_FRAMES, STRIDE = 8, 2
SECONDS = 30

DANCE = {"a": [(4.0, 6.0), (15.0, 16.5)], "b": [(9.0, 11.0)], "c": [(2.0, 3.5), (20.0, 22.0), (26.0, 27.0)]}
"""When the animals of three recordings dance."""


def provenance(num_grid: int, **changes: Any) -> Provenance:
    facts: dict[str, Any] = {
        "model": "videoprism-tiny",
        "checkpoint": "sha256:ab",
        "encoder_config": {},
        "preprocess": {"height": 36, "width": 36, "fit": "squash", "crop": None},
        "source": {"backend": "test"},
        "grid": {"sample_fps": None, "num_grid": num_grid},
        "num_frames": NUM_FRAMES,
        "stride": STRIDE,
        "spatial_pool": 1,
        "dtype": "float32",
        "precision": "float32",
        "software": "test",
    }
    return Provenance(**(facts | changes))


def make_track(
    recording: str, vectors: np.ndarray, *, shown: np.ndarray | None = None, **changes: Any
) -> EmbeddingTable:
    rows = len(vectors)
    windows = plan_windows(rows, NUM_FRAMES, STRIDE)
    window = np.stack([vectors[a:b].mean(axis=0) for a, b in zip(windows.start, windows.stop, strict=True)])
    return EmbeddingTable(
        recording_id=recording,
        num_frames=rows,
        provenance=provenance(rows, **changes),
        first_grid=0,
        track=vectors[:, None].astype(np.float32),
        window=window.astype(np.float32),
        time_s=np.arange(rows) / FPS,
        frame_index=np.arange(rows),
        shown_index=np.arange(rows) if shown is None else np.where(shown, np.arange(rows), -1),
        damaged_frames=np.zeros(0, np.int64),
        window_start=windows.start,
        window_stop=windows.stop,
    )


def followed(animal: str, recording: str) -> dict[str, Any]:
    """What the provenance of a followed animal says."""
    follow = {"subject": animal, "target": "", "of_recording": recording, "settings": {}, "turned": False}
    return {"source": {"backend": "test", "follow": follow}}


def dancing(
    times: dict[str, list[tuple[float, float]]] | None = None, *, noise: float = 0.3, offset: float = 3.0, seed: int = 0
) -> list[EmbeddingTable]:
    """A track per recording: noise, a large part that all share, one of its own, and the dance at its times."""
    rng = np.random.default_rng(seed)
    shared = offset * np.eye(DIM)[0]
    tracks = []
    for number, (recording, bouts) in enumerate((times or DANCE).items()):
        rows = int(SECONDS * FPS) + 4 * number
        vectors = noise * rng.normal(size=(rows, DIM)) + shared + 0.3 * np.eye(DIM)[10 + number]
        for start, stop in bouts:
            vectors[round(start * FPS) : round(stop * FPS), 1] += 2
        tracks.append(make_track(recording, vectors))
    return tracks


def is_dance(recording: str, time_s: float, times: dict[str, list[tuple[float, float]]] | None = None) -> bool:
    return any(start <= time_s < stop for start, stop in (times or DANCE)[recording])


def write_track(table: EmbeddingTable, folder: Path) -> Path:
    path = folder / f"{table.recording_id}.embeddings.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = SampleGrid(np.asarray(table.time_s, np.float64), np.asarray(table.frame_index, np.int64), None)
    windows = plan_windows(len(grid), NUM_FRAMES, STRIDE)
    facts = RecordingFacts(table.recording_id, None, 1, "ab" * 32, table.num_frames)
    with EmbeddingWriter.open(path, table.provenance, facts, grid, windows, table.dim, len(windows)) as writer:
        writer.write_segment(0, table.track, table.window, table.shown_index, table.damaged_frames)
        writer.finish()
    return path


def write_video(path: Path, brightness: np.ndarray) -> Path:
    """A lossless grey video, a frame per value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=int(FPS))
        stream.height, stream.width = 24, 32
        stream.pix_fmt = "bgr0"
        for value in brightness:
            pixels = np.full((24, 32, 3), value, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path
