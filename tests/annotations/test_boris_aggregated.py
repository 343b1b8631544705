"""BORIS aggregated events, as version 9 and version 6 write them."""

from pathlib import Path

import openpyxl
import pytest
from annotation_tools import example, observed, span, timed_rows, times
from hypothesis import HealthCheck, given, settings

from vp_science.annotations import boris_aggregated as aggregated
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations

HEADER = (
    "Observation id,Observation date,Description,Observation type,Source,Time offset (s),Coding duration,"
    "Media duration (s),FPS (frame/s),cage,Subject,Observation duration by subject by observation,Behavior,"
    "Behavioral category,Modifier #1,Modifier #2,Behavior type,Start (s),Stop (s),Duration (s),Media file name,"
    "Image index start,Image index stop,Image file path start,Image file path stop,Comment start,Comment stop"
)
OLD_HEADER = (
    "Observation id\tObservation date\tDescription\tMedia file\tTotal length\tFPS\tcage\tSubject\tBehavior\t"
    "Behavioral category\tModifiers\tBehavior type\tStart (s)\tStop (s)\tDuration (s)\tComment start\tComment stop"
)


def row(
    observation="trial 1", media="/data/día 1/ratón.mp4", subject="No focal subject", behavior="grooming",
    kind="STATE", start="1.500", stop="3.250", lengths="60.000", offset="0.0", observation_type="Media file",
    modifiers=("", ""), comments=("", ""), source=None, category="Not defined", image=("", ""),
) -> str:  # fmt: skip
    source = f"player #1:{media}" if source is None else source
    duration = "NA" if kind == "POINT" else "1.750"
    return ",".join(
        [
            observation,
            "2026-01-05 10:00:00",
            "",
            observation_type,
            source,
            offset,
            "59.000",
            lengths,
            "25.000",
            "A3",
            subject,
            "1.750",
            behavior,
            category,
            *modifiers,
            kind,
            start,
            stop,
            duration,
            media,
            *image,
            "",
            "",
            *comments,
        ]
    )


def read(path: Path, *rows: str, header: str = HEADER, encoding: str = "utf-8", **options) -> Annotations:
    path.write_bytes(("\r\n".join([header, *rows]) + "\r\n").encode(encoding))
    assert aggregated.matches(path, path.read_bytes()[:65536])
    return aggregated.read(path, ReadOptions(**options))


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "events.csv"


def test_a_file_of_version_9(file):
    found = read(
        file,
        row(modifiers=("hard", "left"), comments=("begin", "end"), category="care"),
        row(subject="Zoë", behavior="peck", kind="POINT", start="4.000", stop="4.000"),
    )
    assert times(found) == [
        ("ratón", "", "grooming", "state", 1.5, 3.25, "manual:", "hard|left"),
        ("ratón", "Zoë", "peck", "point", 4.0, 4.0, "manual:", ""),
    ]
    assert found.bouts["comment"].tolist() == ["begin / end", ""]
    assert found.behaviors["grooming"].category == "care"
    assert found.behaviors["peck"].category == ""
    assert not found.behaviors.exclusive
    assert observed(found) == [("ratón", "", "", 0.0, 60.0)]


def test_a_file_of_version_6(tmp_path):
    start = "o1\t2016-12-01 23:01:31\t\tC:\\videos\\cow 7.avi\t360.000\t25.0\tA\t"
    line = start + "subject1\teat\t\thay|much\tSTATE\t1.8\t8.125\t6.325\t\t"
    point = start + "No focal subject\tmoo\t\t\tPOINT\t9\t9\tNA\tloud\t"
    found = read(tmp_path / "old.tsv", line, point, header=OLD_HEADER)
    assert times(found) == [
        ("cow 7", "", "moo", "point", 9.0, 9.0, "manual:", ""),
        ("cow 7", "subject1", "eat", "state", 1.8, 8.125, "manual:", "hay|much"),
    ]
    assert observed(found) == [("cow 7", "", "", 0.0, 360.0)]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_excel_with_a_decimal_comma_and_a_mark(file, delimiter):
    text = row(start="1.500", stop="3.250").replace(",", delimiter).replace("1.500", "1,500").replace("3.250", "3,250")
    found = read(file, text, header=HEADER.replace(",", delimiter), encoding="utf-8-sig")
    assert found.bouts[["start_s", "stop_s"]].to_numpy().tolist() == [[1.5, 3.25]]


