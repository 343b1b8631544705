"""JABS annotations: inclusive frames per animal and behavior, present or absent."""

import json
from pathlib import Path

import numpy as np
import pytest
from annotation_tools import catalogue, example, frame_states, observed, times
from hypothesis import HealthCheck, given, settings

from vp_science.annotations import jabs
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions, detect_format
from vp_science.annotations.frame_labels import states_to_annotations
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.ethogram import to_ethogram


def block(start: int, end: int, present: bool = True) -> dict:
    return {"start": start, "end": end, "present": present}


def document(tracks: dict, **more) -> dict:
    return {
        "version": 1,
        "file": "cage é.avi",
        "num_frames": 100,
        "labels": {"0": {"Drink": [block(0, 0)]}},
        "unfragmented_labels": tracks,
        "metadata": {"project": {}, "video": {}},
        **more,
    }


CLOCK = FrameClock(time_s={"cage é": np.arange(100) / 10})


def read(path: Path, content: object, clock: FrameClock = CLOCK, **options) -> Annotations:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")
    assert detect_format(path).name == "jabs"
    return jabs.read(path, ReadOptions(clock=clock, **options))


def test_labels_and_what_was_looked_at(tmp_path):
    tracks = {"0": {"Walk": [block(0, 9), block(10, 19, False)]}, "1": {"Rear": [block(99, 99)]}}
    found = read(tmp_path / "cage é.json", document(tracks), annotator="k")
    assert times(found, ["recording", "subject", "behavior", "start_s", "stop_s", "source"]) == [
        ("cage é", "0", "Walk", 0.0, 1.0, "manual:k"),
        ("cage é", "1", "Rear", 9.9, 10.0, "manual:k"),
    ]
    assert observed(found) == [
        ("cage é", "0", "Walk", 0.0, 1.0),
        ("cage é", "0", "Walk", 1.0, 2.0),
        ("cage é", "1", "Rear", 9.9, 10.0),
    ]
    assert not found.behaviors.exclusive


def test_old_files_have_fragmented_labels_only(tmp_path):
    content = document({})
    del content["unfragmented_labels"], content["metadata"]
    assert times(read(tmp_path / "x.json", content), ["behavior", "start_s", "stop_s"]) == [("Drink", 0.0, 0.1)]


def test_external_identities_name_the_animals(tmp_path):
    content = document({"1": {"Walk": [block(0, 9)]}}, external_identities={"0": 17, "1": "C57_3"})
    assert read(tmp_path / "x.json", content).subjects() == ("C57_3",)


def test_none_means_that_all_are_absent(tmp_path):
    found = read(tmp_path / "x.json", document({"0": {"None": [block(0, 9)], "Walk": [block(10, 19)], "Rear": []}}))
    assert found.behaviors.exclusive
    assert found.behaviors.names == ("Walk", "Rear")
    assert times(found, ["behavior", "start_s"]) == [("Walk", 1.0)]
    assert observed(found) == [("cage é", "0", "", 0.0, 1.0), ("cage é", "0", "", 1.0, 2.0)]


def test_timeline_annotations_are_never_observed(tmp_path):
    tags = [
        {"start": 0, "end": 4, "tag": "Walk", "color": "#ff0000", "description": "odd", "identity": 0},
        {"start": 0, "end": 99, "tag": "light_off", "color": "red"},
    ]
    content = document({"0": {"Walk": [block(2, 3)], "None": [block(50, 60)]}}, annotations=tags)
    found = read(tmp_path / "x.json", content)
    assert times(found, ["subject", "behavior", "start_s", "stop_s", "comment"]) == [
        ("", "light_off", 0.0, 10.0, ""),
        ("0", "Walk", 0.2, 0.4, ""),
        ("0", "Walk (tag)", 0.0, 0.5, "odd"),
    ]
    assert [(entry.name, entry.category, entry.color) for entry in found.behaviors][1:] == [
        ("Walk (tag)", jabs.TIMELINE_CATEGORY, "#ff0000"),
        ("light_off", jabs.TIMELINE_CATEGORY, ""),
    ]
    assert set(found.observed["behavior"]) == {"Walk"}
    [path] = jabs.write(found, tmp_path / "y.json", WriteOptions(CLOCK))
    written = json.loads(path.read_text())
    assert sorted(written["annotations"], key=lambda entry: entry["tag"]) == [
        tags[0],
        {**tags[1], "color": "#808080"},
    ]
    assert jabs.read(path, ReadOptions(CLOCK, "cage é")).bouts.equals(found.bouts)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (document({"0": {"W": [block(5, 4)]}}), r"from 5 to 99 at unfragmented_labels\.0\.W\[0\]\.end, found 4"),
        (document({"0": {"W": [block(-1, 4)]}}), r"from 0 to 99 at unfragmented_labels\.0\.W\[0\]\.start, found -1"),
        (document({"0": {"W": [block(0, 100)]}}), r"from 0 to 99 at .*\.end, found 100"),
        (document({"0": {"W": [{"start": 1, "end": 2}]}}), r"true or false at .*W\[0\]\.present, found None"),
        (document({"0": {"W": {}}}), r"expected a list at unfragmented_labels\.0\.W, found {}"),
        (document({"0": []}), r"expected an object at unfragmented_labels\.0, found \[\]"),
        (
            document({"0": {"W": [block(0, 50), block(10, 20), block(30, 40, False)]}}),
            r"one label per frame at unfragmented_labels\.0\.W, found present and absent at frame 30",
        ),
        (document({}, num_frames=0), r"from 1 to \d+ at num_frames, found 0"),
        (document({}, num_frames=99), r"expected num_frames 100 as 'cage é' has, found 99"),
        (document({}, file=""), r"expected the name of the video at file, found ''"),
        (document({}, annotations=[{"start": 0, "end": 1}]), r"expected a tag at annotations\[0\]\.tag, found None"),
    ],
)
def test_bad_files(tmp_path, content, message):
    with pytest.raises(AnnotationError, match=message):
        read(tmp_path / "x.json", content)


