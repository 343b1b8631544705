"""``vp-science labels``: each verb, option and exit code."""

import json
from pathlib import Path

import pytest
from pipeline_tools import write_video

import vp_science as vp
from vp_science.annotations.formats import FORMATS
from vp_science.timeline.annotations import Annotations


@pytest.fixture
def table(tmp_path) -> Path:
    rows = [
        {"recording": "m 1", "behavior": "run", "start_s": 0.2, "stop_s": 0.4, "subject": "A"},
        {"recording": "m 1", "behavior": "rest", "start_s": 0.6, "stop_s": 0.8, "subject": "B", "target": "A"},
    ]
    vp.write_annotations(Annotations.of(rows, [{"recording": "m 1", "start_s": 0, "stop_s": 2}]), tmp_path / "t.csv")
    return tmp_path / "t.csv"


@pytest.fixture
def video(tmp_path) -> Path:
    """Two seconds at 10 frames per second."""
    path = tmp_path / "videos" / "m 1.avi"
    path.parent.mkdir()
    return write_video(path, num_frames=20)


def test_convert(run, table, tmp_path):
    out = tmp_path / "out.tsv"
    code, text, _ = run("labels", "convert", table, out)
    assert code == 0
    assert f"wrote {out}" in text
    assert vp.read_annotations(out).equals(vp.read_annotations(table))
    code, text, _ = run("labels", "convert", table, tmp_path / "p", "--to", "parquet", "--json")
    assert json.loads(text) == {"files": [str(tmp_path / "p")], "bouts": 2}


def test_convert_with_choices(run, table, tmp_path):
    out = tmp_path / "m 1_labels.csv"
    code, _, err = run("labels", "convert", table, out, "--fps", 10)
    assert (code, "without targets" in err) == (1, True)
    assert "several subjects" in run("labels", "convert", table, out, "--fps", 10, "--drop", "target")[2]
    code, _, err = run("labels", "convert", table, out, "--fps", 10, "--subject", "A", "--source", "manual")
    assert code == 0, err
    found = vp.read_annotations(out, fps=10)
    assert found.bouts[["behavior", "start_s"]].to_numpy().tolist() == [["run", 0.2]]
    assert "expected to know when the frames" in run("labels", "convert", table, out, "--subject", "A")[2]


def test_a_recording_that_cannot_be_read_does_not_stop_the_others(run, table, video):
    (video.parent / "broken.mp4").write_bytes(b"no video" * 99)
    code, text, err = run("labels", "check", table, "--recordings", video.parent)
    assert (code, "0 errors" in text) == (0, True)
    assert "not read, its times are not known: " in err
    assert "broken.mp4: expected a video that FFmpeg can read" in err


def test_convert_with_recordings(run, table, video, tmp_path):
    for beside in (".observed.csv",):
        table.with_name(table.stem + beside).unlink()
    out = tmp_path / "new.boris"
    code, _, err = run(
        "labels", "convert", table, out, "--recordings", video.parent, "--drop", "target", "--all-scored"
    )
    assert code == 0, err
    observation = json.loads(out.read_text())["observations"]["m 1"]
    assert observation["file"]["1"] == [str(video)]
    length = observation["media_info"]["length"][str(video)]
    assert vp.read_annotations(out).observed["stop_s"].tolist() == pytest.approx([length], abs=1e-3)


def test_labels_may_name_a_recording_without_its_folder(run, table, video, tmp_path):
    assert video.parent.name == "videos"
    code, text, _ = run("labels", "check", table, "--recordings", tmp_path, "--json")
    assert (code, json.loads(text)[0]["problems"]) == (0, [])


def test_convert_reads_what_the_file_does_not_say(run, tmp_path):
    (tmp_path / "x_labels.csv").write_text(",background,run\n0,1,0\n1,0,1\n")
    options = ("--fps", 10, "--recording", "m 7", "--annotator", "Zoë", "--from", "deepethogram")
    code, _, err = run("labels", "convert", tmp_path / "x_labels.csv", tmp_path / "o.csv", *options)
    assert code == 0, err
    bout = vp.read_annotations(tmp_path / "o.csv").bouts.iloc[0]
    assert (bout["recording"], bout["source"], bout["start_s"]) == ("m 7", "manual:Zoë", 0.1)


def test_convert_never_writes_over_its_input(run, table):
    before = table.read_bytes()
    code, _, err = run("labels", "convert", table, table)
    assert (code, table.read_bytes()) == (1, before)
    assert "expected another name for the output, found the input" in err
    assert "expected files to read and one to write, found 1" in run("labels", "convert", table)[2]


def test_check(run, table, video):
    code, text, _ = run("labels", "check", table)
    assert code == 0
    assert "0 errors, 0 warnings" in text
    assert "run" in text
    code, text, _ = run("labels", "check", table, "--behaviors", "run", "--json")
    assert code == 1
    [report] = json.loads(text)
    assert [(p["kind"], p["behavior"]) for p in report["problems"]] == [("unknown behavior", "rest")]
    assert [row["bouts"] for row in report["behaviors"]] == [1, 1]
    code, text, _ = run("labels", "check", table, "--fps", 2)
    assert (code, "0 errors, 2 warnings" in text) == (0, True)
    assert run("labels", "check", table, "--recordings", video.parent)[0] == 0


def test_check_goes_on_after_a_bad_file(run, table, tmp_path):
    (tmp_path / "bad.csv").write_text("recording,behavior,start_s,stop_s\na,run,2,1\n")
    code, text, _ = run("labels", "check", tmp_path / "bad.csv", table)
    assert code == 1
    assert "bad.csv: 1 errors, 0 warnings" in text.replace("\n", "")
    assert "line 2: expected stop_s not before start_s" in text
    assert "0 errors, 0 warnings" in text


def test_summary(run, table):
    code, text, _ = run("labels", "summary", table)
    assert code == 0
    assert "10.0 %" in text or "5.0 %" in text
    rows = json.loads(run("labels", "summary", table, "--by", "subject", "--json")[1])
    shares = {(row["subject"], row["behavior"]): row["share"] for row in rows}
    assert shares == {
        ("A", "run"): pytest.approx(0.1),
        ("A", "rest"): 0,
        ("B", "run"): 0,
        ("B", "rest"): pytest.approx(0.1),
    }
    assert "m 1" in run("labels", "summary", table, "--by", "recording")[1]


def test_formats(run):
    code, text, _ = run("labels", "formats")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()] == [entry.name for entry in FORMATS]
    assert json.loads(run("labels", "formats", "--json")[1])[0]["endings"] == [".csv", ".tsv"]


def test_a_quoted_pattern_means_the_files_that_fit(run, table):
    """As for the probe verbs; what lies beside a bout table is not a table of its own."""
    code, text, _ = run("labels", "check", table.parent / "*.csv")
    assert code == 0
    assert f"{table}: 0 errors" in text
    assert "2 bouts" in run("labels", "summary", table.parent / "*.csv")[1]
    assert "matches no file" in run("labels", "check", table.parent / "*.tsv")[2]
