"""What a loaded encoder is: the facts that go into the provenance of everything computed with it."""

from dataclasses import dataclass
from typing import Literal

from vp_science.encoder.precision import Precision

WeightsLayout = Literal["official", "official, unrolled", "transformers", "none"]


@dataclass(frozen=True)
class ModelInfo:
    """Where the weights of an encoder come from.

    Attributes:
        name: preset, for example ``"videoprism-base"``, or ``"custom"``.
        checkpoint: ``"sha256:<hex of the file> (<file name>)"``, or ``"seed:<seed> (untrained)"``.
        untrained: the weights are random; embeddings carry no learned meaning.
        precision: type that operands of matrix products are rounded to.
        precision_reason: why this one, in words to print.
        licence: of released weights (SPDX); "" for files and seeds of the user's own.
        layout: names and shapes found in the file.
        source: whole model the encoder was part of, for example ``"video encoder of a video-text checkpoint"``; ""
            when the file held the encoder alone.
    """

    name: str
    checkpoint: str
    untrained: bool
    precision: Precision
    precision_reason: str = ""
    licence: str = ""
    layout: WeightsLayout = "none"
    source: str = ""
