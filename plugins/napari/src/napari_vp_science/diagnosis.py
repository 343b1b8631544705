"""Known faults of window libraries that end the program without a word: said at the start, with the way out."""

import sys

from qtpy import API_NAME, QT_VERSION


def qt_problem(api: str = API_NAME, version: str | None = None, python: tuple[int, int] | None = None) -> str | None:
    """What is wrong with this Qt on this Python; None when nothing is known to be.

    PySide6 6.12.0 gives away one reference to ``None`` with every call that returns nothing. Before Python 3.12, which
    made ``None`` immortal, the process aborts after some thousand calls.

    Args:
        api: name of the binding.
        version: of the binding; None asks it.
        python: major and minor version; None takes the running one.
    """
    found = version or _binding_version(api)
    if api == "PySide6" and found == "6.12.0" and (python or sys.version_info[:2]) < (3, 12):
        return (
            "PySide6 6.12.0 crashes on Python 3.11 after a while: save often, and install another one "
            '(pip install "PySide6-Essentials<6.12", or pip install PyQt6)'
        )
    return None


def _binding_version(api: str) -> str:
    if api == "PySide6":
        from qtpy import PYSIDE_VERSION

        return str(PYSIDE_VERSION)
    return str(QT_VERSION)
