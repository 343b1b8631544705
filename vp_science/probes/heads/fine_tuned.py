"""The head of a fine-tuned model: its tracks hold logits, so that nothing is left to do but to read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32

from vp_science.embedding.identity import identity_of
from vp_science.encoder.fine_tuned import FineTunedParts
from vp_science.encoder.info import ModelInfo
from vp_science.errors import ProbeError
from vp_science.probes.fine_tuned_parts import fine_tuned_info, parts_facts, parts_from_arrays, parts_to_arrays
from vp_science.probes.heads.base import Arrays, Head, HeadSettings, TrainingData
from vp_science.probes.objective import Objective
from vp_science.store.provenance import json_differences
from vp_science.store.tables import EmbeddingTable

_ROWS = 1 << 16


@dataclass
class FineTunedHead(Head):
    """Encoder and readout were trained together; a track is made by this very model and holds a logit per class.

    Attributes:
        parts: what was trained, and what it stands on.
    """

    settings_used: ClassVar[tuple[str, ...]] = ()
    refits: ClassVar[bool] = False
    reads_tracks: ClassVar[bool] = False

    parts: FineTunedParts
    log: dict[str, float] = field(default_factory=dict)

    @cached_property
    def info(self) -> ModelInfo:
        """What the model is; the hash of its tensors is computed once."""
        return fine_tuned_info(self.parts)

    @classmethod
    def context(cls, num_frames: int, settings: HeadSettings) -> int:
        """Nothing: the model has seen its window."""
        return 0

    @classmethod
    def fit(cls, data: TrainingData, objective: Objective, settings: HeadSettings) -> "FineTunedHead":
        """There is nothing to fit on tracks.

        Raises:
            ProbeError: always, saying how such a model is trained.
        """
        raise ProbeError(NOT_ON_TRACKS)

    def scores(self, track: EmbeddingTable, objective: Objective) -> Float32[np.ndarray, "grid behavior"]:
        """Probabilities from the logits of a track of this model."""
        if track.dim != self.parts.config.num_classes:
            raise ProbeError(
                f"{track.recording_id!r}: expected {self.parts.config.num_classes} logits per frame, found "
                f"{track.dim} numbers: annotate the recording again"
            )
        parts = [
            objective.probabilities(np.asarray(track.track[first : first + _ROWS], np.float32)[:, 0])
            for first in range(0, len(track), _ROWS)
        ]
        return np.concatenate(parts)

    def to_arrays(self) -> Arrays:
        """The tensors that were trained."""
        return parts_to_arrays(self.parts)

    def hashed(self) -> Arrays:
        """Nothing: the checkpoint in the settings of the tracks is the hash of all tensors."""
        return {}

    def facts(self) -> dict[str, Any]:
        """The model that this stands on, and the sizes."""
        return parts_facts(self.parts)

    def check(self, objective: Objective, tracks: Mapping[str, Any]) -> None:
        """Refuse what does not belong to this model.

        Raises:
            ProbeError: saying what differs.
        """
        classes = self.parts.config.num_classes
        if objective.num_classes != classes:
            raise ProbeError(f"expected a model with {objective.num_classes} logits per frame, found {classes}")
        own = {
            "model": self.info.name,
            "checkpoint": identity_of(self.info),
            "encoder_config": self.parts.config.to_json(),
        }
        if differences := json_differences(own, {name: tracks.get(name) for name in own}):
            raise ProbeError(f"expected the tracks of this very model, found others: {'; '.join(differences)}")

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], settings: HeadSettings) -> "FineTunedHead":
        """Not possible: see ``restore``."""
        raise ProbeError("expected the model that a fine-tuned probe stands on, found none: damaged")

    @classmethod
    def restore(
        cls, arrays: Mapping[str, np.ndarray], settings: HeadSettings, facts: Mapping[str, Any]
    ) -> "FineTunedHead":
        """Restore what ``to_arrays`` and ``facts`` gave."""
        return cls(parts_from_arrays(arrays, facts))


NOT_ON_TRACKS = (
    "expected a head that is fitted on embedding tracks (logistic, knn, prototype, attentive, temporal), found "
    "fine-tuned: encoder and readout are trained together on recordings, with vp-science train finetune. (To measure a "
    "fine-tuned probe, annotate labelled recordings that it never saw: vp-science probe evaluate --probe.)"
)
