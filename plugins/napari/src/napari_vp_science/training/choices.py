"""What people chose about training, and how a session remembers it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

HEADS = {
    "logistic": "Logistic: seconds, few labels do",
    "temporal": "Temporal: slower, better with many labels",
    "attentive": "Attentive: slower, better with many labels",
}
LOOKS = {
    "auto": "Whole frames, or named animals",
    "frames": "Whole frames",
    "animals": "Single animals",
}
RULES = ("median_s", "fill_gap_s", "min_bout_s")
_KEY = "training"
_MOST_S = 600.0


@dataclass
class Choices:
    """Choices of the Train page.

    Attributes:
        probe: id of the probe that is used, "" for none.
        head: kind of probe to train.
        look_at: which tracks it learns from.
        automatic: train again by itself.
        after: after so many changed bouts.
        thresholds: by behavior, where somebody chose another one than the probe.
        rules: by name, where somebody chose another one than the probe.
    """

    probe: str = ""
    head: str = "logistic"
    look_at: str = "auto"
    automatic: bool = False
    after: int = 10
    thresholds: dict[str, float] = field(default_factory=dict)
    rules: dict[str, float] = field(default_factory=dict)

    @property
    def chosen(self) -> dict[str, dict[str, float]]:
        """Thresholds and rules that somebody chose, for a job."""
        return {"thresholds": dict(self.thresholds), "rules": dict(self.rules)}

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Choices":
        """From the settings of a session; what is missing or makes no sense is as in a new session."""
        given = settings.get(_KEY)
        record: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
        made, probe, after = cls(), record.get("probe"), record.get("after")
        if isinstance(probe, str):
            made.probe = probe
        head, look_at = record.get("head"), record.get("look_at")
        if isinstance(head, str) and head in HEADS:
            made.head = head
        if isinstance(look_at, str) and look_at in LOOKS:
            made.look_at = look_at
        if type(after) is int and 1 <= after <= 1000:
            made.after = after
        made.automatic = record.get("automatic") is True
        made.thresholds = _numbers(record.get("thresholds"), 1.0)
        made.rules = {name: value for name, value in _numbers(record.get("rules"), _MOST_S).items() if name in RULES}
        return made

    def remember(self, settings: dict[str, Any]) -> None:
        """Put them into the settings of a session."""
        settings[_KEY] = asdict(self)


def _numbers(value: object, most: float) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return {}
    return {
        str(name): float(number)
        for name, number in value.items()
        if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
        and 0 <= number <= most
    }  # fmt: skip
