import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jabs.behavior.postprocessing.stages import BoutDurationFilterStage, BoutStitchingStage

from vp_science.errors import AnnotationError, ProbeError
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.decisions import by_hysteresis, by_threshold
from vp_science.timeline.ethogram import Ethogram, frame_edges, runs
from vp_science.timeline.postprocess import PostProcess, apply_postprocess, decide
from vp_science.timeline.smoothing import clean, median_reaches, running_median
from vp_science.timeline.viterbi import check_rates, fit_transitions, viterbi_path

FPS = 10


def times(num_frames: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """Constant rate, or, with a generator, frames from a quarter to four times as long."""
    if rng is None:
        return np.arange(num_frames) / FPS
    return np.cumsum(np.exp2(rng.uniform(-2, 2, num_frames))) / FPS


def catalogue(num: int, *, exclusive: bool, num_points: int = 0) -> Behaviors:
    points = [Behavior(f"point{index}", "point") for index in range(num_points)]
    return Behaviors.of([*points, *(f"state{index}" for index in range(num))], exclusive=exclusive)


def smooth_scores(rng: np.random.Generator, num_frames: int, num: int) -> np.ndarray:
    """Scores that wander and flicker, as probes give them."""
    steps = rng.normal(size=(num_frames, num)) * rng.choice([0.05, 0.5, 3])
    logits = 2 * np.sin(np.cumsum(steps, axis=0)) + rng.normal(size=(num_frames, num)) * rng.choice([0, 0.5, 2])
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def mask(text: str) -> np.ndarray:
    return np.array([[letter == "1"] for letter in text])


def row(on: np.ndarray) -> str:
    return "".join("1" if value else "0" for value in on[:, 0])


def as_tuples(rates: np.ndarray) -> tuple:
    return tuple(float(rate) if rates.ndim == 1 else as_tuples(rate) for rate in rates)


@st.composite
def rule_sets(draw, behaviors: Behaviors):
    method = draw(st.sampled_from(["threshold", "hysteresis", "viterbi"]))
    duration = st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 1.1])
    transitions = None
    if method == "viterbi":
        num = sum(behavior.kind == "state" for behavior in behaviors)
        shape = (num + 1, num + 1) if behaviors.exclusive else (num, 2, 2)
        rates = np.random.default_rng(draw(st.integers(0, 1000))).exponential(0.5, shape)
        transitions = as_tuples(rates * (1 - np.eye(shape[-1])))
    names = ("method", "low_ratio", "median_s", "fill_gap_s", "min_bout_s", "transitions")
    values = (
        method,
        draw(st.sampled_from([0.2, 0.5, 1.0])),
        draw(duration),
        draw(duration),
        draw(duration),
        transitions,
    )
    return dict(zip(names, values, strict=True))


@settings(max_examples=50, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_rules_change_nothing_in_their_own_result(data, seed):
    rng = np.random.default_rng(seed)
    behaviors = catalogue(
        data.draw(st.integers(1, 3)), exclusive=data.draw(st.booleans()), num_points=data.draw(st.integers(0, 2))
    )
    rules = PostProcess(**data.draw(rule_sets(behaviors)))
    num_frames = data.draw(st.integers(1, 120))
    time_s = times(num_frames, rng if data.draw(st.booleans()) else None)
    scores = smooth_scores(rng, num_frames, len(behaviors))
    if behaviors.exclusive:
        scores = scores / np.maximum(1, scores.sum(axis=1, keepdims=True))
    known = np.repeat(rng.random((num_frames, 1)) > 0.05, len(behaviors), axis=1)
    if data.draw(st.booleans()):
        known &= rng.random(known.shape) > 0.1
    once = apply_postprocess(scores, time_s, behaviors, rng.uniform(0.05, 0.95, len(behaviors)), rules, known)
    assert ((once == -1) == ~known).all()
    if behaviors.exclusive:
        assert (once == 1).sum(axis=1).max() <= 1
    again_scores = (once == 1).astype(np.float32)
    thresholds = rng.uniform(0.01, 0.99, len(behaviors))
    twice = apply_postprocess(again_scores, time_s, behaviors, thresholds, rules, known)
    np.testing.assert_array_equal(twice, once)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), gap=st.integers(1, 6), shortest=st.integers(1, 6))
