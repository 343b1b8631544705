"""The model that a training starts from, before and after its weights are read."""

from dataclasses import dataclass
from typing import Literal

from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.registry import PRESETS
from vp_science.checkpoints.weights import load_weights
from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.family import VideoModel
from vp_science.errors import CheckpointError
from vp_science.train.origin import Origin, find_origin


@dataclass(frozen=True)
class StartingModel(Origin):
    """An origin whose sizes are known."""

    config: EncoderConfig

    @property
    def origin(self) -> str:
        """Name and checkpoint, to be written down."""
        return f"{self.name} ({self.checkpoint})"

    def load(self, precision: Literal["auto", "float32", "bfloat16"] = "auto") -> VideoModel:
        """The model with its weights.

        Raises:
            CheckpointError: when the weights are damaged, or others than when the training was set up.
        """
        named = self.given in PRESETS or not _is_file(self.given)
        model = (
            load_encoder(self.given, precision=precision)
            if named
            else load_encoder(self.config, self.given, precision=precision)
        )
        self.check(model)
        return model


def find_starting_model(given: str) -> StartingModel:
    """What a name, a file or a folder stands for.

    A bare weights file does not say its sizes: those of the named models are tried, video-text models first, because
    their files hold an encoder, too.

    Raises:
        SettingsError: when there is no such model.
        CheckpointError: when its weights are missing, damaged or of sizes that have no name.
    """
    origin = find_origin(given)
    return StartingModel(given, origin.name, origin.checkpoint, origin.config or _sizes_in(given))


def _sizes_in(path: str) -> EncoderConfig:
    refusals = []
    for spec in sorted(PRESETS.values(), key=lambda spec: not spec.reads_text):
        try:
            load_weights(path, spec.config)
        except CheckpointError as error:
            refusals.append(f"as {spec.name}: {error}")
        else:
            return spec.config
    # What is wrong with a file of a known size takes fewer words than how it differs from another size.
    raise CheckpointError(
        f"{path}: expected weights of one of {', '.join(PRESETS)}, found others; {min(refusals, key=len)}. Models of "
        "other sizes are given as a folder with a model.json, as trainings write it"
    )


def _is_file(given: str) -> bool:
    return given.lower().endswith((".npz", ".safetensors"))
