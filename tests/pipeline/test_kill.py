"""Killed at any instant, run again: the same bytes, and never half a file under the final name."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pipeline_tools import read_manifest, sha256, write_video

from vp_science.checkpoints.save import save_weights
from vp_science.store.reader import open_embeddings

SCRIPT = Path(__file__).with_name("pipeline_jobs.py")
SETTINGS = ["-m", "videoprism-tiny", "--precision", "float32", "--num-frames", "2", "--stride", "1"]


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("in") / "a.avi", num_frames=150)


def command(verb: str, video: Path, out: Path) -> list[str]:
    return [sys.executable, str(SCRIPT), verb, "embed", str(video), "--out", str(out), *SETTINGS]


# Compiling is most of the life of such a small job; with less of it there is time for more kills.
ENVIRONMENT = {**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}


def test_killed_at_random_instants(encoder, video, tmp_path):
    save_weights(encoder, tmp_path / "weights.npz")
    arguments = [video, tmp_path / "weights.npz", 8, 11, tmp_path / "row" / "out"]
    command = [sys.executable, SCRIPT, "kill", *map(str, arguments)]
    row = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert row.returncode == 0, row.stderr
    report = json.loads(row.stdout)
    assert report["whole"] == [0, 0]
    assert report["code"] == 0, row.stderr
    assert report["problems"] == 0
    assert report["finished"] >= 1
    assert report["left"] == []
    # A kill may come too late; but most come in time, and some between segments.
    assert len(report["kills"]) >= 4
    assert max(report["seen"]) >= 1


@pytest.mark.parametrize("delay_s", [0.05, 1.0], ids=["while importing", "while loading"])
def test_killed_before_the_work_began(video, tmp_path, delay_s):
    with subprocess.Popen(command("slow", video, tmp_path / "out"), stderr=subprocess.DEVNULL) as process:
        time.sleep(delay_s)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert list(tmp_path.rglob("*.h5")) == []


def test_the_command_line_is_stopped_then_killed_then_finishes(video, tmp_path):
    """The real process: a scheduler's SIGTERM, a SIGKILL, and a third run that ends."""
    out = tmp_path / "out"
    options = {"stderr": subprocess.PIPE, "text": True, "env": ENVIRONMENT}
    process = subprocess.Popen(command("slow", video, out), stdout=subprocess.PIPE, **options)
    wait_for_segments(out, 1)
    process.terminate()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    expected = f"stopped: finished recordings and segments are kept in {out}; run the same command again to resume"
    assert stderr.splitlines()[-1] == expected
    kept = len(list(out.glob("*.partial/segment-*.npz")))

    with subprocess.Popen(command("slow", video, out), **options) as process:
        wait_for_segments(out, kept + 1)
        process.kill()
        stderr = process.stderr.read()
    assert process.returncode == -signal.SIGKILL
    assert "a: 150 frames, resuming at frame " in stderr
    assert list(out.glob("*.h5")) == []

    ran = subprocess.run(command("cli", video, out), stdout=subprocess.DEVNULL, check=False, **options)
    assert ran.returncode == 0, ran.stderr
    assert "a: 150 frames, resuming at frame " in ran.stderr
    [output] = out.glob("*.h5")
    with open_embeddings(output) as embeddings:
        assert embeddings.grid_size == 150
    [line] = read_manifest(out)
    assert (line["status"], line["output_sha256"]) == ("done", sha256(output))
    assert sorted(path.name for path in out.iterdir()) == ["a.embeddings.h5", "manifest.jsonl"]


def test_being_asked_to_stop_before_the_work_began(tmp_path):
    """Ctrl-C while the encoder is loaded: no traceback, and the same exit code."""
    code = (
        "import os, signal, sys, vp_science.cli, vp_science.checkpoints.load as load\n"
        # A background job ignores SIGINT and hands that on to its children.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "load.load_encoder = lambda *a, **k: os.kill(os.getpid(), signal.SIGINT)\n"
        f"sys.argv = ['vp-science', 'embed', 'a.mp4', '-o', {str(tmp_path)!r}]\n"
        "vp_science.cli.main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 130, ran.stderr
    assert "Traceback" not in ran.stderr


def wait_for_segments(out: Path, count: int) -> None:
    until = time.monotonic() + 60
    while len(list(out.glob("*.partial/segment-*.npz"))) < count:
        assert time.monotonic() < until, f"no segment appeared in {out}: {os.listdir(out) if out.exists() else None}"
        time.sleep(0.01)
