"""The two decoders, which turn the student's visible tokens into predictions of what the teacher says.

Zhao et al. 2024, section 2.3.2, appendix C.2, algorithm 1 and table 11. What the paper leaves open, and what is done:

- Targets of shuffled tokens are in raster order: the position that is added at place j after the permutation asks for
  the teacher's token j, while the content that landed there may come from anywhere. That is the jigsaw puzzle.
- The permutation is drawn for every clip.
- Both projections are linear (the text says so, table 11 says MLP).
- Positions and the mask token are learned; positions are a table of patches plus a table of frames, as in the encoder.
- Where the student's tokens are projected to the teacher's width there is a layer norm before, because layers
  normalise what goes into them and not what comes out.
- The pooling of the global decoder works at the teacher's width, with heads as wide as the teacher's.
- Without shuffling (an ablation), visible tokens stand at their own places: fixed wrong places would teach nothing.
"""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vp_science.encoder.config import EncoderConfig, LayerConfig
from vp_science.encoder.layers import LayerNorm, Projection
from vp_science.encoder.pooling import AttentionPooler
from vp_science.encoder.positions import PositionTable, resize_positions
from vp_science.encoder.transformer import Transformer
from vp_science.errors import SettingsError
from vp_science.train.distill.block_masks import TokenGrid
from vp_science.train.distill.packing import Places, spread
from vp_science.train.distill.settings import DecoderSettings

_PUBLISHED_WIDTH, _HEAD_WIDTH = 512, 64


def decoder_layers(settings: DecoderSettings, student: EncoderConfig) -> tuple[LayerConfig, int]:
    """Sizes and number of the layers of a decoder.

    Raises:
        SettingsError: when the heads do not divide the width.
    """
    width = settings.width or min(_PUBLISHED_WIDTH, student.model_dim)
    heads = settings.heads or max(1, width // _HEAD_WIDTH)
    if width % heads:
        raise SettingsError(f"decoders.heads: expected a divisor of the width {width}, found {heads}")
    count = settings.layers or (4 if student.model_dim >= _PUBLISHED_WIDTH else 2)
    return LayerConfig(width, heads, settings.mlp_dim or 4 * width, student.atten_logit_cap), count


class Decoder(nnx.Module):
    """What both have: projection, layers over all tokens of a clip, norm, projection to the teacher's width."""

    def __init__(self, settings: DecoderSettings, student: EncoderConfig, teacher_dim: int, *, rngs: nnx.Rngs):
        layer, count = decoder_layers(settings, student)
        self.input_projection = Projection(student.model_dim, layer.model_dim, rngs=rngs)
        self.decoder = Transformer(layer, count, rngs=rngs)
        self.decoder_ln = LayerNorm(layer.model_dim)
        self.output_projection = Projection(layer.model_dim, teacher_dim, rngs=rngs)

    def project_in(self, tokens: Float[Array, "b m d"], compute_dtype: jnp.dtype) -> Float[Array, "b m e"]:
        """Tokens at the width of the decoder."""
        b, m, d = tokens.shape
        return self.input_projection(tokens.reshape(b * m, d), compute_dtype).reshape(b, m, -1)

    def decode(
        self, x: Float[Array, "b s e"], there: Bool[Array, "b s"] | None, compute_dtype: jnp.dtype
    ) -> Float[Array, "b s dt"]:
        """Layers over all tokens of a clip that are there, at the teacher's width in the end."""
        b, s, _ = x.shape
        x = self.decoder_ln(self.decoder(x[:, :, None], there, compute_dtype)[:, :, 0])
        return self.output_projection(x.reshape(b * s, -1), compute_dtype).reshape(b, s, -1)


class TokenDecoder(Decoder):
    """Predicts every token of the teacher: visible tokens and mask tokens, mixed, then positions (algorithm 1)."""

    def __init__(
        self, settings: DecoderSettings, student: EncoderConfig, teacher_dim: int, grid: TokenGrid, *, rngs: nnx.Rngs
    ):
        super().__init__(settings, student, teacher_dim, rngs=rngs)
        width = decoder_layers(settings, student)[0].model_dim
        self.grid = grid
        self.mask_token = nnx.Param(rngs.params.normal((width,)) * width**-0.5)
        self.spatial_pos_emb = PositionTable(grid.patches, width, rngs=rngs)
        self.temporal_pos_emb = PositionTable(grid.frames, width, rngs=rngs)

    def __call__(
        self,
        tokens: Float[Array, "b m d"],
        there: Bool[Array, "b m"],
        places: Places,
        grid: TokenGrid,
        compute_dtype: jnp.dtype,
    ) -> Float[Array, "b p dt"]:
        """Predictions of the teacher's tokens, frame after frame.

        Args:
            tokens: of the student, visible ones.
            there: False where a token is of a frame that is not there: a mask token takes its place.
            places: where each of them is put among all p tokens of the clip: anywhere when tokens are mixed, where
                they belong otherwise. All other places hold the mask token.
            grid: of the clips; positions are interpolated where it is not that of the settings (pictures).
            compute_dtype: of operands of matrix products.
        """
        x = jnp.where(there[:, :, None], self.project_in(tokens, compute_dtype), self.mask_token[...])
        here = (places.slot < x.shape[1])[:, :, None]
        x = jnp.where(here, spread(x, places), self.mask_token[...])
        return self.decode(x + self.positions(grid), None, compute_dtype)

    def positions(self, grid: TokenGrid) -> Float[Array, "p e"]:
        """The position of every token, frame after frame."""
        made = self.grid
        spatial = resize_positions(
            self.spatial_pos_emb.emb_var[...], (made.rows, made.columns), (grid.rows, grid.columns)
        )
        temporal = resize_positions(self.temporal_pos_emb.emb_var[...], (made.frames,), (grid.frames,))
        return (temporal[:, None] + spatial).reshape(-1, spatial.shape[-1])


class GlobalDecoder(Decoder):
    """Predicts the teacher's vector of the clip from visible tokens: no mixing, no positions, no mask tokens."""

    def __init__(self, settings: DecoderSettings, student: EncoderConfig, teacher: EncoderConfig, *, rngs: nnx.Rngs):
        super().__init__(settings, student, teacher.model_dim, rngs=rngs)
        self.pooler = AttentionPooler(teacher.layer, teacher.model_dim, rngs=rngs)

    def __call__(
        self, tokens: Float[Array, "b m d"], there: Bool[Array, "b m"], compute_dtype: jnp.dtype
    ) -> Float[Array, "b dt"]:
        """One vector per clip; tokens that are not there are ignored."""
        decoded = self.decode(self.project_in(tokens, compute_dtype), there, compute_dtype)
        pooled: Array = self.pooler(decoded, there)
        return pooled
