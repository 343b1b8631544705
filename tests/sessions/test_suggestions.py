"""Where to look next: what is new or unsure, never what was scored, spread over what there is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probe_study import make_track, write_track

from vp_science.errors import ProbeError, SettingsError
from vp_science.sessions.label_log import open_label_log
from vp_science.sessions.segment_choice import Candidates, choose_segments
from vp_science.sessions.suggestions import suggest_segments
from vp_science.sessions.uncertainty import find_doubt
from vp_science.sessions.worker import CancelledError, Reporter, run_job
from vp_science.store.ethogram import Annotated, write_ethogram_file
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import Ethogram

FPS, ROWS = 25.0, 2000  # 80 s
KINDS = np.eye(12) * 3


def vectors(plan, seed=0):
    """Rows of a recording: what happens from when on, by second."""
    rng = np.random.default_rng(seed)
    rows = 0.3 * rng.normal(size=(ROWS, 12))
    for start, stop, kind in plan:
        rows[round(start * FPS) : round(stop * FPS)] += KINDS[kind]
    return rows


@pytest.fixture
def study(tmp_path):
    """Two recordings: kinds 0 and 1 everywhere, kind 2 rare in b."""
    plans = {
        "a": [(0, 40, 0), (40, 80, 1)],
        "b": [(0, 50, 0), (50, 56, 2), (56, 80, 1)],
    }
    (tmp_path / "tracks").mkdir()
    paths = [
        write_track(make_track(name, vectors(plan, seed), FPS), tmp_path / "tracks")
        for seed, (name, plan) in enumerate(plans.items())
    ]
    log = open_label_log(tmp_path / "labels.log.jsonl")
    log.book.set_behaviors(Behaviors.of(["groom", "walk"]))
    return tmp_path, paths, log


def ask(study, number=3, **changes):
    folder, paths, log = study
    log.save()
    request = {
        "tracks": [str(path) for path in paths],
        "labels": str(folder / "labels.log.jsonl"),
        "predictions": {},
        "probe": "",
        "number": number,
        "segment_s": 10,
    }
    told = []
    result = run_job("suggest", request | changes, Reporter(told.append))
    assert told
    return result


def test_without_labels_segments_cover_what_is_there(study):
    found = ask(study, 3)["segments"]
    assert {one["why"] for one in found} == {"covers"}
    assert all(one["reason"].startswith("stands for about") for one in found)
    assert any(one["recording"] == "b" and one["start_s"] < 56 and one["stop_s"] > 50 for one in found)  # the rare one
    assert {one["recording"] for one in found} == {"a", "b"}


def test_with_labels_the_first_is_what_is_unlike_them(study):
    study[2].book.observe("a", 0, 80)
    (one,) = ask(study, 1)["segments"]
    assert (one["why"], one["reason"]) == ("new", "unlike anything labelled so far")
    assert one["start_s"] < 56
    assert one["stop_s"] > 50


def test_scored_and_excluded_time_is_never_suggested(study):
    book = study[2].book
    book.observe("a", 10, 70)
    book.observe("b", 0, 30, behavior="groom")
    result = ask(study, 20, excluded=[["b", 60.0, 80.0]])
    allowed = {"a": [(0, 10), (70, 80)], "b": [(30, 60)]}
    for one in result["segments"]:
        assert any(a - 1e-6 <= one["start_s"] < one["stop_s"] <= b + 1e-6 for a, b in allowed[one["recording"]])
    assert result["notes"] == [f"There is room for {len(result['segments'])} segments in time that nobody scored."]
    for name in "ab":
        book.observe(name, 0, 80)
    assert ask(study, 2)["segments"] == []


def write_scores(folder, name, at, *, exclusive=False):
    """Scores that are sure everywhere except from 60 to 70 s of one recording."""
    time_s = np.arange(ROWS) / FPS
    scores = np.full((ROWS, 2), 0.02, np.float32)
    if name == at:
        scores[1500:1750] = (0.45, 0.5)
    behaviors = Behaviors.of(["groom", "walk"], exclusive=exclusive)
    one = Ethogram(behaviors, time_s, (scores > 0.5).astype(np.int8), scores, name)
    path = folder / f"{name}.ethogram.h5"
    write_ethogram_file(path, Annotated("p1", name, [one], {}), "test")
    return str(path)


@pytest.mark.parametrize("exclusive", [False, True])
def test_what_the_probe_is_unsure_of_comes_with_what_it_is_unsure_between(study, exclusive):
    folder = study[0]
    files = {name: write_scores(folder, name, "a", exclusive=exclusive) for name in "ab"}
    study[2].book.observe("b", 0, 80)
    found = ask(study, 4, predictions=files, probe="p1")["segments"]
    unsure = [one for one in found if one["why"] == "unsure"]
    assert unsure
    assert (unsure[0]["recording"], unsure[0]["reason"]) in {
        ("a", "unsure between walk and groom"),
        ("a", "unsure between groom and walk"),
    }
    assert 55 < unsure[0]["start_s"] < 65
    assert ask(study, 2, predictions=files, probe="another")["segments"]


def test_doubt_is_greatest_in_the_middle_and_named_after_what_it_is_about():
    time_s = np.arange(40) / 10
    scores = np.full((40, 2), np.nan, np.float32)
    scores[:10], scores[10:20], scores[20:30] = (0.5, 0.01), (0.99, 0.01), (0.5, 0.48)
    apart = find_doubt(Behaviors.of(["groom", "walk"]), time_s, scores)
    assert apart.of(0, 1) == pytest.approx(1)
    assert apart.of(1, 2) < 0.1
    assert apart.of(3, 4) == 0
    assert apart.words(0, 1) == "unsure whether this is groom"
    together = find_doubt(Behaviors.of(["groom", "walk"], exclusive=True), time_s, scores)
    assert together.words(2, 3) == "unsure between groom and walk"
    assert together.of(2, 3) == pytest.approx(0.98, abs=0.01)
    assert together.words(0, 1) == "unsure whether this is groom"


@given(
    st.integers(1, 12),
    st.sampled_from([5.0, 10.0, 30.0]),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 90), st.integers(1, 30)), max_size=6),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_chosen_segments_are_free_apart_and_fairly_shared(number, segment_s, scored, with_doubt):
    rng = np.random.default_rng(number)
    names, lasts = ("a", "b"), ((0.0, 100.0), (0.0, 100.0))
    settled = {
        name: np.array([(s, s + d) for r, s, d in scored if r == i], np.float64).reshape(-1, 2)
        for i, name in enumerate(names)
    }
    start = np.tile(np.arange(0, 100, 2.0), 2)
    doubts = {}
    if with_doubt:
        scores = rng.random((1000, 2)).astype(np.float32)
        doubts["a"] = find_doubt(Behaviors.of(["x", "y"]), np.arange(1000) / 10, scores)
    candidates = Candidates.of(np.repeat(np.arange(2), 50), start, start + 2, names, lasts, settled, doubts, segment_s)
    found = choose_segments(rng.normal(size=(100, 6)).astype(np.float32), candidates, number)
    assert len(found) <= number
    for i, one in enumerate(found):
        assert 1 - 1e-9 <= one.stop_s - one.start_s <= segment_s + 1e-9
        assert one.reason
        assert all(b <= one.start_s + 1e-9 or one.stop_s <= a + 1e-9 for a, b in settled[one.recording].tolist())
        for other in found[:i]:
            same = other.recording == one.recording
            assert not same or other.stop_s <= one.start_s + 1e-9 or one.stop_s <= other.start_s + 1e-9


def test_wrong_requests_and_tracks_are_refused_and_it_can_be_cancelled(study):
    with pytest.raises(SettingsError, match="expected 1 to 200 segments of 1 to 3600 s, found 0 of 10 s"):
        ask(study, 0)
    with pytest.raises(SettingsError, match="expected at least one track, found none"):
        ask(study, 1, tracks=[])
    folder, paths, _ = study
    other = write_track(make_track("c", vectors([]), FPS, checkpoint="sha256:cd"), folder)
    with pytest.raises(ProbeError, match="checkpoint"):
        ask(study, 1, tracks=[str(path) for path in (*paths, other)])
    reporter = Reporter(lambda _: None)
    reporter.control("cancel")
    with pytest.raises(CancelledError):
        suggest_segments({"tracks": [], "labels": "x", "number": 1, "segment_s": 10}, reporter)
