"""``vp.maps``: public names, loaded when they are used."""

import subprocess
import sys

import pytest

import vp_science as vp


def test_every_public_name_is_there():
    for name in vp.maps.__all__:
        assert getattr(vp.maps, name).__name__ == name
    assert set(vp.maps.__all__) <= set(dir(vp.maps))
    with pytest.raises(AttributeError, match="no attribute 'make_mapp'"):
        _ = vp.maps.make_mapp


def test_importing_the_verbs_and_names_loads_no_heavy_library():
    code = "import sys, vp_science.maps, vp_science.cli.map; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"jax", "av", "umap", "sklearn", "matplotlib", "numba", "pandas", "h5py"} & set(loaded)
    assert "vp_science" in loaded
