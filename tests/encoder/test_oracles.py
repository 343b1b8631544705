"""Opt-in comparisons with another implementation and with the published numbers: ``pytest -m oracle``.

The transformers test needs ``transformers >= 5.23`` and ``torch``, which this package does not depend on: run it in an
environment of its own. The published slices need the released weights (``vp-science fetch``) and the frames of the
official example video, ``frames_16_288.npy`` of the hub data set MHRDYN7/videoprism_assets (16 x 288 x 288 x 3).
"""

import os

import jax.numpy as jnp
import numpy as np
import pytest
from transformers_layout import to_transformers

from vp_science.checkpoints.load import initialise, load_encoder
from vp_science.encoder.config import EncoderConfig

pytestmark = pytest.mark.oracle

FRAMES = "VP_SCIENCE_ORACLE_FRAMES"
# Published by the author of the transformers port from the official notebooks, CPU: tokens[0, :3, :3].
SLICES = {
    "videoprism-base": [
        [0.11648951, 0.4568253, 0.19288044],
        [0.28420594, -0.04224018, 0.377879],
        [0.24594213, -0.3914095, -0.30516925],
    ],
    "videoprism-large": [
        [0.39503154, 0.07308281, 0.21407786],
        [0.4963156, -0.02489206, 0.49198192],
        [-0.41461205, 0.24869855, 0.25285226],
    ],
}


def random_weights(config):
    """Unit-gain weights; biases and layer-norm scales, which start at zero, random too."""
    rng = np.random.default_rng(0)
    tensors = initialise(config, 0)
    return {
        name: values if values.any() else rng.normal(0, 0.3, values.shape).astype(np.float32)
        for name, values in tensors.items()
    }


@pytest.mark.parametrize("size", ["base", "large"])
def test_transformers_gives_the_same_tokens(size, tmp_path, record_property):
    if not _has("transformers") or not _has("torch"):
        pytest.skip('needs transformers and torch: pip install "transformers>=5.23" torch')
    import torch
    from safetensors.numpy import save_file
    from transformers import VideoPrismVisionConfig, VideoPrismVisionModel

    frames = {"base": 4, "large": 2}[size]
    config = EncoderConfig(6, (frames, 4, 4), 48, 3, 2, 4, 96)
    state = to_transformers(random_weights(config), size, config.patch_size)
    theirs = VideoPrismVisionModel._from_config(
        VideoPrismVisionConfig(
            image_size=24,
            num_frames=frames,
            tubelet_size=[1, 6, 6],
            hidden_size=48,
            num_spatial_layers=3,
            num_temporal_layers=2,
            num_attention_heads=4,
            intermediate_size=96,
        ),
        attn_implementation="eager",
    ).eval()
    theirs.load_state_dict({name: torch.tensor(values) for name, values in state.items()}, strict=True)
    # Our side reads the file that they would write: the reader of their layout is part of the comparison.
    save_file(state, tmp_path / "model.safetensors")
    ours = load_encoder(config, tmp_path / "model.safetensors", "float32")
    worst = 0.0
    for shape in [(2, frames, 24, 24), (1, frames + 3, 24, 24), (1, frames, 36, 36), (1, 1, 18, 30)]:
        video = np.random.default_rng(1).random((*shape, 3), np.float32)
        with torch.no_grad():
            channels_first = torch.tensor(video).permute(0, 1, 4, 2, 3)
            expected = theirs(channels_first, interpolate_pos_encoding=True).last_hidden_state.numpy()
        found = np.asarray(ours(jnp.asarray(video)))
        assert found.shape == expected.shape
        worst = max(worst, float(np.abs(found - expected).max()))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    record_property("max_abs_difference", worst)
    print(f"\nlargest difference from transformers: {worst:.1e}, largest token: {np.abs(expected).max():.1f}")


@pytest.mark.parametrize("name", SLICES)
def test_released_weights_give_the_published_tokens(name):
    from vp_science.checkpoints.fetch import is_cached
    from vp_science.checkpoints.registry import find_model

    if is_cached(find_model(name)) is None:
        pytest.skip(f"needs the released weights: vp-science fetch {name}")
    if FRAMES not in os.environ:
        pytest.skip(f"needs ${FRAMES}: path of frames_16_288.npy from the hub data set MHRDYN7/videoprism_assets")
    frames = np.load(os.environ[FRAMES], allow_pickle=False)
    frames = frames.reshape(-1, 288, 288, 3)
    assert len(frames) == 16
    video = frames.astype(np.float32) / (255 if frames.dtype == np.uint8 else 1)
    encoder = load_encoder(name, precision="float32", offline=True)
    if encoder.config.num_frames == 8:
        # The file has the 16 frames i * 100 // 16; every second one is i * 100 // 8.
        video = video[::2]
    tokens = np.asarray(encoder(jnp.asarray(video[None])))
    np.testing.assert_allclose(tokens[0, :3, :3], SLICES[name], rtol=0, atol=1e-4)


def _has(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None
