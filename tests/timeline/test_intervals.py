import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import BOUT_COLUMNS, Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.clashes import overlaps
from vp_science.timeline.intervals import (
    as_union,
    covers,
    drop_short,
    intersect,
    intersect_intervals,
    merge_close,
    subtract,
    subtract_intervals,
    total_s,
    union,
)

interval_lists = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=8
).map(lambda pairs: np.array(pairs, np.float64).reshape(-1, 2))


def painted(intervals) -> np.ndarray:
    """Which of the unit steps from 0 to 40 are covered."""
    middle = np.arange(40) + 0.5
    on = np.zeros(40, bool)
    for start, stop in intervals:
        on |= (middle > start) & (middle < stop)
    return on


@settings(max_examples=80, deadline=None)
@given(first=interval_lists, second=interval_lists)
def test_algebra_of_intervals_is_that_of_the_time_they_cover(first, second):
    one, other = painted(first), painted(second)
    for found, expected in (
        (as_union(first), one),
        (as_union(np.concatenate([first, second])), one | other),
        (intersect_intervals(first, second), one & other),
        (subtract_intervals(first, second), one & ~other),
    ):
        np.testing.assert_array_equal(painted(found), expected)
        assert (found[:, 1] > found[:, 0]).all()
        assert (found[1:, 0] > found[:-1, 1]).all()
        assert total_s(found) == expected.sum()
    np.testing.assert_array_equal(covers(first, np.arange(40) + 0.5), one)


@settings(max_examples=50, deadline=None)
@given(intervals=interval_lists, gap_s=st.integers(0, 5))
def test_close_intervals_are_joined_and_distant_ones_are_not(intervals, gap_s):
    joined = as_union(intervals, gap_s)
    assert (joined[1:, 0] - joined[:-1, 1] > gap_s).all()
    filled = painted(joined) & ~painted(intervals)
    gaps = np.flatnonzero(np.diff(np.concatenate([[0], filled, [0]])))
    assert (np.diff(gaps)[::2] <= gap_s).all()
    np.testing.assert_array_equal(as_union(joined, gap_s), joined)


def bouts(*rows, **shared) -> pd.DataFrame:
    names = ("behavior", "start_s", "stop_s")
    table = [
        {"recording": "r", **dict(zip(names, row[:3], strict=True)), **(row[3] if len(row) > 3 else {})} for row in rows
    ]
    points = {row["behavior"] for row in table if row["start_s"] == row["stop_s"]}
    catalogue = Behaviors.of(
        [Behavior(n, "point" if n in points else "state") for n in sorted({r["behavior"] for r in table})]
    )
    return Annotations.of(pd.DataFrame(table).assign(**shared), behaviors=catalogue).bouts


def times(table: pd.DataFrame) -> list[tuple]:
    return list(table[["behavior", "start_s", "stop_s"]].itertuples(index=False, name=None))


def test_merging_joins_what_is_close_and_the_same():
    table = bouts(
        ("walk", 0.0, 1.0, {"score": 0.5, "comment": "slow", "source": "manual:ann"}),
        ("walk", 1.2, 4.2, {"score": 0.9, "comment": "fast", "source": "manual:ben"}),
        ("walk", 4.3, 5.0, {"comment": "slow", "source": "manual:ann"}),
        ("walk", 6.0, 7.0, {"comment": "alone", "score": 0.1}),
        ("rest", 0.5, 1.1),
        ("walk", 1.1, 1.15, {"subject": "other mouse"}),
        ("blink", 1.1, 1.1),
        ("blink", 1.1, 1.1),
    )
    merged = merge_close(table, 0.25)
    assert times(merged) == [
        ("walk", 0, 5),
        ("rest", 0.5, 1.1),
        ("blink", 1.1, 1.1),
        ("blink", 1.1, 1.1),
        ("walk", 1.1, 1.15),
        ("walk", 6, 7),
    ]
    assert list(merged.columns) == list(BOUT_COLUMNS)
    first = merged.iloc[0]
    assert first["score"] == pytest.approx((0.5 * 1 + 0.9 * 3) / 4)
    assert (first["comment"], first["source"]) == ("slow; fast", "manual:ann+ben")
    assert merged.iloc[-1]["comment"] == "alone"
    assert times(table)[0] == ("walk", 0, 1)  # the input is as it was
    Annotations.of(merged)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["manual:ann", "manual:ann"], "manual:ann"),
        (["manual:", "manual:ann"], "manual:ann"),
        (["manual:ann", "model:p-1"], "curated:ann+p-1"),
        (["model:p-1", "model:p-2"], "model:p-1+p-2"),
    ],
)
def test_the_source_of_a_joined_bout(sources, expected):
    table = bouts(*(("walk", float(index), index + 1.0, {"source": name}) for index, name in enumerate(sources)))
    assert merge_close(table, 0)["source"].tolist() == [expected]


def test_short_bouts_are_dropped_and_events_stay():
    table = bouts(("walk", 0.0, 0.5), ("walk", 1.0, 1.3), ("blink", 2.0, 2.0))
    assert times(drop_short(table, 0.5)) == [("walk", 0, 0.5), ("blink", 2, 2)]
    assert len(drop_short(bouts(("walk", 0.1, 0.4)), 0.3)) == 1  # 0.4 - 0.1 is a little less than 0.3


