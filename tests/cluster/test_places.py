"""What ``--cluster`` takes, GPUs, Slurm's job script; no worker is started."""

import sys
import threading
import time
from pathlib import Path

import pytest
from pipeline_tools import make_encoder, make_recording, write_video

from vp_science.checkpoints.request import EncoderRequest
from vp_science.cluster.connect import connected
from vp_science.cluster.local import QUIET, visible_gpus, workers_for
from vp_science.cluster.place import Cluster, LocalWorkers, SchedulerAddress, SchedulerFile, SlurmJobs, read_place
from vp_science.cluster.slurm import kept_at, make_slurm_cluster, read_slurm_settings
from vp_science.embedding.run import embed
from vp_science.errors import ClusterError, SettingsError


@pytest.fixture
def jobs(tmp_path) -> Path:
    path = tmp_path / "jobs.toml"
    path.write_text(
        'workers = 6\npartition = "gpu"\naccount = "ethology"\ngpu_type = "a100"\ncores = 6\nmemory = "48GB"\n'
        'walltime = "12:00:00"\ndirectives = ["--qos=long"]\nprologue = ["module load cuda"]\n'
        'python = "/env/bin/python"\ninterface = "lo"\n'
    )
    return path


def test_places(tmp_path, jobs):
    file = tmp_path / "scheduler.json"
    file.write_text("{}")
    expected = {
        "local:4": LocalWorkers(4),
        "local": LocalWorkers(None),
        "tcp://10.0.0.5:8786": SchedulerAddress("tcp://10.0.0.5:8786"),
        "tls://head:8786": SchedulerAddress("tls://head:8786"),
        str(file): SchedulerFile(file),
        "slurm": SlurmJobs(),
        "slurm:8": SlurmJobs(8),
        f"slurm:{jobs}": SlurmJobs(settings=jobs),
    }
    assert {text: read_place(text) for text in expected} == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", r"cluster: expected one of local:4 \(four workers.*found 'nonsense'"),
        ("", "cluster: expected one of local:4"),
        ("tcp://host", "cluster: expected one of"),
        ("http://host:80", "cluster: expected one of"),
        ("local:0", "expected a number of workers from 1, as in local:4, found 'local:0'"),
        ("local:", "expected a number of workers from 1"),
        ("local:two", "expected a number of workers from 1"),
        ("slurm:0", "expected a number of workers from 1"),
        ("slurm:gone.toml", "expected a number of jobs or a TOML file behind slurm:, found 'gone.toml'"),
        ("gone/scheduler.json", "found none at gone/scheduler.json: start one with"),
    ],
)
def test_places_that_are_none(text, message):
    with pytest.raises(SettingsError, match=message):
        Cluster(text)


def test_retries():
    with pytest.raises(SettingsError, match="retries: expected 0 or more, found -1"):
        Cluster("local:2", retries=-1)


def test_nobody_answers(watch, monkeypatch):
    monkeypatch.setattr("vp_science.cluster.connect._TIMEOUT_S", 0.2)
    with pytest.raises(ClusterError, match=r"expected a running scheduler at tcp://127\.0\.0\.1:9, found none"):
        connected("tcp://127.0.0.1:9", watch).__enter__()


def test_something_else_for_a_client(watch):
    with pytest.raises(SettingsError, match=r"expected a place in words or a distributed\.Client, found int"):
        connected(3, watch).__enter__()


# GPUs