def test_gaps_and_short_bouts_as_jabs_treats_them(seed, gap, shortest):
    rng = np.random.default_rng(seed)
    states = np.repeat(rng.integers(-1, 2, 60), rng.integers(1, 7, 60))
    known = states[:, None] >= 0
    stitched = BoutStitchingStage(max_stitch_gap=gap).apply(states, states.astype(float))
    found = clean(states[:, None] == 1, times(len(states)), known, exclusive=False, fill_gap_s=gap / FPS)
    np.testing.assert_array_equal(found[:, 0], stitched == 1)
    # JABS divides a short bout beside unknown frames among its neighbours, so it is compared where all is known.
    states = np.repeat(rng.integers(0, 2, 60), rng.integers(1, 7, 60))
    kept = BoutDurationFilterStage(min_duration=shortest).apply(states, states.astype(float))
    everywhere = np.ones((len(states), 1), bool)
    found = clean(states[:, None] == 1, times(len(states)), everywhere, exclusive=False, min_bout_s=shortest / FPS)
    np.testing.assert_array_equal(found[:, 0], kept == 1)


@pytest.mark.parametrize(
    ("before", "fill", "shortest", "after"),
    [
        ("0110011", 2, 0, "0111111"),
        ("0110011", 1, 0, "0110011"),
        ("0011001", 5, 0, "0011111"),  # the ends are no gaps
        ("0110100", 0, 2, "0110000"),
        ("0101100", 1, 3, "0111100"),  # filled first
    ],
)
def test_gaps_and_bouts_by_hand(before, fill, shortest, after):
    everywhere = np.ones((len(before), 1), bool)
    found = clean(
        mask(before),
        times(len(before)),
        everywhere,
        exclusive=False,
        fill_gap_s=fill / FPS,
        min_bout_s=shortest / FPS,
    )
    assert row(found) == after


def test_durations_are_seconds_also_at_variable_rate():
    # Frames of 0.1 s, then of 1 s: the same number of frames is a short and a long bout.
    time_s = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 1.4, 2.4, 3.4])
    on = np.array([[0], [1], [1], [0], [1], [1], [0], [0]], bool)
    everywhere = np.ones_like(on)
    assert row(clean(on, time_s, everywhere, exclusive=False, min_bout_s=0.5)) == "00001100"
    assert row(clean(on, time_s, everywhere, exclusive=False, fill_gap_s=0.1)) == "01111100"
    assert row(clean(~on, time_s, everywhere, exclusive=False, fill_gap_s=0.5)) == "11110011"


def test_times_rounded_to_a_millisecond_count_as_meant():
    time_s = np.round(np.arange(12) / 30, 3)  # 0, 0.033, 0.067, 0.1, ...
    everywhere = np.ones((12, 1), bool)
    for first in range(1, 8):
        on = np.ones((12, 1), bool)
        on[first : first + 3] = False
        assert clean(on, time_s, everywhere, exclusive=False, fill_gap_s=0.1).all()
        assert (clean(~on, time_s, everywhere, exclusive=False, min_bout_s=0.1) == ~on).all()


def test_a_flicker_does_not_take_the_bout_around_it_with_it():
    behaviors = catalogue(2, exclusive=True)
    index = np.array([0, 0, 0, 1, 0, 0, 0, 2, 2])
    scores = (index[:, None] == np.arange(2)).astype(np.float32)
    rules = PostProcess(fill_gap_s=0.1, min_bout_s=0.5)
    states = apply_postprocess(scores, times(9), behaviors, np.full(2, 0.5), rules)
    assert states[:, 0].tolist() == [1] * 7 + [0, 0]
    assert not states[:, 1].any()


def test_unknown_frames_break_gaps_and_bouts():
    behaviors = catalogue(1, exclusive=False)
    scores = np.array([[1, 1, np.nan, 1, 0, np.nan, 0, 1]], np.float32).T
    states = apply_postprocess(scores, times(8), behaviors, np.array([0.5]), PostProcess(fill_gap_s=1.0))
    assert states[:, 0].tolist() == [1, 1, -1, 1, 0, -1, 0, 1]
    states = apply_postprocess(scores, times(8), behaviors, np.array([0.5]), PostProcess(min_bout_s=0.2))
    assert states[:, 0].tolist() == [1, 1, -1, 0, 0, -1, 0, 0]


