import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from vp_science.errors import AnnotationError
from vp_science.sessions import Behavior, Bout, BoutTable, LabelBook, Observed, Status
from vp_science.sessions.label_lines import book_lines, edit_line, head_line, parsed_log, read_log
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors

STATES = ("groom", "rear", "walk")
NAMES = (*STATES, "jump")
CATALOGUE = Behaviors.of([*STATES, Behavior("jump", "point")])

tick = st.integers(0, 12).map(float)
name = st.sampled_from(NAMES)
recording = st.sampled_from(["a", "b"])
subject = st.sampled_from(["", "fly"])
source = st.sampled_from(["manual:me", "model:p1", "curated:me"])


def book_of(*bouts: tuple, exclusive: bool = False) -> LabelBook:
    book = LabelBook()
    book.set_behaviors(CATALOGUE.replaced(exclusive=exclusive))
    for behavior, start, stop in bouts:
        book.add("a", behavior, start, stop)
    return book


def spans(book: LabelBook, behavior: str | None = None) -> list[tuple]:
    rows = [(b.behavior, b.start_s, b.stop_s) for b in book.bouts("a")]
    return rows if behavior is None else [row[1:] for row in rows if row[0] == behavior]


def contents(book: LabelBook) -> tuple:
    observed = {name: book.observed(name) for name in book.recordings}
    return book.behaviors, tuple(book.bouts()), tuple((k, v) for k, v in observed.items() if v)


def same_table(one: BoutTable, other: BoutTable) -> bool:
    columns = ("id", "behavior", "subject", "start_s", "stop_s", "status", "score")
    arrays = all(np.array_equal(getattr(one, c), getattr(other, c), equal_nan=True) for c in columns)
    return arrays and (one.names, one.subjects) == (other.names, other.subjects)


