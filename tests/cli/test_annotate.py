"""``vp-science annotate``: every option does something, exit codes, what is printed, being stopped."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from pipeline_tools import make_encoder, make_frames, read_manifest, write_video

from vp_science.annotations.formats import read_annotations
from vp_science.checkpoints.save import save_weights
from vp_science.cli.annotate import format_bytes
from vp_science.cli.progress import BatchProgress
from vp_science.probes.bundle import save_probe
from vp_science.store.ethogram_reader import list_ethograms, read_ethogram
from vp_science.store.reader import open_embeddings

pytestmark = pytest.mark.usefixtures("small_models")

TOOLS = Path(__file__).parents[1]
sys.path.insert(0, str(TOOLS / "annotating"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Recordings, tracks of two of them, and a bundle."""
    import pipeline_tools
    from study import train, write_recordings

    from vp_science.checkpoints import registry
    from vp_science.checkpoints.load import load_encoder

    folder, specs = tmp_path_factory.mktemp("study"), registry._SPECS
    pipeline_tools.shrink_models()
    encoder = load_encoder("videoprism-tiny", precision="float32")
    registry._SPECS = specs
    recordings = write_recordings(folder / "in")
    probe = train(recordings, folder / "tracks", encoder)
    return recordings, folder / "tracks", save_probe(probe, folder / "probe.zip"), probe


@pytest.fixture
def recordings(made, tmp_path) -> Path:
    import shutil

    return shutil.copytree(made[0], tmp_path / "in")


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def annotate(run, made, out):
    def run_verb(*arguments: object, ok: int = 0) -> tuple[str, str]:
        code, printed, err = run("annotate", *arguments, "--probe", made[2], "--out", out, "--tracks", made[1])
        assert code == ok, err
        return printed, err

    return run_verb