def test_utf16_of_excel(file):
    assert read(file, row(), encoding="utf-16").recordings == ("ratón",)


def test_columns_are_found_by_name_in_any_order(file):
    names, cells = HEADER.split(","), row().split(",")
    found = read(file, ",".join(cells[::-1]), header=",".join(name.upper() for name in names[::-1]))
    assert times(found) == [("ratón", "", "grooming", "state", 1.5, 3.25, "manual:", "")]


def test_the_time_offset_is_taken_off(file):
    found = read(file, row(start="101.5", stop="103.25", offset="100.0"))
    assert found.bouts["start_s"].tolist() == [1.5]
    assert observed(found) == [("ratón", "", "", 0.0, 60.0)]


def test_files_that_play_one_after_the_other_are_recordings_of_their_own(file):
    source = "player #1:/d/a.mp4;/d/b.mp4|player #2:/d/top.mp4"
    common = {"source": source, "lengths": "10.000;20.000|30.000"}
    found = read(
        file,
        row(start="8", stop="13", media="/d/a.mp4", **common),
        row(start="10.001", stop="12", media="/d/b.mp4", behavior="run", **common),
        row(start="9", stop="10.001", media="/d/a.mp4", behavior="rest", **common),
    )
    assert times(found, ["recording", "behavior", "start_s", "stop_s"]) == [
        ("a", "grooming", 8.0, 10.0),
        ("a", "rest", 9.0, 10.0),
        ("b", "grooming", 0.0, 3.0),
        ("b", "run", 0.001, 2.0),
    ]
    assert observed(found) == [("a", "", "", 0.0, 10.0), ("b", "", "", 0.0, 20.0)]


def test_several_files_of_unknown_length_are_the_observation(file):
    found = read(file, row(source="player #1:/d/a.mp4;/d/b.mp4", lengths="NA"))
    assert found.recordings == ("trial 1",)
    assert observed(found) == []


def test_files_of_one_name_get_their_folder(file):
    found = read(
        file,
        row(observation="t1", media="/data/day1/cam.mp4"),
        row(observation="t2", media="/data/day2/cam.mp4"),
        row(observation="t3", media="/data/day2/other.mp4"),
    )
    assert found.recordings == ("day1/cam", "day2/cam", "other")


def test_two_observers_of_one_file_stay_apart(file):
    found = read(file, row(observation="by Ann"), row(observation="by Bob"))
    assert sorted(found.bouts["source"]) == ["manual:by Ann", "manual:by Bob"]
    assert set(read(file, row(observation="by Ann"), annotator="Zoë").bouts["source"]) == {"manual:Zoë"}


def test_live_observations_count_from_the_first_to_the_last_event(file):
    found = read(
        file,
        row(media="NA", source="NA", lengths="NA", observation_type="Live observation", start="5", stop="9"),
        row(media="NA", source="NA", lengths="NA", observation_type="Live observation", start="20", stop="21"),
    )
    assert observed(found) == [("trial 1", "", "", 5.0, 21.0)]


def test_pictures_without_times_count_frames_from_1(file):
    line = row(media="NA", source="dir", lengths="NA", start="NA", stop="NA", image=("3", "5"))
    found = read(file, line, clock=FrameClock(2))
    assert times(found, ["recording", "start_s", "stop_s"]) == [("trial 1", 1.0, 2.0)]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            {"stop": "NA"},
            "line 2, column 'Stop (s)': expected a time in seconds, or the index of a picture, found 'NA'",
        ),
        (
            {"stop": "1.500"},
            "line 2, column 'Stop (s)': expected 'grooming' to stop after its start at 1.5 s, found 1.5",
        ),
        ({"start": "soon"}, "line 2, column 'Start (s)': expected a number of seconds (or NA), found 'soon'"),
        ({"kind": "START"}, "line 2, column 'Behavior type': expected STATE or POINT, found 'START'"),
        ({"behavior": ""}, "line 2, column 'Behavior': expected the name of a behavior, found ''"),
        ({"offset": "x"}, "line 2, column 'Time offset (s)': expected a time offset in seconds, found 'x'"),
    ],
)
def test_bad_rows(file, broken, message):
    with pytest.raises(AnnotationError) as error:
        read(file, row(**broken))
    assert str(error.value).startswith(f"{file}, {message}")


