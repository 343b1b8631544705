"""``annotate``: the function behind ``vp.annotate`` and ``vp-science annotate``."""

import json
import re
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vp_science.animals import Poses, Subjects
from vp_science.annotating.elsewhere import annotate_elsewhere
from vp_science.annotating.encoder_for import EncoderFor, embed_settings, follow_settings
from vp_science.annotating.estimate import Rates, estimate
from vp_science.annotating.flight import AnnotateFlights
from vp_science.annotating.job import AnnotateJob, Follow
from vp_science.annotating.nwb_facts import read_nwb_facts
from vp_science.annotating.outputs import BORIS_PROJECT, write_boris, write_study_table
from vp_science.annotating.results import AnnotateError, AnnotateProgress, AnnotateResult, summarise
from vp_science.annotating.tracks import TrackIndex, track_place
from vp_science.batch import BatchItem, append_manifest, natural_key
from vp_science.cluster.place import Cluster, ClusterLike, as_cluster
from vp_science.embedding.identity import SOFTWARE
from vp_science.embedding.inputs import collect_recordings
from vp_science.encoder.family import TrackModel
from vp_science.errors import SettingsError, require_extra
from vp_science.files import write_atomically
from vp_science.flight import run_in_flight
from vp_science.probes.bundle import load_probe
from vp_science.probes.probe import Probe
from vp_science.recordings import Recording
from vp_science.store.ethogram import group_name
from vp_science.store.files import explain_write_errors
from vp_science.timeline.annotations import Annotations
from vp_science.typing import JSON, StrPath
from vp_science.video.crop_path import PAIRS_NEED_ROTATE
from vp_science.video.hdf5_times import TimeUnit

Shard = str | tuple[int, int]
_SHARD = re.compile(r"(\d+)/(\d+)")


@dataclass(eq=False)
class AnnotateBatch:
    """A batch that was checked and can be run, or estimated; made by ``open_batch``.

    Attributes:
        job: what all recordings have in common.
        items: the recordings of this shard, in order.
        shard: which part of how many; (1, 1) is everything.
        csv: write one bout table for all recordings.
        boris: the BORIS project that predictions are added to; None for none.
        cluster: where to run; None for here.
        report: of the last run.
    """

    job: AnnotateJob
    items: Sequence[BatchItem | Recording]
    shard: tuple[int, int]
    csv: bool
    boris: Path | None
    cluster: Cluster | None = None
    report: dict[str, Any] = field(default_factory=dict)

    def estimate(self) -> tuple[list[AnnotateResult], Rates]:
        """What would be done, and what it would cost; nothing is written.

        Raises:
            SettingsError: when the batch would run on a cluster: this machine says nothing about how long that takes.
        """
        if self.cluster is not None:
            raise SettingsError(
                "expected a dry run or a cluster, found both: the estimate measures this machine; leave out the cluster"
            )
        return estimate(self.job, self.items)

    def run(self) -> list[AnnotateResult]:
        """Annotate, write the manifest as recordings are finished, then the tables and the report.

        Raises:
            StoreError: when the manifest or the report cannot be written.
            AnnotationError: when a table cannot hold the bouts; the ethograms are written then.
        """
        began, job = time.monotonic(), self.job
        by_position: dict[int, AnnotateResult] = {}
        with closing(self._finished()) as finished:
            for position, result in finished:
                append_manifest(job.out, result, job.facts)
                if job.progress:
                    job.progress.finish(result)
                by_position[position] = result
        results = [by_position[position] for position in sorted(by_position)]
        facts: dict[str, JSON] = {
            "probe": job.probe.id,
            "untrained_encoder": "untrained" in str(job.probe.track_settings_.get("checkpoint")),
            "shard": "{}/{}".format(*self.shard),
            "software": SOFTWARE,
            "unreadable_tracks": {str(path): why for path, why in job.tracks.unreadable.items()},
        }
        self.report = summarise(results, time.monotonic() - began, facts)
        self._write_report()
        self._write_tables()
        return results

    def _finished(self) -> Generator[tuple[int, AnnotateResult], None, None]:
        """Position and result of every recording, as they are finished."""
        if self.cluster is None:
            yield from enumerate(run_in_flight(self.items, AnnotateFlights(self.job)))
            return
        tables = self.csv or self.boris is not None
        yield from annotate_elsewhere(self.job, self.items, self.cluster, tables=tables)

    @property
    def table_path(self) -> Path:
        """The bout table of all recordings."""
        return self.job.out / f"{group_name(self.job.probe.id)}.csv"

    @property
    def report_path(self) -> Path:
        """The report; one per shard."""
        part, parts = self.shard
        return self.job.out / ("report.json" if parts == 1 else f"report.{part}-of-{parts}.json")

    def _write_report(self) -> None:
        text = json.dumps(self.report, indent=2) + "\n"
        with explain_write_errors(self.report_path):
            self.job.out.mkdir(parents=True, exist_ok=True)
            write_atomically(self.report_path, lambda file: file.write(text.encode()))

    def _write_tables(self) -> None:
        if not self.job.tables or not (self.csv or self.boris):
            return
        annotations = Annotations.concat(list(self.job.tables.values()))
        if self.csv:
            write_study_table(annotations, self.table_path)
        if self.boris is not None:
            write_boris(annotations, self.boris, self.job.media)


