"""Ground truth: fair draws that stay, kept apart from training, and intervals that hold what they promise."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probe_study import make_study, write_track
from review_predictions import make_book, predict

from vp_science.errors import SettingsError
from vp_science.sessions.accuracy import measure_accuracy
from vp_science.sessions.cluster_interval import share_of_counts, share_of_sums, wilson
from vp_science.sessions.ground_truth import (
    GROUND_TRUTH,
    GroundTruth,
    Segment,
    draw_segments,
    free_time,
    ground_truth_spans,
    read_ground_truth,
    recording_spans,
)
from vp_science.sessions.session import open_session


@st.composite
def free_times(draw):
    free = {}
    for name in "abc"[: draw(st.integers(1, 3))]:
        borders = sorted(draw(st.lists(st.integers(0, 400), min_size=2, max_size=8, unique=True)))
        free[name] = np.array(borders[: len(borders) // 2 * 2], np.float64).reshape(-1, 2)
    return free


@given(free_times(), st.integers(1, 12), st.sampled_from([3, 10, 60.5]), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_segments_lie_in_free_time_and_never_overlap(free, number, segment_s, seed):
    try:
        drawn = draw_segments(free, number, segment_s, np.random.default_rng(seed))
    except SettingsError as error:
        assert "expected room for" in str(error)  # noqa: PT017
        return
    assert len(drawn) == number
    for one in drawn:
        assert one.stop_s - one.start_s <= segment_s + 1e-9
        inside = [(a, b) for a, b in free[one.recording].tolist() if a - 1e-9 <= one.start_s and one.stop_s <= b + 1e-9]
        assert inside
    for name in free:
        spans = sorted((one.start_s, one.stop_s) for one in drawn if one.recording == name)
        assert all(b <= c + 1e-9 for (_, b), (c, _) in pairwise(spans))


def test_every_moment_is_equally_likely_and_recordings_give_their_share():
    free = {"long": np.array([[0.0, 900.0]]), "short": np.array([[0.0, 60.0], [100.0, 145.0]])}
    hits = {"long": np.zeros(900), "short": np.zeros(145)}
    for seed in range(1500):
        for one in draw_segments(free, 5, 10, np.random.default_rng(seed)):
            hits[one.recording][round(one.start_s) : round(one.stop_s)] += 1
    inner = hits["long"][20:880]
    assert inner.std() / inner.mean() < 0.2
    assert hits["short"][10:50].mean() / inner.mean() == pytest.approx(1, abs=0.15)
    assert hits["short"][60:100].sum() == 0


def test_time_that_anybody_scored_is_never_drawn():
    book = make_book()
    book.add("a", "groom", 10, 20)
    book.observe("a", 50, 60, subject="m1")
    truth = GroundTruth(0, 10.0, (Segment("a", 80.0, 90.0),))
    free = free_time(book, {"a": (0.0, 100.0), "b": (5.0, 8.0)}, truth)
    assert free["a"].tolist() == [[0, 10], [20, 50], [60, 80], [90, 100]]
    assert free["b"].tolist() == [[5, 8]]
    book.observe("a", 0, 100)
    book.observe("b", 0, 100)
    with pytest.raises(
        SettingsError, match=r"expected room for 3 segments of 10 s in time that nobody scored, found ro"
    ):
        truth.extended(free_time(book, {"a": (0.0, 100.0), "b": (5.0, 8.0)}, truth), 3)


def test_the_drawn_set_stays_with_the_session_and_cannot_be_picked(tmp_path):
    free = {"a": np.array([[0.0, 300.0]])}
    first = GroundTruth(7, 10.0).extended(free, 5)
    assert first == GroundTruth(7, 10.0).extended(free, 5)
    second = first.extended(free_time(make_book(), {"a": (0.0, 300.0)}, first), 5)
    assert second.segments[:5] == first.segments
    assert len(set(second.segments)) == 10
    session = open_session(tmp_path / "s", tmp_path / "places.json")
    assert read_ground_truth(session) is None
    assert ground_truth_spans(session) == []
    session.settings[GROUND_TRUTH] = second.to_json()
    session.close()
    session = open_session(tmp_path / "s", tmp_path / "places.json")
    assert read_ground_truth(session) == second
    assert len(ground_truth_spans(session)) == 10
    assert second.give_up(8, 5).given_up == 10
    for damage in ({"segments": [["a", 5, 1]]}, {"seed": True}, {"segment_s": 0}, {"draws": None}):
        session.settings[GROUND_TRUTH] = second.to_json() | damage
        with pytest.raises(SettingsError, match="expected the ground truth of a session, found something else"):
            ground_truth_spans(session)
    session.close()


def test_recordings_last_as_long_as_their_tracks(tmp_path):
    tracks, _ = make_study(2, 100)
    paths = {track.recording_id: write_track(track, tmp_path) for track in tracks}
    assert recording_spans(paths) == {"rec0": (0.0, pytest.approx(4.0)), "rec1": (0.0, pytest.approx(4.16))}


def test_a_segment_is_scored_when_all_behaviors_were_looked_for():
    book, one = make_book(), Segment("a", 10.0, 20.0)
    assert not one.is_scored(book, ["groom", "walk"])
    book.observe("a", 5, 20, behavior="groom")
    assert one.is_scored(book, ["groom"])
    assert not one.is_scored(book, ["groom", "walk"])
    book.observe("a", 9, 15, behavior="walk")
    assert not one.is_scored(book, ["groom", "walk"])
    book.observe("a", 15, 20)
    assert one.is_scored(book, ["groom", "walk"])
    assert one.is_scored(book, ["walk"], subject="m1")  # everybody was looked at
    other = make_book()
    other.observe("a", 0, 50, subject="m1")
    assert one.is_scored(other, ["walk"], subject="m1")
    assert not one.is_scored(other, ["walk"], subject="m2")


def labelled(*, exclusive=False):
    book = make_book(exclusive=exclusive)
    for start in (0, 20, 40, 60):
        book.observe("a", start, start + 10)
    book.add("a", "groom", 2, 8)
    book.add("a", "walk", 22, 26)
    return book, [Segment("a", float(start), start + 10.0) for start in (0, 20, 40, 60, 80)]


@pytest.mark.parametrize("exclusive", [False, True])
def test_accuracy_counts_frames_and_bouts_in_scored_segments_only(exclusive):
    book, segments = labelled(exclusive=exclusive)
    said = predict([("groom", 3, 8, 0.9), ("groom", 43, 44, 0.6), ("walk", 80, 90, 0.9)])
    found = measure_accuracy(book, {"a": said}, segments)
    groom, walk = found.behaviors
    assert (found.segments, found.seconds) == (4, 40)
    assert groom.precision.value == pytest.approx(50 / 60)
    assert groom.recall.value == pytest.approx(50 / 60)
    assert groom.f1.value == pytest.approx(100 / 120)
    assert (groom.bouts_right.value, groom.bouts_right.segments) == (0.5, 2)
    assert groom.bouts_found.value == 1
    assert groom.seconds == pytest.approx(6)
    assert np.isnan(walk.precision.value)
    assert walk.recall.value == 0
    wrong = 10 + 10 + 40
    assert found.accuracy.value == pytest.approx(1 - wrong / (400 if exclusive else 800))
    assert found.probes == ("p",)


def test_frames_that_were_not_predicted_do_not_count_and_missing_predictions_are_named():
    book, segments = labelled()
    said = predict([("groom", 2, 8, 0.9)])
    said.states[200:300] = -1
    found = measure_accuracy(book, {"a": said}, segments)
    assert np.isnan(found.behaviors[1].recall.value)
    assert found.accuracy.value == 1
    assert measure_accuracy(book, {"b": predict([], recording="b")}, segments).missing == ("a",)
    assert np.isnan(measure_accuracy(book, {"b": predict([], recording="b")}, segments).accuracy.value)


def chain(rng, length, share, mean):
    """Frames of a behavior that takes this share of the time, in bouts of this mean length."""
    leave, enter = 1 / mean, share / mean / (1 - share)
    on, out = rng.random() < share, np.empty(length, bool)
    for i, luck in enumerate(rng.random(length)):
        out[i] = on
        on = luck >= leave if on else luck < enter
    return out


@pytest.mark.parametrize(("share", "errors"), [(0.2, 0.05), (0.5, 0.02), (0.1, 0.2)])
@pytest.mark.parametrize("number", [8, 30])
def test_intervals_hold_the_truth_although_frames_of_a_segment_are_alike(share, errors, number):
    rng = np.random.default_rng(0)
    truth = chain(rng, 60_000, share, 40)
    found = truth ^ chain(rng, 60_000, errors, 25)
    hit, either = (
        (truth & found).reshape(-1, 100).sum(1),
        (2 * (truth & found) + (truth ^ found)).reshape(-1, 100).sum(1),
    )
    right = (truth == found).reshape(-1, 100).sum(1)
    for part, whole in ((right, np.full(600, 100)), (2 * hit, either)):
        exact, inside = part.sum() / whole.sum(), []
        for _ in range(300):
            rows = rng.choice(600, number, replace=False)
            one = share_of_sums(part[rows].astype(float), whole[rows].astype(float))
            if one.segments:
                inside.append(one.low <= exact <= one.high)
        assert np.mean(inside) >= (0.85 if number < 10 else 0.9)  # 95 %, less the luck of draws and few segments


def test_intervals_of_segments_that_all_agree_do_not_collapse():
    one = share_of_sums(np.full(10, 300.0), np.full(10, 300.0))
    assert one.value == 1
    assert one.low == pytest.approx(wilson(1, 10)[0])
    assert one.low == pytest.approx(0.722, abs=1e-3)
    nothing = share_of_sums(np.zeros(3), np.zeros(3))
    assert np.isnan(nothing.value)
    assert nothing.segments == 0
    assert np.isnan(share_of_counts(0, 0).low)
    # Wilson's interval for 8 of 10, as in Brown, Cai and DasGupta (2001) and every table of it.
    assert wilson(0.8, 10) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))


def test_more_segments_bring_the_interval_to_five_points():
    rng = np.random.default_rng(1)
    right = rng.binomial(20, 0.85, 4000) * 5.0
    few = share_of_sums(right[:15], np.full(15, 100.0))
    more = few.more_segments()
    assert more is not None
    half = [
        (one.high - one.low) / 2
        for one in (
            share_of_sums(right[first : first + 15 + more], np.full(15 + more, 100.0)) for first in range(0, 3000, 150)
        )
    ]
    assert np.median(half) < 0.07
    assert few.more_segments(0.5) == 0
    assert share_of_sums(np.ones(1), np.ones(1)).more_segments() is None
