"""One recording on its way through ``embed``: opened, encoded, assembled."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from vp_science.animals import open_item
from vp_science.batch import BatchItem, EmbedResult
from vp_science.embedding.inputs import name_of
from vp_science.embedding.job import EmbedJob, EmbedWork
from vp_science.embedding.outcome import describe_failure
from vp_science.recordings import Recording
from vp_science.typing import JSON


@dataclass(frozen=True)
class EmbedFlights:
    """Begins the flights of a job, here or on a worker; see ``run_in_flight``.

    Recordings overlap: one is prepared and one completed while a third is encoded.
    """

    job: EmbedJob

    def prepare(self, item: BatchItem | Recording, position: int, total: int) -> "EmbedFlight":
        """Open a recording and begin to decode it."""
        return EmbedFlight.begin(self.job, item, position, total)

    @property
    def facts(self) -> dict[str, JSON]:
        """What a line of the manifest says beside the result."""
        return self.job.facts

    def outcome(self, result: EmbedResult) -> None:
        """Nothing has to come back from a worker beside the result."""


@dataclass(eq=False)
class EmbedFlight:
    """One recording on its way through ``embed``; whatever goes wrong becomes part of the result."""

    job: EmbedJob
    position: int
    total: int
    result: EmbedResult
    work: EmbedWork | None = None
    opened: Recording | None = None
    seconds: float = 0.0

    @classmethod
    def begin(cls, job: EmbedJob, item: BatchItem | Recording, position: int, total: int) -> "EmbedFlight":
        """Open the recording, if it is not open yet, and begin to decode it."""
        result = EmbedResult(name_of(item), "" if item.path is None else str(item.path), None, "failed")
        flight = cls(job, position, total, result)
        with flight.failing():
            if isinstance(item, Recording):
                recording = item
            else:
                recording = flight.opened = open_item(item, job.reading)
            flight.work = job.begin(recording, result)
        return flight

    def encode(self) -> None:
        """Compute what is missing."""
        with self.failing():
            if self.work:
                self.job.encode(self.work, self.position, self.total)

    def complete(self) -> EmbedResult:
        """Assemble the file and close everything."""
        with self.failing():
            if self.work:
                self.result = self.job.complete(self.work)
        self.close()
        return replace(self.result, seconds=self.seconds)

    def close(self) -> None:
        """Close the decoder, the output and, if it was opened here, the recording."""
        if self.work:
            self.work.close()
        if self.opened is not None:
            self.opened.close()
            self.opened = None

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Keep the time that was worked, and what went wrong; after that nothing more is done."""
        started = time.monotonic()
        try:
            yield
        except Exception as error:
            self.close()
            self.work = None
            self.result = replace(self.result, error=describe_failure(error))
        except BaseException:
            self.close()
            raise
        finally:
            self.seconds += time.monotonic() - started
