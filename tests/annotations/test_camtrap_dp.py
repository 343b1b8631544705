"""Camtrap DP 1.0 packages: absolute times, media, events, people and machines."""

import csv
from pathlib import Path

import numpy as np
import pytest
from annotation_tools import observed, times
from hypothesis import HealthCheck, given, settings
from rich_rows import rich_rows

from vp_science.annotations import camtrap_dp
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions, detect_format
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations

HEADER = (
    "observationID,deploymentID,mediaID,eventID,eventStart,eventEnd,observationLevel,observationType,cameraSetupType,"
    "scientificName,count,lifeStage,sex,behavior,individualID,individualPositionRadius,individualPositionAngle,"
    "individualSpeed,bboxX,bboxY,bboxWidth,bboxHeight,classificationMethod,classifiedBy,classificationTimestamp,"
    "classificationProbability,observationTags,observationComments"
)
COLUMNS = HEADER.split(",")
MEDIA = """\
mediaID,deploymentID,captureMethod,timestamp,filePath,filePublic,fileName,fileMediatype,exifData,favorite,mediaComments
m1,dep1,activityDetection,2026-05-30T04:57:37+02:00,https://example.org/1/file,true,Fuchs 1.mp4,video/mp4,,,
m2,dep1,activityDetection,2026-05-30T05:10:00+02:00,media/b.mp4,true,,video/mp4,,,
m3,dep2,activityDetection,2026-05-30T03:10:00Z,media/2/b.mp4,true,,video/mp4,,,
"""
DEPLOYMENTS = """\
deploymentID,latitude,longitude,deploymentStart,deploymentEnd
dep1,51.5,4.8,2026-05-30T04:00:00+02:00,2026-07-01T11:41:41+02:00
"""
BASE = {
    "observationID": "o1",
    "deploymentID": "dep1",
    "mediaID": "m1",
    "eventStart": "2026-05-30T02:57:40Z",
    "eventEnd": "2026-05-30T02:57:44Z",
    "observationLevel": "media",
    "observationType": "animal",
    "behavior": "foraging",
    "classificationMethod": "human",
}


def package(folder: Path, *rows: dict, media: str | None = MEDIA, deployments: str | None = DEPLOYMENTS) -> Path:
    path = folder / "observations.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows([{**BASE, **row} for row in rows])
    for name, text in (("media.csv", media), ("deployments.csv", deployments)):
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    return path


def read(folder: Path, *rows: dict, **options) -> Annotations:
    path = package(folder, *rows)
    assert detect_format(path).name == "camtrap-dp"
    return camtrap_dp.read(path, ReadOptions(**options))


def test_media_based_observations(tmp_path):
    found = read(
        tmp_path,
        {"individualID": "RD 1", "classifiedBy": "Zoë", "scientificName": "Vulpes vulpes", "sex": "female"},
        {"observationID": "o2", "behavior": "vigilance | walking", "mediaID": "m3", "deploymentID": "dep2"}
        | {"eventStart": "2026-05-30T05:10:02+02:00", "eventEnd": "2026-05-30T03:10:05Z"}
        | {"classificationMethod": "machine", "classifiedBy": "Net 5", "classificationProbability": "0.9"},
    )
    columns = ["recording", "subject", "behavior", "start_s", "stop_s", "source", "modifiers"]
    assert times(found, columns) == [
        ("Fuchs 1", "RD 1", "foraging", 3.0, 7.0, "manual:Zoë", "scientificName:Vulpes vulpes|sex:female"),
        ("dep2/b", "", "vigilance", 2.0, 5.0, "model:Net 5", ""),
        ("dep2/b", "", "walking", 2.0, 5.0, "model:Net 5", ""),
    ]
    assert found.bouts["score"].max() == 0.9
    assert len(found.observed) == 0


def test_whole_seconds_and_events_that_began_before(tmp_path):
    found = read(
        tmp_path,
        {"eventEnd": BASE["eventStart"]},
        {"observationID": "o2", "eventStart": "2026-05-30T02:57:00Z"},
        {"observationID": "o3", "behavior": ""},
    )
    assert times(found, ["start_s", "stop_s"]) == [(0.0, 7.0), (3.0, 4.0)]


def test_event_based_observations(tmp_path):
    event = {"observationLevel": "event", "mediaID": "", "eventStart": "2026-05-30T02:57:30Z"}
    found = read(
        tmp_path,
        event | {"eventEnd": "2026-05-30T02:58:00Z"},
        event | {"observationID": "o2", "eventEnd": "2026-05-30T03:20:00Z", "behavior": "rooting"},
    )
    assert times(found, ["recording", "behavior", "start_s", "stop_s"]) == [
        ("Fuchs 1", "foraging", 0.0, 23.0),
        ("dep1", "rooting", 3450.0, 4800.0),
    ]


