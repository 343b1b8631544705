"""Times, frames and rates in words and back; which frame is due."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari_vp_science.video.playback import Playback, frame_at
from napari_vp_science.video.times import parse_place, rate_text, time_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00:00.000"),
        (49.36, "0:00:49.360"),
        (3723.5, "1:02:03.500"),
        (59.9996, "0:01:00.000"),
        (-1.5, "-0:00:01.500"),
    ],
)
def test_time_text(seconds, text):
    assert time_text(seconds) == text


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ("90", ("time", 90)),
        (" 1:30 ", ("time", 90)),
        ("1:02:03.5", ("time", 3723.5)),
        ("0.25", ("time", 0.25)),
        ("#1234", ("frame", 1234)),
        ("# 7", ("frame", 7)),
        ("600", ("time", 600)),
    ],
)
def test_places_that_people_type(typed, place):
    assert parse_place(typed) == place


@pytest.mark.parametrize("typed", ["", "abc", "#", "#1.5", "1:75", "1:99:00", "-5", "1:2:3:4", "1e9", "nan"])
def test_what_is_no_place_is_said_so(typed):
    with pytest.raises(ValueError, match="expected a time"):
        parse_place(typed)


@given(st.integers(0, 10**9))
def test_a_time_that_is_shown_can_be_typed(milli):
    kind, seconds = parse_place(time_text(milli / 1000))
    assert (kind, round(seconds * 1000)) == ("time", milli)


@pytest.mark.parametrize(
    ("times", "text"),
    [
        (np.arange(100) / 25, "25 fps"),
        (np.round(np.arange(300) / 29.97, 3), "29.97 fps"),
        (np.arange(500) / 250, "250 fps"),
        (np.cumsum(np.tile([1 / 30, 1 / 18], 50)), "variable rate, 18-30 fps"),
        (np.concatenate([np.arange(50), np.arange(60, 110)]) / 25, "25 fps, with gaps"),
        (np.zeros(1), ""),
    ],
)
def test_rate_text(times, text):
    assert rate_text(times) == text


@given(st.lists(st.floats(0.001, 5), min_size=1, max_size=30), st.floats(-1, 200))
def test_the_frame_at_a_time_is_the_last_one_whose_time_has_come(steps, time_s):
    times = np.cumsum([0.0, *steps])
    frame = frame_at(times, time_s)
    assert times[frame] <= time_s + 1e-9 or frame == 0
    assert frame == len(times) - 1 or times[frame + 1] > time_s


def test_playing_follows_the_clock_on_uneven_times():
    times = np.array([0.0, 0.1, 0.5, 0.6, 2.0])
    playback = Playback(times, from_s=0.1, begun_s=1000.0, speed=2.0)
    assert [playback.frame(1000 + passed) for passed in (0, 0.19, 0.21, 0.26, 0.94, 0.96)] == [1, 1, 2, 3, 3, 4]
    assert playback.wait_s(3) == pytest.approx(0.7)
    assert playback.wait_s(4) == 0
    assert not playback.ended(1000.96)
    assert playback.ended(1001.2)
    assert playback.stride(1.0) == 4
    assert playback.stride(0.01) == 1
