"""The review queue: every predicted bout is asked about once, decisions are steps of undo, scored time is let alone."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from review_predictions import make_book, predict

from vp_science.errors import AnnotationError
from vp_science.sessions.bout import Status
from vp_science.sessions.review import ReviewQueue
from vp_science.sessions.review_decisions import UNSEEN, accept_all
from vp_science.sessions.review_items import labels_at, predicted_items, review_state
from vp_science.sessions.review_log import Decision, read_decisions
from vp_science.timeline.ethogram import to_ethogram

BOUTS = [("groom", 10, 15, 0.9), ("walk", 20, 22, 0.6), ("groom", 30, 34, 0.7), ("walk", 40, 45, 0.99)]


def make_queue(bouts=BOUTS, *, exclusive=False, points=(), names=("groom", "walk"), **fields):
    book = make_book(names, exclusive=exclusive, points=points)
    queue = ReviewQueue(book)
    queue.load([predict(bouts, names=names, **fields)])
    book.subscribe(lambda edit: queue.refresh(edit.touched()))
    return queue


def asked(queue):
    return [(queue.item(i).behavior, queue.item(i).start_s) for i in range(len(queue))]


def test_the_least_sure_comes_first_and_other_orders_are_what_they_say():
    queue = make_queue()
    assert asked(queue) == [("walk", 20), ("groom", 30), ("groom", 10), ("walk", 40)]
    queue.choose("time")
    assert [start for _, start in asked(queue)] == [10, 20, 30, 40]
    queue.choose("behavior")
    assert asked(queue) == [("groom", 30), ("groom", 10), ("walk", 20), ("walk", 40)]
    queue.choose("confidence", behavior="groom")
    assert asked(queue) == [("groom", 30), ("groom", 10)]
    queue.load([predict(BOUTS), predict([("walk", 1, 3, 0.1)], recording="b")])
    queue.choose("confidence")
    assert queue.current.recording == "b"
    queue.choose("confidence", recording="a")
    assert len(queue) == 4


def test_accepting_makes_a_curated_bout_and_scores_its_time():
    queue = make_queue()
    queue.accept("ann", seconds=3)
    (bout,) = queue.book.bouts()
    assert (bout.behavior, bout.start_s, bout.stop_s, bout.source) == ("walk", 20, 22, "curated:ann")
    assert bout.status == Status.CURATED
    assert bout.score == pytest.approx(0.6)
    (seen,) = queue.book.observed("a")
    assert (seen.start_s, seen.stop_s, seen.behavior) == (20, 22, "walk")
    assert queue.current.start_s == 30
    assert queue.progress().done == 1
    assert queue.progress().total == 4


def test_rejecting_scores_the_time_without_a_bout():
    queue = make_queue()
    queue.reject(seconds=1)
    assert not queue.book.bouts()
    truth = to_ethogram(queue.book.annotations(), "a", np.arange(300) / 10)
    assert (truth.states[200:220, 1] == 0).all()
    assert (truth.states[200:220, 0] == -1).all()
    assert len(queue) == 3


def test_relabelling_says_what_it_is_and_what_it_is_not():
    queue = make_queue()
    queue.accept("ann", seconds=1, behavior="groom")
    (bout,) = queue.book.bouts()
    assert (bout.behavior, bout.start_s) == ("groom", 20)
    truth = to_ethogram(queue.book.annotations(), "a", np.arange(300) / 10)
    assert (truth.states[200:220] == [1, 0]).all()
    assert queue.decisions[-1].verdict == "relabelled"


def test_other_borders_are_curated_and_what_was_cut_off_is_scored_as_absent():
    queue = make_queue()
    queue.choose("time")
    queue.accept("ann", seconds=1, span=(11.0, 16.0))
    (bout,) = queue.book.bouts()
    assert (bout.start_s, bout.stop_s) == (11, 16)
    truth = to_ethogram(queue.book.annotations(), "a", np.arange(300) / 10)
    assert truth.states[100:110, 0].tolist() == [0] * 10
    assert truth.states[110:160, 0].tolist() == [1] * 50
    assert asked(queue)[0] == ("walk", 20)


def test_an_accepted_bout_becomes_one_with_the_label_that_it_touches():
    queue = make_queue()
    queue.book.add("a", "groom", 8, 11, source="manual:bob")
    queue.choose("time")
    assert (queue.current.start_s, queue.current.stop_s) == (11, 15)  # the rest was scored by hand
    queue.accept("ann", seconds=1)
    (bout,) = queue.book.bouts()
    assert (bout.start_s, bout.stop_s, bout.source) == (8, 15, "curated:ann")


def test_scored_time_is_not_asked_about_and_crumbs_at_its_borders_are_not_either():
    queue = make_queue()
    queue.book.add("a", "groom", 10.3, 14.6)
    assert ("groom", 10) not in asked(queue)
    assert len(queue) == 3
    queue.book.observe("a", 0, 100)
    assert len(queue) == 0
    assert queue.current is None
    assert queue.progress().done == 4
    assert review_state(predict(BOUTS), queue.book).share == 1
    with pytest.raises(AnnotationError, match="expected a bout to review, found none"):
        queue.accept("ann", seconds=1)


def test_a_long_bout_that_is_scored_in_its_middle_is_asked_about_on_both_sides():
    queue = make_queue([("groom", 0, 60, 0.8)])
    queue.book.observe("a", 25, 35)
    queue.choose("time")
    assert [(queue.item(i).start_s, queue.item(i).stop_s) for i in range(len(queue))] == [(0, 25), (35, 60)]
    assert queue.progress().total == 1
    assert queue.progress().done == 0
    queue.accept("ann", seconds=1)
    queue.reject(seconds=1)
    assert [(b.start_s, b.stop_s) for b in queue.book.bouts()] == [(0, 25)]
    assert queue.progress().done == 1


def test_in_an_exclusive_catalogue_a_decision_is_about_all_behaviors():
    queue = make_queue(exclusive=True)
    queue.accept("ann", seconds=1)
    assert queue.book.observed("a")[0].behavior in ("", "walk")
    truth = to_ethogram(queue.book.annotations(), "a", np.arange(300) / 10)
    assert (truth.states[200:220] == [0, 1]).all()


def test_point_events_are_decided_with_their_frame():
    queue = make_queue([("bite", 5, 5, 0.8), ("bite", 9, 9, 0.6)], names=("bite",), points=("bite",))
    queue.accept("ann", seconds=1)
    assert [(b.start_s, b.stop_s) for b in queue.book.bouts()] == [(9, 9)]
    queue.reject(seconds=1)
    assert len(queue) == 0
    truth = to_ethogram(queue.book.annotations(), "a", np.arange(100) / 10)
    assert truth.states[90, 0] == 1
    assert truth.states[50, 0] == 0
    assert truth.states[51, 0] == -1


def test_undo_brings_the_question_back_and_the_decision_no_longer_counts():
    queue = make_queue()
    first = queue.current
    queue.accept("ann", seconds=4)
    assert queue.progress().rest.decisions == 1
    queue.book.undo()
    assert len(queue) == 4
    assert first in [queue.item(i) for i in range(4)]
    assert queue.progress().rest.decisions == 0
    queue.book.redo()
    assert len(queue) == 3


def test_back_takes_decisions_back_one_by_one():
    queue = make_queue()
    order = asked(queue)
    queue.accept("ann", seconds=4)
    queue.reject(seconds=1)
    queue.skip()
    assert queue.current.start_s == order[3][1]
    for place in (2, 1, 0):
        assert queue.back()
        assert (queue.current.behavior, queue.current.start_s) == order[place]
    assert asked(queue) == order
    assert not queue.decisions
    assert not queue.book.bouts()
    assert not queue.back()


def test_back_does_not_undo_what_was_labelled_since():
    queue = make_queue()
    queue.accept("ann", seconds=4)
    queue.book.add("a", "groom", 70, 71)
    assert not queue.back()
    assert len(queue.book.bouts()) == 2


def test_thousands_of_recordings_are_looked_through_in_slices():
    book = make_book()
    queue = ReviewQueue(book)
    queue.patience_s = 0.0  # one at a time
    predictions = [predict(BOUTS, recording=f"r{number}") for number in range(5)]
    queue.load(predictions)
    assert (queue.pending, len(queue), queue.progress().total) == (4, 4, 4)
    while queue.pending:
        before = queue.pending
        queue.refresh(())
        assert queue.pending == before - 1
    assert (len(queue), queue.progress().total) == (20, 20)
    queue.load([*predictions[:4], predict(BOUTS[:1], recording="r4")])  # only what is new is looked through
    assert (queue.pending, len(queue)) == (0, 17)


def test_what_is_skipped_comes_last():
    queue = make_queue()
    queue.skip()
    assert asked(queue)[-1] == ("walk", 20)
    assert queue.current.start_s == 30
    for _ in range(3):
        queue.skip()
    assert queue.current.start_s == 20


def test_disagreements_are_what_labels_deny_and_what_predictions_miss():
    queue = make_queue()
    queue.book.observe("a", 0, 36)
    queue.book.add("a", "groom", 10, 15)
    queue.book.add("a", "walk", 2, 5)
    queue.choose("disagreement")
    kinds = [(queue.item(i).kind, queue.item(i).behavior, queue.item(i).start_s) for i in range(len(queue))]
    assert kinds == [("missed", "walk", 2), ("extra", "groom", 30), ("extra", "walk", 20)]  # the surest one first
    queue.reject(seconds=1)  # the label is right
    assert len(queue.book.bouts()) == 2
    queue.accept("ann", seconds=1)  # the prediction is right
    assert [(b.behavior, b.start_s) for b in queue.book.bouts()] == [("walk", 2), ("groom", 10), ("groom", 30)]
    assert asked(queue) == [("walk", 20)]
    again = ReviewQueue(queue.book, read_decisions(queue.to_json()))
    again.load([predict([(n, a + 0.1, b + 0.1, s) for n, a, b, s in BOUTS])])  # trained again: borders moved
    again.choose("disagreement")
    assert asked(again) == [("walk", 20.1)]
    progress = queue.progress()
    assert (progress.total, progress.done, progress.open) == (3, 2, 1)


def test_a_label_that_the_prediction_rightly_misses_goes():
    queue = make_queue([])
    queue.book.observe("a", 0, 50)
    queue.book.add("a", "walk", 2, 8)
    queue.choose("disagreement")
    queue.accept("ann", seconds=1, span=(4.0, 8.0))
    assert [(b.start_s, b.stop_s) for b in queue.book.bouts()] == [(2, 4)]
    queue.book.undo()
    queue.accept("ann", seconds=1, behavior="groom")
    assert [(b.behavior, b.start_s, b.stop_s) for b in queue.book.bouts()] == [("groom", 2, 8)]


def test_taking_one_behavior_for_another_is_one_question_where_they_exclude_each_other():
    queue = make_queue([("groom", 10, 15, 0.9)], exclusive=True)
    queue.book.add("a", "walk", 10, 15)
    queue.choose("disagreement")
    assert [queue.item(i).kind for i in range(len(queue))] == ["extra"]
    assert labels_at(queue.book, queue.current) == ("walk",)
    queue.accept("ann", seconds=1)
    assert [b.behavior for b in queue.book.bouts()] == ["groom"]
    assert len(queue) == 0


def test_points_disagree_only_when_none_is_near():
    queue = make_queue([("bite", 5, 5, 0.8), ("bite", 9, 9, 0.6)], names=("bite",), points=("bite",))
    queue.book.observe("a", 0, 50)
    queue.book.add("a", "bite", 5.3, 5.3)
    queue.book.add("a", "bite", 20, 20)
    queue.choose("disagreement")
    found = {(queue.item(i).kind, queue.item(i).start_s) for i in range(len(queue))}
    assert found == {("extra", 9), ("missed", 20)}
    queue.choose("disagreement")
    while len(queue):
        queue.accept("ann", seconds=1)
    assert [b.start_s for b in queue.book.bouts()] == [5.3, 9]


def test_ground_truth_is_not_asked_about():
    queue = make_queue()
    queue.load([predict(BOUTS)], {"a": np.array([[0.0, 25.0]])})
    assert [start for _, start in asked(queue)] == [30, 40]


def test_behaviors_that_left_the_catalogue_are_not_asked_about():
    queue = make_queue()
    queue.book.set_behaviors(queue.book.behaviors.of(["groom"]))
    assert {name for name, _ in asked(queue)} == {"groom"}
    assert queue.progress().total == 2


def test_many_are_accepted_in_one_step_that_a_copy_prepared():
    queue = make_queue()
    assert queue.count_confident(0.9) == 2 == len(queue.confident(0.9))
    copy = queue.book.copy()
    assert accept_all(copy, queue.confident(0.9), "ann") is not None
    queue.book.adopt(copy)
    assert len(queue) == 2
    assert {b.comment for b in queue.book.bouts()} == {UNSEEN}
    assert queue.progress().rest.decisions == 0
    assert queue.book.undo_name == "accept 2 bouts"
    queue.book.undo()
    assert len(queue) == 4
    assert not queue.book.bouts()
    assert accept_all(queue.book, [], "ann") is None


def test_named_animals_are_asked_about_by_their_own_scored_time():
    queue = make_queue(subject="m1")
    queue.book.observe("a", 0, 100, subject="m2")
    assert len(queue) == 4
    queue.accept("ann", seconds=1)
    assert queue.book.bouts()[0].subject == "m1"
    queue.book.observe("a", 0, 100)
    assert len(queue) == 0


def test_the_pace_is_the_median_and_interruptions_do_not_count_in_full():
    queue = make_queue()
    assert queue.progress().left_s is None
    for seconds in (2, 4, 4000):
        queue.reject(seconds=seconds)
    progress = queue.progress()
    assert progress.pace_s == 4
    assert progress.left_s == 4
    assert queue.decisions[-1].seconds == 120


def test_decisions_survive_as_json_and_damage_is_left_out():
    queue = make_queue([("groom", 1, 2, np.nan), ("walk", 5, 6, 0.5)])
    queue.reject(seconds=1.5)
    queue.accept("ann", seconds=2)
    records = queue.to_json()
    back = read_decisions([*records, {"kind": "predicted"}, 7, {**records[0], "start_s": float("nan")}])
    assert [one.verdict for one in back] == ["rejected", "accepted"]
    assert back[0] == queue.decisions[0]
    assert np.isnan(back[1].item.score)
    with pytest.raises(ValueError, match="expected a decision of a review, found"):
        Decision.from_json({**records[0], "verdict": "maybe"})


@st.composite
def predictions(draw):
    bouts = []
    for name in ("groom", "walk"):
        borders = draw(st.lists(st.integers(0, 990), unique=True, max_size=8))
        borders = sorted(borders)[: len(borders) // 2 * 2]
        score = st.floats(0.01, 0.99)
        bouts += [(name, a / 10, b / 10, draw(score)) for a, b in zip(borders[::2], borders[1::2], strict=True)]
    return bouts


def open_time(queue):
    return sum(queue.item(i).until_s - queue.item(i).start_s for i in range(len(queue)))


def press(queue, key):
    """One key of a review; what was asked must be answered by it, and nothing may be asked twice."""
    item, left = queue.current, open_time(queue)
    if key == "back":
        queue.back()
        assert open_time(queue) >= left - 1e-9
        return
    if key == "skip":
        queue.skip()
        assert open_time(queue) == pytest.approx(left)
        return
    if key == "reject":
        queue.reject(seconds=1)
    else:
        other = "groom" if item.behavior == "walk" else "walk"
        queue.accept("ann", seconds=1, behavior=other if key == "relabel" else None)
    assert open_time(queue) < left
    starts = [queue.item(i) for i in range(len(queue))]
    assert item not in starts
    assert len(set(starts)) == len(starts)


@given(
    predictions(),
    st.lists(st.sampled_from(["accept", "reject", "relabel", "skip", "back"]), max_size=20),
    st.booleans(),
)
@settings(max_examples=40, deadline=None, phases=[Phase.generate])
def test_every_bout_is_asked_about_once_whatever_is_decided(bouts, keys, exclusive):
    queue = make_queue(bouts, exclusive=exclusive)
    assert sorted(asked(queue)) == sorted((name, start) for name, start, _, _ in bouts)
    begin = queue.book.last_edit
    for key in keys:
        if queue.current is not None:
            press(queue, key)
    progress = queue.progress()
    assert progress.total == len(bouts)
    assert progress.open == len(queue) >= progress.total - progress.done
    while queue.book.last_edit is not begin:
        queue.book.undo()
    assert sorted(asked(queue)) == sorted((name, start) for name, start, _, _ in bouts)
    assert not queue.book.bouts()
    assert not queue.book.observed("a")


def test_pieces_of_what_is_left_do_not_reach_into_scored_time():
    rng = np.random.default_rng(3)
    for _ in range(20):
        book = make_book()
        for _ in range(5):
            start = rng.uniform(0, 90)
            book.observe("a", start, start + rng.uniform(0.1, 10), behavior=str(rng.choice(["", "groom", "walk"])))
        table = predicted_items(predict(BOUTS), book)
        for row in range(len(table)):
            item = table.item(row)
            for seen in book.observed("a"):
                if seen.behavior in ("", item.behavior):
                    assert item.stop_s <= seen.start_s or seen.stop_s <= item.start_s
