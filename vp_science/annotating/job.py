"""From recordings and a probe to ethograms on disk: hundreds of recordings, in one go, as often as need be."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vp_science.animals import Poses, Subjects, follow_animals, pose_file_of
from vp_science.annotating.encoder_for import EncoderFor, embed_settings
from vp_science.annotating.nwb_facts import NwbFacts
from vp_science.annotating.outputs import Place
from vp_science.annotating.results import Action, AnnotateProgress
from vp_science.annotating.tracks import TrackIndex, stream_of, track_place
from vp_science.batch import EmbedResult, append_manifest
from vp_science.embedding.identity import SOFTWARE
from vp_science.embedding.job import EmbedJob
from vp_science.errors import ProbeError, StoreError
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
from vp_science.typing import JSON
from vp_science.video.crop_path import FollowSettings
from vp_science.video.follow import FollowedRecording


@dataclass(frozen=True)
class Decision:
    """What a recording needs.

    Attributes:
        action: ``embed``, ``reuse`` or ``skip``.
        tracks: the tracks that are there.
        to_embed: what has no track: the recording, or animals in it.
    """

    action: Action
    tracks: tuple[Path, ...] = ()
    to_embed: tuple[Recording, ...] = ()


@dataclass(frozen=True)
class Follow:
    """Which animals a probe that follows animals shall see.

    Attributes:
        settings: how pictures around them are cut; those of the probe.
        poses: where they are; see ``embed``.
        subjects: which; None takes all.
        pairs: also every ordered pair.
        alone: there is a single recording, so ``poses`` may be its file.
    """

    settings: FollowSettings
    poses: Poses
    subjects: Subjects | None = None
    pairs: bool = False
    alone: bool = False

    def animals(self, recording: Recording) -> list[FollowedRecording]:
        """The animals of a recording, each as a recording.

        Raises:
            PoseError: when there is no pose file, or it is not of this recording.
        """
        pose_file = pose_file_of(recording.id, recording.path, self.poses, alone=self.alone)
        return follow_animals(recording, pose_file, self.settings, subjects=self.subjects, pairs=self.pairs)


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
        nwb_facts: what these files say about animals and sessions, by recording id.
        overwrite: replace results that belong to another recording, and tracks made with other settings.
        progress: is told about the work.
        follow: for a probe that follows animals: where they are; None takes the tracks that are there.
        tables: bouts of all recordings so far, for the tables of the whole study.
        media: where the recordings lie, by id.
        note_track: takes a line for the manifest of the tracks: folder, result, facts.
        between_segments: see ``EmbedJob``.
    """

    probe: Probe
    out: Path
    encoder: EncoderFor
    tracks: TrackIndex
    reading: dict[str, Any]
    in_place: bool = False
    nwb: bool = False
    nwb_facts: dict[str, NwbFacts] = field(default_factory=dict)
    overwrite: bool = False
    progress: AnnotateProgress | None = None
    follow: Follow | None = None
    tables: dict[str, Annotations] = field(default_factory=dict)
    media: dict[str, str] = field(default_factory=dict)
    note_track: Callable[[Path, EmbedResult, dict[str, JSON]], None] = append_manifest
    between_segments: Callable[[], None] | None = None
    _embedder: EmbedJob | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def facts(self) -> dict[str, JSON]:
        """What a line of the manifest says beside the result."""
        return {"probe": self.probe.id, "software": SOFTWARE}

    @property
    def embeddings(self) -> Path:
        """Where tracks go that were not there."""
        return track_place(self.out, self.probe)[0]

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
                    track_place(self.out, self.probe)[1],
                    self.between_segments,
                )
            return self._embedder

    def decide(self, recording: Recording, place: Place, fingerprint: Fingerprint) -> Decision:
        """What a recording needs.

        Raises:
            StoreError: when results of another recording are in the way.
            ProbeError: when tracks are ambiguous, or cannot be made.
            PoseError: when the animals cannot be found.
        """
        animals = self.follow.animals(recording) if self.follow is not None else []
        if self._is_done(place, recording, fingerprint, animals):
            return Decision("skip")
        found = self.tracks.find(recording, fingerprint)
        if self.follow is not None:
            # A track by other poses is another track, whoever it follows.
            by_path = {_key(facts.follow): facts.path for facts in found}
            keys = {_key(animal.source["follow"]): animal for animal in animals}
            missing = [animal for key, animal in keys.items() if key not in by_path]
            present = [by_path[key] for key in keys if key in by_path]
            return Decision("embed" if missing else "reuse", tuple(present), tuple(missing))
        if found:
            return Decision("reuse", tuple(facts.path for facts in found))
        if self.probe.track_settings_.get("follow"):
            others = self.tracks.misfits(fingerprint)
            raise ProbeError(
                f"expected embedding tracks of the animals in {recording.id!r}, found "
                f"{'others: ' + others[0] if others else 'none'}. This probe follows animals: say where they are "
                "(--poses), or embed the recording with its poses first and name the folder (--tracks)"
            )
        return Decision("embed", (), (recording,))

    def _is_done(
        self, place: Place, recording: Recording, fingerprint: Fingerprint, animals: Sequence[FollowedRecording]
    ) -> bool:
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
        if provenance.get("recording", {}).get("identity") == self._identity(recording, fingerprint):
            followed = {_key(track["source"].get("follow")) for track in provenance.get("tracks", [])}
            return not animals or followed == {_key(animal.source["follow"]) for animal in animals}
        if self.overwrite:
            return False
        raise StoreError(
            f"{place.path} holds the ethogram of another recording (size, content, dataset or number of frames differ "
            "from this one). Write to another place (--out), or replace it (--overwrite)"
        )

    @staticmethod
    def _identity(recording: Recording, fingerprint: Fingerprint) -> JSONDict:
        return {**fingerprint.to_json(), "stream": stream_of(recording.source)}

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
            source = f"model:{self.probe.id}"
            ethograms.append(Ethogram(self.probe.behaviors_, recording.time_s, states, scores, *names, source=source))
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
                "identity": self._identity(recording, fingerprint),
            },
            "software": SOFTWARE,
        }


def _key(follow: object) -> str:
    """The same text for the same way to follow the same animal."""
    return json.dumps(follow, sort_keys=True)
