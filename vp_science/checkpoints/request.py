"""Which encoder is wanted, in a form that can be sent to another process, which then loads it."""

from dataclasses import dataclass, replace
from typing import Literal

from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.model_folder import find_model_folder, read_model_folder
from vp_science.checkpoints.registry import find_model, is_model_name
from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.family import VideoModel
from vp_science.encoder.precision import choose_precision
from vp_science.typing import StrPath


@dataclass(frozen=True)
class EncoderRequest:
    """The arguments of ``load_encoder``; nothing is loaded yet.

    Attributes:
        model: a name, or the folder of a training.
        weights: a weights file, or the folder of a training; None takes the released ones.
        precision: operand type of matrix products.
        offline: never download.
    """

    model: StrPath
    weights: StrPath | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    offline: bool = False

    def load(self) -> VideoModel:
        """The encoder; see ``load_encoder``."""
        return load_encoder(self.model, self.weights, self.precision, offline=self.offline)

    def resolved(self) -> "EncoderRequest":
        """The same with the precision that this machine would choose."""
        return self if self.precision != "auto" else replace(self, precision=choose_precision()[0])

    @property
    def config(self) -> EncoderConfig:
        """The sizes of the encoder; its weights are not read.

        Raises:
            SettingsError: when the name is unknown.
            CheckpointError: when the folder holds no model.
        """
        named = isinstance(self.model, str) and is_model_name(self.model)
        folder = None if named else find_model_folder(self.model)
        return find_model(str(self.model)).config if folder is None else read_model_folder(folder).config
