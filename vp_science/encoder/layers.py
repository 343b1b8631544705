"""Linear maps, layer normalisation and the activation, with the official parameter names and layouts."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vp_science.encoder.config import LayerConfig

_LECUN = nnx.initializers.lecun_normal()


def matmul(x: Float[Array, "rows i"], kernel: Float[Array, "i o"], compute_dtype: jnp.dtype) -> Float[Array, "rows o"]:
    """``x @ kernel`` with operands rounded to ``compute_dtype`` and sums kept in float32.

    Rounding operands and not sums is what makes bfloat16 usable here: the residual stream, the layer norms and the
    softmax around this product stay float32.
    """
    return jax.lax.dot_general(
        x.astype(compute_dtype),
        kernel.astype(compute_dtype),
        (((1,), (0,)), ((), ())),
        precision=jax.lax.Precision.HIGHEST if compute_dtype == jnp.float32 else None,
        preferred_element_type=jnp.float32,
    )


class LayerNorm(nnx.Module):
    """Normalises the last axis; the stored scale is zero-centred, so the gain is ``1 + scale`` (official layout)."""

    def __init__(self, dim: int):
        self.scale = nnx.Param(jnp.zeros((dim,)))
        self.bias = nnx.Param(jnp.zeros((dim,)))

    def __call__(self, x: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
        """Zero mean, unit biased variance (epsilon 1e-6), then gain and bias, in float32."""
        centred = x - jnp.mean(x, axis=-1, keepdims=True)
        inverse_std = jax.lax.rsqrt(jnp.mean(jnp.square(centred), axis=-1, keepdims=True) + 1e-6)
        return centred * inverse_std * (1.0 + self.scale[...]) + self.bias[...]


class Linear(nnx.Module):
    """A kernel ``[i, o]`` and a bias ``[o]``."""

    def __init__(self, input_dim: int, output_dim: int, *, rngs: nnx.Rngs):
        self.kernel = nnx.Param(_LECUN(rngs.params(), (input_dim, output_dim)))
        self.bias = nnx.Param(jnp.zeros((output_dim,)))

    def __call__(self, x: Float[Array, "rows i"], compute_dtype: jnp.dtype) -> Float[Array, "rows o"]:
        """``x @ kernel + bias``."""
        return matmul(x, self.kernel[...], compute_dtype) + self.bias[...]


class Projection(nnx.Module):
    """Holds a :class:`Linear` under the name the official checkpoints give it (``<layer>/linear/kernel``)."""

    def __init__(self, input_dim: int, output_dim: int, *, rngs: nnx.Rngs):
        self.linear = Linear(input_dim, output_dim, rngs=rngs)

    def __call__(self, x: Float[Array, "rows i"], compute_dtype: jnp.dtype) -> Float[Array, "rows o"]:
        """``x @ kernel + bias``."""
        return self.linear(x, compute_dtype)


def gelu(x: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
    """Exact GELU, ``x * Phi(x)``, through erf.

    The official code computes it through erfc, which XLA expands into a slower expression with the same float32
    accuracy on this scale.
    """
    return 0.5 * x * (1.0 + jax.lax.erf(x * 0.7071067811865476))


class HybridNorms(nnx.Module):
    """The norms around one half of a layer, under the official names of its norm policy.

    "pre" has ``layer_norm`` for what goes in; "primer_hybrid" has ``pre_layer_norm`` for what goes in and
    ``post_layer_norm`` for what comes out.
    """

    def __init__(self, config: LayerConfig):
        if config.norm_policy == "pre":
            self.layer_norm = LayerNorm(config.model_dim)
        else:
            self.pre_layer_norm = LayerNorm(config.model_dim)
            self.post_layer_norm = LayerNorm(config.model_dim)

    def norm_input(self, x: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
        """What goes in, normalised."""
        norm = self.layer_norm if hasattr(self, "layer_norm") else self.pre_layer_norm
        return norm(x)

    def norm_output(self, x: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
        """What comes out, normalised where the policy says so."""
        return self.post_layer_norm(x) if hasattr(self, "post_layer_norm") else x


class FeedForward(HybridNorms):
    """Norm, expansion, activation, contraction; the caller adds the residual."""

    def __init__(self, config: LayerConfig, *, rngs: nnx.Rngs):
        super().__init__(config)
        self.config = config
        self.ffn_layer1 = Projection(config.model_dim, config.mlp_dim, rngs=rngs)
        self.ffn_layer2 = Projection(config.mlp_dim, config.model_dim, rngs=rngs)

    def __call__(
        self, x: Float[Array, "rows d"], valid: Bool[Array, " rows"] | None, compute_dtype: jnp.dtype
    ) -> Float[Array, "rows d"]:
        """The update of every row, each on its own; it is zero, before the output norm, where ``valid`` is False."""
        hidden = self.ffn_layer1(self.norm_input(x), compute_dtype)
        hidden = gelu(hidden) if self.config.activation == "gelu" else jax.nn.relu(hidden)
        update = self.ffn_layer2(hidden, compute_dtype)
        return self.norm_output(update if valid is None else update * valid[:, None])