def open_batch(
    recordings: StrPath | Recording | Iterable[StrPath | Recording],
    probe: Probe | StrPath,
    *,
    out: StrPath,
    encoder: TrackModel | None = None,
    tracks: StrPath | None = None,
    in_place: bool = False,
    nwb: bool = False,
    animals: StrPath | None = None,
    boris: bool | StrPath = False,
    csv: bool = False,
    shard: Shard | None = None,
    overwrite: bool = False,
    model: StrPath | None = None,
    weights: StrPath | None = None,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    offline: bool = False,
    dataset: str | None = None,
    value_range: tuple[int | float, int | float] | None = None,
    source_fps: int | float | None = None,
    timestamps: str | None = None,
    timestamps_unit: TimeUnit | None = None,
    poses: Poses | None = None,
    subjects: Subjects | None = None,
    pairs: bool = False,
    cluster: ClusterLike | None = None,
    progress: AnnotateProgress | None = None,
) -> AnnotateBatch:
    """Check everything that can be checked before a recording is opened; see ``annotate``.

    Raises:
        SettingsError: when options contradict each other, or no recording was found.
        ProbeError: when the probe cannot be loaded.
    """
    fitted = probe if isinstance(probe, Probe) else load_probe(probe)
    embed_settings(fitted.track_settings_)
    part = parse_shard(shard)
    folder = Path(out)
    if tracks is not None and not Path(tracks).is_dir():
        raise SettingsError(f"tracks: expected a folder with embedding tracks, found none at {tracks}: check the name")
    items = sorted(collect_recordings(recordings), key=lambda item: natural_key(_name(item)))
    project = None if boris is False else folder / BORIS_PROJECT if boris is True else Path(boris)
    if project is not None and not project.name.lower().endswith((".boris", ".boris.gz")):
        raise SettingsError(f"boris: expected a BORIS project (.boris), found {project}: give one, or a new name")
    _check_extras(nwb)
    if animals is not None and not nwb:
        raise SettingsError(
            "expected nwb with animals, whose table goes into NWB files, found it alone: add it (--nwb)"
        )
    job = AnnotateJob(
        probe=fitted,
        out=folder,
        encoder=EncoderFor.of(
            fitted, given=encoder, model=model, weights=weights, precision=precision, offline=offline
        ),
        tracks=TrackIndex.scan([*([] if tracks is None else [Path(tracks)]), track_place(folder, fitted)[0]], fitted),
        reading={
            "dataset": dataset,
            "value_range": value_range,
            "source_fps": source_fps,
            "timestamps": timestamps,
            "timestamps_unit": timestamps_unit,
        },
        in_place=in_place,
        nwb=nwb,
        nwb_facts={} if animals is None else read_nwb_facts(animals, [_name(item) for item in items]),
        overwrite=overwrite,
        progress=progress,
        follow=_follow(fitted, poses, subjects, pairs, alone=len(items) == 1),
    )
    elsewhere = None if cluster is None else as_cluster(cluster)
    return AnnotateBatch(job, items[part[0] - 1 :: part[1]], part, csv, project, elsewhere)


