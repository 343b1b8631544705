"""Kills, full disks, and two processes at once: real ones."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vp_science.errors import StoreError
from vp_science.store import lock as lock_module
from vp_science.store.lock import FolderLock
from vp_science.store.reader import open_embeddings
from vp_science.store.writer import partial_folder

JOBS = Path(__file__).with_name("jobs.py")
ROOT = JOBS.parents[2]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="forks and signals")


def start(*arguments) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(JOBS), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(*arguments) -> tuple[dict, str]:
    process = start(*arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out), err


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "mouse_01.embeddings.h5"


def reference(jobs, folder, **options) -> str:
    whole = folder / "reference" / "mouse_01.embeddings.h5"
    jobs.run_job(whole, **options)
    return jobs.sha256(whole)


def test_killed_at_random_instants(jobs, tmp_path, path):
    expected = reference(jobs, tmp_path, num_frames=200)
    result, _ = run("random", path, 20, expected)
    assert result["kills"] >= 5
    assert result["code"] == 0
    assert result["sha256"] == expected
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", ["fresh", "overwrite"])
def test_killed_before_every_change_of_the_file_system(jobs, tmp_path, path, mode):
    result, _ = run("steps", path, mode, reference(jobs, tmp_path))
    assert result.get("steps", 0) > 25, result


def test_full_disk(jobs, tmp_path, path):
    """A limit on file size is the full disk that needs no root: the same calls fail, in Python and inside HDF5."""
    expected = reference(jobs, tmp_path, dim=512, per_segment=1)
    # nothing fits; the plan and no segment; all segments and not the file.
    result, messages = run("starve", path, [0, 4096, 30_000])
    assert result["codes"] == [1, 1, 1]
    assert len(messages.strip().splitlines()) == 3
    for line in messages.strip().splitlines():
        assert line.startswith(f"cannot write {path}: the disk is full, or a quota or size limit is reached (File too")
        assert line.endswith("What was finished is kept: free space and run the same command again to go on from there")
    segments = [name for name in result["names"] if name.startswith("segment-")]
    assert len(segments) == 10
    assert not [name for name in result["names"] if name.endswith(".tmp")]
    assert path.name not in result["names"]
    assert result["code"] == 0
    assert jobs.sha256(path) == expected


def finish_all(jobs, writer):
    jobs.write_all(writer)
    writer.finish()


def test_really_full_disk(jobs, tmp_path, path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(path.parent)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        with jobs.open_job(path, dim=2048, per_segment=1) as writer:
            with pytest.raises(StoreError, match=r"the disk is full.*No space left on device"):
                finish_all(jobs, writer)
            done = writer.next_segment
        assert done > 2
        assert not list(path.parent.rglob("*.tmp"))
        subprocess.run(["mount", "-o", "remount,size=4m", str(path.parent)], check=True)
        with jobs.open_job(path, dim=2048, per_segment=1) as writer:
            assert writer.status == "resumed"
            assert writer.next_segment == done
            jobs.write_all(writer)
            writer.finish()
        assert jobs.sha256(path) == reference(jobs, tmp_path, dim=2048, per_segment=1)
    finally:
        subprocess.run(["umount", str(path.parent)], check=True)


def test_two_processes_and_a_stale_lock(jobs, tmp_path, path):
    holder = start("hold", path)
    assert holder.stdout.readline() == "ready\n"
    with pytest.raises(StoreError, match=rf"another process is writing {path}: wait until .*choose another output"):
        jobs.open_job(path)
    with pytest.raises(StoreError, match="another process is writing"):
        jobs.open_job(path, overwrite=True)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with jobs.open_job(path) as writer:
        assert (writer.status, writer.next_segment) == ("resumed", 1)
        with pytest.raises(StoreError, match="another process is writing"):
            jobs.open_job(path)
        jobs.write_all(writer)
        writer.finish()
    assert jobs.sha256(path) == reference(jobs, tmp_path)


def test_the_other_process_finishes_just_before_we_lock(jobs, path, monkeypatch):
    acquire = FolderLock.acquire

    def late(folder, output):
        monkeypatch.undo()
        jobs.run_job(path)
        return acquire(folder, output)

    monkeypatch.setattr(FolderLock, "acquire", late)
    with jobs.open_job(path) as writer:
        assert writer.status == "already_complete"
        assert writer.next_segment == len(writer.segments)
    assert not partial_folder(path).exists()


@pytest.mark.parametrize("again", [False, True])
def test_a_lock_on_a_deleted_file_is_no_lock(tmp_path, monkeypatch, again):
    class Racing(lock_module.FileLock):
        tries = 0

        def acquire(self, *arguments, **options):
            got = super().acquire(*arguments, **options)
            Racing.tries += 1
            if Racing.tries == 1:
                (tmp_path / "work" / "lock").unlink()
                if again:
                    (tmp_path / "work" / "lock").touch()
            return got

    monkeypatch.setattr(lock_module, "FileLock", Racing)
    held = FolderLock.acquire(tmp_path / "work", tmp_path / "output")
    assert Racing.tries == 2
    monkeypatch.undo()
    with pytest.raises(StoreError, match="another process"):
        FolderLock.acquire(tmp_path / "work", tmp_path / "output")
    held.remove(tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_old_file_stays_until_the_new_one_is_complete(jobs, path):
    jobs.run_job(path)
    old = jobs.sha256(path)
    with jobs.open_job(path, provenance=jobs.make_provenance(dtype="float32"), overwrite=True) as writer:
        jobs.write_all(writer)
        assert jobs.sha256(path) == old
        writer.finish()
    with open_embeddings(path) as found:
        assert found.provenance.dtype == "float32"
