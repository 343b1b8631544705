"""Progress of a batch on a cluster: recordings that are finished, not frames."""

import time
from typing import Any

from vp_science.cli.annotate_progress import AnnotateBars
from vp_science.cli.progress import BatchProgress, format_seconds

_LINE_EVERY_S = 10.0


class _OnCluster(BatchProgress):
    """Draws what comes back from workers."""

    _workers = 0
    _began_work = 0.0
    _last_overall = 0.0

    def begin(self, total: int) -> None:
        """So many recordings will be worked on."""
        self._total, self._began_work = total, time.monotonic()
        if self._bars is not None:
            self._overall = self._bars.add_task("all recordings", total=total, text="waiting for workers")

    def workers(self, count: int) -> None:
        """So many workers are ready now; the first one starts the clock."""
        if count and not self._workers and not self.results:
            self._began_work = time.monotonic()
        self._workers = count
        self._draw_overall()

    def count(self, result: Any) -> None:
        """One more recording ended."""
        self.results.append(result)
        self._draw_overall()
        late = time.monotonic() - self._last_overall > _LINE_EVERY_S
        if self._bars is None and (late or len(self.results) == self._total):
            self._last_overall = time.monotonic()
            self.say(f"  {self.describe()}")

    def describe(self) -> str:
        """Recordings, failures, speed, time left, workers."""
        failed = sum(result.status == "failed" for result in self.results)
        done = [result for result in self.results if result.status == "done"]
        passed_s = max(time.monotonic() - self._began_work, 1e-6)
        parts = [f"{len(self.results)} of {self._total} recordings"]
        if failed:
            parts.append(f"{failed} failed")
        if done:
            parts.append(f"{sum(result.duration_s for result in done) / passed_s:.3g} h of recordings per hour")
            left_s = passed_s / len(done) * (self._total - len(self.results))
            parts.append(f"about {format_seconds(left_s)} left")
        return ", ".join([*parts, f"{self._workers} workers"])

    def _draw_overall(self) -> None:
        if self._bars is not None and self._overall is not None:
            self._bars.update(self._overall, completed=len(self.results), text=self.describe())


class EmbedBarsOnCluster(_OnCluster):
    """For ``embed``."""


class AnnotateBarsOnCluster(AnnotateBars, _OnCluster):
    """For ``annotate``."""
