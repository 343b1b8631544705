"""What all recordings of a batch have in common, and the three stages of embedding one."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from vp_science.batch import OUTPUT_ENDING, EmbedResult
from vp_science.embedding.identity import SOFTWARE, checkpoint_identity, manifest_facts
from vp_science.embedding.outcome import Progress
from vp_science.embedding.settings import EmbedSettings, plan_stream
from vp_science.encoder.family import TrackModel, track_width
from vp_science.errors import RecordingError, StoreError
from vp_science.files import hash_file
from vp_science.recordings import DecodedFrame, Fingerprint, Recording
from vp_science.store.plan import RecordingFacts
from vp_science.store.provenance import Provenance
from vp_science.store.reader import open_embeddings
from vp_science.store.writer import EmbeddingWriter, pending_execution
from vp_science.stream import Execution, StreamPlan, embed_segments, start_decoding
from vp_science.timeline.grid import SampleGrid
from vp_science.typing import JSON


@dataclass(eq=False)
class EmbedWork:
    """The embedding of one recording, under way.

    Attributes:
        recording: open.
        fingerprint: of the recording when it was opened.
        plan: grid, windows, group sizes.
        writer: where the segments go; holds the lock on the output.
        decoding: the first frames, decoded ahead; None when nothing is left to compute.
        result: what is known so far.
    """

    recording: Recording
    fingerprint: Fingerprint
    plan: StreamPlan
    writer: EmbeddingWriter
    decoding: Generator[DecodedFrame, None, None] | None
    result: EmbedResult

    def close(self) -> None:
        """End the decoding and let other processes have the output. Finished segments stay."""
        if self.decoding is not None:
            self.decoding.close()
        self.writer.close()


@dataclass(frozen=True)
class EmbedJob:
    """What all recordings of a batch have in common, and the three stages of embedding one.

    ``begin`` plans and decodes ahead, ``encode`` computes, ``complete`` assembles the file.

    Attributes:
        encoder: from ``load_encoder``.
        settings: how recordings are embedded.
        folder: for the results.
        reading: options of ``open_recording``.
        overwrite: replace files that were made with other settings.
        progress: is told about the work.
        ending: of the names of the files.
        between_segments: is called when a segment was written; what it raises ends the batch there.
    """

    encoder: TrackModel
    settings: EmbedSettings
    folder: Path
    reading: dict[str, Any]
    overwrite: bool = False
    progress: Progress | None = None
    ending: str = OUTPUT_ENDING
    between_segments: Callable[[], None] | None = None

    @property
    def facts(self) -> dict[str, JSON]:
        """What a line of the manifest says beside the result."""
        return manifest_facts(self.encoder)

    def begin(self, recording: Recording, result: EmbedResult) -> EmbedWork:
        """Plan the work on an open recording, lock its output and decode the first frames.

        Raises:
            VPScienceError: when the settings do not fit the recording or the output.
        """
        output = self.folder / f"{recording.id}{self.ending}"
        begun = Execution.from_json(pending_execution(output))
        plan = plan_stream(recording, self.encoder, self.settings, begun)
        fingerprint = recording.fingerprint()
        result = replace(
            result,
            grid_frames=len(plan.grid),
            duration_s=recording.duration_s,
            recording_sha256=fingerprint.sha256,
        )
        writer = self._open_writer(output, recording, fingerprint, plan)
        decoding = None
        try:
            if writer.next_segment < plan.num_segments:
                decoding = start_decoding(recording, plan, writer.next_segment)
        except BaseException:
            writer.close()
            raise
        return EmbedWork(recording, fingerprint, plan, writer, decoding, result)

    def encode(self, work: EmbedWork, position: int, total: int) -> None:
        """Compute and write the segments that are missing.

        Raises:
            VPScienceError: when the recording cannot be read or a segment cannot be written.
        """
        recording, plan, writer = work.recording, work.plan, work.writer
        if self.progress:
            done = _finished_frames(writer, plan)
            self.progress.start(recording.id, position, total, len(plan.grid), done, recording.duration_s)
        segments = embed_segments(
            recording,
            self.encoder,
            plan,
            first_segment=writer.next_segment,
            on_frames=self.progress.advance if self.progress else None,
            decoding=work.decoding,
        )
        # Closing ends the decode thread before the recording is closed, also when writing fails.
        with closing(segments):
            for rows in segments:
                writer.write_segment(rows.index, rows.track, rows.window, rows.shown_index, rows.damaged_frames)
                if self.between_segments:
                    self.between_segments()

    def complete(self, work: EmbedWork) -> EmbedResult:
        """Assemble the file, unless it was complete before.

        Raises:
            VPScienceError: when the recording changed meanwhile, or the file cannot be written.
        """
        status: Literal["done", "skipped"] = "skipped" if work.writer.status == "already_complete" else "done"
        recording, fingerprint = work.recording, work.fingerprint
        if status == "done" and recording.fingerprint() != fingerprint:
            raise RecordingError(
                f"{recording.path} changed while it was read: expected the same {fingerprint.num_bytes} bytes; "
                "wait until the recording is finished, then run again with --overwrite"
            )
        return _finished(work.result, status, work.writer.finish())

    def _open_writer(
        self, output: Path, recording: Recording, fingerprint: Fingerprint, plan: StreamPlan
    ) -> EmbeddingWriter:
        return EmbeddingWriter.open(
            output,
            _provenance(recording, self.encoder, self.settings, plan.grid),
            RecordingFacts.of(recording.id, recording.path, fingerprint),
            plan.grid,
            plan.windows,
            track_width(self.encoder.config),
            plan.execution.windows_per_segment,
            execution=asdict(plan.execution),
            overwrite=self.overwrite,
        )


def _finished_frames(writer: EmbeddingWriter, plan: StreamPlan) -> int:
    if writer.next_segment == len(writer.segments):
        return len(plan.grid)
    return int(writer.segments[writer.next_segment].grid.start)


def _finished(result: EmbedResult, status: Literal["done", "skipped"], output: Path) -> EmbedResult:
    try:
        with open_embeddings(output) as embeddings:
            damaged = len(embeddings.damaged_frames)
        return replace(result, status=status, output=output, damaged_frames=damaged, output_sha256=hash_file(output))
    except OSError as error:
        raise StoreError(f"cannot read back {output}: {error}") from error


def _provenance(recording: Recording, encoder: TrackModel, settings: EmbedSettings, grid: SampleGrid) -> Provenance:
    return Provenance(
        model=encoder.info.name,
        checkpoint=checkpoint_identity(encoder),
        encoder_config=encoder.config.to_json(),
        preprocess=settings.preprocess.to_json(),
        source=recording.source,
        grid={"sample_fps": settings.fps, "num_grid": len(grid)},
        num_frames=settings.num_frames,
        stride=settings.stride,
        spatial_pool=settings.spatial_pool,
        dtype=settings.dtype,
        precision=encoder.info.precision,
        software=SOFTWARE,
    )
