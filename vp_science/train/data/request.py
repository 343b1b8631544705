"""What a stage of training asks of its data."""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int32

from vp_science.errors import SettingsError
from vp_science.timeline.behaviors import Behaviors
from vp_science.train.data.settings import AugmentSettings, ClipSettings, DataSettings, LoaderSettings
from vp_science.train.settings import LoopSettings


@runtime_checkable
class TextTokenizer(Protocol):
    """Texts as numbers; ``vp_science.checkpoints.tokenizer.Tokenizer`` is one."""

    def __call__(self, texts: list[str]) -> tuple[Int32[np.ndarray, "b l"], Bool[np.ndarray, "b l"]]:
        """Ids of pieces, and which of them are there."""
        ...


@runtime_checkable
class ClipRun(Protocol):
    """Settings of a stage that reads clips."""

    @property
    def data(self) -> tuple[DataSettings, ...]:
        """The data sets."""
        ...

    @property
    def clips(self) -> ClipSettings:
        """Windows."""
        ...

    @property
    def augment(self) -> AugmentSettings:
        """Variation."""
        ...

    @property
    def loader(self) -> LoaderSettings:
        """Processes."""
        ...

    @property
    def seed(self) -> int:
        """Of everything random."""
        ...

    @property
    def loop(self) -> LoopSettings:
        """Has the size of a batch."""
        ...


@dataclass(frozen=True)
class BatchRequest:
    """Everything that determines the batches of a training.

    Attributes:
        data: the data sets.
        clips: windows.
        augment: variation.
        loader: processes; they do not change what is in a batch.
        batch_size: clips of a batch on all hosts together.
        seed: of everything random.
        patch_size: of the model, in pixels: the size of clips must be a multiple of it.
        text: tokenises captions; None asks for no text.
        behaviors: the behaviors that are learned, in the order of ``states``; None asks for no labels.
        host: number of this host, and of how many. Hosts get disjoint parts, which together are the whole batch.
    """

    data: tuple[DataSettings, ...]
    clips: ClipSettings
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    loader: LoaderSettings = field(default_factory=LoaderSettings)
    batch_size: int = 32
    seed: int = 0
    patch_size: int = 1
    text: TextTokenizer | None = None
    behaviors: Behaviors | None = None
    host: tuple[int, int] = (0, 1)

    @classmethod
    def of(cls, settings: ClipRun, patch_size: int, **more: Any) -> "BatchRequest":
        """The request of a run.

        Args:
            settings: of any stage.
            patch_size: of its model.
            more: further fields, or others than the settings say.
        """
        fields = {key: getattr(settings, key) for key in ("data", "clips", "augment", "loader", "seed")}
        return cls(**{**fields, "batch_size": settings.loop.batch_size, "patch_size": patch_size, **more})

    @property
    def local_batch(self) -> int:
        """Clips of a batch on this host."""
        return self.batch_size // self.host[1]

    def check(self) -> None:
        """Refuse what does not fit together.

        Raises:
            SettingsError: naming the key.
        """
        _check("data", "nothing", bool(self.data), "at least one data set: give data.path")
        size, patch = self.clips.size, self.patch_size
        near = max(patch, size // patch * patch)
        _check("clips.size", size, size % patch == 0, f"a multiple of the patch size {patch} (for example {near})")
        host, hosts = self.host
        _check("host", self.host, 0 <= host < hosts, "a number below that of the hosts")
        batch = self.batch_size
        _check("loop.batch_size", batch, batch >= 1 and batch % hosts == 0, f"a multiple of the {hosts} hosts")
        whole, speed = self.clips.cover == "whole", self.augment.speed
        _check("augment.speed", speed, not whole or speed == (1.0, 1.0), '(1, 1) with clips.cover = "whole"')
        mixup = self.augment.mixup
        _check("augment.mixup", mixup, not mixup or self.behaviors is not None, "0: only fine-tuning mixes labels")
        even = self.local_batch % 2 == 0
        _check("loop.batch_size", batch, not mixup or even, "an even number on every host with augment.mixup")
        for number, data in enumerate(self.data):
            self._check_set(f"data[{number}]", data)

    def _check_set(self, key: str, data: DataSettings) -> None:
        synthetic = data.path == "synthetic"
        if self.text is not None and not synthetic:
            _check(f"{key}.captions", "none", data.captions is not None, f"a table of captions of {data.path}")
        if self.behaviors is not None and not synthetic:
            _check(f"{key}.annotations", "none", data.annotations is not None, f"annotations of {data.path}")


def _check(name: str, found: object, fits: bool, expected: str) -> None:
    if not fits:
        raise SettingsError(f"{name}: expected {expected}, found {found}")