def test_annotates_and_skips(annotate, recordings, made, out, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    printed, err = annotate(recordings)
    assert f"probe {made[3].id}: walk, groom" in err
    assert "done    m0: annotated in " in err
    assert "done    worm: embedded and annotated in " in err
    assert "UNTRAINED encoder" in err
    assert re.search(r"walk +│ +\d+ +│ +[\d.]+ s +│ +[\d.]+ %", printed)
    last = r"4 of 4 recordings are annotated \(.* h\); this run: 4 done \(2 embedded\), 0 skipped, 0 failed, .*x real"
    assert re.search(last, printed)
    printed, err = annotate(recordings)
    assert "skipped m0: complete already" in err
    assert "this run: 0 done (0 embedded), 4 skipped, 0 failed; in " in printed


def test_some_failed(annotate, recordings, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    (recordings / "bad [bold].mp4").write_bytes(b"no video" * 99)
    printed, err = annotate(recordings, recordings / "gone.mp4", ok=3)
    assert "4 of 6 recordings are annotated" in printed
    table = err[err.index("2 failed") :]
    for text in ("bad [bold]", "gone", "found no such file: check the path", "run the same command again"):
        assert text in table


def test_json_lines(annotate, recordings, made):
    printed, _ = annotate(recordings / "m0.avi", recordings / "gone.mp4", "--json", ok=3)
    failed, done = [json.loads(line) for line in printed.splitlines()]
    assert (failed["recording_id"], failed["status"], failed["output"]) == ("gone", "failed", None)
    assert (done["status"], done["action"], done["num_frames"]) == ("done", "reuse", 20)
    assert done["behaviors"]["walk"]["observed_s"] == 2.0
    assert done["tracks"] == [str(made[1] / "m0.embeddings.h5")]


def test_in_place(annotate, recordings, out):
    annotate(recordings / "worm.h5", "--in-place")
    assert [entry.num_frames for entry in list_ethograms(recordings / "worm.h5")] == [24]
    assert not (out / "worm.ethogram.h5").exists()


def test_tables(annotate, recordings, made, out, tmp_path):
    annotate(recordings / "m0.avi", "--csv", "--nwb", "--boris")
    assert read_annotations(out / f"{made[3].id}.csv").recordings == ("m0",)
    assert (out / f"m0.{made[3].id}.ethogram.nwb").is_file()
    assert len(json.loads((out / "predictions.boris").read_text())["observations"]) == 1
    annotate(recordings / "m0.avi", "--boris-project", tmp_path / "lab.boris")
    assert len(json.loads((tmp_path / "lab.boris").read_text())["observations"]) == 1
    _, err = annotate(recordings / "m0.avi", "--boris", "--boris-project", tmp_path / "lab.boris", ok=1)
    assert err.splitlines()[-1] == "error: expected --boris or --boris-project, found both: give one of them"


def test_animals(annotate, recordings, made, out, tmp_path):
    animals = tmp_path / "animals.csv"
    animals.write_text("recording,animal,species\nm0,jerry,Mus musculus\n")
    _, err = annotate(recordings / "m0.avi", "--animals", animals, ok=1)
    assert "expected nwb with animals" in err
    path = out / f"m0.{made[3].id}.ethogram.nwb"
    annotate(recordings / "m0.avi", "--nwb")
    with h5py.File(path) as file:
        assert "subject" not in file["general"]
    annotate(recordings / "m0.avi", "--nwb", "--animals", animals)  # what is finished learns of the animal, too
    with h5py.File(path) as file:
        assert file["general/subject/subject_id"].asstr()[()] == "jerry"
    before = path.read_bytes()
    annotate(recordings / "m0.avi", "--nwb", "--animals", animals)
    assert path.read_bytes() == before
    _, err = annotate(recordings / "m1.avi", "--nwb", "--animals", animals, ok=1)
    assert "expected a line for every recording, found none for m1" in err


def test_shard(annotate, recordings, out):
    annotate(recordings, "--shard", "2/3")
    assert [line["recording_id"] for line in read_manifest(out)] == ["m1"]
    _, err = annotate(recordings, "--shard", "3/2", ok=1)
    assert "error: shard: expected a part and the number of parts" in err


def test_dry_run(annotate, recordings, out, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    (recordings / "bad.mp4").write_bytes(b"no video" * 99)
    printed, err = annotate(recordings, "--dry-run", ok=3)
    rows = {cells[1].strip(): cells[2].strip() for line in printed.splitlines() if len(cells := line.split("│")) > 5}
    assert rows == {"bad": "refuse", "m0": "reuse", "m1": "reuse", "m2": "embed", "worm": "embed"}
    assert "4 of 5 recordings to do: about 0:0" in printed
    assert "frames/s (measured on the first frames of m2)" in printed
    assert "predicting: " in printed
    assert "1 failed" in err
    assert not out.exists()


def test_overwrite(annotate, recordings, out):
    annotate(recordings / "m2.avi")
    write_video(recordings / "m2.avi", num_frames=32)
    _, err = annotate(recordings / "m2.avi", ok=3)
    assert "holds the ethogram of another recording" in err
    annotate(recordings / "m2.avi", "--overwrite")
    assert len(read_ethogram(out / "m2.ethogram.h5")) == 32


def test_weights_and_model(annotate, recordings, tmp_path):
    save_weights(make_encoder(seed=3), tmp_path / "mine.npz")
    _, err = annotate(recordings / "worm.h5", "--weights", tmp_path / "mine.npz", ok=3)
    assert "this encoder is not the one that the probe was trained with: checkpoint: seed:0" in " ".join(err.split())
    _, err = annotate(recordings / "worm.h5", "--model", "videoprism-tini", ok=3)
    assert "videoprism-tiny" in err


def test_precision_offline_and_range_reach_the_track(annotate, tmp_path, out):
    path = tmp_path / "depth.h5"
    with h5py.File(path, "w") as file:
        file["one"] = make_frames(8)[..., 0].astype(np.uint16) * 50
        file["two"] = make_frames(8, seed=1)[..., 0].astype(np.uint16) * 50
        file["clock"] = np.arange(8) * 200
    annotate(
        path, "--precision", "bfloat16", "--offline", "--dataset", "two", "--range", 100, 9000.5,
        "--timestamps", "clock", "--timestamps-unit", "ms",
    )  # fmt: skip
    with open_embeddings(out / "embeddings" / "depth.embeddings.h5") as track:
        provenance = track.provenance
        assert track.time_s.tolist() == pytest.approx(np.arange(8) / 5)
    assert provenance.precision == "bfloat16"
    source = json.dumps(provenance.source)
    assert '"two"' in source
    assert "9000.5" in source


def test_source_fps(annotate, tmp_path, out):
    path = tmp_path / "plain.h5"
    with h5py.File(path, "w") as file:
        file["frames"] = make_frames(10)
    annotate(path, "--source-fps", 20)
    np.testing.assert_allclose(read_ethogram(out / "plain.ethogram.h5").time_s, np.arange(10) / 20)


def test_poses_need_a_probe_that_follows(annotate, recordings):
    for options in (("--poses", recordings), ("--poses", recordings, "--pairs")):
        _, err = annotate(recordings, *options, ok=1)
        assert "which looks at whole frames: leave out the poses" in err
    _, err = annotate(recordings, "--pairs", ok=1)
    assert "expected poses, which say where the animals are" in err


def test_where_workers_are(annotate, recordings):
    """What is done there is tested in tests/cluster."""
    _, err = annotate(recordings, "--cluster", "local:two", ok=1)
    assert "error: cluster: expected a number of workers from 1, as in local:4, found 'local:two'" in err
    _, err = annotate(recordings, "--retries", 3, ok=1)
    assert "error: expected --cluster with --retries, found --retries alone: say where workers are" in err
    _, err = annotate(recordings, "--cluster", "local:1", "--dry-run", ok=1)
    assert "error: expected a dry run or a cluster, found both: the estimate measures this machine" in err


def test_every_option_is_tested(run):
    """A new option needs a test that it does something."""
    _, out, _ = run("annotate", "--help")
    source = Path(__file__).read_text(encoding="utf-8")
    options = set(re.findall(r"--[a-z][a-z-]+", out)) - {"--help"}
    assert len(options) > 20
    assert {option for option in options if f'"{option}"' not in source} == set()


def test_a_bundle_that_is_none(run, recordings, tmp_path):
    code, _, err = run("annotate", recordings, "--probe", tmp_path / "none.zip", "--out", tmp_path / "out")
    assert code == 1
    assert err.splitlines()[-1].startswith("error: expected a probe bundle at ")


def test_ctrl_c(annotate, recordings, out, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(BatchProgress, "advance", stop)
    _, err = annotate(recordings / "m0.avi", recordings / "worm.h5", ok=130)
    expected = f"stopped: finished recordings and segments are kept in {out}; run the same command again to resume"
    assert err.splitlines()[-1] == expected
    assert "Traceback" not in err
    assert [path.name for path in out.glob("*.h5")] == ["m0.ethogram.h5"]


def test_stopped_then_resumed(run, made, recordings, out, tmp_path):
    """The real process, stopped in the middle of the second recording."""
    video = write_video(tmp_path / "in" / "n.avi", num_frames=200)
    code = (
        f"import os, sys, time\nsys.path[:0] = [{str(TOOLS / 'pipeline')!r}]\n"
        "import pipeline_tools\npipeline_tools.shrink_models()\n"
        "from vp_science.cli.progress import BatchProgress\n"
        "seen = [0]\n"
        "def advance(self, frames):\n"
        "    seen[0] += 1\n"
        f"    if seen[0] == 40: os.kill(os.getpid(), {int(signal.SIGTERM)}); time.sleep(5)\n"
        "BatchProgress.advance = advance\n"
        "from vp_science.cli import main\nmain()\n"
    )
    arguments = ["annotate", recordings / "m0.avi", video, "--probe", made[2], "--out", out, "--precision", "float32"]
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, check=False, env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip
    assert ran.returncode == 130, ran.stderr
    assert "Traceback" not in ran.stderr
    expected = f"stopped: finished recordings and segments are kept in {out}; run the same command again to resume"
    assert ran.stderr.splitlines()[-1] == expected
    code, _, err = run(*arguments)
    assert code == 0, err
    assert "n: 100 frames, resuming at frame " in err
    assert len(read_ethogram(out / "n.ethogram.h5")) == 200


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (66_300, "66.3 kB"), (5 * 10**13, "50 TB")])
def test_bytes(size, text):
    assert format_bytes(size) == text
