"""The tracks of a fine-tuned probe: those that are there, and those that its model makes of recordings."""

from collections.abc import Sequence
from pathlib import Path

from vp_science.annotating.encoder_for import EncoderFor, embed_settings
from vp_science.annotating.tracks import track_place
from vp_science.batch import LOGITS_ENDING, OUTPUT_ENDING, append_manifest
from vp_science.embedding.flight import EmbedFlights
from vp_science.embedding.identity import manifest_facts
from vp_science.embedding.inputs import collect_recordings
from vp_science.embedding.job import EmbedJob
from vp_science.embedding.outcome import BatchError, Progress
from vp_science.errors import ProbeError
from vp_science.flight import run_in_flight
from vp_science.probes.open_tracks import find_tracks
from vp_science.probes.probe import Probe
from vp_science.typing import StrPath


def own_tracks(
    inputs: Sequence[StrPath], encoder: EncoderFor, probe: Probe, out: Path, progress: Progress | None = None
) -> list[Path]:
    """The tracks of a fine-tuned probe for what a user named: tracks as they are, recordings through its model.

    What was made before is not made again; what was interrupted is resumed.

    Args:
        inputs: tracks, folders of them (``<out>/logits`` of ``annotate``), recordings, folders or patterns of them.
        encoder: gives the model, should a recording be among them.
        probe: fine-tuned.
        out: tracks that are made go into the folder ``logits`` in it.
        progress: is told about the work.

    Raises:
        ProbeError: when the probe follows animals: how they are cut is said to ``annotate`` (its poses).
        BatchError: when recordings failed.
        SettingsError: when an input gives nothing.
    """
    there = [one for one in inputs if _holds_tracks(Path(one))]
    recordings = [one for one in inputs if not _holds_tracks(Path(one))]
    found = find_tracks(there, LOGITS_ENDING)
    if not recordings:
        return found
    if probe.track_settings_.get("follow"):
        raise ProbeError(
            f"expected tracks of animals, found recordings. {probe.id} follows animals: annotate the recordings with "
            "their poses first (vp-science annotate --poses), then give the folder logits in its results"
        )
    folder, ending = track_place(out, probe)
    settings = embed_settings(probe.track_settings_)
    job = EmbedJob(encoder.get(), settings, folder, {}, progress=progress, ending=ending)
    results = []
    for result in run_in_flight(collect_recordings(recordings), EmbedFlights(job)):
        append_manifest(folder, result, manifest_facts(job.encoder))
        if progress:
            progress.finish(result)
        results.append(result)
    if any(result.status == "failed" for result in results):
        raise BatchError(results)
    return [*found, *(result.output for result in results if result.output is not None)]


def _holds_tracks(path: Path) -> bool:
    if path.is_dir():
        return any(path.rglob(f"*{LOGITS_ENDING}"))
    return path.name.endswith((LOGITS_ENDING, OUTPUT_ENDING))
