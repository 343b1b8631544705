"""``vp-science methods``: printed, as JSON, into a file."""

import json
import sys
from pathlib import Path

import pytest

sys.path[:0] = [
    str(Path(__file__).parents[1] / name) for name in ("reporting", "probes", "pipeline", "maps", "annotating")
]


@pytest.fixture
def track(tmp_path):
    import methods_files

    return methods_files.write_known_track(tmp_path)


def test_printed(run, track):
    code, out, err = run("methods", track)
    assert (code, err) == (0, "")
    assert out.startswith("## Methods\n\nVideo was read by the frozen video encoder videoprism-base")
    assert out.endswith("60785-60811.\n") or "## References" in out


def test_json(run, track):
    code, out, _ = run("methods", track, "--json")
    record = json.loads(out)
    assert code == 0
    assert record["sections"][0]["facts"]["window_s"] == [3.2, 3.2]


def test_a_file_is_written_once(run, track, tmp_path):
    out = tmp_path / "paper" / "methods.md"
    assert run("methods", track, "--out", out)[:2] == (0, f"wrote {out}\n")
    first = out.read_text()
    assert first.startswith("## Methods")
    code, _, err = run("methods", track, "--out", out)
    assert code == 1
    assert "expected nothing at" in err
    assert "--overwrite" in err
    assert run("methods", track, "--json", "--out", out, "--overwrite")[0] == 0
    assert json.loads(out.read_text())["format"] == "vp_science.methods"


def test_reasons_not_to_publish_are_told_beside_a_file(run, tmp_path):
    import methods_files

    track = methods_files.write_known_track(tmp_path, checkpoint="seed:0 (untrained)")
    code, _, err = run("methods", track, "--out", tmp_path / "m.md")
    assert code == 0
    assert err.startswith("before you publish: The encoder videoprism-base was never trained")


def test_wrong_use(run, track):
    code, _, err = run("methods", track, "--overwrite")
    assert code == 1
    assert "expected --out with --overwrite, found none" in err
    assert run("methods")[0] == 2
