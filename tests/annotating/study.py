"""A small study: videos and an HDF5 recording, tracks of some of them, and a real probe."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from pipeline_tools import make_encoder, make_frames, write_video

from vp_science.annotating.results import AnnotateResult
from vp_science.embedding.run import embed
from vp_science.encoder.video import VideoEncoder
from vp_science.probes.probe import Probe
from vp_science.store.reader import open_embeddings
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.video.preprocess import Preprocess

SETTINGS: dict[str, Any] = {"num_frames": 4, "stride": 2, "fps": 5, "preprocess": Preprocess(36, 36)}


def write_hdf5(path: Path, num_frames: int = 24) -> Path:
    with h5py.File(path, "w") as file:
        frames = make_frames(num_frames)[..., 0]
        file.create_dataset("mask", data=frames, chunks=(1, *frames.shape[1:]), compression="gzip")
        file["timestamp/time"] = np.arange(num_frames) / 10
        file["timestamp/time"].attrs["unit"] = "s"
        file.attrs["lab"] = "here"
    return path


def write_recordings(folder: Path) -> Path:
    for number in range(3):
        write_video(folder / f"m{number}.avi", num_frames=20 + 4 * number)
    write_hdf5(folder / "worm.h5")
    return folder


def train(folder: Path, tracks: Path, encoder: VideoEncoder | None = None, **settings: Any) -> Probe:
    """Embed m0 and m1, label them, fit a probe."""
    videos = [folder / "m0.avi", folder / "m1.avi"]
    results = embed(videos, encoder or make_encoder(), out=tracks, **{**SETTINGS, **settings})
    tables = [open_embeddings(result.output) for result in results]
    bouts = [
        {"recording": name, "behavior": behavior, "start_s": start, "stop_s": start + 0.6}
        for name in ("m0", "m1")
        for behavior, start in (("walk", 0.2), ("groom", 1.0))
    ]
    observed = [{"recording": name, "start_s": 0.0, "stop_s": 2.0} for name in ("m0", "m1")]
    labels = Annotations.of(bouts, observed, Behaviors.of(["walk", "groom"], exclusive=True))
    probe = Probe(name="mouse").fit(tables, labels)
    for table in tables:
        table.close()
    return probe


class Spy:
    """What the job tells."""

    def __init__(self) -> None:
        self.started: list[tuple[str, int, int]] = []
        self.frames = 0
        self.results: list[AnnotateResult] = []

    def start(self, recording_id, position, total, grid_frames, done, duration_s) -> None:
        self.started.append((recording_id, position, total))

    def advance(self, grid_frames: int) -> None:
        self.frames += grid_frames

    def finish(self, result: AnnotateResult) -> None:
        self.results.append(result)


def write_poses(path: Path, num_frames: int, seen_until: dict[str, int]) -> Path:
    """Nose and tail of some animals in every frame, in DeepLabCut's layout; unlikely from some frame on."""
    columns = [(name, node, coord) for name in seen_until for node in ("nose", "tailbase") for coord in "xyl"]
    values = {"nose": (30, 15), "tailbase": (14, 15)}
    rows = [["scorer", *("s" for _ in columns)]]
    rows += [
        [title, *(column[level] for column in columns)] for level, title in enumerate(("individuals", "bodyparts"))
    ]
    rows.append(["coords", *({"x": "x", "y": "y", "l": "likelihood"}[column[2]] for column in columns)])
    for frame in range(num_frames):
        likely = {name: 0.99 if frame < until else 0.01 for name, until in seen_until.items()}
        cells = [likely[name] if coord == "l" else values[node]["xy".index(coord)] for name, node, coord in columns]
        rows.append([str(frame), *map(str, cells)])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path
