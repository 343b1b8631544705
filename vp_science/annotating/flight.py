"""One recording on its way through a batch of annotations: opened, embedded, predicted, written."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from vp_science.annotating.job import AnnotateJob, Decision
from vp_science.annotating.outputs import Place, as_annotations, find_place, nwb_path, read_all, write_nwb
from vp_science.annotating.results import AnnotateResult, count_behaviors
from vp_science.batch import BatchItem, EmbedResult
from vp_science.embedding.identity import SOFTWARE
from vp_science.embedding.job import EmbedWork
from vp_science.embedding.outcome import describe_failure
from vp_science.journal.log import recover
from vp_science.recordings import Fingerprint, Recording
from vp_science.timeline.annotations import Annotations
from vp_science.video.open import open_recording


@dataclass(frozen=True)
class AnnotateFlights:
    """Begins the flights of a job; see ``run_in_flight``."""

    job: AnnotateJob

    def prepare(self, item: BatchItem | Recording, position: int, total: int) -> "AnnotateFlight":
        """Open a recording, find out what it needs, and begin to decode it if it must be embedded."""
        return AnnotateFlight.begin(self.job, item, position, total)


@dataclass(eq=False)
class AnnotateFlight:
    """One recording on its way; whatever goes wrong becomes part of the result."""

    job: AnnotateJob
    position: int
    total: int
    result: AnnotateResult
    place: Place
    recording: Recording | None = None
    source: Path | None = None
    owned: bool = False
    fingerprint: Fingerprint | None = None
    decision: Decision = field(default_factory=lambda: Decision(""))
    works: list[EmbedWork] = field(default_factory=list)
    seconds: float = 0.0

    @classmethod
    def begin(cls, job: AnnotateJob, item: BatchItem | Recording, position: int, total: int) -> "AnnotateFlight":
        """Open the recording, decide, and decode the first frames."""
        flight = cls._new(job, item, position, total)
        with flight.failing():
            if flight.place.in_place:
                recover(flight.place.path)  # what a killed run was writing into is finished first
            flight._open(item)
            flight._decide()
            if flight.decision.to_embed:
                flight._begin_embedding(flight.decision.to_embed[0])
        return flight

    @classmethod
    def look(cls, job: AnnotateJob, item: BatchItem | Recording) -> "AnnotateFlight":
        """Open the recording and decide, and begin nothing."""
        flight = cls._new(job, item, 0, 1)
        with flight.failing():
            flight._open(item)
            flight._decide()
        return flight

    @classmethod
    def _new(cls, job: AnnotateJob, item: BatchItem | Recording, position: int, total: int) -> "AnnotateFlight":
        name = item.id if isinstance(item, Recording) else item.recording_id
        place = find_place(name, item.path, job.out, in_place=job.in_place)
        return cls(
            job,
            position,
            total,
            AnnotateResult(name, "" if item.path is None else str(item.path)),
            place,
            source=item.path,
        )

    def _open(self, item: BatchItem | Recording) -> None:
        if isinstance(item, Recording):
            self.recording = item
        else:
            self.recording, self.owned = (
                open_recording(item.path, recording_id=item.recording_id, **self.job.reading),
                True,
            )
        self.fingerprint = self.recording.fingerprint()
        self.result = replace(
            self.result,
            num_frames=self.recording.num_frames,
            duration_s=self.recording.duration_s,
            recording_sha256=self.fingerprint.sha256,
        )

    def _decide(self) -> None:
        assert self.recording is not None
        assert self.fingerprint is not None
        self.decision = self.job.decide(self.recording, self.place, self.fingerprint)
        self.result = replace(self.result, action=self.decision.action, tracks=self.decision.tracks)

    def _begin_embedding(self, recording: Recording) -> None:
        embedded = EmbedResult(recording.id, self.result.input, None, "failed")
        self.works.append(self.job.embedder().begin(recording, embedded))

    def encode(self) -> None:
        """Embed what has no track, one animal after the other."""
        with self.failing():
            for number, recording in enumerate(self.decision.to_embed if self.recording is not None else ()):
                if number == len(self.works):
                    self._begin_embedding(recording)
                self.job.embedder().encode(self.works[number], self.position, self.total)

    def complete(self) -> AnnotateResult:
        """Predict, write, count."""
        with self.failing():
            if self.recording is not None:
                self._complete(self.recording)
        self.close()
        return replace(self.result, seconds=self.seconds)

    def _complete(self, recording: Recording) -> None:
        assert self.fingerprint is not None
        if self.works:
            self._finish_tracks()
        probe_id, path = self.job.probe.id, self.place.path
        if self.result.action == "skip":
            ethograms = read_all(path, probe_id)
            self.result = replace(self.result, status="skipped", output=path)
        else:
            annotated = self.job.predict(recording, self.result.tracks, self.fingerprint)
            ethograms = list(annotated.ethograms)
            before = path.stat().st_size if path.exists() else 0
            if self.place.in_place:
                recording.close()  # lets go of the lock that readers hold; it opens again when it is read
            digest = self.place.write(annotated, SOFTWARE, overwrite=self.job.overwrite)
            grown = path.stat().st_size - before
            self.result = replace(
                self.result, output=path, output_sha256=digest, new_bytes=self.result.new_bytes + grown, status="done"
            )
        self.result = replace(self.result, behaviors=count_behaviors(ethograms))
        self._write_tables(recording, as_annotations([replace(e, recording=recording.id) for e in ethograms], probe_id))

    def _finish_tracks(self) -> None:
        job = self.job.embedder()
        done: list[EmbedResult] = []
        for work in self.works:
            done.append(replace(job.complete(work), seconds=self.seconds / len(self.works)))
            work.close()
            self.job.note_track(job.folder, done[-1], job.facts)
        paths = [result.output for result in done if result.output is not None]
        self.result = replace(
            self.result,
            tracks=(*self.decision.tracks, *paths),
            grid_frames=sum(result.grid_frames for result in done),
            damaged_frames=max(result.damaged_frames for result in done),
            new_bytes=sum(path.stat().st_size for path in paths),
        )

    def _write_tables(self, recording: Recording, annotations: Annotations) -> None:
        name, probe = recording.id, self.job.probe
        if self.job.nwb:
            path = nwb_path(name, probe.id, self.job.out)
            facts = self.job.nwb_facts.get(name)
            if self.result.status == "done" or not path.exists() or (facts is not None and not facts.are_in(path)):
                steps = {"steps": probe.postprocess_.explain(), "postprocess": probe.postprocess_.to_json()}
                write_nwb(annotations, path, recording, self.source, json.dumps(steps), facts)
            self.result = replace(self.result, nwb=path)
        self.job.tables[name] = annotations
        if recording.path is not None:
            self.job.media[name] = str(recording.path.absolute())

    def close(self) -> None:
        """End threads, let go of files."""
        for work in self.works:
            work.close()
        if self.recording is not None and self.owned:
            self.recording.close()

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Keep the time that was worked, and what went wrong; after that nothing more is done."""
        started = time.monotonic()
        try:
            yield
        except Exception as error:
            self.close()
            self.recording = None
            self.result = replace(self.result, status="failed", error=describe_failure(error))
        except BaseException:
            self.close()
            raise
        finally:
            self.seconds += time.monotonic() - started
