"""How fast a search is, and the experiments behind its defaults.

    python benchmarks/search.py speed                      # a million moments of 768 numbers, 3 GB on disk
    python benchmarks/search.py choices --tracks TRACKS    # on labelled footage: what is subtracted, how answers help

``speed`` writes an index of random unit vectors, opens it in a new process (so that only the page cache of the system
is warm), and times one query, ten at once, and everything after the scores: merging in time and the table. Beside it,
what one would write down first: a product and a full sort. ``choices`` takes tracks of ``../shared/footage`` (as
``benchmarks/proof/probes_on_footage.py`` leaves them in its ``--work`` folder, one folder for each encoder) and prints
the tables of docs/search.md.
"""

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

FOOTAGE = Path(__file__).parents[2] / "shared" / "footage"
ROUNDS = 7
TOO_SHORT = ("kabr", "baboonland")
"""Studies whose clips have one to three windows: nothing is left when the mean of a recording is subtracted."""


def timed(run, rounds=ROUNDS):
    """Median seconds of some rounds, and of the first."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds)), seconds[0]


# Speed


def write_random_index(path, moments, dim, num_recordings=100):
    from vp_science.points import PointSettings
    from vp_science.search.index import IndexedRecording, unit_rows
    from vp_science.search.index_file import write_index
    from vp_science.store.provenance import Provenance

    each = moments // num_recordings
    recordings = [
        IndexedRecording(f"rec{n}", f"rec{n}", "", "", each, each * 0.16, f"random {n}") for n in range(num_recordings)
    ]
    provenance = Provenance(
        "videoprism-base", "seed:0 (untrained)", {}, {}, {}, {"sample_fps": None}, 16, 4, 1, "float16", "float32", ""
    )  # fmt: skip

    def fill(rows):
        rng = np.random.default_rng(0)
        shared = rng.standard_normal(dim, np.float32)
        sums, norms = np.zeros((num_recordings, dim)), np.empty((2, moments), np.float32)
        for number in range(num_recordings):
            block = rng.standard_normal((each, dim), np.float32)
            block += 0.95 * np.roll(block, 1, axis=0) + shared  # neighbours are alike, and all share something
            rows[number * each : (number + 1) * each] = unit = unit_rows(block)
            sums[number] = unit.sum(axis=0)
        mean = (sums.sum(axis=0) / moments).astype(np.float32)
        for number in range(num_recordings):
            place = slice(number * each, (number + 1) * each)
            unit = rows[place]
            norms[0, place] = np.linalg.norm(unit - mean, axis=1)
            norms[1, place] = np.linalg.norm(unit - (sums[number] / each).astype(np.float32), axis=1)
        start = np.tile(np.arange(each) * 0.16, num_recordings)
        return {
            "recording": np.repeat(np.arange(num_recordings, dtype=np.int32), each), "start_s": start,
            "stop_s": start + 0.64, "mean": mean, "recording_mean": (sums / each).astype(np.float32),
            "norm": norms[0], "recording_norm": norms[1],
        }  # fmt: skip

    write_index(path, (each * num_recordings, dim), PointSettings(), recordings, provenance, fill)


def measure_speed(path):
    from vp_science.search import find, open_index

    started = time.perf_counter()
    index = open_index(path)
    print(f"open: {time.perf_counter() - started:.3f} s, {index}")
    started = time.perf_counter()
    find(index, "rec7@10-11")
    print(f"first search, pages of the file are mapped: {time.perf_counter() - started:.2f} s")
    for common in ("all", "recording", "none"):
        middle, _ = timed(lambda common=common: find(index, "rec7@10-11", common=common))
        print(f"one query, common={common}: {middle:.3f} s")
    many = [f"rec{n}@20-21" for n in range(8)]
    results = find(index, many, unlike=[f"rec{n}@30-31" for n in range(8)])
    middle, _ = timed(lambda: results.refine(yes=1))
    print(f"refined with {results.scorer.method} of 16 examples: {middle:.3f} s")
    ten = np.stack([index.vectors(np.array([n * 100]), "all")[0] for n in range(10)])
    one, _ = timed(lambda: index.project(ten[:1], "all"))
    more, _ = timed(lambda: index.project(ten, "all"))
    print(f"scores alone: one query {one:.3f} s, ten at once {more:.3f} s ({more / 10:.3f} s each)")

    def plain():
        scores = np.asarray(index.rows) @ ten[0]
        return np.argsort(-scores)[:20]

    middle, _ = timed(plain)
    print(f"plain product and full sort, nothing merged: {middle:.3f} s")
    half = np.asarray(index.rows[:100_000], np.float16)
    middle, _ = timed(lambda: [half[a : a + 4096].astype(np.float32) @ ten[0] for a in range(0, len(half), 4096)], 3)
    print(
        f"the same matrix in float16, converted in blocks: {middle * len(index) / len(half):.2f} s (from 100,000 rows)"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak resident memory with all mapped pages: {peak:.2f} GiB")


def speed(arguments):
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        path = Path(folder) / "random.search.h5"
        started = time.perf_counter()
        write_random_index(path, arguments.moments, arguments.dim)
        print(f"written in {time.perf_counter() - started:.1f} s, {path.stat().st_size / 2**30:.2f} GiB", flush=True)
        subprocess.run([sys.executable, __file__, "measure", str(path)], check=True)


# Choices


def labelled(folder, footage):
    """Tracks, and the labelled segments of their recordings in seconds by study."""
    from vp_science.probes.open_tracks import find_tracks
    from vp_science.store.reader import open_embeddings
    from vp_science.timeline.ethogram import frame_edges

    folders = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(TOO_SHORT)]
    tracks = {track.recording_id: track for track in map(open_embeddings, find_tracks(folders))}
    segments = defaultdict(list)
    with (footage / "labels" / "segments.csv").open() as file:
        for row in csv.DictReader(file):
            name = Path(row["video"]).stem
            if name not in tracks or row["video"].startswith("bsoid_groups"):
                continue
            edges = frame_edges(np.asarray(tracks[name].time_s))
            study = "open field" if name == "m3v1mp4" else row["scheme"]
            segments[study].append((name, edges[int(row["start_frame"])], edges[int(row["end_frame"])], row["label"]))
    return tracks, segments


def truth(index, segments, label):
    """1 where a moment shows the behavior, 0 where another was labelled, -1 elsewhere."""
    middle = (index.start_s + index.stop_s) / 2
    names = np.array([entry.recording_id for entry in index.recordings])[index.recording]
    found = np.full(len(index), -1)
    for name, start, stop, behavior in segments:
        found[(names == name) & (middle >= start) & (middle < stop)] = behavior == label
    return found


def compare_common(index, segments):
    """Every labelled segment searches for the others of its behavior, among the labelled moments of all recordings."""
    from sklearn.metrics import average_precision_score

    from vp_science.search.query import Example, Query
    from vp_science.search.scoring import make_scorer

    print("\n| study | segments | " + " | ".join(f"{c}: AP, P@10" for c in ("none", "all", "recording")) + " |")
    for study, rows in segments.items():
        figures = defaultdict(list)
        for name, start, stop, label in rows:
            known = truth(index, rows, label)
            mine = index.recording == index.find_recording(name)
            known[mine & (index.stop_s > start - 0.5) & (index.start_s < stop + 0.5)] = -1
            use = known >= 0
            if stop - start < 0.05 or (known[use] == 1).sum() < 3:
                continue
            for common in ("none", "all", "recording"):
                scores = make_scorer(index, Query(like=(Example(name, start, stop),)), common).score(index)[use]
                best = np.argsort(-scores, kind="stable")[:10]
                figures[common].append((average_precision_score(known[use], scores), known[use][best].mean()))
        cells = [f"{np.mean([a for a, _ in v]):.2f}, {np.mean([b for _, b in v]):.2f}" for v in figures.values()]
        print(f"| {study} | {len(figures['all'])} | {' | '.join(cells)} |")


def compare_answers(tracks, segments):
    """Answers about the best events in half of a recording (blocks of time in turn), measured on the other half."""
    from vp_science.search import build_index

    rng = np.random.default_rng(0)
    found = []
    for study in ("wing", "rearing", "locomotion", "open field"):
        rows = segments[study]
        (name,) = {row[0] for row in rows}
        index = build_index([tracks[name]])
        middle = (index.start_s + index.stop_s) / 2
        for turn in (0, 1):
            asked = ((middle / index.stop_s.max() * 8).astype(int) + turn) % 2 == 1
            for label in sorted({row[3] for row in rows}):
                known = truth(index, rows, label)
                tested = ~asked & (known >= 0)
                if (known[tested] == 1).sum() < 5 or (known[tested] == 0).sum() < 5:
                    continue
                in_half = [r for r in rows if r[3] == label and asked[np.argmin(np.abs(middle - (r[1] + r[2]) / 2))]]
                first = [row[:3] for row in in_half if row[2] - row[1] >= 0.1]
                for _ in range(8 if first else 0):
                    example = first[rng.integers(len(first))]
                    found += answer(index, example, known, asked & (known >= 0), tested)
    print_answers(found)


def answer(index, example, known, ask, tested):
    """Ask about the two best new moments again and again; figures after every round."""
    from sklearn.metrics import average_precision_score

    from vp_science.search.query import Example, Query
    from vp_science.search.scoring import make_scorer

    query, rows, first = Query(like=(Example(*example),)), [], None
    for number in range(0, 26, 2):
        figures = {}
        for method in ("prototype", "logistic") if query.unlike else ("prototype",):
            scores = make_scorer(index, query, "all", method).score(index)
            best = np.argsort(-scores[tested], kind="stable")[:10]
            figures[method] = (average_precision_score(known[tested], scores[tested]), known[tested][best].mean())
        first = first or figures["prototype"]
        rows.append((number, min(len(query.like), len(query.unlike)), first, figures))
        scores = make_scorer(index, query, "all", "prototype").score(index)
        open_ = ask.copy()
        for one in (*query.like, *query.unlike):
            open_ &= (index.start_s >= one.stop_s) | (index.stop_s <= one.start_s)
        for _ in range(2):
            if not open_.any():
                return rows
            peak = int(np.flatnonzero(open_)[np.argmax(scores[open_])])
            one = Example(example[0], float(index.start_s[peak]), float(index.stop_s[peak]))
            query = query.answered([one], []) if known[peak] else query.answered([], [one])
            open_ &= (index.start_s >= one.stop_s) | (index.stop_s <= one.start_s)
    return rows


def print_answers(rows):
    from vp_science.search.scoring import LOGISTIC_FROM

    print("\n| examples on the smaller side | rounds | prototype: AP, P@10 | logistic: AP, P@10 |")
    for low, high in ((1, 2), (3, 4), (5, 7), (8, 10), (11, 30)):
        both = [f for _, fewer, _, f in rows if low <= fewer <= high and "logistic" in f]
        mean = {m: np.mean([f[m] for f in both], axis=0) for m in ("prototype", "logistic")}
        cells = [f"{mean[m][0]:.2f}, {mean[m][1]:.2f}" for m in mean]
        print(f"| {low} to {high} | {len(both)} | {' | '.join(cells)} |")
    print("\n| answers | searches | P@10 before | P@10 after | AP before | AP after |")
    for number in (2, 4, 8, 12, 16, 24):
        mine = [(b, f["logistic" if fewer >= LOGISTIC_FROM else "prototype"]) for n, fewer, b, f in rows if n == number]
        before, after = (np.mean([pair[side] for pair in mine], axis=0) for side in (0, 1))
        print(f"| {number} | {len(mine)} | {before[1]:.2f} | {after[1]:.2f} | {before[0]:.2f} | {after[0]:.2f} |")


def choices(arguments):
    from vp_science.search import build_index

    tracks, segments = labelled(arguments.tracks, arguments.footage)
    compare_common(build_index(list(tracks.values())), segments)
    compare_answers(tracks, segments)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("speed")
    verb.add_argument("--moments", type=int, default=1_000_000)
    verb.add_argument("--dim", type=int, default=768)
    verb.add_argument("--work", type=Path, help="folder with room for 3 GB")
    verb.set_defaults(run=speed)
    verb = verbs.add_parser("measure")
    verb.add_argument("path", type=Path)
    verb.set_defaults(run=lambda arguments: measure_speed(arguments.path))
    verb = verbs.add_parser("choices")
    verb.add_argument("--tracks", type=Path, required=True)
    verb.add_argument("--footage", type=Path, default=FOOTAGE)
    verb.set_defaults(run=choices)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
