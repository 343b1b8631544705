"""BORIS tabular events, as version 9 and version 6 write them."""

from pathlib import Path

import pytest
from annotation_tools import example, observed, timed_rows, times
from hypothesis import HealthCheck, given, settings

from vp_science.annotations import boris_aggregated as aggregated
from vp_science.annotations import boris_tabular as tabular
from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations

HEADER = (
    "Observation id,Observation date,Description,Observation duration,Observation type,Source,Time offset (s),"
    "Media duration (s),FPS,cage,Subject,Behavior,Behavioral category,Modifier #1,Behavior type,Time,Media file name,"
    "Image index,Image file path,Comment"
)
OLD = """\
Observation id,observation #1,,,,,,,
,,,,,,,,
Media file(s),,,,,,,,
,,,,,,,,
Player #1,vídeo_25fps.mp4,,,,,,,
,,,,,,,,
Observation date,2016-11-27 01:57:26,,,,,,,
Description,"long, long ago",,,,,,,
Time offset (s),10.0,,,,,,,
,,,,,,,,
independent variables,,,,,,,,
variable,value,,,,,,,
a,12,,,,,,,
,,,,,,,,
Time,Media file path,Total length,FPS,Subject,Behavior,Behavioral category,Comment,Status
13.300,vídeo_25fps.mp4,359.960,25.0,subject1,s,,why,START
17.750,vídeo_25fps.mp4,359.960,25.0,subject1,s,,,STOP
18.000,vídeo_25fps.mp4,359.960,25.0,No focal subject,p,,,POINT
"""


def row(
    status,
    time,
    behavior="run",
    subject="No focal subject",
    modifier="",
    observation="o1",
    media="/d/vid.mp4",
    comment="",
):
    return (
        f"{observation},2026-01-05 10:00:00,,60.0,Media file(s),player #1:{media},0.0,60.000,25.000,A3,{subject},"
        f"{behavior},,{modifier},{status},{time},{media},12,NA,{comment}"
    )


def read(path: Path, *rows: str, header: str = HEADER, encoding: str = "utf-8", **options) -> Annotations:
    path.write_bytes(("\n".join([header, *rows]) + "\n").encode(encoding))
    head = path.read_bytes()[:65536]
    assert tabular.matches(path, head)
    assert not aggregated.matches(path, head)
    return tabular.read(path, ReadOptions(**options))


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "events.csv"


def test_a_file_of_version_9(file):
    found = read(
        file,
        row("START", "1.0", comment="unsure"),
        row("START", "1.5", subject="Zoë"),
        row("POINT", "2.0", "peck"),
        row("STOP", "3.0", comment="sure"),
        row("STOP", "4.0", subject="Zoë"),
    )
    assert times(found) == [
        ("vid", "", "peck", "point", 2.0, 2.0, "manual:", ""),
        ("vid", "", "run", "state", 1.0, 3.0, "manual:", ""),
        ("vid", "Zoë", "run", "state", 1.5, 4.0, "manual:", ""),
    ]
    assert "unsure / sure" in found.bouts["comment"].tolist()
    assert observed(found) == [("vid", "", "", 0.0, 60.0)]


def test_modifiers_tell_bouts_apart(file):
    found = read(
        file,
        row("START", "1", modifier="slow"),
        row("START", "2", modifier="fast"),
        row("STOP", "3", modifier="slow"),
        row("STOP", "4", modifier="fast"),
    )
    assert times(found, ["modifiers", "start_s", "stop_s"]) == [("fast", 2.0, 4.0), ("slow", 1.0, 3.0)]


def test_a_file_of_version_6_with_its_preamble(file):
    file.write_text(OLD, encoding="utf-8")
    assert tabular.matches(file, file.read_bytes())
    found = tabular.read(file, ReadOptions())
    assert times(found) == [
        ("vídeo_25fps", "", "p", "point", 8.0, 8.0, "manual:", ""),
        ("vídeo_25fps", "subject1", "s", "state", 3.3, 7.75, "manual:", ""),
    ]
    assert observed(found) == [("vídeo_25fps", "", "", 0.0, 359.96)]


