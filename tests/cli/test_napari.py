"""``vp-science napari``: what is missing is said before anything is opened."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest

from vp_science.cli import napari as verb
from vp_science.errors import MissingExtraError, RecordingError, SettingsError


@pytest.fixture
def opened(monkeypatch):
    """What would be opened, instead of a window."""
    calls = []
    monkeypatch.setattr(verb, "open_window", lambda paths, session: calls.append((paths, session)))
    return calls


@pytest.fixture
def installed(monkeypatch):
    """Pretend that only these packages are there."""

    def pretend(*names):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name in names else None)

    return pretend


def test_files_and_session_are_opened(opened, installed, monkeypatch, tmp_path):
    installed("napari", "napari_vp_science", "PySide6")
    monkeypatch.setenv("DISPLAY", ":9")
    file = tmp_path / "a.mp4"
    file.write_bytes(b"x")
    verb.napari([file], tmp_path / "session")
    assert opened == [([file], tmp_path / "session")]


def test_without_files_the_window_opens_empty(opened, installed, monkeypatch):
    installed("napari", "napari_vp_science", "PyQt6")
    monkeypatch.setenv("DISPLAY", ":9")
    verb.napari(None, None)
    assert opened == [([], None)]


@pytest.mark.parametrize(
    ("there", "named"),
    [
        ((), '"napari"'),
        (("napari", "PyQt6"), '"napari-vp-science"'),
        (("napari", "napari_vp_science"), "Qt binding"),
    ],
)
def test_what_is_missing_is_named(opened, installed, there, named):
    installed(*there)
    with pytest.raises(MissingExtraError, match=named) as caught:
        verb.napari(None, None)
    assert verb.how_to_install() in str(caught.value)
    assert opened == []


@pytest.fixture
def installed_from(monkeypatch):
    """Pretend that pip recorded this about where the package came from."""

    def pretend(record):
        class Installed:
            def read_text(self, name):
                assert name == "direct_url.json"
                return record

        monkeypatch.setattr(verb, "distribution", lambda name: Installed())

    return pretend


def make_checkout(folder):
    (folder / "plugins" / "napari").mkdir(parents=True)
    (folder / "plugins" / "napari" / "pyproject.toml").write_text("[project]\n")
    return folder


def test_from_a_checkout_the_plugin_of_the_checkout_is_advised(installed_from, monkeypatch, tmp_path):
    folder = make_checkout(tmp_path / "with blank")
    installed_from(json.dumps({"url": folder.as_uri(), "dir_info": {}}))
    assert verb.checkout() == folder
    monkeypatch.setattr(sys, "executable", "/env/bin/python")
    plugin = folder / "plugins" / "napari"
    assert verb.how_to_install() == f'run /env/bin/python -m pip install "{plugin}" "napari[pyqt6]"'
    monkeypatch.setattr(sys, "executable", "/my env/python")
    assert verb.how_to_install().startswith('run "/my env/python" -m pip install ')


@pytest.mark.parametrize("record", [None, "", "{", "[]", "{}", '{"url": 3}', '{"url": "https://example.org/vp.whl"}'])
def test_from_an_index_or_a_file_the_extra_is_advised(installed_from, record):
    installed_from(record)
    assert verb.checkout() is None
    assert '-m pip install "vp-science[napari]"' in verb.how_to_install()
    assert './plugins/napari "napari[pyqt6]"' in verb.how_to_install()


def test_a_checkout_that_is_gone_is_not_advised(installed_from, tmp_path):
    folder = make_checkout(tmp_path / "vp")
    installed_from(json.dumps({"url": folder.as_uri()}))
    shutil.rmtree(folder)
    assert verb.checkout() is None


def test_this_package_knows_where_it_came_from():
    """Tests run in a checkout that pip installed as a folder."""
    assert verb.checkout() == Path(__file__).parents[2]


def test_no_screen(opened, installed, monkeypatch):
    installed("napari", "napari_vp_science", "PyQt6")
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match="expected a screen"):
        verb.napari(None, None)
    assert opened == []


def test_missing_file_before_anything_else(opened, installed):
    installed()
    with pytest.raises(RecordingError, match="no such file"):
        verb.napari([Path("/nowhere/a.mp4")], None)
    assert opened == []
