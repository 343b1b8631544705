"""The models that have a name: sizes, weights files, licences. One table, and nothing here imports jax."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from vp_science.encoder.config import (
    BASE,
    GIANT,
    LARGE,
    LVT_BASE,
    LVT_GIANT,
    LVT_LARGE,
    LVT_TINY,
    TINY,
    EncoderConfig,
    VideoTextConfig,
)
from vp_science.errors import SettingsError

FileFormat = Literal["npz", "safetensors"]


@dataclass(frozen=True)
class WeightsFile:
    """One file with all weights of a model.

    Attributes:
        name: path inside the hub repository.
        local_name: name under which a user may drop the file into a weights folder; unique among all models.
        sha256: of the whole file, None where it has not been published.
        size_bytes: of the whole file, None where only an approximate size has been published.
    """

    name: str
    local_name: str
    sha256: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True)
class Download:
    """A file on the hub that may lie on this machine already.

    Attributes:
        name: what ``vp-science fetch`` calls it.
        repo: hub repository.
        revision: commit of ``repo``; downloads never follow a branch.
        files: ways in which the content is stored, in the order in which they are tried.
        least_bytes: a smaller file is an error page or a pointer.
        what: the content, in a word.
        option: how the user names a file of their own.
    """

    name: str
    repo: str
    revision: str
    files: tuple[WeightsFile, ...]
    least_bytes: int
    what: str
    option: str


@dataclass(frozen=True)
class ModelSpec:
    """A named model.

    Attributes:
        name: what the user types.
        config: sizes of the encoder.
        num_parameters: exact; a test compares it with the encoder itself.
        summary: one line for lists.
        licence: of the weights (SPDX).
        repo: hub repository of the weights, None where nobody released any.
        revision: commit of ``repo``; downloads never follow a branch.
        files: the weights by format, in the order in which they are tried.
        bundled: file of this package with the weights; a video encoder may be read out of that of a video-text model.
        seed: for models without trained weights: the seed that defines them.
        aliases: other names of the same model.
    """

    name: str
    config: EncoderConfig
    num_parameters: int
    summary: str
    licence: str
    repo: str | None = None
    revision: str | None = None
    files: Mapping[FileFormat, WeightsFile] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    bundled: str | None = None
    seed: int | None = None
    aliases: tuple[str, ...] = ()

    @property
    def released(self) -> bool:
        """Trained weights exist, for download or in this package."""
        return bool(self.files) or self.bundled is not None

    @property
    def bundled_path(self) -> Path | None:
        """Where the weights are that came with this package; None where none did."""
        return None if self.bundled is None else Path(__file__).parent / self.bundled

    @property
    def download(self) -> Download | None:
        """Where the weights are; None where nobody released any."""
        if not self.files or self.repo is None or self.revision is None:
            return None
        files = tuple(self.files.values())
        # Where no exact size has been published: two bytes a parameter are the least that holds them.
        least = 2 * self.num_parameters
        return Download(self.name, self.repo, self.revision, files, least, "weights", "--weights PATH (weights=PATH)")

    @property
    def reads_text(self) -> bool:
        """It is a video-text model."""
        return isinstance(self.config, VideoTextConfig)

    @property
    def num_frames(self) -> int:
        """Frames of a clip at the native size."""
        return self.config.num_frames

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of a clip at the native size, in pixels."""
        return self.config.image_size


def _files(
    name: str, npz: str, sha256: str | None = None, size_bytes: int | None = None
) -> Mapping[FileFormat, WeightsFile]:
    """The npz, and the safetensors, of which the hash and the size may be known."""
    # Every model calls its safetensors "model.safetensors", so a folder of dropped-in files needs other names.
    return MappingProxyType(
        {
            "npz": WeightsFile(npz, npz),
            "safetensors": WeightsFile("model.safetensors", f"{name}.safetensors", sha256, size_bytes),
        }
    )


