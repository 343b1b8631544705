"""The contrastive loss: which text belongs to which clip, among all of the batch.

The paper says "symmetric cross-entropy over the similarity scores of all video-text pairs in the mini-batch" and no
more (Zhao et al. 2024, section 2.3.1). Decided here: the two directions are averaged, and the temperature is learned on
a logarithmic scale, starts at 0.07 and does not fall below 0.01 (Radford et al. 2021, section 2.5).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vp_science.train.contrastive.settings import RepeatedCaptions
from vp_science.train.contrastive.spreading import Mesh, on_every_device
from vp_science.train.stage import Metrics


def contrastive_loss(
    clips: Float[Array, "b d"],
    texts: Float[Array, "b d"],
    temperature: Float[Array, ""],
    same: Bool[Array, "b b"],
    repeated: RepeatedCaptions,
    mesh: Mesh | None = None,
) -> tuple[Float[Array, ""], Metrics]:
    """Mean cross-entropy of finding the text of a clip and the clip of a text.

    Each direction takes the rows that a device has and all vectors of the other side: nothing but vectors of clips and
    texts moves between devices, and no device holds all scores.

    Args:
        clips: unit vectors.
        texts: unit vectors; row i belongs to clip i.
        temperature: by which cosines are divided.
        same: texts that are the same, from :func:`same_captions`.
        repeated: what clips with the same caption are to each other; see ``ContrastiveSettings``.
        mesh: devices over which the rows lie.

    Returns:
        The loss; ``retrieval_v2t`` and ``retrieval_t2v``, the share of clips (texts) whose best text (clip) in the
        batch has their caption; ``repeated_captions``, the share of clips whose caption occurs again in the batch.
    """
    to_text, found_text = _one_direction(clips, on_every_device(texts, mesh), temperature, same, repeated)
    to_clip, found_clip = _one_direction(texts, on_every_device(clips, mesh), temperature, same, repeated)
    metrics = {
        "retrieval_v2t": found_text,
        "retrieval_t2v": found_clip,
        "repeated_captions": jnp.mean(jnp.sum(same, axis=1) > 1, dtype=jnp.float32),
    }
    return (to_text + to_clip) / 2, metrics


def same_captions(ids: Int[Array, "b l"], valid: Bool[Array, "b l"], mesh: Mesh | None = None) -> Bool[Array, "b b"]:
    """Which captions of a batch are the same to the text encoder: the same pieces in the same places."""
    # Padding becomes a piece that none is, so that what stands in it does not count.
    pieces = jnp.where(valid, ids, -1)
    others = on_every_device(pieces, mesh)

    def compare(place: Array, same: Array) -> Array:
        return same & (pieces[:, place, None] == others[None, :, place])

    # A loop over places: comparing all at once may hold l times as much.
    result: Array = jax.lax.fori_loop(0, ids.shape[1], compare, pieces[:, :1] == others[None, :, 0])
    return result


def _one_direction(
    rows: Float[Array, "b d"],
    others: Float[Array, "b d"],
    temperature: Float[Array, ""],
    same: Bool[Array, "b b"],
    repeated: RepeatedCaptions,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Cross-entropy, and the share of rows whose best match is right."""
    scores = jnp.matmul(rows, others.T, precision=jax.lax.Precision.HIGHEST) / temperature
    own = jnp.eye(len(rows), dtype=bool)
    right = jnp.take_along_axis(same, jnp.argmax(scores, axis=1)[:, None], axis=1)
    if repeated == "exclude":
        scores = jnp.where(same & ~own, -jnp.inf, scores)
    log_shares = scores - jax.nn.logsumexp(scores, axis=1, keepdims=True)
    targets = same if repeated == "share" else own
    wanted = jnp.sum(jnp.where(targets, log_shares, 0.0), axis=1) / jnp.sum(targets, axis=1)
    return -jnp.mean(wanted), jnp.mean(right, dtype=jnp.float32)


@jax.custom_vjp
def at_least(x: Float[Array, ""], least: float | Float[Array, ""]) -> Float[Array, ""]:
    """``max(x, least)`` whose gradient lets ``x`` come back from below, and pushes it no further down.

    The gradient of ``max`` would be zero below the limit for ever; that of the identity would let the parameter drift
    far from it.
    """
    return jnp.maximum(x, least)


def _forward(x: Array, least: float | Array) -> tuple[Array, Array]:
    return jnp.maximum(x, least), x <= least


def _backward(limited: Array, pull: Array) -> tuple[Array, None]:
    # Descent goes against the gradient: a positive one would take x further down.
    return jnp.where(limited & (pull > 0), 0.0, pull), None


at_least.defvjp(_forward, _backward)
