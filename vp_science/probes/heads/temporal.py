"""Dilated temporal convolutions over the track: a score for every frame, from seconds of context.

One stage of residual layers with dilations 1 to 32, which on CalMS21 beat the faithful multi-stage network of Farha
and Gall (2019) (V-TRACE's comparison of heads; science reference, section 6.2). It looks 63 grid frames back and ahead.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, PRNGKeyArray

from vp_science.errors import ProbeError
from vp_science.probes.dataset import Segment
from vp_science.probes.heads.base import Arrays, Head, HeadSettings, TrainingData, take
from vp_science.probes.heads.training import (
    GRADIENT_SETTINGS,
    Batch,
    Batches,
    Params,
    apply_dense,
    dense,
    drop,
    feature_scale,
    flatten,
    normalize,
    standardize,
    train,
    unflatten,
)
from vp_science.probes.objective import Objective
from vp_science.store.tables import EmbeddingTable

DILATIONS = (1, 2, 4, 8, 16, 32)
REACH = sum(DILATIONS)
_CROP = 256
_CHUNK = 2048
_LEAST_STEPS = 16


@dataclass
class TemporalHead(Head):
    """Per-frame logits from the mean embedding of every frame and its neighbours in time.

    Attributes:
        params: projection, residual layers and output.
    """

    settings_used: ClassVar[tuple[str, ...]] = GRADIENT_SETTINGS
    refits: ClassVar[bool] = False

    params: Params
    log: dict[str, float] = field(default_factory=dict)

    @classmethod
    def context(cls, num_frames: int, settings: HeadSettings) -> int:
        """As far as the convolutions reach."""
        return REACH

    @classmethod
    def fit(cls, data: TrainingData, objective: Objective, settings: HeadSettings) -> "TemporalHead":
        """Train on random crops of the labelled stretches."""
        if not 8 <= settings.width <= 1024:
            raise ProbeError(f"expected a width from 8 to 1024, found {settings.width}: use 64 or 128")
        crops, held_out = _Crops.of(data.train, objective), _Crops.of(data.validation, objective)
        if not len(crops.inputs):
            raise ProbeError("expected labelled time, found none: check the recording names and observed intervals")
        rng = np.random.default_rng(data.seed)
        size = settings.batch_size
        steps = max(_LEAST_STEPS, crops.num_crops // size)
        batches = Batches(
            steps,
            lambda random: (crops.sample(random, size) for _ in range(steps)),
            held_out.in_order,
        )
        start = _initial(rng, data.train[0].cells.shape[2], settings.width, objective.num_classes)
        start["features"] = feature_scale(data.train)
        params, log = train(start, convolve, batches, objective, settings, data.seed)
        frames = float(sum(known.any(axis=1).sum() for known in crops.known))
        return cls(params, log | {"training_frames": frames})

    def scores(self, track: EmbeddingTable, objective: Objective) -> Float32[np.ndarray, "grid behavior"]:
        """Probabilities at every grid frame, computed in chunks that overlap by the reach of the convolutions."""
        parts = []
        for first in range(0, len(track), _CHUNK):
            low, high = max(0, first - REACH), min(len(track), first + _CHUNK + REACH)
            x = np.asarray(track.track[low:high]).mean(axis=1, dtype=np.float32)
            size = _CHUNK + 2 * REACH  # one shape, so that it is compiled once
            x, real = _fill(x, size), _fill(np.ones(len(x), np.float32), size)
            logits = np.asarray(_convolve_now(self.params, x[None], real[None]))[0]
            parts.append(logits[first - low : min(first + _CHUNK, len(track)) - low])
        return objective.probabilities(np.concatenate(parts))

    def to_arrays(self) -> Arrays:
        """All parameters."""
        return flatten(self.params)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], settings: HeadSettings) -> "TemporalHead":
        """Restore what ``to_arrays`` gave."""
        dim, width = take(arrays, "project.weight", 2).shape
        classes = take(arrays, "output.bias", 1).shape[0]
        wanted = flatten(_initial(np.random.default_rng(0), dim, width, classes))
        for name, like in wanted.items():
            if take(arrays, name, like.ndim).shape != like.shape:
                raise ProbeError(f"expected {name!r} of shape {like.shape}, found {arrays[name].shape}: damaged")
        return cls(unflatten({name: arrays[name] for name in wanted}))


def _initial(rng: np.random.Generator, dim: int, width: int, classes: int) -> Params:
    layers = [{"reach": dense(rng, 3 * width, width), "mix": dense(rng, width, width)} for _ in DILATIONS]
    stacked: Params = jax.tree.map(lambda *leaves: np.stack(leaves), *layers)
    features = {"centre": np.zeros(dim, np.float32), "inverse": np.ones(dim, np.float32)}
    return {
        "features": features,
        "project": dense(rng, dim, width),
        "layers": stacked,
        "output": dense(rng, width, classes),
    }


def convolve(
    params: Params,
    x: Float[Array, "b t d"],
    real: Float[Array, "b t"],
    *,
    key: PRNGKeyArray | None,
    dropout: float,
) -> Float[Array, "b t class"]:
    """Logits of every frame; beyond the ends of the track and in filled-up frames there are zeros.

    A channel is dropped for a whole crop: neighbouring frames would otherwise tell what was dropped.
    """
    mask = real[..., None]
    x = drop(apply_dense(params["project"], standardize(params["features"], x)), key, dropout, whole_axis=1) * mask
    t, widest = x.shape[1], DILATIONS[-1]

    def layer(x: Float[Array, "b t w"], inputs: tuple[Params, Any, Any]) -> tuple[Float[Array, "b t w"], None]:
        weights, dilation, number = inputs
        wide = jnp.pad(normalize(x) * mask, ((0, 0), (widest, widest), (0, 0)))
        shifts = (widest - dilation, widest, widest + dilation)
        taps = [jax.lax.dynamic_slice_in_dim(wide, shift, t, axis=1) for shift in shifts]
        hidden = jax.nn.gelu(apply_dense(weights["reach"], jnp.concatenate(taps, axis=-1)))
        one = None if key is None else jax.random.fold_in(key, number)
        return x + drop(apply_dense(weights["mix"], hidden), one, dropout, whole_axis=1) * mask, None

    # One compiled layer for all dilations: compiling six would take longer than most trainings.
    x, _ = jax.lax.scan(layer, x, (params["layers"], jnp.array(DILATIONS), jnp.arange(1, len(DILATIONS) + 1)))
    return apply_dense(params["output"], normalize(x))


@jax.jit
def _convolve_now(params: Params, x: Float[Array, "b t d"], real: Float[Array, "b t"]) -> Float[Array, "b t class"]:
    return convolve(params, x, real, key=None, dropout=0.0)


@dataclass(frozen=True, eq=False)
class _Crops:
    """Labelled stretches as inputs of the network."""

    inputs: list[np.ndarray]
    targets: list[np.ndarray]
    known: list[np.ndarray]

    @classmethod
    def of(cls, segments: Sequence[Segment], objective: Objective) -> "_Crops":
        encoded = [objective.encode(s.states) for s in segments]
        inputs = [s.cells.mean(axis=1, dtype=np.float32) for s in segments]
        return cls(inputs, [targets for targets, _ in encoded], [known for _, known in encoded])

    @property
    def num_crops(self) -> int:
        """Crops that together are as long as the data."""
        return sum(-(-len(x) // _CROP) for x in self.inputs)

    def sample(self, rng: np.random.Generator, size: int) -> Batch:
        """Crops around labelled frames that are drawn evenly over all of them."""
        labelled = np.array([known.any(axis=1).sum() for known in self.known], dtype=np.float64)
        chosen = rng.choice(len(self.inputs), size=size, p=labelled / labelled.sum())
        return self._stack([self._crop(int(index), rng) for index in chosen], _CROP)

    def _crop(self, index: int, rng: np.random.Generator) -> Batch:
        frames = np.flatnonzero(self.known[index].any(axis=1))
        middle = int(rng.choice(frames)) + int(rng.integers(-_CROP // 4, _CROP // 4))
        first = int(np.clip(middle - _CROP // 2, 0, max(0, len(self.inputs[index]) - _CROP)))
        return self._cut(index, first, first + _CROP)

    def _cut(self, index: int, first: int, stop: int) -> Batch:
        x = self.inputs[index][first:stop]
        return x, np.ones(len(x), np.float32), self.targets[index][first:stop], self.known[index][first:stop]

    def in_order(self) -> Iterator[Batch]:
        """Every stretch in chunks with the context that the network sees; context is not scored."""
        for index, x in enumerate(self.inputs):
            for first in range(0, len(x), _CROP):
                low, high = max(0, first - REACH), min(len(x), first + _CROP + REACH)
                part, real, targets, known = self._cut(index, low, high)
                known = known.copy()
                known[: first - low] = False
                known[first - low + _CROP :] = False
                yield self._stack([(part, real, targets, known)], _CROP + 2 * REACH)

    @staticmethod
    def _stack(rows: Sequence[Batch], size: int) -> Batch:
        return tuple(np.stack([_fill(row[part], size) for row in rows]) for part in range(4))


def _fill(array: np.ndarray, size: int) -> np.ndarray:
    missing = size - len(array)
    return array if missing <= 0 else np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])
