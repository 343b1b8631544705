"""What a report is made of: figures, pictures, tables, facts and commands, as HTML that shows texts as they are."""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from vp_science.errors import FigureError

if TYPE_CHECKING:
    import pandas as pd

_OPTION = re.compile(r" (?=--?[A-Za-z])")
_WORDS = ' class="words"'
_EDGE_INCHES = 0.06
_CSS_PX_PER_INCH = 96
_PNG_SHARPER = 2
"""Pictures hold this many pixels per pixel of the page: sharp on fine screens and in print."""


@runtime_checkable
class Part(Protocol):
    """Something that a section can hold."""

    @property
    def beside(self) -> bool:
        """Whether it may stand beside others."""

    def html(self) -> str:
        """As HTML."""


@dataclass(frozen=True, eq=False)
class FigurePart:
    """A figure of ``vp_science.plots``.

    Attributes:
        axes: any axes of the figure (matplotlib); all of the figure is shown.
        alt: what it shows, for people who cannot see it.
        caption: below the figure.
        format: ``svg`` stays sharp at any size; ``png`` is smaller where there are very many points.
        beside: whether it may stand beside others.
        scroll: on narrow screens it keeps its size and scrolls: for long axes of time.
    """

    axes: Any
    alt: str
    caption: str = ""
    format: Literal["svg", "png"] = "svg"
    beside: bool = True
    scroll: bool = False

    def html(self) -> str:
        """As HTML.

        Raises:
            FigureError: when the axes were removed from their figure.
        """
        from matplotlib import rc_context

        figure = self.axes.get_figure(root=True)
        if figure is None:
            raise FigureError("expected axes that belong to a figure, found some that were removed: draw them again")
        file = io.BytesIO()
        # Letters become shapes: the reader's computer may not have the font, and then labels would not fit.
        settings: Any = {"svg.fonttype": "path", "svg.hashsalt": "vp_science"}
        metadata: dict[str, Any] = {"Date": None} if self.format == "svg" else {}
        with rc_context(settings):
            figure.savefig(
                file,
                format=self.format,
                dpi=_PNG_SHARPER * _CSS_PX_PER_INCH,
                bbox_inches="tight",
                pad_inches=_EDGE_INCHES,
                metadata=metadata,
            )
        if self.format == "svg":
            return _figure(file.getvalue(), "image/svg+xml", self.alt, self.caption, scroll=self.scroll)
        width = _png_width(file) // _PNG_SHARPER
        return _figure(file.getvalue(), "image/png", self.alt, self.caption, width, scroll=self.scroll)


@dataclass(frozen=True, eq=False)
class PicturePart:
    """A picture of pixels.

    Attributes:
        pixels: RGB.
        alt: what it shows.
        caption: below it.
        scale: pixels of the picture per pixel of the page, at most.
        beside: whether it may stand beside others.
    """

    pixels: UInt8[np.ndarray, "h w 3"]
    alt: str
    caption: str = ""
    scale: int | float = 1.0
    beside: bool = True

    def html(self) -> str:
        """As HTML: a JPEG, which is light and good enough to look at."""
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(self.pixels)).save(file, "JPEG", quality=85)
        return _figure(file.getvalue(), "image/jpeg", self.alt, self.caption, round(self.pixels.shape[1] / self.scale))


@dataclass(frozen=True, eq=False)
class TablePart:
    """A table; numbers are shown with two digits behind the point, missing ones as a dash.

    Attributes:
        table: rows and columns; the index is not shown.
        caption: below it.
    """

    table: "pd.DataFrame"
    caption: str = ""
    beside: ClassVar[bool] = False

    def html(self) -> str:
        """As HTML."""
        head = "".join(
            f'<th scope="col"{"" if kind.kind in "iuf" else _WORDS}>{escape(str(name))}</th>'
            for name, kind in self.table.dtypes.items()
        )
        body = "\n".join(
            "<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in self.table.itertuples(index=False)
        )
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        rows = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
        return f'<div class="scroll"><table>{caption}{rows}</table></div>'


@dataclass(frozen=True, eq=False)
class FactsPart:
    """Names and values, a line each.

    Attributes:
        facts: value by name.
    """

    facts: Mapping[str, str]
    beside: ClassVar[bool] = False

    def html(self) -> str:
        """As HTML."""
        lines = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in self.facts.items())
        return f"<dl>\n{lines}\n</dl>"


@dataclass(frozen=True, eq=False)
class CommandsPart:
    """Commands to copy, each with what it does.

    Attributes:
        commands: what it does, and the command.
    """

    commands: Sequence[tuple[str, str]]
    beside: ClassVar[bool] = False

    def html(self) -> str:
        """As HTML."""
        lines = "\n\n".join(
            f'<span class="note"># {escape(what)}</span>\n{_command(command)}' for what, command in self.commands
        )
        return f"<pre><code>{lines}</code></pre>"


def _command(command: str) -> str:
    """A command that is broken before options, where it does not fit into a line."""
    return "\n".join(
        " ".join(f'<span class="word">{escape(part)}</span>' for part in _OPTION.split(line))
        for line in command.split("\n")
    )


def _png_width(file: io.BytesIO) -> int:
    from PIL import Image

    with Image.open(file) as picture:
        return int(picture.width)


def _figure(data: bytes, kind: str, alt: str, caption: str, width: int | None = None, *, scroll: bool = False) -> str:
    code = base64.b64encode(data).decode("ascii")
    wide = f' width="{width}"' if width else ""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    image = f'<img src="data:{kind};base64,{code}" alt="{escape(alt)}"{wide}>'
    shown = f'<div class="scroll">{image}</div>' if scroll else image
    return f"<figure>{shown}{below}</figure>"


def _cell(value: object) -> str:
    if value is None:  # what pandas before 3 leaves of a missing text
        return f"<td{_WORDS}>\u2013</td>"
    if isinstance(value, bool | str):
        return f"<td{_WORDS}>{escape(str(value))}</td>"
    if isinstance(value, float | np.floating):
        return f"<td>{value:.2f}</td>" if np.isfinite(value) else "<td>\u2013</td>"
    return f"<td>{escape(str(value))}</td>"
