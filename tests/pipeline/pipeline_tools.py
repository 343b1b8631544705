"""Small encoders, recordings and the plain computation that the pipeline must reproduce."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import av
import numpy as np

from vp_science.checkpoints import registry
from vp_science.checkpoints.load import load_encoder
from vp_science.encoder.config import EncoderConfig, VideoTextConfig
from vp_science.encoder.video import VideoEncoder
from vp_science.recordings import DecodedFrame, Fingerprint, Recording
from vp_science.stream import Execution, StreamPlan
from vp_science.timeline.grid import SampleGrid, plan_windows
from vp_science.video.array import ArrayRecording
from vp_science.video.preprocess import Preprocess

SMALL = EncoderConfig(
    patch_size=18,
    pos_emb_shape=(4, 2, 2),
    model_dim=32,
    num_spatial_layers=1,
    num_temporal_layers=1,
    num_heads=2,
    mlp_dim=64,
)
SMALL_LVT = VideoTextConfig(**asdict(SMALL), num_auxiliary_layers=1, num_unimodal_layers=1, vocabulary_size=1024)
PREPROCESS = Preprocess(36, 36)
EXECUTION = Execution(frames_per_group=4, windows_per_group=2, groups_per_segment=2)


def make_encoder(seed: int = 0, **changes: Any) -> VideoEncoder:
    return load_encoder(replace(SMALL, **changes), precision="float32", seed=seed)


def shrink_models() -> None:
    """Make the built-in models small and random, for tests that go through their names."""
    small = {"videoprism-tiny": SMALL, "videoprism-lvt-tiny": SMALL_LVT}
    registry._SPECS = tuple(
        replace(spec, config=small[spec.name], bundled=None, seed=0) if spec.name in small else spec
        for spec in registry._SPECS
    )


def make_frames(num_frames: int, seed: int = 0, height: int = 24, width: int = 30) -> np.ndarray:
    """Frames that change slowly and differ everywhere: a drifting gradient with noise."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 120, width)[None, :, None] + 3.0 * np.arange(num_frames)[:, None, None, None] % 100
    return (ramp + rng.integers(0, 100, (num_frames, height, width, 3))).clip(0, 255).astype(np.uint8)


def make_recording(num_frames: int, fps: float = 25.0, seed: int = 0, **options: Any) -> ArrayRecording:
    times = options.pop("timestamps", None)
    rate = {"timestamps": times} if times is not None else {"source_fps": fps}
    return ArrayRecording(make_frames(num_frames, seed), **rate, **options)


def make_plan(
    recording: Recording,
    *,
    num_frames: int = 4,
    stride: int = 2,
    fps: float | None = None,
    spatial_pool: int = 1,
    execution: Execution = EXECUTION,
) -> StreamPlan:
    grid = SampleGrid.from_timestamps(recording.time_s, fps)
    return StreamPlan(grid, plan_windows(len(grid), num_frames, stride), PREPROCESS, spatial_pool, execution)


def compute_plainly(recording: Recording, encoder: VideoEncoder, plan: StreamPlan) -> tuple[np.ndarray, np.ndarray]:
    """Track and window vectors, one whole clip through the whole encoder at a time."""
    index = plan.grid.frame_index
    pixels = {
        frame.frame_index: frame.pixels.astype(np.float32) / 255
        for frame in recording.decode(np.unique(index), plan.preprocess)
    }
    rows, columns = plan.preprocess.height // 18, plan.preprocess.width // 18
    k = plan.spatial_pool
    track = np.zeros((len(index), k * k, encoder.config.model_dim), np.float32)
    window = np.zeros((len(plan.windows), encoder.config.model_dim), np.float32)
    for number, (start, stop) in enumerate(zip(plan.windows.start, plan.windows.stop, strict=True)):
        clip = np.stack([pixels[int(i)] for i in index[start:stop]])
        tokens = np.asarray(encoder(clip[None]))[0].reshape(stop - start, rows, columns, -1)
        window[number] = tokens.mean(axis=(0, 1, 2))
        for grid_index in np.flatnonzero(plan.windows.owner == number):
            frame = tokens[grid_index - start]
            for cell in range(k * k):
                block = frame[
                    cell // k * rows // k : (cell // k + 1) * rows // k,
                    cell % k * columns // k : (cell % k + 1) * columns // k,
                ]
                track[grid_index, cell] = block.mean(axis=(0, 1))
    return track, window


class FakeRecording(Recording):
    """Frames whose pixels are their shown index; ``change`` may alter, drop or count what the decoder gives."""

    def __init__(
        self, num_frames: int, change: Callable[[DecodedFrame], DecodedFrame | None] | None = None, **options: Any
    ) -> None:
        self.id = options.get("recording_id", "fake")
        self.path = None
        self.time_s = np.arange(num_frames) / 25.0
        self.height = self.width = 36
        self.source = {"backend": "fake"}
        self.change = change or (lambda frame: frame)
        self.decoded: list[int] = []
        self.decode_calls = 0
        self.closed = False

    def read(self, frame_index: int) -> np.ndarray:
        return np.full((36, 36, 3), frame_index % 256, np.uint8)

    def decode(self, frame_index: np.ndarray, preprocess: Preprocess | None = None) -> Iterator[DecodedFrame]:
        self.decode_calls += 1
        for index in frame_index.tolist():
            self.decoded.append(index)
            frame = self.change(DecodedFrame(index, index, self.read(index)))
            if frame is not None:
                yield frame

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(1, "ab" * 32, self.num_frames)

    def close(self) -> None:
        self.closed = True


def write_video(path: Path, num_frames: int = 40, fps: int = 10, width: int = 48, height: int = 36) -> Path:
    """A short lossy video of a moving bright block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(num_frames):
            pixels = np.full((height, width, 3), 40, np.uint8)
            left = number * 3 % (width - 12)
            pixels[8:24, left : left + 12] = (220, 180, 60)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_manifest(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
