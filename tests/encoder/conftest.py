import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from vp_science.checkpoints.layout import make_abstract_encoder
from vp_science.checkpoints.weights import load_into
from vp_science.encoder.config import EncoderConfig, VideoTextConfig
from vp_science.encoder.video import VideoEncoder

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


@pytest.fixture(scope="module")
def second_set():
    """The second set: a video-text model of its own, a classifier and a text encoder that share its inputs."""
    vision = dict(np.load(GOLDEN / "fixtures_weights.npz"))
    more = dict(np.load(GOLDEN / "fixtures_video_text.npz"))
    weights = {name.replace("params/", "params/vision_encoder/", 1): values for name, values in vision.items()}
    weights |= {name.removeprefix("lvt/"): values for name, values in more.items() if name.startswith("lvt/")}
    sizes = json.loads((GOLDEN / "configs.json").read_text())["fixtures"]
    sizes |= {"pos_emb_shape": tuple(sizes["pos_emb_shape"]), "vocabulary_size": 50, "num_unimodal_layers": 3}
    model = make_abstract_encoder(VideoTextConfig(**sizes))
    load_into(model, weights)
    return model, dict(np.load(GOLDEN / "fixtures_io.npz")) | more, vision


@pytest.fixture
def run_in_tree_mode():
    """Run chosen tests of a file in a process in which Flax has no graph mode; how many passed."""

    def run(file: str, select: str) -> int:
        # Plugins for windows would be loaded for nothing.
        flags = {"NNX_GRAPH_MODE": "false", "NNX_GRAPH_UPDATES": "false", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "jaxtyping._pytest_plugin", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, "-k", select, file],
            env=os.environ | flags,
            cwd=GOLDEN.parents[1],
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        passed = re.search(r"(\d+) passed", done.stdout)
        assert passed, done.stdout
        return int(passed[1])

    return run
