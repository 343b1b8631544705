"""Progress of a batch: bars in a terminal, plain lines elsewhere."""

import sys
import time
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from vp_science.batch import EmbedResult

_PLAIN_EVERY_S = 10.0

Bars = TypeVar("Bars", bound="BatchProgress")


@dataclass
class _Pace:
    """How fast the current recording goes, and how much is left."""

    grid_frames: int
    finished: int
    duration_s: float
    since: float = field(default_factory=time.monotonic)
    new: int = 0

    @property
    def frames_per_s(self) -> float:
        return self.new / max(time.monotonic() - self.since, 1e-6)

    def describe(self) -> str:
        """Frames per second, times real time, time left."""
        if not self.new:
            return "starting"
        realtime = self.frames_per_s * self.duration_s / max(self.grid_frames, 1)
        left = (self.grid_frames - self.finished) / self.frames_per_s
        return f"{self.frames_per_s:,.0f} frames/s, {realtime:.2g}x real time, {format_seconds(left)} left"


def format_seconds(seconds: float) -> str:
    """``3:05`` or ``1:02:03``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


class BatchProgress:
    """Draws what ``embed`` tells; a context manager."""

    def __init__(self, console: Console | None = None):
        self.console = console or Console(stderr=True, highlight=False)
        self.results: list[Any] = []
        self._began = time.monotonic()
        self._total = 0
        self._pace = _Pace(0, 0, 0.0)
        self._last_line = 0.0
        self._name = ""
        self._bars: Progress | None = None
        self._overall: TaskID | None = None
        self._current: TaskID | None = None

    def __enter__(self: Bars) -> Bars:
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[text]}", markup=False),
            )
            self._bars = Progress(*columns, console=self.console, transient=True)
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars:
            self._bars.stop()

    def start(
        self, recording_id: str, position: int, total: int, grid_frames: int, done: int, duration_s: float
    ) -> None:
        """A recording begins."""
        self._total, self._name = total, recording_id
        self._pace = _Pace(grid_frames, done, duration_s)
        self._last_line = time.monotonic()
        if self._bars is None:
            if done < grid_frames:
                resumed = f", resuming at frame {done}" if done else ""
                self.say(f"[{position + 1}/{total}] {recording_id}: {grid_frames} frames{resumed}")
            return
        if self._overall is None and total > 1:
            self._overall = self._bars.add_task("all recordings", total=total, text="")
        if self._current is not None:
            self._bars.remove_task(self._current)
        self._current = self._bars.add_task(recording_id[-40:], total=grid_frames, completed=done, text="starting")
        self._draw_overall()

    def advance(self, grid_frames: int) -> None:
        """More frames of the current recording were finished."""
        self._pace.finished += grid_frames
        self._pace.new += grid_frames
        if self._bars is not None and self._current is not None:
            self._bars.update(self._current, advance=grid_frames, text=self._pace.describe())
        elif time.monotonic() - self._last_line > _PLAIN_EVERY_S:
            self._last_line = time.monotonic()
            percent = 100 * self._pace.finished / max(self._pace.grid_frames, 1)
            overall = f"; all recordings: {left}" if (left := self._overall_left()) else ""
            self.say(f"  {self._name}: {percent:.0f} %, {self._pace.describe()}{overall}")

    def finish(self, result: EmbedResult) -> None:
        """A recording ended."""
        if result.status == "failed":
            self.say(f"failed  {result.recording_id}: {result.error}")
        elif result.status == "skipped":
            self.say(f"skipped {result.recording_id}: complete already")
        else:
            damage = f", {result.damaged_frames} damaged source frames" if result.damaged_frames else ""
            self.say(f"done    {result.recording_id}: {result.grid_frames} frames in {result.seconds:.1f} s{damage}")
        self.count(result)

    def count(self, result: Any) -> None:
        """One more recording ended."""
        self.results.append(result)
        self._draw_overall()

    def _draw_overall(self) -> None:
        if self._bars is not None and self._overall is not None:
            left = self._overall_left()
            text = f"{len(self.results)}/{self._total}{', ' if left else ''}{left}"
            self._bars.update(self._overall, completed=len(self.results), text=text)

    def _overall_left(self) -> str:
        """Time left for the whole batch, from the recordings that were really embedded."""
        worked = [result for result in self.results if result.status == "done"]
        if not worked or self._total < 2:
            return ""
        mean_s = sum(result.seconds for result in worked) / len(worked)
        return f"about {format_seconds(mean_s * (self._total - len(self.results)))} left"

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self.console.print(line, markup=False, soft_wrap=True)
        sys.stderr.flush()
