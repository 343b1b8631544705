"""The list of formats: every file is of exactly one, and each keeps bouts."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from annotation_tools import example, times

import vp_science as vp
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import FORMATS, Format, detect_format, find_format
from vp_science.errors import AnnotationError

CLOCK = FrameClock(None, {"vid": np.arange(20) / 5})
NAMES = [entry.name for entry in FORMATS]


@pytest.fixture(params=FORMATS, ids=NAMES)
def written(request, tmp_path) -> tuple[Format, Path]:
    """The same annotations in every format."""
    entry = request.param
    ending = entry.endings[0]
    name = f"vid{ending}" if ending.startswith((".", "_")) else ending
    annotations = example(subject="0") if entry.name == "jabs" else example()  # JABS labels animals
    if entry.name == "camtrap-dp":
        header = "mediaID,deploymentID,timestamp,filePath,filePublic,fileMediatype"
        (tmp_path / "media.csv").write_text(f"{header}\nm1,d1,2026-01-05T10:00:00Z,vid.mp4,true,video/mp4\n")
    files = vp.write_annotations(annotations, tmp_path / name, entry.name, clock=CLOCK)
    return entry, files[0]


def test_all_modules_are_there():
    missing = [e.module for e in FORMATS if importlib.util.find_spec(f"vp_science.annotations.{e.module}") is None]
    assert missing == []


def test_every_file_is_of_exactly_one_format(written):
    entry, path = written
    head = path.read_bytes()[: 1 << 16]
    assert [other.name for other in FORMATS if other.load().matches(path, head)] == [entry.name]
    assert detect_format(path) == entry


def test_bouts_come_back_from_every_format(written):
    entry, path = written
    found = vp.read_annotations(path, clock=CLOCK)
    columns = ["recording", "behavior", "kind", "start_s", "stop_s"]
    assert times(found, columns, 3) == times(example(), columns, 3)
    # Camtrap DP has no such thing; JABS has it in pieces, for each behavior.
    seconds = found.observed.assign(s=found.observed["stop_s"] - found.observed["start_s"])
    per_behavior = seconds.groupby(["recording", "subject", "behavior"])["s"].sum().round(3).tolist()
    assert {*per_behavior} == (set() if entry.name == "camtrap-dp" else {4.0})


def test_no_format_takes_other_files(tmp_path):
    samples = {
        "a.csv": b"x,y\n1,2\n",
        "a.json": b'{"a": {"b": {"c": 1}}}',
        "a.txt": b"some notes: start 1",
        "b.csv": b"",
        "a.bin": bytes(range(256)),
        "a.xml": b"<x/>",
        "c.csv": b"frame,x,y,likelihood\n0,1,2,0.9\n",
    }
    for name, data in samples.items():
        path = tmp_path / name
        path.write_bytes(data)
        assert [entry.name for entry in FORMATS if entry.load().matches(path, data)] == []
        with pytest.raises(
            AnnotationError, match=f"{name}: expected one of the formats csv, .*recording, behavior, start_s"
        ):
            detect_format(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "csv"), ("a.tsv", "csv"), ("A.CSV", "csv"), ("a.boris", "boris"), ("a.boris.gz", "boris"),
        ("a_labels.csv", "deepethogram"), ("a.annot", "bento"), ("a.eaf", "elan"), ("a.parquet", "parquet"),
        ("a.txt", "caltech"), ("a.nwb", "nwb"), ("observations.csv", "camtrap-dp"),
    ],
)  # fmt: skip
def test_the_name_tells_what_to_write(name, expected):
    from vp_science.annotations.formats import _format_to_write

    assert _format_to_write(Path(name)).name == expected


def test_names_that_do_not_tell(tmp_path):
    with pytest.raises(AnnotationError, match=r"found 'a.xlsx': say which of boris-aggregated, boris-tabular \(--to\)"):
        vp.write_annotations(example(), tmp_path / "a.xlsx")
    with pytest.raises(AnnotationError, match=r"found 'a.doc': say which of csv, parquet"):
        vp.write_annotations(example(), tmp_path / "a.doc")
    with pytest.raises(AnnotationError, match=r"expected one of the formats csv, parquet, .* found 'word'"):
        find_format("word")


def test_several_files_are_joined(tmp_path):
    vp.write_annotations(example(), tmp_path / "a.csv")
    vp.write_annotations(example().renamed({"vid": "other"}), tmp_path / "b.boris")
    found = vp.read_annotations([tmp_path / "a.csv", tmp_path / "b.boris"])
    assert found.recordings == ("other", "vid")
    assert vp.read_annotations(tmp_path / "a.csv", exclusive=False).behaviors.exclusive is False
    with pytest.raises(AnnotationError, match="expected an annotation file, found nothing there"):
        vp.read_annotations(tmp_path / "gone.csv")
