"""V-TRACE annotations (as its page of version 1.2 saves them), predictions, and plain three-column files."""

import json
from pathlib import Path

import numpy as np
import pytest
from annotation_tools import example, observed, times
from hypothesis import HealthCheck, given, settings
from rich_rows import rich_rows

from vp_science.annotations import v_trace
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions, detect_format
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations

META = '# trace-meta: {"annotation_version":"behavioral-annotator-v1","fps":25,"duration":60,"frame":1500}'
HEADER = "labelId,timestamp,endTimestamp,subject,type,startFrame,endFrame,score,source,review"


def read(path: Path, *lines: str, newline: str = "\n", encoding: str = "utf-8", **options) -> Annotations:
    path.write_bytes((newline.join(lines) + newline).encode(encoding))
    assert detect_format(path).name == "v-trace"
    return v_trace.read(path, ReadOptions(**options))


def test_page_file(tmp_path):
    found = read(
        tmp_path / "mouse1.csv",
        META,
        HEADER,
        "grooming,1,2.04,subject_animal,state,25,50,,,",
        '"rear, high",3.2,3.2,subject_animal,point,80,80,,,',
        "grooming,10.4,12,subject_animal,state,260,299,0.93,model,accepted",
        annotator="anna",
    )
    assert times(found, ["recording", "subject", "behavior", "kind", "start_s", "stop_s", "source"]) == [
        ("mouse1", "", "grooming", "state", 1.0, 2.04, "manual:anna"),
        ("mouse1", "", "grooming", "state", 10.4, 12.0, "curated:anna"),
        ("mouse1", "", "rear, high", "point", 3.2, 3.2, "manual:anna"),
    ]
    assert found.bouts["score"].max() == 0.93
    assert observed(found) == [("mouse1", "", "", 0.0, 60.0)]


def test_review_states(tmp_path):
    found = read(
        tmp_path / "m.csv",
        META,
        HEADER,
        "a,1,2,,state,,,0.9,model,pending",
        "a,3,4,,state,,,0.8,model,rejected",
        "b,5,6,,state,,,0.7,model,corrected",
        "b,7,8,,state,,,0.6,model,",
    )
    assert times(found, ["behavior", "start_s", "source"]) == [
        ("a", 1.0, "model:v-trace"),
        ("b", 5.0, "curated:"),
        ("b", 7.0, "model:v-trace"),
    ]
    # Something waits for review, so only what a person judged is known: "a" was not there from 3 to 4 s.
    assert observed(found) == [("m", "", "a", 3.0, 4.0), ("m", "", "b", 5.0, 6.0)]


def test_predictions(tmp_path):
    meta = '# trace-meta: {"trace_prediction_version": 1, "video": "trial 7.mp4", "class_map": ["a", "b"]}'
    found = read(
        tmp_path / "trial 7.pred.csv",
        meta,
        "labelId,timestamp,endTimestamp,score,predictionId",
        "a,0.5,1.25,0.91,trial 7::0",
    )
    assert times(found, ["recording", "behavior", "start_s", "stop_s", "source"]) == [
        ("trial 7", "a", 0.5, 1.25, "model:v-trace")
    ]
    assert found.behaviors.names == ("a", "b")
    assert found.bouts["score"][0] == 0.91
    assert len(found.observed) == 0


def test_three_columns_old_shortcuts_and_animals(tmp_path):
    found = read(
        tmp_path / "old.csv",
        "# my notes",
        "# trace-meta: behaviors=Gro%C3%9F:g,rear:r",
        " labelId, timestamp, endTimestamp, animal",
        "Groß,1.5,2.5,Maus A",
        "",
        "# in between",
        "rear,3,4,",
        newline="\r\n",
        encoding="utf-8-sig",
    )
    assert times(found, ["subject", "behavior", "start_s"]) == [("", "rear", 3.0), ("Maus A", "Groß", 1.5)]
    assert [(entry.name, entry.key) for entry in found.behaviors] == [("Groß", "g"), ("rear", "r")]
    assert len(found.observed) == 0  # no duration, no recording: nobody knows how far it was scored


