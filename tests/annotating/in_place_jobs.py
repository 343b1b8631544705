"""Run as a process of its own: writes in place and is killed at every instant there is.

in_place_jobs.py steps FILE [torn]   SIGKILL before (or in the middle of) every change of the file system
in_place_jobs.py write FILE SEED     write once
in_place_jobs.py starve FILE LIMIT   write with a limit on the size of files, the full disk that needs no root
"""

import hashlib
import json
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

import h5py
import numpy as np
from hdf5_files import content

from vp_science.annotating.in_place import write_in_place
from vp_science.errors import StoreError
from vp_science.journal.log import journal_path, recover
from vp_science.video.original import fingerprint_hdf5

CHANGES = ("pwrite", "fsync", "ftruncate", "replace", "rename", "unlink", "open")


def write(path: Path, seed: int, probe: str = "probe-00000001", frames: int = 30_000) -> None:
    scores = np.random.default_rng(seed).random((frames, 3), np.float32)

    def put(group: h5py.Group) -> None:
        if probe in group:
            del group[probe]
        ours = group.create_group(probe)
        ours.create_dataset("scores", data=scores, chunks=(min(4096, frames), 3), fletcher32=True)
        ours.attrs["provenance"] = "p" * 3000

    def check(group: h5py.Group) -> None:
        assert np.array_equal(group[probe]["scores"][()], scores)

    write_in_place(path, put, check)


def digest(path: Path, probe: str = "probe-00000001") -> str | None:
    """Of what our group holds; None when there is none."""
    with h5py.File(path, "r") as file:
        if f"vp_science/{probe}" not in file:
            return None
        return hashlib.sha256(file[f"vp_science/{probe}/scores"][()].tobytes()).hexdigest()


def die_at(step: int, *, torn: bool) -> None:
    """Kill this process before the change of the file system with that number; torn: after half of a write."""
    count = 0

    def watch(name: str) -> None:
        original = getattr(os, name)

        def counted(*args, **kwargs):
            nonlocal count
            if name == "open" and not args[1] & os.O_CREAT:
                return original(*args, **kwargs)
            count += 1
            if count == step:
                if torn and name == "pwrite":
                    original(args[0], bytes(args[1])[: len(args[1]) // 2], args[2])
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        setattr(os, name, counted)

    for name in CHANGES:
        watch(name)


def steps(path: Path, torn: bool) -> dict:
    """Kill at every step, recover, compare; until a run gets through. Begins each time with the same file."""
    pristine, before, recorded = path.with_suffix(".pristine"), content(path), fingerprint_hdf5(path, 1)
    shutil.copyfile(path, pristine)
    old = digest(path)
    outcome = {"steps": 0, "old": 0, "new": 0, "untouched": 0, "plainly_readable": 0, "problems": []}
    new = None
    for step in range(1, 400):
        shutil.copyfile(pristine, path)
        child = os.fork()
        if child == 0:
            die_at(step, torn=torn)
            write(path, 2)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            new = digest(path)
            outcome["code"] = os.waitstatus_to_exitcode(status)
            break
        outcome["steps"] += 1
        waiting = journal_path(path).exists()
        if not waiting:
            outcome["untouched"] += path.read_bytes() == pristine.read_bytes()
        try:
            outcome["plainly_readable"] += content(path) == before
        except Exception:
            outcome["unreadable_without_recovery"] = outcome.get("unreadable_without_recovery", 0) + 1
        finished = recover(path)
        if finished != waiting or content(path) != before or fingerprint_hdf5(path, 1) != recorded:
            outcome["problems"].append(step)
        outcome["new" if waiting else "old"] += 1
        outcome.setdefault("digests", []).append([waiting, digest(path)])
        if [p.name for p in path.parent.iterdir() if "journal" in p.name]:
            outcome["problems"].append(-step)
    for waiting, found in outcome.pop("digests"):
        # Before the journal is complete nothing has happened; from then on all of it has.
        done = found == new
        if (found != old and not done) or (waiting and not done):
            outcome["problems"].append("digest")
    return outcome


def starve(path: Path, limit: int) -> dict:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        write(path, 2)
    except StoreError as error:
        return {"error": str(error)}
    return {"error": ""}


if __name__ == "__main__":
    verb, where, *rest = sys.argv[1:]
    if verb == "steps":
        print(json.dumps(steps(Path(where), bool(rest))))
    elif verb == "starve":
        print(json.dumps(starve(Path(where), int(rest[0]))))
    else:
        write(Path(where), int(rest[0]))
