"""What a training shows: a bar in a terminal, plain lines elsewhere; and what a dry run found."""

import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from vp_science.cli.progress import format_seconds

if TYPE_CHECKING:
    from vp_science.train.dry_run import DryRun
    from vp_science.train.progress import Moment, RunFacts

_PLAIN_EVERY_S = 10.0


class TrainProgress:
    """Draws what ``fit`` tells; a context manager."""

    def __init__(self, console: Console | None = None):
        self.console = console or Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._last_line = 0.0
        self._told = False

    def __enter__(self) -> "TrainProgress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, facts: "RunFacts") -> None:
        """Everything is ready; the first step is compiled next."""
        frozen = f", {_count(facts.frozen)} frozen" if facts.frozen else ""
        self.say(f"{facts.stage}: {_count(facts.trained)} parameters trained{frozen}, on {facts.devices}")
        self.say(f"share of the peak (MFU) is measured against: {facts.peak}" if _has_peak(facts.peak) else facts.peak)
        if facts.done < facts.steps:
            self.say(f"steps {facts.done + 1} to {facts.steps}, in {facts.folder}; the first one is compiled first")
        if self.console.is_terminal:
            columns = (
                TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
                BarColumn(),
                TextColumn("{task.fields[text]}"),
            )
            self._bar = Progress(*columns, console=self.console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=facts.steps, completed=facts.done, text="compiling")

    def advance(self, moment: "Moment") -> None:
        """A step was made."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=moment.step, text=describe_moment(moment))
            return
        now = time.monotonic()
        if not self._told or now - self._last_line > _PLAIN_EVERY_S or moment.step == moment.steps:
            self._told, self._last_line = True, now
            self.say(f"  step {moment.step}/{moment.steps}: {describe_moment(moment)}")

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(line, markup=False, soft_wrap=True)
        sys.stderr.flush()


def describe_moment(moment: "Moment") -> str:
    """Loss, clips per second, share of the peak, share of waiting, time left."""
    parts = [f"loss {moment.metrics['loss']:.4g}"]
    if moment.clips_per_s is not None:
        digits = ".0f" if moment.clips_per_s >= 100 else ".3g"
        parts.append(f"{moment.clips_per_s:,{digits}} clips/s")
    if moment.mfu is not None:
        parts.append(f"MFU {moment.mfu:.1%}")
    if moment.data_wait is not None and moment.data_wait >= 0.01:
        parts.append(f"{moment.data_wait:.0%} waiting for data")
    if moment.seconds_left is not None:
        parts.append(f"{format_seconds(moment.seconds_left)} left")
    return ", ".join(parts)


def describe_dry_run(found: "DryRun") -> str:
    """A page on what a training would take."""
    lines = [f"{found.stage} on {found.devices}: {found.data_parallel} x data parallel, parameters over {found.fsdp}"]
    lines += [f"  {line}" for line in found.data]
    lines.append(f"parameters: {_count(found.trained)} trained, {_count(found.frozen)} frozen")
    lines.append("memory per device:")
    parts = {name: size for name, size in found.memory.items() if name != "total" and size}
    lines += [f"  {name:<13} {_bytes(size):>10}" for name, size in parts.items()]
    if "total" in found.memory:
        of = f" of {_bytes(found.capacity)}" if found.capacity is not None else ""
        lines.append(f"  {'together':<13} {_bytes(found.memory['total']):>10}{of}")
    else:
        lines.append("  activations: the compiler does not say")
    lines.append(f"a step of {found.batch_size} clips: {found.flops / 1e12:,.3g} TFLOP")
    if found.least_seconds is not None:
        lines.append(f"  at least {found.least_seconds:.3g} s ({found.peak_reason})")
    else:
        lines.append(f"  {found.peak_reason}")
    if found.seconds is None:
        lines.append(f"  {found.reason}")
        seconds = found.least_seconds
    else:
        share = "" if found.least_seconds is None else f", MFU {found.least_seconds / found.seconds:.1%}"
        lines.append(f"  {found.seconds:.3g} s ({found.reason}{share})")
        seconds = found.seconds
    if seconds is not None:
        word = "about" if found.seconds is not None else "at least"
        lines.append(f"{found.steps} steps: {word} {format_seconds(seconds * found.steps)}, without waiting for data")
    return "\n".join(lines)


def _has_peak(peak: str) -> bool:
    return not peak.startswith("no ")


def _count(number: int) -> str:
    for unit, name in ((1e9, "billion"), (1e6, "million")):
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return f"{number:,}"


def _bytes(size: int | None) -> str:
    value = float(size or 0)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"