class AnyOrder(RuleBasedStateMachine):
    """Edits of every kind in any order, beside a list of what the labels were after each step."""

    @initialize(exclusive=st.booleans())
    def begin(self, exclusive):
        self.book = LabelBook()
        self.history = [contents(self.book)]
        self.at = 0
        self.told = []
        self.lines = [head_line()]
        self.book.subscribe(self.hear)
        self.attempt(lambda: self.book.set_behaviors(CATALOGUE.replaced(exclusive=exclusive)))

    def hear(self, edit):
        self.told.append(edit)
        self.lines.append(edit_line(edit))

    def attempt(self, action):
        """An action is one step, or changes nothing; one that fails changes nothing and tells nobody."""
        before, told, last = contents(self.book), len(self.told), self.book.last_edit
        try:
            action()
        except AnnotationError:
            assert contents(self.book) == before
            assert len(self.told) == told
            return
        if self.book.last_edit is last:
            assert contents(self.book) == before
            assert len(self.told) == told
            return
        assert len(self.told) == told + 1
        del self.history[self.at + 1 :]
        self.history.append(contents(self.book))
        self.at += 1

    def some_bout(self, data):
        return data.draw(st.sampled_from(self.book.bouts())).id

    @rule(where=recording, what=name, start=tick, stop=tick, who=subject, source=source, observe=st.booleans())
    def add(self, where, what, start, stop, who, source, observe):
        self.attempt(lambda: self.book.add(where, what, start, stop, observe=observe, subject=who, source=source))

    @rule(where=recording, what=name, start=tick, stop=tick, who=subject, join=st.sampled_from([0.0, 1.0]))
    def paint(self, where, what, start, stop, who, join):
        self.attempt(lambda: self.book.paint(where, what, start, stop, subject=who, join_s=join))

    @rule(where=recording, what=st.none() | name, start=tick, stop=tick, who=st.none() | subject)
    def erase(self, where, what, start, stop, who):
        self.attempt(lambda: self.book.erase(where, start, stop, behavior=what, subject=who))

    @precondition(lambda self: len(self.book))
    @rule(data=st.data(), what=name, start=tick, stop=tick, source=source)
    def change(self, data, what, start, stop, source):
        number = self.some_bout(data)
        self.attempt(lambda: self.book.change(number, behavior=what, start_s=start, stop_s=stop, source=source))

    @precondition(lambda self: len(self.book))
    @rule(data=st.data(), at=st.integers(0, 24))
    def split(self, data, at):
        number = self.some_bout(data)
        self.attempt(lambda: self.book.split(number, at / 2))

    @precondition(lambda self: len(self.book))
    @rule(data=st.data())
    def delete(self, data):
        numbers = data.draw(st.lists(st.sampled_from([b.id for b in self.book.bouts()]), unique=True))
        self.attempt(lambda: self.book.delete(numbers))

    @rule(where=recording, start=tick, stop=tick, what=st.sampled_from(["", *STATES]), who=subject)
    def observe(self, where, start, stop, what, who):
        self.attempt(lambda: self.book.observe(where, start, stop, behavior=what, subject=who))

    @rule(where=recording, start=tick, stop=tick, what=st.none() | name, who=st.none() | subject)
    def forget(self, where, start, stop, what, who):
        self.attempt(lambda: self.book.forget(where, start, stop, behavior=what, subject=who))

    @rule(data=st.data(), exclusive=st.booleans(), old=st.sampled_from(STATES), new=st.sampled_from(["rear", "sleep"]))
    def edit_behaviors(self, data, exclusive, old, new):
        kept = data.draw(st.lists(st.sampled_from(NAMES), unique=True))
        entries = {entry.name: entry for entry in CATALOGUE}
        chosen = {new if name == old else name: entries[name] for name in kept}
        behaviors = Behaviors.of([replace(entry, name=name) for name, entry in chosen.items()], exclusive=exclusive)
        self.attempt(lambda: self.book.set_behaviors(behaviors, {old: new}))

    @rule(old=subject, new=st.sampled_from(["fly", "wasp"]))
    def rename_subject(self, old, new):
        self.attempt(lambda: self.book.rename_subject(old, new))

    @rule(
        rows=st.lists(st.tuples(recording, st.sampled_from(STATES), tick, tick, subject), max_size=6),
        exclusive=st.booleans(),
        replaces=st.booleans(),
    )
    def merge(self, rows, exclusive, replaces):
        bouts = [
            {"recording": r, "behavior": b, "start_s": min(x, y), "stop_s": max(x, y) + 1, "subject": s}
            for r, b, x, y, s in rows
        ]
        observed = [{"recording": r, "start_s": min(x, y), "stop_s": max(x, y) + 1} for r, _, x, y, _ in rows[:2]]
        annotations = Annotations.of(bouts, observed, CATALOGUE.replaced(exclusive=exclusive))
        self.attempt(lambda: self.book.merge(annotations, replace_recordings=replaces))

    @rule(where=recording, what=st.sampled_from(STATES), start=tick, fails=st.booleans())
    def nested_steps(self, where, what, start, fails):
        def both():
            with self.book.step("both"):
                self.book.add(where, what, start, start + 2)
                self.book.erase(where, start, start + 1)
                if fails:
                    self.book.add(where, "nothing like it", 0, 1)

        self.attempt(both)

    @rule()
    def undo(self):
        edit = self.book.undo()
        assert (edit is None) == (self.at == 0)
        self.at = max(0, self.at - 1)

    @rule()
    def redo(self):
        edit = self.book.redo()
        assert (edit is None) == (self.at == len(self.history) - 1)
        self.at = min(len(self.history) - 1, self.at + 1)

    @invariant()
    def is_what_it_was_after_this_step(self):
        assert contents(self.book) == self.history[self.at]

    @invariant()
    def tables_equal_fresh_ones(self):
        for where in ("a", "b"):
            fresh = BoutTable.of(self.book.bouts(where), self.book.behaviors.names)
            assert same_table(self.book.table(where), fresh)
            assert self.book.table(where) is self.book.table(where)

    @invariant()
    def exclusive_behaviors_never_overlap(self):
        states = [b for b in self.book.bouts() if not b.is_point]
        for i, one in enumerate(states):
            for other in states[i + 1 :]:
                alike = (one.recording, one.subject) == (other.recording, other.subject)
                overlap = one.start_s < other.stop_s and other.start_s < one.stop_s
                assert not (self.book.behaviors.exclusive and alike and overlap), (one, other)

    @invariant()
    def observed_intervals_of_a_lane_lie_apart(self):
        for where in ("a", "b"):
            lanes = {}
            for one in self.book.observed(where):
                assert lanes.get((one.behavior, one.subject), -1) < one.start_s < one.stop_s
                lanes[one.behavior, one.subject] = one.stop_s

    @invariant()
    def behaviors_of_labels_are_in_the_catalogue(self):
        assert {b.behavior for b in self.book.bouts()} <= set(self.book.behaviors.names)
        assert {o.behavior for w in ("a", "b") for o in self.book.observed(w)} <= {"", *self.book.behaviors.names}

    def teardown(self):
        """All the way back, all the way forth; what listeners heard tells the same."""
        if not hasattr(self, "book"):
            return
        while self.book.undo():
            pass
        assert contents(self.book) == self.history[0]
        while self.book.redo():
            pass
        assert contents(self.book) == self.history[-1]
        assert contents(parsed_log(Path("log"), b"".join(self.lines)).book) == self.history[-1]
        assert contents(parsed_log(Path("log"), b"".join(book_lines(self.book))).book) == self.history[-1]
        assert contents(self.book.copy()) == self.history[-1]


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=40, stateful_step_count=20, deadline=None, phases=[Phase.explicit, Phase.generate, Phase.shrink]
)


