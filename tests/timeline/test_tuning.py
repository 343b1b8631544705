import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from vp_science.errors import AnnotationError, ProbeError
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.ethogram import Ethogram
from vp_science.timeline.metrics import evaluate_frames
from vp_science.timeline.postprocess import PostProcess, apply_postprocess
from vp_science.timeline.tuning import choose_thresholds, search_postprocess

FPS = 10.0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num=st.integers(2, 30), metric=st.sampled_from(["f1", "balanced_accuracy"]))
def test_no_other_threshold_is_better(seed, num, metric):
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 2, (num, 1)).astype(np.int8)
    states[0] = 1
    scores = np.round(rng.random((num, 1)), rng.integers(1, 4)).astype(np.float32)
    behaviors = Behaviors.of(["a"])
    (threshold,) = choose_thresholds(scores, states, behaviors, metric)
    figure = f1_score if metric == "f1" else balanced_accuracy_score

    def value(cut):
        return figure(states[:, 0], ((scores >= cut) & (scores > 0))[:, 0])

    if metric == "balanced_accuracy" and states.all():
        return
    # Of the thresholds that some score reaches: one above all scores would never find the behavior.
    best = max(value(cut) for cut in [*scores[:, 0], *np.linspace(0, 1, 11)] if cut <= scores.max())
    assert value(threshold) >= best - 1e-9 or not (scores > 0).any()


def test_thresholds_lie_in_the_middle():
    states = np.array([[0, 0, 1, 1]], np.int8).T
    scores = np.array([[0.1, 0.2, 0.6, 0.9]], np.float32).T
    behaviors = Behaviors.of(["a"])
    assert choose_thresholds(scores, states, behaviors)[0] == pytest.approx(0.4)
    # Two cuts are equally good (one false alarm, or one miss): the one nearer to a half is taken.
    states = np.array([[1, 1, 0, 1, 0, 0]], np.int8).T
    figures = choose_thresholds(np.array([[0.9, 0.8, 0.7, 0.6, 0.2, 0.1]], np.float32).T, states, behaviors)
    assert figures[0] == pytest.approx(0.4)


def test_neighbouring_scores_are_told_apart():
    low = np.float32(0.3)
    high = np.nextafter(low, np.float32(1))
    behaviors = Behaviors.of(["a"])
    (threshold,) = choose_thresholds(np.array([[low], [high]]), np.array([[0], [1]], np.int8), behaviors)
    assert low < threshold <= high


def test_thresholds_of_recordings_unknown_frames_and_behaviors_that_never_happen():
    behaviors = Behaviors.of(["a", "never", "unknown"])
    states = [np.array([[1, 0, -1], [-1, 0, -1]], np.int8), np.array([[0, 0, -1]], np.int8)]
    scores = [np.array([[0.8, 0.9, 0.5], [0.1, 0.1, 0.5]]), np.array([[0.4, np.nan, 0.5]])]
    np.testing.assert_allclose(choose_thresholds(scores, states, behaviors), [0.6, 0.5, 0.5], atol=1e-6)
    assert choose_thresholds([], [], behaviors).tolist() == [0.5, 0.5, 0.5]
    zeros = np.zeros((2, 3), np.float32)
    assert choose_thresholds(zeros, np.ones((2, 3), np.int8), behaviors).tolist() == [0.5, 0.5, 0.5]


def test_thresholds_need_fitting_arguments():
    behaviors = Behaviors.of(["a"])
    with pytest.raises(ProbeError, match="expected scores and states of the same frames and of 1 behaviors"):
        choose_thresholds([np.zeros((3, 1))], [np.zeros((2, 1), np.int8)], behaviors)
    with pytest.raises(ProbeError, match="expected scores and states of the same frames"):
        choose_thresholds([np.zeros((3, 2))], [np.zeros((3, 2), np.int8)], behaviors)


def recording(seed: int, *, flicker: float, exclusive: bool = False, num: int = 600):
    """Bouts of 2 to 4 s, and scores that flip for a frame now and then."""
    rng = np.random.default_rng(seed)
    index = np.repeat(rng.integers(0, 3, 40), rng.integers(20, 41, 40))[:num]
    states = (index[:, None] == np.arange(2)).astype(np.int8)
    flip = rng.random(states.shape) < flicker
    scores = np.where((states == 1) ^ flip, 0.85, 0.1) + rng.normal(size=states.shape) * 0.02
    if exclusive:
        scores = scores / np.maximum(1, scores.sum(axis=1, keepdims=True) * 1.02)
    return scores.astype(np.float32), states, np.arange(len(states)) / FPS


