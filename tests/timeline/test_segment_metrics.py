import banos as oracle
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.timeline.banos_metrics import COMPONENTS, banos, banos_of, banos_overall
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.comparison import compare
from vp_science.timeline.ethogram import Ethogram
from vp_science.timeline.metrics import evaluate_frames
from vp_science.timeline.segment_metrics import (
    count_segments,
    edit_distance,
    edit_score,
    match_events,
    match_in_order,
    overlapping,
    segment_counts,
)


def pair(truth, found, names=("a",), exclusive=False, fps=10.0):
    behaviors = Behaviors.of(names, exclusive=exclusive)
    made = [
        Ethogram(behaviors, np.arange(len(states)) / fps, np.asarray(states, np.int8), None, "r")
        for states in (truth, found)
    ]
    return compare(*made)


def letters(text: str) -> np.ndarray:
    """Exclusive states from letters: ``a`` and ``b``, ``.`` for neither, ``?`` for unknown."""
    states = np.array([[letter == "a", letter == "b"] for letter in text], np.int8)
    states[[letter == "?" for letter in text]] = -1
    return states


def random_columns(rng, num_columns, num_frames, lowest=0):
    runs = max(1, num_frames // 4)
    columns = [np.repeat(rng.integers(lowest, 2, runs), rng.integers(1, 8, runs)) for _ in range(num_columns)]
    shortest = min(map(len, columns))
    return np.stack([column[:shortest] for column in columns], axis=1).astype(np.int8)


def walked_segments(states: np.ndarray) -> list[tuple[int, int]]:
    found, start = [], None
    for frame, value in enumerate([*states, 0]):
        if value == 1 and start is None:
            start = frame
        if value != 1 and start is not None:
            found.append((start, frame))
            start = None
    return found


def walked_counts(true, found, overlap):
    """Segment F1 counts as MS-TCN defines them, one prediction after the other."""
    used, hits = set(), 0
    for first, stop in found:
        shares = [
            max(0, min(stop, b) - max(first, a)) / (max(stop, b) - min(first, a)) if a < stop and b > first else 0.0
            for a, b in true
        ]
        best = int(np.argmax(shares)) if shares else None
        if best is not None and shares[best] >= overlap and best not in used:
            used.add(best)
            hits += 1
    return [hits, len(found) - hits, len(true) - len(used)]


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), overlap=st.sampled_from([0.1, 0.25, 0.5, 1.0]), num=st.integers(4, 120))
def test_segments_are_counted_as_ms_tcn_counts_them(seed, overlap, num):
    columns = random_columns(np.random.default_rng(seed), 2, num)
    true, found = walked_segments(columns[:, 0]), walked_segments(columns[:, 1])
    as_array = [np.array(each, np.int64).reshape(-1, 2) for each in (true, found)]
    assert segment_counts(*as_array, overlap).tolist() == walked_counts(true, found, overlap)


