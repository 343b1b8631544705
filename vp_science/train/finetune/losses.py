"""Labels of a batch as targets, and the loss over them; as for probes, but inside of a compiled step."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int8, PRNGKeyArray

from vp_science.probes.objective import Objective


def encode_states(
    objective: Objective, states: Int8[Array, "b t behavior"]
) -> tuple[Float[Array, "b t class"], Bool[Array, "b t class"]]:
    """Targets and where they are known; what ``Objective.encode`` computes in numpy.

    Two behaviors at once in an exclusive catalogue (which labels are checked for before) count as the first of them.
    """
    if not objective.exclusive:
        return (states == 1).astype(jnp.float32), states >= 0
    happens = (states == 1).any(axis=-1)
    index = jnp.where(happens, (states == 1).argmax(axis=-1), objective.num_behaviors)
    known = happens | (states >= 0).all(axis=-1)
    if not objective.background:
        known &= index < objective.num_behaviors
    targets = (index[..., None] == jnp.arange(objective.num_classes)).astype(jnp.float32) * known[..., None]
    return targets, jnp.broadcast_to(known[..., None], targets.shape)


def central_states(
    states: Int8[Array, "b t behavior"], count: int, *, exclusive: bool
) -> Int8[Array, "b one behavior"]:
    """The one label of a window, from the ``count`` frames in its middle: those that it labels in a recording.

    The rule of probes (``probes.dataset.window_states``): of the known frames at least half (more than half in an
    exclusive catalogue) show the behavior: 1; none does: 0; otherwise, or where half of the frames are unknown: -1.
    """
    first = (states.shape[1] - count) // 2
    middle = states[:, first : first + count]
    present = (middle == 1).sum(axis=1, keepdims=True)
    known = (middle >= 0).sum(axis=1, keepdims=True)
    most = (2 * present > known) if exclusive else (2 * present >= known) & (present > 0)
    label = jnp.where(most, 1, jnp.where(present == 0, 0, -1))
    return jnp.where(2 * known > count, label, -1).astype(jnp.int8)


def mixed_targets(
    objective: Objective, batch: Mapping[str, Any], count: int | None
) -> tuple[Float[Array, "b t class"], Float[Array, "b t class"]]:
    """Targets of a batch and their weights: 1 where a label is known, shares of it where clips are mixed.

    Args:
        objective: what is trained for.
        batch: with ``states``, and with mixup ``partner_states`` and ``mix``.
        count: frames in the middle that make the one label of a window; None keeps all frames.
    """

    def targets(labels: Any) -> tuple[Array, Array]:
        states = jnp.asarray(labels)
        if count is not None:
            states = central_states(states, count, exclusive=objective.exclusive)
        values, known = encode_states(objective, states)
        return values, known.astype(jnp.float32)

    own, weight = targets(batch["states"])
    if "mix" not in batch:
        return own, weight
    other, other_weight = targets(batch["partner_states"])
    share = jnp.asarray(batch["mix"], jnp.float32)[:, None, None]
    total = share * weight + (1 - share) * other_weight
    mixed = share * weight * own + (1 - share) * other_weight * other
    return mixed / jnp.where(total > 0, total, 1.0), total


def label_loss(
    objective: Objective,
    logits: Float[Array, "b t class"],
    batch: Mapping[str, Any],
    key: PRNGKeyArray | None,
    count: int | None,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Weighted mean over the known labels of a batch, and how many of them are met.

    Args:
        objective: loss, weights.
        logits: of every frame; with ``count`` the first one of a window stands for all.
        batch: as :func:`mixed_targets`.
        key: of the draws of eql.
        count: as :func:`mixed_targets`.
    """
    targets, weights = mixed_targets(objective, batch, count)
    if count is not None:
        logits = logits[:, :1]
    loss = objective.loss(logits, targets, weights, key)
    if objective.exclusive:
        right = (logits.argmax(axis=-1) == targets.argmax(axis=-1))[..., None]
    else:
        right = (logits > 0) == (targets > 0.5)
    total = weights.sum()
    accuracy = (right * weights).sum() / jnp.maximum(total, 1e-9)
    return loss, {"accuracy": accuracy, "labels": total / (weights.shape[-1] if objective.exclusive else 1)}
