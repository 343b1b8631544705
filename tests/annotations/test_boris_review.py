"""Writing BORIS projects: new ones, and predictions beside the work of people, to be reviewed."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotation_tools import example, observed, timed_rows, times
from hypothesis import HealthCheck, given, settings
from test_boris_project import RUN, behavior, content, observation

from vp_science.annotations import boris_project as project
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors

COLUMNS = ["recording", "subject", "behavior", "kind", "start_s", "stop_s", "source", "modifiers", "comment"]


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "lab.boris"


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def write(annotations: Annotations, path: Path, **options: Any) -> None:
    assert project.write(annotations, path, WriteOptions(**options)) == [path]


def read(path: Path, **options: Any) -> Annotations:
    return project.read(path, ReadOptions(**options))


def predictions(**columns: Any) -> Annotations:
    return example(source="model:probe-7", **columns)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(rows=timed_rows())
def test_round_trip(tmp_path, rows):
    annotations, path = Annotations.of(*rows), tmp_path / "round.boris"
    path.unlink(missing_ok=True)
    write(annotations, path)
    found = read(path)
    assert times(found, COLUMNS) == times(annotations, COLUMNS)
    assert observed(found) == observed(annotations)
    assert found.behaviors.names == annotations.behaviors.names


def test_a_new_project_has_what_boris_needs(file):
    run = Behavior("run", key="r", category="move", color="#010203", description="fast")
    behaviors = Behaviors((run, Behavior("rest"), Behavior("hop", "point")), exclusive=True)
    annotations = Annotations.of(example(subject="Zoë").bouts, example().observed, behaviors)
    clock = FrameClock(None, {"vid": np.arange(100) / 25})
    write(annotations, file, media={"vid": "/data/vid.mp4"}, clock=clock)
    value = load(file)
    assert value["project_format_version"] == "7.0"
    assert set(value) >= {
        "time_format",
        "project_name",
        "project_date",
        "subjects_conf",
        "behaviors_conf",
        "observations",
    }
    run, rest, hop = value["behaviors_conf"].values()
    assert (run["key"], run["category"], run["color"], run["description"]) == ("r", "move", "#010203", "fast")
    assert (run["excluded"], rest["excluded"], hop["excluded"]) == ("rest", "run", "")
    assert (run["type"], hop["type"]) == ("State event", "Point event")
    assert len({run["key"], rest["key"], hop["key"], value["subjects_conf"]["0"]["key"]}) == 4
    assert value["behavioral_categories"] == ["move"]
    assert value["subjects_conf"]["0"]["name"] == "Zoë"
    one = value["observations"]["vid"]
    assert one["file"]["1"] == ["/data/vid.mp4"]
    assert one["media_info"]["length"] == {"/data/vid.mp4": 4.0}
    assert one["media_info"]["fps"] == {"/data/vid.mp4": 25.0}
    assert one["events"][0] == [0.4, "Zoë", "run", "", "", "NA"]
    assert [event[:3] for event in one["events"][1:3]] == [[1.2, "Zoë", "run"], [1.2, "Zoë", "rest"]]
    assert read(file).behaviors.exclusive


def existing(path: Path, indent: int | None = 1) -> bytes:
    """A project of a person who scored the same recording, with keys that we do not know."""
    value = content({"by Ann": observation(RUN, "/lab/vid.mp4", future={"a": [1.50, None]})})
    value["behaviors_conf"]["0"]["modifiers"] = {"0": {"name": "speed", "type": 0, "values": ["slow", "fast"]}}
    value["what comes next"] = {"x": 1}
    path.write_text(json.dumps(value, indent=indent))
    return path.read_bytes()


@pytest.mark.parametrize("indent", [1, None])
def test_predictions_stand_beside_the_work_of_people(file, indent):
    existing(file, indent)
    before = load(file)
    write(predictions(), file, media={"vid": "/ours/vid.mp4"})
    after = load(file)
    added = after["observations"].pop("vid [model:probe-7]")
    rest = after["behaviors_conf"].pop("3")
    assert after == before
    assert (b"\n" in file.read_bytes()) is (indent == 1)
    assert (rest["code"], rest["type"]) == ("rest", "State event")
    assert rest["key"] not in {"r", "p", "e", "1", ""}
    assert added["file"]["1"] == ["/lab/vid.mp4"], "the project knows where its media are"
    assert added["media_info"]["length"] == {"/lab/vid.mp4": 60.0}
    assert "probe-7" in added["description"]


def test_people_and_models_are_told_apart_when_read_back(file):
    existing(file)
    write(predictions(), file)
    found = read(file)
    assert times(found.select(sources=["manual"]), ["recording", "behavior", "start_s", "source"]) == [
        ("vid", "run", 1.0, "manual:")
    ]
    assert times(found.select(sources=["model"]), COLUMNS) == times(predictions(), COLUMNS)
    assert observed(found) == [("vid", "", "", 0.0, 60.0)], "what Ann scored, and nothing that only a model saw"


def test_what_only_a_model_saw_is_not_scored_by_people(file):
    value = content({"by Ann": observation(RUN, "vid.mp4", **{"observation time interval": [0, 3]})})
    file.write_text(json.dumps(value))
    write(predictions(), file)
    assert observed(read(file)) == [("vid", "", "", 0.0, 3.0)]


def test_behaviors_that_the_model_does_not_know_stay_unknown(file):
    file.write_text(json.dumps(content({})))
    write(predictions(), file)
    assert sorted(row[2] for row in observed(read(file))) == ["rest", "run"]


def test_events_that_a_person_changed_are_curated(file):
    existing(file)
    write(predictions(), file)
    value = load(file)
    ours = value["observations"]["vid [model:probe-7]"]
    ours["events"][0][5] = 10  # BORIS fills in frame numbers, and comments are not the events
    ours["events"][0][4] = "looks right"
    file.write_text(json.dumps(value))
    assert set(read(file).bouts["source"]) == {"manual:", "model:probe-7"}
    ours["events"][0][0] += 0.04
    file.write_text(json.dumps(value))
    assert set(read(file, annotator="Zoë").bouts["source"]) == {"manual:Zoë", "curated:Zoë"}


def test_an_observation_that_was_renamed_is_accepted(file):
    existing(file)
    write(predictions(), file)
    value = load(file)
    value["observations"]["vid [curated:Zoë]"] = value["observations"].pop("vid [model:probe-7]")
    file.write_text(json.dumps(value))
    assert set(read(file).bouts["source"]) == {"manual:", "curated:Zoë"}


def test_the_same_predictions_are_added_once(file):
    existing(file)
    write(predictions(), file)
    once = file.read_bytes()
    write(predictions(), file)
    assert file.read_bytes() == once
    later = predictions().bouts.assign(stop_s=lambda table: table["stop_s"] - 0.04)
    write(Annotations.of(later, example().observed, example().behaviors), file)
    assert list(load(file)["observations"]) == ["by Ann", "vid [model:probe-7]", "vid [model:probe-7] (2)"]


def test_reviewed_predictions_are_not_overwritten(file):
    existing(file)
    write(predictions(), file)
    value = load(file)
    del value["observations"]["vid [model:probe-7]"]["events"][-2:]
    file.write_text(json.dumps(value))
    write(predictions(), file)
    assert len(load(file)["observations"]["vid [model:probe-7]"]["events"]) == 4
    assert len(load(file)["observations"]["vid [model:probe-7] (2)"]["events"]) == 6


def test_scored_intervals_come_back(file):
    seen = [
        {"recording": "vid", "start_s": 0.0, "stop_s": 2.0, "behavior": "run"},
        {"recording": "vid", "start_s": 2.5, "stop_s": 4.0, "subject": "Zoë"},
        {"recording": "silent", "start_s": 1.0, "stop_s": 2.0},
    ]
    annotations = Annotations.of(example().bouts, seen, example().behaviors)
    write(annotations, file)
    assert observed(read(file)) == observed(annotations)
    assert load(file)["observations"]["silent"]["events"] == []
    assert load(file)["observations"]["silent"]["observation time interval"] == [1.0, 2.0]


def test_compressed(tmp_path):
    path = tmp_path / "lab.boris.gz"
    write(predictions(), path)
    assert json.loads(gzip.decompress(path.read_bytes()))["project_name"] == "lab"
    once = path.read_bytes()
    write(predictions(), path)
    assert path.read_bytes() == once


def test_a_failed_write_leaves_the_project(file, monkeypatch):
    before = existing(file)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write(predictions(), file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        (example(target="B"), "without target, because BORIS has none, found 'run' towards 'B'"),
        (Annotations.of([{"recording": "v", "behavior": "run", "start_s": 1, "stop_s": 1.0004}]),
         "expected bouts of at least a millisecond, because BORIS counts in milliseconds, found 'run' at 1.000000 to"),
        (Annotations.of([{"recording": "v", "behavior": "peck", "start_s": 1, "stop_s": 2}]),
         "expected 'peck' to be a state as in the annotations, found a point in the project: rename one of them"),
        (example(source="model:a[b]"), "expected sources without brackets for BORIS, found 'model:a[b]'"),
        (Annotations.of([], [], Behaviors.of(["a,b", "c"], exclusive=True)), "expected names without comma"),
    ],
)  # fmt: skip
def test_what_boris_cannot_hold(file, annotations, message):
    before = existing(file)
    with pytest.raises(AnnotationError) as error:
        write(annotations, file)
    assert message in str(error.value)
    assert file.read_bytes() == before


def test_keys_run_out(file):
    entries = [behavior(f"b{index}", key=key) for index, key in enumerate("abcdefghijklmnopqrstuvwxyz0123456789")]
    file.write_text(json.dumps(content({}, entries)))
    write(Annotations.of([], [], Behaviors.of([f"n{index}" for index in range(40)])), file)
    keys = [entry["key"] for entry in load(file)["behaviors_conf"].values()]
    assert keys[36] == "A"
    assert keys.count("") == 40 - 26
    assert len(set(keys)) == 63
