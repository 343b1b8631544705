"""What a run does otherwise than its protocol says."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from vp_science.bench.protocol import ClipSettings, Dataset
from vp_science.errors import SettingsError
from vp_science.probes.heads.base import HeadSettings
from vp_science.probes.registry import head_settings


@dataclass(frozen=True)
class Changes:
    """What is done otherwise than the protocol says; every change stands in the report.

    Attributes:
        max_recordings: at most so many recordings of every split, for a quick look.
        stride: clip frames between the starts of clips.
        spatial_pool: k for k x k vectors per frame.
        train_every: every how many clip frames of a training recording are examples.
        size: side of the square that frames are resized to, in pixels.
        head: another head than that of the protocol, with its own defaults.
        epochs: of the head, at most.
        width: of the head.
        length_tolerance: frames by which labels and recording may differ in length.
    """

    max_recordings: int | None = None
    stride: int | None = None
    spatial_pool: int | None = None
    train_every: int | None = None
    size: int | None = None
    head: str | None = None
    epochs: int | None = None
    width: int | None = None
    length_tolerance: int = 0

    def check(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            SettingsError: naming the setting.
        """
        for name in ("max_recordings", "stride", "spatial_pool", "train_every", "size", "epochs", "width"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(
                    f"{name}: expected a whole number above 0, found {value}: give one, or leave it out"
                )
        if self.length_tolerance < 0:
            raise SettingsError(f"length_tolerance: expected 0 or more frames, found {self.length_tolerance}")

    def clip(self, clip: ClipSettings) -> ClipSettings:
        """The clip settings with these changes."""
        given = {name: getattr(self, name) for name in ("stride", "spatial_pool", "train_every")}
        return replace(clip, **{name: value for name, value in given.items() if value is not None})

    def probe(self, head: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of the probe with these changes."""
        base = dict(head) if self.head in (None, head["head"]) else {"head": self.head}
        given = {"epochs": self.epochs, "width": self.width}
        return base | {name: value for name, value in given.items() if value is not None}

    def deviations(self, dataset: Dataset) -> list[str]:
        """Every change in a sentence."""
        clip, head = dataset.protocol.clip, dataset.protocol.head
        usual: dict[str, Any] = {"stride": clip.stride, "spatial_pool": clip.spatial_pool}
        usual |= {"train_every": clip.train_every}
        usual |= {name: head.get(name) for name in ("head", "epochs", "width")}
        changed = [
            f"{name.replace('_', ' ')} {getattr(self, name)} instead of {value}"
            for name, value in usual.items()
            if getattr(self, name) not in (None, value)
        ]
        if self.max_recordings is not None:
            changed.append(f"a quick look: at most {self.max_recordings} recordings of every split")
        if self.length_tolerance:
            changed.append(f"labels and recordings may differ by {self.length_tolerance} frames in length")
        return changed


def check_head(head: Mapping[str, Any]) -> None:
    """Refuse parameters that the head does not have, before hours of embedding."""
    given = {field.name: head[field.name] for field in fields(HeadSettings) if field.name in head}
    head_settings(head["head"], given, loss=head.get("loss", "cross-entropy"), label_smoothing=0.0)