def test_blank_media_were_observed(tmp_path):
    clock = FrameClock(time_s={"Fuchs 1": np.arange(100) / 10})
    blank = {"observationType": "blank", "behavior": ""}
    assert observed(read(tmp_path, blank, clock=clock)) == [("Fuchs 1", "", "", 0.0, 10.0)]
    assert len(read(tmp_path, blank | {"classificationMethod": "machine"}, clock=clock).observed) == 0
    assert len(read(tmp_path, blank).observed) == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"eventStart": "2026-05-30T02:57:40"}, r"line 2, column 'eventStart': expected a time zone"),
        ({"eventStart": "30.05.2026"}, r"line 2, column 'eventStart': expected a date and time such as"),
        ({"eventEnd": "2026-05-30T02:57:39Z"}, r"line 2, column 'eventEnd': expected eventEnd not before eventStart"),
        ({"mediaID": "m9"}, r"line 2, column 'mediaID': expected a mediaID that media.csv lists, found 'm9'"),
        ({"observationLevel": "frame"}, r"column 'observationLevel': expected media or event, found 'frame'"),
        ({"classificationMethod": "guess"}, r"column 'classificationMethod': expected human or machine, found 'guess'"),
        ({"classificationProbability": "x"}, r"column 'classificationProbability': expected a number, found 'x'"),
        ({"observationTags": "start_s:x|stop_s:2"}, r"column 'observationTags': expected a number behind start_s:"),
        ({"mediaID": "m2"}, r"column 'eventEnd': expected an observation that ends after its medium began"),
        (
            {"observationLevel": "event", "deploymentID": "dep3"},
            r"column 'deploymentID': expected a deploymentID that deployments.csv lists, found 'dep3'",
        ),
    ],
)
def test_bad_rows(tmp_path, row, message):
    with pytest.raises(AnnotationError, match=message):
        read(tmp_path, row)


def test_missing_and_contradictory_tables(tmp_path):
    path = package(tmp_path, {}, media=None)
    with pytest.raises(AnnotationError, match=r"observations\.csv: expected media\.csv beside it"):
        camtrap_dp.read(path, ReadOptions())
    (tmp_path / "deployments.csv").unlink()
    event = {"observationLevel": "event", "eventStart": "2026-05-30T02:57:00Z", "eventEnd": "2026-05-30T04:00:00Z"}
    path = package(tmp_path, event, deployments=None)
    with pytest.raises(AnnotationError, match=r"line 2: expected deployments\.csv beside it"):
        camtrap_dp.read(path, ReadOptions())
    path = package(tmp_path, {}, media=MEDIA.replace("m2,", "m1,"))
    with pytest.raises(AnnotationError, match=r"media\.csv, line 3, column 'mediaID': expected every medium once"):
        camtrap_dp.read(path, ReadOptions())


def test_one_recording_may_be_named(tmp_path):
    assert read(tmp_path, {}, recording="mine").recordings == ("mine",)
    with pytest.raises(AnnotationError, match=r"expected observations of one recording \('mine'\), found 2 recordings"):
        read(tmp_path, {}, {"observationLevel": "event", "eventEnd": "2026-05-30T04:00:00Z"}, recording="mine")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rich_rows(recording="Fuchs 1"))
def test_round_trip(tmp_path, rows):
    bouts = [{**row, "modifiers": "sex:female" if row["modifiers"] else ""} for row in rows[0]]
    bouts = [row for row in bouts if row["source"] != "model:p-1" or row["comment"] != "[?] hm"]
    given_annotations = Annotations.of(bouts)
    package(tmp_path)
    path = tmp_path / "observations.vp_science.csv"
    assert camtrap_dp.write(given_annotations, path, WriteOptions()) == [path]
    back = camtrap_dp.read(path, ReadOptions())
    columns = [*given_annotations.bouts.columns.drop("score")]
    assert times(back, columns) == times(given_annotations, columns)


def test_written_rows(tmp_path):
    package(tmp_path)
    bout = {"recording": "dep2/b", "behavior": "run", "start_s": 1.25, "stop_s": 3.0, "target": "B", "subject": "A"}
    path = tmp_path / "observations.new.csv"
    for source in ("model:Net 5", "curated:anna"):
        camtrap_dp.write(Annotations.of([{**bout, "source": source, "score": 0.5}]), path, WriteOptions())
    with path.open(encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert list(row) == COLUMNS
    assert {name: text for name, text in row.items() if text} == {
        "observationID": "vp_science-1",
        "deploymentID": "dep2",
        "mediaID": "m3",
        "eventStart": "2026-05-30T03:10:01Z",
        "eventEnd": "2026-05-30T03:10:03Z",
        "observationLevel": "media",
        "observationType": "animal",
        "behavior": "run",
        "individualID": "A",
        "classificationMethod": "human",
        "classifiedBy": "anna",
        "classificationProbability": "0.5",
        "observationTags": "start_s:1.25|stop_s:3|target:B|source:curated",
    }


def test_observations_of_others_are_never_replaced(tmp_path):
    path = package(tmp_path, {})
    before = path.read_bytes()
    bout = {"recording": "Fuchs 1", "behavior": "run", "start_s": 1.0, "stop_s": 3.0}
    with pytest.raises(
        AnnotationError, match=r"line 2, .*expected no observations of others in a file that is replaced"
    ):
        camtrap_dp.write(Annotations.of([bout]), path, WriteOptions())
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recording": "cat"}, r"media\.csv: expected a medium named 'cat'"),
        ({"behavior": "a|b"}, r"expected names without '\|', which separates them, found 'a\|b'"),
        ({"modifiers": "left"}, r"expected modifiers such as sex:female.* found 'left'"),
    ],
)
def test_what_camtrap_dp_cannot_hold(tmp_path, change, message):
    package(tmp_path)
    bout = {"recording": "Fuchs 1", "behavior": "run", "start_s": 1.0, "stop_s": 3.0} | change
    with pytest.raises(AnnotationError, match=message):
        camtrap_dp.write(Annotations.of([bout]), tmp_path / "new.csv", WriteOptions())
