"""Probes on held-out labelled real recordings: trained encoder, untrained encoder, raw pixels, guessing.

    python -m benchmarks.proof.probes_on_footage --arm trained=runs/tiny --work /tmp/proof

A cell is one study, one arm, one head, one seed of the probe. On two CPU cores a cell takes 10 s (larva) to 3 min (fly)
with videoprism-tiny, nearly all of it for embedding, which the heads share; on a GPU seconds. Tracks stay in --work.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

import numpy as np

import vp_science as vp
from benchmarks.proof.arms import Arm, add_arm_options, all_arms, encoder_config, load_arm
from benchmarks.proof.cells import RESULTS, Cells
from benchmarks.proof.footage_split import FOOTAGE
from benchmarks.proof.studies import STRIDE, Study, embed_study, find_studies, read_labels
from vp_science.files import hash_file

WHAT = "probes_on_footage"
METRICS = ("macro_average_precision", "macro_f1", "macro_balanced_accuracy", "segment_f1@0.5")
HEADS = ("logistic", "attentive")
PIXELS = "pixels"


def folder_of(work: Path, encoder, study: Study, size: int | None = None) -> Path:
    """Where the tracks of one encoder and study lie: by name, weights and size, so that others never meet them."""
    about = f"{encoder.info.name} {encoder.info.checkpoint}"
    mark = "".join(letter if letter.isalnum() else "-" for letter in about)[:80]
    mark = f"{mark}-{encoder.config.model_dim}" + (f"-{size}" if size else "")
    return work / "tracks" / mark / study.pattern.replace("/", "-").replace("*", "")


def run_study(study: Study, arm: Arm, encoder, given: argparse.Namespace, cells: Cells) -> None:
    """All cells of one study and encoder."""
    paths = study.recordings(given.footage)
    stride = 16 if given.quick else STRIDE
    with ExitStack() as stack:
        outputs = embed_study(
            study, given.footage, encoder, folder_of(given.work, encoder, study, given.size), stride, given.size
        )
        tracks = [stack.enter_context(vp.open_embeddings(path)) for path in outputs]
        labels = read_labels(given.footage, study, paths, [track.time_s for track in tracks])
        inputs = {
            "checkpoint": encoder.info.checkpoint,
            "tracks": {**tracks[0].provenance.preprocess, "stride": stride, "precision": encoder.info.precision},
            "labels": hash_file(given.footage / "labels" / "segments.csv"),
        }
        for head in given.heads:
            # Logistic regression has no seed: one is enough.
            for seed in given.probe_seeds if head == "attentive" else given.probe_seeds[:1]:
                key = {"study": study.name, "arm": arm.name, "seed": arm.seed, "head": head, "probe_seed": seed}
                probe = vp.Probe(head, random_state=seed)
                cells.get(key, inputs, lambda p=probe: figures(study, p, tracks, labels, paths, given))
                if arm == given.first_arm:
                    plain = {"labels": inputs["labels"], "stride": stride}
                    key |= {"arm": PIXELS, "seed": seed}
                    cells.get(key, plain, lambda p=probe: figures(study, p, tracks, labels, paths, given, (PIXELS,)))
                    key |= {"arm": "majority"}
                    cells.get(
                        key, plain, lambda p=probe: figures(study, p, tracks, labels, paths, given, ("majority",))
                    )


def figures(study, probe, tracks, labels, paths, given, baselines=()) -> dict:
    """Metrics of every fold and of all together, of the probe or of one baseline."""
    report = study.evaluate(
        probe, tracks, labels, paths, recordings=paths if baselines else None, baselines=baselines,
        cache=given.work / "cache", seed=probe.random_state,
    )  # fmt: skip
    return report_figures(report, baselines[0] if baselines else "probe")


def report_figures(report, method: str) -> dict:
    """The figures of an evaluation that the tables need."""
    result = report.method(method)
    if result.pooled is None:
        raise SystemExit(f"{method}: {result.note}")
    pooled = {metric: metric_value(result.pooled, metric) for metric in METRICS}
    folds = [{metric: metric_value(metrics, metric) for metric in METRICS} for metrics in result.folds]
    tested = [fold.name for fold, metrics in zip(report.folds, result.folds, strict=False) if metrics is not None]
    behaviors = {name: float(value) for name, value in result.pooled.per_behavior["average_precision"].items()}
    return {"pooled": pooled, "folds": folds, "fold_names": tested, "average_precision": behaviors,
            "mean": {metric: _mean([fold[metric] for fold in folds]) for metric in METRICS}}  # fmt: skip


def metric_value(metrics, name: str) -> float:
    """A figure; none where a single behavior was tested: then every method ranks perfectly."""
    value = metrics.overall.get(name)
    return np.nan if value is None or metrics.overall["behaviors_present"] < 2 else float(value)


def _mean(values: list[float]) -> float:
    there = [value for value in values if np.isfinite(value)]
    return float(np.mean(there)) if there else np.nan


def main(arguments: list[str] | None = None) -> None:
    """Compute the cells that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arm_options(parser)
    parser.add_argument("--footage", type=Path, default=FOOTAGE)
    parser.add_argument("--work", type=Path, required=True, help="folder for tracks, which are kept")
    parser.add_argument("--out", type=Path, default=RESULTS / f"{WHAT}.json")
    parser.add_argument("--studies", nargs="+", help="only these")
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--probe-seeds", type=int, nargs="+", default=[0, 1, 2], help="of the attentive head")
    parser.add_argument("--size", type=int, help="pixels per side instead of those of the model; give another --out")
    parser.add_argument("--quick", action="store_true", help="larva alone, every 16th window, one seed: does it run?")
    given = parser.parse_args(arguments)
    if given.quick:
        given.studies, given.probe_seeds, given.untrained_seeds = given.studies or ["larva"], [0], [0]
    arms = all_arms(given.arm, given.untrained_seeds)
    config, given.first_arm, cells = encoder_config(arms), arms[0], Cells(given.out, WHAT)
    for arm in arms:
        encoder = load_arm(arm, config)
        for study in find_studies(given.studies):
            run_study(study, arm, encoder, given, cells)


if __name__ == "__main__":
    main()