def brute_median(values, time_s, known, width_s):
    """Running median by sampling the piecewise constant scores finely."""
    edges, done = frame_edges(time_s), values.copy()
    for first, stop in runs(known):
        for frame in range(first, stop):
            middle = (edges[frame] + edges[frame + 1]) / 2
            half = min(width_s / 2, middle - edges[first], edges[stop] - middle)
            seen = middle + (np.arange(4000) + 0.5) / 4000 * 2 * half - half
            done[frame] = np.median(values[np.searchsorted(edges, seen, side="right") - 1])
    return done


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num_frames=st.integers(1, 30), width_s=st.sampled_from([0.05, 0.3, 0.47, 1.0]))
def test_running_median_is_that_of_scores_over_time(seed, num_frames, width_s):
    rng = np.random.default_rng(seed)
    time_s = times(num_frames, rng)
    values = rng.random((num_frames, 1))
    known = rng.random((num_frames, 1)) > 0.1
    found = running_median(values, time_s, known, width_s)[:, 0]
    expected = brute_median(values[:, 0], time_s, known[:, 0], width_s)
    # Where two values share a window almost equally, either may count; sampling decides that by chance.
    assert np.mean(np.abs(found - expected) < 1e-9) > 0.9 or num_frames < 10


def test_running_median_of_odd_windows_is_the_usual_one():
    rng = np.random.default_rng(1)
    values = rng.random((200, 2))
    found = running_median(values, times(200), np.ones((200, 2), bool), 0.5)
    windows = np.lib.stride_tricks.sliding_window_view(values, 5, axis=0)
    np.testing.assert_array_equal(found[2:-2], np.median(windows, axis=2))
    np.testing.assert_array_equal(found[[0, -1]], values[[0, -1]])


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_frames=st.integers(1, 60),
    width_s=st.sampled_from([0.05, 0.31, 0.47, 1.03]),
    level=st.sampled_from([0.0, 0.3, 0.5, 0.9]),
)
def test_where_a_median_reaches_a_level_is_found_without_sorting(seed, num_frames, width_s, level):
    rng = np.random.default_rng(seed)
    time_s = times(num_frames, rng)
    values = rng.random((num_frames, 2))
    known = rng.random((num_frames, 2)) > 0.1
    found = median_reaches(values, time_s, known, width_s, np.full(2, level))
    np.testing.assert_array_equal(found, (running_median(values, time_s, known, width_s) >= level) & known)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), exclusive=st.booleans(), width_s=st.sampled_from([0.31, 1.03]))
def test_thresholds_of_smoothed_scores_are_those_of_the_running_median(seed, exclusive, width_s):
    rng = np.random.default_rng(seed)
    time_s, behaviors = times(80, rng), catalogue(3, exclusive=exclusive)
    scores = smooth_scores(rng, 80, 3).astype(np.float64)
    known = np.repeat(rng.random((80, 1)) > 0.05, 3, axis=1)
    thresholds = np.array([0.0, 0.3, 0.6])
    rules = PostProcess(median_s=width_s)
    smoothed = running_median(scores * known, time_s, known, width_s)
    expected = by_threshold(smoothed, thresholds, known, exclusive=exclusive)
    found = decide(scores, time_s, behaviors, thresholds, rules, known).lasting
    np.testing.assert_array_equal(found, expected)


def test_a_median_is_made_for_the_wanted_frames_alone():
    values = np.random.default_rng(2).random((60, 1))
    wanted, everywhere = np.arange(60) % 7 == 0, np.ones((60, 1), bool)
    found = running_median(values, times(60), everywhere, 0.5, wanted)
    whole = running_median(values, times(60), everywhere, 0.5)
    np.testing.assert_array_equal(found, np.where(wanted[:, None], whole, values))


def test_a_median_shorter_than_a_frame_changes_nothing():
    values = np.random.default_rng(0).random((50, 1))
    np.testing.assert_array_equal(running_median(values, times(50), np.ones((50, 1), bool), 1e-5), values)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), low_ratio=st.sampled_from([0.3, 0.7, 1.0]))
