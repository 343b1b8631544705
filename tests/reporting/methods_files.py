"""Files that know how they were made: some with facts by hand, so that texts are known to the letter, some real."""

import json
from pathlib import Path
from typing import Any

import map_study
import numpy as np
import probe_study
import study as annotating_study
from pipeline_tools import make_encoder, write_video

from vp_science.annotating.run import annotate
from vp_science.maps import save_map
from vp_science.probes.bundle import save_probe
from vp_science.probes.evaluate import evaluate_probe
from vp_science.probes.open_tracks import open_tracks
from vp_science.probes.probe import Probe
from vp_science.search.build import build_index
from vp_science.search.finding import find

WEIGHTS = "1a2b3c4d5e6f" + "0" * 52
CONFIG = {
    "patch_size": 18, "pos_emb_shape": [16, 16, 16], "model_dim": 768, "num_spatial_layers": 12,
    "num_temporal_layers": 4, "num_heads": 12, "mlp_dim": 3072, "atten_logit_cap": 50.0,
}  # fmt: skip
KNOWN: dict[str, Any] = {
    "model": "videoprism-base",
    "checkpoint": f"sha256:{WEIGHTS}",
    "encoder_config": CONFIG,
    "preprocess": {"height": 288, "width": 288, "fit": "squash", "crop": None},
    "source": {"backend": "pyav", "times": "presentation times of the container", "resize": "lanczos+bitexact"},
    "grid": {"sample_fps": 5.0, "num_grid": 300},
    "num_frames": 16,
    "stride": 4,
    "precision": "bfloat16",
    "dtype": "float32",
    "software": "vp-science 0.1.0 (jax 0.10.2, av 18.1.0)",
}
TRACKS = {
    "model": "videoprism-base",
    "checkpoint": f"sha256:{WEIGHTS}",
    "encoder_config": CONFIG,
    "preprocess": {"height": 288, "width": 288, "fit": "squash"},
    "sample_fps": 5.0,
    "num_frames": 16,
    "stride": 4,
    "spatial_pool": 1,
    "follow": None,
}
"""``track_settings`` of ``KNOWN``."""


def write_known_track(folder: Path, name: str = "mouse1", rows: int = 300, **changes: Any) -> Path:
    """A track of one minute whose provenance is written by hand."""
    facts = KNOWN | {"grid": {"sample_fps": 5.0, "num_grid": rows}} | changes
    names = ("num_frames", "stride")
    table = probe_study.make_track(
        name,
        np.ones((rows, 4)),
        fps=5.0,
        **{k: facts[k] for k in names},
        **{k: v for k, v in facts.items() if k not in names},
    )
    return probe_study.write_track(table, folder)


def known_card() -> dict[str, Any]:
    """The content of a ``probe.json``, by hand."""
    behaviors = [
        {"name": "walk", "kind": "state"},
        {"name": "groom", "kind": "state"},
        {"name": "jump", "kind": "point"},
    ]
    return {
        "id": "mouse-0badcafe",
        "parameters": {"head": "logistic", "loss": "cross-entropy", "weighting": "sqrt", "label_smoothing": 0.0,
                       "random_state": 7, "postprocess": None},
        "behaviors": {"exclusive": True, "background": None, "entries": behaviors},
        "objective": {"background": True},
        "thresholds": [0.41, 0.5, 0.3],
        "postprocess": {"method": "hysteresis", "low_ratio": 0.5, "median_s": 0.4, "fill_gap_s": 0.2, "min_bout_s": 0.3,
                        "transitions": None},
        "tracks": TRACKS,
        "training": {
            "recordings": [
                {"recording": name, "subject": "", "labelled_s": 600.0,
                 "bouts": {"walk": 20, "groom": 6, "jump": 3},
                 "behavior_s": {"walk": 200.0, "groom": 40.0, "jump": 0.0}}
                for name in ("mouse1", "mouse2")
            ],
            "behaviors_without_examples": [],
            "validation": "held-out recording mouse2",
            "untrained_encoder": False,
            "settings": {"features": "mean", "regularization": 0.01, "width": 128},
            "software": {"vp-science": "0.1.0", "scikit-learn": "1.9.1"},
        },
        "evaluation": None,
    }  # fmt: skip


