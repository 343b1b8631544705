"""Every moment belongs to one point."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vp_science.maps.spans import owned_spans


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 400), st.integers(1, 60)), min_size=1, max_size=40, unique=True
    )
)
def test_owned_spans_do_not_overlap_and_cover_what_the_points_cover(rows):
    recording = np.array([row[0] for row in rows], np.int32)
    start = np.array([row[1] for row in rows], np.float64)
    stop = start + [row[2] for row in rows]
    owned_start, owned_stop = owned_spans(recording, start, stop)
    middle = (start + stop) / 2
    assert ((owned_start <= middle) & (middle <= owned_stop)).all()
    assert ((owned_start >= start) & (owned_stop <= stop)).all()
    for number in np.unique(recording):
        mine = np.flatnonzero(recording == number)
        order = mine[np.lexsort((owned_stop[mine], owned_start[mine]))]
        assert (owned_stop[order][:-1] <= owned_start[order][1:] + 1e-9).all()


def test_overlapping_windows_own_their_central_part():
    start, stop = owned_spans(np.zeros(3, np.int32), np.array([0.0, 4, 8]), np.array([16.0, 20, 24]))
    assert start.tolist() == [0, 10, 14]
    assert stop.tolist() == [10, 14, 24]


def test_points_that_do_not_overlap_own_all_of_their_time():
    start, stop = owned_spans(np.array([1, 0, 0], np.int32), np.array([0.0, 5, 1]), np.array([9.0, 8, 3]))
    assert start.tolist() == [0, 5, 1]
    assert stop.tolist() == [9, 8, 3]
