"""Models as functions of their parameters: what gradients, optimisers and checkpoints work with."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

import jax
from flax import nnx

Params = dict[str, Any]
"""A tree of float32 arrays: nested dictionaries under the names of the module tree (the official names)."""


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A model without its parameters.

    Attributes:
        graph: what kind of modules it is made of.
        abstract: shapes and types of the parameters; no values.
    """

    graph: Any
    abstract: Any

    def bind(self, params: Mapping[str, Any]) -> Any:
        """The model with these parameters; works inside of ``jax.jit`` and ``jax.grad``.

        Args:
            params: the tree that :func:`split_model` gave, or one with other values, types or shardings.
        """
        state = nnx.State(jax.tree.map(lambda leaf: leaf, self.abstract))
        nnx.replace_by_pure_dict(state, dict(params))
        return nnx.merge(self.graph, state)


def split_model(model: nnx.Module) -> tuple[Skeleton, Params]:
    """A model as its skeleton and its parameters.

    Args:
        model: not changed; the parameters are its own arrays, so do not donate them without a copy.
    """
    graph, state = nnx.split(model)
    abstract = jax.eval_shape(lambda: state)
    params: Params = nnx.to_pure_dict(state)
    return Skeleton(graph, abstract), params


def draw_params(make: Callable[[], nnx.Module], without: Collection[str]) -> Params:
    """Random parameters of a new model, by one compiled program.

    Parts that get other values anyway are never computed: the random numbers of a large encoder take memory and time.

    Args:
        make: builds the model; seeds are in it.
        without: names of the parts at the top that are left out.
    """

    def draw() -> Params:
        return {name: part for name, part in split_model(make())[1].items() if name not in without}

    return cast(Params, jax.jit(draw)())


def flat_names(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Parameters by their path, for example ``spatial_encoder/transformers_stack/x_layers/ff_layer/...``."""
    flat: dict[str, Any] = {}
    for name, value in params.items():
        key = f"{prefix}{name}"
        flat |= flat_names(value, f"{key}/") if isinstance(value, Mapping) else {key: value}
    return flat


def nested_names(flat: Mapping[str, Any]) -> Params:
    """What :func:`flat_names` was given."""
    tree: Params = {}
    for path, value in flat.items():
        *parents, last = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return tree