def test_hysteresis_by_walking(seed, low_ratio):
    rng = np.random.default_rng(seed)
    scores = smooth_scores(rng, 80, 1).astype(np.float64)
    known = rng.random((80, 1)) > 0.05
    found = by_hysteresis(scores, np.array([0.7]), low_ratio, known, exclusive=False)
    expected = np.zeros(80, bool)
    for walk in (range(80), reversed(range(80))):
        running = False
        for frame in walk:
            value = scores[frame, 0]
            running = known[frame, 0] and (value >= 0.7 or (running and value >= 0.7 * low_ratio))
            expected[frame] |= running
    np.testing.assert_array_equal(found[:, 0], expected)


def test_exclusive_threshold_takes_the_highest_above_its_own_threshold():
    scores = np.array([[0.5, 0.4], [0.2, 0.4], [0.2, 0.1], [0.0, 0.0], [0.6, 0.6]])
    known = np.ones((5, 2), bool)
    found = by_threshold(scores, np.array([0.5, 0.3]), known, exclusive=True)
    assert found.tolist() == [[True, False], [False, True], [False, False], [False, False], [True, False]]
    # A threshold of zero means that the highest score always counts, but a score of zero never does.
    found = by_threshold(scores, np.array([0.0, 0.0]), known, exclusive=True)
    assert found.sum(axis=1).tolist() == [1, 1, 1, 0, 1]


def test_exclusive_hysteresis_gives_way_to_a_stronger_behavior():
    scores = np.array([[0.8, 0.4, 0.4, 0.3, 0.4, 0.1], [0.0, 0.1, 0.7, 0.4, 0.3, 0.0]]).T
    behaviors = catalogue(2, exclusive=True)
    states = apply_postprocess(scores, times(6), behaviors, np.array([0.6, 0.6]), PostProcess("hysteresis"))
    assert states[:, 0].tolist() == [1, 1, 0, 0, 0, 0]
    assert states[:, 1].tolist() == [0, 0, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("method", "events"),
    [("threshold", [2, 4, 9]), ("hysteresis", [4, 9])],
)
def test_point_events_are_local_maxima(method, events):
    scores = np.array([[0.1, 0.5, 0.7, 0.4, 0.8, 0.2, 0.1, 0.3, 0.6, 0.6, 0.6]], np.float32).T
    behaviors = catalogue(0, exclusive=False, num_points=1)
    states = apply_postprocess(scores, times(11), behaviors, np.array([0.55]), PostProcess(method))
    assert np.flatnonzero(states[:, 0] == 1).tolist() == events


def test_a_point_event_in_an_exclusive_catalogue_takes_its_frame_and_does_not_end_the_bout():
    behaviors = catalogue(1, exclusive=True, num_points=1)
    scores = np.array([[0, 0, 0.9, 0, 0, 0], [0, 0.8, 0.05, 0.8, 0.8, 0]], np.float32).T
    rules = PostProcess(min_bout_s=0.4)
    states = apply_postprocess(scores, times(6), behaviors, np.array([0.5, 0.5]), rules)
    assert states[:, 0].tolist() == [0, 0, 1, 0, 0, 0]
    assert states[:, 1].tolist() == [0, 1, 0, 1, 1, 0]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num_frames=st.integers(1, 6), num_states=st.integers(2, 3))
def test_viterbi_path_by_brute_force(seed, num_frames, num_states):
    rng = np.random.default_rng(seed)
    evidence = rng.normal(size=(num_frames, 2, num_states))
    steps = np.log(rng.dirichlet(np.ones(num_states), size=(2, 2, num_states)))
    which = rng.integers(0, 2, num_frames - 1)
    start = np.log(rng.dirichlet(np.ones(num_states), size=2))
    usable = rng.random((num_frames, 2)) > 0.2
    evidence[~usable] = 0
    path = viterbi_path(evidence, usable, steps, which, start)
    for chain in range(2):

        def value(states, chain=chain):
            total = 0.0
            for frame, state in enumerate(states):
                fresh = frame == 0 or (usable[frame, chain] and not usable[frame - 1, chain])
                before = start[chain, state] if fresh else steps[which[frame - 1], chain, states[frame - 1], state]
                total += before + evidence[frame, chain, state]
            return total

        best = max(value(states) for states in itertools.product(range(num_states), repeat=num_frames))
        assert value(path[:, chain].tolist()) == pytest.approx(best, abs=1e-9)


