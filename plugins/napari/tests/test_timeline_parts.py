"""The pure parts of the timeline: axis, frames, rows, columns, drags."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari_vp_science.state import Prediction
from napari_vp_science.timeline.axis import TimeAxis, clock, finer_step, tick_step, ticks
from napari_vp_science.timeline.columns import ScoreColumns, coverage, majority
from napari_vp_science.timeline.dragging import created, giving_way, moved, resized
from napari_vp_science.timeline.frames import Frames
from napari_vp_science.timeline.raster import bouts_line, picture, premultiplied, scores_picture
from napari_vp_science.timeline.rows import Row, lay_out, subjects_shown
from napari_vp_science.timeline.scored import ScoredTime
from qtpy.QtGui import QColor

import vp_science as vp

relaxed = settings(deadline=None, max_examples=50)
seconds = st.floats(-1e4, 1e6)


@st.composite
def axes(draw):
    first, length = draw(seconds), draw(st.floats(0.1, 1e5))
    axis = TimeAxis.whole(first, first + length, draw(st.integers(0, 200)), draw(st.integers(50, 4000)), 0.01)
    at = first + draw(st.floats(0, 1)) * length
    return axis.zoomed(draw(st.floats(1.0, 1e3)), at)


# ---- axis


@relaxed
@given(axes(), st.floats(0, 1))
def test_a_time_and_its_pixel_are_the_same_place(axis, share):
    time_s = axis.start_s + share * axis.length_s
    assert axis.time(axis.x(time_s)) == pytest.approx(time_s, abs=1e-6 * axis.length_s + 1e-9)
    assert axis.left - 1e-3 <= axis.x(time_s) <= axis.left + axis.width + 1e-3


@relaxed
@given(axes(), st.floats(0.01, 100), st.floats(0, 1))
def test_zoom_keeps_what_is_under_the_pointer_and_stays_in_the_recording(axis, factor, share):
    at = axis.start_s + share * axis.length_s
    zoomed = axis.zoomed(factor, at)
    assert axis.first_s <= zoomed.start_s < zoomed.stop_s <= axis.last_s
    slack = 1e-9 * max(abs(axis.first_s), abs(axis.last_s), 1)
    assert axis.shortest_s - slack <= zoomed.length_s <= axis.last_s - axis.first_s + slack
    if zoomed.start_s > axis.first_s and zoomed.stop_s < axis.last_s:
        assert zoomed.x(at) == pytest.approx(axis.x(at), abs=0.01 + zoomed.px_per_s * slack)


@relaxed
@given(axes(), st.floats(-1e6, 1e6))
def test_pan_keeps_the_length_and_stays_in_the_recording(axis, by_s):
    panned = axis.panned(by_s)
    assert axis.first_s <= panned.start_s < panned.stop_s <= axis.last_s
    assert panned.length_s == pytest.approx(axis.length_s, rel=1e-6, abs=1e-6)


@relaxed
@given(axes())
def test_ticks_are_visible_apart_and_multiples(axis):
    step = tick_step(axis, 90)
    found = ticks(axis, step)
    assert step * axis.px_per_s >= 90 * (1 - 1e-9)
    assert all(axis.start_s - 1e-6 <= t <= axis.stop_s + 1e-6 for t in found)
    assert all(math.isclose(t / step, round(t / step), abs_tol=1e-6) for t in found)
    fine = finer_step(axis, step)
    assert fine <= step
    assert math.isclose(step / fine, round(step / fine))


def test_times_are_written_as_hours_minutes_and_seconds():
    assert [clock(t) for t in (0, 59.9, 3600, 3725, -61)] == ["0:00:00", "0:01:00", "1:00:00", "1:02:05", "-0:01:01"]
    assert clock(83.25, 0.05) == "0:01:23.25"
    assert clock(83.0005, 0.001) in ("0:01:23.000", "0:01:23.001")
    assert clock(1.5, 0.5) == "0:00:01.5"


def test_showing_a_stretch_centres_it_with_a_margin():
    axis = TimeAxis.whole(0, 100, 0, 1000, 0.04).showing(40, 50, 0.5)
    assert (axis.start_s, axis.stop_s) == (35, 55)
    assert TimeAxis.whole(0, 100, 0, 1000, 0.04).showing(98, 100, 1.0).stop_s == 100


# ---- columns


@relaxed
@given(st.lists(st.tuples(st.floats(-20, 60), st.floats(0, 30), st.integers(0, 2)), max_size=30), st.integers(1, 40))
def test_covered_columns_equal_those_counted_one_by_one(intervals, columns):
    start = np.array([a for a, _, _ in intervals], float)
    stop = np.array([a + length for a, length, _ in intervals], float)
    key = np.array([k for _, _, k in intervals], int)
    expected = np.zeros((3, columns))
    for a, b, k in zip(start, stop, key, strict=True):
        for column in range(columns):
            expected[k, column] += max(min(b, column + 1) - max(a, column), 0)
    np.testing.assert_allclose(coverage(start, stop, key, 3, columns), expected, atol=1e-9)


def test_the_majority_is_what_covers_most_and_nothing_is_nobody():
    assert majority(np.array([[0.2, 0.0, 0.5], [0.6, 0.0, 0.1]])).tolist() == [1, -1, 0]
    assert majority(np.zeros((0, 2))).tolist() == [-1, -1]


def _prediction(scores, time_s, bouts=()):
    names = tuple("ab"[: scores.shape[1]])
    table = np.array(bouts, float).reshape(-1, 4)
    return Prediction("r", "p", names, time_s, scores, (scores > 0.5).astype(np.int8), table)


@relaxed
@given(st.integers(1, 3000), st.integers(1, 200), st.integers(0, 2**32 - 1), st.floats(1, 50), st.floats(0, 1))
def test_no_peak_of_the_scores_is_lost_and_none_is_invented(frames, columns, seed, zoom, share):
    rng = np.random.default_rng(seed)
    scores = rng.random((frames, 2)).astype(np.float32)
    scores[rng.random((frames, 2)) < 0.1] = np.nan
    time_s = np.cumsum(rng.uniform(0.01, 0.1, frames))
    edges = vp.sessions.frame_edges(time_s)
    axis = TimeAxis.whole(edges[0], edges[-1], 0, columns, 0.01).zoomed(zoom, edges[0] + share * (edges[-1] - edges[0]))
    found = ScoreColumns(_prediction(scores, time_s)).highest(1, axis, columns)
    borders = axis.start_s + np.arange(columns + 1) * (axis.length_s / columns)
    for column in range(columns):
        inside = (edges[1:] > borders[column] + 1e-9) & (edges[:-1] < borders[column + 1] - 1e-9)
        exact = np.fmax.reduce(scores[inside, 1], initial=np.nan)
        width = borders[column + 1] - borders[column]
        near = (edges[1:] >= borders[column] - width) & (edges[:-1] <= borders[column + 1] + width)
        if not np.isnan(exact):
            assert exact <= found[column]
        if not np.isnan(found[column]):
            assert found[column] <= np.nanmax(scores[near, 1])


def test_before_and_after_the_scores_there_are_none():
    time_s = np.arange(10) + 5.0
    columns = ScoreColumns(_prediction(np.full((10, 1), 0.7, np.float32), time_s, [(0, 6.0, 8.0, 0.7)]))
    axis = TimeAxis.whole(0, 20, 0, 20, 0.1)
    found = columns.highest(0, axis, 20)
    assert np.isnan(found[:5]).all()
    assert (found[5:15] == np.float32(0.7)).all()
    assert np.isnan(found[15:]).all()
    assert np.flatnonzero(columns.happening(0, axis, 20)).tolist() == [6, 7]


# ---- rows and scored time


def test_rows_share_the_room_and_keep_a_readable_height():
    low = lay_out([f"b{n}" for n in range(30)], (), ("",), None, 150)
    assert {row.height for row in low.rows} == {20}
    assert low.height == 600
    high = lay_out(["a"], (), ("",), "", 500)
    assert high.rows[0].height == 56
    assert high.rows[0].labels_height + high.rows[0].scores_height < 56
    assert not high.headers


def test_several_subjects_get_headers_and_predictions_their_own_rows():
    layout = lay_out(["a", "b"], ["new"], ("", "mouse"), "mouse", 300)
    assert [(row.behavior, row.subject) for row in layout.rows] == [
        ("a", ""), ("b", ""), ("a", "mouse"), ("b", "mouse"), ("new", "mouse"),
    ]  # fmt: skip
    assert [bool(row.scores_height) for row in layout.rows] == [False, False, True, True, True]
    assert not layout.find("new", "mouse").known
    assert [header.subject for header in layout.headers] == ["", "mouse"]
    for row in layout.rows:
        assert layout.row_at(row.top) is row
        assert layout.row_at(row.top + row.height - 1) is row
    assert layout.header_at(0).subject == ""
    assert subjects_shown("m2", ("m1", "m2"), ("",)) == ("", "m1", "m2")


def test_scored_time_is_that_of_the_behavior_and_the_subject_or_of_all():
    scored = ScoredTime(
        [vp.sessions.Observed(0, 2), vp.sessions.Observed(4, 6, "a"), vp.sessions.Observed(8, 10, "", "m")]
    )
    axis = TimeAxis.whole(0, 10, 0, 10, 0.1)
    rows = [Row("a", "", True, 0, 20, 0), Row("b", "", True, 0, 20, 0), Row("b", "m", True, 0, 20, 0)]
    found = [np.flatnonzero(line).tolist() for line in scored.columns(rows, axis, 10)]
    assert found == [[0, 1, 4, 5], [0, 1], [0, 1, 8, 9]]
    assert scored.scored_at(rows[0], 4.5)
    assert not scored.scored_at(rows[1], 4.5)
    assert scored.subjects == ("m",)


# ---- pictures


def test_a_narrow_bout_is_seen_and_the_models_is_paler():
    covered = np.zeros((3, 4))
    covered[0, 1], covered[1, 2] = 0.01, 0.01
    alpha = bouts_line(covered, QColor("#0072b2"))[0] >> 24
    assert alpha[0] == alpha[3] == 0
    assert alpha[1] > alpha[2] > 50
    image = picture(premultiplied(QColor("red"), np.ones((2, 3))))
    assert (image.width(), image.height(), image.pixelColor(2, 1).name()) == (3, 2, "#ff0000")


def test_the_score_is_the_height_or_how_opaque_it_is():
    scores, happens = np.array([0.0, 0.5, 1.0, np.nan], np.float32), np.array([False, False, True, False])
    heights = (scores_picture(scores, happens, QColor("blue"), 10, 1.0, "height") > 0).sum(axis=0)
    assert heights.tolist() == [0, 5, 10, 0]
    alpha = scores_picture(scores, happens, QColor("blue"), 10, 1.0, "opacity") >> 24
    assert (alpha[:, 0] == 0).all()
    assert (alpha[:, 1] < alpha[:, 2]).all()


# ---- drags


@st.composite
def recordings(draw):
    steps = draw(st.lists(st.floats(0.001, 2.0), min_size=1, max_size=30))
    return Frames.of(draw(st.floats(-100, 100)) + np.cumsum(steps))


def _on_borders(frames, *times):
    return all(time in frames.edges_s for time in times)


@relaxed
@given(recordings(), st.floats(-0.2, 1.2), st.floats(-0.2, 1.2))
def test_a_new_bout_consists_of_whole_frames(frames, a, b):
    first, length = frames.edges_s[0], frames.edges_s[-1] - frames.edges_s[0]
    span = created(frames, first + a * length, first + b * length, is_point=False)
    assert span.start_s < span.stop_s
    assert _on_borders(frames, span.start_s, span.stop_s)
    assert frames.edges_s[span.frame] in (
        span.start_s,
        frames.edges_s[np.searchsorted(frames.edges_s, span.stop_s) - 1],
    )


@relaxed
@given(recordings(), st.floats(0, 1), st.floats(0, 1), st.sampled_from(["start", "stop"]), st.floats(-0.5, 1.5))
def test_an_edge_snaps_and_a_frame_is_left(frames, a, b, side, to):
    first, length = frames.edges_s[0], frames.edges_s[-1] - frames.edges_s[0]
    whole = created(frames, first + a * length, first + b * length, is_point=False)
    bout = vp.sessions.Bout(1, "r", "walk", whole.start_s, whole.stop_s)
    span = resized(frames, bout, side, first + to * length)
    assert span.start_s < span.stop_s
    assert _on_borders(frames, span.start_s, span.stop_s)
    assert (span.stop_s if side == "start" else span.start_s) == (whole.stop_s if side == "start" else whole.start_s)


@relaxed
@given(recordings(), st.floats(0, 1), st.floats(0, 1), st.floats(-2, 2))
def test_a_moved_bout_stays_in_the_recording_and_on_borders(frames, a, b, by):
    first, length = frames.edges_s[0], frames.edges_s[-1] - frames.edges_s[0]
    whole = created(frames, first + a * length, first + b * length, is_point=False)
    bout = vp.sessions.Bout(1, "r", "walk", whole.start_s, whole.stop_s)
    span = moved(frames, bout, by * length)
    assert frames.edges_s[0] <= span.start_s < span.stop_s <= frames.edges_s[-1]
    assert _on_borders(frames, span.start_s, span.stop_s)
    still = moved(frames, bout, 0.0)
    assert (still.start_s, still.stop_s) == (bout.start_s, bout.stop_s)


def test_what_gives_way_is_of_the_same_subject_and_overlaps():
    book = vp.sessions.LabelBook()
    book.set_behaviors(vp.Behaviors.of(["a", vp.sessions.Behavior("p", kind="point")]))
    numbers = [
        book.add("r", name, start, stop, subject=who)
        for name, start, stop, who in (
            ("a", 0, 2, ""), ("a", 2, 4, ""), ("a", 3, 5, "m"), ("p", 3, 3, ""), ("a", 6, 8, "")
        )
    ]  # fmt: skip
    table = book.table("r")
    assert table.id[giving_way(table, "", 1.0, 3.0, None)].tolist() == numbers[:2]
    assert table.id[giving_way(table, "", 1.0, 3.0, numbers[0])].tolist() == numbers[1:2]
    assert not len(giving_way(table, "somebody", 0, 9, None))
