"""Masked distillation written down slowly, one token after the other, in numpy and float64."""

import math

import numpy as np
from scipy.special import erf


def plain(tree):
    """Parameters as float64."""
    return {
        name: plain(part) if isinstance(part, dict) else np.asarray(part, np.float64) for name, part in tree.items()
    }


# ---- layers -----------------------------------------------------------------------------------------------------


def norm(x, p):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * (1 + p["scale"]) + p["bias"]


def linear(x, p):
    return x @ p["linear"]["kernel"] + p["linear"]["bias"]


def attention(x, p, cap=50.0):
    """Self-attention of one sequence [s, d]: everybody sees everybody."""
    heads = []
    for head in range(p["query"]["w"].shape[1]):
        query, key, value = (x @ p[name]["w"][:, head] + p[name]["b"][head] for name in ("query", "key", "value"))
        logits = query @ key.T / math.sqrt(query.shape[-1])
        weights = np.exp(cap * np.tanh(logits / cap))
        read = weights / weights.sum(1, keepdims=True) @ value
        heads.append(read @ p["post"]["w"][:, head].T)
    return sum(heads) + p["post"]["b"]


def layers(x, stack):
    """All layers over one sequence."""
    layers = stack["transformers_stack"]["x_layers"]
    for number in range(len(layers["layer_norm"]["scale"])):
        p = pick(layers, number)
        x = x + attention(norm(x, p["layer_norm"]), p["self_attention"])
        ff = p["ff_layer"]
        hidden = linear(norm(x, ff["layer_norm"]), ff["ffn_layer1"])
        x = x + linear(0.5 * hidden * (1 + erf(hidden / math.sqrt(2))), ff["ffn_layer2"])
    return x


def pick(tree, number):
    return {name: pick(part, number) if isinstance(part, dict) else part[number] for name, part in tree.items()}


def pool(tokens, p):
    """Attention pooling of one clip's tokens by one learned query."""
    query, a = p["pooling_attention_query"][0], p["pooling_attention"]
    heads = []
    for head in range(a["query"]["w"].shape[1]):
        asked = query @ a["query"]["w"][:, head] + a["query"]["b"][head]
        softplus = np.log1p(np.exp(a["per_dim_scale"]["per_dim_scale"]))
        asked = asked * softplus / math.log(2) / math.sqrt(len(asked))
        logits = (tokens @ a["key"]["w"][:, head] + a["key"]["b"][head]) @ asked
        weights = np.exp(logits - logits.max())
        read = weights / weights.sum() @ (tokens @ a["value"]["w"][:, head] + a["value"]["b"][head])
        heads.append(a["post"]["w"][:, head] @ read)
    return norm(sum(heads) + a["post"]["b"], p["pooling_attention_layer_norm"])


# ---- student, decoders, losses of one clip ------------------------------------------------------------------------


def encode(encoder, video, visible, patch):
    """Tokens of the visible patches of one clip by (frame, patch): sequences hold nothing but them.

    Sizes are those of the position tables: nothing is interpolated.
    """
    tokens = {}
    for frame in range(len(video)):
        here = [number for number in range(visible.shape[1]) if visible[frame, number]]
        columns = video.shape[2] // patch
        rows = []
        for number in here:
            top, left = number // columns * patch, number % columns * patch
            pixels = video[frame, top : top + patch, left : left + patch].reshape(-1)
            rows.append(linear(pixels, encoder["patch_projection"]) + encoder["spatial_pos_emb"]["emb_var"][number])
        if here:
            done = norm(layers(np.array(rows), encoder["spatial_encoder"]), encoder["spatial_ln"])
            tokens |= {(frame, number): token for number, token in zip(here, done, strict=True)}
    for number in range(visible.shape[1]):
        here = [frame for frame in range(len(video)) if visible[frame, number]]
        if here:
            x = np.array([tokens[f, number] + encoder["temporal_pos_emb"]["emb_var"][f] for f in here])
            done = norm(layers(x, encoder["temporal_encoder"]), encoder["temporal_ln"])
            tokens |= {(frame, number): token for frame, token in zip(here, done, strict=True)}
    return tokens


def decode(x, decoder):
    return linear(norm(layers(x, decoder["decoder"]), decoder["decoder_ln"]), decoder["output_projection"])


def predict_tokens(decoder, tokens, order, num_tokens):
    """Algorithm 1: visible tokens, then mask tokens; place i takes number order[i]; positions come afterwards."""
    projected = linear(tokens, decoder["input_projection"])
    sequence = [*projected, *[decoder["mask_token"]] * (num_tokens - len(tokens))]
    shuffled = np.array([sequence[number] for number in order])
    patches = len(decoder["spatial_pos_emb"]["emb_var"])
    positions = [
        decoder["temporal_pos_emb"]["emb_var"][place // patches]
        + decoder["spatial_pos_emb"]["emb_var"][place % patches]
        for place in range(num_tokens)
    ]
    return decode(shuffled + np.array(positions), decoder)


def predict_clip(decoder, tokens):
    return pool(decode(linear(tokens, decoder["input_projection"]), decoder), decoder["pooler"])


def cosine(a, b):
    return float(a @ b / math.sqrt((a @ a + 1e-12) * (b @ b + 1e-12)))


# ---- masks --------------------------------------------------------------------------------------------------------


def cover(draws, patches, rows, columns, least_patches=16, least_aspect=0.3):
    """Rectangles one after the other on a list of lists."""
    covered = [[False] * columns for _ in range(rows)]
    least_area = least_patches * rows * columns / 196
    for area_draw, aspect_draw, row_draw, column_draw in draws:
        missing = patches - sum(map(sum, covered))
        area = least_area + area_draw * (missing - least_area)
        aspect = math.exp(math.log(least_aspect) * (1 - 2 * aspect_draw))
        height, width = max(1, round(math.sqrt(area * aspect))), max(1, round(math.sqrt(area / aspect)))
        if height > rows or width > columns:
            continue
        top, left = int(row_draw * (rows - height + 1)), int(column_draw * (columns - width + 1))
        block = [(row, column) for row in range(top, top + height) for column in range(left, left + width)]
        new = [place for place in block if not covered[place[0]][place[1]]]
        if 0 < len(new) <= missing:
            for row, column in new:
                covered[row][column] = True
    return np.array(covered)


def block_tube(rng, frames, rows, columns, ratio=0.65, tube=(0.5, 1.0), most_of_frame=0.9, attempts=64):
    """A whole mask with numpy's own random numbers, for statistics."""
    hidden = round(ratio * frames * rows * columns)
    lengths = [
        length
        for length in range(1, frames + 1)
        if tube[0] * frames <= length <= tube[1] * frames and ratio * frames / length <= most_of_frame
    ]
    length, start = rng.choice(lengths), rng.integers(frames)
    patches = -(-hidden // length)
    flat = cover(rng.random((attempts, 4)), patches, rows, columns).reshape(-1)
    free = rng.permutation(np.flatnonzero(~flat))
    flat[free[: patches - flat.sum()]] = True
    mask = np.zeros((frames, rows * columns), bool)
    for step in range(length):
        mask[(start + step) % frames] = flat
    set_places = rng.permutation(np.flatnonzero(mask))
    mask.reshape(-1)[set_places[: mask.sum() - hidden]] = False
    return mask, length, start