# ---- single promises


def test_same_behavior_gives_way_and_others_stay_where_they_may_overlap():
    book = book_of(("groom", 0, 10), ("rear", 0, 10), ("groom", 4, 6))
    assert spans(book, "groom") == [(0, 4), (4, 6), (6, 10)]
    assert spans(book, "rear") == [(0, 10)]


def test_all_behaviors_of_a_subject_give_way_in_an_exclusive_catalogue():
    book = book_of(("groom", 0, 10), exclusive=True)
    book.add("a", "walk", 3, 5, subject="fly")
    book.add("a", "jump", 4, 4)
    book.add("a", "rear", 4, 12)
    assert spans(book) == [("groom", 0, 4), ("walk", 3, 5), ("jump", 4, 4), ("rear", 4, 12)]


def test_painting_joins_what_it_touches():
    book = book_of(("groom", 0, 2), ("groom", 3, 4), ("groom", 9, 10), ("rear", 1, 2))
    first = book.bouts("a")[0].id
    assert book.paint("a", "groom", 2, 3.5) == first
    assert spans(book, "groom") == [(0, 4), (9, 10)]
    assert spans(book, "rear") == [(1, 2)]
    book.undo()
    assert spans(book, "groom") == [(0, 2), (3, 4), (9, 10)]


def test_painting_over_a_prediction_makes_it_curated_and_scored():
    book = book_of()
    book.add("a", "groom", 0, 2, source="model:p1", score=0.7)
    assert book.observed("a") == ()
    book.paint("a", "groom", 1, 4, source="manual:me")
    [bout] = book.bouts("a")
    assert (bout.source, bout.status, bout.who) == ("curated:me", Status.CURATED, "me")
    assert book.observed("a") == (Observed(0, 4, "groom"),)


def test_painting_keeps_comments_and_bouts_with_a_target():
    book = book_of()
    book.add("a", "groom", 0, 2, comment="first")
    book.add("a", "groom", 3, 4, comment="second")
    book.add("a", "groom", 5, 6, target="queen")
    book.paint("a", "groom", 2, 6)
    assert [(b.start_s, b.stop_s, b.target, b.comment) for b in book.bouts("a")] == [
        (0, 6, "", "first; second"),
        (5, 6, "queen", ""),
    ]


def test_a_change_of_times_counts_as_scored_but_not_that_of_a_prediction():
    book = book_of(("groom", 2, 4))
    book.change(book.bouts("a")[0].id, stop_s=6.0)
    assert book.observed("a") == (Observed(2, 6, "groom"),)
    number = book.add("a", "rear", 0, 1, source="model:p1")
    book.change(number, stop_s=2.0)
    assert book.observed("a") == (Observed(2, 6, "groom"),)
    book.change(number, source="curated:me")
    assert book.observed("a") == (Observed(0, 2, "rear"), Observed(2, 6, "groom"))


def test_erasing_cuts_and_keeps_the_time_scored():
    book = book_of(("groom", 0, 10), ("rear", 0, 3), ("jump", 5, 5))
    book.erase("a", 2, 6, behavior="groom")
    assert spans(book) == [("groom", 0, 2), ("rear", 0, 3), ("jump", 5, 5), ("groom", 6, 10)]
    book.erase("a", 2, 6)
    assert spans(book) == [("groom", 0, 2), ("rear", 0, 2), ("groom", 6, 10)]
    assert Observed(0, 10, "groom") in book.observed("a")


