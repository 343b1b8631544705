"""Caltech Behavior Annotator files, as the MATLAB program and MARS write them."""

from pathlib import Path

import pytest
from annotation_tools import catalogue, example, frame_states, observed, times
from hypothesis import HealthCheck, given, settings

from vp_science.annotations import caltech
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.annotations.frame_labels import states_to_annotations
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior

TEXT = """\
Caltech Behavior Annotator - Annotation File

Configuration file:
other o
approach a
walk_away w

S1: start    end     type
-----------------------------
          1       10    other
         11       11    approach
         12       20    walk_away

S2: start    end     type
-----------------------------
          1       15    approach
         16       20    other
"""


def read(path: Path, text: str, **options) -> Annotations:
    path.write_text(text, encoding="utf-8")
    assert caltech.matches(path, path.read_bytes()[:65536])
    return caltech.read(path, ReadOptions(**{"clock": FrameClock(10), **options}))


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "012609_A29_Block11.txt"


def test_streams_are_subjects(file):
    found = read(file, TEXT, recording="A29")
    assert times(found, ["recording", "subject", "behavior", "start_s", "stop_s"]) == [
        ("A29", "S1", "approach", 1.0, 1.1),
        ("A29", "S1", "walk_away", 1.1, 2.0),
        ("A29", "S2", "approach", 0.0, 1.5),
    ]
    assert found.behaviors.entries == (Behavior("approach", key="a"), Behavior("walk_away", key="w"))
    assert (found.behaviors.exclusive, found.behaviors.background) == (True, "other")
    assert observed(found) == [("A29", "S1", "", 0.0, 2.0), ("A29", "S2", "", 0.0, 2.0)]


def test_one_stream_is_the_recording(file):
    found = read(file, TEXT[: TEXT.index("S2:")].replace("\n", "\r\n"))
    assert (found.recordings, found.subjects()) == (("012609_A29_Block11",), ())


ROW = "         11       11"
LISTED = "approach, other, walk_away"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (ROW, ROW.replace("11", "12"), "line 11: expected the row to start at frame 11, found 12, which leaves a gap"),
        (ROW, "9 11", "line 11: expected the row to start at frame 11, found 9, which overlaps the row before"),
        ("          1       10", "0 10", "line 10: expected frames from 1, the last not before the first"),
        ("    walk_away\n", "    sleep\n", f"line 12: expected one of the listed behaviors {LISTED}, found 'sleep'"),
        ("          1       10    other", "1 10", "line 10: expected first frame, last frame and behavior, found 1 10"),
        ("S1: start", "start", "line 8: expected a stream (S1:) before the rows"),
        ("Configuration file:", "Config:", ": expected the line 'Configuration file:'"),
        ("walk_away w", "approach w", "line 6: expected one behavior and its key, each behavior once"),
    ],
)
def test_bad_files(file, old, new, message):
    assert old in TEXT
    with pytest.raises(AnnotationError) as error:
        read(file, TEXT.replace(old, new, 1))
    assert message in str(error.value)
    assert str(error.value).startswith(str(file))


def test_without_rows_or_rate(file):
    with pytest.raises(AnnotationError, match=r"expected a stream \(S1:\) with rows, found 'none'"):
        read(file, TEXT[: TEXT.index("S1:")])
    with pytest.raises(AnnotationError, match=r"Block11.txt, line 10: expected to know when the frames of"):
        read(file, TEXT, clock=FrameClock())


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=frame_states(exclusive=True, unknown=False, names=("run", "Körper", "x-y")))
def test_round_trip(tmp_path, states):
    clock = FrameClock(29.97)
    behaviors = catalogue(("run", "Körper", "x-y"), exclusive=True, background="other")
    annotations = states_to_annotations(states, behaviors, "m 1.b", clock, "manual:")
    path = tmp_path / "m 1.b.txt"
    caltech.write(annotations, path, WriteOptions(clock))
    found = caltech.read(path, ReadOptions(clock))
    assert times(found) == times(annotations)
    assert observed(found) == observed(annotations)
    assert found.behaviors.names == behaviors.names


def test_subjects_called_as_streams_come_back(file):
    annotations = read(file, TEXT)
    caltech.write(annotations, file.with_name("again.txt"), WriteOptions(FrameClock(10)))
    again = caltech.read(file.with_name("again.txt"), ReadOptions(FrameClock(10), recording="012609_A29_Block11"))
    assert times(again) == times(annotations)
    assert again.behaviors == annotations.behaviors


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        (example(target="B"), "without targets"),
        (example(subject=["resident", "intruder", "resident"]),
         "or subjects called S1, S2 ..., because streams have no other names, found intruder, resident"),
        (example(start_s=[0.4, 1.0, 3.0]), "expected one behavior at a time, found run and rest at 1.000 s of 'vid'"),
        (Annotations.of(example().bouts, [{"recording": "vid", "start_s": 0, "stop_s": 2}]),
         "expected every frame of 'vid' to be scored, because the rows have no gaps, found frame 11"),
        (Annotations.of(example().bouts.replace({"run": "other"}), example().observed), "no behavior called 'other'"),
    ],
)  # fmt: skip
def test_what_it_cannot_hold(file, annotations, message):
    with pytest.raises(AnnotationError) as error:
        caltech.write(annotations, file, WriteOptions(FrameClock(5)))
    assert message in str(error.value)
    assert not file.exists()
