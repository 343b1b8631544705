"""Attentive pooling: one learned query per behavior looks at all tokens of a window.

The readout of frozen-feature protocols (VideoPrism section 3.4, SciVid), with one query per behavior and a narrow
projection in front: on small sets a bottleneck of 64 to 128 is worth many points (PriVi), 768 is the published width.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

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
from vp_science.probes.heads.windows import frame_scores, stretches
from vp_science.probes.objective import Objective
from vp_science.store.tables import EmbeddingTable

_HEAD_WIDTH = 32
_EXPAND = 2
_AT_ONCE = 256


@dataclass
class AttentiveHead(Head):
    """Cross-attention from one query per class to the tokens of a window, then one linear map per class.

    Attributes:
        params: queries, projections, positions and outputs.
    """

    settings_used: ClassVar[tuple[str, ...]] = GRADIENT_SETTINGS
    refits: ClassVar[bool] = False

    params: Params
    log: dict[str, float] = field(default_factory=dict)

    @classmethod
    def context(cls, num_frames: int, settings: HeadSettings) -> int:
        """A window around every labelled frame."""
        return num_frames

    @classmethod
    def fit(cls, data: TrainingData, objective: Objective, settings: HeadSettings) -> "AttentiveHead":
        """Train on labelled windows in random order."""
        _check_width(settings.width)
        train_windows = _Windows.of(data.train, objective, data.num_frames)
        held_out = _Windows.of(data.validation, objective, data.num_frames)
        if not len(train_windows):
            raise ProbeError("expected labelled windows, found none: label stretches of at least one window")
        size = min(settings.batch_size, len(train_windows))
        shape = train_windows.segments[0].cells.shape
        start = _initial(data.seed, shape[2], settings.width, data.num_frames, shape[1], objective.num_classes)
        start["features"] = feature_scale(data.train)
        batches = Batches(
            len(train_windows) // size,
            lambda rng: train_windows.batches(rng.permutation(len(train_windows)), size, partial=False),
            lambda: held_out.batches(np.arange(len(held_out)), size, partial=True),
        )
        params, log = train(start, attend, batches, objective, settings, data.seed)
        return cls(params, log | {"training_windows": float(len(train_windows))})

    def scores(self, track: EmbeddingTable, objective: Objective) -> Float32[np.ndarray, "grid behavior"]:
        """Probabilities of every window, averaged over the windows that contain a frame."""
        num_frames = int(self.params["time"].shape[0])
        parts = []
        for cells, windows, _ in stretches(track):
            for first in range(0, len(windows), _AT_ONCE):
                chosen = windows[first : first + _AT_ONCE]
                tokens, real = _gather(cells, chosen, num_frames)
                tokens, real = _padded(tokens, _AT_ONCE), _padded(real, _AT_ONCE)
                logits = np.asarray(_attend_now(self.params, tokens, real))[: len(chosen)]
                parts.append(objective.probabilities(logits))
        return frame_scores(track, np.concatenate(parts))

    def to_arrays(self) -> Arrays:
        """All parameters."""
        return flatten(self.params)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], settings: HeadSettings) -> "AttentiveHead":
        """Restore what ``to_arrays`` gave."""
        width = take(arrays, "query", 2).shape[1]
        wanted = flatten(_initial(0, *_sizes(arrays, width)))
        for name, like in wanted.items():
            if take(arrays, name, like.ndim).shape != like.shape:
                raise ProbeError(f"expected {name!r} of shape {like.shape}, found {arrays[name].shape}: damaged")
        return cls(unflatten({name: arrays[name] for name in wanted}))


def _sizes(arrays: Mapping[str, np.ndarray], width: int) -> tuple[int, int, int, int, int]:
    dim = take(arrays, "project.weight", 2).shape[0]
    return dim, width, take(arrays, "time", 2).shape[0], take(arrays, "space", 2).shape[0], arrays["query"].shape[0]


def _check_width(width: int) -> None:
    if not _HEAD_WIDTH <= width <= 768 or width % _HEAD_WIDTH:
        raise ProbeError(f"expected a width from 32 to 768, a multiple of 32, found {width}: use 64, 128 or 768")


def _initial(seed: int, dim: int, width: int, num_frames: int, cells: int, classes: int) -> Params:
    rng = np.random.default_rng(seed)

    def small(*shape: int) -> np.ndarray:
        return (0.02 * rng.standard_normal(shape)).astype(np.float32)

    return {
        "features": {"centre": np.zeros(dim, np.float32), "inverse": np.ones(dim, np.float32)},
        "project": dense(rng, dim, width),
        "time": small(num_frames, width),
        "space": small(cells, width),
        "query": rng.standard_normal((classes, width)).astype(np.float32),
        "key": dense(rng, width, width),
        "value": dense(rng, width, width),
        "join": dense(rng, width, width),
        "expand": dense(rng, width, _EXPAND * width),
        "contract": dense(rng, _EXPAND * width, width),
        "output": small(classes, width),
        "bias": np.zeros(classes, np.float32),
    }


def attend(
    params: Params,
    tokens: Float[Array, "b t kk d"],
    real: Float[Array, "b t"],
    *,
    key: PRNGKeyArray | None,
    dropout: float,
) -> Float[Array, "b class"]:
    """Logits of a batch of windows; frames that are not real (short recordings) are not looked at."""
    b, t, kk, _ = tokens.shape
    width = params["query"].shape[1]
    heads = width // _HEAD_WIDTH
    keys = jax.random.split(key, 2) if key is not None else (None, None)
    x = apply_dense(params["project"], standardize(params["features"], tokens))
    x = (x + params["time"][:, None] + params["space"]).reshape(b, t * kk, width)
    x = normalize(x)
    k = apply_dense(params["key"], x).reshape(b, t * kk, heads, _HEAD_WIDTH)
    v = apply_dense(params["value"], x).reshape(b, t * kk, heads, _HEAD_WIDTH)
    q = normalize(params["query"]).reshape(-1, heads, _HEAD_WIDTH)
    logits = jnp.einsum("chw,bshw->bhcs", q, k) / np.sqrt(_HEAD_WIDTH)
    seen = jnp.repeat(real > 0, kk, axis=1)
    weights = jax.nn.softmax(jnp.where(seen[:, None, None], logits, -1e9), axis=-1)
    pooled = jnp.einsum("bhcs,bshw->bchw", weights, v).reshape(b, -1, width)
    pooled = params["query"] + drop(apply_dense(params["join"], pooled), keys[0], dropout)
    hidden = jax.nn.gelu(apply_dense(params["expand"], normalize(pooled)))
    pooled = pooled + apply_dense(params["contract"], hidden)
    pooled = drop(normalize(pooled), keys[1], dropout)
    return jnp.asarray(jnp.einsum("bcw,cw->bc", pooled, params["output"]) + params["bias"])


@jax.jit
def _attend_now(params: Params, tokens: Float[Array, "b t kk d"], real: Float[Array, "b t"]) -> Float[Array, "b class"]:
    return attend(params, tokens, real, key=None, dropout=0.0)


@dataclass(frozen=True, eq=False)
class _Windows:
    """All labelled windows of some stretches."""

    segments: Sequence[Segment]
    segment: np.ndarray
    window: np.ndarray
    targets: np.ndarray
    known: np.ndarray
    num_frames: int

    @classmethod
    def of(cls, segments: Sequence[Segment], objective: Objective, num_frames: int) -> "_Windows":
        segment = [np.full(len(s.windows), index) for index, s in enumerate(segments)]
        window = [np.arange(len(s.windows)) for s in segments]
        encoded = [objective.encode(s.window_states) for s in segments]
        classes = (0, objective.num_classes)
        joined = (
            np.concatenate([np.zeros(0, int), *segment]).astype(int),
            np.concatenate([np.zeros(0, int), *window]).astype(int),
            np.concatenate([np.zeros(classes, np.float32), *(targets for targets, _ in encoded)]),
            np.concatenate([np.zeros(classes, bool), *(known for _, known in encoded)]),
        )
        useful = joined[3].any(axis=1)
        kept = [array[useful] for array in joined]
        return cls(segments, kept[0], kept[1], kept[2], kept[3], num_frames)

    def __len__(self) -> int:
        return len(self.segment)

    def batches(self, order: np.ndarray, size: int, *, partial: bool) -> Iterator[Batch]:
        """Batches of one size in this order; the last one is filled up with unknown windows, or left out."""
        for first in range(0, len(order) if partial else len(order) - size + 1, size):
            chosen = order[first : first + size]
            tokens, real = zip(*(self._one(int(i)) for i in chosen), strict=True)
            batch = (np.stack(tokens), np.stack(real), self.targets[chosen], self.known[chosen])
            yield tuple(_padded(array, size) for array in batch)

    def _one(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        part = self.segments[self.segment[index]]
        tokens, real = _gather(part.cells, part.windows[self.window[index]][None], self.num_frames)
        return tokens[0], real[0]


def _gather(
    cells: Float[np.ndarray, "frame kk dim"], windows: np.ndarray, num_frames: int
) -> tuple[Float[np.ndarray, "window t kk dim"], Float32[np.ndarray, "window t"]]:
    """Tokens of windows; those of a recording shorter than a window are filled up and marked not real."""
    offset = np.arange(num_frames)
    index = np.minimum(windows[:, :1] + offset, windows[:, 1:] - 1)
    return cells[index], (offset < (windows[:, 1] - windows[:, 0])[:, None]).astype(np.float32)


def _padded(array: np.ndarray, size: int) -> np.ndarray:
    missing = size - len(array)
    return array if missing <= 0 else np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])
