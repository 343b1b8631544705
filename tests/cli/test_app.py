"""Help, exit codes, errors in one line; and nothing heavy before it is needed."""

import json
import os
import subprocess
import sys

import pytest

CALL = "import sys, vp_science.cli\nsys.argv = ['x', '{}']\ntry: vp_science.cli.main()\nexcept SystemExit: pass"
VERBS = ["demo", "embed", "models", "fetch", "info"]
HEAVY = ["jax", "jaxlib", "flax", "av", "h5py", "matplotlib", "pandas", "sklearn", "tifffile", "napari", "qtpy"]


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help(run, arguments):
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    for verb in VERBS:
        assert verb in out
    assert "vp-science demo" in out


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_verbs(run, verb):
    code, out, err = run(verb, "--help")
    assert (code, err) == (0, "")
    assert "Usage" in out


def test_version(run):
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("vp-science 0.")


@pytest.mark.parametrize(
    "code",
    [
        "import vp_science",
        "import vp_science; dir(vp_science); vp_science.__version__",
        "import vp_science.cli",
        CALL.format("--help"),
        CALL.format("embed', '-h"),
    ],
    ids=["the package", "its names", "the command line", "help", "help of a verb"],
)
def test_nothing_heavy_is_imported(code):
    check = f"\nimport sys, json; print('\\n' + json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    ran = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout.splitlines()[-1]) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("embed",), "Missing argument"),
        (("embed", "a.mp4", "--stried", "3"), "--stried"),
        (("embed", "a.mp4", "--fps", "fast"), "--fps"),
        (("embed", "a.mp4", "--dtype", "float64"), "--dtype"),
        (("embed", "a.mp4", "--fit", "stretch"), "--fit"),
        (("embed", "a.mp4", "--precision", "int8"), "--precision"),
        (("embed", "a.mp4", "--crop", "1", "2"), "--crop"),
        (("fetch",), "Missing argument"),
        (("models", "--jsn"), "--jsn"),
    ],
)
def test_wrong_usage(run, arguments, message):
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert message in err
    assert "─ Error ─" in err
    assert "Traceback" not in err


def test_our_errors_are_one_line(run):
    code, out, err = run("embed", "a.mp4", "--model", "videoprism-bas")
    assert (code, out) == (1, "")
    [line] = err.splitlines()
    assert line.startswith("error: model: expected one of videoprism-base, ")
    assert "found 'videoprism-bas'; did you mean videoprism-base" in line


@pytest.mark.parametrize("arguments", [("--debug", "fetch", "nonsense"), ("fetch", "nonsense", "--debug")])
def test_debug_shows_the_traceback(run, arguments):
    code, _, err = run(*arguments)
    assert code == 1
    assert "Traceback (most recent call last)" in err
    assert err.splitlines()[-1].startswith("error: model: expected one of ")


def test_no_name_comes_near(run):
    code, _, err = run("fetch", "qqqqqqq")
    assert code == 1
    assert "no name comes near" in err


def test_models(run):
    code, out, _ = run("models")
    assert code == 0
    for name in ("videoprism-base", "videoprism-large", "videoprism-giant", "videoprism-tiny"):
        assert name in out
    code, out, err = run("models", "--json")
    assert (code, err) == (0, "")
    rows = {row["name"]: row for row in json.loads(out)}
    assert rows["videoprism-base"]["parameters"] == 114_365_184
    assert (rows["videoprism-base"]["frames"], rows["videoprism-base"]["height"]) == (16, 288)
    assert rows["videoprism-base"]["licence"] == "Apache-2.0"
    assert not rows["videoprism-giant"]["trained"]


def test_info(run):
    code, out, err = run("info", "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert facts["packages"]["vp-science"].startswith("0.")
    assert facts["packages"]["jax"]
    assert facts["devices"]
    assert "h264" in facts["codecs"]
    assert facts["precision"].startswith(("float32", "bfloat16"))
    code, out, _ = run("info")
    assert code == 0
    assert "devices: cpu" in out
    assert "codecs: h264" in out


def test_fetch_offline(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    code, out, err = run("fetch", "videoprism-giant", "--offline")
    assert (code, out) == (1, "")
    assert err.startswith("error: ")


def test_the_reader_of_the_output_may_go_away(tmp_path):
    """vp-science models | head -1"""
    read, write = os.pipe()
    os.close(read)
    code = "import sys, vp_science.cli; sys.argv = ['vp-science', 'models', '--json']; vp_science.cli.main()"
    with os.fdopen(write, "wb") as stdout:
        ran = subprocess.run([sys.executable, "-c", code], stdout=stdout, stderr=subprocess.PIPE, text=True)
    assert "Traceback" not in ran.stderr
