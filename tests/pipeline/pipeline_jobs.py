"""Runs the command line with a small model in a process of its own; kills such processes at random instants.

pipeline_jobs.py cli ARGUMENT...        the command line
pipeline_jobs.py slow ARGUMENT...       the same, taking its time over every segment
pipeline_jobs.py kill RECORDING WEIGHTS ROUNDS SEED FOLDER
"""

import json
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def run_command_line(arguments: list[str], pause_s: float = 0.0) -> None:
    import pipeline_tools

    import vp_science.cli
    from vp_science.cli.progress import BatchProgress

    pipeline_tools.shrink_models()
    if pause_s:
        advance = BatchProgress.advance

        def slowly(self: BatchProgress, grid_frames: int) -> None:
            time.sleep(pause_s)
            advance(self, grid_frames)

        BatchProgress.advance = slowly  # type: ignore[method-assign]
    sys.argv = ["vp-science", *arguments]
    vp_science.cli.main()


class Slowly:
    """Progress that makes the part between the first and the last segment long enough to be hit."""

    def start(self, *_: object) -> None:
        pass

    def advance(self, grid_frames: int) -> None:
        time.sleep(0.004)

    def finish(self, result: object) -> None:
        pass


def run_job(recording: Path, folder: Path, weights: Path) -> None:
    """One complete job, from weights to a file; runs in a child process."""
    from pipeline_tools import SMALL

    from vp_science.checkpoints.load import load_encoder
    from vp_science.embedding.run import embed

    embed(recording, load_encoder(SMALL, weights), out=folder, num_frames=2, stride=1, progress=Slowly())


def fork_job(recording: Path, folder: Path, weights: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        run_job(recording, folder, weights)
        code = 0
    finally:
        os._exit(code)


def kill_at_random(recording: Path, weights: Path, rounds: int, seed: int, folder: Path) -> dict[str, object]:
    """Kill the job at instants spread over its whole life, going on each time; in the end let it finish.

    Everything is imported before the first fork, and nothing is computed: JAX starts anew in every child.
    """
    import av  # noqa: F401
    import h5py  # noqa: F401
    import jax  # noqa: F401
    from pipeline_tools import sha256

    import vp_science.checkpoints.load
    import vp_science.embedding.run  # noqa: F401
    from vp_science.store.reader import open_embeddings

    warnings.filterwarnings("ignore", message=".*fork.*", category=RuntimeWarning)
    random.seed(seed)
    name = f"{recording.stem}.embeddings"
    output, partial = folder / f"{name}.h5", folder / f"{name}.partial"
    codes, made, life_s = [], [], 0.0
    for whole in (folder.with_name("whole"), folder.with_name("again")):
        began = time.monotonic()
        codes.append(os.waitpid(fork_job(recording, whole, weights), 0)[1])
        life_s = time.monotonic() - began  # of the second one, which finds compiled what the first one compiled
        made.append(sha256(whole / output.name))
    expected = made[0]
    killed: list[float] = []
    seen: list[int] = []
    finished, problems = 0, int(made[1] != expected)
    for turn in range(rounds + 1):
        began = time.monotonic()
        before = len(list(partial.glob("segment-*.npz")))
        pid = fork_job(recording, folder, weights)
        if turn < rounds:
            # By the clock, or a moment after a new segment has appeared.
            if turn % 2 == 0:
                wait(pid, began + life_s * (turn + random.random()) / rounds)
            else:
                wait(pid, began + 60, partial, before + random.randint(1, 3))
                time.sleep(random.random() * 0.15)
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code == -signal.SIGKILL:
            killed.append(round(time.monotonic() - began, 2))
            seen.append(len(list(partial.glob("segment-*.npz"))))
        if output.exists():
            finished += 1
            with open_embeddings(output) as embeddings:
                problems += embeddings.grid_size != 150
            problems += sha256(output) != expected
            output.unlink()
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != "manifest.jsonl")
    return {
        "whole": codes,
        "kills": killed,
        "seen": seen,
        "finished": finished,
        "problems": problems,
        "code": code,
        "left": left,
    }


def wait(pid: int, when: float, partial: Path | None = None, segments: int = 0) -> None:
    """Sleep until then, until there are segments, or until the child has ended (it is left for waitpid)."""
    while time.monotonic() < when:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        if partial is not None and len(list(partial.glob("segment-*.npz"))) >= segments:
            return
        time.sleep(0.002)


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    if verb in ("cli", "slow"):
        run_command_line(rest, 0.01 if verb == "slow" else 0.0)
    elif verb == "kill":
        print(json.dumps(kill_at_random(Path(rest[0]), Path(rest[1]), int(rest[2]), int(rest[3]), Path(rest[4]))))
