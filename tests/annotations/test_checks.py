"""Checks, summaries and choices before writing."""

import numpy as np
import pytest
from annotation_tools import example, observed, span, times

from vp_science.annotations import prepare
from vp_science.annotations.checks import check_annotations, summarise
from vp_science.annotations.clock import FrameClock
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors

CLOCK = FrameClock(None, {"vid": np.arange(100) / 25})


def bout(behavior: str, start_s: float, stop_s: float, **other) -> dict:
    return {"recording": "vid", "behavior": behavior, "start_s": start_s, "stop_s": stop_s, **other}


def kinds(rows: list[dict], seen=None, *, exclusive=False, clock=CLOCK, **options) -> list[tuple]:
    behaviors = Behaviors((Behavior("run"), Behavior("rest"), Behavior("hop", "point")), exclusive=exclusive)
    annotations = Annotations.of(rows, [span(0, 4)] if seen is None else seen, behaviors)
    return [(p.severity, p.kind, p.behavior, p.start_s) for p in check_annotations(annotations, clock=clock, **options)]


def test_good_annotations_have_no_problems():
    assert check_annotations(example(), clock=CLOCK, behaviors=["run", "rest"]) == []
    assert (
        kinds(
            [
                bout("run", 0, 1),
                bout("rest", 0.5, 2),
                bout("run", 1, 2, subject="B"),
                bout("run", 0, 2, source="model:x"),
            ]
        )
        == []
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([bout("run", 0, 2), bout("run", 1, 3)], ("error", "overlap", "run", 1.0)),
        ([bout("run", 0, 3), bout("rest", 1, 2), bout("run", 2.5, 3.5)], ("error", "overlap", "run", 2.5)),
        ([bout("hop", 1, 1), bout("hop", 1, 1)], ("error", "overlap", "hop", 1.0)),
        ([bout("run", 3, 4.2)], ("error", "beyond the recording", "run", 3.0)),
        ([bout("run", -0.1, 1)], ("error", "beyond the recording", "run", -0.1)),
        ([bout("run", 1, 1.03)], ("warning", "shorter than a frame", "run", 1.0)),
    ],
)
def test_problems(rows, expected):
    assert expected in kinds(rows)


def test_exclusive_sets():
    rows = [bout("run", 0, 2), bout("rest", 1.5, 1.8), bout("rest", 1.999, 3)]
    assert kinds(rows, exclusive=True) == [("error", "exclusive overlap", "rest", 1.5)]
    assert kinds(rows) == []
    two = [bout("run", 0, 2, subject="A"), bout("rest", 1, 2, subject="B")]
    assert kinds(two, exclusive=True) == []


def test_unknown_behaviors():
    assert kinds([bout("run", 0, 1), bout("run", 2, 3)], behaviors=["rest"]) == [
        ("error", "unknown behavior", "run", 0.0)
    ]


def test_scored_time():
    rows = [bout("run", 0.5, 1.5), bout("run", 2, 3)]
    assert kinds(rows, [span(0, 1), span(1, 1.6), span(2.2, 4)]) == [("warning", "not scored", "run", 2.0)]
    assert kinds(rows, [{**span(0, 4), "behavior": "rest"}])[0][1] == "not scored"
    assert [row[1] for row in kinds(rows, [])] == ["nothing scored"]
    assert kinds(rows, [span(0, 5)]) == [("error", "beyond the recording", "", 0.0)]


def test_rounding_is_no_problem():
    assert kinds([bout("run", 0, 1.0005), bout("run", 1, 4.03)], exclusive=True, seen=[span(0, 4.03)]) == []


def test_recordings_that_are_not_there():
    assert kinds([bout("run", 0, 1)], clock=FrameClock(None, {"other": np.arange(3.0)}))[0][:2] == (
        "warning",
        "no recording",
    )
    assert kinds([bout("run", 0, 1.0)], clock=None) == []
    assert kinds([bout("run", 0, 0.05)], clock=FrameClock(10))[0][1] == "shorter than a frame"


def test_problems_as_json():
    [problem] = check_annotations(Annotations.of([bout("run", 0, 1)]))
    assert problem.to_json()["start_s"] is None
    assert "--all-scored" in problem.to_json()["message"]


def test_summary():
    rows = [bout("run", 0, 1), bout("run", 2, 5), bout("hop", 1, 1), bout("hop", 9, 9)]
    annotations = Annotations.of(
        rows, [span(0, 4)], Behaviors((Behavior("run"), Behavior("hop", "point"), Behavior("rest")))
    )
    run, hop, rest = summarise(annotations)
    assert run == {
        "behavior": "run", "kind": "state", "bouts": 2, "total_s": 4.0, "mean_s": 2.0, "median_s": 2.0,
        "observed_s": 4.0, "share": 0.75, "per_minute": None,
    }  # fmt: skip
    assert (hop["bouts"], hop["total_s"], hop["per_minute"]) == (2, None, 15.0)
    assert (rest["bouts"], rest["mean_s"], rest["share"]) == (0, None, 0.0)


def test_summary_by_group():
    rows = [bout("run", 0, 1, subject="A"), bout("run", 0, 2, subject="B"), {**bout("run", 0, 1), "recording": "w"}]
    annotations = Annotations.of(rows, [span(0, 4), span(0, 2, "w")])
    assert [(r["recording"], r["share"]) for r in summarise(annotations, "recording")] == [("vid", 3 / 8), ("w", 0.5)]
    by_subject = [(r["subject"], r["bouts"], r["total_s"]) for r in summarise(annotations, "subject")]
    assert by_subject == [("", 1, 1.0), ("A", 1, 1.0), ("B", 1, 2.0)]
    with pytest.raises(AnnotationError, match="expected by to be one of recording, subject, found 'day'"):
        summarise(annotations, "day")


def test_nothing_observed_has_no_share():
    assert summarise(Annotations.of([bout("run", 0, 1)]))[0]["share"] is None


def test_only_one_subject():
    annotations = Annotations.of(
        [bout("run", 0, 1, subject="A"), bout("run", 2, 3, subject="B")], [span(0, 2), {**span(3, 4), "subject": "B"}]
    )
    found = prepare.only_subject(annotations, "A")
    assert times(found, ["subject", "start_s"]) == [("A", 0.0)]
    assert observed(found) == [("vid", "A", "", 0.0, 2.0)]
    with pytest.raises(AnnotationError, match="expected one of the subjects A, B, found 'C'"):
        prepare.only_subject(annotations, "C")


def test_leaving_out_on_purpose():
    annotations = example(target="B", modifiers="m", comment="c", score=0.5)
    found = prepare.without(annotations, ["target", "score"]).bouts
    assert (found["target"][0], found["modifiers"][0], found["comment"][0]) == ("", "m", "c")
    assert found["score"].isna().all()
    with pytest.raises(AnnotationError, match="expected one of target, modifiers, comment, score to leave out"):
        prepare.without(annotations, ["behavior"])


def test_all_scored():
    found = prepare.all_scored(Annotations.of(example().bouts), CLOCK)
    assert observed(found) == [("vid", "", "", 0.0, 4.0)]
    with pytest.raises(AnnotationError, match=r"expected to know how long 'vid' is.*--recordings DIR"):
        prepare.all_scored(example(), FrameClock(25))