def test_known_recording_is_scored_throughout(tmp_path):
    clock = FrameClock(time_s={"m": np.arange(100) / 25})
    found = read(tmp_path / "m.csv", "labelId,timestamp,endTimestamp", "a,1,2", clock=clock)
    assert observed(found) == [("m", "", "", 0.0, 4.0)]


def test_excel_semicolons_and_decimal_commas(tmp_path):
    found = read(tmp_path / "m.csv", "labelId;timestamp;endTimestamp", "a;1,5;2,25")
    assert times(found, ["start_s", "stop_s"]) == [(1.5, 2.25)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["labelId,timestamp,endTimestamp", "a,x,2"],
            r"m\.csv, line 2, column 'timestamp': expected a number, found 'x'",
        ),
        (
            ["# c", "labelId,timestamp,endTimestamp", "a,3,2"],
            r"line 3, column 'endTimestamp': expected endTimestamp not",
        ),
        (["labelId,timestamp,endTimestamp", ",1,2"], r"line 2, column 'labelId': expected a behavior"),
        ([HEADER, "a,1,2,,,,,,model,maybe"], r"line 2, column 'review': expected a review of pending, accepted"),
        (["# trace-meta: {", "labelId,timestamp,endTimestamp"], r"line 1: expected JSON behind '# trace-meta:'"),
        (["labelId,timestamp,endTimestamp", "a,1,2", "a,3,3"], r"line 3: expected a state as in the other rows of 'a'"),
        (
            ['# trace-meta: {"vp_science": {"observed": [1]}}', "labelId,timestamp,endTimestamp"],
            r"expected observed intervals in '# trace-meta:'",
        ),
    ],
)
def test_bad_files(tmp_path, lines, message):
    with pytest.raises(AnnotationError, match=message):
        read(tmp_path / "m.csv", *lines)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rich_rows())
def test_round_trip(tmp_path, rows):
    given_annotations = Annotations.of(*rows)
    path = tmp_path / "mouse 1.csv"
    assert v_trace.write(given_annotations, path, WriteOptions()) == [path]
    back = v_trace.read(path, ReadOptions())
    columns = [*given_annotations.bouts.columns.drop("score")]
    assert times(back, columns) == times(given_annotations, columns)
    assert observed(back) == observed(given_annotations)
    assert back.behaviors == given_annotations.behaviors


def test_written_as_v_trace_reads(tmp_path):
    [path] = v_trace.write(example(source="model:p1", score=0.5), tmp_path / "vid.csv", WriteOptions(FrameClock(25)))
    meta, header, first = path.read_text().splitlines()[:3]
    assert json.loads(meta.removeprefix("# trace-meta: "))["duration"] == 4.0
    assert header.startswith(HEADER)
    assert first.startswith("run,0.4,1.2,,state,10,29,0.5,model,pending,")


def test_write_predictions(tmp_path):
    [path] = v_trace.write(example(source="model:p1", score=0.5), tmp_path / "vid.pred.csv", WriteOptions())
    lines = path.read_text().splitlines()
    assert lines[1:3] == ["labelId,timestamp,endTimestamp,score,predictionId", "run,0.4,1.2,0.5,vid::0"]
    assert times(v_trace.read(path, ReadOptions()), ["behavior", "start_s", "stop_s"]) == [
        ("rest", 1.2, 2.0),
        ("run", 0.4, 1.2),
        ("run", 3.0, 3.2),
    ]
    with pytest.raises(AnnotationError, match=r"expected predictions only .* found the source 'manual:'"):
        v_trace.write(example(), tmp_path / "vid.pred.csv", WriteOptions())


@pytest.mark.parametrize("name", ["#1", " run", "run\n# x"])
def test_names_that_v_trace_would_skip(tmp_path, name):
    annotations = Annotations.of([{"recording": "m", "behavior": name, "start_s": 0.0, "stop_s": 1.0}])
    with pytest.raises(AnnotationError, match="V-TRACE skips lines that begin with '#'"):
        v_trace.write(annotations, tmp_path / "m.csv", WriteOptions())


def test_not_v_trace(tmp_path):
    path = tmp_path / "x.csv"
    assert not v_trace.matches(path, b"recording,behavior,start_s,stop_s\n")
    assert not v_trace.matches(path, b"\0\1\2labelId,timestamp,endTimestamp")