def test_gpus_are_those_that_may_be_used(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-5f,-1")
    assert visible_gpus() == ["2", "GPU-5f"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!{sys.executable}\nprint('0')\nprint('1')\n")
    tool.chmod(0o755)
    assert visible_gpus() == ["0", "1"]


def test_a_worker_per_gpu():
    assert workers_for(None, ["0", "1"]) == 2
    assert workers_for(1, ["0", "1"]) == 1
    assert workers_for(3, []) == 3
    with pytest.raises(
        SettingsError, match=r"at most 2 workers on this machine, one per GPU, found local:3: .*local:2"
    ):
        workers_for(3, ["0", "1"])
    with pytest.raises(SettingsError, match="expected a number of workers on a machine without a GPU"):
        workers_for(None, [])


# Slurm


def test_the_job_script(jobs):
    cluster, count = make_slurm_cluster(SlurmJobs(settings=jobs))
    with cluster:
        script = cluster.job_script().splitlines()
    assert count == 6
    for line in (
        "#SBATCH -p gpu",
        "#SBATCH -A ethology",
        "#SBATCH -n 1",
        "#SBATCH --cpus-per-task=6",
        "#SBATCH --mem=45G",  # 48 GB are 44.7 GiB
        "#SBATCH -t 12:00:00",
        "#SBATCH --gres=gpu:a100:1",
        "#SBATCH --qos=long",
        "module load cuda",
        *(f"export {name}={value}" for name, value in QUIET.items()),
    ):
        assert line in script
    assert script[-1].startswith("/env/bin/python -m distributed.cli.dask_worker tcp://127.0.0.1:")
    assert "--nworkers" not in script[-1]  # one worker process a job


def test_jobs_that_ended_are_submitted_anew(monkeypatch):
    monkeypatch.setattr("vp_science.cluster.slurm._KEEP_EVERY_S", 0.01)
    asked, thrice = [], threading.Event()

    class Jobs:
        def scale(self, jobs):
            asked.append(jobs)
            if len(asked) == 3:
                thrice.set()

    with kept_at(Jobs(), 6):
        assert thrice.wait(10)
    number = len(asked)
    assert set(asked) == {6}
    time.sleep(0.05)
    assert len(asked) == number


def test_settings_of_dask_jobqueue_itself(monkeypatch):
    import dask

    own = {"cores": 2, "memory": "8GB", "walltime": "01:00:00", "queue": "short", "interface": "lo", "workers": 3}
    with dask.config.set({"jobqueue.slurm": {**dask.config.get("jobqueue.slurm", {}), **own}}):
        cluster, count = make_slurm_cluster(SlurmJobs())
        with cluster:
            script = cluster.job_script()
    assert count == 3
    assert "#SBATCH -p short" in script


def test_slurm_alone_does_not_say_how_many():
    with pytest.raises(SettingsError, match="expected how many jobs there shall be, found slurm alone: say slurm:8"):
        make_slurm_cluster(SlurmJobs())


def test_slurm_without_cores():
    with pytest.raises(ClusterError, match="dask-jobqueue refuses"):
        make_slurm_cluster(SlurmJobs(4))


def test_no_slurm_here(watch, jobs, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="expected Slurm here, found no sbatch"):
        connected(f"slurm:{jobs}", watch).__enter__()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("workers = ", "expected settings for Slurm in TOML"),
        ("workers = 2\npartiton = 'gpu'", "found 'partiton': did you mean partition?"),
        ("workers = 'two'", "workers: expected a number, found 'two'"),
        ("workers = 2\nmemory = 32", "memory: expected a text, found 32"),
        ("workers = 2\nprologue = 'module load'", "prologue: expected a list of texts"),
        ("partition = 'gpu'", "workers: expected how many jobs there shall be"),
        ("workers = 2\ngpus = 4", "gpus: expected 0 or 1, as a worker uses one GPU, found 4"),
    ],
)
def test_slurm_settings_that_cannot_work(tmp_path, text, message):
    path = tmp_path / "jobs.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_slurm_settings(path)


# What cannot be sent


def test_an_encoder_stays_where_it_is(tmp_path):
    with pytest.raises(SettingsError, match=r"expected the name of a model \(model=...\), found an encoder"):
        embed(write_video(tmp_path / "a.avi", 8), make_encoder(), out=tmp_path / "out", cluster="local:1")


def test_an_open_recording_stays_where_it_is(tmp_path):
    recording = make_recording(8, recording_id="rig")
    with pytest.raises(SettingsError, match="found the open recording 'rig', which cannot be sent to workers"):
        embed(recording, model="videoprism-tiny", out=tmp_path / "out", cluster="local:1")
    assert not (tmp_path / "out").exists()


def test_options_of_a_model_with_an_encoder(tmp_path):
    with pytest.raises(SettingsError, match="expected weights, precision and offline with the name of a model"):
        embed(tmp_path / "a.avi", make_encoder(), out=tmp_path, precision="float32")


def test_requests():
    assert EncoderRequest("videoprism-base", precision="float32").resolved().precision == "float32"
    assert EncoderRequest("videoprism-base").resolved().precision in ("float32", "bfloat16")
    assert EncoderRequest("videoprism-base").config.model_dim == 768
    with pytest.raises(SettingsError, match="did you mean"):
        _ = EncoderRequest("videoprism-bas").config
