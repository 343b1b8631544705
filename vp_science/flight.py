"""Several recordings in flight: one is prepared and one completed, in threads, while a third is encoded.

At the border between two recordings the encoder would otherwise wait: for the next one to be opened, indexed and
decoded, and for the previous one to be assembled, hashed and written. Never more than three are open.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Flight(Protocol):
    """One recording on its way; its methods put what goes wrong into the result instead of raising."""

    def encode(self) -> None:
        """The part that uses the device; runs in the calling thread."""

    def complete(self) -> Any:
        """The rest; the result."""

    def close(self) -> None:
        """Give up: end threads, let go of files. What is closed may be closed again."""


@runtime_checkable
class FlightJob(Protocol):
    """What begins the flights."""

    def prepare(self, item: Any, position: int, total: int) -> Flight:
        """Open one recording and decode its first frames."""


def run_in_flight(items: Sequence[Any], job: FlightJob) -> Iterator[Any]:
    """The results of all items, in order.

    Args:
        items: what ``job.prepare`` takes.
        job: begins the flights.
    """
    total = len(items)
    with ThreadPoolExecutor(1, "vp_science-prepare") as before, ThreadPoolExecutor(1, "vp_science-complete") as after:
        ahead: Future[Flight] | None = before.submit(job.prepare, items[0], 0, total) if items else None
        behind: Future[Any] | None = None
        flight: Flight | None = None
        try:
            for position in range(total):
                assert ahead is not None
                flight = ahead.result()
                ahead = (
                    before.submit(job.prepare, items[position + 1], position + 1, total)
                    if position + 1 < total
                    else None
                )
                flight.encode()
                if behind is not None:
                    yield behind.result()
                behind = after.submit(flight.complete)
                flight = None
            if behind is not None:
                yield behind.result()
        finally:
            if flight is not None:
                flight.close()
            if ahead is not None and not ahead.cancel():
                with suppress(Exception):
                    ahead.result().close()
