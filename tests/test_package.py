"""The public names, and what ships with the package."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import vp_science as vp

NAMESPACES = ("maps", "plots", "search", "sessions", "train")
ROOT = Path(__file__).resolve().parents[1]


def test_few_public_names():
    assert len(vp.__all__) <= 30
    assert list(vp.__all__) == sorted(set(vp.__all__))
    assert set(dir(vp)) == {*vp.__all__, "__version__"}


@pytest.mark.parametrize("name", vp.__all__)
def test_every_public_name_is_there_and_explained(name):
    value = getattr(vp, name)
    assert value.__doc__
    if name in NAMESPACES:
        assert value is importlib.import_module(f"vp_science.{name}")
        return
    assert callable(value), "a submodule of the same name would hide a function"
    assert getattr(importlib.import_module(value.__module__), name) is value


@pytest.mark.parametrize("name", NAMESPACES)
def test_namespaces_load_their_names_when_used(name):
    namespace = getattr(vp, name)
    assert list(namespace.__all__) == sorted(namespace.__all__) == dir(namespace)
    for public in namespace.__all__:
        value = getattr(namespace, public)
        if not public.isupper():  # constants have no other name to be confused with
            assert callable(value)
            assert value.__doc__
    source = Path(namespace.__file__).read_text()
    assert all(f"import {public} as {public}" in source for public in namespace.__all__)
    with pytest.raises(AttributeError, match=rf"module 'vp_science.{name}' has no attribute 'x': expected one of"):
        _ = namespace.x


@pytest.mark.parametrize("first", ["BatchError", "open_embeddings", "maps"])
def test_functions_stay_functions_in_any_order(first):
    """Importing a submodule sets its name in the package: it must not hide a function."""
    code = (
        f"import vp_science as vp; vp.{first}\n"
        "import vp_science.cli.app, vp_science.plots\n"
        f"assert all(callable(getattr(vp, n)) for n in vp.__all__ if n not in {NAMESPACES})\n"
        "from vp_science import *\n"
        "assert callable(embed)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_type_checkers_see_the_same_names():
    source = (ROOT / "vp_science" / "__init__.py").read_text()
    for name in vp.__all__:
        assert f"import {name} as {name}" in source


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(AttributeError, match=r"module 'vp_science' has no attribute 'embedd': expected one of .*embed"):
        _ = vp.embedd


def test_version():
    from importlib.metadata import version

    assert vp.__version__ == version("vp-science")


def test_the_sample_recording():
    path = vp.sample_recording()
    assert path.is_file()
    assert path.stat().st_size < 2 << 20
    with vp.open_recording(path) as recording:
        assert recording.num_frames == 3000
        assert (recording.width, recording.height) == (192, 192)
        assert recording.mean_fps == pytest.approx(25)
        assert recording.read(1500).shape == (192, 192, 3)


def test_the_sample_is_attributed():
    notice = (ROOT / "NOTICE").read_text()
    assert "SLEAP" in notice
    assert "BSD-3-Clause-Clear" in notice


def test_licence():
    assert "Apache License" in (ROOT / "LICENSE").read_text()
