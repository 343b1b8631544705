"""The stream of batches: a grain pipeline of worker processes, whose position is a number."""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from vp_science.errors import RecordingError, SettingsError, VPScienceError, require_extra
from vp_science.recordings import RecordingWarning
from vp_science.train.data.clips import Element
from vp_science.train.data.describe import describe_lines
from vp_science.train.data.elements import Elements, start_worker
from vp_science.train.data.listing import Listing, check_listing
from vp_science.train.data.request import BatchRequest, TextTokenizer
from vp_science.train.data.synthetic_source import SyntheticSource
from vp_science.train.stage import Batch
from vp_science.typing import JSON

_AHEAD = 2
"""Clips that each worker keeps ready: they lie in shared memory, of which containers have little."""


class ClipStream:
    """Batches without an end; see :class:`vp_science.train.stage.BatchStream`.

    The n-th batch is a function of the settings and n. It does not depend on the number of workers, on what was read
    before, or on how a run was cut into pieces.

    Args:
        elements: the clips of all batches.
        request: what was asked for.
        listings: what the data sets consist of.
        description: what they are, in figures.

    Attributes:
        description: as given.
        damage: damaged clips that were left out, by the id of their recording.
    """

    def __init__(
        self, elements: Elements, request: BatchRequest, listings: Sequence[Listing], description: dict[str, JSON]
    ) -> None:
        self.description = description
        self._elements = elements
        self._request = request
        self._listings = list(listings)
        self._synthetic = {
            number: SyntheticSource(number, request)
            for number, reader in enumerate(elements.readers)
            if reader is None
        }  # fmt: skip
        self._step = 0
        self._iterator: Any = None
        self._closed = False
        self.damage: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        """The next batch.

        Raises:
            RecordingError: when clips cannot be read any more, or a worker process died.
        """
        if self._closed:
            raise SettingsError("expected an open stream of batches, found it closed: open it again")
        if self._iterator is None:
            self._iterator = self._start()
        try:
            batch, damage = next(self._iterator)
        except VPScienceError:
            self.close()
            raise
        except RuntimeError as error:
            self.close()
            if "terminated unexpectedly" not in str(error):
                raise
            raise RecordingError(
                f"expected worker processes that read clips to live as long as the training, found that one "
                f"was killed ({error}): this is mostly a lack of memory; use fewer loader.workers or a smaller "
                "loader.prefetch, and go on from the last checkpoint"
            ) from error
        self._step += 1
        self._report(damage)
        return dict(batch)

    def get_state(self) -> dict[str, Any]:
        """Where the stream is, as JSON."""
        return {
            "version": 1,
            "step": self._step,
            "seed": self._request.seed,
            "batch_size": self._request.batch_size,
            "data": [dict(listing) for listing in self._listings],
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go where another stream with the same settings was; the number of workers and of hosts may differ.

        Raises:
            SettingsError: when the state is not one of a stream with these settings, or recordings, captions or labels
                were added, removed or changed; it names them.
        """
        try:
            version, step = state["version"], state["step"]
            same = (state["seed"], state["batch_size"]) == (self._request.seed, self._request.batch_size)
            listings = list(state["data"])
        except (KeyError, TypeError) as error:
            raise SettingsError(f"expected the state of a stream of batches, found something else ({error})") from error
        if version != 1 or type(step) is not int or step < 0 or not same or len(listings) != len(self._listings):
            raise SettingsError(
                f"expected the state of a stream with seed={self._request.seed}, "
                f"batch_size={self._request.batch_size} and {len(self._listings)} data sets, found "
                f"seed={state['seed']}, batch_size={state['batch_size']} and {len(listings)}: go on with the settings "
                "that the training began with"
            )
        for data, now, then in zip(self._request.data, self._listings, listings, strict=True):
            check_listing(data.path, now, then)
        self._stop()
        self._step = step

    def describe(self) -> list[str]:
        """What the data sets are, as lines of text."""
        return describe_lines(self.description)

    def metrics(self) -> dict[str, float]:
        """What a log should say of the data so far."""
        return {"data/damaged_clips": float(self.damage.total()), "data/damaged_recordings": float(len(self.damage))}

    def close(self) -> None:
        """End worker processes and threads, close recordings."""
        self._closed = True
        self._stop()
        self._elements.close()

    def _stop(self) -> None:
        iterator, self._iterator = self._iterator, None
        if iterator is not None:
            iterator.close()

    def _start(self) -> Any:
        grain = _load_grain()
        elements, workers = self._elements, self._request.loader.workers
        reading = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
        clips = grain.MapDataset.source(elements)[self._step * elements.per_batch :].to_iter_dataset(reading)
        if workers:
            options = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=_AHEAD)
            clips = clips.mp_prefetch(options, worker_init_fn=start_worker)
        batches = clips.batch(elements.per_batch, drop_remainder=True, batch_fn=self._join)
        prefetch = self._request.loader.prefetch
        return iter(grain.experimental.ThreadPrefetchIterDataset(batches, prefetch_buffer_size=prefetch))

    def _join(self, groups: Sequence[Sequence[Element]]) -> tuple[Batch, list[tuple[str, str]]]:
        """Elements as a batch, and what was damaged."""
        clips = [clip for group in groups for clip in group]
        source = self._synthetic.get(int(clips[0]["source"]))
        if source is not None:
            clips = source.draw(clips)
        damage = [what for clip in clips for what in clip.pop("damage", ())]
        return join_clips(clips, self._request.text), damage

    def _report(self, damage: Sequence[tuple[str, str]]) -> None:
        for name, message in damage:
            if name not in self.damage:
                text = f"a damaged clip was left out, and another one taken; further ones of {name!r} are only counted"
                warnings.warn(f"{text}: {message}", RecordingWarning, stacklevel=3)
            self.damage[name] += 1


def _load_grain() -> ModuleType:
    """Grain, with its flags at their defaults: it reads them through absl, which refuses before somebody parsed any.

    Raises:
        MissingExtraError: when it is not installed.
    """
    grain = require_extra("grain", "train")
    flags = require_extra("absl.flags", "train").FLAGS
    if not flags.is_parsed():
        flags.mark_as_parsed()
    return grain


def join_clips(clips: Sequence[Element], text: TextTokenizer | None) -> Batch:
    """Clips as a batch: every entry gets a leading axis, captions become ids."""
    batch: Batch = {
        name: np.stack([clip[name] for clip in clips]) for name in clips[0] if name not in ("caption", "damage")
    }
    if text is not None:
        batch["text"], batch["text_valid"] = text([clip["caption"] for clip in clips])
    return batch
