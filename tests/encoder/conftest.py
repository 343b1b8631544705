import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from vp_science.checkpoints.layout import make_abstract_encoder
from vp_science.checkpoints.weights import load_into
from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.video import VideoEncoder


@pytest.fixture(scope="module")
def fully_optimized():
    """Compile as users do; the rest of the suite compiles quickly instead."""
    import jax

    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()
    yield
    jax.config.update("jax_disable_most_optimizations", before)


GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@dataclass(frozen=True)
class GoldenSet:
    encoder: VideoEncoder
    weights: Mapping[str, np.ndarray]
    io: Mapping[str, np.ndarray]


def _load(name: str) -> GoldenSet:
    config = EncoderConfig.from_json(json.loads((GOLDEN / "configs.json").read_text())[name])
    weights = dict(np.load(GOLDEN / f"{name}_weights.npz"))
    encoder = make_abstract_encoder(config)
    load_into(encoder, weights)
    return GoldenSet(encoder, weights, dict(np.load(GOLDEN / f"{name}_io.npz")))


@pytest.fixture(scope="session")
def official() -> GoldenSet:
    return _load("official")


@pytest.fixture(scope="session")
def fixtures() -> GoldenSet:
    return _load("fixtures")