def study(flicker: float, exclusive: bool = False, count: int = 2):
    parts = [recording(seed, flicker=flicker, exclusive=exclusive) for seed in range(count)]
    return [list(each) for each in zip(*parts, strict=True)]


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("metric", ["segment_f1@0.5", "macro_f1"])
def test_rules_against_flicker_are_found(exclusive, metric):
    behaviors = Behaviors.of(["a", "b"], exclusive=exclusive)
    scores, states, time_s = study(0.06, exclusive)
    thresholds = np.full(2, 0.45)
    rules = search_postprocess(scores, states, time_s, behaviors, thresholds, metric)
    assert rules != PostProcess()

    def figure(chosen):
        fresh, truth, times = recording(99, flicker=0.06, exclusive=exclusive)
        found = apply_postprocess(fresh, times, behaviors, thresholds, chosen)
        name = metric
        made = [Ethogram(behaviors, times, each) for each in (truth, found)]
        return evaluate_frames(made[:1], made[1:]).overall[name]

    assert figure(rules) > figure(PostProcess()) + 0.04


def test_scores_without_flicker_need_no_rules():
    scores, states, time_s = study(0.0)
    assert search_postprocess(scores, states, time_s, Behaviors.of(["a", "b"]), np.full(2, 0.5)) == PostProcess()


def test_durations_are_shares_of_the_median_bout():
    scores, states, time_s = study(0.06)
    rules = search_postprocess(scores, states, time_s, Behaviors.of(["a", "b"]), np.full(2, 0.45))
    slow = search_postprocess(scores, states, [3 * each for each in time_s], Behaviors.of(["a", "b"]), np.full(2, 0.45))
    assert slow.method == rules.method
    if rules.method != "viterbi":
        for name in ("median_s", "fill_gap_s", "min_bout_s"):
            assert getattr(slow, name) == pytest.approx(3 * getattr(rules, name))


def test_one_recording_is_cut_into_halves_and_unlabelled_ones_do_not_matter():
    behaviors = Behaviors.of(["a", "b"])
    scores, states, time_s = study(0.06, count=1)
    alone = search_postprocess(scores, states, time_s, behaviors, np.full(2, 0.45))
    assert alone != PostProcess()
    unlabelled = [np.full((50, 2), 0.9, np.float32), np.full((50, 2), -1, np.int8), np.arange(50) / FPS]
    unscored = [np.full((50, 2), np.nan, np.float32), np.ones((50, 2), np.int8), np.arange(50) / FPS]
    more = [[*each, a, b] for each, a, b in zip((scores, states, time_s), unlabelled, unscored, strict=True)]
    assert search_postprocess(*more, behaviors, np.full(2, 0.45)) == alone


def test_groups_are_left_out_together():
    behaviors = Behaviors.of(["a", "b"])
    scores, states, time_s = study(0.06, count=2)
    together = search_postprocess(scores, states, time_s, behaviors, np.full(2, 0.45), groups=["x", "x"])
    assert isinstance(together, PostProcess)  # one group: cut into halves, as one recording is
    with pytest.raises(ProbeError, match="of the same recordings and one group each"):
        search_postprocess(scores, states, time_s, behaviors, np.full(2, 0.45), groups=["x"])


def test_nothing_to_judge_by_gives_thresholds_alone():
    point = Behaviors.of([Behavior("tap", "point")])
    states = np.zeros((50, 1), np.int8)
    states[[10, 30]] = 1
    parts = ([np.zeros((50, 1), np.float32)] * 2, [states] * 2, [np.arange(50) / FPS] * 2)
    assert search_postprocess(*parts, point, np.array([0.5])) == PostProcess()
    state = Behaviors.of(["a"])
    assert search_postprocess([], [], [], state, np.array([0.5])) == PostProcess()
    single = np.full((50, 1), -1, np.int8)
    single[20] = 1
    parts = ([np.zeros((50, 1), np.float32)], [single], [np.arange(50) / FPS])
    assert search_postprocess(*parts, state, np.array([0.5])) == PostProcess()
    # Frames labelled one by one have no transitions: everything else is tried.
    sparse = np.full((50, 1), -1, np.int8)
    sparse[::2] = 1
    sparse[::4] = 0
    parts = ([np.random.default_rng(0).random((50, 1)).astype(np.float32)] * 2, [sparse] * 2, [np.arange(50) / FPS] * 2)
    assert search_postprocess(*parts, state, np.array([0.5])).method != "viterbi"


@pytest.mark.parametrize("metric", ["segment_f1", "segment_f1@0.3", "f2", "map"])
def test_other_metrics_are_refused(metric):
    with pytest.raises(ProbeError, match=f"found '{metric}': choose one of them"):
        search_postprocess([], [], [], Behaviors.of(["a"]), np.array([0.5]), metric)


def test_labels_that_contradict_the_catalogue_are_refused():
    behaviors = Behaviors.of(["a", "b"], exclusive=True)
    both = np.ones((10, 2), np.int8)
    with pytest.raises(AnnotationError, match="expected one behavior at a time"):
        search_postprocess(
            [np.ones((10, 2), np.float32) / 2] * 2, [both] * 2, [np.arange(10) / FPS] * 2, behaviors, np.full(2, 0.5)
        )