def test_time_that_is_scored_for_all_is_not_noted_again_for_one():
    book = book_of()
    book.observe("a", 0, 10)
    book.add("a", "groom", 2, 4)
    assert book.observed("a") == (Observed(0, 10),)
    assert book.last_edit.name == "add groom"
    book.observe("a", 3, 4)
    assert book.last_edit.name == "add groom"


def test_an_import_twice_changes_nothing_the_second_time():
    rows = [{"recording": "a", "behavior": "groom", "start_s": i * 2.0, "stop_s": i * 2.0 + 1} for i in range(20)]
    annotations = Annotations.of(rows, [{"recording": "a", "start_s": 0, "stop_s": 50}])
    book = LabelBook(annotations)
    assert len(book) == 20
    assert book.undo_name is None
    book.merge(annotations)
    assert book.undo_name is None


def test_an_import_into_an_exclusive_catalogue_makes_room():
    book = book_of(("groom", 0, 10), ("rear", 20, 30), exclusive=True)
    rows = [{"recording": "a", "behavior": "walk", "start_s": s, "stop_s": s + 1.0} for s in (2.0, 5.0, 9.5)]
    book.merge(Annotations.of(rows, [], CATALOGUE.replaced(exclusive=True)))
    assert spans(book, "groom") == [(0, 2), (3, 5), (6, 9.5)]
    assert spans(book, "walk") == [(2, 3), (5, 6), (9.5, 10.5)]
    assert len({bout.id for bout in book.bouts()}) == 7


def test_an_import_that_contradicts_itself_is_refused():
    rows = [{"recording": "a", "behavior": b, "start_s": 1.0, "stop_s": 3.0} for b in ("groom", "walk")]
    book = book_of(exclusive=True)
    with pytest.raises(AnnotationError, match=r"exclude each other, found 'groom' and 'walk' of 'a' both at 1.000 s"):
        book.merge(Annotations.of(rows, [], CATALOGUE.replaced(exclusive=True)))


def test_overlapping_behaviors_cannot_become_exclusive():
    book = book_of(("groom", 0, 4), ("rear", 3, 6), ("walk", 5, 7))
    with pytest.raises(AnnotationError, match=r"'groom' and 'rear' of 'a' both at 3.000 s \(2 such in all\): remove"):
        book.set_behaviors(CATALOGUE.replaced(exclusive=True))
    assert not book.behaviors.exclusive


def test_renamed_behaviors_can_swap_names_and_become_one():
    book = book_of(("groom", 0, 4), ("rear", 6, 8))
    book.set_behaviors(book.behaviors, {"groom": "rear", "rear": "groom"})
    assert spans(book) == [("rear", 0, 4), ("groom", 6, 8)]
    assert book.observed("a") == (Observed(0, 4, "rear"), Observed(6, 8, "groom"))
    book.set_behaviors(Behaviors.of(["clean"]), {"groom": "clean", "rear": "clean"})
    assert spans(book) == [("clean", 0, 4), ("clean", 6, 8)]
    book.set_behaviors(Behaviors(()))
    assert len(book) == 0
    book.undo()
    assert len(book) == 2


def test_a_behavior_with_bouts_keeps_its_kind():
    book = book_of(("jump", 1, 1))
    with pytest.raises(AnnotationError, match=r"'jump' to stay a point behavior, because it has bouts"):
        book.set_behaviors(Behaviors.of(["jump"]))


def test_messages():
    book = book_of(("groom", 0, 4))
    number = book.bouts("a")[0].id
    with pytest.raises(AnnotationError, match=r"expected a bout of this session, found the number 99"):
        book.bout(99)
    with pytest.raises(AnnotationError, match=r"one of the behaviors groom, rear, walk, jump, found 'sleep'"):
        book.add("a", "sleep", 0, 1)
    with pytest.raises(
        AnnotationError, match=r"'groom' is a state behavior: expected a bout that ends after it starts"
    ):
        book.add("a", "groom", 1, 1)
    with pytest.raises(AnnotationError, match=r"'jump' is a point behavior: expected start and stop at one instant"):
        book.change(number, behavior="jump")
    with pytest.raises(AnnotationError, match=r"expected a time inside the bout, 0.000 to 4.000 s, found 4.000 s"):
        book.split(number, 4.0)
    with pytest.raises(AnnotationError, match=r"expected a source such as manual:<annotator>, found 'me'"):
        book.change(number, source="me")
    book.add("a", "groom", 5, 6, subject="fly")
    with pytest.raises(AnnotationError, match=r"a name that no subject has, found 'fly'"):
        book.rename_subject("", "fly")


