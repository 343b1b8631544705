"""The labelled real recordings that evaluate, and how each is parted into a training and a test side."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import vp_science as vp
from vp_science.timeline.ethogram import frame_edges

STRIDE, NUM_FRAMES, BLOCKS = 4, 16, 4


@dataclass(frozen=True)
class Study:
    """One question to the footage.

    Attributes:
        name: short.
        title: for the table.
        pattern: recordings below the footage folder.
        scheme: of ``labels/segments.csv``.
        folds: "leave-one-out" by session, a number of folds of sessions, or "time-blocks" inside one recording.
        session: how a file name tells what belongs together: "last" its last part (B-SOiD l and m, BaboonLand 1 and 2),
            "first" its first part (the mini-scene of KABR); "" for studies inside one recording.
    """

    name: str
    title: str
    pattern: str
    scheme: str
    folds: str | int
    session: str = ""

    @property
    def one_recording(self) -> bool:
        """It is parted in time: animal, camera and arena are the same on both sides."""
        return self.folds == "time-blocks"

    def recordings(self, footage: Path) -> list[Path]:
        """The files of the study."""
        return sorted(Path(footage).glob(self.pattern))

    def table(self, paths: Sequence[Path]) -> pd.DataFrame | None:
        """What ties recordings together; None for one recording."""
        if not self.session:
            return None
        position = {"first": 0, "last": -1}[self.session]
        parts = [path.stem.replace("_", "-").split("-")[position] for path in paths]
        return pd.DataFrame({"recording": [path.stem for path in paths], "session": parts})

    def evaluate(self, probe: vp.Probe, tracks: Sequence, labels: vp.Annotations, paths: Sequence[Path], **options):
        """Cross-validate; see ``vp.evaluate_probe``."""
        return vp.evaluate_probe(
            probe, tracks, labels, table=self.table(paths), by=("session",) if self.session else ("recording",),
            folds=self.folds, num_blocks=BLOCKS, allow_leakage=self.one_recording, **options,
        )  # fmt: skip


STUDIES = (
    Study("bsoid", "mouse from below, 11 behaviors, two clips of each (B-SOiD)", "bsoid_tiles/*.mp4", "bsoid_tiles",
          "leave-one-out", "last"),
    Study("kabr", "giraffes and zebras from a drone, 8 behaviors, 2 or 3 clips of each (KABR)", "kabr/*.gif", "kabr",
          2, "first"),
    Study("baboonland", "baboons from a drone, 12 behaviors, two clips of each (BaboonLand)", "baboonland/*.mp4",
          "baboonland", "leave-one-out", "last"),
    Study("fly", "courting fly, wing extension (SLEAP)", "fly/flies_20190128_male_crop.mp4", "wing", "time-blocks"),
    Study("fly-walk", "courting fly, walking or standing (SLEAP)", "fly/flies_20190128_male_crop.mp4", "locomotion",
          "time-blocks"),
    Study("rearing", "mouse in a cylinder, rearing (DANNCE)", "mouse/mouse_cylinder_CameraL_28000.mp4", "rearing",
          "time-blocks"),
    Study("openfield", "mouse in an open field, moving or resting (DeepLabCut)", "mouse/m3v1mp4.mp4", "locomotion",
          "time-blocks"),
    Study("worm", "worm in HDF5, crawl or coil (WormPose)", "hdf5/worm_wormpose_public.hdf5", "posture", "time-blocks"),
    Study("larva", "zebrafish larva in HDF5, swim bouts (Stytra)", "hdf5/fish_compressed.h5", "bouts", "time-blocks"),
)  # fmt: skip


def find_studies(names: Sequence[str] | None) -> list[Study]:
    """The studies of these names; None for all."""
    known = {study.name: study for study in STUDIES}
    if unknown := [name for name in names or () if name not in known]:
        raise SystemExit(f"expected studies among {', '.join(known)}, found {unknown[0]!r}")
    return [known[name] for name in names] if names else list(STUDIES)


def read_labels(
    footage: Path, study: Study, paths: Sequence[Path], times: Sequence[np.ndarray], after_s: float = -np.inf
) -> vp.Annotations:
    """The labelled segments of a study; only labelled frames are observed.

    Args:
        footage: holds ``labels/segments.csv``.
        study: gives the scheme.
        paths: its recordings.
        times: when their frames are shown, in seconds.
        after_s: labelled time before it is left out.
    """
    time_of = {str(path.relative_to(footage)): time_s for path, time_s in zip(paths, times, strict=True)}
    bouts, observed = [], []
    with (Path(footage) / "labels" / "segments.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["video"] not in time_of or row["scheme"] != study.scheme:
                continue
            edges = frame_edges(np.asarray(time_of[row["video"]]))
            span = {"start_s": edges[int(row["start_frame"])], "stop_s": edges[int(row["end_frame"])]}
            if span["stop_s"] <= after_s:
                continue
            span["start_s"] = max(span["start_s"], after_s)
            recording = Path(row["video"]).stem
            bouts.append({"recording": recording, "behavior": row["label"], **span})
            observed.append({"recording": recording, **span})
    labels = vp.Annotations.of(bouts, observed)
    return vp.Annotations(labels.behaviors.replaced(exclusive=True), labels.bouts, labels.observed)


def embed_study(
    study: Study, footage: Path, encoder, out: Path, stride: int = STRIDE, size: int | None = None
) -> list[Path]:
    """Tracks of all recordings of a study, at the size of the encoder or another one; those that are there are kept."""
    height, width = (size, size) if size else encoder.config.image_size
    frames = min(NUM_FRAMES, encoder.config.num_frames)
    results = vp.embed(
        study.recordings(footage), encoder, out=out, num_frames=frames, stride=min(stride, frames),
        preprocess=vp.Preprocess(height, width),
    )  # fmt: skip
    return [result.output for result in results]
