"""What a training tells while it runs, and how fast it goes."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

# Speeds are of the last steps, so that the time of compiling and of long gone pauses fades.
_RECENT = 20


@dataclass(frozen=True)
class RunFacts:
    """What is known when a training begins.

    Attributes:
        stage: its name.
        folder: where everything is written.
        steps: of the whole run.
        done: of these, before it was resumed.
        devices: kind and number, in words.
        trained: parameters.
        frozen: parameters that are only read.
        peak: what the share of the peak is measured against, in words; or why there is none.
    """

    stage: str
    folder: str
    steps: int
    done: int
    devices: str
    trained: int
    frozen: int
    peak: str


@dataclass(frozen=True)
class Moment:
    """One step, told a step late.

    Attributes:
        step: updates that were made.
        steps: of the whole run.
        metrics: of this step.
        clips_per_s: of the last steps; None before there are two.
        mfu: share of the peak of the devices; None where the peak is not known.
        data_wait: share of the time in which the loop waited for a batch.
        seconds_left: of the run.
    """

    step: int
    steps: int
    metrics: Mapping[str, float]
    clips_per_s: float | None
    mfu: float | None
    data_wait: float | None
    seconds_left: float | None


@runtime_checkable
class Report(Protocol):
    """What is told of a training."""

    def begin(self, facts: RunFacts) -> None:
        """Everything is ready; the first step is compiled next."""

    def advance(self, moment: Moment) -> None:
        """A step was made."""

    def say(self, line: str) -> None:
        """Something to know: a checkpoint, damage, the end."""


class Quiet:
    """Tells nothing."""

    def begin(self, facts: RunFacts) -> None:
        """Nothing."""

    def advance(self, moment: Moment) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""


@dataclass
class Speedometer:
    """Clips per second, share of the peak and share of waiting, of the last steps and of all since it was asked.

    Attributes:
        clips: of a step.
        flops: of a step, on all devices.
        peak: operations per second of all devices; None where it is not known.
    """

    clips: int
    flops: float
    peak: float | None
    _ends: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT + 1))
    _waits: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _began: float | None = None
    _waited: float = 0.0
    _steps: int = 0

    def tick(self, waited_s: float) -> None:
        """A step ended; the loop had waited for its batch this long."""
        self._ends.append(time.monotonic())
        self._waits.append(waited_s)
        if self._began is None:
            self._began = self._ends[-1]  # the first step is compiled first: it does not count
            return
        self._waited += waited_s
        self._steps += 1

    def pause(self, seconds: float) -> None:
        """Something that is not training took this long: it does not count."""
        self._began = None if self._began is None else self._began + seconds
        self._ends = deque((end + seconds for end in self._ends), maxlen=self._ends.maxlen)

    def recent(self) -> tuple[float | None, float | None, float | None]:
        """Clips per second, share of the peak, share of waiting, of the last steps; None before there are two."""
        if len(self._ends) < 2:
            return None, None, None
        seconds = max(self._ends[-1] - self._ends[0], 1e-9)
        steps = len(self._ends) - 1
        waits = list(self._waits)[-steps:]
        return self.clips * steps / seconds, self._share(steps / seconds), min(sum(waits) / seconds, 1.0)

    def lap(self) -> tuple[float | None, float | None, float | None]:
        """The same since this was called before (or the beginning)."""
        if self._began is None or not self._steps:
            return None, None, None
        now = time.monotonic()
        seconds, steps, waited = max(now - self._began, 1e-9), self._steps, self._waited
        self._began, self._steps, self._waited = now, 0, 0.0
        return self.clips * steps / seconds, self._share(steps / seconds), min(waited / seconds, 1.0)

    def _share(self, steps_per_s: float) -> float | None:
        return None if self.peak is None else self.flops * steps_per_s / self.peak
