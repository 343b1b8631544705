"""Fine-tuning against frozen probes on one labelled set: adapters, top layers, all layers, the same readout frozen.

    python -m benchmarks.proof.finetune_vs_probe --init runs/tiny/stage2_native --runs runs/finetune --work /tmp/proof

In every fold (benchmarks/proof/studies.py) models see the labels and the pixels of the training side alone: for a study
inside one recording, labels are given for its blocks of training only. Probes on stored tracks run in the same folds.

A cell is one study, one fold, one arm, one seed. At full size 400 steps take about a minute on a GPU and two hours on
two CPU cores ("readout" one); with --set clips.size=144 --set loop.steps=200 about 15 min there.
"""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

import vp_science as vp
from benchmarks.proof.arms import Arm, encoder_config, load_arm
from benchmarks.proof.cells import RESULTS, Cells
from benchmarks.proof.footage_split import FOOTAGE
from benchmarks.proof.probes_on_footage import HEADS, METRICS, folder_of, metric_value, report_figures
from benchmarks.proof.studies import BLOCKS, STRIDE, Study, embed_study, find_studies, read_labels
from benchmarks.proof.trainings import RECIPES, parse_change, train
from vp_science.files import hash_file
from vp_science.probes.evaluate import gather_study, make_folds
from vp_science.timeline.ethogram import frame_edges
from vp_science.timeline.metrics import evaluate_frames

WHAT = "finetune_vs_probe"
MODES = ("readout", "lora", "top", "full")


def training_labels(gathered, fold, labels: vp.Annotations) -> vp.Annotations:
    """The labels of the training side of a fold: outside of it nothing was observed."""
    spans = []
    for part in fold.train:
        track = gathered.tracks[part.track]
        edges = frame_edges(np.asarray(track.time_s))
        stop = len(track) if part.stop is None else part.stop
        spans.append((track.recording_id, edges[part.first], edges[stop]))
    bouts, observed = [], []
    for table, kept in ((labels.bouts, bouts), (labels.observed, observed)):
        for row in table.to_dict(orient="records"):
            for recording, low, high in spans:
                start, stop = max(row["start_s"], low), min(row["stop_s"], high)
                if row["recording"] == recording and start < stop:
                    kept.append({"recording": recording, "start_s": start, "stop_s": stop}
                                | ({"behavior": row["behavior"]} if kept is bouts else {}))  # fmt: skip
    return vp.Annotations.of(bouts, observed, labels.behaviors)


def finetune(study, number, fold, mode: str, seed: int, gathered, labels, given) -> Path:
    """The folder of a fine-tuned model; its bundle is ``probe.zip`` in it."""
    folder = given.runs / f"{study.name}-fold{number}-{mode}-seed{seed}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    table = given.runs / f"{study.name}-fold{number}.csv"
    vp.write_annotations(training_labels(gathered, fold, labels), table)
    names = {gathered.tracks[part.track].recording_id for part in fold.train}
    paths = [path for path in study.recordings(given.footage) if path.stem in names]
    data = [{"path": str(path), "annotations": str(table)} for path in paths]
    if len(paths) > 1:  # one data set, so that batches mix its recordings
        data = [{"path": str(given.footage / study.pattern), "annotations": str(table), "include": sorted(names)}]
    changes = {"init": str(given.init), "train": mode, "seed": seed, "data": data, **dict(given.set)}
    return train("finetune", RECIPES / "tiny_finetune.toml", changes, folder)


def score_model(study: Study, fold, run: Path, gathered, given) -> dict:
    """Figures of a fine-tuned model on the test side of a fold."""
    from vp_science.probes.fine_tuned import build_model, load_base

    probe = vp.load_probe(run / "probe.zip")
    model = build_model(probe.head_, load_base(probe.head_.parts, model=str(given.init)))
    paths = study.recordings(given.footage)
    settings = probe.track_settings_
    size = settings["preprocess"]
    results = vp.embed(
        paths, model, out=given.work / "fine-tuned" / run.name, num_frames=settings["num_frames"],
        stride=settings["stride"], preprocess=vp.Preprocess(size["height"], size["width"], size["fit"]), overwrite=True,
    )  # fmt: skip
    with ExitStack() as stack:
        made = {result.recording_id: stack.enter_context(vp.open_embeddings(result.output)) for result in results}
        tracks = [made[track.recording_id] for track in gathered.tracks]
        truths = gathered.part(fold.test, fold, tracks).truths
        predicted = gathered.part(fold.test, fold, tracks).tracks
        metrics = evaluate_frames(truths, probe.predict(predicted))
    return {metric: metric_value(metrics, metric) for metric in METRICS}


def run_study(study: Study, given: argparse.Namespace, cells: Cells) -> None:
    """All cells of one labelled set."""
    arm = Arm("base", 0, str(given.init))
    encoder = load_arm(arm, encoder_config([arm]))
    paths = study.recordings(given.footage)
    with ExitStack() as stack:
        stride = 16 if given.quick else STRIDE
        outputs = embed_study(study, given.footage, encoder, folder_of(given.work, encoder, study), stride)
        tracks = [stack.enter_context(vp.open_embeddings(path)) for path in outputs]
        labels = read_labels(given.footage, study, paths, [track.time_s for track in tracks])
        gathered = gather_study(vp.Probe(), tracks, labels, study.table(paths), ("session",))
        folds = make_folds(gathered, study.folds, num_blocks=BLOCKS, allow_leakage=study.one_recording)
        inputs = {"checkpoint": encoder.info.checkpoint, "labels": hash_file(given.footage / "labels" / "segments.csv")}
        for head in given.heads:
            for seed in given.seeds if head == "attentive" else given.seeds[:1]:
                key = {"study": study.name, "fold": None, "arm": f"probe, {head}", "seed": seed}
                probe = vp.Probe(head, random_state=seed)
                cells.get(
                    key,
                    {**inputs, "stride": stride},
                    lambda p=probe: report_figures(study.evaluate(p, tracks, labels, paths, baselines=()), "probe"),
                )
        recipe = hash_file(RECIPES / "tiny_finetune.toml")
        for number, fold in list(enumerate(folds))[: given.folds]:
            for mode in given.modes:
                for seed in given.seeds:
                    key = {"study": study.name, "fold": number, "arm": mode, "seed": seed}
                    found = {**inputs, "recipe": recipe, "set": dict(given.set)}
                    cells.get(key, found, lambda n=number, f=fold, m=mode, s=seed: score_model(
                        study, f, finetune(study, n, f, m, s, gathered, labels, given), gathered, given))  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and score what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--init", type=Path, required=True, help="folder of the model that is fine-tuned")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the trainings")
    parser.add_argument("--work", type=Path, required=True, help="folder for tracks")
    parser.add_argument("--footage", type=Path, default=FOOTAGE)
    parser.add_argument("--out", type=Path, default=RESULTS / f"{WHAT}.json")
    parser.add_argument("--studies", nargs="+", default=["bsoid", "fly"])
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--folds", type=int, help="only the first ones")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", type=parse_change, default=[], help="KEY=VALUE of the training")
    parser.add_argument("--quick", action="store_true", help="every 16th window of probes: does it run?")
    given = parser.parse_args(arguments)
    cells = Cells(given.out, WHAT)
    for study in find_studies(given.studies):
        run_study(study, given, cells)


if __name__ == "__main__":
    main()