def test_everybody_hears_of_an_edit_although_somebody_fails():
    book, heard = LabelBook(), []
    book.subscribe(lambda edit: 1 / 0)
    stop = book.subscribe(heard.append)
    with pytest.raises(ZeroDivisionError):
        book.set_behaviors(CATALOGUE)
    assert [edit.name for edit in heard] == ["edit behaviors"]
    assert book.behaviors == CATALOGUE
    stop()
    stop()
    with pytest.raises(ZeroDivisionError):
        book.undo()
    assert len(heard) == 1


def test_an_edit_prepared_on_a_copy_is_adopted_unless_labels_changed():
    book = book_of(("groom", 0, 4))
    copy = book.copy()
    copy.merge(Annotations.of([{"recording": "a", "behavior": "groom", "start_s": 6, "stop_s": 7}]))
    heard = []
    book.subscribe(heard.append)
    book.adopt(copy)
    assert [edit.name for edit in heard] == ["import"]
    assert spans(book, "groom") == [(0, 4), (6, 7)]
    assert len(copy) == 0
    assert book.undo().name == "import"
    stale = book.copy()
    stale.delete([stale.bouts("a")[0].id])
    book.change(book.bouts("a")[0].id, stop_s=5.0)
    for other in (stale, copy, LabelBook()):
        with pytest.raises(
            AnnotationError, match=r"as they were when the change was prepared, found newer ones: do it"
        ):
            book.adopt(other)
    assert spans(book, "groom") == [(0, 5)]


def test_an_edit_says_what_it_touches():
    book, heard = LabelBook(), []
    book.subscribe(heard.append)
    book.set_behaviors(CATALOGUE)
    number = book.add("a", "groom", 1, 2)
    book.change(number, start_s=0.5)
    assert [edit.touched() for edit in heard] == [{""}, {"a"}, {"a"}]
    assert [edit.changes_catalogue for edit in heard] == [True, False, False]
    assert sorted(heard[1].spans()["a"]) == [(1, 2), (1, 2)]
    assert sorted(heard[2].spans()["a"]) == [(0.5, 2), (0.5, 2), (1, 2), (1, 2)]


def test_annotations_come_back():
    book = book_of(("groom", 0, 4), ("jump", 2, 2))
    book.add("b", "rear", 1, 2, subject="fly", score=0.5, source="curated:me")
    again = LabelBook(book.annotations())
    assert again.annotations().equals(book.annotations())
    assert book.annotations(["b"]).recordings == ("b",)
    assert book.subjects() == ("fly",)
    assert book.subjects("a") == ()
    assert isinstance(book.annotations().bouts, pd.DataFrame)


def test_bouts_as_json_are_checked():
    bout = Bout(3, "a", "groom", 0.0, 1.5, score=0.25, source="curated:me", comment="ü")
    assert Bout.from_json(bout.to_json()) == bout
    assert math.isnan(Bout.from_json({"id": 1, "recording": "a", "behavior": "g", "start_s": 0, "stop_s": 1}).score)
    for wrong in (
        {"id": True},
        {"id": 1.5},
        {"start_s": "0"},
        {"start_s": math.nan},
        {"stop_s": math.inf},
        {"stop_s": -1.0},
        {"recording": ""},
        {"behavior": 7},
        {"source": "hearsay"},
        {"colour": "red"},
    ):
        with pytest.raises(AnnotationError, match=r"expected"):
            Bout.from_json(bout.to_json() | wrong)
    with pytest.raises(AnnotationError, match=r"expected a bout as JSON, found \[\]"):
        Bout.from_json([])


def test_read_log_of_nothing(tmp_path):
    found = read_log(tmp_path / "none")
    assert (len(found.book), found.edits, found.closed, found.good) == (0, 0, True, 0)
