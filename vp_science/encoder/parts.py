"""A transformer in parts that run one after the other: what stands between its layers, and where a gradient ends."""

from itertools import pairwise

import jax
from flax import nnx
from jaxtyping import Array, Bool, Float

from vp_science.encoder.transformer import Transformer


class LayerParts(nnx.Module):
    """Does what one transformer does; the layers are cut in two, so that a gradient can end between them.

    (One array of all layers is differentiated as a whole, whatever part of it is trained.)
    """

    def __init__(self, below: Transformer, above: Transformer):
        self.below = below
        self.above = above

    def __call__(
        self, x: Float[Array, "b s m d"], valid: Bool[Array, "b s"] | None, compute_dtype: jax.numpy.dtype
    ) -> Float[Array, "b s m d"]:
        """All layers in order."""
        lower = self.below(x, valid, compute_dtype)
        return self.above(lower, valid, compute_dtype)


def cut_layers(transformer: Transformer, num_above: int) -> LayerParts:
    """The same layers in two parts, ``num_above`` of them in the second; arrays are cut, not shared."""
    num_layers = count_layers(transformer)
    border = num_layers - num_above
    return LayerParts(_slice(transformer, 0, border), _slice(transformer, border, num_layers))


def split_off_last(transformer: Transformer | LayerParts, count: int) -> list[Transformer]:
    """The same layers as parts that run one after the other; each of the last ``count`` layers is one of them."""
    if isinstance(transformer, LayerParts):
        above = count_layers(transformer.above)
        last = split_off_last(transformer.above, min(count, above))
        return [*split_off_last(transformer.below, max(0, count - above)), *last]
    num_layers = count_layers(transformer)
    borders = sorted({0, *range(num_layers - count, num_layers + 1)})
    return [_slice(transformer, first, stop) for first, stop in pairwise(borders)]


def count_layers(transformer: Transformer) -> int:
    """Layers of a transformer."""
    return int(jax.tree.leaves(nnx.state(transformer, nnx.Param))[0].shape[0])


def _slice(transformer: Transformer, first: int, stop: int) -> Transformer:
    graph, state = nnx.split(transformer)
    cut: Transformer = nnx.merge(graph, jax.tree.map(lambda leaf: leaf[first:stop], state))
    return cut
