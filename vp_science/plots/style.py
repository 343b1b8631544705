"""The look that all figures share: ink on white, few lines, colors that color-blind readers can tell apart."""

import textwrap
from pathlib import Path
from typing import Any

from vp_science.errors import ProbeError
from vp_science.files import write_atomically

INK, MUTED, FAINT = "#1f2430", "#6b7280", "#d9dce1"

# Of the palette of Okabe and Ito (2008), which keeps its differences for all common kinds of color blindness.
BLUE, ORANGE, GREEN, SKY = "#0072B2", "#D55E00", "#009E73", "#56B4E9"

METHOD_COLORS = {"probe": BLUE, "pixels": ORANGE, "untrained": GREEN, "majority": MUTED}

_DPI = 160


def new_figure(width: float, height: float) -> Any:
    """An empty white figure of this size in inches, drawn without a window system."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


class Page:
    """A figure on which axes are placed in inches, from the upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = new_figure(width, height)

    def axes(self, left: float, top: float, wide: float, high: float) -> Any:
        """Axes whose upper left corner lies ``left`` and ``top`` inches from that of the page."""
        place = (left / self.width, 1 - (top + high) / self.height, wide / self.width, high / self.height)
        return tidy(self.figure.add_axes(place))

    def text(self, left: float, top: float, words: str, **style: Any) -> None:
        """Text whose upper left corner lies there."""
        options = {"color": INK, "fontsize": 9.5, "va": "top", "ha": "left"} | style
        self.figure.text(left / self.width, 1 - top / self.height, plain(words), **options)

    def title(self, words: str, note: str = "") -> None:
        """The headline, and what it does not say, below it."""
        self.text(0.35, 0.25, words, fontsize=12.5, weight="bold")
        self.text(0.35, 0.53, note, color=MUTED, fontsize=9.5)

    def save(self, path: Path) -> Path:
        """Write the picture; its ending decides the format.

        Raises:
            ProbeError: when it cannot be written.
        """
        kind = path.suffix.lstrip(".").lower() or "png"
        try:
            write_atomically(path, lambda file: self.figure.savefig(file, format=kind))
        except OSError as error:
            raise ProbeError(f"cannot write {path} ({error.strerror or error}): choose a folder with room") from error
        return path


def tidy(axes: Any) -> Any:
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