def test_transitions_are_rates_per_second():
    behaviors = Behaviors.of(["a", "b"], exclusive=True)
    # 1000 times: a for 2 s, b for 1 s, background for 4 s.
    index = np.tile(np.repeat([0, 1, 2], [20, 10, 40]), 1000)
    states = (index[:, None] == np.arange(2)).astype(np.int8)
    rates = np.array(fit_transitions([Ethogram(behaviors, times(len(index)), states)], behaviors))
    np.testing.assert_allclose(rates, [[0, 0.5, 0], [0, 0, 1], [0.25, 0, 0]], atol=2e-3)
    assert (rates + np.eye(3) > 0).all()  # nothing is impossible
    # The same labels on every second frame give the same rates.
    coarse = np.array(fit_transitions([Ethogram(behaviors, times(len(index))[::2], states[::2])], behaviors))
    np.testing.assert_allclose(coarse, rates, atol=5e-3)


def test_transitions_never_reach_across_unknown_frames():
    behaviors = catalogue(1, exclusive=False)
    states = np.tile(np.array([[1], [1], [-1], [0], [0], [-1]], np.int8), (500, 1))
    rates = np.array(fit_transitions([Ethogram(behaviors, times(3000), states)], behaviors))
    assert rates.shape == (1, 2, 2)
    assert rates.max() < 0.02


def test_transitions_need_labels():
    behaviors = catalogue(1, exclusive=False)
    with pytest.raises(AnnotationError, match="expected labelled time to learn transitions from"):
        fit_transitions([Ethogram(behaviors, times(3), np.full((3, 1), -1, np.int8))], behaviors)
    with pytest.raises(AnnotationError, match="use one catalogue"):
        fit_transitions([Ethogram(catalogue(2, exclusive=False), times(3), np.zeros((3, 2), np.int8))], behaviors)


@pytest.mark.parametrize("exclusive", [True, False])
def test_viterbi_removes_flicker_and_keeps_bouts(exclusive):
    behaviors = catalogue(2, exclusive=exclusive)
    truth = np.zeros((600, 2), np.int8)
    truth[100:200, 0] = truth[300:450, 1] = 1
    rates = fit_transitions([Ethogram(behaviors, times(600), truth)], behaviors)
    rng = np.random.default_rng(0)
    scores = np.where(truth == 1, 0.75, 0.1) + rng.normal(size=truth.shape) * 0.1
    scores[rng.random(600) < 0.1] = [0.3, 0.35]
    rules = PostProcess("viterbi", transitions=rates)
    scores = np.clip(scores, 0, 1)
    states = apply_postprocess(scores, times(600), behaviors, np.array([0.5, 0.5]), rules)
    raw = apply_postprocess(scores, times(600), behaviors, np.array([0.5, 0.5]), PostProcess())
    bouts = [runs(states[:, column] == 1) for column in range(2)]
    np.testing.assert_allclose(bouts, [[(100, 200)], [(300, 450)]], atol=4)
    assert len(runs(raw[:, 0] == 1)) > 3
    # One frame of certainty does not make a bout.
    spike = np.full((100, 2), 0.05)
    spike[50, 0] = 1.0
    assert not apply_postprocess(spike, times(100), behaviors, np.array([0.5, 0.5]), rules).any()


def test_viterbi_evidence_turns_at_the_threshold():
    behaviors = catalogue(1, exclusive=False)
    rules = PostProcess("viterbi", transitions=(((0.0, 0.5), (0.5, 0.0)),))
    scores = np.repeat([0.05, 0.3, 0.05], 50)[:, None]
    low = apply_postprocess(scores, times(150), behaviors, np.array([0.1]), rules)
    assert low[:, 0].tolist() == [0] * 50 + [1] * 50 + [0] * 50
    high = apply_postprocess(scores, times(150), behaviors, np.array([0.5]), rules)
    assert not high.any()