# Revisions are the commits of the hub pull requests that add model.safetensors. They lie on top of `main`, which
# carries the Flax npz, so the npz should be found at the same commit: an inference that could not be checked here
# (no network). That is why fetching tries both files, and why both are pinned to that commit. Only one sha256 has
# been published; once known the others belong here.
_SPECS = (
    ModelSpec(
        name="videoprism-base",
        config=BASE,
        num_parameters=114_365_184,
        summary="VideoPrism-B: 114M parameters, 16 frames of 288 x 288",
        licence="Apache-2.0",
        repo="google/videoprism-base-f16r288",
        revision="2be2ef51d0d611d0fadf21a6d1470a4ad4af9249",
        files=_files("videoprism-base", "flax_base_f16r288_repeated.npz"),
        aliases=("videoprism_public_v1_base", "videoprism_v1_base", "google/videoprism-base-f16r288"),
    ),
    ModelSpec(
        name="videoprism-large",
        config=LARGE,
        num_parameters=353_965_056,
        summary="VideoPrism-L: 354M parameters, 8 frames of 288 x 288",
        licence="Apache-2.0",
        repo="google/videoprism-large-f8r288",
        revision="2e20e540e1cb89e734e2f2477590b7f8197250ca",
        files=_files("videoprism-large", "flax_large_f8r288_repeated.npz"),
        aliases=("videoprism_public_v1_large", "videoprism_v1_large", "google/videoprism-large-f8r288"),
    ),
    ModelSpec(
        name="videoprism-giant",
        config=GIANT,
        num_parameters=1_112_755_072,
        summary="VideoPrism-g: 1113M parameters, 8 frames of 288 x 288; its weights were never released",
        licence="",
        aliases=("videoprism_v1_giant",),
    ),
    ModelSpec(
        name="videoprism-tiny",
        config=TINY,
        num_parameters=2_908_992,
        summary="ours, to try things out: 3M parameters, 16 frames of 288 x 288; trained on drawn animals, included",
        licence="Apache-2.0",
        bundled="videoprism-lvt-tiny.safetensors",
    ),
    ModelSpec(
        name="videoprism-lvt-base",
        config=LVT_BASE,
        num_parameters=247_623_424,
        summary="VideoPrism-LvT-B, video and text: 248M parameters, 16 frames of 288 x 288",
        licence="Apache-2.0",
        repo="google/videoprism-lvt-base-f16r288",
        revision="fb6de9f0eb7bc285be86bdca1cf7daa3e3ef51ff",
        files=_files(
            "videoprism-lvt-base",
            "flax_lvt_base_f16r288_repeated.npz",
            "7d64ac2364d3473c0dd9fde35fb09e3cfb3b43153c3e9af79d7e49f1c8387cf5",
            993_993_146,
        ),
        aliases=("videoprism_lvt_public_v1_base", "videoprism_lvt_v1_base", "google/videoprism-lvt-base-f16r288"),
    ),
    ModelSpec(
        name="videoprism-lvt-large",
        config=LVT_LARGE,
        num_parameters=579_877_120,
        summary="VideoPrism-LvT-L, video and text: 580M parameters, 8 frames of 288 x 288",
        licence="Apache-2.0",
        repo="google/videoprism-lvt-large-f8r288",
        revision="03900b4ecc0b278b30abdc5953c575bb5f083865",
        files=_files("videoprism-lvt-large", "flax_lvt_large_f8r288_repeated.npz"),
        aliases=("videoprism_lvt_public_v1_large", "videoprism_lvt_v1_large", "google/videoprism-lvt-large-f8r288"),
    ),
    ModelSpec(
        name="videoprism-lvt-giant",
        config=LVT_GIANT,
        num_parameters=1_621_074_016,
        summary="VideoPrism-LvT-g, video and text: 1621M parameters, 8 frames of 288 x 288; never released",
        licence="",
        aliases=("videoprism_lvt_v1_giant",),
    ),
    ModelSpec(
        name="videoprism-lvt-tiny",
        config=LVT_TINY,
        num_parameters=5_033_920,
        summary="videoprism-tiny with its text encoder, to try things out: 5M parameters, included",
        licence="Apache-2.0",
        bundled="videoprism-lvt-tiny.safetensors",
    ),
)

# The vocabulary of the text encoders, SentencePiece "c4_en". Its first home, a bucket of the T5 project, is closed to
# the public; this is the same file, byte by byte, in the repository of another model that uses it.
TOKENIZER = Download(
    name="c4_en",
    repo="google/siglip-base-patch16-224",
    revision="7fd15f0689c79d79e38b1c2e2e2370a7bf2761ed",
    files=(
        WeightsFile(
            "spiece.model",
            "c4_en.sentencepiece.model",
            "1e5036bed065526c3c212dfbe288752391797c4bb1a284aa18c9a0b23fcaf8ec",
            798_330,
        ),
    ),
    least_bytes=798_330,
    what="tokenizer",
    option="--tokenizer PATH (tokenizer=PATH)",
)

PRESETS: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})


def find_model(name: str) -> ModelSpec:
    """The model of a name: ours, the official one or its hub repository.

    Raises:
        SettingsError: naming the nearest valid names.
    """
    names = _names()
    if name in names:
        return names[name]
    part = [known for known in names if name and name.lower() in known]
    near = part[:3] or difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "no name comes near, and there is no folder of this name"
    raise SettingsError(
        f"model: expected one of {', '.join(PRESETS)}, or the folder of a trained model, found {name!r}; {hint}"
    )


def is_included(name: str) -> bool:
    """Whether the weights of a model came with this package: small ones, to try things out with."""
    return is_model_name(name) and find_model(name).bundled is not None


def is_model_name(name: str) -> bool:
    """Whether ``find_model`` knows the name."""
    return name in _names()


def _names() -> dict[str, ModelSpec]:
    return {alias: spec for spec in _SPECS for alias in (spec.name, *spec.aliases)}


def count_parameters(config: EncoderConfig) -> int:
    """Number of parameters of an encoder, by tracing its construction: no memory is allocated for them."""
    from math import prod

    from vp_science.checkpoints.layout import parameter_shapes

    return sum(prod(shape) for shape in parameter_shapes(config).values())
