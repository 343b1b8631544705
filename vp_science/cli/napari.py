"""``vp-science napari``: the panel in a window, with recordings."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vp_science.errors import MissingExtraError, RecordingError, SettingsError

PLUGIN, WIDGET = "napari-vp-science", "Behaviour workbench"
_INSTALL = 'run pip install "vp-science[napari]"'


def napari(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Recordings (videos, HDF5, NWB, TIFF, folders of pictures).")
    ] = None,
    session: Annotated[
        Path | None,
        typer.Option("--session", "-s", help="Session folder to open; made when new. Default: beside the first file."),
    ] = None,
) -> None:
    """Open the panel in napari: look, embed, label, train, review, map, search.

    Labels are kept in a session folder, by default "vp_science_session" beside the first recording.
    """
    paths = [path.resolve() for path in files or []]
    for path in paths:
        if not path.exists():
            raise RecordingError(f"{path}: expected a recording, found no such file: check the path")
    check_window()
    open_window(paths, session)


def check_window() -> None:
    """Whether a window with the panel can be opened here.

    Raises:
        MissingExtraError: when napari, the plugin or a Qt binding is not installed.
        SettingsError: when there is no screen.
    """
    for module, package in (("napari", "napari"), ("napari_vp_science", PLUGIN)):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(f'this needs the package "{package}", which is not installed: {_INSTALL}')
    bindings = ("PyQt6", "PySide6", "PyQt5", "PySide2")
    if not any(importlib.util.find_spec(name) for name in bindings):
        raise MissingExtraError(f"this needs a Qt binding (PyQt6 or PySide6), and none is installed: {_INSTALL}")
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in screens):
        raise SettingsError(
            "expected a screen to open a window on, found none (DISPLAY is not set): run this on the computer in front "
            "of you, or log in with ssh -X"
        )


def open_window(paths: list[Path], session: Path | None) -> None:
    """Open the window and wait until it is closed."""
    program: Any = importlib.import_module("napari")
    viewer: Any = program.Viewer(title="vp-science")
    _, workbench = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    if session is not None:
        workbench.open_session(session.resolve(), lambda: workbench.open_recordings(paths) if paths else None)
    elif paths:
        workbench.open_recordings(paths)
    program.run()
