from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from transformers_layout import to_transformers

from vp_science.checkpoints.layout import make_abstract_encoder, parameter_shapes
from vp_science.checkpoints.load import initialise
from vp_science.checkpoints.weights import load_into
from vp_science.encoder.config import EncoderConfig

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SMALL = EncoderConfig(
    patch_size=2,
    pos_emb_shape=(2, 2, 3),
    model_dim=8,
    num_spatial_layers=3,
    num_temporal_layers=2,
    num_heads=2,
    mlp_dim=12,
)


def random_tensors(config: EncoderConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Every value different from zero, so that nothing can be mixed up unnoticed."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in parameter_shapes(config).items()}


def make_encoder(config: EncoderConfig, tensors: dict[str, np.ndarray] | None = None):
    encoder = make_abstract_encoder(config)
    load_into(encoder, initialise(config, 0) if tensors is None else tensors)
    return encoder


def prefixed_transformers(
    tensors: dict[str, np.ndarray], config: EncoderConfig, prefix: str = ""
) -> dict[str, np.ndarray]:
    """The transformers layout as it lies inside a larger model."""
    renamed = to_transformers(tensors, "large", config.patch_size)
    return {prefix + name: values for name, values in renamed.items()}


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """What the tests here share; conftest cannot be imported by name."""
    tensors = random_tensors(SMALL)
    return SimpleNamespace(
        config=SMALL,
        tensors=tensors,
        encoder=make_encoder(SMALL, tensors),
        golden=GOLDEN,
        random_tensors=random_tensors,
        make_encoder=make_encoder,
        to_transformers=prefixed_transformers,
    )


@pytest.fixture
def npz(tmp_path, kit):
    """Writes arrays into an .npz; keyword ``drop`` and positional dict change the good ones."""

    def write(changes: dict[str, np.ndarray] | None = None, drop: tuple[str, ...] = ()) -> Path:
        tensors = {name: values for name, values in kit.tensors.items() if name not in drop} | (changes or {})
        np.savez(tmp_path / "weights.npz", **tensors)
        return tmp_path / "weights.npz"

    return write
