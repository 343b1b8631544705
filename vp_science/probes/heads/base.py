"""What every head offers, and the settings they share."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32

from vp_science.errors import ProbeError
from vp_science.probes.dataset import Segment
from vp_science.probes.objective import Objective
from vp_science.store.tables import EmbeddingTable

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class HeadSettings:
    """Hyper-parameters; every head reads those that concern it (``Probe`` refuses the others).

    Attributes:
        features: what windows become for ``logistic``, ``knn`` and ``prototype``: the mean over their frames, or mean
            and standard deviation (what moves inside the window).
        regularization: ``logistic``: inverse of the penalty (C of scikit-learn).
        num_neighbors: ``knn``.
        width: hidden width of ``attentive`` and ``temporal``.
        dropout: share of hidden units switched off while training.
        learning_rate: peak of the cosine schedule.
        weight_decay: of AdamW.
        epochs: at most.
        batch_size: windows (``attentive``) or stretches of 256 frames (``temporal``) per step.
        patience: epochs without a better validation loss before training stops.
    """

    features: str = "mean"
    regularization: float = 0.01
    num_neighbors: int = 15
    width: int = 128
    dropout: float = 0.5
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    epochs: int = 40
    batch_size: int = 64
    patience: int = 8


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a head is fitted on.

    Attributes:
        train: labelled stretches.
        validation: labelled stretches that only decide when to stop; may be empty.
        num_frames: grid frames per window.
        seed: of everything random.
    """

    train: Sequence[Segment]
    validation: Sequence[Segment]
    num_frames: int
    seed: int


class Head(abc.ABC):
    """A readout on embeddings.

    Attributes:
        settings_used: the fields of ``HeadSettings`` that concern it.
        refits: whether fitting again on train and validation together is worth while (heads that stop early need their
            validation data).
        reads_tracks: it is fitted on embedding tracks; otherwise it has a model of its own, which makes its tracks.
        log: figures of the fit for the model card.
    """

    settings_used: ClassVar[tuple[str, ...]]
    refits: ClassVar[bool]
    reads_tracks: ClassVar[bool] = True
    log: dict[str, float]

    @classmethod
    @abc.abstractmethod
    def context(cls, num_frames: int, settings: HeadSettings) -> int:
        """Grid frames that are read on both sides of a labelled stretch."""

    @classmethod
    @abc.abstractmethod
    def fit(cls, data: TrainingData, objective: Objective, settings: HeadSettings) -> "Head":
        """Fit on labelled stretches."""

    @abc.abstractmethod
    def scores(self, track: EmbeddingTable, objective: Objective) -> Float32[np.ndarray, "grid behavior"]:
        """Probabilities at every grid frame of a whole track."""

    @abc.abstractmethod
    def to_arrays(self) -> Arrays:
        """Everything that was learned."""

    def hashed(self) -> Arrays:
        """What of it goes into the id of a probe, beside the settings of its tracks."""
        return self.to_arrays()

    def facts(self) -> dict[str, Any]:
        """What the arrays do not say and the head needs; JSON. Empty for heads that need nothing."""
        return {}

    def check(self, objective: Objective, tracks: Mapping[str, Any]) -> None:  # noqa: B027 - most heads fit any
        """Refuse an objective or settings of tracks that are not those of this head.

        Raises:
            ProbeError: saying what differs.
        """

    @classmethod
    def restore(cls, arrays: Mapping[str, np.ndarray], settings: HeadSettings, facts: Mapping[str, Any]) -> "Head":
        """Restore what ``to_arrays`` and ``facts`` gave."""
        return cls.from_arrays(arrays, settings)

    @classmethod
    @abc.abstractmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], settings: HeadSettings) -> "Head":
        """Restore what ``to_arrays`` gave."""


def take(arrays: Mapping[str, np.ndarray], name: str, ndim: int) -> np.ndarray:
    """One array of a bundle.

    Raises:
        ProbeError: when it is missing, has other axes, or is not finite.
    """
    array = arrays.get(name)
    if array is None or array.ndim != ndim or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        found = "nothing" if array is None else f"shape {array.shape} of {array.dtype}"
        raise ProbeError(
            f"expected {name!r} with {ndim} axes and finite numbers in the weights, found {found}: damaged"
        )
    return array
