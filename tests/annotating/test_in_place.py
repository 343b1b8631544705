"""Writing into a recording: one group is added, nothing else changes, whenever the process dies."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import in_place_jobs
import numpy as np
import pytest
from hdf5_files import KINDS, content, make_file
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.annotating.in_place import write_in_place
from vp_science.errors import RecordingError, StoreError
from vp_science.journal.log import journal_path, recover, unfinished_path
from vp_science.journal.overlay import PAGE, Overlay
from vp_science.recordings import fingerprint_files
from vp_science.store.ethogram_reader import list_ethograms
from vp_science.video.open import open_recording
from vp_science.video.original import fingerprint_hdf5, read_before, with_changes

JOBS = Path(in_place_jobs.__file__)
ROOT = JOBS.parents[2]


def nothing(group: h5py.Group) -> None:
    pass


def run(*arguments: object, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{JOBS.parent}"}
    command = [sys.executable, str(JOBS), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def path(tmp_path) -> Path:
    return make_file(tmp_path / "worm 1.h5")


# What changes


@pytest.mark.parametrize("kind", KINDS)
def test_adds_one_group_and_nothing_else(tmp_path, kind):
    path = make_file(tmp_path / "a.h5", kind)
    original, before, fingerprint = path.read_bytes(), content(path), fingerprint_files([path], 12)
    for seed, probe in ((1, "one-00000001"), (2, "two-00000002"), (3, "one-00000001")):
        in_place_jobs.write(path, seed, probe, frames=500)
        assert content(path) == before
        assert fingerprint_hdf5(path, 12) == fingerprint
    with h5py.File(path, "r") as file:
        assert sorted(file["vp_science"]) == ["before", "one-00000001", "two-00000002"]
        num_bytes, changes = read_before(file, path)
    # What is kept of the file before is enough to make it again, byte for byte.
    assert with_changes(path.read_bytes()[:num_bytes].ljust(num_bytes, b"\0"), 0, changes) == original
    assert [item.name for item in tmp_path.iterdir()] == ["a.h5"]
    with open_recording(path) as recording:
        assert recording.num_frames == 12


def test_the_user_block_stays(tmp_path):
    path = make_file(tmp_path / "a.h5", "user block")
    with path.open("r+b") as file:
        file.write(b"our own header")
    in_place_jobs.write(path, 1)
    assert path.read_bytes()[:16] == b"our own header\0\0"


def test_writing_again_replaces_only_our_group_and_uses_its_space(path):
    in_place_jobs.write(path, 1, "other-00000001")
    in_place_jobs.write(path, 1)
    other, sizes = in_place_jobs.digest(path, "other-00000001"), [path.stat().st_size]
    for seed in range(2, 8):
        in_place_jobs.write(path, seed)
        sizes.append(path.stat().st_size)
    assert in_place_jobs.digest(path, "other-00000001") == other
    # 360 kB of scores are written again and again into the same place; text of a few kB is appended.
    assert sizes[-1] - sizes[0] < 6 * 8192


def test_a_smaller_group_makes_the_file_smaller(path):
    before = content(path)
    write_in_place(path, lambda group: group.create_dataset("small", data=1), nothing)
    write_in_place(path, lambda group: group.create_dataset("large", data=np.zeros(100_000)), nothing)
    size = path.stat().st_size
    write_in_place(path, lambda group: group.__delitem__("large"), nothing)
    assert path.stat().st_size < size - 700_000
    assert content(path) == before
    with h5py.File(path, "r") as file:
        assert sorted(file["vp_science"]) == ["before", "small"]


def test_links_lead_to_the_file(tmp_path, path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.h5"
    link.symlink_to(path)
    os.link(path, tmp_path / "second name.h5")
    inode = path.stat().st_ino
    in_place_jobs.write(link, 1)
    assert link.is_symlink()
    assert path.stat().st_ino == inode
    assert in_place_jobs.digest(tmp_path / "second name.h5") == in_place_jobs.digest(path)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 3 * PAGE),
    st.lists(st.tuples(st.integers(0, 4 * PAGE), st.integers(1, PAGE + 9), st.integers(0, 255)), max_size=8),
)
def test_an_overlay_is_a_file(tmp_path_factory, size, writes):
    """What is read through it is what a plain file would hold; the file below is not touched."""
    folder = tmp_path_factory.mktemp("overlay")
    below, sidecar = folder / "below", folder / "sidecar"
    below.write_bytes(bytes(n % 251 for n in range(size)))
    expected = bytearray(below.read_bytes())
    with below.open("rb") as file, sidecar.open("w+b") as side:
        overlay = Overlay(file.fileno(), side.fileno())
        for start, length, value in writes:
            overlay.seek(start)
            assert overlay.write(bytes([value]) * length) == length
            expected.extend(bytes(max(0, start + length - len(expected))))
            expected[start : start + length] = bytes([value]) * length
        overlay.seek(0)
        assert overlay.read() == bytes(expected)
        assert overlay.seek(0, 2) == len(expected)
        middle = len(expected) // 2
        assert overlay.bytes_at(middle, middle + 100) == bytes(expected[middle : middle + 100])
        overlay.check()
    assert below.read_bytes() == bytes(n % 251 for n in range(size))


# Kills


@pytest.mark.parametrize(
    ("kind", "torn", "again"),
    [
        ("old, few", (), False),
        ("latest, dense root", ("torn",), False),
        ("old, the root node is full", ("torn",), True),
    ],
)
def test_killed_before_every_change_of_the_file_system(tmp_path, kind, torn, again):
    path = make_file(tmp_path / "a.h5", kind)
    if again:
        in_place_jobs.write(path, 1)
    ran = run("steps", path, *torn)
    assert ran.returncode == 0, ran.stderr
    outcome = json.loads(ran.stdout)
    assert outcome["code"] == 0
    assert outcome["problems"] == []
    assert outcome["steps"] > 25
    assert min(outcome["old"], outcome["new"]) >= 5
    # Before the journal is complete the recording is the same file, byte for byte (after it is gone, it is done).
    assert outcome["old"] - outcome["untouched"] <= 2
    if not torn:
        # Other programs, which know no journal, could read this file at every instant.
        assert outcome["plainly_readable"] == outcome["steps"]


def test_killed_at_random_instants(path):
    before = content(path)
    rng, kills = random.Random(5), 0
    for seed in range(8):
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{JOBS.parent}"}
        loop = (
            "import in_place_jobs, pathlib, sys\n"
            "print('ready', flush=True)\n"
            f"for seed in range(9999): in_place_jobs.write(pathlib.Path(sys.argv[1]), seed + {seed})"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", loop, str(path)], env=environment, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
        recover(path)
        assert content(path) == before
    assert kills == 8
    in_place_jobs.write(path, 1)
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def leave_pending(path: Path) -> bytes:
    """Leave the recording as a process does that is killed right after the journal got its name."""
    before, child = path.read_bytes(), os.fork()
    if child == 0:
        original = os.replace
        os.replace = lambda *names: (original(*names), os.kill(os.getpid(), signal.SIGKILL))
        in_place_jobs.write(path, 2, frames=100)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert journal_path(path).exists()
    assert path.read_bytes() == before
    return before


@pytest.fixture
def interrupted(path) -> Path:
    leave_pending(path)
    return path


def test_readers_refuse_a_recording_that_is_half_written(interrupted):
    expected = "run the same vp-science annotate --in-place command again, which finishes the writing first"
    with pytest.raises(RecordingError, match=expected):
        open_recording(interrupted)
    with pytest.raises(StoreError, match=expected):
        list_ethograms(interrupted)


def test_the_next_write_finishes_the_one_before(interrupted):
    in_place_jobs.write(interrupted, 5, "later-00000001", frames=50)
    assert in_place_jobs.digest(interrupted) is not None
    assert in_place_jobs.digest(interrupted, "later-00000001") is not None
    assert not journal_path(interrupted).exists()


def test_a_recording_that_was_replaced_meanwhile_is_refused(interrupted):
    original = interrupted.read_bytes()
    other = make_file(interrupted.with_name("other.h5"), num_frames=9).read_bytes()
    interrupted.write_bytes(other)
    with pytest.raises(StoreError, match="was changed or replaced after its writer was killed"):
        recover(interrupted)
    assert interrupted.read_bytes() == other
    # The recording as it was before is no other recording.
    interrupted.write_bytes(original)
    assert recover(interrupted)
    assert in_place_jobs.digest(interrupted) is not None


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: b"", "no footer|unpack"),
        (lambda data: data[:-1], "no footer"),
        (lambda data: data[:-60] + b"X" + data[-59:], "the index is damaged"),
        (lambda data: b"\1" + data[1:], "its pages are damaged"),
    ],
    ids=["empty", "cut", "index", "page"],
)
def test_a_damaged_journal_is_refused(interrupted, damage, reason):
    journal, before = journal_path(interrupted), interrupted.read_bytes()
    journal.write_bytes(damage(journal.read_bytes()))
    with pytest.raises(StoreError, match=f"expected a journal in .*found something else .*({reason}).*delete the"):
        recover(interrupted)
    assert interrupted.read_bytes() == before


# Refusals


def test_a_recording_that_is_open_elsewhere_is_refused(path):
    before = path.read_bytes()
    with h5py.File(path, "r"), pytest.raises(StoreError, match=r"another program has it open\. Close it there"):
        in_place_jobs.write(path, 1)
    assert path.read_bytes() == before
    in_place_jobs.write(path, 1)


def test_nobody_can_open_it_while_it_is_written(path):
    def write(group: h5py.Group) -> None:
        group["x"] = 1
        with pytest.raises(OSError, match="lock"):
            h5py.File(path, "r")
        with pytest.raises(StoreError, match="another program has it open"):
            write_in_place(path, nothing, nothing)

    write_in_place(path, write, nothing)


@pytest.mark.parametrize("swmr", [True, False])
def test_a_recording_that_was_never_closed_is_refused(tmp_path, swmr):
    path = tmp_path / "a.h5"
    code = (
        "import h5py, os, sys\nfile = h5py.File(sys.argv[1], 'w', libver='latest')\n"
        f"file.create_dataset('x', data=[1, 2])\nfile.swmr_mode = {swmr}\nfile.flush()\nos._exit(0)"
    )
    subprocess.run(
        [sys.executable, "-c", code if swmr else code.replace("file.swmr_mode = False\n", ""), path], check=True
    )
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is being written" if swmr else "was not closed by the program"):
        in_place_jobs.write(path, 1)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data + b"more", "expected it to end at byte"),
        (lambda data: data[:-5000], "expected it to end at byte"),
        (lambda data: b"no HDF5 at all" * 99, "expected an HDF5 file, found something else"),
        (lambda data: data[:100] + b"\xff" * 900 + data[1000:], "HDF5 finds it damaged or cannot read it"),
    ],
    ids=["something behind its end", "cut", "not HDF5", "damaged"],
)
def test_files_that_are_not_whole_are_refused(path, change, message):
    damaged = change(path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(StoreError, match=message):
        in_place_jobs.write(path, 1)
    assert path.read_bytes() == damaged
    assert [item.name for item in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda file: file["mask"].__setitem__(0, 7), "the data of /(mask|again) would change"),
        (lambda file: file["extra_0"].__setitem__(0, 7), "the data of /extra_0 would change"),
        (lambda file: file.move("extra_1", "moved"), "an object of the recording would move"),
        (lambda file: file.__delitem__("soft"), "an object of the recording would move"),
    ],
)
def test_a_write_that_would_change_the_recording_is_refused(path, harm, message):
    before = path.read_bytes()
    with pytest.raises(StoreError, match=message):
        write_in_place(path, lambda group: harm(group.file), nothing)
    assert path.read_bytes() == before


def test_an_error_while_writing_changes_nothing(path):
    before = path.read_bytes()

    def fail(group: h5py.Group) -> None:
        group.create_dataset("x", data=np.zeros(100_000))
        raise StoreError("the probe is gone")

    for arguments in ((fail, nothing), (nothing, fail)):
        with pytest.raises((StoreError, ValueError), match=r"the probe is gone|read-only|no write intent|cannot write"):
            write_in_place(path, *arguments)
        assert path.read_bytes() == before
        assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_link_in_the_place_of_our_group_is_refused(path):
    with h5py.File(path, "r+") as file:
        file["vp_science"] = h5py.SoftLink("/timestamp")
    with pytest.raises(StoreError, match="expected /vp_science to be a group, found something else"):
        in_place_jobs.write(path, 1)


@pytest.mark.parametrize(
    "text", ["no json", '{"num_bytes": 5, "changes": [[4, "0000"]]}', '{"num_bytes": -1, "changes": []}']
)
def test_a_false_record_of_what_was_before_is_refused(path, text):
    with h5py.File(path, "r+") as file:
        file["vp_science/before"] = np.bytes_(text)
    with pytest.raises(RecordingError, match="expected /vp_science/before to say what the file was before"):
        fingerprint_hdf5(path, 12)
    with pytest.raises(StoreError, match="expected /vp_science/before to say"):
        in_place_jobs.write(path, 1)


# Full disks


def test_a_full_disk_changes_nothing(tmp_path, path):
    before = path.read_bytes()
    size = len(before)
    # Not even the journal fits; the journal fits (400 kB), and what is appended does not.
    for padding, limit in ((0, 100_000), (600_000, size + 600_000 + 4096 + 100_000)):
        if padding:
            with h5py.File(path, "r+") as file:
                file["large"] = np.zeros(padding, np.uint8)
            before = path.read_bytes()
        ran = run("starve", path, limit)
        assert ran.returncode == 0, ran.stderr
        error = json.loads(ran.stdout)["error"]
        assert error.startswith(f"cannot write into {path} (File too large). The recording is as it was: make room")
        assert path.read_bytes() == before
        assert [item.name for item in tmp_path.iterdir()] == [path.name]
    in_place_jobs.write(path, 2)


def test_room_is_looked_for_before(path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 9, 1_500_000))
    with pytest.raises(StoreError, match=r"expected 2 MB of free space on its disk, found 2 MB|expected 3 MB of free"):
        write_in_place(path, nothing, nothing, num_bytes=1_000_000)
    assert not unfinished_path(path).exists()


@pytest.mark.parametrize("number", [13, 30])
def test_a_file_system_that_refuses(path, monkeypatch, number):
    """Permissions do not bind root, who runs the tests in some places: the call fails instead."""
    original = os.open

    def refuse(name, flags, *mode):
        if Path(name) == path and flags & os.O_RDWR:
            raise OSError(number, os.strerror(number), str(name))
        return original(name, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(
        StoreError, match=f"cannot write into .*{os.strerror(number)}.*Without --in-place the results go"
    ):
        write_in_place(path, nothing, nothing)


def test_a_file_system_without_locks(path, monkeypatch):
    import fcntl

    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError, match="this file system has no file locks"):
        write_in_place(path, nothing, nothing)
