"""Delimited text, workbooks and frame clocks: what all formats stand on."""

import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.annotations import spreadsheets, text_tables
from vp_science.annotations.boris_observations import manual_sources, recording_ids, split_id, tagged_id
from vp_science.annotations.clock import FrameClock, recording_name
from vp_science.errors import AnnotationError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5", 1.5), ("1,5", 1.5), ("-3", -3.0), ("1e-3", 0.001), ("1,000.5", None), ("nan", None), ("inf", None),
        ("1_0", None), ("", None),
    ],
)  # fmt: skip
def test_numbers(text, expected):
    assert text_tables.parse_number(text) == expected


@settings(max_examples=100, deadline=None)
@given(value=st.floats(-1e9, 1e9))
def test_numbers_come_back(value):
    text = text_tables.number_text(value)
    assert "e" not in text
    assert math.isclose(text_tables.parse_number(text), value, rel_tol=1e-15, abs_tol=1e-12)


def test_lines_are_counted_over_quoted_line_breaks(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,b\n\n"x\ny",1\nz,2\n')
    table = text_tables.read_table(path)
    assert [(row.line, row.cells["b"]) for row in table] == [(4, "1"), (5, "2")]
    assert table.header_line == 1


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    for path, message in (
        (tmp_path / "gone", "expected an annotation file, found nothing there"),
        (tmp_path, "expected a file, found a folder"),
    ):
        with pytest.raises(AnnotationError, match=message):
            text_tables.read_bytes(path)
    monkeypatch.setattr(text_tables, "MAX_BYTES", 10)
    (tmp_path / "big").write_bytes(b"x" * 11)
    with pytest.raises(AnnotationError, match="expected an annotation file of at most 0 MiB"):
        text_tables.read_bytes(tmp_path / "big")
    (tmp_path / "empty").write_bytes(b"\n\n")
    with pytest.raises(AnnotationError, match="expected a table with a header, found an empty file"):
        text_tables.read_table(tmp_path / "empty")


def ods(path: Path, content: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("content.xml", content)
    return path


ODS = (
    '<x xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"><table:table table:name="s">{}</table:table></x>'
)


def test_ods_as_libreoffice_writes_it(tmp_path):
    cell = '<table:table-cell office:value-type="float" office:value="1.23456"><text:p>1,23</text:p></table:table-cell>'
    rows = (
        '<table:table-row><table:table-cell table:number-columns-repeated="2"><text:p>a</text:p></table:table-cell>'
        f'{cell}<table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
        '<table:table-row table:number-rows-repeated="2"><table:table-cell><text:p>b</text:p></table:table-cell>'
        '</table:table-row><table:table-row table:number-rows-repeated="1048000"><table:table-cell/></table:table-row>'
    )
    [sheet] = spreadsheets.read_sheets(ods(tmp_path / "t.ods", ODS.format(rows)))
    assert sheet.title == "s"
    assert sheet.rows[:3] == (("a", "a", "1.23456"), ("b",), ("b",))
    assert len(sheet.rows) == 4


def test_bad_workbooks(tmp_path, monkeypatch):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + ODS.format("&b;")
    with pytest.raises(AnnotationError, match="expected a workbook without XML entities"):
        spreadsheets.read_sheets(ods(tmp_path / "bomb.ods", bomb))
    for name, data in (("t.xlsx", b"PK\x03\x04 no"), ("t.ods", b"no")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(AnnotationError, match=f"{name}: expected a workbook"):
            spreadsheets.read_sheets(tmp_path / name)
    monkeypatch.setattr(spreadsheets, "MAX_BYTES", 100)
    with pytest.raises(AnnotationError, match="expected a workbook of at most 0 MiB unpacked"):
        spreadsheets.read_sheets(ods(tmp_path / "big.ods", ODS.format("x" * 200)))
    with pytest.raises(AnnotationError, match="expected text without control characters"):
        spreadsheets.write_sheet(tmp_path / "x.xlsx", "s", [["a\x00"]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("/a/b c.mp4", "b c"), ("C:\\a\\b.c.avi", "b.c"), ("plain", "plain"), (".hidden", ".hidden"), ("a/b", "b")],
)
def test_recording_names(text, expected):
    assert recording_name(text) == expected


@settings(max_examples=60, deadline=None)
@given(
    fps=st.floats(0.5, 500),
    frames=st.lists(st.integers(0, 10**6), min_size=1, max_size=20),
    gaps=st.lists(st.floats(0.001, 2), min_size=1, max_size=20),
)
def test_frames_and_seconds_are_inverse(fps, frames, gaps):
    clock = FrameClock(fps, {"v": np.cumsum(gaps)})
    index = np.array(frames)
    np.testing.assert_array_equal(clock.frames("other", clock.seconds("other", index)), index)
    edges = np.arange(len(gaps) + 1)
    np.testing.assert_array_equal(clock.frames("v", clock.seconds("v", edges)), edges)


def test_clocks_say_what_is_missing():
    with pytest.raises(
        AnnotationError, match=r"expected to know when the frames of 'v' are shown.*--recordings DIR.*--fps"
    ):
        FrameClock().seconds("v", np.array([0]))
    with pytest.raises(AnnotationError, match="expected a positive number of frames per second, found 0"):
        FrameClock(0)
    with pytest.raises(AnnotationError, match=r"expected frames 0 to 2 \(the end\) of 'v', found -1"):
        FrameClock(None, {"v": np.array([0.0, 1.0])}).seconds("v", np.array([-1]))


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/x/a.mp4", "b.avi"], ["a", "b"]),
        (["/x/a.mp4", "/y/a.mp4", "/y/b.mp4"], ["x/a", "y/a", "b"]),
        (["/x/a.mp4", "/x/a.avi"], ["a.mp4", "a.avi"]),
        (["/old/place/a.mp4", "a.mp4"], ["a", "a"]),
        (["C:\\x\\a.mp4", "C:\\y\\a.mp4"], ["x/a", "y/a"]),
    ],
)
def test_recording_ids_are_as_short_as_they_can_be(paths, names):
    assert list(recording_ids(paths).values()) == names


def test_observation_ids():
    assert tagged_id("a", "manual:") == "a"
    assert tagged_id("a", "model:x") == "a [model:x]"
    assert tagged_id("a", "model:x", {"a [model:x]", "a [model:x] (2)"}) == "a [model:x] (3)"
    assert split_id(tagged_id("a", "manual:", {"a"})) == ("a", "manual:")
    assert split_id("a [model:x] (3)") == ("a", "model:x")
    assert split_id("a [night]") == ("a [night]", "")
    assert split_id(tagged_id("a [model:x]", "manual:")) == ("a [model:x]", "manual:")
    assert manual_sources([("o1", "a"), ("o2", "b"), ("b [model:x]", "b")], "") == {"o1": "manual:", "o2": "manual:"}
