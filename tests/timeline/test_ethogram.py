import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.ethogram import Ethogram, cover, frame_edges, point_frames, runs, scored, to_ethogram

MIXED = Behaviors.of(["walk", Behavior("blink", "point"), "rest"])
EXCLUSIVE = Behaviors.of(["walk", Behavior("blink", "point"), "rest"], exclusive=True)


def frame_times(rng, num_frames, variable):
    if not variable:
        return np.arange(num_frames) / rng.choice([5.0, 25.0, 29.97, 60.0, 240.0])
    return rng.uniform(0, 100) + np.cumsum(np.exp2(rng.uniform(-2, 2, num_frames))) / 30


def random_ethogram(rng, num_frames, variable, exclusive, **names) -> Ethogram:
    behaviors = EXCLUSIVE if exclusive else MIXED
    if exclusive:
        index = np.repeat(rng.integers(-1, 4, num_frames), rng.integers(1, 6, num_frames))[:num_frames]
        states = (index[:, None] == np.arange(3)).astype(np.int8)
        states[index == -1] = -1
    else:
        states = np.repeat(rng.integers(-1, 2, (num_frames, 3)), rng.integers(1, 6, num_frames), axis=0)[:num_frames]
    return Ethogram(behaviors, frame_times(rng, num_frames, variable), states.astype(np.int8), **names)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num_frames=st.integers(1, 60), variable=st.booleans(), exclusive=st.booleans())
def test_bouts_and_back_give_the_same_frames(seed, num_frames, variable, exclusive):
    rng = np.random.default_rng(seed)
    ethogram = random_ethogram(rng, num_frames, variable, exclusive, recording="r", subject="m1", target="m2")
    made = ethogram.to_annotations()
    again = to_ethogram(made, "r", ethogram.time_s, subject="m1", target="m2")
    np.testing.assert_array_equal(again.states, ethogram.states)
    assert (again.recording, again.subject, again.target) == ("r", "m1", "m2")
    # And bouts that came from frames come back as they are.
    assert again.to_annotations().equals(made)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num_frames=st.integers(1, 60), exclusive=st.booleans(), up=st.booleans())
def test_times_rounded_to_a_millisecond_give_the_same_frames(seed, num_frames, exclusive, up):
    rng = np.random.default_rng(seed)
    ethogram = random_ethogram(rng, num_frames, False, exclusive, recording="r")
    made = ethogram.to_annotations()
    around = np.ceil if up else np.floor

    def rounded(table):
        return table.assign(**{name: around(table[name] * 1000) / 1000 for name in ("start_s", "stop_s")})

    bouts, observed = rounded(made.bouts), rounded(made.observed)
    again = to_ethogram(Annotations.of(bouts, observed, made.behaviors), "r", ethogram.time_s)
    np.testing.assert_array_equal(again.states, ethogram.states)


def test_frames_of_variable_length():
    time_s = np.array([0.0, 1.0, 1.5, 4.0])
    np.testing.assert_array_equal(frame_edges(time_s), [0, 1, 1.5, 4, 5])  # the last one lasts as the median does
    np.testing.assert_allclose(frame_edges(time_s[:1]), [0, 1 / 30])
    on = cover(np.array([0.6]), np.array([2.7]), time_s, keep_short=False)
    assert on.tolist() == [False, True, False, False]
    on = cover(np.array([0.4]), np.array([2.8]), time_s, keep_short=False)
    assert on.tolist() == [True, True, True, False]


def test_a_bout_shorter_than_a_frame_takes_the_frame_in_which_it_begins():
    time_s = np.arange(5.0)
    for start_s, stop_s, frame in ((1.6, 1.9, 1), (1.9, 2.2, 1), (4.7, 4.8, 4), (-0.2, 0.1, 0)):
        on = cover(np.array([start_s]), np.array([stop_s]), time_s, keep_short=True)
        assert np.flatnonzero(on).tolist() == [frame]
    for start_s, stop_s in ((5.1, 5.2), (-0.4, 0.0)):
        assert not cover(np.array([start_s]), np.array([stop_s]), time_s, keep_short=True).any()
    assert not cover(np.array([1.6]), np.array([1.9]), time_s, keep_short=False).any()