def test_union_intersection_and_difference_of_tables():
    first = bouts(("walk", 0.0, 4.0, {"score": 0.7, "source": "model:p"}), ("rest", 4.0, 6.0), ("blink", 1.0, 1.0))
    second = bouts(("walk", 1.0, 2.0), ("walk", 3.0, 5.0), ("blink", 1.0, 1.0), ("blink", 3.0, 3.0))
    both = union(first, second)
    assert times(both) == [("walk", 0, 5), ("blink", 1, 1), ("blink", 3, 3), ("rest", 4, 6)]
    assert both.iloc[0]["source"] == "curated:p"
    common = intersect(first, second)
    assert times(common) == [("blink", 1, 1), ("walk", 1, 2), ("walk", 3, 4)]
    assert common["source"].tolist() == ["manual:", "model:p", "model:p"]
    assert common["score"].tolist()[1:] == [0.7, 0.7]
    rest = subtract(first, second)
    assert times(rest) == [("walk", 0, 1), ("walk", 2, 3), ("rest", 4, 6)]


def test_behaviors_during_others():
    table = bouts(("walk", 0.0, 4.0), ("blink", 1.0, 1.0), ("blink", 5.0, 5.0), ("sniff", 3.0, 6.0))
    walking = table[table["behavior"] == "walk"]
    others = table[table["behavior"] != "walk"]
    by = ("recording", "subject")
    assert times(intersect(others, walking, by)) == [("blink", 1, 1), ("sniff", 3, 4)]
    assert times(subtract(others, walking, by)) == [("sniff", 4, 6), ("blink", 5, 5)]
    elsewhere = walking.assign(recording="another")
    assert len(intersect(others, elsewhere, by)) == 0
    assert times(subtract(others, elsewhere, by)) == times(others)


def test_empty_tables_stay_tables():
    table = bouts(("walk", 0.0, 4.0))
    nothing = table.iloc[:0]
    for found in (merge_close(nothing, 1), drop_short(table, 9), intersect(table, nothing), subtract(nothing, table)):
        assert len(found) == 0
        assert list(found.columns) == list(BOUT_COLUMNS)
        Annotations.of(found)
    assert times(union(nothing, table)) == times(subtract(table, nothing)) == times(table)


def test_wrong_arguments_of_interval_algebra():
    table = bouts(("walk", 0.0, 4.0))
    with pytest.raises(AnnotationError, match="found none called 'score': make it with"):
        merge_close(table.drop(columns="score"), 1)
    with pytest.raises(AnnotationError, match="expected gap_s to be a duration"):
        merge_close(table, -1)
    with pytest.raises(AnnotationError, match="expected min_s to be a duration"):
        drop_short(table, float("nan"))
    for by in ((), ("score",)):
        with pytest.raises(AnnotationError, match="expected bouts to be compared by some of recording"):
            intersect(table, table, by)


def clash_pairs(table, exclusive):
    catalogue = Behaviors.of(
        [Behavior(n, k) for n, k in dict(zip(table["behavior"], table["kind"], strict=True)).items()],
        exclusive=exclusive,
    )
    found = overlaps(Annotations.of(table, behaviors=catalogue))
    return list(found[["behavior", "other", "start_s", "stop_s"]].itertuples(index=False, name=None))


def test_bouts_that_contradict_each_other():
    table = bouts(
        ("walk", 0.0, 9.0),
        ("rest", 2.0, 3.0),
        ("walk", 4.0, 5.0),
        ("rest", 9.0, 10.0),
        ("rest", 9.999, 12.0),  # rounded
        ("blink", 6.0, 6.0),
        ("blink", 9.0, 9.0),  # where one ends and the next begins
        ("walk", 0.0, 9.0, {"subject": "another"}),
        ("rest", 1.0, 9.0, {"source": "manual:second opinion"}),
    )
    assert clash_pairs(table, exclusive=False) == [("walk", "walk", 4, 5)]
    assert clash_pairs(table, exclusive=True) == [
        ("walk", "rest", 2, 3),
        ("walk", "walk", 4, 5),
        ("walk", "blink", 6, 6),
    ]


def test_events_that_are_marked_twice_and_targets_that_differ():
    table = bouts(
        ("blink", 1.0, 1.0),
        ("blink", 1.0, 1.0),
        ("tap", 2.0, 2.0, {"modifiers": "left"}),
        ("tap", 2.0, 2.0, {"modifiers": "right"}),
        ("follow", 3.0, 5.0, {"target": "b"}),
        ("follow", 4.0, 6.0, {"target": "c"}),
    )
    assert clash_pairs(table, exclusive=False) == [("blink", "blink", 1, 1)]
    assert clash_pairs(table.iloc[2:], exclusive=False) == []


def test_no_clashes_is_an_empty_table():
    assert clash_pairs(bouts(("walk", 0.0, 1.0), ("rest", 1.0, 2.0)), exclusive=True) == []


@settings(max_examples=25, deadline=None)
@given(intervals=interval_lists)
def test_every_overlapping_pair_is_found(intervals):
    intervals = intervals[intervals[:, 1] > intervals[:, 0]]
    table = bouts(*(("walk", start, stop) for start, stop in intervals.tolist())) if len(intervals) else None
    if table is not None:
        number = sum(min(a[1], b[1]) > max(a[0], b[0]) for index, a in enumerate(intervals) for b in intervals[:index])
        assert len(clash_pairs(table, exclusive=False)) == number
