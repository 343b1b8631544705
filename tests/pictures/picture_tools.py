"""Recordings whose frames tell their number, and tracks of them."""

from pathlib import Path
from typing import Any

import av
import numpy as np

from vp_science.recordings import Recording
from vp_science.store.provenance import Provenance
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.grid import plan_windows
from vp_science.video.open import open_recording

STEP = 4
"""Frame ``i`` is grey with the value ``STEP * i``."""


def counting_frames(num_frames: int, height: int = 24, width: int = 32) -> np.ndarray:
    values = (STEP * np.arange(num_frames)).astype(np.uint8)
    return np.broadcast_to(values[:, None, None, None], (num_frames, height, width, 3)).copy()


def write_lossless(path: Path, frames: np.ndarray, fps: int = 10) -> Path:
    """A video file that gives back exactly these pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def numbers(picture: np.ndarray) -> float:
    """Which frame a grey picture shows."""
    return float(picture[picture.shape[0] // 2, picture.shape[1] // 2, 0]) / STEP


def track_of(recording: Recording, **preprocess: Any) -> EmbeddingTable:
    """A track of every frame, without useful numbers."""
    rows = recording.num_frames
    windows = plan_windows(rows, min(4, rows), min(2, rows))
    return EmbeddingTable(
        recording_id=recording.id,
        num_frames=rows,
        provenance=Provenance(
            model="videoprism-tiny",
            checkpoint="sha256:ab",
            encoder_config={},
            preprocess={"height": 36, "width": 36, "fit": "squash", "crop": None} | preprocess,
            source=recording.source,
            grid={"sample_fps": None, "num_grid": rows},
            num_frames=min(4, rows),
            stride=min(2, rows),
            spatial_pool=1,
            dtype="float32",
            precision="float32",
            software="test",
        ),
        first_grid=0,
        track=np.zeros((rows, 1, 3), np.float32),
        window=np.zeros((len(windows.start), 3), np.float32),
        time_s=np.asarray(recording.time_s),
        frame_index=np.arange(rows),
        shown_index=np.arange(rows),
        damaged_frames=np.zeros(0, np.int64),
        window_start=windows.start,
        window_stop=windows.stop,
    )


def study(
    folder: Path, num_frames: int = 40, names: tuple[str, ...] = ("a", "b", "c", "d"), **shape: int
) -> list[EmbeddingTable]:
    """Videos of 10 frames a second in a folder, and a track of each."""
    tracks = []
    for name in names:
        path = write_lossless(folder / f"{name}.mkv", counting_frames(num_frames, **shape))
        with open_recording(path) as recording:
            tracks.append(track_of(recording))
    return tracks


def write_dlc(path: Path, seen: np.ndarray, place: np.ndarray) -> Path:
    """Nose and tail of one mouse in DeepLabCut's layout, around a place in every frame; unlikely where not seen."""
    columns = [(node, coord) for node in ("nose", "tailbase") for coord in ("x", "y", "likelihood")]
    rows = [
        ["scorer", *("s" for _ in columns)],
        ["bodyparts", *(c[0] for c in columns)],
        ["coords", *(c[1] for c in columns)],
    ]
    for frame, (there, (x, y)) in enumerate(zip(seen, place, strict=True)):
        likely = 0.99 if there else 0.01
        rows.append([str(value) for value in (frame, x + 4, y, likely, x - 4, y, likely)])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path