def test_segments_by_hand():
    part = pair(letters("aaaa..bbbb..aa"), letters("aa.a..bbbbbb.."), ("a", "b"), exclusive=True)
    # a: [0,2) has 0.5 of [0,4), [3,4) has 0.25 of the same one; b: 4 of 6 frames.
    assert count_segments([part], 0.5).tolist() == [[1, 1, 1], [1, 0, 0]]
    assert count_segments([part], 0.1).tolist() == [[1, 1, 1], [1, 0, 0]]
    assert count_segments([part], 0.9).tolist() == [[0, 2, 2], [0, 1, 1]]
    metrics = evaluate_frames(
        [Ethogram(part.behaviors, np.arange(14) / 10, letters("aaaa..bbbb..aa"))],
        [Ethogram(part.behaviors, np.arange(14) / 10, letters("aa.a..bbbbbb.."))],
    )
    assert metrics.per_behavior["segment_f1@0.5"].tolist() == pytest.approx([0.5, 1])
    assert metrics.overall["segment_f1@0.5"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert metrics.overall["macro_segment_f1@0.5"] == pytest.approx(0.75)


def test_segments_are_summed_over_recordings():
    perfect, missed = pair([[1], [1], [0]], [[1], [1], [0]]), pair([[1], [0], [1]], [[0], [0], [0]])
    assert count_segments([perfect, missed], 0.5).tolist() == [[1, 0, 2]]


def test_unknown_frames_end_segments():
    part = pair(letters("aaa?aaa"), letters("aaaaaaa"), ("a", "b"), exclusive=True)
    true, found = part.bouts(0)
    assert true.tolist() == found.tolist() == [[0, 3], [4, 7]]
    assert edit_score([part]) == 1
    part = pair(letters("aaaaaaa"), letters("aaa?aaa"), ("a", "b"), exclusive=True)
    assert part.bouts(0)[0].tolist() == part.bouts(0)[1].tolist() == [[0, 3], [4, 7]]


@settings(max_examples=100, deadline=None)
@given(one=st.lists(st.integers(0, 2), max_size=8), other=st.lists(st.integers(0, 2), max_size=8))
def test_edit_distance_by_its_table(one, other):
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i in range(len(one) + 1):
        for j in range(len(other) + 1):
            if not i or not j:
                table[i][j] = i + j
            else:
                table[i][j] = min(
                    table[i - 1][j] + 1,
                    table[i][j - 1] + 1,
                    table[i - 1][j - 1] + (one[i - 1] != other[j - 1]),
                )
    found = edit_distance(np.array(one, np.int64), np.array(other, np.int64))
    assert found == table[-1][-1]


def test_edit_score_by_hand():
    first = pair(letters("aa.bb.aa"), letters("aabb..b."), ("a", "b"), exclusive=True)  # a b a, a b b
    second = pair(letters("........"), letters("........"), ("a", "b"), exclusive=True)
    unknown = pair(letters("????????"), letters("aaaaaaaa"), ("a", "b"), exclusive=True)
    assert edit_score([first]) == pytest.approx(2 / 3)
    assert edit_score([first, second, unknown]) == pytest.approx((2 / 3 + 1) / 2)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num=st.integers(4, 100), files=st.integers(1, 3))
def test_banos_as_the_package(seed, num, files):
    rng = np.random.default_rng(seed)
    parts, frames = [], {}
    for index in range(files):
        columns = random_columns(rng, 4, num)
        columns[:, rng.random(4) < 0.15] = 0
        parts.append(pair(columns[:, :2], columns[:, 2:], ("x", "y")))
        frames[str(index)] = tuple(
            pd.DataFrame(columns[:, which], columns=["x", "y"]) for which in (slice(2, 4), slice(0, 2))
        )
    grouped, overall = oracle.score(frames)
    keys = dict(zip(COMPONENTS, ("precision", "recall", "f1_score", "so", "tp", "ic"), strict=True))
    for column, name in enumerate(("x", "y")):
        found = banos(parts, column)
        for ours, theirs in keys.items():
            np.testing.assert_allclose(found[ours], grouped[name][theirs], rtol=0, atol=1e-9)
    found = banos_overall(parts, [0, 1])
    for ours, theirs in keys.items():
        np.testing.assert_allclose(found[ours], overall[theirs], rtol=0, atol=1e-9)


def test_banos_by_hand():
    part = pair(np.array([[0, 1, 1, 1, 1, 0, 0, 1, 1, 0]]).T, np.array([[0, 1, 1, 0, 1, 1, 0, 0, 0, 0]]).T)
    found = banos_of(part, 0)
    # Predictions [1,3) and [4,6): the first takes the bout [1,5), the second finds it taken.
    assert found["precision"] == found["recall"] == found["f1"] == 0.5
    assert found["so"] == pytest.approx((2 / 4 + 1 / 5) / 2)
    assert found["tp"] == pytest.approx((1 / (1 + 0 + 2) + 1 / (1 + 3 + 1)) / 2)
    assert found["ic"] == pytest.approx(((1 - 2 / 3) + 1) / 2)


