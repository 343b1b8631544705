"""From recordings and a probe to ethograms on disk: hundreds of recordings, in one go, as often as need be."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vp_science.annotating.encoder_for import EncoderFor, embed_settings
from vp_science.annotating.outputs import Place, as_annotations, find_place, nwb_path, read_all, write_nwb
from vp_science.annotating.results import Action, AnnotateProgress, AnnotateResult, count_behaviors
from vp_science.annotating.tracks import TrackIndex
from vp_science.batch import BatchItem, EmbedResult, append_manifest
from vp_science.embedding import SOFTWARE, EmbedJob, EmbedWork, describe_failure, manifest_facts
from vp_science.errors import ProbeError, StoreError
from vp_science.journal.log import recover
from vp_science.probes.bundle import describe
from vp_science.probes.probe import Probe
from vp_science.recordings import Fingerprint, Recording
from vp_science.store.ethogram import Annotated
from vp_science.store.ethogram_reader import find_provenance
from vp_science.store.provenance import JSONDict
from vp_science.store.reader import open_embeddings
from vp_science.timeline.aggregate import to_frames
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.ethogram import Ethogram
from vp_science.video.open import open_recording


@dataclass(eq=False)
class AnnotateJob:
    """What all recordings of a batch have in common.

    Attributes:
        probe: turns tracks into ethograms.
        out: folder for the results.
        encoder: gives the encoder, should a recording need to be embedded.
        tracks: the embedding tracks that are there.
        reading: options of ``open_recording``.
        in_place: write into HDF5 recordings.
        nwb: also write an NWB file per recording.
        overwrite: replace results that belong to another recording, and tracks made with other settings.
        progress: is told about the work.
        tables: bouts of all recordings so far, for the tables of the whole study.
        media: where the recordings lie, by id.
    """

    probe: Probe
    out: Path
    encoder: EncoderFor
    tracks: TrackIndex
    reading: dict[str, Any]
    in_place: bool = False
    nwb: bool = False
    overwrite: bool = False
    progress: AnnotateProgress | None = None
    tables: dict[str, Annotations] = field(default_factory=dict)
    media: dict[str, str] = field(default_factory=dict)
    _embedder: EmbedJob | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def embeddings(self) -> Path:
        """Where tracks go that were not there."""
        return self.out / "embeddings"

    def embedder(self) -> EmbedJob:
        """Embeds recordings as the probe wants them; loads the encoder.

        Raises:
            VPScienceError: when there is no such encoder.
        """
        with self._lock:
            if self._embedder is None:
                self._embedder = EmbedJob(
                    self.encoder.get(),
                    embed_settings(self.probe.track_settings_),
                    self.embeddings,
                    self.reading,
                    self.overwrite,
                    self.progress,  # type: ignore[arg-type]  # embedding never ends a recording here
                )
            return self._embedder

    def prepare(self, item: BatchItem | Recording, position: int, total: int) -> "AnnotateFlight":
        """Open a recording, find out what it needs, and begin to decode it if it must be embedded."""
        return AnnotateFlight.begin(self, item, position, total)

    def decide(self, recording: Recording, place: Place, fingerprint: Fingerprint) -> tuple[Action, tuple[Path, ...]]:
        """What a recording needs, and the tracks that are there.

        Raises:
            StoreError: when results of another recording are in the way.
            ProbeError: when tracks are ambiguous, or cannot be made.
        """
        if self._is_done(place, fingerprint):
            return "skip", ()
        found = self.tracks.find(recording.id, fingerprint)
        if found:
            return "reuse", tuple(facts.path for facts in found)
        if self.probe.track_settings_.get("follow"):
            others = self.tracks.misfits(fingerprint)
            raise ProbeError(
                f"expected embedding tracks of the animals in {recording.id!r}, found "
                f"{'others: ' + others[0] if others else 'none'}. This probe follows animals: embed the recording with "
                "its poses first (vp-science embed --poses ...), and name the folder (--tracks)"
            )
        return "embed", ()

    def _is_done(self, place: Place, fingerprint: Fingerprint) -> bool:
        if not place.path.exists():
            return False
        try:
            provenance = find_provenance(place.path, self.probe.id)
        except StoreError:
            if self.overwrite:
                return False
            raise
        if provenance is None:
            return False
        if provenance.get("recording", {}).get("fingerprint") == fingerprint.to_json():
            return True
        if self.overwrite:
            return False
        raise StoreError(
            f"{place.path} holds the ethogram of another recording (size, content or number of frames differ from this "
            "one). Write to another place (--out), or replace it (--overwrite)"
        )

    def predict(self, recording: Recording, tracks: Sequence[Path], fingerprint: Fingerprint) -> Annotated:
        """Ethograms at every frame of a recording, from its tracks.

        Scores of the sample grid are brought to the frames; thresholds and rules are applied to those.
        """
        ethograms, made_from = [], []
        for path in tracks:
            with open_embeddings(path) as track:
                scores = to_frames(self.probe.predict_proba(track), np.asarray(track.time_s), recording.time_s)
                states = self.probe.states(scores, recording.time_s)
                names = (recording.id, track.subject, track.target)
                made_from.append({"subject": track.subject, **track.provenance.to_json()})
            ethograms.append(Ethogram(self.probe.behaviors_, recording.time_s, states, scores, *names))
        return Annotated(self.probe.id, recording.id, ethograms, self._provenance(recording, fingerprint, made_from))

    def _provenance(self, recording: Recording, fingerprint: Fingerprint, tracks: list[JSONDict]) -> JSONDict:
        rules = self.probe.postprocess_
        thresholds = zip(self.probe.behaviors_.names, self.probe.thresholds_, strict=True)
        resampled = "Scores of the sample grid are brought to the frames of the recording, linearly in time."
        return {
            "probe": describe(self.probe),
            "tracks": tracks,
            "thresholds": {name: float(value) for name, value in thresholds},
            "postprocess": rules.to_json(),
            "steps": [resampled, *rules.explain()],
            "recording": {
                "id": recording.id,
                "path": "" if recording.path is None else str(recording.path).encode("utf-8", "replace").decode(),
                "fingerprint": fingerprint.to_json(),
            },
            "software": SOFTWARE,
        }


@dataclass(eq=False)
class AnnotateFlight:
    """One recording on its way; whatever goes wrong becomes part of the result."""

    job: AnnotateJob
    position: int
    total: int
    result: AnnotateResult
    place: Place
    recording: Recording | None = None
    owned: bool = False
    fingerprint: Fingerprint | None = None
    work: EmbedWork | None = None
    seconds: float = 0.0

    @classmethod
    def begin(cls, job: AnnotateJob, item: BatchItem | Recording, position: int, total: int) -> "AnnotateFlight":
        """Open the recording, decide, and decode the first frames."""
        flight = cls._new(job, item, position, total)
        with flight.failing():
            if flight.place.in_place:
                recover(flight.place.path)  # what a killed run was writing into is finished first
            flight._open(item)
            recording = flight._decide()
            if flight.result.action == "embed":
                embedded = EmbedResult(recording.id, flight.result.input, None, "failed")
                flight.work = job.embedder().begin(recording, embedded)
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
        return cls(job, position, total, AnnotateResult(name, "" if item.path is None else str(item.path)), place)

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

    def _decide(self) -> Recording:
        assert self.recording is not None
        assert self.fingerprint is not None
        action, tracks = self.job.decide(self.recording, self.place, self.fingerprint)
        self.result = replace(self.result, action=action, tracks=tracks)
        return self.recording

    def encode(self) -> None:
        """Embed what has no track."""
        with self.failing():
            if self.work is not None:
                self.job.embedder().encode(self.work, self.position, self.total)

    def complete(self) -> AnnotateResult:
        """Predict, write, count."""
        with self.failing():
            if self.recording is not None:
                self._complete(self.recording)
        self.close()
        return replace(self.result, seconds=self.seconds)

    def _complete(self, recording: Recording) -> None:
        assert self.fingerprint is not None
        if self.work is not None:
            self._finish_track(self.work)
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

    def _finish_track(self, work: EmbedWork) -> None:
        job = self.job.embedder()
        embedded = replace(job.complete(work), seconds=self.seconds)
        work.close()
        append_manifest(job.folder, embedded, manifest_facts(job.encoder))
        assert embedded.output is not None
        self.result = replace(
            self.result,
            tracks=(embedded.output,),
            grid_frames=embedded.grid_frames,
            damaged_frames=embedded.damaged_frames,
            new_bytes=embedded.output.stat().st_size,
        )

    def _write_tables(self, recording: Recording, annotations: Annotations) -> None:
        name, probe_id = recording.id, self.job.probe.id
        if self.job.nwb:
            path = nwb_path(name, probe_id, self.job.out)
            if self.result.status == "done" or not path.exists():
                write_nwb(annotations, path, name, recording.path)
            self.result = replace(self.result, nwb=path)
        self.job.tables[name] = annotations
        if recording.path is not None:
            self.job.media[name] = str(recording.path.absolute())

    def close(self) -> None:
        """End threads, let go of files."""
        if self.work is not None:
            self.work.close()
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
            self.work = self.recording = None
            self.result = replace(self.result, status="failed", error=describe_failure(error))
        except BaseException:
            self.close()
            raise
        finally:
            self.seconds += time.monotonic() - started
