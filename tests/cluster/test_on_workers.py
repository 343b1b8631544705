"""Two worker processes: the same files and the same manifest as on one machine, whatever happens to the workers."""

import json
import re
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from pipeline_tools import make_encoder, read_manifest, sha256, write_video
from study import SETTINGS, Spy, train, write_hdf5

from vp_science.annotating.run import annotate, open_batch
from vp_science.checkpoints.model_folder import write_model_folder
from vp_science.cluster.place import Cluster
from vp_science.embedding.run import embed
from vp_science.errors import ClusterError, SettingsError

LONG = 150
"""Frames of the recording that is interrupted: with these settings five segments."""

WINDOWS = {**SETTINGS, "num_frames": 2, "stride": 1, "fps": None}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "in"
    for number in range(2):
        write_video(folder / f"m{number}.avi", num_frames=20 + 4 * number)
    write_video(folder / "long.avi", num_frames=LONG)
    write_hdf5(folder / "worm.h5")
    (folder / "broken.mp4").write_bytes(b"no video" * 99)
    return folder


@pytest.fixture(scope="module")
def probe(recordings, tmp_path_factory):
    return train(recordings, tmp_path_factory.mktemp("tracks"), **WINDOWS)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model_folder(make_encoder(seed=0), tmp_path_factory.mktemp("model") / "micro", {})


@pytest.fixture(scope="module")
def embedded(recordings, model, tmp_path_factory) -> Path:
    """What one machine makes."""
    out = tmp_path_factory.mktemp("here") / "out"
    embed(recordings, model=model, out=out, raise_failures=False, **WINDOWS)
    return out


