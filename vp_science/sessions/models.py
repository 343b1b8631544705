"""The models that can be chosen, in words: what they are, and whether their weights are on this machine."""

from dataclasses import dataclass
from pathlib import Path

from vp_science.checkpoints.fetch import is_cached
from vp_science.checkpoints.model_folder import ModelFolder, list_trained
from vp_science.checkpoints.registry import PRESETS, ModelSpec
from vp_science.encoder.config import VideoTextConfig

_BYTES_PER_PARAMETER = 4


@dataclass(frozen=True)
class ModelChoice:
    """One model.

    Attributes:
        name: what ``load_encoder`` takes; of a trained model, that of its folder.
        num_parameters: how large it is.
        dim: numbers per vector.
        num_frames: frames it was made to see together.
        image_size: height and width of its pictures.
        reads_text: recordings that it embeds can be searched by text.
        untrained: it has random weights and is for trying things out only.
        included: its weights came with the program: small, trained on drawn animals, and for trying things out, too.
        weights: the file with its weights on this machine; None where there is none.
        download_bytes: about how much a download is; None where nobody released weights.
        source: where a download comes from.
        licence: of the weights.
    """

    name: str
    num_parameters: int
    dim: int
    num_frames: int
    image_size: tuple[int, int]
    reads_text: bool
    untrained: bool
    included: bool
    weights: Path | None
    download_bytes: int | None
    source: str
    licence: str

    @property
    def ready(self) -> bool:
        """It can be used without a download or a file of one's own."""
        return self.untrained or self.weights is not None

    @property
    def released(self) -> bool:
        """Weights can be downloaded, or need not be."""
        return self.ready or self.download_bytes is not None


def list_models() -> list[ModelChoice]:
    """All models that have a name, then those that were trained here and dropped into the weights folder.

    Looks at the disk, never at the network.

    Raises:
        CheckpointError: ``$VP_SCIENCE_WEIGHTS`` is set and is no folder.
    """
    return [*map(_choice, PRESETS.values()), *map(_trained, list_trained())]


def _choice(spec: ModelSpec) -> ModelChoice:
    files = tuple(spec.files.values())
    known = next((file.size_bytes for file in files if file.size_bytes), None)
    size = (known or _BYTES_PER_PARAMETER * spec.num_parameters) if files else None
    return ModelChoice(
        name=spec.name,
        num_parameters=spec.num_parameters,
        dim=spec.config.model_dim,
        num_frames=spec.num_frames,
        image_size=spec.image_size,
        reads_text=spec.reads_text,
        untrained=spec.seed is not None and not spec.released,
        included=spec.bundled is not None,
        weights=is_cached(spec),
        download_bytes=size,
        source=f"huggingface.co/{spec.repo}" if spec.repo else "",
        licence=spec.licence,
    )


def _trained(model: ModelFolder) -> ModelChoice:
    return ModelChoice(
        name=model.path.name,
        num_parameters=model.num_parameters,
        dim=model.config.model_dim,
        num_frames=model.config.num_frames,
        image_size=model.config.image_size,
        reads_text=isinstance(model.config, VideoTextConfig),
        untrained=False,
        included=False,
        weights=model.weights,
        download_bytes=None,
        source=str(model.path),
        licence="",
    )
