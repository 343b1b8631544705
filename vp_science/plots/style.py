"""The look that all figures share: ink on white, few lines, colors that color-blind readers can tell apart."""

import sys
import textwrap
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vp_science.plots.saving import write_figure

INK, MUTED, FAINT = "#1f2430", "#6b7280", "#d9dce1"

# Of the palette of Okabe and Ito (2008), which keeps its differences for all common kinds of color blindness.
BLUE, ORANGE, GREEN, SKY = "#0072B2", "#D55E00", "#009E73", "#56B4E9"

METHOD_COLORS = {"probe": BLUE, "pixels": ORANGE, "untrained": GREEN, "majority": MUTED}

UNTRAINED_NOTE = "untrained encoder: its weights are random numbers"

_DPI = 160
_LEFT, _RIGHT, _BOTTOM, _TOP = 1.2, 0.4, 0.7, 0.8


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure of this size in inches, drawn without a window system."""
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def axes_for(axes: Axes | None, width: int | float, height: int | float) -> Axes:
    """The given axes, or those of a new figure whose plotting area is this wide and high in inches; tidied.

    In a notebook the figure is one of pyplot, which shows it below the cell; elsewhere pyplot stays out of it. What
    stands outside (tick labels, a legend) may leave the new figure: ``save`` cuts the picture where its content ends.
    """
    if axes is not None:
        return tidy(axes)
    whole = (width + _LEFT + _RIGHT, height + _BOTTOM + _TOP)
    place = (_LEFT / whole[0], _BOTTOM / whole[1], width / whole[0], height / whole[1])
    figure = _shown_figure(*whole) if _in_notebook() else new_figure(*whole)
    return tidy(figure.add_axes(place))


def _in_notebook() -> bool:
    """Whether this is a cell, and matplotlib draws below it: %matplotlib inline (the default) or widget."""
    ipython = sys.modules.get("IPython")
    backend = str(matplotlib.get_backend(auto_select=False)).lower()
    drawn_below = any(name in backend for name in ("inline", "ipympl", "widget"))
    return drawn_below and ipython is not None and ipython.get_ipython() is not None


def _shown_figure(width: float, height: float) -> Figure:
    """An empty white figure that pyplot knows: as fine as figures of this notebook are (``rcParams``)."""
    from matplotlib import pyplot

    return pyplot.figure(figsize=(width, height), facecolor="white")


def size_in_inches(axes: Axes) -> tuple[float, float]:
    """Width and height of the plotting area."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    box = axes.get_position()
    wide, high = figure.get_size_inches().tolist()
    return box.width * wide, box.height * high


def headline(axes: Axes, title: str, note: str = "", above: int | float = 6) -> None:
    """The title over a figure, and what it does not say, below it.

    Args:
        axes: over which it stands.
        title: in one line or a few; "" for none.
        note: "" for none.
        above: distance from the axes in points: room for what stands between.
    """
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    place |= {"va": "bottom", "ha": "left"}
    if note:
        axes.annotate(plain(note), (0, 1), (0, above), fontsize=9, color=MUTED, **place)
    if title:
        up = above + 15 * bool(note)
        axes.annotate(plain(title), (0, 1), (0, up), fontsize=12, color=INK, weight="bold", **place)


class Page:
    """A figure on which axes are placed in inches, from the upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = new_figure(width, height)

    def axes(self, left: float, top: float, wide: float, high: float) -> Axes:
        """Axes whose upper left corner lies ``left`` and ``top`` inches from that of the page."""
        place = (left / self.width, 1 - (top + high) / self.height, wide / self.width, high / self.height)
        return tidy(self.figure.add_axes(place))

    def text(self, left: float, top: float, words: str, **style: Any) -> None:
        """Text whose upper left corner lies there."""
        options: dict[str, Any] = {"color": INK, "fontsize": 9.5, "va": "top", "ha": "left"} | style
        self.figure.text(left / self.width, 1 - top / self.height, plain(words), **options)

    def title(self, words: str, note: str = "") -> None:
        """The headline, and what it does not say, below it."""
        self.text(0.35, 0.25, words, fontsize=12.5, weight="bold")
        self.text(0.35, 0.53, note, color=MUTED, fontsize=9.5)

    def save(self, path: Path) -> Path:
        """Write the picture; its ending decides the format.

        Raises:
            FigureError: when it cannot be written, or the ending is none of png, svg, pdf.
        """
        return write_figure(self.figure, path, tight=False)


def tidy(axes: Axes) -> Axes:
    """Axes without a box; muted ticks."""
    for name, side in axes.spines.items():
        side.set_visible(name in ("left", "bottom"))
        side.set_color(FAINT)
    axes.tick_params(colors=MUTED, labelsize=8.5, length=3, color=FAINT)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.xaxis.label.set_fontsize(9.5)
    axes.yaxis.label.set_fontsize(9.5)
    return axes


def plain(words: str) -> str:
    """Text that is shown as it is: a name may hold dollar signs, which would start a formula."""
    return words.replace("$", r"\$")


def wrapped(name: str, width: int = 22, lines: int = 2) -> str:
    """A name on a few short lines; what does not fit ends in an ellipsis."""
    parts = textwrap.wrap(name, width, max_lines=lines, placeholder=" …", break_long_words=True) or [name]
    return plain("\n".join(parts))
