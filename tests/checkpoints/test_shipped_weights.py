"""The weights that come with the package: trained, by the recipes that are committed, and small."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import vp_science as vp
from vp_science.checkpoints.registry import PRESETS
from vp_science.files import hash_file
from vp_science.samples.synthetic import SyntheticSettings, draw_clips

ROOT = Path(__file__).parents[2]
NAMES = ("videoprism-tiny", "videoprism-lvt-tiny")


@pytest.fixture(scope="module")
def metadata():
    with safe_open(PRESETS["videoprism-tiny"].bundled_path, framework="numpy") as file:
        return file.metadata()


@pytest.mark.parametrize("name", NAMES)
def test_they_are_loaded_by_name_without_network(name):
    encoder = vp.load_encoder(name, offline=True)
    path = PRESETS[name].bundled_path
    assert path.stat().st_size < 12_000_000
    assert not encoder.info.untrained
    assert encoder.info.checkpoint == f"sha256:{hash_file(path)} ({path.name})"
    assert encoder.info.licence == "Apache-2.0"


def test_they_come_from_the_recipes_of_this_checkout(metadata, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    pack_tiny = __import__("pack_tiny")
    sys.modules.pop("pack_tiny")
    assert metadata["recipe_sha256"] == pack_tiny.hash_recipes()
    made = json.loads(metadata["provenance"])
    assert made["stage"] == "contrastive"
    assert made["seed"] == int(metadata["seed"])
    assert not [value for value in json.dumps(made).split('"') if value.startswith("/")], "a path of some machine"


def test_a_sentence_finds_its_clip_among_clips_that_were_never_drawn_before():
    """Chance is 1 in 24; the clips have a seed of their own."""
    model = vp.load_encoder("videoprism-lvt-tiny", precision="float32")
    drawn = draw_clips(987_654, np.arange(24), SyntheticSettings(num_frames=8, size=144))
    clips = model.embed_video(drawn.video.astype(np.float32) / 255)
    from vp_science.text import embed_texts

    similar = np.asarray(embed_texts(drawn.captions, model) @ np.asarray(clips).T)
    rank = (similar > np.diag(similar)[:, None]).sum(axis=1)
    assert np.median(rank) <= 5
    assert (rank == 0).mean() >= 0.15