def test_transitions_must_fit_the_catalogue():
    exclusive, free = catalogue(2, exclusive=True), catalogue(2, exclusive=False)
    rates = fit_transitions([Ethogram(exclusive, times(3), np.zeros((3, 2), np.int8))], exclusive)
    with pytest.raises(ProbeError, match=r"expected transition rates of shape \(2, 2, 2\).*not exclusive.*fit_trans"):
        check_rates(rates, free)


def test_rules_survive_json():
    behaviors = catalogue(2, exclusive=True)
    rates = fit_transitions([Ethogram(behaviors, times(3), np.zeros((3, 2), np.int8))], behaviors)
    for rules in (PostProcess(), PostProcess("viterbi", 0.4, 0.1, 0.2, 0.3, rates), PostProcess("hysteresis", 1)):
        again = PostProcess.from_json(json.loads(json.dumps(rules.to_json())))
        assert again == rules
        assert hash(again) == hash(rules)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "magic"}, "expected method threshold, hysteresis or viterbi, found 'magic'"),
        ({"method": 3}, "expected method threshold, hysteresis or viterbi, found 3"),
        ({"low_ratio": 0}, "expected low_ratio above 0 and at most 1, found 0"),
        ({"median_s": -1}, "expected median_s to be a duration in seconds"),
        ({"median_s": "1"}, "expected median_s to be a duration in seconds"),
        ({"fill_gap_s": True}, "expected fill_gap_s to be a duration"),
        ({"min_bout_s": float("nan")}, "expected min_bout_s to be a duration"),
        ({"method": "viterbi"}, "expected transitions with the method viterbi and with no other, found none"),
        ({"transitions": [[0.0]]}, "found some with threshold"),
        ({"method": "viterbi", "transitions": [[0, 1]]}, "square matrices"),
        ({"method": "viterbi", "transitions": [[0, -1], [1, 0]]}, "square matrices"),
        ({"method": "viterbi", "transitions": [[1, 1], [1, 0]]}, "zeros on the diagonal"),
        ({"method": "viterbi", "transitions": [["a", "b"], [1, 0]]}, "matrices of numbers"),
        ({"method": "viterbi", "transitions": [[0, 1], [1]]}, "matrices of numbers"),
        ({"speed": 1}, "with exactly method, low_ratio, .* found .*speed"),
    ],
)
def test_wrong_rules_are_refused(change, message):
    with pytest.raises(ProbeError, match=message):
        PostProcess.from_json(PostProcess().to_json() | change)


@pytest.mark.parametrize("value", [None, [], "threshold", {}])
def test_rules_are_an_object(value):
    with pytest.raises(ProbeError, match="expected post-processing rules with exactly"):
        PostProcess.from_json(value)


def test_every_active_step_is_explained_and_no_other():
    assert len(PostProcess().explain()) == 3
    text = " ".join(PostProcess("hysteresis", 0.4, 0.5, 0.2, 0.3).explain())
    for words in ("median over 0.5 s", "0.25 s", "0.4 of it", "at most 0.2 s", "shorter than 0.3 s", "unknown"):
        assert words in text
    assert "Viterbi" in " ".join(PostProcess("viterbi", transitions=((0.0,),)).explain())


@pytest.mark.parametrize(
    ("scores", "thresholds", "message"),
    [
        (np.zeros((3, 2)), [0.5, 0.5], r"expected scores of shape \(3, 1\).*found \(3, 2\) and 2 thresholds"),
        (np.full((3, 1), 1.5), [0.5], "expected scores from 0 to 1, found 1.5"),
        (np.zeros((3, 1)), [1.5], "expected thresholds from 0 to 1"),
    ],
)
def test_scores_that_do_not_fit_are_refused(scores, thresholds, message):
    with pytest.raises(ProbeError, match=message):
        apply_postprocess(scores, times(3), catalogue(1, exclusive=False), np.array(thresholds), PostProcess())


def test_no_behaviors_and_no_frames():
    none = catalogue(0, exclusive=False)
    assert apply_postprocess(np.zeros((4, 0)), times(4), none, np.zeros(0), PostProcess()).shape == (4, 0)
    one = catalogue(1, exclusive=True)
    assert apply_postprocess(np.zeros((0, 1)), times(0), one, np.zeros(1), PostProcess()).shape == (0, 1)
