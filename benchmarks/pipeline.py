"""The whole job: does decoding hide behind computing, and does memory stay flat?

    python benchmarks/pipeline.py                      # all parts
    python benchmarks/pipeline.py --part memory --minutes 1 60

"overlap" embeds a recording and compares the wall time with the larger of pure decoding and pure computing.
"memory" embeds a real clip looped to two lengths (144 x 144, 5 frames/s: 300 and 18,000 frames), each in a process of
its own, and compares peak resident memory.
"reader" decodes and resizes recordings and prints frames per second.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

import av
import numpy as np

import vp_science as vp
from vp_science.embedding.settings import EmbedSettings, native_preprocess, plan_stream
from vp_science.recordings import DecodedFrame
from vp_science.stream import embed_segments
from vp_science.video.prefetch import prefetch


class FromMemory:
    """Stands in for a recording whose frames are decoded already: what is left is computing."""

    def __init__(self, frames):
        self.frames = frames

    def decode(self, frame_index, preprocess):
        for index in frame_index:
            yield DecodedFrame(int(index), int(index), self.frames[int(index) % len(self.frames)])


def consume(items):
    """Seconds to run an iterator to its end."""
    start = time.perf_counter()
    deque(items, maxlen=0)
    return time.perf_counter() - start


def overlap(model, path, fps, seconds, rounds):
    encoder = vp.load_encoder(model, seed=0)
    settings = EmbedSettings(fps=fps, preprocess=native_preprocess(encoder))
    with vp.open_recording(path) as recording:
        recording.time_s = recording.time_s[recording.time_s <= seconds]
        plan = plan_stream(recording, encoder, settings)
        wanted = np.unique(plan.grid.frame_index)
        held = [frame.pixels for frame in recording.decode(wanted[:64], settings.preprocess)]
        consume(embed_segments(FromMemory(held), encoder, plan))  # compiles
        for _ in range(rounds):
            decoding = consume(prefetch(recording.decode(wanted, settings.preprocess)))
            computing = consume(embed_segments(FromMemory(held), encoder, plan))
            together = consume(embed_segments(recording, encoder, plan))
            print(
                f"{path.name}, {model}, {len(plan.grid)} frames: decode {decoding:.2f} s, compute {computing:.2f} s, "
                f"both {together:.2f} s = {together / max(decoding, computing):.3f} x the larger",
                flush=True,
            )


def make_loop(source, minutes, path):
    """Repeat a clip by copying its packets, without encoding, until it is long enough."""
    with av.open(str(source)) as clip, av.open(str(path), "w") as looped:
        stream = clip.streams.video[0]
        target = looped.add_stream_from_template(stream)
        packets = [packet for packet in clip.demux(stream) if packet.size]
        step = int(stream.duration)
        copies = max(1, round(minutes * 60 / float(step * stream.time_base)))
        # Packets are consumed when they are muxed: keep their bytes.
        kept = [(bytes(packet), packet.pts, packet.dts, packet.duration, packet.is_keyframe) for packet in packets]
        for copy in range(copies):
            for data, pts, dts, duration, is_keyframe in kept:
                packet = av.Packet(data)
                packet.pts, packet.dts, packet.duration = pts + copy * step, dts + copy * step, duration
                packet.time_base, packet.stream, packet.is_keyframe = stream.time_base, target, is_keyframe
                looped.mux(packet)


def memory(model, source, minutes, fps):
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for length in minutes:
            video = Path(folder) / f"loop{length:g}.mp4"
            make_loop(source, length, video)
            command = [
                sys.executable,
                __file__,
                "--part",
                "one",
                "--model",
                model,
                "--video",
                str(video),
                "--fps",
                str(fps),
            ]
            command += ["--out", folder]
            peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
            peaks.append(peak)
            print(f"{length:g} minutes of {source.name} at {fps:g} fps: peak memory {peak:.0f} MiB", flush=True)
    print(f"longest over shortest: {peaks[-1] / peaks[0]:.3f}")


def one(model, path, fps, out):
    """Embed one recording in this process and print the peak resident memory in MiB."""
    vp.embed(path, vp.load_encoder(model, seed=0), out=out, fps=fps, preprocess=vp.Preprocess(144, 144))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def reader(paths, rounds):
    for path in paths:
        with vp.open_recording(path) as recording:
            wanted = np.arange(recording.num_frames)
            seconds = min(consume(recording.decode(wanted, vp.Preprocess())) for _ in range(rounds))
            print(
                f"{path.name} ({recording.width} x {recording.height}): {len(wanted) / seconds:.0f} frames/s "
                f"decoded and resized to 288 x 288, {recording.duration_s / seconds:.0f} x real time",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["all", "overlap", "memory", "reader", "one"], default="all")
    parser.add_argument("--model", default="videoprism-base")
    parser.add_argument("--video", type=Path, action="append", help="default: the bundled clip")
    parser.add_argument("--fps", type=float, default=None)
    parser.add_argument("--seconds", type=float, default=8.0, help="how much of each recording the overlap part takes")
    parser.add_argument("--minutes", type=float, nargs=2, default=(1, 60))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    videos = options.video or [vp.sample_recording()]
    if options.part == "one":
        one(options.model, videos[0], options.fps, options.out)
    if options.part in ("all", "reader"):
        reader(videos, options.rounds)
    if options.part in ("all", "overlap"):
        for path in videos:
            overlap(options.model, path, options.fps, options.seconds, options.rounds)
    if options.part in ("all", "memory"):
        memory("videoprism-tiny", videos[0], options.minutes, options.fps or 5.0)


if __name__ == "__main__":
    main()
