"""Run as a process of its own: annotates with a fine-tuned probe, and dies after so many frames.

fine_tuned_jobs.py RECORDING BUNDLE DIE_AFTER OUT...   prints how many frames were computed for each OUT
"""

import os
import signal
import sys
from pathlib import Path

from vp_science.annotating.run import annotate


class Dying:
    """Progress that kills the process as nothing can prevent."""

    def __init__(self, die_after: int) -> None:
        self.left, self.frames = die_after, 0

    def start(self, *facts: object) -> None:
        pass

    def advance(self, grid_frames: int) -> None:
        self.frames += grid_frames
        self.left -= grid_frames
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def finish(self, result: object) -> None:
        pass


if __name__ == "__main__":
    recording, bundle, die_after, *outs = sys.argv[1:]
    for out in outs:
        progress = Dying(int(die_after))
        annotate(Path(recording), Path(bundle), out=Path(out), precision="float32", progress=progress)
        print(progress.frames)
