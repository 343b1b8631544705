"""Bento and MARS annotations, as the MATLAB and Python programs write them."""

from pathlib import Path

import numpy as np
import pytest
from annotation_tools import catalogue, example, frame_states, observed, span, times
from hypothesis import HealthCheck, given, settings

from vp_science.annotations import bento
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.annotations.frame_labels import states_to_annotations
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations

NEW = """\
Bento annotation file
Movie file(s):  /data/mouse 7_top.seq\x20

Stimulus name: male
Annotation start time: 0.1
Annotation stop time: 10
Annotation framerate: 10.000000

List of channels:
Ch1

List of annotations:
head up
sniff_face

Ch1----------
>sniff_face
Start\t Stop\t Duration\x20
0.1\t0.5\t0.5
2.0\t2.0\t0.1

>head_up
Start\t Stop\t Duration\x20
1.0\t1.9\t1


"""
OLD = """\
Bento annotation file
Movie file(s):

Stimulus name:
Annotation start frame: 1
Annotation stop frame: 300

List of channels:
resident
intruder
classifier_output

List of annotations:
attack
other

resident----------
>attack
Start\tStop\tDuration
1\t30\t30\t

intruder----------
>attack
Start\tStop\tDuration
31\t31\t1\t
>other
Start\tStop\tDuration
32\t300\t269\t

classifier_output----------
>attack
Start\tStop\tDuration
10\t20\t11\t

"""


def read(path: Path, text: str, **options) -> Annotations:
    path.write_text(text, encoding="utf-8")
    assert bento.matches(path, path.read_bytes()[:65536])
    return bento.read(path, ReadOptions(**options))


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "trial.annot"


def test_seconds_are_frame_numbers_over_the_rate(file):
    found = read(file, NEW)
    assert times(found, ["recording", "subject", "behavior", "start_s", "stop_s", "source"]) == [
        ("mouse 7_top", "", "head up", 0.9, 1.9, "manual:"),
        ("mouse 7_top", "", "sniff_face", 0.0, 0.5, "manual:"),
        ("mouse 7_top", "", "sniff_face", 1.9, 2.0, "manual:"),
    ]
    assert found.behaviors.names == ("head up", "sniff_face")
    assert observed(found) == [("mouse 7_top", "", "", 0.0, 10.0)]


def test_frames_channels_and_the_default_rate(file):
    found = read(file, OLD, annotator="Zoë")
    assert times(found, ["recording", "subject", "start_s", "stop_s", "source"]) == [
        ("trial", "", 0.3, round(20 / 30, 6), "model:classifier_output"),
        ("trial", "intruder", 1.0, round(31 / 30, 6), "manual:Zoë"),
        ("trial", "resident", 0.0, 1.0, "manual:Zoë"),
    ]
    assert (found.behaviors.names, found.behaviors.background) == (("attack",), "other")
    assert observed(found) == [("trial", "", "", 0.0, 10.0)]


def test_the_recording_decides_when_frames_are(file):
    clock = FrameClock(None, {"mouse 7_top": np.arange(100) / 10 + 5})
    assert times(read(file, NEW, clock=clock), ["behavior", "start_s", "stop_s"])[0] == ("head up", 5.9, 6.9)
    with pytest.raises(
        AnnotationError, match=r"trial.annot, line 20: expected frames 0 to 15 .*'mouse 7_top', found 19"
    ):
        read(file, NEW, clock=FrameClock(None, {"mouse 7_top": np.arange(15) / 10}))


def test_bouts_behind_the_stop_extend_what_was_scored(file):
    text = OLD.replace("stop frame: 300", "stop frame: 15")
    assert observed(read(file, text)) == [("trial", "", "", 0.0, round(31 / 30, 6))]


@pytest.mark.parametrize(
    ("movies", "expected"),
    [(" a.mp4", "a"), (" my dir/a b.mp4", "a b"), (" a.mp4 b.mp4", "trial"), ("", "trial"), (" C:\\x\\y 1.seq", "y 1")],
)
def test_names_of_movies(file, movies, expected):
    text = NEW.replace("Movie file(s):  /data/mouse 7_top.seq ", f"Movie file(s):{movies}")
    assert read(file, text).recordings == (expected,)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.1\t0.5", "0.1\tx", "line 19: expected start, stop and duration"),
        ("1.0\t1.9", "1.9\t1.0", "line 24: expected a stop that is not before the start"),
        (">sniff_face\n", "", "line 18: expected a channel and a behavior (>name) before the rows"),
        ("framerate: 10.000000", "framerate: 0", "line 7: expected a number (of frames per second: a positive one)"),
        ("start time: 0.1", "start time: ", "line 5: expected a number"),
    ],
)
def test_bad_files(file, old, new, message):
    assert old in NEW
    with pytest.raises(AnnotationError) as error:
        read(file, NEW.replace(old, new, 1))
    assert str(error.value).startswith(f"{file}, {message}")


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=frame_states(exclusive=False, unknown=False, names=("run", "Körper", "x-y")))
def test_round_trip(tmp_path, states):
    clock = FrameClock(29.97)
    behaviors = catalogue(("run", "Körper", "x-y"), background="other")
    annotations = states_to_annotations(states, behaviors, "m 1.b", clock, "manual:")
    path = tmp_path / "round.annot"
    bento.write(annotations, path, WriteOptions(clock))
    found = bento.read(path, ReadOptions())
    assert times(found) == times(annotations)
    assert observed(found) == observed(annotations)
    assert found.behaviors == behaviors


def test_subjects_become_channels(file):
    annotations = example(subject=["A", "B", "A"])
    bento.write(annotations, file, WriteOptions(FrameClock(25)))
    text = file.read_text()
    assert "List of channels:\nA\nB\n\n" in text
    assert "A----------\n>run\nStart\tStop\tDuration\n11\t30\t20\n76\t80\t5\n" in text
    found = bento.read(file, ReadOptions())
    assert times(found) == times(annotations)


def test_point_events_take_one_frame(file):
    hop = {"recording": "vid", "behavior": "hop", "start_s": 1, "stop_s": 1, "kind": "point"}
    point = Annotations.of([hop], [span(0, 2)])
    bento.write(point, file, WriteOptions(FrameClock(10)))
    assert times(bento.read(file, ReadOptions()), ["kind", "start_s", "stop_s"]) == [("state", 1.0, 1.1)]


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        (example(target="B"), "without targets"),
        (example(source=["manual:a", "manual:a", "model:b"]), "without several sources"),
        (Annotations.of(example().bouts.replace({"run": "a b", "rest": "a_b"}), example().observed),
         "expected names that differ in more than spaces"),
        (Annotations.of(example().bouts.replace({"run": "other"}), example().observed), "no behavior called 'other'"),
        (Annotations.of(example().bouts, [span(0, 2), span(3, 4)]),
         "expected one scored interval of 'vid' for everything, because the format holds only one, found 2"),
        (Annotations.of(example().bouts), "found none: write our own CSV, or take whole recordings as scored"),
        (Annotations.of(example().bouts, [span(0, 2)]),
         "expected every bout in time that was scored, found 'run' at 3 to 3.2 s of 'vid'"),
    ],
)  # fmt: skip
def test_what_it_cannot_hold(file, annotations, message):
    with pytest.raises(AnnotationError) as error:
        bento.write(annotations, file, WriteOptions(FrameClock(25)))
    assert message in str(error.value)
    assert not file.exists()
