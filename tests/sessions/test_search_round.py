"""A search with its answers, the labels made of them, and which clips a montage plays."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vp_science.errors import AnnotationError
from vp_science.sessions import (
    Hit,
    LabelBook,
    Observed,
    SearchRound,
    clip_span,
    label_hits,
    labelled_as,
    open_session,
    search_examples,
    varied_order,
)
from vp_science.sessions.search_round import MAX_EXAMPLES
from vp_science.timeline.behaviors import Behavior, Behaviors


def hit(start_s, recording="a", subject="", rank=1, length=1.0):
    start_s = float(start_s)
    track = f"{recording}@{subject}" if subject else recording
    return Hit(rank, 0.5, track, recording, subject, "", start_s, start_s + length, start_s, start_s + 0.5, "like a")


@pytest.fixture
def book():
    book = LabelBook()
    book.set_behaviors(Behaviors.of(["groom", "walk"]))
    return book


def test_answers_are_taken_back_and_replaced():
    search = SearchRound()
    first, second = hit(1), hit(5)
    search.answer(first, True)
    search.answer(second, False)
    assert (search.answer_of(first), search.answer_of(second), search.answer_of(hit(9))) == (True, False, None)
    search.answer(first, False)
    search.answer(second, None)
    assert (list(search.yes), list(search.no)) == ([], [first.key])
    assert search.unheard


def test_the_same_answer_again_changes_nothing():
    search = SearchRound()
    search.answer(hit(1), True)
    search.unheard = False
    search.answer(hit(1), True)
    search.answer(hit(2), None)
    assert not search.unheard


def test_a_request_holds_the_answers(tmp_path):
    session = open_session(tmp_path / "s", places=tmp_path / "places.json")
    (tmp_path / "a.mp4").write_bytes(b"x")
    session.add(tmp_path / "a.mp4")
    search = SearchRound(like=search_examples([("a", 0.0, 1.0)], "m1"), only_in=["a"], common="recording")
    search.answer(hit(5, subject="m2"), True)
    search.answer(hit(7), False)
    request = search.request(session, limit=9, suggest=3)
    assert request["like"] == [
        {"recording": "a", "subject": "m1", "start_s": 0.0, "stop_s": 1.0},
        {"recording": "a", "subject": "m2", "track": "a@m2", "start_s": 5, "stop_s": 6.0},
    ]
    assert request["unlike"] == [{"recording": "a", "subject": "", "track": "a", "start_s": 7, "stop_s": 8.0}]
    assert (request["only_in"], request["common"], request["limit"], request["suggest"]) == (["a"], "recording", 9, 3)
    assert request["recordings"] == [{"id": "a", "path": str(tmp_path / "a.mp4")}]
    assert SearchRound(texts=["grooming"]).request(session)["common"] is None
    session.close()


def test_what_was_found_is_read_and_looked_up():
    search = SearchRound()
    row = dict(hit(3).__dict__)
    search.unheard = True
    search.take({"hits": [row], "ask": [], "method": "logistic", "hours": 2.0})
    assert search.hits == [hit(3)]
    assert (search.method, search.facts, search.unheard) == ("logistic", {"hours": 2.0}, False)
    assert search.find(("a", 3.0, 4.0)) == hit(3)
    assert search.find(("a", 3.0, 5.0)) is None


def test_yes_becomes_labels_and_no_becomes_scored_time_in_one_step(book):
    told = []
    book.subscribe(told.append)
    search = SearchRound()
    for one in (hit(1), hit(1.5), hit(8, "b", "m1")):
        search.answer(one, True)
    search.answer(hit(20), False)
    numbers = label_hits(book, search, "groom", subject="m9", source="curated:ann", absent=True)
    rows = [(one.recording, one.start_s, one.stop_s, one.subject, one.source) for one in book.bouts()]
    assert rows == [("a", 1, 2.5, "m9", "curated:ann"), ("b", 8, 9, "m1", "curated:ann")]
    assert sorted(numbers) == sorted(one.id for one in book.bouts())
    assert Observed(20, 21, "groom", "m9") in book.observed("a")
    assert len(told) == 1
    assert book.undo_name == "label 3 hits groom"
    book.undo()
    assert not len(book)
    assert book.observed("a") == ()


def test_no_is_not_scored_unless_asked_for(book):
    search = SearchRound()
    search.answer(hit(1), True)
    search.answer(hit(20), False)
    label_hits(book, search, "groom")
    assert [one.start_s for one in book.observed("a")] == [1]


def test_an_unknown_behavior_changes_nothing(book):
    search = SearchRound()
    search.answer(hit(1), True)
    with pytest.raises(AnnotationError, match="fly"):
        label_hits(book, search, "fly")
    assert not len(book)


def test_what_is_labelled_already_is_what_overlaps_most(book):
    book.add("a", "groom", 0, 1.2)
    book.add("a", "walk", 1.2, 5, subject="m1")
    assert labelled_as(book, hit(1)) == "walk"
    assert labelled_as(book, hit(1, subject="m2")) == "groom"
    assert labelled_as(book, hit(7)) == ""
    assert labelled_as(book, hit(1, "b")) == ""


def test_an_event_is_a_label_too(book):
    book.set_behaviors(Behaviors((Behavior("call", "point"),)))
    book.add("a", "call", 1.5, 1.5)
    assert labelled_as(book, hit(1)) == "call"


def test_examples_of_many_moments_are_spread_over_them():
    moments = [("a", float(i), i + 0.5) for i in range(5000)]
    chosen = [one["start_s"] for one in search_examples(moments)]
    assert len(chosen) == MAX_EXAMPLES
    assert (chosen[0], chosen[-1]) == (0, 4999)
    assert max(b - a for a, b in pairwise(chosen)) <= 18
    assert search_examples([]) == []
    assert len(search_examples(moments[:1])) == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1e4), st.just(1e5)), max_size=40))
def test_every_moment_has_its_turn_and_recordings_alternate(moments):
    order = varied_order(moments)
    assert sorted(order) == list(range(len(moments)))
    count = len({name for name, *_ in moments})
    assert len({moments[place][0] for place in order[:count]}) == count


def test_the_first_ones_stand_for_all():
    order = varied_order([("a", float(i), i + 1.0) for i in range(100)])
    assert sorted(order[:7]) == [12, 25, 38, 50, 63, 75, 88]


@pytest.mark.parametrize(
    ("moment", "span"), [(("a", 5.0, 7.0), (5, 7)), (("a", 5.0, 5.0), (4.5, 5.5)), (("a", 0.0, 60.0), (28, 32))]
)
def test_a_clip_is_long_enough_to_see_and_short_enough_to_loop(moment, span):
    assert clip_span(moment) == span
