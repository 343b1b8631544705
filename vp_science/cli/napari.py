"""``vp-science napari``: the panel in a window, with recordings."""

import importlib
import importlib.util
import json
import os
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import typer

from vp_science.errors import MissingExtraError, RecordingError, SettingsError

PLUGIN, WIDGET = "napari-vp-science", "Behaviour workbench"


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
            raise MissingExtraError(f'this needs the package "{package}", which is not installed: {how_to_install()}')
    bindings = ("PyQt6", "PySide6", "PyQt5", "PySide2")
    if not any(importlib.util.find_spec(name) for name in bindings):
        raise MissingExtraError(
            f"this needs a Qt binding (PyQt6 or PySide6), and none is installed: {how_to_install()}"
        )
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in screens):
        raise SettingsError(
            "expected a screen to open a window on, found none (DISPLAY is not set): run this on the computer in front "
            "of you, or log in with ssh -X"
        )


def how_to_install() -> str:
    """The command that brings the panel to this environment, from where the package itself came from."""
    python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    pip = f"{python} -m pip install"
    if (folder := checkout()) is not None:
        return f'run {pip} "{folder / "plugins" / "napari"}" "napari[pyqt6]"'
    return f'run {pip} "vp-science[napari]" (or, in a checkout of the source, {pip} ./plugins/napari "napari[pyqt6]")'


def checkout() -> Path | None:
    """The folder that the package was installed from, where it is there still and holds the plugin; else None.

    pip records it beside the package (PEP 610) when it installs a folder, with ``--editable`` or without.
    """
    try:
        record = json.loads(distribution("vp-science").read_text("direct_url.json") or "{}")
        url = urlsplit(record["url"])
    except (PackageNotFoundError, ValueError, LookupError, TypeError, AttributeError):
        return None  # installed from an index, or not installed
    folder = Path(url2pathname(url.path))
    return folder if url.scheme == "file" and (folder / "plugins" / "napari" / "pyproject.toml").is_file() else None


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
