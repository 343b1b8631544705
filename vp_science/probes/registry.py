"""The heads by name, and their settings."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vp_science.errors import ProbeError
from vp_science.probes.heads.attentive import AttentiveHead
from vp_science.probes.heads.base import Head, HeadSettings
from vp_science.probes.heads.examples import NeighborsHead, PrototypeHead
from vp_science.probes.heads.fine_tuned import FineTunedHead
from vp_science.probes.heads.logistic import LogisticHead
from vp_science.probes.heads.temporal import TemporalHead

HEADS: dict[str, type[Head]] = {
    "logistic": LogisticHead,
    "knn": NeighborsHead,
    "prototype": PrototypeHead,
    "attentive": AttentiveHead,
    "temporal": TemporalHead,
    "fine-tuned": FineTunedHead,
}
_DEFAULTS = {
    "attentive": HeadSettings(width=128, dropout=0.5, batch_size=64),
    "temporal": HeadSettings(width=64, dropout=0.3, batch_size=8, epochs=15, patience=4),
}
_GRADIENT_HEADS = ("attentive", "temporal", "fine-tuned")


def find_head(name: str) -> type[Head]:
    """The head of a name.

    Raises:
        ProbeError: listing the names that there are.
    """
    if name not in HEADS:
        fitted = [known for known, head in HEADS.items() if head.reads_tracks]
        raise ProbeError(f"expected a head of {', '.join(fitted)}, found {name!r}: choose one of them")
    return HEADS[name]


def head_settings(head: str, given: Mapping[str, Any], *, loss: str, label_smoothing: float) -> HeadSettings:
    """The settings of a head: its defaults with what was given.

    Raises:
        ProbeError: when a setting has no effect on this head, or is out of range.
    """
    used = find_head(head).settings_used
    if unused := sorted(set(given) - set(used)):
        has = f"it has {', '.join(used)}" if used else "it has none"
        raise ProbeError(f"the head {head!r} has no setting {unused[0]!r}: {has}; leave it out")
    if head not in _GRADIENT_HEADS and (loss != "cross-entropy" or label_smoothing):
        raise ProbeError(
            f"expected cross-entropy without label smoothing for the head {head!r}, found {loss} with smoothing "
            f"{label_smoothing:g}: use them with {' or '.join(_GRADIENT_HEADS[:2])}"
        )
    settings = replace(_DEFAULTS.get(head, HeadSettings()), **given)
    positive = ("regularization", "num_neighbors", "width", "learning_rate", "epochs", "batch_size", "patience")
    for name in positive:
        if not getattr(settings, name) > 0:
            raise ProbeError(f"expected {name} above 0, found {getattr(settings, name)}: give a positive number")
    if not 0 <= settings.dropout < 1 or settings.weight_decay < 0:
        raise ProbeError(
            f"expected dropout from 0 to below 1 and weight_decay of at least 0, found {settings.dropout} and "
            f"{settings.weight_decay}"
        )
    return settings
