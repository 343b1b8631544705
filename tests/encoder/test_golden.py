"""The encoder equals the official implementation (see ../golden/README.md)."""

import os

import jax.numpy as jnp
import numpy as np
import pytest

from vp_science.checkpoints.layout import make_abstract_encoder
from vp_science.checkpoints.weights import load_into
from vp_science.encoder.positions import resize_positions


def assert_close(found, expected, tolerance=1e-5):
    found = np.asarray(found)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def spatial_tokens(encoder, video):
    return encoder.spatial(jnp.asarray(video.reshape(-1, *video.shape[2:])))


@pytest.mark.parametrize("case", ["case0", "case1", "case2"])
def test_first_set(official, case):
    video = official.io[f"{case}/inputs"]
    assert_close(official.encoder(jnp.asarray(video)), official.io[f"{case}/embeddings"])
    expected = official.io[f"{case}/spatial_features"]
    assert_close(spatial_tokens(official.encoder, video).reshape(expected.shape), expected)


def test_first_set_with_padded_frames(official):
    valid = jnp.asarray(official.io["padded/frame_paddings"] == 0)
    tokens = official.encoder(jnp.asarray(official.io["padded/inputs"]), valid)
    assert_close(tokens, official.io["padded/embeddings"])


@pytest.mark.parametrize("size", ["T5_g7", "nonsquare"])  # all the others: test_golden_sizes.py
def test_other_frame_counts_and_grids(fixtures, size):
    assert_close(fixtures.encoder(jnp.asarray(fixtures.io[f"in/video_{size}"])), fixtures.io[f"out/encoder_{size}"])


def test_spatial_features(fixtures):
    expected = fixtures.io["out/spatial_features"]
    assert_close(spatial_tokens(fixtures.encoder, fixtures.io["in/video"]).reshape(expected.shape), expected)


def test_padded_frames(fixtures):
    valid = jnp.asarray(fixtures.io["in/frame_paddings"] == 0)
    tokens = fixtures.encoder(jnp.asarray(fixtures.io["in/video"]), valid)
    assert_close(tokens, fixtures.io["out/encoder_frame_paddings"])


def test_logit_cap_under_stress(fixtures):
    louder = {
        name: values * 8 if name.endswith(("query/w", "key/w")) else values for name, values in fixtures.weights.items()
    }
    encoder = make_abstract_encoder(fixtures.encoder.config)
    load_into(encoder, louder)
    assert_close(encoder(jnp.asarray(fixtures.io["in/video"])), fixtures.io["out/encoder_qk_x8"], 5e-4)


@pytest.mark.parametrize("length", [1, 4, 8, 10, 12, 15, 24, 32])
def test_temporal_table_at_other_lengths(fixtures, length):
    table = jnp.asarray(fixtures.io["in/emb1d"][0])
    assert_close(resize_positions(table, (16,), (length,)), fixtures.io[f"out/emb1d_{length}"])


@pytest.mark.parametrize("grid", [(8, 8), (10, 10), (12, 12), (14, 20), (20, 20), (32, 32)])
def test_spatial_table_at_other_grids(fixtures, grid):
    table = jnp.asarray(fixtures.io["in/emb2d_16x16"][0])
    assert_close(resize_positions(table, (16, 16), grid), fixtures.io[f"out/emb2d_{grid[0]}x{grid[1]}"])


@pytest.mark.skipif("NNX_GRAPH_MODE" in os.environ, reason="this is the inner run")
def test_golden_vectors_in_tree_mode(run_in_tree_mode):
    # Flax announces tree mode as its future default (FLIP 5310): the encoder must not depend on graph mode.
    assert run_in_tree_mode(__file__, "first_set and (case0 or padded) or spatial_features or T5_g7") == 4
