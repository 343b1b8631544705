"""Writing figures: complete or not there, with text as text."""

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vp_science.errors import FigureError
from vp_science.files import write_atomically
from vp_science.typing import StrPath

ENDINGS = ("png", "svg", "pdf")

# Text stays text (searchable, and editable in Inkscape or Illustrator); equal figures give equal bytes.
_SETTINGS: Any = {"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "vp_science"}
_NO_DATE: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
_EDGE_INCHES = 0.18


def save(axes: Axes, path: StrPath) -> Path:
    """Write the figure that holds these axes, cut where its content ends.

    Args:
        axes: from any function of ``vp_science.plots``.
        path: ends in ``.png``, ``.svg`` or ``.pdf``; a file of this name is replaced, in one step.

    Returns:
        The path.

    Raises:
        FigureError: when the ending is another one, or the file cannot be written.
    """
    figure = axes.get_figure(root=True)
    if figure is None:
        raise FigureError("expected axes that belong to a figure, found some that were removed: draw them again")
    return write_figure(figure, Path(path), tight=True)


def check_ending(path: StrPath) -> str:
    """The format that the ending of a path stands for.

    Raises:
        FigureError: when it is none of png, svg, pdf.
    """
    ending = Path(path).suffix.lower()
    if ending.lstrip(".") not in ENDINGS:
        raise FigureError(
            f"expected a figure file ending in .png, .svg or .pdf, found {Path(path).name!r}: "
            f"{'add one of them' if not ending else f'replace {ending} by one of them'}"
        )
    return ending.lstrip(".")


def write_figure(figure: Figure, path: Path, *, tight: bool) -> Path:
    """Write a figure; ``tight`` cuts the picture where its content ends (or extends it to there).

    Raises:
        FigureError: when the ending is none of png, svg, pdf, or the file cannot be written.
    """
    kind = check_ending(path)
    cut: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": _EDGE_INCHES} if tight else {}
    try:
        with rc_context(_SETTINGS):
            write_atomically(path, lambda file: figure.savefig(file, format=kind, metadata=_NO_DATE[kind], **cut))
    except OSError as error:
        raise FigureError(f"cannot write {path} ({error.strerror or error}): choose a folder with room") from error
    return path
