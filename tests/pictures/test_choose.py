"""Which points stand for a cluster."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.errors import SettingsError
from vp_science.montage import choose_moments


@st.composite
def points(draw):
    number = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    start = rng.uniform(0, 60, number)
    return rng.normal(size=(number, 2)).astype(np.float32), rng.integers(0, 4, number), start, start + 0.5


@given(points(), st.integers(1, 15), st.floats(0, 10))
@settings(max_examples=80, deadline=None)
def test_the_choice(cloud, count, apart_s):
    """The medoid first; no point twice; apart in time; recordings share as evenly as they can."""
    place, recording, start, stop = cloud
    medoid = len(place) // 2
    chosen = choose_moments(place, recording, start, stop, medoid=medoid, count=count, apart_s=apart_s)
    assert chosen[0] == medoid
    assert len(set(chosen.tolist())) == len(chosen) <= count
    for a, b in combinations(chosen, 2):
        assert recording[a] != recording[b] or abs(start[a] - start[b]) >= apart_s
    np.testing.assert_array_equal(
        chosen, choose_moments(place, recording, start, stop, medoid=medoid, count=count, apart_s=apart_s)
    )


@given(points(), st.integers(2, 15))
@settings(max_examples=60, deadline=None)
def test_recordings_share_as_evenly_as_they_can(cloud, count):
    place, recording, start, stop = cloud
    chosen = choose_moments(place, recording, start, stop, count=count, apart_s=0)
    middle = np.linalg.norm(place - place[chosen[0]].astype(float), axis=1)
    usable = np.flatnonzero((middle <= np.quantile(middle, 0.9)) | (np.arange(len(place)) == chosen[0]))
    taken = {name: int((recording[chosen] == name).sum()) for name in set(recording[usable].tolist())}
    for name, number in taken.items():
        spare = int((recording[usable] == name).sum()) - number
        assert spare == 0 or number >= max(taken.values()) - 1
    assert len(chosen) == min(count, len(usable))


def test_only_members_and_varied_ones():
    """Two groups of members far from each other, and others that are no members."""
    place = np.concatenate([np.zeros((10, 2)), np.full((10, 2), 5.0), np.full((10, 2), 99.0)])
    place += np.random.default_rng(0).normal(size=place.shape) * 0.1
    time = np.arange(30) * 10.0
    chosen = choose_moments(place, np.zeros(30, int), time, time + 1, members=np.arange(20), medoid=3, count=2)
    assert chosen[0] == 3
    assert 10 <= chosen[1] < 20


def test_the_rim_is_left_out():
    place = np.zeros((40, 2))
    place[1:, 0] = np.linspace(0.01, 1, 39)
    place[39] = 50
    time = np.arange(40) * 10.0
    chosen = choose_moments(place, np.zeros(40, int), time, time + 1, medoid=0, count=12)
    assert 39 not in chosen
    assert place[chosen, 0].max() > 0.8


def test_errors():
    place, time = np.zeros((3, 2)), np.arange(3.0)
    with pytest.raises(SettingsError, match="expected members of a cluster and a count from 1 on, found 0 and 5"):
        choose_moments(place, np.zeros(3, int), time, time, members=np.zeros(0, int), count=5)
    with pytest.raises(SettingsError, match="found 3 and 0"):
        choose_moments(place, np.zeros(3, int), time, time, count=0)
    with pytest.raises(SettingsError, match="expected the medoid to be a member of its cluster, found point 2"):
        choose_moments(place, np.zeros(3, int), time, time, members=np.array([0, 1]), medoid=2)
