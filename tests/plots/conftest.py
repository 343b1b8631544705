import sys
from pathlib import Path

import pytest

# The studies in memory of other tests: pytest's importlib mode does not put folders on the path.
for folder in ("probes", "maps", "plots"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))


@pytest.fixture(scope="session")
def study():
    """Three recordings in which walk, groom, rear and nothing look different, and their labels."""
    import probe_study

    return probe_study.make_study(3, 160, noise=0.25)


@pytest.fixture(scope="session")
def report(study):
    """An evaluation as ``evaluate_probe`` makes it, of predictions that are mostly right; a fold per recording."""
    import numpy as np

    from vp_science.probes.report import EvaluationReport, FoldFacts, MethodResult, Tested, count_bouts
    from vp_science.timeline.ethogram import scored, to_ethogram
    from vp_science.timeline.metrics import evaluate_frames

    tracks, labels = study
    truths = [to_ethogram(labels, track.recording_id, track.time_s) for track in tracks]
    rng = np.random.default_rng(0)
    methods = []
    for name, noise in (("probe", 0.8), ("majority", 0.0)):
        tested = []
        for fold, truth in enumerate(truths):
            right = 0.6 * (truth.states == 1) if noise else np.full(truth.states.shape, 0.25)
            scores = np.clip(right + noise * rng.random(right.shape), 0, 1).astype(np.float32)
            best = scores.argmax(axis=1)[:, None] == np.arange(scores.shape[1])
            found = (best & (scores > 0.7)).astype(np.int8)
            tested.append(Tested(fold, truth, scored(scores, found, truth)))
        each = tuple(evaluate_frames([one.truth], [one.prediction]) for one in tested)
        pooled = evaluate_frames(truths, [one.prediction for one in tested])
        methods.append(MethodResult(name, name, "", each, pooled, tuple(tested)))
    folds = tuple(
        FoldFacts(
            truth.recording, (), (), (), (truth.recording,), 1.0, 1.0, {}, count_bouts([truth]), (0.7,) * 3, {}, ""
        )
        for truth in truths
    )
    made = {"untrained_encoder": False, "probe": {"head": "test"}, "tracks": {}, "groups": [], "folds": "leave-one-out"}
    return EvaluationReport(labels.behaviors, made, folds, tuple(methods), ())


@pytest.fixture(scope="session")
def small_map(study):
    """A map of frames without a layout of its own: the first two principal components, and k-means."""
    import map_study

    return map_study.pca_map(study[0])