def test_banos_of_unknown_recordings_does_not_exist():
    part = pair([[-1], [-1]], [[1], [1]])
    assert all(np.isnan(value) for value in banos_of(part, 0).values())
    assert all(np.isnan(value) for value in banos([part], 0).values())


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_overlapping_pairs_are_all_pairs_that_share_a_frame(seed):
    columns = random_columns(np.random.default_rng(seed), 2, 80)
    one, other = (np.array(walked_segments(columns[:, c]), np.int64).reshape(-1, 2) for c in range(2))
    expected = [
        (i, j) for i, (a, b) in enumerate(one.tolist()) for j, (c, d) in enumerate(other.tolist()) if a < d and c < b
    ]
    assert list(zip(*(each.tolist() for each in overlapping(one, other)), strict=True)) == expected
    matched = match_in_order(one, other)
    assert len(set(matched[0].tolist())) == len(matched[0])
    assert {(i, j) for i, j in zip(*(each.tolist() for each in matched), strict=True)} <= set(expected)


def test_events_match_one_to_one_within_the_tolerance():
    one, other = match_events(np.array([1.0, 1.4, 5.0]), np.array([0.5, 1.2, 1.3, 5.6]))
    assert list(zip(one.tolist(), other.tolist(), strict=True)) == [(0, 0), (1, 1)]
    assert [len(each) for each in match_events(np.zeros(0), np.array([1.0]))] == [0, 0]


def test_point_events_are_scored_as_events():
    behaviors = Behaviors.of([Behavior("tap", "point")])
    states = np.zeros((2, 100, 1), np.int8)
    states[0, [10, 50], 0] = 1
    states[1, [13, 80], 0] = 1
    truth, found = (Ethogram(behaviors, np.arange(100) / 10, each) for each in states)
    row = evaluate_frames([truth], [found]).per_behavior.loc["tap"]
    assert (row["precision"], row["recall"], row["f1"]) == (0.5, 0.5, 0.5)
    assert row["onset_delay_s"] == pytest.approx(0.3)
    assert np.isnan(row["segment_f1@0.5"])
    assert np.isnan(row["seconds_true"])
    assert (row["bouts_true"], row["bouts_found"]) == (2, 2)


def test_onsets_are_early_or_late():
    behaviors = Behaviors.of(["a"])
    states = np.zeros((2, 100, 1), np.int8)
    for first, stop in ((10, 20), (40, 50), (70, 80)):
        states[0, first:stop] = 1
    for first, stop in ((8, 20), (43, 50), (71, 80)):
        states[1, first:stop] = 1
    truth, found = (Ethogram(behaviors, np.arange(100) / 10, each) for each in states)
    metrics = evaluate_frames([truth], [found])
    assert metrics.per_behavior.loc["a", "onset_delay_s"] == pytest.approx(0.1)
    assert metrics.per_behavior.loc["a", "onset_error_s"] == pytest.approx(0.2)
    assert metrics.overall["onset_error_s"] == pytest.approx(0.2)


def test_perfect_predictions_have_perfect_figures():
    behaviors = Behaviors.of(["a", "b"], exclusive=True)
    states = letters("..aaa.bb.aaabb")
    truth = Ethogram(behaviors, np.arange(14) / 10, states, states.astype(np.float32))
    metrics = evaluate_frames([truth, truth], [truth, truth])
    for name in ("macro_average_precision", "macro_f1", "accuracy", "edit", "banos_f1", "banos_so", "banos_tp"):
        assert metrics.overall[name] == 1, name
    assert metrics.overall["segment_f1@0.5"] == metrics.overall["banos_ic"] == 1
    assert metrics.overall["ece"] == metrics.overall["time_budget_error"] == metrics.overall["onset_error_s"] == 0