def test_events_belong_to_the_frame_on_screen():
    time_s = np.arange(4) / 10
    at_s = np.array([-0.2, -0.01, 0.0, 0.05, 0.098, 0.1, 0.399, 0.41])
    assert point_frames(at_s, time_s).tolist() == [0, 0, 0, 1, 1, 3]
    # A long frame does not reach back over a short one before it.
    assert point_frames(np.array([0.0, 1.0, 1.05, 1.08]), np.array([0.0, 1.0, 1.1, 9.0])).tolist() == [0, 1, 1, 2]


def annotated(rows, observed, behaviors=MIXED) -> Annotations:
    bouts = [{"recording": "r", "behavior": b, "start_s": s, "stop_s": e, **dict(*more)} for b, s, e, *more in rows]
    seen = [{"recording": "r", "start_s": s, "stop_s": e, **dict(*more)} for s, e, *more in observed]
    return Annotations.of(bouts, seen, behaviors)


def column(ethogram: Ethogram, name: str) -> str:
    return "".join("?01"[state + 1] for state in ethogram.states[:, ethogram.behaviors.index(name)])


def test_unknown_is_never_absent():
    made = annotated([("walk", 1.0, 3.0), ("walk", 6.0, 8.0)], [(0.0, 5.0), (7.0, 9.0, {"behavior": "walk"})])
    ethogram = to_ethogram(made, "r", np.arange(10.0))
    assert column(ethogram, "walk") == "01100??10?"
    assert column(ethogram, "rest") == "00000?????"
    assert column(to_ethogram(made, "another", np.arange(3.0)), "walk") == "???"
    assert (ethogram.known == (ethogram.states >= 0)).all()


def test_subjects_are_observed_by_name_and_nobody_may_be_anybody():
    made = annotated(
        [
            ("walk", 1.0, 2.0, {"subject": "a"}),
            ("walk", 3.0, 4.0, {"subject": "b"}),
            ("rest", 2.0, 3.0),
        ],
        [(0.0, 5.0), (5.0, 6.0, {"subject": "a"})],
    )
    a, b = (to_ethogram(made, "r", np.arange(7.0), subject=name) for name in "ab")
    assert (column(a, "walk"), column(b, "walk")) == ("010000?", "00010??")
    assert (column(a, "rest"), column(b, "rest")) == ("00?000?", "00?00??")
    together = to_ethogram(made, "r", np.arange(7.0))
    assert (column(together, "walk"), column(together, "rest")) == ("01010??", "00100??")
    nobody = to_ethogram(made, "r", np.arange(7.0), subject="")
    assert (column(nobody, "walk"), column(nobody, "rest")) == ("00000??", "00100??")


def test_targets_can_be_told_apart():
    made = annotated([("walk", 0.0, 1.0, {"target": "a"}), ("walk", 2.0, 3.0, {"target": "b"})], [(0.0, 4.0)])
    assert column(to_ethogram(made, "r", np.arange(4.0)), "walk") == "1010"
    assert column(to_ethogram(made, "r", np.arange(4.0), target="b"), "walk") == "0010"


def test_exclusive_bouts_that_share_a_coarse_frame_do_not_contradict_each_other():
    made = annotated([("walk", 0.0, 3.2), ("rest", 3.2, 3.4), ("walk", 3.4, 6.0)], [(0.0, 8.0)], EXCLUSIVE)
    assert to_ethogram(made, "r", np.arange(8.0)).label_index().tolist() == [0, 0, 0, 2, 0, 0, 3, 3]
    # Of two brief bouts in one frame the longer one stays, and an event takes its frame.
    made = annotated([("rest", 3.0, 3.1), ("walk", 3.1, 3.4)], [(0.0, 5.0)], EXCLUSIVE)
    assert to_ethogram(made, "r", np.arange(5.0)).label_index().tolist() == [3, 3, 3, 0, 3]
    made = annotated([("walk", 0.0, 5.0), ("blink", 2.0, 2.0)], [(0.0, 5.0)], EXCLUSIVE)
    assert to_ethogram(made, "r", np.arange(5.0)).label_index().tolist() == [0, 0, 1, 0, 0]


