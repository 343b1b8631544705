"""Low-rank adapters in the place of weights (LoRA, Hu et al. 2022).

An adapted weight is ``base + scale * a @ b``, summed layer by layer inside the scan over the layers and then used as
any weight: so what is trained is what the merged weights compute, also where operands are rounded to bfloat16.
"""

import math
from types import EllipsisType
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vp_science.encoder.transformer import Transformer
from vp_science.train.finetune.settings import LoraSettings

BASE, DOWN, UP = "base", "lora_a", "lora_b"
"""Names of the parameters of an adapted weight, below the name of the weight; no other parameter is called so."""


class AdaptedWeight(nnx.Module):
    """Stands where a stacked weight ``[layer, inputs, ...]`` stood.

    ``lora_b`` starts at zero, so that at first nothing changes.
    """

    def __init__(self, weight: nnx.Param[Array], settings: LoraSettings, rngs: nnx.Rngs):
        layers, inputs, *rest = weight.shape
        self.scale = settings.alpha / settings.rank
        self.base = weight
        draw = jax.random.normal(rngs.params(), (layers, inputs, settings.rank)) / math.sqrt(inputs)
        self.lora_a = nnx.Param(draw)
        self.lora_b = nnx.Param(jnp.zeros((layers, settings.rank, math.prod(rest))))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight."""
        shape: tuple[int, ...] = self.base.shape
        return shape

    def __getitem__(self, index: EllipsisType) -> Float[Array, "..."]:
        """The whole weight (of one layer, inside of a scan)."""
        return self.base[...] + low_rank(self.lora_a[...], self.lora_b[...], self.scale).reshape(self.shape)


def low_rank(a: Float[Array, "*layer i r"], b: Float[Array, "*layer r o"], scale: float) -> Float[Array, "*layer i o"]:
    """The update, in float32."""
    return jnp.matmul(a, b * scale, precision=jax.lax.Precision.HIGHEST)


def adapt(transformer: Transformer, settings: LoraSettings, rngs: nnx.Rngs) -> None:
    """Put adapters on all layers of a transformer, in place."""
    layer = transformer.transformers_stack.x_layers
    for target in settings.targets:
        if target == "mlp":
            for name in ("ffn_layer1", "ffn_layer2"):
                linear: Any = getattr(layer.ff_layer, name).linear
                linear.kernel = AdaptedWeight(linear.kernel, settings, rngs)
        else:
            projection = getattr(layer.self_attention, target)
            projection.w = AdaptedWeight(projection.w, settings, rngs)
