"""Chosen moments: joined, said in words, and labelled at once."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vp_science.errors import AnnotationError
from vp_science.sessions import (
    Behavior,
    LabelBook,
    duration_text,
    frame_edges,
    label_moments,
    merge_moments,
    moments_text,
)
from vp_science.timeline.behaviors import Behaviors

TENTHS = st.integers(0, 400).map(lambda n: n / 10)
MOMENTS = st.lists(
    st.tuples(st.sampled_from("ab"), TENTHS, st.integers(1, 60).map(lambda n: n / 10)).map(
        lambda m: (m[0], m[1], m[1] + m[2])
    ),
    max_size=12,
)


def book(*names, exclusive=False):
    made = LabelBook()
    made.set_behaviors(Behaviors.of(names or ("groom", "walk"), exclusive=exclusive))
    return made


def covered(moments, recording, step=0.05):
    """Which instants lie in moments, one by one."""
    at = np.arange(0, 60, step) + step / 2
    return np.array([any(r == recording and a <= t < b for r, a, b in moments) for t in at])


@given(MOMENTS)
def test_merging_keeps_the_time_and_leaves_gaps_between(moments):
    merged = merge_moments(moments)
    for recording in "ab":
        np.testing.assert_array_equal(covered(merged, recording), covered(moments, recording))
        own = [(a, b) for r, a, b in merged if r == recording]
        assert all(later[0] > earlier[1] for earlier, later in pairwise(own))


def test_words():
    moments = [("a", 0.0, 60.0), ("a", 70.0, 130.0), ("b", 0.0, 10.0)]
    assert moments_text(moments) == "3 moments in 2 recordings, 2 min 10 s"
    assert moments_text([("a", 0.0, 0.5)]) == "1 moment in 1 recording, 0.5 s"
    assert moments_text([]) == "nothing chosen"
    assert [duration_text(s) for s in (0.44, 9.96, 59.6, 60, 3599.6, 3661, 7200)] == [
        "0.4 s", "10 s", "1 min", "1 min", "1 h", "1 h 1 min", "2 h",
    ]  # fmt: skip


@given(MOMENTS, MOMENTS, st.booleans())
def test_labelling_is_one_step_and_bouts_of_it_become_one_with_what_was_there(before, chosen, exclusive):
    labels = book(exclusive=exclusive)
    for recording, start, stop in merge_moments(before):
        labels.add(recording, "groom", start, stop)
    state = labels.bouts()
    numbers = label_moments(labels, chosen, "groom", source="manual:me")
    for recording in "ab":
        bouts = [("a" if b.recording == "a" else "b", b.start_s, b.stop_s) for b in labels.bouts()]
        np.testing.assert_array_equal(covered(bouts, recording), covered([*before, *chosen], recording))
    assert all(number in labels for number in numbers)
    own = sorted((b.recording, b.start_s, b.stop_s) for b in labels.bouts())
    assert all(x[0] != y[0] or x[2] < y[1] for x, y in pairwise(own))
    if chosen:
        assert labels.undo_name == f"label {len(merge_moments(chosen)):,} moment" + (
            "s groom" if len(merge_moments(chosen)) != 1 else " groom"
        )
        labels.undo()
    assert labels.bouts() == state


def test_labelled_time_counts_as_scored_and_others_give_way_where_they_must():
    labels = book(exclusive=True)
    labels.add("a", "walk", 0.0, 10.0)
    label_moments(labels, [("a", 4.0, 5.0), ("b", 1.0, 2.0)], "groom", source="manual:me")
    assert [(b.behavior, b.start_s, b.stop_s) for b in labels.bouts("a")] == [
        ("walk", 0.0, 4.0), ("groom", 4.0, 5.0), ("walk", 5.0, 10.0),
    ]  # fmt: skip
    assert [(o.start_s, o.stop_s, o.behavior) for o in labels.observed("b")] == [(1.0, 2.0, "")]
    assert {b.source for b in labels.bouts("b")} == {"manual:me"}


def test_borders_snap_to_frames_where_they_are_known():
    labels = book()
    time_s = np.array([0.0, 0.1, 0.25, 0.3, 0.6])
    label_moments(labels, [("a", 0.14, 0.28), ("b", 0.14, 0.28)], "groom", edges={"a": frame_edges(time_s)})
    assert [(b.start_s, b.stop_s) for b in labels.bouts("a")] == [(0.1, 0.3)]
    assert [(b.start_s, b.stop_s) for b in labels.bouts("b")] == [(0.14, 0.28)]


@given(st.lists(st.floats(0.001, 2), min_size=2, max_size=20), st.floats(0, 30), st.floats(1e-5, 10))
def test_snapped_bouts_lie_on_frame_borders_and_last_a_frame(gaps, start, length):
    time_s = np.cumsum(gaps)
    edges = frame_edges(time_s)
    labels = book()
    label_moments(labels, [("a", start, start + length)], "groom", edges={"a": edges})
    [bout] = labels.bouts()
    assert bout.start_s in edges
    assert bout.stop_s in edges
    assert bout.start_s < bout.stop_s


def test_moments_of_a_point_behavior_become_events():
    labels = book(Behavior("peck", kind="point"))
    edges = frame_edges(np.arange(100) / 10)
    label_moments(labels, [("a", 1.0, 2.07), ("b", 3.0, 4.0)], "peck", edges={"a": edges})
    assert [(b.recording, b.start_s, b.stop_s) for b in labels.bouts()] == [("a", 1.5, 1.5), ("b", 3.5, 3.5)]


def test_what_cannot_be_labelled_is_refused_and_changes_nothing():
    labels = book()
    with pytest.raises(AnnotationError, match=r"one of the behaviors groom, walk, found 'run'"):
        label_moments(labels, [("a", 0.0, 1.0)], "run")
    with pytest.raises(AnnotationError, match=r"expected moments that last, found 2.000 to 2.000 s of 'a'"):
        label_moments(labels, [("a", 0.0, 1.0), ("a", 2.0, 2.0)], "groom")
    assert not labels.bouts()
