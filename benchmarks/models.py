"""What every model takes on this machine: frames per second and memory, for the page docs/hardware.md.

    python benchmarks/models.py                                  # every model that was released, and ours
    python benchmarks/models.py --models videoprism-base --seconds 60 --stride 1

Each model embeds the bundled recording, looped in memory, in a process of its own, with random weights (speed does not
depend on them): windows of 16 frames of 288 x 288 at --stride, decoding included. The first group of windows, in which
the program is compiled, does not count. Memory is the peak of the process, and on a GPU the peak that jax allocated.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from contextlib import closing

import jax
import numpy as np

import vp_science as vp
from vp_science.embedding.settings import EmbedSettings, native_preprocess, plan_stream
from vp_science.recordings import DecodedFrame
from vp_science.stream import embed_segments

MODELS = [f"videoprism-{name}" for name in ("tiny", "base", "large", "lvt-tiny", "lvt-base", "lvt-large")]
COLUMNS = ("model", "precision", "frames/s", "hours per hour of 5 frames/s", "process GiB", "GPU GiB", "first group s")


class Repeated:
    """The frames of a recording again and again, as long as they are wanted."""

    def __init__(self, recording, num_frames):
        self._recording = recording
        self.time_s = np.arange(num_frames) / 25.0

    def __getattr__(self, name):
        return getattr(self._recording, name)

    def decode(self, frame_index, preprocess):
        """Decode pass after pass."""
        wanted, length = np.asarray(frame_index), self._recording.num_frames
        for start in range(0, int(wanted.max()) + 1, length):
            part = wanted[(wanted >= start) & (wanted < start + length)]
            for frame in self._recording.decode(part - start, preprocess) if len(part) else ():
                yield DecodedFrame(frame.frame_index + start, frame.shown_index + start, frame.pixels)


def measure(model, precision, stride, seconds):
    """One model in this process, as a JSON line."""
    encoder = vp.load_encoder(model, precision=precision, seed=0)
    settings = EmbedSettings(stride=stride, preprocess=native_preprocess(encoder))
    marks = []

    class EnoughError(Exception):
        """Measured long enough."""

    def mark(frames):
        marks.append((time.perf_counter(), frames))
        if len(marks) > 3 and marks[-1][0] - marks[0][0] > seconds:
            raise EnoughError

    with vp.open_recording(vp.sample_recording()) as recording:
        looped = Repeated(recording, 200_000)
        plan = plan_stream(looped, encoder, settings)
        began = time.perf_counter()
        try:
            with closing(embed_segments(looped, encoder, plan, on_frames=mark)) as segments:
                for _ in segments:
                    pass
        except EnoughError:
            pass
    rate = sum(frames for _, frames in marks[1:]) / (marks[-1][0] - marks[0][0])
    stats = jax.local_devices()[0].memory_stats() or {}
    found = {
        "model": model,
        "precision": encoder.info.precision,
        "frames/s": rate,
        "hours per hour of 5 frames/s": 5 / rate,
        "process GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "GPU GiB": stats.get("peak_bytes_in_use", 0) / 2**30,
        "first group s": marks[0][0] - began,
    }
    found["machine"] = f"{jax.devices()[0].device_kind}, jax {jax.__version__}"
    print(json.dumps(found))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--precision", nargs="+", default=["auto"], choices=["auto", "float32", "bfloat16"])
    parser.add_argument("--stride", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long every model is measured")
    parser.add_argument("--one", action="store_true", help="measure one model in this process")
    options = parser.parse_args()
    if options.one:
        measure(options.models[0], options.precision[0], options.stride, options.seconds)
        return
    # This process leaves the device alone: jax would take the memory of a GPU for itself.
    print("| " + " | ".join(COLUMNS) + " |\n|" + " --- |" * len(COLUMNS))
    machine = "nothing was measured"
    for model in options.models:
        for precision in options.precision:
            command = [sys.executable, __file__, "--one", "--models", model, "--precision", precision]
            command += ["--stride", str(options.stride), "--seconds", str(options.seconds)]
            answer = subprocess.run(command, stdout=subprocess.PIPE, text=True)
            if answer.returncode:
                print(f"| {model} | {precision} | failed: see above |", flush=True)
                continue
            found = json.loads(answer.stdout.splitlines()[-1])
            machine = f"{found['machine']}, windows of 16 frames, stride {options.stride}"
            values = (f"{value:.3g}" if isinstance(value, float) else value for value in map(found.get, COLUMNS))
            print("| " + " | ".join(values) + " |", flush=True)
    print(machine)


if __name__ == "__main__":
    main()
