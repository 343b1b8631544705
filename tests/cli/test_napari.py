"""``vp-science napari``: what is missing is said before anything is opened."""

import importlib.util
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
    assert 'pip install "vp-science[napari]"' in str(caught.value)
    assert opened == []


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
