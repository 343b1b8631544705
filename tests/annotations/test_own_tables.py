"""The project's own tables: CSV, TSV and Parquet."""

from pathlib import Path

import pytest
from annotation_tools import timed_rows
from hypothesis import HealthCheck, given, settings

from vp_science.annotations import own_csv, own_parquet
from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors

HEADER = "recording,behavior,start_s,stop_s"


def full() -> Annotations:
    run = Behavior("run", description="fast", category="move", key="r", color="#010203")
    behaviors = Behaviors((run, Behavior("hop", "point"), Behavior("né")), exclusive=True, background="other")
    rows = [
        {"recording": "a", "behavior": "run", "start_s": 0.1, "stop_s": 1 / 3, "score": 0.25, "source": "model:x",
         "subject": "Ä", "target": "B", "modifiers": "x|y", "comment": 'a "quoted", two\nline; text'},
        {"recording": "a", "behavior": "hop", "start_s": 1e-7, "stop_s": 1e-7, "kind": "point"},
        {"recording": "b/c", "behavior": "run", "start_s": -5.0, "stop_s": 1e6 + 0.1, "source": "curated:Zoë"},
    ]  # fmt: skip
    seen = [
        {"recording": "a", "start_s": 0.0, "stop_s": 10.0, "behavior": "né"},
        {"recording": "a", "start_s": 0.0, "stop_s": 9.0, "subject": "Ä"},
        {"recording": "silent", "start_s": 0.0, "stop_s": 0.1},
    ]
    return Annotations.of(rows, seen, behaviors)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet"])
def test_everything_comes_back(tmp_path, name):
    module = own_parquet if name.endswith("parquet") else own_csv
    path = tmp_path / name
    files = module.write(full(), path, WriteOptions())
    assert files[0] == path
    assert sorted(files) == sorted(tmp_path.iterdir())
    assert module.matches(path, path.read_bytes()[:65536])
    found = module.read(path, ReadOptions())
    assert found.equals(full())


@pytest.mark.parametrize("module", [own_csv, own_parquet])
def test_nothing_comes_back_as_nothing(tmp_path, module):
    nothing = Annotations.of([], [], Behaviors.of(["run"]))
    path = tmp_path / "t.any"
    module.write(nothing, path, WriteOptions())
    assert module.read(path, ReadOptions()).equals(nothing)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(rows=timed_rows())
def test_round_trip(tmp_path, rows):
    annotations, path = Annotations.of(*rows), tmp_path / "round.csv"
    own_csv.write(annotations, path, WriteOptions())
    assert own_csv.read(path, ReadOptions()).equals(annotations)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_excel_makes_of_it(tmp_path, encoding, delimiter):
    path = tmp_path / "t.csv"
    cells = [HEADER.split(","), ["día", "fouille à l'œil", "1,5" if delimiter != "," else "1.5", "2"]]
    path.write_bytes("\r\n".join(delimiter.join(row) for row in cells).encode(encoding))
    assert own_csv.matches(path, path.read_bytes())
    found = own_csv.read(path, ReadOptions())
    assert found.bouts.iloc[0][["recording", "behavior", "start_s"]].tolist() == ["día", "fouille à l'œil", 1.5]


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((HEADER, "a,run,1,2", "a,run,x,2"), "line 3, column 'start_s': expected a number of seconds, found 'x'"),
        ((HEADER, "a,run,3,2"), "line 2: expected stop_s not before start_s = 3.0, found 2.0"),
        ((HEADER + ",colour", "a,run,1,2,red"), "line 1, column 'colour': expected the columns recording, subject"),
        ((HEADER, "a,run,1,2,3"), "line 2: expected 4 cells as in the header, found 5 cells"),
        ((HEADER + ",stop_s", "a,run,1,2,3"), "line 1, column 'stop_s': expected every column once"),
        (
            (HEADER, "a,run,1,1"),
            "expected a state with a duration (stop_s > start_s), or kind point, found the bout 'run'",
        ),
        ((HEADER + ",kind", "a,run,1,2,long"), "line 2, column 'kind': expected state or point, found 'long'"),
        ((HEADER + ",source", "a,run,1,2,me"), "expected a source such as manual:<annotator>"),
        ((HEADER, ",run,1,2"), "expected a recording, found the bout 'run'"),
    ],
)
def test_bad_tables(tmp_path, lines, message):
    path = write(tmp_path / "t.csv", *lines)
    with pytest.raises(AnnotationError) as error:
        own_csv.read(path, ReadOptions())
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


def test_bad_files_beside_it(tmp_path):
    path = write(tmp_path / "t.csv", HEADER, "a,run,1,2")
    catalogue = write(tmp_path / "t.behaviors.json", '{"entries": 3}')
    with pytest.raises(AnnotationError, match=r"t.behaviors.json: expected a catalogue of behaviors as JSON"):
        own_csv.read(path, ReadOptions())
    write(catalogue, "{")
    with pytest.raises(AnnotationError, match=r"t.behaviors.json: expected the catalogue as JSON"):
        own_csv.read(path, ReadOptions())
    catalogue.unlink()
    write(tmp_path / "t.observed.csv", "recording,start_s,stop_s", "a,0,?")
    with pytest.raises(AnnotationError, match=r"t.observed.csv, line 2, column 'stop_s': expected a number of seconds"):
        own_csv.read(path, ReadOptions())


def test_a_parquet_file_that_is_none(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(AnnotationError, match=r"t.parquet: expected a Parquet file with a bout table"):
        own_parquet.read(path, ReadOptions())


@pytest.mark.parametrize(
    ("bouts", "observed", "expected"),
    [
        ("a.mp4", "a", ("a.mp4",)),
        ("a", r"videos\a.avi", ("a",)),
        ("a.mp4", "b", ("a.mp4", "b")),
    ],
)
def test_tables_that_name_a_recording_differently_are_of_one(tmp_path, bouts, observed, expected):
    """Made by hand; as two recordings, the bout would be unknown and its time without a bout."""
    (tmp_path / "a.csv").write_text(f"recording,behavior,start_s,stop_s\n{bouts},walk,1,2\n")
    (tmp_path / "a.observed.csv").write_text(f"recording,start_s,stop_s\n{observed},0,3\n")
    found = own_csv.read(tmp_path / "a.csv", ReadOptions())
    assert found.recordings == expected
    assert found.observed["stop_s"].tolist() == [3]


def test_names_of_two_recordings_are_not_guessed(tmp_path):
    (tmp_path / "a.csv").write_text(
        "recording,behavior,start_s,stop_s\nday1/a.mp4,walk,1,2\nday2/a.mp4,walk,1,2\nb.mp4,walk,1,2\n"
    )
    (tmp_path / "a.observed.csv").write_text("recording,start_s,stop_s\na,0,3\nb.mp4,0,3\nb,0,4\n")
    assert own_csv.read(tmp_path / "a.csv", ReadOptions()).recordings == ("a", "b", "b.mp4", "day1/a.mp4", "day2/a.mp4")