def known_evaluation() -> dict[str, Any]:
    """The content of an ``evaluation.json``, by hand."""

    def row(behavior: str, metric: str, pooled: float, method: str = "probe") -> dict[str, Any]:
        spread = {"mean": pooled + 0.01, "sd": 0.05, "min": 0.1, "max": 0.9, "folds": 2}
        return {"method": method, "behavior": behavior, "metric": metric, "pooled": pooled, **spread, "note": ""}

    fold = {"test_s": 600.0, "test_bouts": {"walk": 20}, "leakage": "", "validation": "held-out recording x"}
    return {
        "format": "vp_science.evaluation",
        "schema": 1,
        "software": "vp-science 0.1.0",
        "settings": {"probe": {"head": "temporal"}, "folds": "leave-one-out", "groups": ["animal", "session"],
                     "tracks": TRACKS, "untrained_encoder": False},
        "behaviors": {"exclusive": False, "entries": [{"name": "walk"}]},
        "folds": [
            fold | {"name": name, "test_groups": [name], "test_recordings": [name]} for name in ("mouse1", "mouse2")
        ],
        "methods": [{"name": "probe", "title": "probe", "note": ""},
                    {"name": "majority", "title": "training frequencies", "note": ""}],
        "table": [row("", "macro_average_precision", 0.81), row("", "macro_f1", 0.7),
                  row("walk", "average_precision", 0.81), row("walk", "chance", 0.33), row("walk", "f1", 0.7),
                  row("walk", "segment_f1@0.5", 0.62), row("", "macro_average_precision", 0.33, "majority")],
        "notes": [],
    }  # fmt: skip


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_model_card(folder: Path) -> Path:
    """The card of a model that adapted to footage; its weights are not read."""
    card = {
        "format": "vp_science.model", "schema": 1, "name": "adapted", "config": CONFIG,
        "weights": {"file": "model.safetensors", "sha256": WEIGHTS, "num_parameters": 114365184},
        "provenance": {
            "stage": "distill", "started_from": "videoprism-base (sha256:aa)", "teacher": "videoprism-base (sha256:aa)",
            "seed": 3, "steps": 5000, "data": [{"path": "/home/me/my_videos", "weight": 1.0}],
            "settings": {
                "loop": {"batch_size": 32, "precision": "auto"}, "clips": {"num_frames": 16, "size": 288, "fps": None},
                "optimizer": {"name": "adamw", "learning_rate": 1.5e-5, "schedule": "constant", "warmup_steps": 500,
                              "weight_decay": 0.05},
            },
        },
    }  # fmt: skip
    return write_json(folder / "model.json", card).parent


def write_real_study(folder: Path) -> Path:
    """Tracks, a probe, annotated recordings, an evaluation, a map, a search index and results."""
    encoder, recordings = make_encoder(), folder / "recordings"
    for number in range(3):
        write_video(recordings / f"m{number}.avi", num_frames=20 + 4 * number)
    probe = annotating_study.train(recordings, folder / "tracks", encoder)
    save_probe(probe, folder / "mouse.probe")
    annotate(recordings, probe, out=folder / "ethograms", encoder=encoder, tracks=folder / "tracks")
    tracks, labels = probe_study.make_study(
        3, 120, **{k: v for k, v in KNOWN.items() if k not in ("num_frames", "stride", "grid")}
    )
    evaluate_probe(Probe("logistic"), tracks, labels).save(folder / "evaluation")
    save_map(map_study.pca_map(tracks, stability_repeats=2), folder / "study.map.h5")
    for track in tracks[:2]:
        probe_study.write_track(track, folder / "searched")
    with open_tracks([folder / "searched"]) as opened:
        results = find(build_index(opened, folder / "moments.h5"), "rec0@0.5-0.8", limit=3)
    write_json(folder / "hits.json", results.to_json())
    return folder
