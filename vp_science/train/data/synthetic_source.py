"""Synthetic footage as a data set: drawn by JAX in the main process, on its device."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int8

from vp_science.train.data.clips import Element
from vp_science.train.data.draw import row_generator
from vp_science.train.data.mixup import mix_pair
from vp_science.train.data.request import BatchRequest

if TYPE_CHECKING:
    from vp_science.samples.synthetic import SyntheticSettings


@dataclass(eq=False)
class SyntheticSource:
    """Clips of one synthetic data set.

    The clips of a row depend on the seed of the training, the number of the data set and the row.
    """

    source: int
    request: BatchRequest

    def draw(self, elements: list[Element]) -> list[Element]:
        """Fill in the clips of a batch.

        Args:
            elements: with ``source`` and ``row``.
        """
        from vp_science.samples.synthetic import draw_clips

        rows = np.array([element["row"] for element in elements], np.int64)
        drawn = draw_clips(self._seed(), rows, self.settings())
        states = self._columns(np.asarray(drawn.states, np.int8))
        done: list[Element] = []
        for number, element in enumerate(elements):
            video = np.asarray(drawn.video[number])
            clip: Element = element | {"video": video, "valid": np.ones(len(video), bool), "skipped": np.int32(0)}
            if self.request.behaviors is not None:
                clip["states"] = states[number]
            if self.request.text is not None:
                said = [drawn.captions[number], *drawn.paraphrases[number], drawn.brief[number]]
                rng = row_generator(self.request.seed, self.source, int(element["row"]), "clip")
                clip["caption"] = said[int(rng.integers(len(said)))]
            done.append(clip)
        return self._mixed(done) if self.request.augment.mixup else done

    def settings(self) -> "SyntheticSettings":
        """What is drawn; without ``clips.fps`` at the rate that drawings have by default.

        Raises:
            SettingsError: when there is no such species, behavior, background or look.
        """
        from vp_science.samples.synthetic import SyntheticSettings

        clips, draw = self.request.clips, asdict(self.request.data[self.source].draw)
        if clips.fps is not None:
            draw["fps"] = clips.fps
        return SyntheticSettings(num_frames=clips.num_frames, size=clips.size, **draw)

    def _seed(self) -> int:
        """A seed of its own: two synthetic data sets do not show the same clips."""
        return int(row_generator(self.request.seed, self.source, 0, "clip").integers(1 << 31))

    def _columns(self, states: Int8[np.ndarray, "b t own"]) -> Int8[np.ndarray, "b t c"]:
        """States of the behaviors that are learned; unknown for those that are never drawn."""
        if self.request.behaviors is None:
            return states
        from vp_science.samples.synthetic import SYNTHETIC_BEHAVIORS

        own = SYNTHETIC_BEHAVIORS
        columns = [own.index(name) if name in own else -1 for name in self.request.behaviors.names]
        known = np.concatenate([states, np.full((*states.shape[:2], 1), -1, np.int8)], axis=2)
        return np.asarray(known[:, :, columns])

    def _mixed(self, clips: list[Element]) -> list[Element]:
        mixed: list[Element] = []
        for first, second in zip(clips[::2], clips[1::2], strict=True):
            rng = row_generator(self.request.seed, self.source, int(first["row"]), "mixup")
            mixed += mix_pair(first, second, self.request.augment.mixup, rng)
        return mixed
