"""How long a probe takes to fit on cached tracks.

    python benchmarks/probes.py                       # 10,000 labelled windows, base width (768), all heads
    python benchmarks/probes.py --heads logistic temporal --windows 10000

The tracks are random numbers with planted behaviors, stored as float16 in files like those of ``vp-science embed``
(stride 4, so 10,000 windows are 40,000 grid frames); reading them is part of the time. Behaviors are 4 of very unequal
frequency. Every head runs in a process of its own, so that compilation is part of the time as well; the import of the
libraries is not.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SHARES = (0.25, 0.12, 0.05, 0.02)
STRIDE, FRAMES, RECORDINGS = 4, 16, 8


def make_tracks(folder, windows, dim, exclusive):
    """Eight embedding files and their labels."""
    import vp_science as vp
    from vp_science.store.plan import RecordingFacts
    from vp_science.store.provenance import Provenance
    from vp_science.store.writer import EmbeddingWriter
    from vp_science.timeline.grid import SampleGrid, plan_windows

    rng = np.random.default_rng(0)
    directions = rng.standard_normal((len(SHARES), dim)) / np.sqrt(dim) * 6
    names = [f"behavior {i}" for i in range(len(SHARES))]
    bouts, observed, files = [], [], []
    rows = windows * STRIDE // RECORDINGS
    for number in range(RECORDINGS):
        grid = SampleGrid.from_timestamps(np.arange(rows) / 25)
        plan = plan_windows(rows, FRAMES, STRIDE)
        state = np.repeat(rng.choice(len(SHARES) + 1, rows // 20 + 1, p=[*SHARES, 1 - sum(SHARES)]), 20)[:rows]
        track = rng.standard_normal((rows, dim)) + np.where(state[:, None] < 4, directions[np.minimum(state, 3)], 0)
        name = f"recording{number}"
        settings = {"num_frames": FRAMES, "stride": STRIDE, "spatial_pool": 1, "dtype": "float16"}
        facts = {"encoder_config": {}, "preprocess": {}, "source": {}, "grid": {"sample_fps": None, "num_grid": rows}}
        identity = {"model": "videoprism-base", "checkpoint": "seed:0 (untrained)", "precision": "float32"}
        provenance = Provenance(**identity, **settings, **facts, software="benchmark")
        facts = RecordingFacts(name, None, 1, "0" * 64, rows)
        path = Path(folder) / f"{name}.embeddings.h5"
        with EmbeddingWriter.open(path, provenance, facts, grid, plan, dim, len(plan)) as writer:
            for segment in writer.segments:
                window = np.stack([track[a:b].mean(axis=0) for a, b in zip(plan.start, plan.stop, strict=True)])
                cells, none = track[segment.grid][:, None].astype(np.float16), np.zeros(0, np.int64)
                writer.write_segment(segment.index, cells, window.astype(np.float32), np.arange(rows), none)
            writer.finish()
        files.append(path)
        edges = np.flatnonzero(np.diff(np.concatenate([[-1], state, [-1]])))
        for first, stop in itertools.pairwise(edges):
            if state[first] < len(SHARES):
                row = {"recording": name, "behavior": names[state[first]], "start_s": first / 25, "stop_s": stop / 25}
                bouts.append(row)
        observed.append({"recording": name, "start_s": 0.0, "stop_s": rows / 25})
    return files, vp.Annotations.of(bouts, observed, vp.Behaviors.of(names, exclusive=exclusive))


def fit(head, windows, dim, exclusive):
    """Fit one head and print its figures."""
    import jax
    import sklearn.linear_model  # noqa: F401  (imported before the clock starts)

    import vp_science as vp
    from vp_science.probes.probe import Probe

    with tempfile.TemporaryDirectory() as folder:
        files, annotations = make_tracks(folder, windows, dim, exclusive)
        jax.numpy.zeros(1).block_until_ready()
        tracks = [vp.open_embeddings(path) for path in files]
        start = time.perf_counter()
        probe = Probe(head).fit(tracks, annotations)
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        score = probe.score(tracks, annotations)
        predict = time.perf_counter() - start
        log = ", ".join(f"{name} {value:.4g}" for name, value in probe.training_["log"].items())
        kind = "exclusive" if exclusive else "multi-label"
        print(f"{head:10s} {kind:11s} fit {seconds:6.2f} s   predict {predict:5.2f} s", end="   ")
        print(f"mAP on the training data {score:.3f}   ({log})", flush=True)
        for track in tracks:
            track.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", nargs="+", default=["logistic", "knn", "prototype", "temporal", "attentive"])
    parser.add_argument("--windows", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--one", nargs=2, metavar=("HEAD", "KIND"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        head, kind = arguments.one
        fit(head, arguments.windows, arguments.dim, kind == "exclusive")
        return
    for head in arguments.heads:
        for kind in ("exclusive", "multi-label"):
            command = [sys.executable, __file__, "--one", head, kind]
            subprocess.run([*command, "--windows", str(arguments.windows), "--dim", str(arguments.dim)], check=True)


if __name__ == "__main__":
    main()
