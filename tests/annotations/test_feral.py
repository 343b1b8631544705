"""FERAL labels.json, one label per frame and several."""

import json
from pathlib import Path

import numpy as np
import pytest
from annotation_tools import catalogue, example, frame_states, observed, times
from hypothesis import HealthCheck, given, settings

from vp_science.annotations import feral
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions, detect_format
from vp_science.annotations.frame_labels import states_to_annotations
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations

SINGLE = {
    "class_names": {"0": "other", "1": "Fressen", "2": "sleeping"},
    "is_multilabel": False,
    "labels": {"a b.mp4": [0, 1, 1, 2, 2, 0], "c.mp4": [1, 1]},
    "splits": {"train": ["a b.mp4"], "val": ["c.mp4"], "test": [], "inference": ["d.mp4"]},
}
MULTI = {
    "class_names": {"0": "a_eating", "1": "b_eating"},
    "is_multilabel": True,
    "labels": {"v.mp4": [[0, 1], [1, 1], [0, 0]]},
    "splits": {"train": ["v.mp4"]},
}
CLOCK = FrameClock(10)


def read(path: Path, content: object, **options) -> Annotations:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    assert detect_format(path).name == "feral"
    return feral.read(path, ReadOptions(**{"clock": CLOCK, **options}))


def test_one_label_per_frame(tmp_path):
    found = read(tmp_path / "labels.json", SINGLE, annotator="zoë")
    assert found.behaviors.exclusive
    assert found.behaviors.background == "other"
    assert found.behaviors.names == ("Fressen", "sleeping")
    assert times(found, ["recording", "behavior", "start_s", "stop_s", "source"]) == [
        ("a b", "Fressen", 0.1, 0.3, "manual:zoë"),
        ("a b", "sleeping", 0.3, 0.5, "manual:zoë"),
        ("c", "Fressen", 0.0, 0.2, "manual:zoë"),
    ]
    assert observed(found) == [("a b", "", "", 0.0, 0.6), ("c", "", "", 0.0, 0.2)]


def test_several_labels_per_frame(tmp_path):
    found = read(tmp_path / "labels.json", MULTI)
    assert not found.behaviors.exclusive
    assert times(found, ["behavior", "start_s", "stop_s"]) == [("a_eating", 0.1, 0.2), ("b_eating", 0.0, 0.2)]


def test_recording_may_be_given(tmp_path):
    assert read(tmp_path / "l.json", MULTI, recording="mine").recordings == ("mine",)
    with pytest.raises(AnnotationError, match=r"expected one video, because its recording was given as 'mine'"):
        read(tmp_path / "l.json", SINGLE, recording="mine")


def test_length_must_fit_the_recording(tmp_path):
    with pytest.raises(AnnotationError, match=r"expected 4 frames as 'v' has, found 3 labels"):
        read(tmp_path / "l.json", MULTI, clock=FrameClock(time_s={"v": np.arange(4) / 10}))
    with pytest.raises(AnnotationError, match=r"this format counts frames, so give the recording .* or its rate"):
        read(tmp_path / "l.json", MULTI, clock=FrameClock())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": {"v.mp4": [0, 3]}}, r"expected a number from 0 to 2 at labels\['v.mp4'\]\[1\], found 3"),
        ({"labels": {"v.mp4": [0, -1]}}, r"expected a number from 0 to 2 at labels\['v.mp4'\]\[1\], found -1"),
        ({"labels": {"v.mp4": [0, 1.5]}}, r"expected the number of a class at labels\['v.mp4'\]\[1\], found 1.5"),
        ({"labels": {"v.mp4": [0, True]}}, r"expected the number of a class at labels\['v.mp4'\]\[1\], found True"),
        ({"labels": {"v.mp4": []}}, r"expected 1 to \d+ frames at labels\['v.mp4'\], found 0"),
        ({"labels": []}, r"expected an object at labels, found \[\]"),
        ({"labels": {"x/v.mp4": [0], "y/v.mp4": [0]}}, r"expected videos of different names"),
        ({"class_names": {"0": "a", "2": "b"}}, r"expected a name at class_names\['1'\], found None"),
        ({"class_names": {"0": "a", "1": "a"}}, r"expected every class name once, found 'a'"),
        ({"is_multilabel": True}, r"expected a list of 3 numbers 0 or 1 at labels\['a b.mp4'\]\[0\], found 0"),
        ({"is_multilabel": "no"}, r"expected true or false at is_multilabel, found 'no'"),
    ],
)
def test_bad_files(tmp_path, change, message):
    with pytest.raises(AnnotationError, match=message):
        read(tmp_path / "l.json", {**SINGLE, **change})