def test_frames_need_times(tmp_path):
    with pytest.raises(AnnotationError, match="this format counts frames"):
        read(tmp_path / "x.json", document({"0": {"W": [block(0, 4)]}}), clock=FrameClock())


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame_states(exclusive=True, unknown=True), frame_states(exclusive=False, unknown=True))
def test_round_trip(tmp_path, one, many):
    for states, exclusive in ((one, True), (many, False)):
        behaviors = catalogue(exclusive=exclusive, background="None" if exclusive else "")
        clock = FrameClock(time_s={"v": np.cumsum(np.full(len(states), 0.04)) + 0.5})
        given_annotations = Annotations.concat(
            [states_to_annotations(states, behaviors, "v", clock, "manual:", name) for name in ("C57 ä", "m2")]
        )
        path = tmp_path / "v.json"
        assert jabs.write(given_annotations, path, WriteOptions(clock)) == [path]
        back = jabs.read(path, ReadOptions(clock))
        assert times(back) == times(given_annotations)
        for subject in ("C57 ä", "m2"):
            assert (states_of(back, behaviors, clock, subject) == states).all()


def states_of(annotations: Annotations, behaviors, clock: FrameClock, subject: str) -> np.ndarray:
    known = annotations.behaviors.merged(behaviors)
    whole = Annotations.of(annotations.bouts, annotations.observed, known).select(behaviors=behaviors.names)
    return to_ethogram(whole, "v", clock.time_s["v"], subject=subject).states


def test_written_as_jabs_reads(tmp_path):
    clock = FrameClock(time_s={"vid": np.arange(110) / 25})
    options = WriteOptions(clock, {"vid": "/data/vid.avi"})
    plain = Annotations.of(example(subject="0").bouts, [{"recording": "vid", "start_s": 0.0, "stop_s": 2.0}])
    [path] = jabs.write(plain, tmp_path / "vid.json", options)
    content = json.loads(path.read_text())
    assert content["file"] == "vid.avi"
    assert content["num_frames"] == 110
    assert content["labels"] == content["unfragmented_labels"]
    assert content["labels"]["0"]["run"] == [block(0, 9, False), block(10, 29), block(30, 49, False), block(75, 79)]
    assert content["labels"]["0"]["rest"] == [block(0, 29, False), block(30, 49)]
    assert "external_identities" not in content


def test_exclusive_catalogues_are_written_as_classes(tmp_path):
    clock = FrameClock(time_s={"vid": np.arange(110) / 25})
    [path] = jabs.write(example(subject="Ä 1"), tmp_path / "vid.json", WriteOptions(clock))
    content = json.loads(path.read_text())
    assert content["external_identities"] == {"0": "Ä 1"}
    assert content["labels"]["0"]["run"] == [block(10, 29), block(75, 79)]
    assert content["labels"]["0"]["None"] == [block(0, 9), block(50, 74), block(80, 99)]


def test_what_jabs_cannot_hold(tmp_path):
    clock = FrameClock(time_s={"vid": np.arange(110) / 25})
    path, options = tmp_path / "vid.json", WriteOptions(clock)
    with pytest.raises(AnnotationError, match="JABS labels animals, found annotations of 'vid' that name none"):
        jabs.write(example(), path, options)
    with pytest.raises(AnnotationError, match="expected annotations without targets"):
        jabs.write(example(subject="0", target="1"), path, options)
    with pytest.raises(AnnotationError, match=r"expected to know every frame of 'vid'.* found only a rate"):
        jabs.write(example(subject="0"), path, WriteOptions(FrameClock(25)))
    long = example(subject="0").bouts.assign(stop_s=[1.3, 2.0, 3.2])
    with pytest.raises(AnnotationError, match=r"found run and rest at 1\.200 s of 'vid'"):
        jabs.write(Annotations.of(long, (), example().behaviors), path, options)
    seen = [{"recording": "vid", "behavior": "run", "start_s": 0.0, "stop_s": 1.0}]
    with pytest.raises(AnnotationError, match=r"only some of them were observed at 0 s of 'vid'"):
        jabs.write(Annotations.of(example(subject="0").bouts, seen, example().behaviors), path, options)
    none = Annotations.of(example(subject="0").bouts.assign(behavior="None"))
    with pytest.raises(AnnotationError, match="expected no behavior called 'None'"):
        jabs.write(none, path, options)
    with pytest.raises(AnnotationError, match="expected bouts within the frames of 'vid'"):
        jabs.write(example(subject="0"), path, WriteOptions(FrameClock(time_s={"vid": np.arange(10) / 25})))
    assert not list(tmp_path.iterdir())
