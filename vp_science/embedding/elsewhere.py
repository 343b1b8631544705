"""Embedding on a cluster: what workers are sent, and what comes back."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vp_science.batch import BatchItem, EmbedResult
from vp_science.checkpoints.request import EncoderRequest
from vp_science.cluster.place import Cluster
from vp_science.cluster.run import cluster_run, run_on_cluster
from vp_science.embedding.flight import EmbedFlights
from vp_science.embedding.identity import SOFTWARE, check_software
from vp_science.embedding.inputs import refuse_open_recordings
from vp_science.embedding.job import EmbedJob
from vp_science.embedding.settings import EmbedSettings
from vp_science.recordings import Recording
from vp_science.typing import JSON


@dataclass(frozen=True)
class EmbedRecipe:
    """From which a worker of a cluster builds its ``EmbedJob``; attributes are as there.

    Attributes:
        encoder: which one; every worker loads it.
        settings: how recordings are embedded.
        folder: for the results.
        reading: options of ``open_recording``.
        overwrite: replace files that were made with other settings.
        software: versions where the batch was started; they must be the same on workers.
    """

    encoder: EncoderRequest
    settings: EmbedSettings
    folder: Path
    reading: dict[str, Any]
    overwrite: bool = False
    software: str = SOFTWARE

    def resolved(self) -> "EmbedRecipe":
        """The same with the precision that this machine would choose: all workers then take it."""
        check_software(self.software)
        return replace(self, encoder=self.encoder.resolved())

    def build(self, between_segments: Callable[[], None]) -> EmbedFlights:
        """The job, with its encoder loaded.

        Raises:
            VPScienceError: when the software differs, or there is no such encoder.
        """
        check_software(self.software)
        job = EmbedJob(
            self.encoder.load(),
            self.settings,
            self.folder,
            self.reading,
            self.overwrite,
            between_segments=between_segments,
        )
        return EmbedFlights(job)

    def failed(self, item: BatchItem, error: str) -> EmbedResult:
        """The result of a recording that no worker could finish."""
        return EmbedResult(item.recording_id, str(item.path), None, "failed", error)


def embed_elsewhere(
    items: Sequence[BatchItem | Recording], recipe: EmbedRecipe, cluster: Cluster
) -> Generator[tuple[int, EmbedResult, Mapping[str, JSON]], None, None]:
    """Position, result and facts for the manifest of every recording, as they are finished.

    Raises:
        SettingsError: when a recording is open already.
        ClusterError: when there are no workers, or none that can do it.
    """
    refuse_open_recordings(items)
    with cluster_run(recipe.folder) as run, closing(run_on_cluster(run, items, recipe, cluster)) as outcomes:
        for position, outcome in outcomes:
            yield position, outcome.result, outcome.facts