def hashes(folder: Path) -> dict[str, str]:
    """Every file; reports and manifests are compared for themselves, a BORIS project without its dates."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".jsonl", ".json")]
    found = {path.relative_to(folder).as_posix(): sha256(path) for path in files}
    for path in folder.glob("*.boris"):
        found[path.name] = re.sub(r'"(project_)?date": "[^"]*"', "", path.read_text())
    return found


def lines(folder: Path) -> list[dict]:
    """The manifest without clocks and without the name of the output folder, sorted: workers finish in any order."""
    text = "\n".join(json.dumps(line) for line in read_manifest(folder)).replace(str(folder), "OUT")
    records = [json.loads(line) for line in text.splitlines()]
    for record in records:
        assert record.pop("seconds") >= 0
        assert record.pop("finished")
    return sorted(records, key=lambda record: record["recording_id"])


def report(folder: Path) -> dict:
    return {
        name: value
        for name, value in json.loads((folder / "report.json").read_text()).items()
        if name not in ("wall_s", "realtime_factor")
    }


def segments(marks: Path, name: str) -> list[int]:
    log = marks / f"segments-{name}"
    return [int(line.split()[0]) for line in log.read_text().splitlines()] if log.exists() else []


def test_annotating_while_a_worker_is_killed(client, recordings, probe, marks, watch, tmp_path):
    options = {"csv": True, "boris": True, "precision": "float32", "raise_failures": False}
    here, there = tmp_path / "here" / "out", tmp_path / "there" / "out"
    expected = annotate(recordings, probe, out=here, **options)
    (marks / "kill-once-long").touch()
    results = annotate(recordings, probe, out=there, cluster=Cluster(client, watch=watch), **options)
    assert not (marks / "kill-once-long").exists()

    assert hashes(there) == hashes(here)
    assert {".csv", ".h5", ".boris"} <= {Path(name).suffix for name in hashes(there)}
    assert lines(there) == lines(here)
    assert lines(there / "embeddings") == lines(here / "embeddings")
    assert report(there) == report(here)
    assert [result.recording_id for result in results] == [result.recording_id for result in expected]
    assert Counter(result.status for result in results) == {"done": 4, "failed": 1}
    assert segments(marks, "long") == [0, 1, 2, 3, 4]  # two by the worker that died, the rest by another one
    assert sorted(path.name for path in there.iterdir()) == sorted(path.name for path in here.iterdir())
    assert watch.total == 5
    assert any(re.match(r"lost    worker tcp://\S+, which worked on long", line) for line in watch.lines)
    assert "again   long: try 2 of 3" in watch.lines

    again = annotate(recordings, probe, out=there, cluster=client, **options)
    assert Counter(result.status for result in again) == {"skipped": 4, "failed": 1}
    assert hashes(there) == hashes(here)


def test_embedding_while_one_recording_kills_every_worker(client, recordings, model, embedded, marks, watch, tmp_path):
    out = tmp_path / "out"
    (marks / "kill-long").touch()
    cluster = Cluster(client, retries=1, watch=watch)
    results = embed(recordings, model=model, out=out, cluster=cluster, raise_failures=False, **WINDOWS)
    (marks / "kill-long").unlink()
    found = {result.recording_id: result for result in results}
    assert {name: result.status for name, result in found.items()} == {
        "broken": "failed", "long": "failed", "m0": "done", "m1": "done", "worm": "done",
    }  # fmt: skip
    assert re.match(
        r"expected a worker to finish it, found that 2 did not: its worker died, tcp://\S+ on \S+\. Look at the logs",
        found["long"].error,
    )
    assert "broken.mp4: expected" in found["broken"].error
    assert sum(line.startswith("again   ") for line in watch.lines) == 1
    assert {line["recording_id"]: line["status"] for line in read_manifest(out)}["long"] == "failed"

    results = embed(recordings, model=model, out=out, cluster=client, raise_failures=False, **WINDOWS)
    assert Counter(result.status for result in results) == {"skipped": 3, "done": 1, "failed": 1}
    assert hashes(out) == hashes(embedded)
    assert [line for line in lines(out) if line["status"] == "done"] == [
        line for line in lines(embedded) if line["status"] == "done"
    ]


def test_an_interruption_ends_at_a_segment_and_is_resumed(client, recordings, model, embedded, marks, watch, tmp_path):
    out = tmp_path / "out"
    inputs = [recordings / "long.avi", recordings / "m0.avi"]

    class CtrlC(Spy):
        def finish(self, result):
            assert result.recording_id == "m0"
            while len(segments(marks, "long")) < 2:  # the other worker may still be starting
                time.sleep(0.05)
            threading.Timer(2.0, hold.unlink).start()  # by then the worker has been told to stop
            raise KeyboardInterrupt

    hold = marks / "hold-long"
    hold.touch()
    (marks / "segments-long").unlink(missing_ok=True)
    before = set(client.nthreads())
    with pytest.raises(KeyboardInterrupt):
        embed(inputs, model=model, out=out, cluster=Cluster(client, watch=watch), progress=CtrlC(), **WINDOWS)
    kept = len(list(out.glob("long.embeddings.partial/segment-*.npz")))
    assert kept == len(segments(marks, "long"))
    assert kept < 5
    assert set(client.nthreads()) == before  # they live, and work again at once
    assert [path.name for path in out.iterdir() if path.name.startswith(".vp-science")] == []

    results = embed(inputs, model=model, out=out, cluster=client, **WINDOWS)
    assert [(result.recording_id, result.status) for result in results] == [("long", "done"), ("m0", "skipped")]
    assert segments(marks, "long") == [0, 1, 2, 3, 4]
    assert {name: digest for name, digest in hashes(embedded).items() if name[0] in "lm" and "m1" not in name} == (
        hashes(out)
    )


def test_the_command_line(client, recordings, model, embedded, tmp_path, monkeypatch, capfd):
    from vp_science.cli import main

    monkeypatch.chdir(recordings.parent)  # relative names mean the same on workers
    out = tmp_path / "out"
    arguments = ["embed", "in/m0.avi", "in/worm.h5", "--out", out, "--model", model, "--size", 36, "--num-frames", 2]
    arguments += ["--stride", 1, "--cluster", client.scheduler.address, "--retries", 0, "--json"]
    monkeypatch.setattr("sys.argv", ["vp-science", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    printed, told = capfd.readouterr()
    assert ended.value.code == 0, told
    assert [json.loads(line)["input"] for line in printed.splitlines()] == ["in/m0.avi", "in/worm.h5"]
    assert "done    m0: 20 frames in " in told
    assert re.search(r"2 of 2 recordings, \S+ h of recordings per hour, about 0:00 left, 2 workers", told)
    assert sorted(hashes(out)) == ["m0.embeddings.h5", "worm.embeddings.h5"]
    settings = (out / "manifest.jsonl").read_text()
    assert settings.count('"model": "micro"') == 2


def test_what_no_worker_can_do_is_refused_at_once(client, recordings, model, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for name in ("model.json", "model.safetensors"):
        (other / name).write_bytes((model / name).read_bytes() + b" ")
    with pytest.raises(ClusterError, match=r"model\.safetensors"):
        embed(recordings, model=other, out=tmp_path / "out", cluster=client, **WINDOWS)
    assert list((tmp_path / "out").iterdir()) == []


def test_no_dry_run_on_a_cluster(client, recordings, probe, tmp_path):
    batch = open_batch(recordings, probe, out=tmp_path, cluster=client)
    with pytest.raises(SettingsError, match="expected a dry run or a cluster, found both"):
        batch.estimate()
