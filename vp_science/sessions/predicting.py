"""The job ``predict``: what a probe says about the recordings of a session, one after the other.

Writes ``predictions/<recording id>.ethogram.h5``, the same file that ``vp-science annotate`` writes. Only recordings
with tracks that the probe can read are predicted; nothing is embedded here. A fine-tuned probe reads no tracks of the
session: its own model looks at the recordings, and its logits are kept in ``predictions/logits``.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vp_science.annotating.encoder_for import EncoderFor, follow_settings
from vp_science.annotating.job import AnnotateJob, Follow
from vp_science.annotating.outputs import find_place
from vp_science.annotating.tracks import TrackIndex, track_place
from vp_science.batch import EmbedResult
from vp_science.embedding.identity import SOFTWARE
from vp_science.embedding.job import EmbedJob
from vp_science.errors import ProbeError, VPScienceError
from vp_science.files import write_atomically
from vp_science.probes.bundle import load_probe
from vp_science.probes.probe import Probe
from vp_science.probes.sources import reading_options
from vp_science.recordings import Recording
from vp_science.sessions.label_log import LOG_NAME
from vp_science.sessions.session_probes import (
    Training,
    list_probes,
    now_text,
    probe_path,
    read_training,
    training_folder,
)
from vp_science.sessions.tracks import FoundTrack, find_tracks
from vp_science.sessions.training import choose_thresholds, chosen_rules, keep_probe
from vp_science.sessions.worker import Reporter
from vp_science.store.reader import open_embeddings
from vp_science.video.open import open_recording


def predict_recordings(request: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """Predict recordings of a session with one of its probes, in the order in which they are given.

    Args:
        request: ``session`` (folder), ``probe`` (id), ``recordings`` (``id`` and ``path`` of each, and ``poses``, the
            pose file, for fine-tuned probes of animals), ``bundle`` (a bundle from elsewhere, which becomes the
            probe), ``chosen`` (``thresholds`` and ``rules`` that people chose: they become those of the probe, which
            gets another id) and ``ids`` (of all recordings of the session).
        report: hears about the progress; ``predicted`` is the id of a recording that was finished.

    Returns:
        ``probe`` (its id), ``predicted`` (ids) and ``failed`` (messages by id).

    Raises:
        ProbeError: when the probe cannot be loaded.
    """
    folder, recordings = Path(request["session"]), list(request["recordings"])
    report.progress("loading the probe", 0, len(recordings))
    probe = _probe(folder, request)
    encoder = EncoderFor.of(probe, offline=True)
    work = _Work(folder, probe, tuple(request.get("ids", ())), _outdated(folder, probe.id), encoder, report)
    predicted, failed = list[str](), dict[str, str]()
    for done, entry in enumerate(recordings):
        name = entry["id"]
        report.progress(f"predicting {name}", done, len(recordings))
        try:
            work.predict(entry, done, len(recordings))
        except VPScienceError as error:
            failed[name] = str(error)
            continue
        predicted.append(name)
        report.progress(f"predicting {name}", done + 1, len(recordings), predicted=name, probe=probe.id)
    return {"probe": probe.id, "predicted": predicted, "failed": failed}


def _probe(folder: Path, request: Mapping[str, Any]) -> Probe:
    """The probe; one from elsewhere, or with what people chose, is kept in the session first."""
    if bundle := request.get("bundle"):
        probe = load_probe(bundle)
        facts = probe.training_["recordings"]
        training = Training(
            recordings=tuple(str(entry["recording"]) for entry in facts),
            bouts=sum(sum(entry["bouts"].values()) for entry in facts),
            scored_s=float(sum(entry["labelled_s"] for entry in facts)),
            imported=True,
        )
        keep_probe(folder, probe, training)
        return probe
    probe = load_probe(probe_path(folder, str(request["probe"])))
    if chosen := request.get("chosen"):
        return _chosen(folder, probe, chosen)
    return probe


def _chosen(folder: Path, probe: Probe, chosen: Mapping[str, Any]) -> Probe:
    """The probe with thresholds and rules that people chose, kept in the session under an id of its own."""
    before, training = probe.id, read_training(folder, probe.id)
    tuned = choose_thresholds(probe, chosen.get("thresholds", {}))
    probe.postprocess_ = chosen_rules(probe.postprocess_, chosen.get("rules", {}))
    if probe.id == before:
        return probe
    kept = replace(training, tuned={**tuned, **training.tuned}, trained=training.trained or now_text())
    keep_probe(folder, probe, kept)
    _copy_record(folder, before, probe.id)
    return probe


def _copy_record(folder: Path, before: str, after: str) -> None:
    """Labels and scores of a probe hold for the same probe with other thresholds, too."""
    for name in (LOG_NAME, "evaluation.json", "evaluation.md", "how.json", "moments.npz"):
        source = training_folder(folder, before) / name
        if source.exists():
            _write(training_folder(folder, after) / name, source.read_bytes())


def _write(path: Path, content: bytes) -> None:
    write_atomically(path, lambda file: file.write(content))


def _outdated(folder: Path, probe_id: str) -> list[str]:
    """Probes of this session whose predictions make room for those of the present one."""
    return [name for name in list_probes(folder) if name != probe_id]


@dataclass(eq=False)
class _Work:
    """What all recordings have in common.

    Attributes:
        folder: of the session.
        probe: which predicts.
        ids: of all recordings of the session.
        outdated: ids of probes whose predictions are dropped.
        encoder: gives the model of a fine-tuned probe; loaded once for all recordings.
        report: hears about a recording that the model looks at, and stops the work when asked to.
    """

    folder: Path
    probe: Probe
    ids: Sequence[str]
    outdated: Sequence[str]
    encoder: EncoderFor
    report: Reporter

    def predict(self, entry: Mapping[str, Any], position: int, total: int) -> Path:
        """Predict one recording, unless that was done already.

        Raises:
            VPScienceError: saying why it cannot be.
        """
        name, path = str(entry["id"]), entry.get("path")
        if path is None:
            raise ProbeError(f"{name}: expected the recording, found nobody who knows where it is: locate it first")
        looks = self.encoder.own is not None
        tracks, problems = find_tracks(self.folder, name, Path(path), self.ids)
        if not tracks and not looks:
            raise ProbeError(problems[0] if problems else f"{name}: expected a track, found none: embed it first")
        watched = _Watched(self.report, name, position, total)
        job = self._job([track.path for track in tracks], watched, self._follow(name, entry.get("poses")))
        with _opened(name, Path(path), tracks[0] if tracks else None) as recording:
            fingerprint = recording.fingerprint()
            place = find_place(name, recording.path, self.folder / "predictions", in_place=False)
            decision = job.decide(recording, place, fingerprint)
            if decision.action == "skip":
                return place.path
            if decision.action != "reuse" and not looks:
                raise ProbeError(self._misfit(job, name, fingerprint))
            made = [_look_at(one, job.embedder()) for one in decision.to_embed]
            annotated = job.predict(recording, (*decision.tracks, *made), fingerprint)
        place.write(annotated, SOFTWARE, overwrite=True, without=self.outdated)
        return place.path

    def _follow(self, name: str, poses: str | None) -> Follow | None:
        """Where the animals are that a fine-tuned probe shall look at; None where it looks at whole frames."""
        settings = follow_settings(self.probe.track_settings_)
        if self.encoder.own is None or settings is None:
            return None
        if poses is None:
            raise ProbeError(
                f"{name}: expected a pose file, found none: this probe looks at single animals, so say where they are "
                "(page Recordings)"
            )
        return Follow(settings, {name: Path(poses)})

    def _job(self, tracks: list[Path], progress: "_Watched", follow: Follow | None) -> AnnotateJob:
        out = self.folder / "predictions"
        if self.encoder.own is None:
            index = TrackIndex.of(tracks, self.probe)
        else:
            index = TrackIndex.scan([track_place(out, self.probe)[0]], self.probe)
        return AnnotateJob(
            probe=self.probe,
            out=out,
            encoder=self.encoder,
            tracks=index,
            reading={},
            overwrite=True,
            progress=progress,
            follow=follow,
        )

    def _misfit(self, job: AnnotateJob, name: str, fingerprint: Any) -> str:
        if misfits := job.tracks.misfits(fingerprint):
            return f"{name}: {misfits[0]}"
        if job.tracks.unreadable:
            return next(iter(job.tracks.unreadable.values()))
        return (
            f"{name}: expected a track that was made from this recording at these times, found one of another: embed "
            "it again"
        )


@dataclass
class _Watched:
    """Progress of the model of a fine-tuned probe through one recording, as the panel hears it."""

    report: Reporter
    name: str
    position: int
    total: int
    done: int = 0
    frames: int = 1

    def start(
        self, recording_id: str, position: int, total: int, grid_frames: int, done: int, duration_s: float
    ) -> None:
        """The recording begins: ``done`` frames were finished by an earlier run."""
        self.done, self.frames = done, max(grid_frames, 1)
        self.advance(0)

    def advance(self, grid_frames: int) -> None:
        """More frames were finished."""
        self.done += grid_frames
        share = min(self.done / self.frames, 1.0)
        self.report.progress(f"looking at {self.name} ({share:.0%})", self.position + share, self.total)

    def finish(self, result: object) -> None:
        """Nothing: who asked says that the recording was predicted."""


def _look_at(recording: Recording, job: EmbedJob) -> Path:
    """The logits of a recording, made by the model of the probe; what was interrupted goes on.

    Raises:
        VPScienceError: when it cannot be read or written.
    """
    work = job.begin(recording, EmbedResult(recording.id, "", None, "failed"))
    try:
        job.encode(work, 0, 1)
        output = job.complete(work).output
    finally:
        work.close()
    assert output is not None  # a finished track is there
    return output


@contextmanager
def _opened(name: str, path: Path, track: FoundTrack | None) -> Iterator[Recording]:
    """The recording as it was opened when its track was made; as it is, where there is none."""
    options: dict[str, Any] = {}
    if track is not None:
        with open_embeddings(track.path) as table:
            options = reading_options(table)
    options = {key: value for key, value in options.items() if key in ("dataset", "value_range", "source_fps")}
    with open_recording(path, **{**options, "recording_id": name}) as recording:
        yield recording
