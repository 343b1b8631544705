"""What worker processes make: the clips of all batches, one after the other."""

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

import numpy as np

from vp_science.recordings import RecordingWarning
from vp_science.train.data.clips import ClipReader, Element
from vp_science.train.data.draw import row_generator
from vp_science.train.data.mixup import mix_pair
from vp_science.train.data.schedule import Schedule

_ENDLESS = 1 << 48


@dataclass(eq=False)
class Elements:
    """All elements of this host's batches by their number; with mixup an element is a pair of clips.

    It is the source of a grain pipeline: plain data until a worker reads its first clip.

    Attributes:
        schedule: which data set a batch comes from.
        readers: of every data set; None for synthetic footage, whose clips are drawn in the main process.
        batch_size: of all hosts.
        host: number of this host, and of how many.
        seed: of everything random.
        mixup: parameter of the Beta distribution; 0 mixes nothing.
    """

    schedule: Schedule
    readers: tuple[ClipReader | None, ...]
    batch_size: int
    host: tuple[int, int]
    seed: int
    mixup: float

    @property
    def clips_per_element(self) -> int:
        """Clips that are read together."""
        return 2 if self.mixup else 1

    @property
    def per_batch(self) -> int:
        """Elements of a batch on this host."""
        return self.batch_size // self.host[1] // self.clips_per_element

    def __len__(self) -> int:
        return _ENDLESS

    def __getitem__(self, number: Any) -> list[Element]:
        """The clips of an element."""
        step, place = divmod(int(number), self.per_batch)
        source, earlier = self.schedule(step)
        local = self.batch_size // self.host[1]
        first = earlier * self.batch_size + self.host[0] * local + place * self.clips_per_element
        reader = self.readers[source]
        if reader is None:
            return [{"source": np.int32(source), "row": np.int64(first + k)} for k in range(self.clips_per_element)]
        clips = [reader.read(first + k) for k in range(self.clips_per_element)]
        if self.mixup:
            rng = row_generator(self.seed, source, first, "mixup")
            clips = list(mix_pair(clips[0], clips[1], self.mixup, rng))
        return clips

    def close(self) -> None:
        """Close the recordings that this process opened."""
        for reader in self.readers:
            if reader is not None:
                reader.close()


def start_worker(index: int, count: int) -> None:
    """Make a new process one that reads clips.

    Signals that end a training (Ctrl-C, SIGTERM or SIGUSR1 of a scheduler to all its processes) are for the main
    process, which still needs batches until it has saved. When the main process dies in any way, this one ends.
    """
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):  # SIGUSR1 is not everywhere
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    warnings.simplefilter("ignore", RecordingWarning)  # the main process said it when it checked the recordings
    parent = multiprocessing.parent_process()
    if parent is not None:
        end_with(lambda: wait([parent.sentinel]))


def end_with(until: Callable[[], object]) -> None:
    """End this process when a call returns."""

    def watch() -> None:
        until()
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()
