"""Which parameters are trained: a model taken apart so that only those are differentiated."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import numpy as np
from flax import nnx

from vp_science.encoder.config import FineTunedConfig
from vp_science.encoder.fine_tuned import FineTunedModel, FineTunedParts
from vp_science.encoder.info import ModelInfo
from vp_science.encoder.parts import cut_layers
from vp_science.errors import SettingsError
from vp_science.train.finetune.lora import BASE, DOWN, UP, adapt
from vp_science.train.finetune.settings import FinetuneSettings
from vp_science.train.functional import Params, Skeleton, flat_names, nested_names, split_model

_READOUT, _ENCODER = "readout/", "encoder/"
_TEMPORAL, _SPATIAL = "encoder/temporal_encoder/", "encoder/spatial_encoder/"
# What is measured once and stays: see FeatureScale.
_MEASURED = "/features/"


@dataclass(frozen=True)
class TrainedLayers:
    """How many layers of the encoder get a gradient, counted from its end.

    Attributes:
        temporal: of the temporal encoder.
        spatial: of the spatial encoder.
        num_temporal: it has.
        num_spatial: it has.
    """

    temporal: int
    spatial: int
    num_temporal: int
    num_spatial: int

    @classmethod
    def of(cls, settings: FinetuneSettings, config: FineTunedConfig) -> "TrainedLayers":
        """What the settings ask for.

        Raises:
            SettingsError: when they ask for more layers than there are.
        """
        num_temporal, num_spatial = config.num_temporal_layers, config.num_spatial_layers
        everything = num_temporal + num_spatial
        key, count = {
            "readout": ("train", 0),
            "lora": ("lora.layers", everything if settings.lora.layers is None else settings.lora.layers),
            "top": ("blocks", settings.blocks),
            "full": ("train", everything),
        }[settings.train]
        if count > everything:
            raise SettingsError(
                f"{key}: expected at most {everything} layers ({num_temporal} temporal and {num_spatial} spatial "
                f"ones), found {count}"
            )
        return cls(min(count, num_temporal), max(0, count - num_temporal), num_temporal, num_spatial)


@dataclass(frozen=True, eq=False)
class Trainee:
    """A fine-tuned model whose trained parameters stand apart from the others.

    Attributes:
        skeleton: of the model; adapters and cut stacks are part of it.
        params: what is trained.
        frozen: the rest.
        layers: which layers get a gradient.
        lora_scale: of the adapters' updates.
    """

    skeleton: Skeleton
    params: Params
    frozen: Params
    layers: TrainedLayers
    lora_scale: float

    def bind(self, params: Params, frozen: Params) -> FineTunedModel:
        """The model with these parameters; inside of ``jax.jit`` and ``jax.grad``, too."""
        model: FineTunedModel = self.skeleton.bind(nested_names(flat_names(frozen) | flat_names(params)))
        return model


def take_apart(model: FineTunedModel, settings: FinetuneSettings) -> Trainee:
    """Cut a model into what is trained and what is not.

    Stacks of layers are cut where the gradient ends: one array would be differentiated as a whole.

    Args:
        model: changed in place; do not use it afterwards.
        settings: which parameters.
    """
    layers = TrainedLayers.of(settings, model.config)
    encoder = model.encoder
    counts = (
        ("temporal_encoder", layers.temporal, layers.num_temporal),
        ("spatial_encoder", layers.spatial, layers.num_spatial),
    )
    rngs = nnx.Rngs(params=jax.random.fold_in(jax.random.key(settings.seed), 1))
    for name, trained, whole in counts:
        if 0 < trained < whole:
            setattr(encoder, name, cut_layers(getattr(encoder, name), trained))
        if trained and settings.train == "lora":
            part = getattr(encoder, name)
            adapt(part.above if trained < whole else part, settings.lora, rngs)
    skeleton, everything = split_model(model)
    flat = flat_names(everything)
    trained_names = {name for name in flat if _is_trained(name, settings, layers)}
    # On the host: the loop places what it needs on devices, and there is no second copy there.
    params = nested_names({name: np.asarray(value) for name, value in flat.items() if name in trained_names})
    frozen = nested_names({name: np.asarray(value) for name, value in flat.items() if name not in trained_names})
    return Trainee(skeleton, params, frozen, layers, settings.lora.alpha / settings.lora.rank)


def _is_trained(name: str, settings: FinetuneSettings, layers: TrainedLayers) -> bool:
    if name.startswith(_READOUT):
        return _MEASURED not in f"/{name}"
    if settings.train == "full":
        return True
    if settings.train == "lora":
        return name.endswith((f"/{DOWN}", f"/{UP}"))
    if settings.train == "readout":
        return False
    if name.startswith(_TEMPORAL):
        return layers.temporal == layers.num_temporal or "/above/" in name
    if name.startswith(_SPATIAL):
        return layers.spatial > 0 and (layers.spatial == layers.num_spatial or "/above/" in name)
    # What lies between trained layers is trained, what lies below the lowest one is not.
    return name.startswith("encoder/temporal_ln/") or (
        layers.spatial > 0 and name.startswith(("encoder/temporal_pos_emb/", "encoder/spatial_ln/"))
    )


def layer_depths(params: Params, layers: TrainedLayers) -> Params:
    """How many layers lie between a parameter and the readout, which has 0; one number per layer of a stack."""
    num_temporal, num_spatial = layers.num_temporal, layers.num_spatial

    def depth(name: str, count: int) -> np.ndarray:
        last_ones = np.arange(count, 0, -1, dtype=np.int32)
        if name.startswith(_TEMPORAL):
            return last_ones
        if name.startswith(_SPATIAL):
            return num_temporal + last_ones
        fixed = {
            "readout": 0,
            "temporal_ln": 1,
            "temporal_pos_emb": num_temporal,
            "spatial_ln": num_temporal + 1,
            "spatial_pos_emb": num_temporal + num_spatial + 1,
            "patch_projection": num_temporal + num_spatial + 1,
        }
        return np.asarray(fixed[name.removeprefix("encoder/").split("/")[0]], np.int32)

    return nested_names({name: depth(name, len(value)) for name, value in flat_names(params).items()})


def rate_factors(params: Params, factor: float) -> Params:
    """Factors of the learning rate: 1 for the readout, ``factor`` for what was trained before."""
    flat = flat_names(params)
    return nested_names({name: np.float32(1.0 if name.startswith(_READOUT) else factor) for name in flat})


def to_parts(
    trainee: Trainee,
    config: FineTunedConfig,
    base: ModelInfo,
    params: Mapping[str, np.ndarray],
    frozen: Mapping[str, np.ndarray],
) -> FineTunedParts:
    """What a training made, as bundles hold it.

    Args:
        trainee: as it was trained.
        config: sizes of the model.
        base: the encoder that the training started from.
        params: flat, on the host.
        frozen: flat, on the host; of these only what was measured for the readout is part of the result.
    """
    readout = {name: value for name, value in {**frozen, **params}.items() if name.startswith(_READOUT)}
    tensors, pairs = {}, {}
    for name, value in params.items():
        parent, _, last = name.rpartition("/")
        official = name.replace("/above/", "/").removeprefix(_ENCODER)
        if name.startswith(_READOUT):
            continue
        if f"{parent}/{BASE}" not in frozen:
            tensors[official] = np.asarray(value, np.float32)
        elif last == DOWN:
            up = np.asarray(params[f"{parent}/{UP}"], np.float32)
            pairs[official.rpartition("/")[0]] = (np.asarray(value, np.float32), up * np.float32(trainee.lora_scale))
    return FineTunedParts(
        config,
        base,
        {name.removeprefix(_READOUT): np.asarray(value, np.float32) for name, value in readout.items()},
        tensors,
        pairs,
    )
