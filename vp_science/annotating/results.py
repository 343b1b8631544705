"""What becomes of recordings that are annotated, one by one and together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from vp_science.errors import VPScienceError
from vp_science.timeline.ethogram import Ethogram, frame_edges, runs
from vp_science.typing import JSON

Action = Literal["embed", "reuse", "skip", ""]
Status = Literal["done", "skipped", "failed", "planned"]


@dataclass(frozen=True)
class BehaviorTotal:
    """How much of one behavior was found.

    Attributes:
        bouts: maximal runs of frames in which it happens; events of a point behavior.
        total_s: time in which it happens, in seconds.
        observed_s: time in which it is known whether it happens.
    """

    bouts: int = 0
    total_s: float = 0.0
    observed_s: float = 0.0


@dataclass(frozen=True)
class AnnotateResult:
    """What became of one recording.

    Attributes:
        recording_id: names the recording.
        input: where it lies, "" for an array.
        output: the ethogram file, or the recording itself when it was annotated in place; None when there is none.
        status: ``done``, ``skipped`` (was complete already), ``failed``, or ``planned`` in a dry run.
        action: what it took, or would take: ``embed``, ``reuse`` of an embedding track, or ``skip``; "" when it failed
            before that was known.
        error: why it failed; "" otherwise.
        seconds: wall time; in a dry run the estimate.
        num_frames: source frames.
        grid_frames: frames of the embedding tracks.
        duration_s: length of the recording in seconds.
        damaged_frames: source frames that did not decode cleanly.
        tracks: the embedding tracks that were read.
        nwb: the NWB file; None when none was asked for.
        behaviors: how much of each behavior was found, all subjects together.
        recording_sha256: partial hash of the recording (see ``Fingerprint``).
        output_sha256: of the ethogram file; "" in place, where the file is as large as the recording.
        new_bytes: what it adds to the disk; in a dry run the estimate.
    """

    recording_id: str
    input: str
    output: Path | None = None
    status: Status = "failed"
    action: Action = ""
    error: str = ""
    seconds: float = 0.0
    num_frames: int = 0
    grid_frames: int = 0
    duration_s: float = 0.0
    damaged_frames: int = 0
    tracks: tuple[Path, ...] = ()
    nwb: Path | None = None
    behaviors: Mapping[str, BehaviorTotal] = field(default_factory=dict)
    recording_sha256: str = ""
    output_sha256: str = ""
    new_bytes: int = 0

    def to_json(self) -> dict[str, JSON]:
        """The result as a manifest line."""
        record: dict[str, Any] = asdict(self)
        record |= {
            name: None if value is None else str(value) for name in ("output", "nwb") for value in [record[name]]
        }
        record["tracks"] = [str(path) for path in self.tracks]
        record["behaviors"] = {
            name: {"bouts": total.bouts, "total_s": round(total.total_s, 3), "observed_s": round(total.observed_s, 3)}
            for name, total in self.behaviors.items()
        }
        record["seconds"] = round(self.seconds, 3)
        return record | {"finished": datetime.now(UTC).isoformat(timespec="seconds")}


@runtime_checkable
class AnnotateProgress(Protocol):
    """What ``annotate`` tells about its work."""

    def start(
        self, recording_id: str, position: int, total: int, grid_frames: int, done: int, duration_s: float
    ) -> None:
        """The embedding of a recording begins: ``done`` of its ``grid_frames`` were finished by an earlier run."""

    def advance(self, grid_frames: int) -> None:
        """More grid frames of the current recording were embedded."""

    def finish(self, result: AnnotateResult) -> None:
        """A recording ended, in one way or another."""


class AnnotateError(VPScienceError):
    """Some recordings of a batch failed; ``results`` holds what became of all."""

    def __init__(self, results: Sequence[AnnotateResult]):
        self.results = list(results)
        failed = [result for result in results if result.status == "failed"]
        lines = "\n".join(f"  {result.recording_id}: {result.error}" for result in failed)
        super().__init__(f"{len(failed)} of {len(results)} recordings failed:\n{lines}")


def count_behaviors(ethograms: Sequence[Ethogram]) -> dict[str, BehaviorTotal]:
    """Bouts and time of every behavior, over all subjects of a recording."""
    totals: dict[str, BehaviorTotal] = {}
    for ethogram in ethograms:
        duration_s = np.diff(frame_edges(ethogram.time_s))
        for column, behavior in enumerate(ethogram.behaviors):
            on, known = ethogram.states[:, column] == 1, ethogram.known[:, column]
            point = behavior.kind == "point"
            new = BehaviorTotal(
                int(on.sum()) if point else len(runs(on)),
                0.0 if point else float(duration_s[on].sum()),
                float(duration_s[known].sum()),
            )
            totals[behavior.name] = add_totals(totals.get(behavior.name, BehaviorTotal()), new)
    return totals


def add_totals(a: BehaviorTotal, b: BehaviorTotal) -> BehaviorTotal:
    """The sum."""
    return BehaviorTotal(a.bouts + b.bouts, a.total_s + b.total_s, a.observed_s + b.observed_s)


def summarise(results: Sequence[AnnotateResult], wall_s: float, facts: Mapping[str, JSON]) -> dict[str, Any]:
    """The report at the end of a batch.

    Args:
        results: of all recordings.
        wall_s: how long the batch took.
        facts: what stands at the top, for example the probe.

    Returns:
        JSON: recordings by status, hours of recordings, the real-time factor (hours annotated in this run per hour of
        wall time; None when nothing was), bouts and time budget of every behavior over all annotated recordings, and
        the failures.
    """
    annotated = [result for result in results if result.status in ("done", "skipped")]
    new = [result for result in results if result.status == "done"]
    totals: dict[str, BehaviorTotal] = {}
    for result in annotated:
        for name, total in result.behaviors.items():
            totals[name] = add_totals(totals.get(name, BehaviorTotal()), total)
    new_s = math.fsum(result.duration_s for result in new)
    return {
        **facts,
        "recordings": {
            "all": len(results),
            **{status: sum(result.status == status for result in results) for status in ("done", "skipped", "failed")},
            "embedded": sum(result.action == "embed" for result in new),
        },
        "hours": round(math.fsum(result.duration_s for result in annotated) / 3600, 6),
        "hours_this_run": round(new_s / 3600, 6),
        "wall_s": round(wall_s, 3),
        "realtime_factor": round(new_s / wall_s, 4) if new and wall_s > 0 else None,
        "behaviors": {
            name: {
                "bouts": total.bouts,
                "total_s": round(total.total_s, 3),
                "observed_s": round(total.observed_s, 3),
                "share": round(total.total_s / total.observed_s, 6) if total.observed_s else None,
            }
            for name, total in totals.items()
        },
        "failures": [
            {"recording": result.recording_id, "input": result.input, "error": result.error}
            for result in results
            if result.status == "failed"
        ],
    }
