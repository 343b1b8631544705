"""Probes on the real recordings of ``../shared/footage``, beside baselines: writes docs/results.md.

    python benchmarks/real_footage.py --footage ../shared/footage --work /tmp/real-footage
    python benchmarks/real_footage.py --model videoprism-base --weights weights.npz ...

Tracks, and what the baselines compute, are kept in the work folder: a second run only fits and evaluates.
"""

import argparse
import csv
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import vp_science as vp
from vp_science.probes.evaluate import evaluate_probe
from vp_science.probes.probe import Probe
from vp_science.timeline.ethogram import frame_edges

RESULTS = Path(__file__).parent.parent / "docs" / "results.md"
METRICS = {
    "macro_average_precision": "mAP",
    "macro_f1": "F1",
    "macro_balanced_accuracy": "balanced accuracy",
    "macro_segment_f1@0.5": "bout F1@0.5",
}


@dataclass(frozen=True)
class Study:
    """One question to the footage.

    Attributes:
        title: for the table.
        pattern: recordings below the footage folder.
        scheme: of ``labels/segments.csv``.
        folds: "leave-one-out" by the group, or "time-blocks" inside one recording.
        group: the part of a file name that ties recordings together; None for inside one recording.
        heads: probes to fit.
    """

    title: str
    pattern: str
    scheme: str
    folds: str
    heads: tuple[str, ...]
    group: int | None = None


STUDIES = (
    Study("mouse from below, 11 behaviors, two clips of each (B-SOiD)", "bsoid_tiles/*.mp4", "bsoid_tiles",
          "leave-one-out", ("logistic", "prototype", "attentive"), -5),
    Study("courting fly, wing extension (SLEAP)", "fly/flies_20190128_male_crop.mp4", "wing", "time-blocks",
          ("logistic", "temporal", "attentive")),
    Study("mouse in a cylinder, rearing (DANNCE)", "mouse/mouse_cylinder_CameraL_28000.mp4", "rearing", "time-blocks",
          ("logistic", "temporal", "attentive")),
    Study("mouse in an open field, moving or resting (DeepLabCut)", "mouse/m3v1mp4.mp4", "locomotion", "time-blocks",
          ("logistic", "temporal", "attentive")),
    Study("worm in HDF5, crawl or coil (WormPose)", "hdf5/worm_wormpose_public.hdf5", "posture", "time-blocks",
          ("logistic", "temporal", "attentive")),
    Study("zebrafish larva in HDF5, swim bouts (Stytra)", "hdf5/fish_compressed.h5", "bouts", "time-blocks",
          ("logistic", "temporal", "attentive")),
)  # fmt: skip


def read_labels(footage, tracks, names, scheme):
    """The labelled segments of some recordings; only labelled frames are observed."""
    time_s = {name: np.asarray(track.time_s) for name, track in zip(names, tracks, strict=True)}
    bouts, observed = [], []
    with (footage / "labels" / "segments.csv").open() as file:
        for row in csv.DictReader(file):
            if row["video"] not in time_s or row["scheme"] != scheme:
                continue
            edges = frame_edges(time_s[row["video"]])
            span = {"start_s": edges[int(row["start_frame"])], "stop_s": edges[int(row["end_frame"])]}
            recording = Path(row["video"]).stem
            bouts.append({"recording": recording, "behavior": row["label"], **span})
            observed.append({"recording": recording, **span})
    labels = vp.Annotations.of(bouts, observed)
    return vp.Annotations(labels.behaviors.replaced(exclusive=True), labels.bouts, labels.observed)


def run(study, footage, folder, encoder, rows):
    """Embed, evaluate every head, and append rows of the table."""
    paths = sorted(footage.glob(study.pattern))
    names = [str(path.relative_to(footage)) for path in paths]
    results = vp.embed(paths, encoder, out=folder / "tracks", num_frames=16, stride=4)
    tracks = [vp.open_embeddings(result.output) for result in results]
    annotations = read_labels(footage, tracks, names, study.scheme)
    table = None
    if study.group is not None:
        table = pd.DataFrame({"recording": [Path(n).stem for n in names], "session": [n[study.group] for n in names]})
    for head in study.heads:
        started = time.perf_counter()
        report = evaluate_probe(
            Probe(head), tracks, annotations, table=table, folds=study.folds, num_blocks=4,
            allow_leakage=study.folds == "time-blocks", recordings=paths, cache=folder / "cache",
            baselines=("majority", "pixels") if head == study.heads[0] else (),
        )  # fmt: skip
        report.save(folder / "reports" / f"{Path(study.pattern).parts[0]}-{study.scheme}-{head}")
        figures = {method.name: method for method in report.methods}
        for name in figures:
            label = head if name == "probe" else name
            values = [report.figure(metric, method=name) for metric in METRICS]
            rows.append((study, label, values, time.perf_counter() - started))
            print(study.title, label, [f"{value['mean']:.2f}" for value in values], flush=True)
    for track in tracks:
        track.close()


def write_results(rows, encoder):
    """The table as a page."""
    weights = "random weights, never trained" if encoder.info.untrained else encoder.info.checkpoint
    lines = [
        "# Results on real footage",
        "",
        f"Encoder `{encoder.info.name}` ({weights}), windows of 16 frames, stride 4, every source frame. Made by "
        "`python benchmarks/real_footage.py`; labels and recordings are described in `shared/footage`.",
        "",
        "Every figure is the mean over folds (spread: standard deviation) on time that the probe never saw. Clips of "
        "the first study are split so that the two clips of a behavior are never on the same side. The other studies "
        "have one recording each, cut into four blocks of time with a gap of one window: animal, camera and arena are "
        "the same on both sides, so these figures say whether the software works, not whether it generalises.",
        "",
        "mAP counts both classes of a pair (moving, resting), so guessing gets 0.5.",
        "",
    ]
    for study in dict.fromkeys(row[0] for row in rows):
        lines += [f"## {study.title[0].upper()}{study.title[1:]}", "", f"| method | {' | '.join(METRICS.values())} |"]
        lines.append("|---" * (len(METRICS) + 1) + "|")
        for _, label, values, _ in (row for row in rows if row[0] == study):
            cells = [f"{v['mean']:.2f} ± {v['sd']:.2f}" if np.isfinite(v["mean"]) else "n/a" for v in values]
            lines.append(f"| {label} | {' | '.join(cells)} |")
        lines.append("")
    RESULTS.write_text("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--footage", type=Path, default=Path(__file__).parents[2] / "shared" / "footage")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="videoprism-tiny")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--only", nargs="+", help="schemes to run")
    arguments = parser.parse_args()
    encoder = vp.load_encoder(arguments.model, arguments.weights)
    rows = []
    for study in STUDIES:
        if not arguments.only or study.scheme in arguments.only:
            run(study, arguments.footage, arguments.work, encoder, rows)
    if not arguments.only:
        write_results(rows, encoder)


if __name__ == "__main__":
    main()
