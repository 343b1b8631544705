"""What the loop asks of a stage of training, and of the batches that feed it."""

import abc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from vp_science.train.functional import Params

Batch = dict[str, Any]
"""Arrays with one leading axis, the clips of the batch.

``video`` uint8 ``[b t h w 3]``; ``valid`` bool ``[b t]``: False where a clip is longer than what there is to show and
its last frame is held. Contrastive stage also ``text`` int32 ``[b l]`` and ``text_valid`` bool ``[b l]``. Fine-tuning
also ``states`` int8 ``[b t c]`` (-1 unknown, 0, 1); with mixup also ``mix`` float32 ``[b]``, the share of the clip that
``states`` belong to, and ``partner_states`` int8 ``[b t c]``, to which the rest (``1 - mix``) belongs: pixels come
mixed, so that a batch can be cut anywhere, and the loss is the mean of both losses by these shares. ``source`` int32
``[b]`` says which data set of the configuration a clip comes from; ``row`` int64 ``[b]`` which clip of it, so that a
bad batch can be looked at; ``skipped`` int32 ``[b]`` how many damaged clips were drawn before this one and left out.
"""

Metrics = dict[str, Float[Array, ""]]
"""Scalars by name; the loss is not among them."""


@runtime_checkable
class BatchStream(Protocol):
    """Batches without an end, whose position can be kept and taken up again."""

    def __iter__(self) -> Iterator[Batch]: ...

    def __next__(self) -> Batch: ...

    def get_state(self) -> dict[str, Any]:
        """Where the stream is, as JSON: the next batch after ``set_state`` is the next one now, to the bit."""
        ...

    def set_state(self, state: dict[str, Any]) -> None:
        """Go where another stream with the same settings was.

        Raises:
            SettingsError: when the state is not one of a stream with these settings.
        """
        ...

    def close(self) -> None:
        """End worker processes and threads."""
        ...


class Stage(abc.ABC):
    """One kind of training: what is optimised, and what its result is as a file.

    A stage holds settings and skeletons only; all arrays are in the trees that its methods give and take, so that the
    loop can place, shard, copy and save them.

    Attributes:
        name: ``contrastive``, ``distill`` or ``finetune``.
        own_accumulation: ``value_and_grad`` takes the whole batch of an update and saves memory by itself, because the
            loss is of the whole batch (gradient caching); otherwise the loop cuts the batch into pieces.
    """

    name: str
    own_accumulation: bool = False

    @abc.abstractmethod
    def init(self) -> Params:
        """What is trained, float32, at its start; the same for the same settings and seed."""

    def frozen(self) -> Params:
        """What is read and never changed (a teacher, a frozen encoder); no gradient is computed for it."""
        return {}

    @abc.abstractmethod
    def loss(self, params: Params, frozen: Params, batch: Batch, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
        """The loss of one batch and figures to log; traced by ``jax.jit``.

        Args:
            params: a tree like that of :meth:`init`.
            frozen: a tree like that of :meth:`frozen`.
            batch: arrays of fixed shapes; the whole batch, however it lies on devices.
            key: for everything random (masks, dropout); another one every step, the same one when a step is repeated.
        """

    def value_and_grad(
        self, params: Params, frozen: Params, batch: Batch, key: PRNGKeyArray
    ) -> tuple[tuple[Float[Array, ""], Metrics], Params]:
        """Loss, figures and the gradient of the loss; a stage may compute it in less memory than this."""
        result: tuple[tuple[Float[Array, ""], Metrics], Params] = jax.value_and_grad(self.loss, has_aux=True)(
            params, frozen, batch, key
        )
        return result

    @abc.abstractmethod
    def flops_per_clip(self) -> float:
        """Floating-point operations of one training step per clip, forward and backward (2 per multiply-add)."""

    def depths(self, params: Params) -> Params:
        """How deep every parameter lies, a tree of integers like ``params``, for layer-wise decay of the rate.

        0 is next to the loss and keeps the whole rate. For stacked layers (``x_layers``) it is an array of one number
        per layer. The default gives 0 everywhere.
        """
        depths: Params = jax.tree.map(lambda leaf: np.zeros((), np.int32), params)
        return depths

    def rate_factors(self, params: Params) -> Params:
        """Factors of the learning rate, a tree of numbers like ``params``: parts that start anew may move faster.

        The optimiser multiplies with them what it multiplies with layer-wise decay. The default is 1 everywhere.
        """
        factors: Params = jax.tree.map(lambda leaf: np.ones((), np.float32), params)
        return factors

    def evaluate(self, params: Params, frozen: Params) -> dict[str, float]:
        """Figures of data that was held out; the loop asks before every checkpoint and logs them.

        Where there is a ``score`` among them (larger is better), it decides which checkpoints are the best instead of
        the loss, and the best one becomes the result. The default has no held-out data: nothing.

        Args:
            params: as they would be exported (the running mean, where one is kept), on the devices.
            frozen: as for :meth:`loss`.
        """
        return {}

    @abc.abstractmethod
    def export(self, params: Params, folder: Path) -> Path:
        """Write the result of the training as other parts of the package read it, complete or not at all.

        Args:
            params: on the host.
            folder: of the run; exists.

        Returns:
            The weights file or bundle.
        """