def test_lines_are_counted_behind_the_preamble(file):
    file.write_text(OLD.replace("17.750", "?"), encoding="utf-8")
    with pytest.raises(AnnotationError, match=r"events.csv, line 17, column 'Time': expected a number of seconds"):
        tabular.read(file, ReadOptions())


def test_decimal_commas_and_the_mark_of_excel(file):
    header = HEADER.replace(",", ";")
    rows = [row(*cells).replace(",", ";").replace("1.25", "1,25") for cells in (("START", "1.25"), ("STOP", "2.5"))]
    found = read(file, *rows, header=header, encoding="utf-8-sig")
    assert times(found, ["start_s", "stop_s"]) == [(1.25, 2.5)]


def test_several_observations(file):
    found = read(
        file,
        row("START", "1", observation="o1", media="a.mp4"),
        row("STOP", "2", observation="o1", media="a.mp4"),
        row("START", "1.5", observation="o2 [model:x]", media="b.mp4"),
        row("STOP", "2.5", observation="o2 [model:x]", media="b.mp4"),
    )
    assert times(found, ["recording", "source", "start_s"]) == [("a", "manual:", 1.0), ("b", "model:x", 1.5)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [row("START", "1"), row("START", "5", subject="Zoë"), row("STOP", "2")],
            "line 3: expected a STOP for every START, found none for 'run' of 'Zoë' at 5 s, found 1 bouts without end "
            "in the file: in BORIS use Observations > Close unpaired events",
        ),
        (
            [row("STOP", "2")],
            "line 2: expected a START before every STOP of 'run' of 'No focal subject', found a STOP alone",
        ),
        (
            [row("START", "1"), row("START", "2")],
            "line 3: expected 'run' of 'No focal subject' to stop before it starts again, found a second START at 2 s "
            "(the first is in line 2)",
        ),
        ([row("START", "2"), row("STOP", "2")], "line 3, column 'Time': expected 'run' to stop after its start at 2 s"),
        ([row("STATE", "2")], "line 2, column 'Behavior type': expected START, STOP or POINT, found 'STATE'"),
        ([row("START", "NA")], "line 2, column 'Time': expected a time in seconds, found 'NA'"),
        ([row("START", "1", behavior="")], "line 2, column 'Behavior': expected the name of a behavior, found ''"),
    ],
)
def test_bad_rows(file, rows, message):
    with pytest.raises(AnnotationError) as error:
        read(file, *rows)
    assert str(error.value).startswith(f"{file}, {message}")


@pytest.mark.parametrize("ending", ["xlsx", "ods"])
def test_workbooks(tmp_path, ending):
    annotations, path = example(), tmp_path / f"events.{ending}"
    tabular.write(annotations, path, WriteOptions())
    head = path.read_bytes()[:65536]
    assert tabular.matches(path, head)
    assert not aggregated.matches(path, head)
    assert times(tabular.read(path, ReadOptions())) == times(annotations)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(rows=timed_rows())
def test_round_trip(tmp_path, rows):
    annotations = Annotations.of(*rows)
    path = tmp_path / "round.csv"
    tabular.write(annotations, path, WriteOptions())
    found = tabular.read(path, ReadOptions())
    columns = ["recording", "subject", "behavior", "kind", "start_s", "stop_s", "source", "modifiers", "comment"]
    assert times(found, columns) == times(annotations, columns)
    assert observed(found) == observed(annotations)


def test_overlaps_of_one_behavior_are_refused(tmp_path):
    rows = [
        {"recording": "v", "behavior": "run", "start_s": 0, "stop_s": 5},
        {"recording": "v", "behavior": "run", "start_s": 1, "stop_s": 2},
    ]
    with pytest.raises(
        AnnotationError, match=r"not to overlap.*found 'run' of 'No focal subject' at 1.000 s of 'v' inside"
    ):
        tabular.write(Annotations.of(rows), tmp_path / "x.csv", WriteOptions())
