"""Which embedding tracks belong to a recording and fit a probe."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vp_science.batch import LOGITS_ENDING, OUTPUT_ENDING
from vp_science.errors import ProbeError, StoreError
from vp_science.probes.heads.fine_tuned import FineTunedHead
from vp_science.probes.probe import Probe
from vp_science.recordings import Fingerprint, Recording
from vp_science.store.reader import open_embeddings
from vp_science.timeline.grid import SampleGrid
from vp_science.typing import JSON

_Identity = tuple[int, str, int]


@dataclass(frozen=True)
class TrackFacts:
    """What decides whether a track is taken.

    Attributes:
        path: the file.
        recording: id of the recording it was made from.
        subject: the animal it follows; "" for whole frames.
        target: the other animal of a pair.
        follow: how it is followed, and by which poses; None for whole frames.
        misfit: why the probe cannot read it; "" when it can.
    """

    path: Path
    recording: str
    subject: str
    target: str
    follow: Any
    misfit: str


@dataclass(frozen=True)
class TrackIndex:
    """The tracks in some folders, by the recording they were made from.

    Attributes:
        by_recording: tracks by the fingerprint of the recording: names and places may have changed since.
        unreadable: files that should be tracks, and what is wrong with them.
    """

    by_recording: dict[_Identity, list[TrackFacts]] = field(default_factory=lambda: defaultdict(list))
    unreadable: dict[Path, str] = field(default_factory=dict)

    @classmethod
    def scan(cls, folders: Sequence[Path], probe: Probe) -> "TrackIndex":
        """Look at every track in some folders and the folders below them.

        Args:
            folders: where to look; one that does not exist holds none.
            probe: says which tracks it can read.
        """
        index, seen = cls(), set[Path]()
        endings = (OUTPUT_ENDING, LOGITS_ENDING) if isinstance(probe.head_, FineTunedHead) else (OUTPUT_ENDING,)
        for folder in folders:
            for parent, folders_below, names in os.walk(folder):
                folders_below.sort()
                for name in sorted(names):
                    path = Path(parent, name)
                    if name.endswith(endings) and (real := path.resolve()) not in seen:
                        seen.add(real)
                        index._add(path, probe)
        return index

    @classmethod
    def of(cls, paths: Sequence[Path], probe: Probe) -> "TrackIndex":
        """Look at some tracks; the arguments are as for ``scan``."""
        index = cls()
        for path in paths:
            index._add(path, probe)
        return index

    @property
    def num_tracks(self) -> int:
        """Tracks that could be read, whether or not they fit."""
        return sum(len(facts) for facts in self.by_recording.values())

    def to_json(self) -> list[JSON]:
        """The index as JSON, for other processes: one look at every track is enough."""
        return [
            [list(identity), [{**asdict(one), "path": str(one.path)} for one in facts]]
            for identity, facts in self.by_recording.items()
        ]

    @classmethod
    def from_json(cls, record: Sequence[Any]) -> "TrackIndex":
        """The other way; tracks that could not be read are not in it."""
        index = cls()
        for (num_bytes, sha256, num_frames), those in record:
            facts = [TrackFacts(**{**one, "path": Path(one["path"])}) for one in those]
            index.by_recording[num_bytes, sha256, num_frames] = facts
        return index

    def _add(self, path: Path, probe: Probe) -> None:
        try:
            with open_embeddings(path) as track:
                misfit = ""
                try:
                    probe.check_tracks([track])
                except ProbeError as error:
                    misfit = str(error)
                follow = track.provenance.source.get("follow")
                facts = TrackFacts(path, track.bout_recording, track.subject, track.target, follow, misfit)
                self.by_recording[track.recording.fingerprint].append(facts)
        except StoreError as error:
            self.unreadable[path] = str(error)

    def find(self, recording: Recording, fingerprint: Fingerprint) -> list[TrackFacts]:
        """The tracks of a recording that the probe can read: one for whole frames, or one per animal.

        They must be of the same stream (an HDF5 file may hold several) and on the same clock. Where several are of the
        same animal, those made under the id of this recording count.

        Raises:
            ProbeError: when there is still more than one for an animal.
        """
        recording_id = recording.id
        identity = (fingerprint.num_bytes, fingerprint.sha256, fingerprint.num_frames)
        by_animal: dict[tuple[str, str], list[TrackFacts]] = defaultdict(list)
        for facts in self.by_recording.get(identity, []):
            if not facts.misfit and _same_stream(recording, facts.path):
                by_animal[facts.subject, facts.target].append(facts)
        found: list[TrackFacts] = []
        for those in by_animal.values():
            fitting = [facts for facts in those if facts.recording == recording_id] or those
            if len(fitting) > 1:
                listing = ", ".join(str(facts.path) for facts in fitting)
                raise ProbeError(
                    f"expected one embedding track of {recording_id!r} that the probe can read, found {len(fitting)} "
                    f"({listing}): name the folder of the right one (--tracks), or move the others away"
                )
            found += fitting
        return sorted(found, key=lambda facts: (facts.subject, facts.target))

    def misfits(self, fingerprint: Fingerprint) -> list[str]:
        """Why other tracks of a recording are not read."""
        identity = (fingerprint.num_bytes, fingerprint.sha256, fingerprint.num_frames)
        return [facts.misfit for facts in self.by_recording.get(identity, []) if facts.misfit]


def track_place(out: Path, probe: Probe) -> tuple[Path, str]:
    """Where the tracks of a probe go that were not there: the folder, and the ending of their names.

    Those of a fine-tuned model lie apart from embeddings, under the name of the model, not of the probe: with other
    thresholds it is still the same model.
    """
    if not isinstance(probe.head_, FineTunedHead):
        return out / "embeddings", OUTPUT_ENDING
    digest = probe.head_.info.checkpoint.partition(":")[2]
    return out / "logits", f".{digest[:8]}{LOGITS_ENDING}"


def stream_of(source: Mapping[str, Any]) -> list[Any]:
    """Which of the streams in one file a recording is: the dataset, or the NWB series."""
    return [source.get("dataset"), source.get("nwb_series")]


def _same_stream(recording: Recording, path: Path) -> bool:
    """Whether a track of the same file is of the same frames at the same times."""
    with open_embeddings(path) as track:
        if stream_of(track.provenance.source) != stream_of(recording.source):
            return False
        grid = SampleGrid.from_timestamps(recording.time_s, track.provenance.grid.get("sample_fps"))
        same_times = np.array_equal(grid.time_s, track.time_s) and np.array_equal(grid.frame_index, track.frame_index)
        return bool(same_times)