def test_damaged_json_says_where(tmp_path):
    text = json.dumps(SINGLE, indent=1)[:-40]
    with pytest.raises(AnnotationError, match=r"l\.json, line \d+: expected JSON, found .* at column \d+"):
        read(tmp_path / "l.json", text)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame_states(exclusive=True, unknown=False), frame_states(exclusive=False, unknown=False))
def test_round_trip(tmp_path, one, many):
    for states, exclusive in ((one, True), (many, False)):
        behaviors = catalogue(exclusive=exclusive, background="other" if exclusive else "")
        clock = FrameClock(time_s={"v 1": np.cumsum(np.full(len(states), 0.04)) + 0.5})
        given_annotations = states_to_annotations(states, behaviors, "v 1", clock, "manual:")
        path = tmp_path / "labels.json"
        feral.write(given_annotations, path, WriteOptions(clock))
        assert len(json.loads(path.read_text())["labels"]["v 1.mp4"]) == len(states)
        assert feral.read(path, ReadOptions(clock)).equals(given_annotations)


def test_written_as_feral_reads(tmp_path):
    clock = FrameClock(time_s={"vid": np.arange(100) / 25})
    options = WriteOptions(clock, {"vid": "C:\\videos\\vid.avi"})
    [path] = feral.write(example(), tmp_path / "labels.json", options)
    content = json.loads(path.read_text())
    assert content["class_names"] == {"0": "other", "1": "run", "2": "rest"}
    assert content["splits"] == {"train": ["vid.avi"], "val": [], "test": [], "inference": []}
    labels = content["labels"]["vid.avi"]
    assert (labels[9], labels[10], labels[29], labels[30], labels[75], labels[79], labels[80]) == (0, 1, 1, 2, 1, 1, 0)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"target": "Bob"}, "expected annotations without targets"),
        ({"modifiers": "left"}, "expected annotations without modifiers"),
        ({"subject": ["a", "b", "a"]}, "expected annotations without (?:several )?subjects"),
        ({"source": "model:p"}, "expected bouts that a person scored or reviewed"),
    ],
)
def test_what_feral_cannot_hold(tmp_path, columns, message):
    clock = FrameClock(time_s={"vid": np.arange(100) / 25})
    with pytest.raises(AnnotationError, match=message):
        feral.write(example(**columns), tmp_path / "labels.json", WriteOptions(clock))
    assert not list(tmp_path.iterdir())


def test_unknown_never_becomes_absent(tmp_path):
    clock = FrameClock(time_s={"vid": np.arange(101) / 25})
    with pytest.raises(AnnotationError, match=r"found 1 of 101 frames that were not, the first at 4 s"):
        feral.write(example(), tmp_path / "labels.json", WriteOptions(clock))
    with pytest.raises(AnnotationError, match=r"expected to know every frame of 'vid'.* found only a rate"):
        feral.write(example(), tmp_path / "labels.json", WriteOptions(FrameClock(25)))


def test_point_events_are_refused(tmp_path):
    row = {"recording": "v", "behavior": "call", "start_s": 1.0, "stop_s": 1.0, "kind": "point"}
    with pytest.raises(AnnotationError, match=r"expected states only.* the first 'call' of 'v' at 1 s"):
        feral.write(Annotations.of([row]), tmp_path / "l.json", WriteOptions(CLOCK))
