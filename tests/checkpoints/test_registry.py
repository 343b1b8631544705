import dataclasses
import subprocess
import sys

import pytest

from vp_science.checkpoints.registry import PRESETS, find_model
from vp_science.errors import SettingsError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("videoprism-base", "videoprism-base"),
        ("google/videoprism-base-f16r288", "videoprism-base"),
        ("videoprism_public_v1_base", "videoprism-base"),
        ("google/videoprism-large-f8r288", "videoprism-large"),
        ("videoprism_public_v1_large", "videoprism-large"),
        ("videoprism_v1_giant", "videoprism-giant"),
        ("videoprism-tiny", "videoprism-tiny"),
    ],
)
def test_names_and_aliases(name, expected):
    assert find_model(name) is PRESETS[expected]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("videoprism-bse", "did you mean videoprism-base"),
        ("base", "did you mean videoprism-base"),
        ("Videoprism-Large", "did you mean videoprism-large"),
        ("resnet50", "no name comes near"),
        ("", "no name comes near"),
    ],
)
def test_unknown_names_get_the_nearest(name, hint):
    with pytest.raises(SettingsError, match="expected one of videoprism-base, ") as caught:
        find_model(name)
    assert f"found {name!r}" in str(caught.value)
    assert hint in str(caught.value)


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        PRESETS["mine"] = None
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["videoprism-base"].revision = "main"
    assert len({PRESETS["videoprism-base"], PRESETS["videoprism-large"]}) == 2


def test_every_download_is_pinned_and_licensed():
    for spec in PRESETS.values():
        assert spec.released == (spec.repo is not None or spec.bundled is not None)
        if spec.repo is not None:
            assert len(spec.revision) == 40
            assert spec.licence == "Apache-2.0"
    local = [file.local_name for spec in PRESETS.values() for file in spec.files.values()]
    assert len(set(local)) == len(local) == 8


def test_listing_models_is_quick():
    script = (
        "import sys, vp_science.checkpoints.registry as r; print(len(r.PRESETS)); "
        "assert not {'jax', 'flax', 'huggingface_hub', 'numpy'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
