"""How long a map takes, and how much memory.

    python benchmarks/maps.py                              # 50,000 windows of 768 numbers, then 1,000,000
    python benchmarks/maps.py --points 50000

The vectors are random numbers with planted clouds: 60 behaviors whose bouts last 20 windows, with shares that fall off
as 1/rank, a bit of drift in every bout, and noise in all directions. They lie in embedding files like those of
``vp-science embed``; reading them is part of the time, and so is the compilation of umap-learn. Every size runs in a
process of its own. Clusters are looked for, their stability is not: it lays out at most 5,000 points per repeat.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

DIM, BEHAVIORS, BOUT, RECORDINGS = 768, 60, 20, 20
SMALL, LARGE = 50_000, 1_000_000


def make_tracks(folder, windows):
    """Twenty embedding files."""
    from vp_science.store.plan import RecordingFacts
    from vp_science.store.provenance import Provenance
    from vp_science.store.writer import EmbeddingWriter
    from vp_science.timeline.grid import SampleGrid, plan_windows

    rng = np.random.default_rng(0)
    directions = rng.standard_normal((BEHAVIORS, DIM)).astype(np.float32) * 0.6
    share = 1 / np.arange(1, BEHAVIORS + 1)
    rows = windows // RECORDINGS
    for number in range(RECORDINGS):
        grid, plan = SampleGrid.from_timestamps(np.arange(rows) / 10), plan_windows(rows, 1, 1)
        state = np.repeat(rng.choice(BEHAVIORS, rows // BOUT + 1, p=share / share.sum()), BOUT)[:rows]
        name = f"recording{number:02d}"
        settings = {"num_frames": 1, "stride": 1, "spatial_pool": 1, "dtype": "float16"}
        facts = {"encoder_config": {}, "preprocess": {}, "source": {}, "grid": {"sample_fps": None, "num_grid": rows}}
        identity = {"model": "videoprism-base", "checkpoint": "seed:0 (untrained)", "precision": "float32"}
        provenance = Provenance(**identity, **settings, **facts, software="benchmark")
        path = Path(folder) / f"{name}.embeddings.h5"
        recording = RecordingFacts(name, None, 1, "0" * 64, rows)
        with EmbeddingWriter.open(path, provenance, recording, grid, plan, DIM, len(plan)) as writer:
            for segment in writer.segments:
                here = np.arange(segment.grid.start, segment.grid.stop)
                drift = rng.standard_normal((len(here) // BOUT + 2, DIM), np.float32)[(here - here[0]) // BOUT]
                vectors = directions[state[here]] + 0.5 * drift + rng.standard_normal((len(here), DIM), np.float32)
                none = np.zeros(0, np.int64)
                writer.write_segment(segment.index, vectors[:, None].astype(np.float16), vectors, here, none)
            writer.finish()


def measure(folder):
    """One map, timed by what its progress tells."""
    from vp_science.maps import make_map, open_map, save_map
    from vp_science.probes.open_tracks import open_tracks

    began = now = np.array([time.perf_counter(), time.process_time()])
    stages = {}

    def note(stage, done, total):
        nonlocal now
        before, now = now, np.array([time.perf_counter(), time.process_time()])
        stages[stage] = stages.get(stage, 0.0) + now - before

    with open_tracks([folder]) as tracks:
        made = make_map(tracks, stability_repeats=0, progress=note)
    note("the rest", 1, 1)
    for stage, (seconds, cpu) in stages.items():
        print(f"  {seconds:7.1f} s ({cpu:7.1f} s of CPU)  {stage}")
    whole, cpu = now - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    took = f"{whole:.1f} s ({cpu:.1f} s of CPU), {peak:.2f} GiB"
    print(f"{len(made):,} points, {len(made.model.vectors):,} laid out: {took}")
    print(f"  {len(made.clusters)} clusters, {float((made.cluster < 0).mean()):.1%} of points in none")
    began = time.perf_counter()
    path = save_map(made, Path(folder) / "map.h5")
    written = time.perf_counter() - began
    opened = open_map(path)
    print(f"  saved in {written:.2f} s ({path.stat().st_size >> 20} MiB), opened in ", end="")
    print(f"{time.perf_counter() - began - written:.2f} s, the same: {opened.id == made.id}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[SMALL, LARGE])
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    for points in options.points:
        with tempfile.TemporaryDirectory() as folder:
            make_tracks(folder, points)
            subprocess.run([sys.executable, __file__, "--measure", folder], check=True)


if __name__ == "__main__":
    main()
