"""What the plugin promises to napari and to the library: a valid manifest, quick imports, the public API only."""

import ast
import importlib
import subprocess
import sys
from importlib.metadata import entry_points, requires
from pathlib import Path

import pytest
from npe2 import PluginManifest

import vp_science as vp

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "napari_vp_science"
SOURCES = sorted(PACKAGE.rglob("*.py"))
OWNED = {"QTimer", "QMenu", "QAction", "QShortcut", "QProcess", "QButtonGroup", "QObject", "QThread", "JobRunner"}
NAMESPACES = ("maps", "plots", "search", "sessions")


def test_the_manifest_is_valid_and_everything_it_names_can_be_imported():
    manifest = PluginManifest.from_file(PACKAGE / "napari.yaml")
    assert manifest.name == "napari-vp-science"
    manifest.validate_imports()
    (point,) = [point for point in entry_points(group="napari.manifest") if point.name == "napari-vp-science"]
    assert point.value == "napari_vp_science:napari.yaml"


def test_every_command_is_reachable_or_used():
    contributions = PluginManifest.from_file(PACKAGE / "napari.yaml").contributions
    in_menus = {item.command for items in contributions.menus.values() for item in items if hasattr(item, "command")}
    used = in_menus | {reader.command for reader in contributions.readers}
    used |= {sample.command for sample in contributions.sample_data}
    assert {command.id for command in contributions.commands} == used


def test_no_qt_binding_is_forced():
    names = [line for line in requires("napari-vp-science") if "extra ==" not in line]
    assert not [line for line in names if line.lower().startswith(("pyqt", "pyside")) or "[" in line.split(";")[0]]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_public_api_of_the_library_is_used(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vp_science":
            allowed = vp.__all__ if node.module == "vp_science" else _names(node.module)
            assert {alias.name for alias in node.names} <= set(allowed), f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                assert parts[0] != "vp_science" or alias.name == "vp_science", f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "vp":
            assert node.attr in (*vp.__all__, "__version__"), f"{path.name}:{node.lineno} vp.{node.attr}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
            owner = node.value
            if isinstance(owner.value, ast.Name) and owner.value.id == "vp" and owner.attr in NAMESPACES:
                assert node.attr in _names(f"vp_science.{owner.attr}"), f"{path.name}:{node.lineno} {node.attr}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_timers_and_menus_belong_to_something(path):
    """Qt ends them with it. What belongs to nothing is ended by Python: with PySide6 in any thread, which crashes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.args or node.func.id not in OWNED, f"{path.name}:{node.lineno} {node.func.id}()"


def _names(module):
    assert module in [f"vp_science.{name}" for name in NAMESPACES], module
    return importlib.import_module(module).__all__


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_private_of_napari_and_no_binding_by_name(path):
    text = path.read_text(encoding="utf-8")
    for word in (
        "_qt_viewer",
        "_qt_window",
        "ensure_main_thread",
        "import PyQt",
        "import PySide",
        "from PyQt",
        "from PySide",
    ):
        assert word not in text, word


def test_importing_the_workbench_loads_nothing_heavy():
    code = (
        "import sys, napari_vp_science.workbench, napari_vp_science.reader, napari_vp_science.commands\n"
        "heavy = ('jax', 'sklearn', 'umap', 'av', 'matplotlib', 'h5py', 'scipy')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
