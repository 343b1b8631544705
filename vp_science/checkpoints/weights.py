"""Weights from a file, compared with what the encoder needs down to the last tensor, or refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vp_science.checkpoints.huggingface import MARKER, TEXT_BUFFERS, VISION_PREFIX, plan_transformers
from vp_science.checkpoints.layout import Shape, Source, fill_parameters, parameter_shapes, plan_official, plan_unrolled
from vp_science.checkpoints.registry import PRESETS
from vp_science.checkpoints.tensor_files import TensorFile, TensorHeader, open_tensors
from vp_science.encoder.config import ClassifierConfig, EncoderConfig, VideoTextConfig
from vp_science.encoder.family import VideoModel
from vp_science.encoder.info import WeightsLayout
from vp_science.errors import CheckpointError
from vp_science.files import hash_file
from vp_science.typing import StrPath

_MAX_LISTED = 20
_KINDS = {
    EncoderConfig: "the encoder",
    VideoTextConfig: "the video-text model",
    ClassifierConfig: "the classifier",
}
_FLOATS = {"<f4", ">f4", "<f2", ">f2", "bfloat16"}


@dataclass(frozen=True)
class Weights:
    """Weights of one model.

    Attributes:
        tensors: official name -> float32 values; complete, finite, of the right shapes.
        sha256: of the file.
        path: of the file.
        layout: names and shapes found in the file.
        source: whole model the encoder was taken from, "" when the file held the encoder alone.
    """

    tensors: Mapping[str, np.ndarray]
    sha256: str
    path: Path
    layout: WeightsLayout
    source: str


@dataclass(frozen=True)
class _Home:
    """Where a model may sit in a file.

    Attributes:
        mark: a tensor that tells.
        prefix: of all its tensors.
        source: the whole model it is part of; "" when it is the whole.
        others: prefixes of tensors that are not its own and may be there.
    """

    mark: str
    prefix: str
    source: str = ""
    others: tuple[str, ...] = ()


_MARK = "patch_projection/linear/kernel"
_POOLED = "video encoder of a classifier or pooled video model"
_VIDEO_TEXT = "video encoder of a video-text model"
_OFFICIAL_HOMES = (
    _Home(f"params/{_MARK}", "params/"),
    _Home(
        f"params/vision_encoder/{_MARK}",
        "params/vision_encoder/",
        _VIDEO_TEXT,
        ("params/auxiliary_encoder/", "params/contrastive_vision_pooler/", "params/text_encoder/"),
    ),
    _Home(f"params/encoder/{_MARK}", "params/encoder/", _POOLED, ("params/atten_pooler/", "params/projection/")),
)
_HF_POOLED = ("auxiliary_layers.", "head.", "head_layernorm.", "classifier.")
_HF_HOMES = (
    _Home(MARKER, ""),
    _Home("model." + MARKER, "model."),
    _Home("vision_model." + MARKER, "vision_model.", _POOLED, _HF_POOLED),
    _Home(
        VISION_PREFIX + MARKER,
        VISION_PREFIX,
        _VIDEO_TEXT,
        ("text_model.", *(f"video_model.{part}" for part in _HF_POOLED[:3])),
    ),
)
# Whole models, each in its one place.
_WHOLE_HOMES: dict[type[EncoderConfig], tuple[tuple[_Home, ...], tuple[_Home, ...]]] = {
    EncoderConfig: (_OFFICIAL_HOMES, _HF_HOMES),
    VideoTextConfig: (
        (_Home(f"params/vision_encoder/{_MARK}", "params/"),),
        (_Home(VISION_PREFIX + MARKER, "", others=TEXT_BUFFERS),),
    ),
    # The classifier of transformers pools with other head widths: its files hold another model.
    ClassifierConfig: ((_Home(f"params/encoder/{_MARK}", "params/"),), ()),
}


def load_weights(path: StrPath, config: EncoderConfig) -> Weights:
    """Read the weights of a model.

    Reads ``.npz`` and ``.safetensors`` with official names (stacked or one group per layer) or ``transformers`` names;
    which of them, the names in the file tell. For a plain encoder it takes the video encoder out of the file of a
    video-text model or a classifier and says so in ``source``. float16 and bfloat16 are widened to float32.

    Args:
        path: the file.
        config: sizes that the weights must have.

    Raises:
        CheckpointError: naming every missing, unexpected, misshapen or non-float tensor; or, if there is none of
            those, every tensor with values that are not finite; or saying why the file cannot be read.
    """
    path = Path(path)
    with open_tensors(path) as file:
        layout, home = _detect_layout(path, file.headers, config)
        sources = _plan(layout, config, home.prefix)
        problems = _compare(sources, home, file.headers)
        if problems:
            raise CheckpointError(_report(path, config, layout, home, file.headers, problems))
        tensors, broken = _read(file, sources, config)
    if broken:
        raise CheckpointError(
            f"{path}: expected finite numbers, found NaN or infinity in {_listed(broken)}: these weights are unusable"
        )
    return Weights(tensors, hash_file(path), path, layout, home.source)


def load_into(encoder: VideoModel, tensors: Mapping[str, np.ndarray]) -> None:
    """Replace all weights of a model.

    Args:
        encoder: changed in place.
        tensors: official name -> values; copied, never written to.

    Raises:
        CheckpointError: naming every missing, unexpected, misshapen, non-float or non-finite tensor.
    """
    config = encoder.config
    headers = {name: TensorHeader(tuple(array.shape), _dtype_name(array)) for name, array in tensors.items()}
    problems = _compare(plan_official(config), _WHOLE_HOMES[type(config)][0][0], headers)
    broken = [name for name, header in headers.items() if header.dtype in _FLOATS and not _is_finite(tensors[name])]
    if broken:
        problems.append(f"NaN or infinity in {_listed(broken)}")
    if problems:
        raise CheckpointError(
            f"expected the {len(parameter_shapes(config))} tensors of {_KINDS[type(config)]}; " + "; ".join(problems)
        )
    fill_parameters(encoder, {name: np.array(values, np.float32, copy=True) for name, values in tensors.items()})


def _dtype_name(array: np.ndarray) -> str:
    return "bfloat16" if array.dtype.name == "bfloat16" else array.dtype.str


def _detect_layout(path: Path, names: Iterable[str], config: EncoderConfig) -> tuple[WeightsLayout, _Home]:
    names = list(names)
    official, transformers = _WHOLE_HOMES[type(config)]
    for home in official:
        if home.mark in names:
            unrolled = any(name.startswith(home.prefix) and "/x_layers_0/" in name for name in names)
            return "official, unrolled" if unrolled else "official", home
    for home in transformers:
        if home.mark in names:
            return "transformers", home
    if any(name.startswith("params/") for name in names):
        return "official", official[0]
    known = " or ".join(
        f"{homes[0].mark}{layout}"
        for homes, layout in ((official, " (official)"), (transformers, " (transformers)"))
        if homes
    )
    raise CheckpointError(
        f"{path}: expected names like {known}, found {_listed(sorted(names), 5) or 'no tensor'}: these are not the "
        f"weights of {_KINDS[type(config)]} in a layout known here"
    )


def _plan(layout: WeightsLayout, config: EncoderConfig, prefix: str) -> list[Source]:
    if layout == "transformers":
        return plan_transformers(config, prefix)
    return plan_unrolled(config, prefix) if layout == "official, unrolled" else plan_official(config, prefix)


def _compare(sources: list[Source], home: _Home, headers: Mapping[str, TensorHeader]) -> list[str]:
    """What is wrong with a file, in words; reads no values."""
    expected = {source.name: source.shape for source in sources}
    missing = [f"{name} {list(shape)}" for name, shape in expected.items() if name not in headers]
    unexpected = [
        f"{name} {list(header.shape)}"
        for name, header in headers.items()
        if name not in expected and not name.startswith(home.others or ("\0",))
    ]
    misshapen = [
        f"{name} expected {list(shape)}, found {list(headers[name].shape)}"
        for name, shape in expected.items()
        if name in headers and headers[name].shape != shape
    ]
    mistyped = [
        f"{name} found {'pickled objects, which are never opened' if dtype == 'object' else dtype}"
        for name in expected
        if name in headers and (dtype := headers[name].dtype) not in _FLOATS
    ]
    groups = {
        "missing": missing,
        "unexpected": unexpected,
        "wrong shape": misshapen,
        "wrong type (expected float32, float16 or bfloat16)": mistyped,
    }
    return [f"{words} ({len(group)}): {_listed(group)}" for words, group in groups.items() if group]


def _report(
    path: Path,
    config: EncoderConfig,
    layout: WeightsLayout,
    home: _Home,
    headers: Mapping[str, TensorHeader],
    problems: list[str],
) -> str:
    fits = [spec.name for spec in PRESETS.values() if spec.config != config and _fits(spec.config, headers)]
    advice = f"they fit {fits[0]}: use that model" if fits else "use the file that belongs to this model"
    where = f" under {home.prefix!r}" if home.source else ""
    count = len(_plan(layout, config, home.prefix))
    return (
        f"{path}: expected the {count} tensors of {_KINDS[type(config)]}{where} ({layout} layout), found "
        f"{len(headers)} tensors that differ; {'; '.join(problems)}; {advice}"
    )


def _fits(config: EncoderConfig, headers: Mapping[str, TensorHeader]) -> bool:
    try:
        layout, home = _detect_layout(Path(), headers, config)
        return not _compare(_plan(layout, config, home.prefix), home, headers)
    except CheckpointError:
        return False


def _listed(items: list[str], most: int = _MAX_LISTED) -> str:
    rest = len(items) - most
    return ", ".join(items[:most]) + (f", ... and {rest} more" if rest > 0 else "")


def _read(file: TensorFile, sources: list[Source], config: EncoderConfig) -> tuple[dict[str, np.ndarray], list[str]]:
    """All values under their official names, and the names in the file whose values are not finite."""
    shapes = parameter_shapes(config)
    tensors: dict[str, np.ndarray] = {}
    broken = []
    for source in sources:
        values = file.read(source.name).astype(np.float32, copy=False)
        if not _is_finite(values):
            broken.append(source.name)
        shape: Shape = shapes[source.target]
        if source.layer is None:
            tensors[source.target] = np.ascontiguousarray(source.restore(values, shape))
        else:
            whole = tensors.setdefault(source.target, np.empty(shape, np.float32))
            whole[source.layer] = source.restore(values, shape[1:])
    return tensors, broken


def _is_finite(values: np.ndarray) -> bool:
    # Row by row, so that the mask of a large tensor costs no memory to speak of.
    rows = values.reshape(values.shape[0], -1) if values.ndim > 1 else values.reshape(1, -1)
    return all(bool(np.isfinite(row).all()) for row in rows)
