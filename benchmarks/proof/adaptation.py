"""Adaptation to a new scene: does ``train distill`` on unlabelled footage help probes there?

    python -m benchmarks.proof.adaptation --init runs/tiny/stage2_native --runs runs/adaptation --work /tmp/proof

The scenes are among those that never train (recipes/footage_split.csv). Adaptation sees no label, and no frame that is
tested: in scenes of several recordings it gets the training side of a fold, and that fold is tested; of a scene that is
one recording it gets the first half, and folds in time of the second half are tested. "continued" trains as long on the
footage that the encoder knows already, so that more training alone does not count as adaptation.

A cell is one scene, one fold, one arm, one head, one seed. An adaptation of 200 steps at full size takes 2 min on a GPU
and 80 min on two CPU cores; with --set clips.size=144 --set clips.num_frames=8 about 8 min there.
"""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

import vp_science as vp
from benchmarks.proof.arms import Arm, encoder_config, load_arm
from benchmarks.proof.cells import RESULTS, Cells
from benchmarks.proof.footage_split import FOOTAGE
from benchmarks.proof.probes_on_footage import HEADS, folder_of, report_figures
from benchmarks.proof.studies import NUM_FRAMES, STRIDE, Study, embed_study, find_studies, read_labels
from benchmarks.proof.trainings import RECIPES, parse_change, train
from vp_science.files import hash_file
from vp_science.probes.evaluate import gather_study, make_folds

WHAT = "adaptation"
SCENES = ("kabr", "baboonland", "bsoid", "fly", "openfield")


def folds_of(study: Study, tracks: Sequence, labels: vp.Annotations, paths: Sequence[Path], runs: Path) -> dict:
    """What adaptation may see, for every fold that is tested afterwards (None: all of them)."""
    if study.one_recording:
        return {None: [cut_first_half(paths[0], runs / "scenes" / f"{study.name}-first-half.mp4")]}
    gathered = gather_study(vp.Probe(), tracks, labels, study.table(paths), ("session",))
    folds = make_folds(gathered, study.folds)
    path_of = {track.recording_id: path for track, path in zip(tracks, paths, strict=True)}
    return {
        number: [path_of[gathered.tracks[part.track].recording_id] for part in fold.train]
        for number, fold in enumerate(folds)
    }


def cut_first_half(source: Path, target: Path) -> Path:
    """A recording of the first half of another one, nearly without loss, at its frame rate."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".part.mp4")
    recording = vp.open_recording(source)
    half = recording.num_frames // 2
    mean_rate = (recording.num_frames - 1) / float(recording.time_s[-1] - recording.time_s[0])
    rate = Fraction(mean_rate).limit_denominator(1001)
    with av.open(str(partial), "w") as container:
        stream = None
        height, width = (size // 2 * 2 for size in (recording.height, recording.width))
        for frame in recording.decode(np.arange(half), vp.Preprocess(height, width)):
            if stream is None:
                stream = container.add_stream("libx264", rate=rate)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.options = {"crf": "12", "preset": "fast"}
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.pixels), "rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    recording.close()
    partial.replace(target)
    return target


def tracks_of(study: Study, encoder, given: argparse.Namespace, stack: ExitStack) -> list:
    """Tracks of a scene by one encoder."""
    folder = folder_of(given.work, encoder, study)
    stride = 16 if given.quick else STRIDE
    return [
        stack.enter_context(vp.open_embeddings(p)) for p in embed_study(study, given.footage, encoder, folder, stride)
    ]


def labels_of(study: Study, tracks: Sequence, paths: Sequence[Path], given: argparse.Namespace) -> vp.Annotations:
    """Labels of a scene; of a single recording those of its second half."""
    times = [track.time_s for track in tracks]
    middle = len(times[0]) // 2 + NUM_FRAMES  # no window of a tested frame reaches into the first half
    half = float(times[0][middle]) if study.one_recording else -np.inf
    return read_labels(given.footage, study, paths, times, half)


def score(study: Study, fold: int | None, encoder, head: str, seed: int, given: argparse.Namespace) -> dict:
    """Figures of a probe in one fold (or the mean of all)."""
    paths = study.recordings(given.footage)
    with ExitStack() as stack:
        tracks = tracks_of(study, encoder, given, stack)
        labels = labels_of(study, tracks, paths, given)
        report = study.evaluate(vp.Probe(head, random_state=seed), tracks, labels, paths, baselines=())
    found = report_figures(report, "probe")
    return {"mean": found["mean"] if fold is None else found["folds"][fold], "folds": found["folds"]}


def adapt(study: Study, fold: int | None, seen: Sequence[Path], arm: str, seed: int, given: argparse.Namespace) -> Path:
    """The folder of an adapted model."""
    folder = (
        given.runs / f"{study.name}-fold{fold}-{arm}-seed{seed}"
        if arm == "adapted"
        else given.runs / f"{arm}-seed{seed}"
    )
    data = [{"path": str(path)} for path in seen] if arm == "adapted" else [{"path": str(given.known)}]
    changes = {"init": str(given.init), "seed": seed, "data": data, **dict(given.set)}
    return train("distill", RECIPES / "tiny_adapt.toml", changes, folder)


def run_scene(study: Study, given: argparse.Namespace, cells: Cells) -> None:
    """All cells of one scene."""
    config = encoder_config([Arm("before", 0, str(given.init))])
    before = load_arm(Arm("before", 0, str(given.init)), config)
    paths = study.recordings(given.footage)
    with ExitStack() as stack:
        tracks = tracks_of(study, before, given, stack)
        folds = folds_of(study, tracks, labels_of(study, tracks, paths, given), paths, given.runs)
    labels = hash_file(given.footage / "labels" / "segments.csv")
    for fold, seen in folds.items():
        for arm in given.arms:
            for seed in given.seeds if arm != "before" else given.seeds[:1]:
                source = given.init if arm == "before" else adapt(study, fold, seen, arm, seed, given)
                encoder = before if arm == "before" else load_arm(Arm(arm, seed, str(source)), config)
                inputs = {"checkpoint": encoder.info.checkpoint, "before": before.info.checkpoint, "labels": labels}
                for head in given.heads:
                    key = {"scene": study.name, "fold": fold, "arm": arm, "seed": seed, "head": head}
                    cells.get(key, inputs, lambda e=encoder, h=head, s=seed, f=fold: score(study, f, e, h, s, given))


def main(arguments: Sequence[str] | None = None) -> None:
    """Adapt and probe what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--init", type=Path, required=True, help="folder of the model that is adapted")
    parser.add_argument("--known", type=Path, default=Path("runs/footage"), help="footage that it was trained on")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the trainings")
    parser.add_argument("--work", type=Path, required=True, help="folder for tracks, which are kept")
    parser.add_argument("--footage", type=Path, default=FOOTAGE)
    parser.add_argument("--out", type=Path, default=RESULTS / f"{WHAT}.json")
    parser.add_argument("--scenes", nargs="+", default=list(SCENES))
    parser.add_argument("--arms", nargs="+", choices=("before", "adapted", "continued"),
                        default=["before", "adapted", "continued"])  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--set", action="append", type=parse_change, default=[], help="KEY=VALUE of the training")
    parser.add_argument("--quick", action="store_true", help="every 16th window: does it run?")
    given = parser.parse_args(arguments)
    cells = Cells(given.out, WHAT)
    for study in find_studies(given.scenes):
        run_scene(study, given, cells)


if __name__ == "__main__":
    main()
