"""Random numbers of one clip, drawn at once and handed out one after the other.

A call of the generator is long code for a compiler; one call for all numbers of a clip compiles and runs many times
faster than hundreds of small ones.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

_UNIFORM, _NORMAL, _GRID = 256, 64, 8192


class Lots:
    """Hands out numbers; who is handed which is fixed when a program is traced, so it must not depend on values.

    Attributes:
        key: for one more, larger array.
    """

    def __init__(self, key: PRNGKeyArray) -> None:
        """Draw all numbers.

        Args:
            key: that they depend on, and nothing else.
        """
        self.key, first, second, third = jax.random.split(key, 4)
        self._uniform = jax.random.uniform(first, (_UNIFORM,))
        self._normal = jax.random.normal(second, (_NORMAL,))
        # By itself, so that a program that draws no background does not make it.
        self._grid = jax.random.normal(third, (_GRID,))
        self._next = [0, 0, 0]

    def uniform(
        self, low: int | float | Array = 0.0, high: int | float | Array = 1.0, shape: tuple[int, ...] = ()
    ) -> Float[Array, "..."]:
        """Numbers between two others, all equally likely."""
        return low + (high - low) * self._take(self._uniform, 0, shape)

    def normal(self, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Normally distributed numbers of mean 0 and variance 1."""
        return self._take(self._normal, 1, shape)

    def grid(self, rows: int, columns: int) -> Float[Array, "rows columns"]:
        """Normally distributed numbers for noise that is spread over a picture."""
        return self._take(self._grid, 2, (rows, columns))

    def choice(self, share: Array) -> Int[Array, ""]:
        """A number from 0, drawn in proportion to its share; never one whose share is 0."""
        total = jnp.cumsum(jnp.asarray(share, jnp.float32))
        return jnp.argmax(total > self.uniform() * total[-1]).astype(jnp.int32)

    def sign(self, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """1 or -1."""
        return jnp.where(self.uniform(shape=shape) < 0.5, -1.0, 1.0)

    def _take(self, numbers: Array, kind: int, shape: tuple[int, ...]) -> Array:
        start = self._next[kind]
        stop = self._next[kind] = start + int(np.prod(shape, dtype=int))
        if stop > numbers.shape[0]:
            raise ValueError(f"expected at most {numbers.shape[0]} numbers per clip: raise the constants above")
        return numbers[start:stop].reshape(shape)
