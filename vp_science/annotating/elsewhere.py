"""Annotating on a cluster: what workers are sent, what they send back, and how it becomes one study again."""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from vp_science.annotating.encoder_for import EncoderFor
from vp_science.annotating.flight import AnnotateFlight
from vp_science.annotating.job import AnnotateJob, Follow
from vp_science.annotating.nwb_facts import NwbFacts
from vp_science.annotating.results import AnnotateResult
from vp_science.annotating.tracks import TrackIndex
from vp_science.batch import BatchItem, EmbedResult, append_manifest
from vp_science.cluster.place import Cluster
from vp_science.cluster.run import cluster_run, run_on_cluster
from vp_science.embedding.identity import SOFTWARE, check_software
from vp_science.embedding.inputs import refuse_open_recordings
from vp_science.encoder.precision import choose_precision
from vp_science.errors import ProbeError, SettingsError
from vp_science.files import write_atomically
from vp_science.probes.bundle import load_probe, save_probe
from vp_science.recordings import Recording
from vp_science.timeline.annotations import Annotations
from vp_science.typing import JSON, StrPath

_BUNDLE, _TRACKS = "used.probe", "tracks.json"


@dataclass(frozen=True)
class AnnotateRecipe:
    """From which a worker builds its ``AnnotateJob``; attributes that are not explained are as there.

    Attributes:
        folder: of the run: the probe and the index of tracks are read from it.
        probe_id: of the probe, to be sure.
        model: see ``EncoderFor``; likewise ``weights``, ``precision`` and ``offline``.
        load_first: load the encoder before the first recording, so that a worker that cannot is not given any.
        tables: send bouts back, for the tables of the whole study.
        software: versions where the batch was started; they must be the same on workers.
    """

    folder: Path
    probe_id: str
    out: Path
    reading: dict[str, Any]
    in_place: bool
    nwb: bool
    nwb_facts: dict[str, NwbFacts]
    overwrite: bool
    follow: Follow | None
    model: StrPath | None
    weights: StrPath | None
    precision: Literal["auto", "float32", "bfloat16"]
    offline: bool
    load_first: bool
    tables: bool
    software: str = SOFTWARE

    def resolved(self) -> "AnnotateRecipe":
        """The same with the precision that this machine would choose: all workers then take it."""
        check_software(self.software)
        return self if self.precision != "auto" else replace(self, precision=choose_precision()[0])

    def build(self, between_segments: Callable[[], None]) -> "WorkerAnnotateJob":
        """The job, with its probe loaded, and its encoder where one will be needed.

        Raises:
            VPScienceError: when the software differs, or the probe or the encoder cannot be had.
        """
        check_software(self.software)
        probe = load_probe(self.folder / _BUNDLE)
        if probe.id != self.probe_id:
            raise ProbeError(f"expected the probe {self.probe_id}, found {probe.id} in {self.folder}: start again")
        made = list[TrackMade]()
        job = AnnotateJob(
            probe=probe,
            out=self.out,
            encoder=EncoderFor.of(
                probe, model=self.model, weights=self.weights, precision=self.precision, offline=self.offline
            ),
            tracks=TrackIndex.from_json(json.loads((self.folder / _TRACKS).read_text(encoding="utf-8"))),
            reading=self.reading,
            in_place=self.in_place,
            nwb=self.nwb,
            nwb_facts=self.nwb_facts,
            overwrite=self.overwrite,
            follow=self.follow,
            note_track=lambda *track: made.append(TrackMade(*track)),
            between_segments=between_segments,
        )
        if self.load_first:
            job.embedder()
        return WorkerAnnotateJob(job, made, self.tables)

    def failed(self, item: BatchItem, error: str) -> AnnotateResult:
        """The result of a recording that no worker could finish."""
        return AnnotateResult(item.recording_id, str(item.path), error=error)


@dataclass(frozen=True)
class TrackMade:
    """A line for the manifest of the tracks, written where the batch was started."""

    folder: Path
    result: EmbedResult
    facts: Mapping[str, JSON]


@dataclass(frozen=True)
class Extras:
    """What comes back beside the result of a recording.

    Attributes:
        tracks: that were made of it.
        annotations: its bouts, where tables are wanted and it did not fail.
        medium: where the recording lies, absolute; "" where that is not known.
    """

    tracks: tuple[TrackMade, ...] = ()
    annotations: Annotations | None = None
    medium: str = ""


@dataclass(frozen=True)
class WorkerAnnotateJob:
    """The job on a worker."""

    job: AnnotateJob
    made: list[TrackMade]
    tables: bool
    facts: dict[str, JSON] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", self.job.facts)

    def prepare(self, item: BatchItem, position: int, total: int) -> AnnotateFlight:
        """Open a recording, find out what it needs, and begin to decode it if it must be embedded."""
        self.made.clear()
        return AnnotateFlight.begin(self.job, item, position, total)

    def outcome(self, result: AnnotateResult) -> Extras:
        """Tracks, bouts and the place of the recording; nothing of it stays here."""
        annotations = self.job.tables.pop(result.recording_id, None)
        medium = self.job.media.pop(result.recording_id, "")
        return Extras(tuple(self.made), annotations if self.tables else None, medium)


def annotate_elsewhere(
    job: AnnotateJob, items: Sequence[BatchItem | Recording], cluster: Cluster, *, tables: bool
) -> Generator[tuple[int, AnnotateResult], None, None]:
    """Position and result of every recording, as they are finished.

    In the end ``job`` holds bouts and media as it does on one machine.

    Args:
        job: what all recordings have in common.
        items: the recordings; files.
        cluster: where.
        tables: bouts are wanted, for the tables of the whole study.

    Raises:
        SettingsError: when something cannot be sent to other machines.
        ClusterError: when there are no workers, or none that can do it.
    """
    refuse_open_recordings(items)
    if job.encoder.given is not None:
        raise SettingsError("cluster: expected no encoder, found one that is loaded: workers load it themselves")
    tables_by_position: dict[int, tuple[str, Extras]] = {}
    with cluster_run(job.out) as run:
        recipe = _recipe(job, run.folder, tables=tables, load_first=job.tracks.num_tracks < len(items))
        with closing(run_on_cluster(run, items, recipe, cluster)) as outcomes:
            for position, outcome in outcomes:
                extras = outcome.extras or Extras()
                for made in extras.tracks:
                    append_manifest(made.folder, made.result, dict(made.facts))
                tables_by_position[position] = (outcome.result.recording_id, extras)
                yield position, outcome.result
    for _, (name, extras) in sorted(tables_by_position.items(), key=lambda entry: entry[0]):
        if extras.annotations is not None:
            job.tables[name] = extras.annotations
        if extras.medium:
            job.media[name] = extras.medium


def _recipe(job: AnnotateJob, folder: Path, *, tables: bool, load_first: bool) -> AnnotateRecipe:
    save_probe(job.probe, folder / _BUNDLE)
    index = json.dumps(job.tracks.to_json()).encode()
    write_atomically(folder / _TRACKS, lambda file: file.write(index))
    return AnnotateRecipe(
        folder=folder,
        probe_id=job.probe.id,
        out=job.out,
        reading=job.reading,
        in_place=job.in_place,
        nwb=job.nwb,
        nwb_facts=job.nwb_facts,
        overwrite=job.overwrite,
        follow=job.follow,
        model=job.encoder.model,
        weights=job.encoder.weights,
        precision=job.encoder.precision,
        offline=job.encoder.offline,
        load_first=load_first,
        tables=tables,
    )
