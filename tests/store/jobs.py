"""A small embedding job, for tests and (run as a script) for the processes that tests kill, starve and race."""

import contextlib
import hashlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from vp_science.errors import VPScienceError
from vp_science.store.plan import RecordingFacts
from vp_science.store.provenance import Provenance
from vp_science.store.writer import EmbeddingWriter
from vp_science.timeline.grid import SampleGrid, Windows, plan_windows

DIM = 6


def make_provenance(**changes) -> Provenance:
    values = {
        "model": "videoprism_public_v1_base",
        "checkpoint": "ab" * 32,
        "encoder_config": {"depth": 12, "patch": [18, 18]},
        "preprocess": {"fit": "squash", "size": 288, "region": None},
        "source": {"backend": "pyav"},
        "grid": {"sample_fps": None, "num_grid": 41},
        "num_frames": 8,
        "stride": 4,
        "spatial_pool": 1,
        "dtype": "float16",
        "precision": "bfloat16",
        "software": "vp-science 0.1.0",
    }
    return Provenance(**{**values, **changes})


def make_recording(num_frames: int = 41, **changes) -> RecordingFacts:
    values = {"id": "mouse_01", "path": "/lab/mouse_01.mp4", "num_bytes": 1234, "sha256": "cd" * 32}
    return RecordingFacts(**{**values, "num_frames": num_frames, **changes})


def layout(num_frames: int, provenance: Provenance) -> tuple[SampleGrid, Windows]:
    grid = SampleGrid.from_timestamps(np.arange(num_frames) / 25)
    return grid, plan_windows(len(grid), provenance.num_frames, provenance.stride)


def open_job(path: Path, num_frames: int = 41, dim: int = DIM, per_segment: int = 2, **options) -> EmbeddingWriter:
    provenance = options.pop("provenance", None) or make_provenance()
    recording = options.pop("recording", None) or make_recording(num_frames)
    grid, windows = layout(num_frames, provenance)
    return EmbeddingWriter.open(path, provenance, recording, grid, windows, dim, per_segment, **options)


def content(writer: EmbeddingWriter, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What the encoder would give: depends on the segment only. Frame 7 is damaged and shows frame 6."""
    segment, plan = writer.segments[index], writer._plan
    rng = np.random.default_rng(index)
    patches = plan.provenance.spatial_pool**2
    track = rng.standard_normal((segment.num_grid, patches, plan.dim)).astype(np.float32)
    window = rng.standard_normal((segment.num_windows, plan.dim)).astype(np.float32)
    shown = writer._grid.frame_index[segment.grid].copy()
    damaged = shown[shown == 7]
    shown[shown == 7] = 6
    return track, window, shown, damaged


def write_all(writer: EmbeddingWriter, pause_s: float = 0.0, stop: int | None = None) -> None:
    for segment in writer.segments[writer.next_segment : stop]:
        if pause_s:
            time.sleep(random.random() * pause_s)
        writer.write_segment(segment.index, *content(writer, segment.index))


def run_job(path: Path, pause_s: float = 0.0, **options) -> None:
    with open_job(path, **options) as writer:
        write_all(writer, pause_s)
        writer.finish()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fork(work) -> int:
    """Run work in a child; its exit code says how it went: 0, 1 for our errors (printed), 70 for others."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    with contextlib.suppress(BaseException):
        try:
            work()
            code = 0
        except VPScienceError as error:
            print(error, file=sys.stderr, flush=True)
            code = 1
    os._exit(code)


def wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill_at_random(path: Path, rounds: int) -> dict:
    """Kill the job at random instants, resuming each time; then let it end."""
    random.seed(7)
    kills = finished = 0
    for _ in range(rounds):
        pid = fork(lambda: run_job(path, 0.004, num_frames=200))
        time.sleep(random.random() * 0.06)
        os.kill(pid, signal.SIGKILL)
        kills += wait(pid) == -signal.SIGKILL
        if path.exists():
            finished += 1
            assert sha256(path) == sys.argv[4]
            path.unlink()
    code = wait(fork(lambda: run_job(path, num_frames=200)))
    return {"kills": kills, "finished": finished, "code": code, "sha256": sha256(path)}


def kill_at_every_step(path: Path, overwrite: bool) -> dict:
    """Kill the job right before its n-th change of the file system, for every n; then resume to the end."""
    last = 0
    while True:
        old = None
        if overwrite:
            run_job(path, provenance=make_provenance(precision="float32"))
            old = sha256(path)
        code = wait(fork(lambda last=last: run_until_step(path, last, overwrite)))
        if path.exists() and sha256(path) not in (old, sys.argv[4]):
            return {"step": last, "problem": "half a file under the final name"}
        if wait(fork(lambda: run_job(path, overwrite=overwrite))) != 0 or sha256(path) != sys.argv[4]:
            return {"step": last, "problem": "other bytes after resuming"}
        if sorted(path.parent.iterdir()) != [path]:
            return {"step": last, "problem": "left something behind"}
        path.unlink()
        if code == 0:
            return {"steps": last}
        last += 1


def run_until_step(path: Path, last: int, overwrite: bool) -> None:
    left = last

    def hook(event: str, arguments: tuple) -> None:
        nonlocal left
        changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir") or (
            event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wx+")
        )
        if changes:
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(hook)
    run_job(path, overwrite=overwrite)


def starve(path: Path, limits: list[int]) -> dict:
    """Run the job under limits on the size of a file, like a disk that is full; then without."""

    import resource

    def limited(limit: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        run_job(path, dim=512, per_segment=1)

    codes = [wait(fork(lambda limit=limit: limited(limit))) for limit in limits]
    names = sorted(file.name for file in path.parent.rglob("*") if file.is_file())
    return {"codes": codes, "names": names, "code": wait(fork(lambda: run_job(path, dim=512, per_segment=1)))}


def hold(path: Path) -> None:
    """Write one segment and keep the output until killed."""
    with open_job(path) as writer:
        write_all(writer, stop=1)
        print("ready", flush=True)
        time.sleep(60)


if __name__ == "__main__":
    verb, where = sys.argv[1], Path(sys.argv[2])
    if verb == "hold":
        hold(where)
    elif verb == "random":
        print(json.dumps(kill_at_random(where, int(sys.argv[3]))))
    elif verb == "steps":
        print(json.dumps(kill_at_every_step(where, sys.argv[3] == "overwrite")))
    elif verb == "starve":
        print(json.dumps(starve(where, json.loads(sys.argv[3]))))
