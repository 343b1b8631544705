"""What a batch tells while it runs, and what it raises at its end."""

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from vp_science.batch import EmbedResult
from vp_science.errors import VPScienceError


@runtime_checkable
class Progress(Protocol):
    """What ``embed`` tells about its work; the command line and the panel draw it."""

    def start(
        self, recording_id: str, position: int, total: int, grid_frames: int, done: int, duration_s: float
    ) -> None:
        """A recording begins: ``done`` of its ``grid_frames`` were finished by an earlier run."""

    def advance(self, grid_frames: int) -> None:
        """More grid frames of the current recording were finished."""

    def finish(self, result: EmbedResult) -> None:
        """A recording ended, in one way or another."""


class BatchError(VPScienceError):
    """Some recordings of a batch failed; ``results`` holds what became of all."""

    def __init__(self, results: Sequence[EmbedResult]):
        self.results = list(results)
        failed = [result for result in results if result.status == "failed"]
        lines = "\n".join(f"  {result.recording_id}: {result.error}" for result in failed)
        super().__init__(f"{len(failed)} of {len(results)} recordings failed:\n{lines}")


def describe_failure(error: Exception) -> str:
    """The text of a result whose recording failed; bugs and faults of the machine are named with their place."""
    if isinstance(error, VPScienceError):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"unexpected {type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {error}"
