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
from vp_science.encoder.config import EncoderConfig, VideoTextConfig
from vp_science.encoder.text import sinusoids

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


# Video vector [0, :9] and text vectors [:, :3] of video-text models, same source; texts as in TEXTS.
VECTORS = {
    "videoprism-lvt-base": (
        [
            -0.01940615,
            -0.04830061,
            0.0069022,
            0.02915299,
            -0.05897291,
            0.02168823,
            -0.01471708,
            -0.00971614,
            -0.00220576,
        ],
        [
            [-0.00802545, 0.00931361, 0.01555958],
            [0.02245245, 0.00010197, -0.01073526],
            [-0.02258418, 0.00133927, -0.01555064],
            [0.01056228, 0.01835608, -0.01539922],
            [-0.00366718, 0.00370416, 0.00800336],
        ],
    ),
    "videoprism-lvt-large": (
        [
            -0.00077759,
            0.00582959,
            -0.00158949,
            0.04192347,
            -0.01581791,
            0.02410023,
            -0.00364033,
            -0.02118852,
            0.00181754,
        ],
        [
            [0.00454123, -0.02623128, -0.00612541],
            [-0.00042687, -0.0018771, 0.01664249],
            [0.02318677, -0.02984732, 0.00270805],
            [-0.02054974, 0.00793169, 0.00964476],
            [-0.00214194, -0.02825877, 0.01981462],
        ],
    ),
}
TEXTS = [
    f"a video of {what}." for what in ("playing drums", "sitting", "playing flute", "playing at playground", "concert")
]


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


@pytest.mark.parametrize("size", ["base", "large"])
def test_transformers_gives_the_same_video_and_text_vectors(size, tmp_path):
    if not _has("transformers") or not _has("torch"):
        pytest.skip('needs transformers and torch: pip install "transformers>=5.23" torch')
    import torch
    from safetensors.numpy import save_file
    from transformers import VideoPrismClipModel, VideoPrismConfig, VideoPrismTextConfig, VideoPrismVisionConfig

    frames = {"base": 4, "large": 2}[size]
    config = VideoTextConfig(6, (frames, 4, 4), 48, 3, 2, 4, 192, num_unimodal_layers=3, vocabulary_size=50)
    state = to_transformers(random_weights(config), size, config.patch_size, "lvt_public")
    vision = VideoPrismVisionConfig(
        image_size=24,
        num_frames=frames,
        tubelet_size=[1, 6, 6],
        hidden_size=48,
        num_spatial_layers=3,
        num_temporal_layers=2,
        num_attention_heads=4,
        intermediate_size=192,  # the port's pooler has this width, the official one 4 x hidden_size
    )
    text = VideoPrismTextConfig(
        vocab_size=50, hidden_size=48, intermediate_size=192, num_hidden_layers=3, num_attention_heads=4
    )
    theirs = VideoPrismClipModel._from_config(
        VideoPrismConfig(vision_config=vision.to_dict(), text_config=text.to_dict()), attn_implementation="eager"
    ).eval()
    # Their positions follow another formula than the official code; with the official ones the rest can be compared.
    buffers = {
        "text_model.embeddings.position_embedding": sinusoids(64, 48),
        "text_model.embeddings.position_ids": np.arange(64)[None],
    }
    state = {name: torch.tensor(values) for name, values in (state | buffers).items()}
    theirs.load_state_dict(state, strict=True)
    save_file({name: values.numpy() for name, values in state.items()}, tmp_path / "model.safetensors")
    ours = load_encoder(config, tmp_path / "model.safetensors", "float32")
    rng = np.random.default_rng(1)
    video = rng.random((2, frames, 24, 24, 3), np.float32)
    ids, valid = rng.integers(1, 50, (3, 9)), np.arange(9) < np.array([[9], [4], [6]])
    with torch.no_grad():
        out = theirs(
            pixel_values_videos=torch.tensor(video).permute(0, 1, 4, 2, 3),
            input_ids=torch.tensor(np.where(valid, ids, 0)),
            attention_mask=torch.tensor(valid.astype(np.int64)),
        )
    found = {
        "video": (ours.embed_video(jnp.asarray(video)), out.video_embeds),
        "text": (ours.embed_text(jnp.asarray(np.where(valid, ids, 0), jnp.int32), jnp.asarray(valid)), out.text_embeds),
    }
    for name, (mine, other) in found.items():
        difference = np.abs(np.asarray(mine) - other.numpy().reshape(mine.shape)).max()
        print(f"\nlargest difference from transformers, {name}: {difference:.1e}")
        assert difference <= 1e-6


def example_video(name, encoder_frames):
    from vp_science.checkpoints.fetch import is_cached
    from vp_science.checkpoints.registry import find_model

    if is_cached(find_model(name)) is None:
        pytest.skip(f"needs the released weights: vp-science fetch {name}")
    if FRAMES not in os.environ:
        pytest.skip(f"needs ${FRAMES}: path of frames_16_288.npy from the hub data set MHRDYN7/videoprism_assets")
    frames = np.load(os.environ[FRAMES], allow_pickle=False).reshape(-1, 288, 288, 3)
    assert len(frames) == 16
    video = frames.astype(np.float32) / (255 if frames.dtype == np.uint8 else 1)
    # The file has the 16 frames i * 100 // 16; every second one is i * 100 // 8.
    return jnp.asarray(video[None, :: 16 // encoder_frames])


@pytest.mark.parametrize("name", SLICES)
def test_released_weights_give_the_published_tokens(name):
    video = example_video(name, 8 if "large" in name else 16)
    encoder = load_encoder(name, precision="float32", offline=True)
    tokens = np.asarray(encoder(video))
    np.testing.assert_allclose(tokens[0, :3, :3], SLICES[name], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", VECTORS)
def test_released_weights_give_the_published_video_and_text_vectors(name):
    from vp_science.checkpoints.fetch import find_cached
    from vp_science.checkpoints.registry import TOKENIZER

    video = example_video(name, 8 if "large" in name else 16)
    if find_cached(TOKENIZER) is None:
        pytest.skip("needs the released tokenizer: vp-science fetch c4_en")
    from vp_science.text import embed_texts

    model = load_encoder(name, precision="float32", offline=True)
    expected_video, expected_text = VECTORS[name]
    np.testing.assert_allclose(np.asarray(model.embed_video(video))[0, :9], expected_video, rtol=0, atol=1e-5)
    np.testing.assert_allclose(embed_texts(TEXTS, model, offline=True)[:, :3], expected_text, rtol=0, atol=1e-5)


def _has(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None
