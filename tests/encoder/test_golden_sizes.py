"""Clips of other lengths and sizes equal the official implementation too (see ../golden/README.md).

Every size is a program of its own, so these are compiled quickly; test_golden.py and test_golden_video_text.py compare
one as users compile it, with the same tolerances.
"""

import jax.numpy as jnp
import numpy as np
import pytest


@pytest.mark.parametrize("size", ["T1_g4", "T2_g4", "T3_g4", "T6_g4", "T8_g4", "T4_g2", "T4_g3", "T4_g6", "T4_g8"])
def test_other_frame_counts_and_grids(fixtures, second_set, size):
    video = jnp.asarray(fixtures.io[f"in/video_{size}"])
    tokens = np.asarray(fixtures.encoder(video))
    assert tokens.dtype == np.float32
    np.testing.assert_allclose(tokens, fixtures.io[f"out/encoder_{size}"], rtol=0, atol=1e-5)
    model, io, _ = second_set
    vectors = np.asarray(model.embed_video(jnp.asarray(io[f"in/video_{size}"])))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, io[f"out/video_embeddings_{size}"], rtol=0, atol=1e-6)