def test_exclusive_bouts_that_overlap_contradict_each_other():
    made = annotated([("walk", 0.0, 4.0), ("rest", 2.0, 5.0)], [(0.0, 8.0)], EXCLUSIVE)
    with pytest.raises(AnnotationError, match=r"found walk and rest at 2\.000 s of 'r' \(2 such frames\): correct"):
        to_ethogram(made, "r", np.arange(8.0)).label_index()
    with pytest.raises(AnnotationError, match="expected an exclusive catalogue"):
        to_ethogram(annotated([], [(0.0, 1.0)]), "r", np.arange(3.0)).label_index()


def test_labels_of_an_exclusive_catalogue():
    states = np.array([[1, 0], [0, 1], [0, 0], [-1, -1], [1, -1], [0, -1]], np.int8)
    ethogram = Ethogram(Behaviors.of("ab", exclusive=True), np.arange(6.0), states)
    assert ethogram.label_index().tolist() == [0, 1, 2, -1, 0, -1]


def test_scores_become_those_of_bouts():
    scores = np.array([[0.5], [0.7], [0.2], [0.9]], np.float32)
    ethogram = Ethogram(Behaviors.of(["walk"]), np.arange(4.0), np.array([[1], [1], [0], [1]], np.int8), scores, "r")
    bouts = ethogram.to_bouts("model:p")
    np.testing.assert_allclose(bouts["score"], [0.6, 0.9], rtol=1e-6)
    assert bouts["source"].tolist() == ["model:p"] * 2
    assert ethogram.to_bouts()["source"].tolist() == ["manual:"] * 2
    assert replace(ethogram, source="model:q").to_annotations().bouts["source"].tolist() == ["model:q"] * 2
    assert bouts[["start_s", "stop_s"]].to_numpy().tolist() == [[0, 2], [3, 4]]
    again = scored(1 - scores, ethogram.states, ethogram)
    np.testing.assert_array_equal(again.scores, 1 - scores)


def test_an_ethogram_without_bouts_becomes_annotations():
    ethogram = Ethogram(MIXED, np.arange(3.0), np.zeros((3, 3), np.int8), recording="r")
    made = ethogram.to_annotations()
    assert len(made.bouts) == 0
    assert made.observed[["behavior", "start_s", "stop_s"]].to_numpy().tolist() == [["", 0, 3]]
    unknown = ethogram.with_states(np.full((3, 3), -1, np.int8)).to_annotations()
    assert len(unknown.observed) == 0


@pytest.mark.parametrize(
    ("time_s", "states", "message"),
    [
        ([0.0, 1.0], np.zeros((3, 3)), r"expected states of shape \(2, 3\)"),
        ([0.0, 1.0], np.full((2, 3), 2), "expected the states -1"),
        ([1.0, 1.0], np.zeros((2, 3)), "strictly increasing frame times"),
        ([0.0, np.nan], np.zeros((2, 3)), "strictly increasing frame times"),
        ([], np.zeros((0, 3)), "strictly increasing frame times"),
    ],
)
def test_ethograms_that_make_no_sense_are_refused(time_s, states, message):
    # The shapes are checked by type as well while tests run; what users get is the message.
    with pytest.raises(AnnotationError, match=message):
        Ethogram.__post_init__(_Raw(MIXED, np.array(time_s), states.astype(np.int8)))


class _Raw:
    def __init__(self, behaviors, time_s, states):
        self.behaviors, self.time_s, self.states, self.scores = behaviors, time_s, states, None


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.booleans(), max_size=40))
def test_runs_are_the_maximal_ones(values):
    found = runs(np.array(values, bool))
    again = np.zeros(len(values), bool)
    for first, stop in found:
        again[first:stop] = True
    assert again.tolist() == values
    assert all(second[0] > first[1] for first, second in itertools.pairwise(found))


def test_observed_per_behavior_survives():
    states = np.array([[1, -1, 0], [0, 0, 0], [0, 0, -1]], np.int8)
    observed = Ethogram(MIXED, np.arange(3.0), states, recording="r").to_observed()
    assert isinstance(observed, pd.DataFrame)
    assert observed[["behavior", "start_s", "stop_s"]].to_numpy().tolist() == [
        ["walk", 0, 3],
        ["blink", 1, 3],
        ["rest", 0, 2],
    ]