def test_a_behavior_of_two_kinds(file):
    with pytest.raises(AnnotationError, match="'grooming' to be a state or a point, not both, found both in 'trial 1'"):
        read(file, row(), row(kind="POINT", start="4", stop="4"))


def test_one_recording_can_be_named(file):
    assert read(file, row(), recording="m7").recordings == ("m7",)
    with pytest.raises(AnnotationError, match="expected one recording, to be called 'm7', found 2 of them: a, ratón"):
        read(file, row(), row(observation="o2", media="a.mp4"), recording="m7")


@pytest.mark.parametrize("ending", ["xlsx", "ods"])
def test_workbooks(tmp_path, ending):
    annotations = example(subject="Ä", comment="=1+1")
    path = tmp_path / f"events.{ending}"
    aggregated.write(annotations, path, WriteOptions(media={"vid": "/d/vid.mp4"}))
    assert aggregated.matches(path, path.read_bytes()[:65536])
    found = aggregated.read(path, ReadOptions(exclusive=True))
    assert times(found) == times(annotations)
    assert found.bouts["comment"].tolist() == ["=1+1"] * 3
    assert observed(found) == observed(annotations)


def test_a_workbook_with_one_sheet_per_observation_and_numbers_in_cells(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "notes"
    for name in ("o1", "o2"):
        sheet = book.create_sheet(name)
        sheet.append(HEADER.split(","))
        cells: list = row(observation=name, media=f"{name}.mp4").split(",")
        cells[HEADER.split(",").index("Start (s)")] = 1.25
        sheet.append(cells)
    book.save(tmp_path / "all.xlsx")
    found = aggregated.read(tmp_path / "all.xlsx", ReadOptions())
    assert times(found, ["recording", "start_s"]) == [("o1", 1.25), ("o2", 1.25)]


def test_a_bad_cell_of_a_workbook_names_the_sheet(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "o1"
    book.active.append(HEADER.split(","))
    book.active.append(row(stop="later").split(","))
    book.save(tmp_path / "all.xlsx")
    with pytest.raises(AnnotationError, match=r"all.xlsx, sheet 'o1', line 2, column 'Stop \(s\)': expected a number"):
        aggregated.read(tmp_path / "all.xlsx", ReadOptions())


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(rows=timed_rows())
def test_round_trip(tmp_path, rows):
    annotations = Annotations.of(*rows)
    path = tmp_path / "round.tsv"
    aggregated.write(annotations, path, WriteOptions())
    found = aggregated.read(path, ReadOptions())
    assert times(found, [*found.bouts.columns[:6], "kind", "source", "modifiers", "comment"]) == times(
        annotations, [*found.bouts.columns[:6], "kind", "source", "modifiers", "comment"]
    )
    assert observed(found) == observed(annotations)


def test_targets_are_refused(tmp_path):
    with pytest.raises(
        AnnotationError, match=r"without target, because BORIS has none, found 'run' towards 'B'.*--drop target"
    ):
        aggregated.write(example(target="B"), tmp_path / "x.csv", WriteOptions())


def test_partly_scored_recordings_are_refused(tmp_path):
    some = Annotations.of(example().bouts, [span(0, 1), span(2, 4)])
    with pytest.raises(
        AnnotationError, match="expected 'vid' to be scored from its start to its end, found only parts"
    ):
        aggregated.write(some, tmp_path / "x.csv", WriteOptions())
    assert not list(tmp_path.iterdir())
