"""Names, shapes and counts of every preset; nothing of that size is allocated."""

import json
from dataclasses import asdict
from math import prod
from pathlib import Path

import pytest

from vp_science.checkpoints.layout import parameter_shapes
from vp_science.checkpoints.registry import PRESETS, count_parameters
from vp_science.encoder.config import BASE, GIANT, LARGE, ClassifierConfig

SHAPES = Path(__file__).resolve().parents[1] / "golden" / "shapes"
FILES = {
    "videoprism-base": "videoprism_public_v1_base",
    "videoprism-large": "videoprism_public_v1_large",
    "videoprism-giant": "videoprism_v1_giant",
    "videoprism-lvt-base": "videoprism_lvt_public_v1_base",
    "videoprism-lvt-large": "videoprism_lvt_public_v1_large",
    "videoprism-lvt-giant": "videoprism_lvt_v1_giant",
}
TENSORS = {"videoprism-lvt-base": 88, "videoprism-lvt-large": 88, "videoprism-lvt-giant": 92}


@pytest.mark.parametrize(("preset", "file"), FILES.items())
def test_names_and_shapes_equal_the_official_checkpoint(preset, file):
    expected = json.loads((SHAPES / f"{file}.shapes.json").read_text())
    found = {name: list(shape) for name, shape in parameter_shapes(PRESETS[preset].config).items()}
    assert found == expected
    assert len(found) == TENSORS.get(preset, 40)


@pytest.mark.parametrize(("size", "config"), [("base", BASE), ("large", LARGE), ("giant", GIANT)])
def test_classifiers_too(size, config):
    expected = json.loads((SHAPES / f"videoprism_vc_v1_{size}_k400.shapes.json").read_text())
    classifier = ClassifierConfig(**asdict(config), num_classes=400)
    assert {name: list(shape) for name, shape in parameter_shapes(classifier).items()} == expected


@pytest.mark.parametrize(
    ("preset", "count"),
    [
        ("videoprism-base", 114_365_184),
        ("videoprism-large", 353_965_056),
        ("videoprism-giant", 1_112_755_072),
        ("videoprism-lvt-base", 247_623_424),
        ("videoprism-lvt-large", 579_877_120),
    ],
)
def test_parameter_counts_are_the_published_ones(preset, count):
    assert count_parameters(PRESETS[preset].config) == count


@pytest.mark.parametrize("spec", PRESETS.values(), ids=lambda spec: spec.name)
def test_registered_counts_equal_the_encoder(spec):
    assert spec.num_parameters == count_parameters(spec.config)
    assert prod(spec.image_size) == prod(288 for _ in range(2))
    assert spec.num_frames == spec.config.pos_emb_shape[0]