def annotate(
    recordings: StrPath | Recording | Iterable[StrPath | Recording],
    probe: Probe | StrPath,
    *,
    out: StrPath,
    encoder: TrackModel | None = None,
    tracks: StrPath | None = None,
    in_place: bool = False,
    nwb: bool = False,
    animals: StrPath | None = None,
    boris: bool | StrPath = False,
    csv: bool = False,
    shard: Shard | None = None,
    dry_run: bool = False,
    overwrite: bool = False,
    weights: StrPath | None = None,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    offline: bool = False,
    dataset: str | None = None,
    value_range: tuple[int | float, int | float] | None = None,
    source_fps: int | float | None = None,
    timestamps: str | None = None,
    timestamps_unit: TimeUnit | None = None,
    poses: Poses | None = None,
    subjects: Subjects | None = None,
    pairs: bool = False,
    cluster: ClusterLike | None = None,
    progress: AnnotateProgress | None = None,
    raise_failures: bool = True,
) -> list[AnnotateResult]:
    """Annotate recordings with a probe; every recording gives scores, states and bouts at each of its frames.

    A recording that has an embedding track that the probe can read (in ``tracks`` or ``<out>/embeddings``) is not
    embedded again; any other is, as the probe wants it, and its track is kept in ``<out>/embeddings``. A fine-tuned
    probe has a model of its own: it reads no embeddings, and keeps its logits in ``<out>/logits``. Results go to
    ``<out>/<recording id>.ethogram.h5``, or with ``in_place`` into HDF5 recordings themselves. What is finished is
    skipped, what was interrupted is resumed, and a recording that fails does not stop the others. Every recording adds
    a line to ``<out>/manifest.jsonl``; ``<out>/report.json`` sums the run up.

    Args:
        recordings: files, folders, patterns, or open recordings.
        probe: a fitted probe, or the path of a bundle.
        out: folder for the results.
        encoder: the one the probe was trained with (or, of a fine-tuned probe, from); None loads it when a recording
            must be embedded.
        tracks: a folder in which to look for embedding tracks, with the folders below it.
        in_place: add the group ``/vp_science/<probe id>`` to HDF5 (and NWB) recordings instead of writing a file
            beside; nothing else in them changes (see ``annotating.in_place``). Other recordings get their file.
        nwb: also write ``<out>/<recording id>.<probe id>.ethogram.nwb``.
        animals: for ``nwb``: a table with a line per recording that says what archives ask for; columns ``recording``
            and any of ``animal``, ``species``, ``sex``, ``age``, ``strain``, ``genotype``, ``subject_description``,
            ``experimenter``, ``experiment_description``, ``institution``, ``lab``, ``session_start_time``.
        boris: also add the predictions to a BORIS project, for a person to review: True makes or extends
            ``<out>/predictions.boris``, a path names another project.
        csv: also write ``<out>/<probe id>.csv``, one bout table for all recordings.
        shard: ``"2/8"`` (or ``(2, 8)``) takes every eighth recording, from the second on, of the recordings sorted by
            their ids: for job arrays. All shards may share one output folder.
        dry_run: only say what would be done, with an estimate of time and disk; ``status`` is then ``planned``.
        overwrite: replace results that belong to another recording, and tracks made with other settings.
        weights: weights of the encoder, should it be loaded.
        precision: operand type of its matrix products.
        offline: never download.
        dataset: HDF5 and NWB: which dataset holds the frames.
        value_range: what becomes black and white where pixels are not 8-bit.
        source_fps: frame rate of recordings that carry no times.
        timestamps: HDF5: the dataset with the times of the frames, where it is not obvious.
        timestamps_unit: HDF5: unit of these times.
        poses: for a probe that follows animals: a folder or pattern with a pose file for every recording, one file for
            one recording, or files by recording (see ``embed``). None takes the tracks of animals that are there.
        subjects: which animals of the pose files; a mapping also gives the names that bouts use. None takes all.
        pairs: also every ordered pair of animals.
        cluster: run on many machines instead: see ``embed``.
        progress: is told about the work; on a cluster only of recordings that are finished.
        raise_failures: raise an ``AnnotateError`` at the end when a recording failed; otherwise look at ``status``.

    Returns:
        One result per recording, sorted by id; ``read_ethogram(result.output)`` reads it.

    Raises:
        SettingsError: when options contradict each other, or no recording was found.
        ProbeError: when the probe cannot be loaded.
        AnnotateError: when recordings failed.
        ClusterError: when there are no workers, or none that can do it.
    """
    batch = open_batch(
        recordings, probe, out=out, encoder=encoder, tracks=tracks, in_place=in_place, nwb=nwb, animals=animals,
        boris=boris, csv=csv, shard=shard, overwrite=overwrite, weights=weights, precision=precision, offline=offline,
        dataset=dataset, value_range=value_range, source_fps=source_fps, timestamps=timestamps,
        timestamps_unit=timestamps_unit, poses=poses, subjects=subjects, pairs=pairs, cluster=cluster,
        progress=progress,
    )  # fmt: skip
    results = batch.estimate()[0] if dry_run else batch.run()
    if raise_failures and any(result.status == "failed" for result in results):
        raise AnnotateError(results)
    return results


def parse_shard(shard: Shard | None) -> tuple[int, int]:
    """Part and number of parts, from 1.

    Raises:
        SettingsError: when it is not such a pair.
    """
    if shard is None:
        return (1, 1)
    found = _SHARD.fullmatch(shard.strip()) if isinstance(shard, str) else None
    part, parts = (int(found[1]), int(found[2])) if found else shard if isinstance(shard, tuple) else (0, 0)
    if not 1 <= part <= parts:
        raise SettingsError(
            f"shard: expected a part and the number of parts, counted from 1, such as 1/4 to 4/4, found {shard}: add 1 "
            "where the job array counts from 0"
        )
    return part, parts


def _follow(probe: Probe, poses: Poses | None, subjects: Subjects | None, pairs: bool, *, alone: bool) -> Follow | None:
    settings = follow_settings(probe.track_settings_) if poses is not None else None
    if poses is None and (subjects is not None or pairs):
        raise SettingsError("expected poses, which say where the animals are, with options about animals: name them")
    if poses is None:
        return None
    if settings is None:
        raise SettingsError(
            f"expected a probe that follows animals with poses, found {probe.id}, which looks at whole frames: leave "
            "out the poses, or train a probe on tracks of animals"
        )
    if pairs and not settings.rotate:
        raise SettingsError(PAIRS_NEED_ROTATE)
    return Follow(settings, poses, subjects, pairs, alone)


def _check_extras(nwb: bool) -> None:
    if nwb:
        require_extra("pynwb", "nwb")
        require_extra("ndx_ethogram", "nwb")


def _name(item: BatchItem | Recording) -> str:
    return item.id if isinstance(item, Recording) else item.recording_id
