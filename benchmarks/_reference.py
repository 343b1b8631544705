"""The official structure written straight down in JAX, in float32: what the encoder is measured against.

Follows the description in the paper and of the official module (separate query, key and value products as
``...d,dkh->...kh`` einsums, logits capped and masked before a float32 softmax, one-hot position lookup, exact GELU
through erfc as ``jax.nn.gelu(approximate=False)``, a scan over layers), with nothing done for speed.
"""

import jax
import jax.numpy as jnp

NEGATIVE = -0.7 * float(jnp.finfo(jnp.float32).max)


def _layer_norm(x, p):
    mean = jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.mean(jnp.square(x - mean), axis=-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-6) * (1 + p["scale"]) + p["bias"]


def _attention(x, p, mask, cap):
    def project(name):
        return jnp.einsum("bsd,dkh->bskh", x, p[name]["w"]) + p[name]["b"]

    query, key, value = project("query"), project("key"), project("value")
    query = query * query.shape[-1] ** -0.5
    logits = jnp.einsum("bqkh,bskh->bkqs", query, key)
    logits = cap * jnp.tanh(logits / cap)
    logits = jnp.where(mask >= NEGATIVE * 0.5, logits, NEGATIVE)
    probabilities = jax.nn.softmax(logits.astype(jnp.float32), axis=-1)
    encoded = jnp.einsum("bkqs,bskh->bqkh", probabilities, value)
    return jnp.einsum("bqkh,dkh->bqd", encoded, p["post"]["w"]) + p["post"]["b"]


def _feed_forward(x, p, paddings):
    hidden = _layer_norm(x, p["layer_norm"])
    hidden = hidden @ p["ffn_layer1"]["linear"]["kernel"] + p["ffn_layer1"]["linear"]["bias"]
    hidden = jax.nn.gelu(hidden, approximate=False) * (1 - paddings[..., None])
    out = hidden @ p["ffn_layer2"]["linear"]["kernel"] + p["ffn_layer2"]["linear"]["bias"]
    return out * (1 - paddings[..., None])


def _stack(x, layers, paddings, cap):
    mask = paddings[:, None, None, :] * NEGATIVE

    def body(x, p):
        x = x + _attention(_layer_norm(x, p["layer_norm"]), p["self_attention"], mask, cap)
        return x + _feed_forward(x, p["ff_layer"], paddings), None

    return jax.lax.scan(body, x, layers)[0]


def encode(params, video, *, patch_size=18, cap=50.0):
    """Tokens ``[b, t*n, d]`` of a video ``[b, t, h, w, 3]`` at the native size."""
    b, t, h, w, _ = video.shape
    rows, columns = h // patch_size, w // patch_size
    n = rows * columns
    patches = video.reshape(b * t, rows, patch_size, columns, patch_size, 3)
    patches = patches.transpose(0, 1, 3, 2, 4, 5).reshape(b * t, n, -1)
    projection = params["patch_projection"]["linear"]
    x = patches @ projection["kernel"] + projection["bias"]
    x = x + (jnp.eye(n) @ params["spatial_pos_emb"]["emb_var"])[None]
    x = _stack(x, params["spatial_encoder"]["transformers_stack"]["x_layers"], jnp.zeros((b * t, n)), cap)
    x = _layer_norm(x, params["spatial_ln"])
    x = x.reshape(b, t, n, -1).transpose(0, 2, 1, 3).reshape(b * n, t, -1)
    x = x + (jnp.eye(t) @ params["temporal_pos_emb"]["emb_var"])[None]
    x = _stack(x, params["temporal_encoder"]["transformers_stack"]["x_layers"], jnp.zeros((b * n, t)), cap)
    x = _layer_norm(x, params["temporal_ln"])
    return x.reshape(b, n, t, -1).transpose(0, 2, 1, 3).reshape(b, t * n, -1)
