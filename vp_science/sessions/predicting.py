"""The job ``predict``: what a probe says about the recordings of a session, one after the other.

Writes ``predictions/<recording id>.ethogram.h5``, the same file that ``vp-science annotate`` writes. Only recordings
with tracks that the probe can read are predicted; nothing is embedded here.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vp_science.annotating.encoder_for import EncoderFor
from vp_science.annotating.job import AnnotateJob
from vp_science.annotating.outputs import find_place
from vp_science.annotating.tracks import TrackIndex
from vp_science.embedding import SOFTWARE
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
        request: ``session`` (folder), ``probe`` (id), ``recordings`` (``id`` and ``path`` of each; those after
            ``first`` of them may wait), ``bundle`` (a bundle from elsewhere, which becomes the probe), ``chosen``
            (``thresholds`` and ``rules`` that people chose: they become those of the probe, which gets another id) and
            ``ids`` (of all recordings of the session).
        report: hears about the progress; ``predicted`` is the id of a recording that was finished.

    Returns:
        ``probe`` (its id), ``predicted`` (ids) and ``failed`` (messages by id).

    Raises:
        ProbeError: when the probe cannot be loaded.
    """
    folder, recordings = Path(request["session"]), list(request["recordings"])
    report.progress("loading the probe", 0, len(recordings))
    probe = _probe(folder, request)
    work = _Work(folder, probe, tuple(request.get("ids", ())), _outdated(folder, probe.id))
    predicted, failed = list[str](), dict[str, str]()
    for done, entry in enumerate(recordings):
        name = entry["id"]
        report.progress(f"predicting {name}", done, len(recordings))
        try:
            work.predict(name, entry.get("path"))
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
    """

    folder: Path
    probe: Probe
    ids: Sequence[str]
    outdated: Sequence[str]

    def predict(self, name: str, path: str | None) -> Path:
        """Predict one recording, unless that was done already.

        Raises:
            VPScienceError: saying why it cannot be.
        """
        if path is None:
            raise ProbeError(f"{name}: expected the recording, found nobody who knows where it is: locate it first")
        tracks, problems = find_tracks(self.folder, name, Path(path), self.ids)
        if not tracks:
            raise ProbeError(problems[0] if problems else f"{name}: expected a track, found none: embed it first")
        job = self._job([track.path for track in tracks])
        with _opened(name, Path(path), tracks[0]) as recording:
            fingerprint = recording.fingerprint()
            place = find_place(name, recording.path, self.folder / "predictions", in_place=False)
            decision = job.decide(recording, place, fingerprint)
            if decision.action == "skip":
                return place.path
            if decision.action != "reuse":
                raise ProbeError(self._misfit(job, name, fingerprint))
            annotated = job.predict(recording, decision.tracks, fingerprint)
        place.write(annotated, SOFTWARE, overwrite=True, without=self.outdated)
        return place.path

    def _job(self, tracks: list[Path]) -> AnnotateJob:
        return AnnotateJob(
            probe=self.probe,
            out=self.folder / "predictions",
            encoder=EncoderFor(self.probe.track_settings_),
            tracks=TrackIndex.of(tracks, self.probe),
            reading={},
            overwrite=True,
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


@contextmanager
def _opened(name: str, path: Path, track: FoundTrack) -> Iterator[Recording]:
    """The recording as it was opened when its track was made."""
    with open_embeddings(track.path) as table:
        options = reading_options(table)
    options = {key: value for key, value in options.items() if key in ("dataset", "value_range", "source_fps")}
    with open_recording(path, **{**options, "recording_id": name}) as recording:
        yield recording
