"""Holding and tapping keys, marks, watching: the logic of labelling, without any window."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_parts import TIMES, Clock, FakeTimeline, make_state, show, spans
from napari_vp_science.labels.labeller import Labeller, subjects
from napari_vp_science.labels.live import LiveStrokes, Watch

import vp_science as vp


class Bench:
    """A labeller with hands: keys down and up, frames that pass."""

    def __init__(self, folder, **options):
        self.state = make_state(folder, **options)
        self.timeline, self.clock = FakeTimeline(), Clock()
        self.labeller = Labeller(self.state, self.timeline, self.clock)
        self.labeller.switch(True)
        self.told = []
        self.state.message.connect(self.told.append)
        self.link = self.state.link

    def play_to(self, frame):
        """The video plays to a frame by the clock, showing each."""
        if not self.link.playing:
            self.link.play(True)
        for at in range(self.link.frame + 1, frame + 1):
            self.clock.now += (TIMES[at] - TIMES[at - 1]) / self.link.speed
            self.link.go(at)

    def tap(self, behavior, **options):
        self.labeller.press(behavior, **options)
        self.clock.now += 0.1
        self.labeller.release(behavior)

    def hold_to(self, behavior, frame, **options):
        self.labeller.press(behavior, **options)
        self.play_to(frame)
        self.labeller.release(behavior)

    def scored(self, recording="fly_1"):
        edges = vp.sessions.frame_edges(TIMES)
        return [
            (o.behavior, *(int(np.abs(edges - at).argmin()) for at in (o.start_s, o.stop_s)))
            for o in self.state.labels.observed(recording)
        ]

    def close(self):
        self.labeller.close_view()
        self.state.close_session()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def exclusive(tmp_path):
    made = Bench(tmp_path, exclusive=True)
    yield made
    made.close()


def test_what_passes_while_a_key_is_held_is_labelled(bench):
    bench.link.go(10)
    bench.hold_to("groom", 30)
    assert spans(bench.state) == [("groom", 10, 31)]
    [bout] = bench.state.labels.bouts("fly_1")
    assert bout.source == "manual:anna"
    assert bench.state.bout == bout.id
    assert bench.timeline.live == {}


def test_a_growing_bout_is_shown_frame_by_frame(bench):
    bench.link.go(10)
    bench.labeller.press("groom")
    assert bench.timeline.live == {"groom": (TIMES[10], TIMES[11])}
    bench.play_to(12)
    assert bench.timeline.live == {"groom": (TIMES[10], TIMES[13])}
    assert len(bench.state.labels) == 0


def test_taps_start_and_stop(bench):
    bench.link.go(10)
    bench.tap("groom")
    bench.play_to(20)
    assert len(bench.state.labels) == 0
    bench.tap("groom")
    assert spans(bench.state) == [("groom", 10, 21)]


def test_a_long_press_on_a_standing_video_is_a_tap(bench):
    bench.labeller.press("groom")
    bench.clock.now += 5
    bench.labeller.release("groom")
    assert len(bench.state.labels) == 0
    assert [stroke.behavior for stroke in bench.labeller.strokes] == ["groom"]


def test_several_behaviors_at_once(bench):
    bench.tap("groom")
    bench.play_to(10)
    bench.hold_to("rear", 20)
    bench.play_to(30)
    bench.tap("groom")
    assert spans(bench.state) == [("groom", 0, 31), ("rear", 10, 21)]


def test_the_next_behavior_ends_the_one_before_where_they_exclude_each_other(exclusive):
    exclusive.tap("groom")
    exclusive.play_to(10)
    exclusive.tap("rear")
    exclusive.play_to(20)
    exclusive.tap("rear")
    assert spans(exclusive.state) == [("groom", 0, 10), ("rear", 10, 21)]


def test_going_backwards_labels_as_well(bench):
    bench.link.go(30)
    bench.tap("groom")
    bench.link.go(20)
    bench.tap("groom")
    assert spans(bench.state) == [("groom", 20, 31)]


def test_labels_join_what_they_touch(bench):
    bench.hold_to("groom", 10)
    bench.link.go(11)
    bench.hold_to("groom", 20)
    assert spans(bench.state) == [("groom", 0, 21)]


def test_shift_erases_what_passes(bench):
    bench.hold_to("groom", 40)
    bench.link.go(10)
    bench.hold_to("groom", 19, erase=True)
    assert spans(bench.state) == [("groom", 0, 10), ("groom", 20, 41)]
    assert bench.state.labels.undo_name == "erase groom"


def test_an_event_happens_at_the_frame(bench):
    bench.link.go(7)
    bench.tap("jump")
    assert spans(bench.state) == [("jump", 7, 7)]
    assert bench.labeller.strokes == []


def test_a_marked_range_is_labelled_or_erased(bench):
    bench.link.go(5)
    bench.labeller.run("mark_in")
    assert bench.timeline.range == (TIMES[5], None)
    bench.link.go(14)
    bench.labeller.run("mark_out")
    assert bench.timeline.range == (TIMES[5], TIMES[15])
    bench.tap("groom")
    assert spans(bench.state) == [("groom", 5, 15)]
    assert bench.labeller.marks == (None, None)
    assert bench.timeline.range == (None, None)
    bench.link.go(8)
    bench.labeller.run("mark_in")
    bench.link.go(9)
    bench.labeller.run("mark_out")
    bench.tap("groom", erase=True)
    assert spans(bench.state) == [("groom", 5, 8), ("groom", 10, 15)]


def test_marks_stay_in_order(bench):
    for name, frame in (("mark_in", 20), ("mark_out", 30), ("mark_in", 40)):
        bench.link.go(frame)
        bench.labeller.run(name)
    assert bench.labeller.marks == (40, None)
    bench.link.go(10)
    bench.labeller.run("mark_out")
    assert bench.labeller.marks == (None, 10)
    bench.labeller.run("let_go")
    assert bench.labeller.marks == (None, None)


def test_escape_drops_what_is_under_way(bench):
    bench.tap("groom")
    bench.play_to(10)
    bench.labeller.run("let_go")
    assert bench.labeller.strokes == []
    assert bench.timeline.live == {}
    assert len(bench.state.labels) == 0


def test_watched_time_counts_as_scored_in_one_step(bench):
    bench.link.go(10)
    bench.play_to(30)
    assert bench.scored() == []
    bench.link.play(False)
    assert bench.scored() == [("", 10, 31)]
    assert bench.state.labels.undo_name == "mark as scored"


def test_time_jumped_over_is_not_scored(bench):
    bench.link.go(100)
    bench.play_to(120)
    bench.link.go(500)
    bench.play_to(510)
    bench.link.go(505)
    bench.link.play(False)
    assert bench.scored() == [("", 100, 121), ("", 500, 511)]
    bench.link.go(700)
    assert len(bench.scored()) == 2


def test_frames_that_playing_drops_are_watched_unless_it_hung(bench):
    bench.link.set_speed(8.0)
    bench.link.play(True)
    for frame in (16, 32, 48):
        bench.clock.now += 0.1
        bench.link.go(frame)
    bench.clock.now += 3.0
    bench.link.go(528)
    bench.link.play(False)
    assert bench.scored() == [("", 0, 49)]


def test_watching_scores_only_when_it_shall(bench):
    bench.labeller.set_score_watched(False)
    bench.play_to(20)
    bench.link.play(False)
    assert bench.scored() == []
    bench.labeller.set_score_watched(True)
    bench.labeller.switch(False)
    bench.play_to(40)
    bench.link.play(False)
    assert bench.scored() == []


def test_another_recording_ends_what_is_under_way(bench):
    bench.tap("groom")
    bench.play_to(20)
    bench.link.frame = 3
    show(bench.state, "fly_2")
    assert spans(bench.state) == [("groom", 0, 21)]
    assert ("", 0, 21) in bench.scored()
    bench.hold_to("rear", 12)
    assert spans(bench.state, recording="fly_2") == [("rear", 3, 13)]


def test_switching_off_and_closing_keep_what_was_labelled(bench):
    bench.tap("groom")
    bench.play_to(20)
    bench.labeller.switch(False)
    assert spans(bench.state) == [("groom", 0, 21)]


def test_another_session_gets_nothing_of_the_one_before(bench, tmp_path):
    bench.tap("groom")
    bench.play_to(20)
    bench.state.open_session(tmp_path / "other")
    assert len(bench.state.labels) == 0
    assert bench.state.labels.observed("fly_1") == ()
    assert bench.labeller.strokes == []


def test_subjects_are_labelled_apart(bench):
    bench.state.session.settings["subjects"] = ["queen"]
    bench.tap("groom")
    bench.play_to(10)
    bench.labeller.run("next_subject")
    assert bench.state.subject == "queen"
    bench.hold_to("groom", 20)
    assert [(b.subject, b.behavior) for b in bench.state.labels.bouts("fly_1")] == [("", "groom"), ("queen", "groom")]
    assert subjects(bench.state) == ["queen"]
    bench.labeller.run("next_subject")
    assert bench.state.subject == ""


def test_a_range_becomes_scored_and_not_scored(bench):
    def mark(first, last):
        for name, frame in (("mark_in", first), ("mark_out", last)):
            bench.link.go(frame)
            bench.labeller.run(name)

    mark(10, 19)
    bench.labeller.run("mark_scored")
    assert bench.scored() == [("", 10, 20)]
    mark(12, 13)
    bench.labeller.run("mark_not_scored")
    assert bench.scored() == [("", 10, 12), ("", 14, 20)]
    bench.labeller.run("mark_scored")
    assert bench.told == ["Mark a range first: where it starts and where it ends"]


def test_the_chosen_bout_is_split_and_extended(bench):
    bench.hold_to("groom", 40)
    bench.link.go(20)
    bench.labeller.run("split")
    assert spans(bench.state) == [("groom", 0, 20), ("groom", 20, 41)]
    bench.link.go(50)
    bench.labeller.run("stop_here")
    bench.link.go(30)
    bench.labeller.run("start_here")
    assert spans(bench.state) == [("groom", 0, 20), ("groom", 30, 51)]
    bench.link.go(60)
    bench.labeller.run("start_here")
    assert "would end before it starts" in bench.told[-1]
    bench.labeller.run("split")
    assert "expected a time inside the bout" in bench.told[-1]
    bench.state.choose_bout(None)
    bench.labeller.run("split")
    assert bench.told[-1] == "Choose a bout first: click it, or go to the next one"


def test_a_prediction_that_is_extended_is_curated(bench):
    number = bench.state.labels.add("fly_1", "groom", TIMES[10], TIMES[20], source="model:p1")
    bench.state.choose_bout(number)
    bench.link.go(24)
    bench.labeller.run("stop_here")
    assert bench.state.labels.bout(number).source == "curated:anna"


def test_undo_and_redo(bench):
    bench.hold_to("groom", 40)
    bench.tap("rear")
    bench.labeller.run("undo")
    assert bench.labeller.strokes == []
    assert spans(bench.state) == [("groom", 0, 41)]
    bench.labeller.run("undo")
    assert spans(bench.state) == []
    bench.labeller.run("redo")
    assert spans(bench.state) == [("groom", 0, 41)]


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("back_frame", ("frames", -1)),
        ("forward_frame", ("frames", 1)),
        ("back_10_frames", ("frames", -10)),
        ("forward_10_frames", ("frames", 10)),
        ("back_second", ("seconds", -1.0)),
        ("forward_second", ("seconds", 1.0)),
        ("back_10_seconds", ("seconds", -10.0)),
        ("forward_10_seconds", ("seconds", 10.0)),
    ],
)
def test_steps(bench, name, step):
    bench.labeller.run(name)
    assert bench.link.steps == [step]


def test_what_the_ethogram_does(bench):
    bench.hold_to("groom", 10)
    for name in ("next_bout", "previous_bout", "next_same", "previous_same", "delete", "zoom_in", "zoom_out", "fit"):
        bench.labeller.run(name)
    calls = bench.timeline.calls
    assert calls[:4] == [("next", 1, None), ("next", -1, None), ("next", 1, "groom"), ("next", -1, "groom")]
    assert calls[4:] == ["delete", ("zoom", 1.5), ("zoom", 1 / 1.5), "fit"]
    assert bench.told[0] == "There is no further bout"
    bench.state.choose_bout(None)
    bench.labeller.run("next_same")
    assert "Choose a bout first" in bench.told[-1]


def test_speeds_and_playing(bench):
    bench.labeller.run("faster")
    assert bench.link.speed == 2.0
    for _ in range(10):
        bench.labeller.run("slower")
    assert bench.link.speed == 0.25
    bench.labeller.run("play")
    assert bench.link.playing


def test_without_a_recording_nothing_happens(tmp_path):
    bench = Bench(tmp_path)
    bench.state.current, bench.state.time_s = "", np.zeros(0)
    bench.state.recording_changed.emit("")
    bench.tap("groom")
    bench.labeller.run("split")
    bench.labeller.run("play")
    assert not bench.link.playing
    assert len(bench.state.labels) == 0
    bench.close()


def test_what_labels_refuse_is_told(bench):
    bench.labeller.press("sleep")
    assert bench.labeller.strokes == []
    bench.tap("groom")
    bench.state.labels.set_behaviors(vp.Behaviors(()))
    bench.tap("groom")
    assert len(bench.state.labels) == 0


# ---- the pure parts

frames = st.integers(0, 50)


@given(
    st.lists(
        st.tuples(st.sampled_from(["press", "release", "move"]), st.sampled_from("ab"), frames, st.booleans()),
        max_size=30,
    ),
    st.booleans(),
)
def test_every_stroke_ends_once_and_covers_where_it_was(steps, exclusive):
    ended, begun, now = [], 0, 0.0
    strokes = LiveStrokes(lambda stroke: ended.append((stroke.behavior, stroke.erase, stroke.first, stroke.last)))
    seen = {}
    for kind, behavior, frame, erase in steps:
        now += 0.2
        strokes.moved(frame)
        for stroke in strokes.strokes:
            seen.setdefault(id(stroke), []).append(frame)
        if kind == "press":
            before = {id(stroke) for stroke in strokes.strokes}
            strokes.press(behavior, frame, now, erase=erase, exclusive=exclusive)
            begun += sum(id(stroke) not in before for stroke in strokes.strokes)
        elif kind == "release":
            strokes.release(behavior, frame, now)
        running = strokes.strokes
        assert len({stroke.behavior for stroke in running}) == len(running) <= (1 if exclusive else 2)
        assert all(stroke.first <= frame <= stroke.last for stroke in running)
    strokes.end_all()
    assert len(ended) == begun
    assert strokes.strokes == []
    assert all(0 <= first <= last <= 50 for _, _, first, last in ended)


@given(st.lists(st.tuples(st.integers(0, 200), st.floats(0.01, 2.0)), max_size=40))
def test_stretches_hold_only_frames_that_were_played_to(moves):
    found, watch, now, last = [], Watch(lambda first, last: found.append((first, last))), 0.0, None
    joints = set()
    for frame, passed in moves:
        now += passed
        watch.playing(frame, frame / 25, 1.0, now)
        if last is not None and last <= frame and passed < 1.0 and (frame - last) / 25 <= 1.5 * passed + 0.2:
            joints |= set(range(last, frame))
        last = frame
    watch.stop()
    watch.stop()
    assert all(first < last for first, last in found)
    assert {at for first, last in found for at in range(first, last)} == joints
