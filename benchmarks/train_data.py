"""Clips per second that the data pipeline delivers, against clips per second that a training step consumes.

    python benchmarks/train_data.py [--seconds 8] [--no-step]

Sources: 320 x 240 H.264 (a key frame every 250 frames, x264's default), the bundled 192 x 192 H.264 crop, and HDF5
with the frames of the former. Augmentation as by default (flip, random crop). The step is forward and backward of
videoprism-tiny (mean of its tokens), jitted, float32.
"""

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import h5py
import numpy as np

from vp_science.samples import sample_recording
from vp_science.train.data.open import BatchRequest, open_batches
from vp_science.train.data.settings import ClipSettings, DataSettings, LoaderSettings

SHAPES = ((8, 144), (16, 288))
BATCH = 8


def make_footage(folder: Path, num_frames: int = 1500) -> dict[str, Path]:
    """Moving noise with a moving disc, as video and as HDF5."""
    rng = np.random.default_rng(0)
    ground = rng.integers(60, 180, (60, 80), dtype=np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    rows, columns = np.mgrid[:240, :320]
    frames = np.empty((num_frames, 240, 320), np.uint8)
    for number in range(num_frames):
        x, y = 160 + 120 * np.cos(number / 40), 120 + 80 * np.sin(number / 55)
        frame = ground + rng.integers(0, 12, ground.shape, dtype=np.uint8)
        frames[number] = np.where((columns - x) ** 2 + (rows - y) ** 2 < 400, 230, frame)
    video = folder / "arena.mp4"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.codec_context.gop_size = 250
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    stack = folder / "arena.h5"
    with h5py.File(stack, "w") as file:
        file.create_dataset("frames", data=frames, chunks=(1, 240, 320), compression="lzf")
        file["timestamps"] = np.arange(num_frames) / 25
    return {"320 x 240 H.264": video, "192 x 192 H.264": sample_recording(), "320 x 240 HDF5, lzf": stack}


def delivered(path: Path, shape: tuple[int, int], workers: int, seconds: float) -> tuple[float, float, float]:
    """Clips per second once it runs; seconds until the first batch; seconds to close."""
    request = BatchRequest(
        data=(DataSettings(str(path)),), clips=ClipSettings(*shape), loader=LoaderSettings(workers, 2), batch_size=BATCH
    )
    stream = open_batches(request)
    begun = time.perf_counter()
    for _ in range(3):  # what was ready ahead does not count
        next(stream)
    running = time.perf_counter()
    count = 0
    while time.perf_counter() - running < seconds:
        next(stream)
        count += BATCH
    rate = count / (time.perf_counter() - running)
    ending = time.perf_counter()
    stream.close()
    return rate, running - begun, time.perf_counter() - ending


def consumed(shape: tuple[int, int], seconds: float) -> float:
    """Clips per second of a training step of videoprism-tiny."""
    import jax
    from flax import nnx

    from vp_science.checkpoints.registry import find_model
    from vp_science.encoder.video import VideoEncoder
    from vp_science.train.functional import split_model

    skeleton, params = split_model(VideoEncoder(find_model("videoprism-tiny").config, rngs=nnx.Rngs(0)))

    @jax.jit
    def step(params, video):
        def loss(params):
            return (skeleton.bind(params)(video.astype(np.float32) / 255) ** 2).mean()

        return jax.grad(loss)(params)

    video = np.random.default_rng(0).integers(0, 256, (BATCH, shape[0], shape[1], shape[1], 3), dtype=np.uint8)
    jax.block_until_ready(step(params, video))
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        jax.block_until_ready(step(params, video))
        count += BATCH
    return count / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--no-step", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sources = make_footage(Path(folder))
        for shape in SHAPES:
            for name, path in sources.items():
                for workers in (0, 1, 2):
                    rate, first, closing = delivered(path, shape, workers, options.seconds)
                    print(
                        f"{shape[0]:3} x {shape[1]}  {name:20} workers {workers}: {rate:6.1f} clips/s"
                        f"  (first batches {first:.1f} s, closing {closing:.1f} s)",
                        flush=True,
                    )
            if not options.no_step:
                print(
                    f"{shape[0]:3} x {shape[1]}  a step of tiny consumes {consumed(shape, options.seconds):.1f} clips/s"
                )


if __name__ == "__main__":
    main()
