import numpy as np
import pandas as pd
import pytest

from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import BOUT_COLUMNS, OBSERVED_COLUMNS, Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors


def bout(behavior="walk", start_s=0.0, stop_s=1.0, recording="r", **more):
    return {"recording": recording, "behavior": behavior, "start_s": start_s, "stop_s": stop_s, **more}


def seen(start_s=0.0, stop_s=9.0, recording="r", **more):
    return {"recording": recording, "start_s": start_s, "stop_s": stop_s, **more}


def test_tables_are_completed_and_sorted():
    made = Annotations.of(
        [bout(start_s=2, stop_s=3), bout("tap", 1, 1, kind="point", score=0.5, subject=None), bout(recording="q")],
        [seen(), seen(recording="q", behavior=None)],
    )
    assert tuple(made.bouts.columns) == BOUT_COLUMNS
    assert tuple(made.observed.columns) == OBSERVED_COLUMNS
    assert made.bouts["recording"].tolist() == ["q", "r", "r"]
    assert made.bouts["kind"].tolist() == ["state", "point", "state"]
    assert made.bouts["subject"].tolist() == ["", "", ""]
    assert made.bouts["source"].tolist() == ["manual:"] * 3
    assert made.bouts["score"].isna().tolist() == [True, False, True]
    assert made.behaviors.names == ("walk", "tap")
    assert made.observed["behavior"].tolist() == ["", ""]
    assert made.recordings == ("q", "r")


def test_kinds_come_from_the_catalogue():
    behaviors = Behaviors.of([Behavior("tap", "point"), "walk"])
    assert Annotations.of([bout("tap", 1, 1), bout()], behaviors=behaviors).bouts["kind"].tolist() == ["state", "point"]


def test_inputs_stay_as_they_are():
    table = pd.DataFrame([bout(start_s=2, stop_s=3), bout()])
    before = table.copy()
    Annotations.of(table)
    pd.testing.assert_frame_equal(table, before)


def test_nothing_at_all():
    made = Annotations.of([])
    assert (len(made.bouts), len(made.observed), len(made.behaviors), made.recordings) == (0, 0, 0, ())
    assert made.equals(Annotations.of(made.bouts, made.observed, made.behaviors))
    assert "0 bouts of 0 behaviors" in repr(made)


@pytest.mark.parametrize(
    ("bouts", "observed", "behaviors", "message"),
    [
        ([bout(speed=1)], [], None, "in the bout table, found 'speed': rename or remove it"),
        (
            [{"recording": "r", "behavior": "a", "start_s": 0}],
            [],
            None,
            "column 'stop_s' in the bout table, found none",
        ),
        ([bout(stop_s="late")], [], None, "stop_s of every bout to be a finite number, found 'late' in row 0"),
        ([bout(), bout(stop_s=np.inf)], [], None, "found inf in row 1"),
        ([bout(start_s=None)], [], None, "start_s of every bout to be a finite number"),
        ([bout(score="high")], [], None, "score of every bout to be a finite number, found 'high'"),
        ([bout(recording="")], [], None, "expected a recording"),
        ([bout(kind="event")], [], Behaviors.of(["walk"]), "expected kind state or point.*kind 'event'"),
        ([bout()], [], Behaviors.of(["rest"]), "expected one of the behaviors rest, found the bout 'walk'"),
        ([bout(kind="point", stop_s=0.0)], [], Behaviors.of(["walk"]), "the kind that the catalogue gives"),
        ([bout(start_s=2.0)], [], None, "expected start_s <= stop_s, found the bout 'walk' of 'r' at 2 to 1 s"),
        ([bout(stop_s=0.0)], [], None, "expected a state with a duration"),
        ([bout(kind="point")], [], None, "expected a point event without duration"),
        ([bout(source="guess")], [], None, "expected a source such as manual:<annotator>"),
        ([bout()], [seen(stop_s=0.0)], None, "expected an observed interval with a recording, start_s < stop_s"),
        ([bout()], [seen(behavior="fly")], None, "and a known behavior, found 'r', 0 to 9 s, 'fly'"),
        ([bout()], [seen(colour="red")], None, "in the observed interval table, found 'colour'"),
    ],
)
def test_tables_that_make_no_sense_are_refused(bouts, observed, behaviors, message):
    with pytest.raises(AnnotationError, match=message):
        Annotations.of(bouts, observed, behaviors)


def study() -> Annotations:
    return Annotations.of(
        [
            bout("walk", 0, 1, subject="b"),
            bout("rest", 1, 2, subject="a", source="model:p"),
            bout("rest", 1, 2, recording="q", source="curated:ann"),
        ],
        [seen(), seen(recording="q", behavior="rest"), seen(recording="q", subject="c", behavior="walk")],
        Behaviors.of(["walk", "rest"], exclusive=True),
    )


def test_selections():
    made = study()
    assert made.subjects() == ("a", "b", "c")
    assert made.subjects("q") == ("c",)
    assert made.select(recordings=["q"]).recordings == ("q",)
    assert made.select(sources=["manual", "curated"]).bouts["source"].tolist() == ["curated:ann", "manual:"]
    # What only others looked at was not observed by these.
    assert made.select(sources=["manual"]).observed["recording"].tolist() == ["r"]
    resting = made.select(behaviors=["rest"])
    assert resting.behaviors == Behaviors.of(["rest"], exclusive=True)
    assert set(resting.bouts["behavior"]) == {"rest"}
    assert resting.observed["behavior"].tolist() == ["rest", ""]
    assert made.select(behaviors=["rest", "walk"]).behaviors.names == ("rest", "walk")
    with pytest.raises(AnnotationError, match="found 'fly'"):
        made.select(behaviors=["fly"])


def test_renaming_and_joining():
    made = study()
    renamed = made.renamed({"q": "z"})
    assert renamed.recordings == ("r", "z")
    assert renamed.renamed({"z": "q"}).equals(made)
    assert not renamed.equals(made)
    parts = [made.select(recordings=[name]) for name in made.recordings]
    assert Annotations.concat(parts).equals(made)
    more = Annotations.of([bout("fly")], behaviors=Behaviors.of(["fly"]))
    assert Annotations.concat([made, more]).behaviors == Behaviors.of(["walk", "rest", "fly"])
    with pytest.raises(AnnotationError, match="expected at least one set of annotations"):
        Annotations.concat([])
    assert "3 bouts of 2 behaviors (exclusive: walk, rest) in 2 recordings" in repr(made)
