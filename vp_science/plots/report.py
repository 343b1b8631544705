"""One-page HTML reports: a single file with its pictures inside, for reading anywhere, offline, and for printing."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.metadata import version
from pathlib import Path

from vp_science.errors import FigureError
from vp_science.files import write_atomically
from vp_science.plots.report_parts import Part
from vp_science.typing import StrPath

_MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class Section:
    """A part of a report under a headline of its own.

    Attributes:
        title: headline.
        parts: what it holds, from top to bottom; figures that follow each other stand side by side where there is room.
        text: what the reader sees here, before the parts; paragraphs are separated by empty lines.
    """

    title: str
    parts: Sequence[Part] = ()
    text: str = ""


def write_report(
    path: StrPath, title: str, sections: Sequence[Section], *, lead: str = "", warning: str = "", footer: str = ""
) -> Path:
    """Write a report: one HTML file without scripts, which loads nothing from anywhere.

    All texts are shown as they are; nothing in them is taken as HTML. Equal contents give equal bytes.

    Args:
        path: ends in ``.html``; a file of this name is replaced, in one step.
        title: headline of the page.
        sections: in their order.
        lead: what this is, in a sentence or two, below the title.
        warning: what must not be overlooked, in a box above everything else.
        footer: at the end, before the version of the package.

    Returns:
        The path.

    Raises:
        FigureError: when the ending is another one, the page would be larger than a browser likes, or the file cannot
            be written.
    """
    where = Path(path)
    if where.suffix.lower() not in (".html", ".htm"):
        raise FigureError(f"expected a report file ending in .html, found {where.name!r}: write an .html file")
    page = _page(title, sections, lead, warning, footer).encode("utf-8", "replace")
    if len(page) > _MAX_BYTES:
        raise FigureError(
            f"expected a report of at most {_MAX_BYTES >> 20} MiB, found {len(page) >> 20}: show fewer or smaller "
            "pictures"
        )
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(where, lambda file: file.write(page))
    except OSError as error:
        raise FigureError(f"cannot write {where} ({error.strerror or error}): choose a folder with room") from error
    return where


def _page(title: str, sections: Sequence[Section], lead: str, warning: str, footer: str) -> str:
    links = "".join(f'<a href="#s{number}">{escape(one.title)}</a>' for number, one in enumerate(sections, 1))
    made = " ".join(filter(None, (escape(footer), f"Made with vp-science {escape(version('vp-science'))}.")))
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            # Browsers then load nothing and run nothing, whatever the names in this page are.
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
            "style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            "<header>",
            f"<h1>{escape(title)}</h1>",
            _paragraphs(lead, ' class="lead"'),
            f'<p class="warning" role="note">{escape(warning)}</p>' if warning else "",
            f'<nav aria-label="Sections">{links}</nav>' if len(sections) > 1 else "",
            "</header>",
            "<main>",
            *(_section(number, one) for number, one in enumerate(sections, 1)),
            "</main>",
            f"<footer><p>{made}</p></footer>",
            "</body>",
            "</html>",
            "",
        )
    )


def _section(number: int, section: Section) -> str:
    """A section; figures that follow each other share a grid."""
    blocks: list[str] = []
    row: list[str] = []
    for part in section.parts:
        if part.beside:
            row.append(part.html())
            continue
        blocks += [_row(row), part.html()]
        row = []
    blocks.append(_row(row))
    content = "\n".join(filter(None, blocks))
    head = f"<h2>{escape(section.title)}</h2>\n{_paragraphs(section.text)}"
    return f'<section id="s{number}">\n{head}\n{content}\n</section>'


def _row(figures: Sequence[str]) -> str:
    return '<div class="row">\n' + "\n".join(figures) + "\n</div>" if figures else ""


def _paragraphs(text: str, attributes: str = "") -> str:
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    return "\n".join(f"<p{attributes}>{escape(part)}</p>" for part in parts if part)


_STYLE = """
:root { color-scheme: light; --ink: #1f2430; --muted: #5c6370; --line: #e3e6ea; --tint: #f5f7f9; --blue: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); line-height: 1.55; -webkit-text-size-adjust: 100%;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
header, main, footer { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
h1 { font-size: clamp(1.55rem, 4.5vw, 2.2rem); line-height: 1.2; margin: 0 0 .6rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 0 0 .5rem; }
p { margin: 0 0 .8rem; max-width: 46rem; }
.lead { font-size: 1.08rem; color: var(--muted); }
.warning { border-left: 4px solid #d55e00; background: #fdf4ee; padding: .7rem 1rem; max-width: none; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; padding: .9rem 0 .4rem; font-size: .93rem; }
nav a { color: var(--blue); text-decoration: none; }
nav a:hover, nav a:focus { text-decoration: underline; }
section { border-top: 1px solid var(--line); padding: 1.7rem 0 1.1rem; }
figure { margin: .5rem 0 1.1rem; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption { color: var(--muted); font-size: .9rem; margin-top: .45rem; max-width: 46rem; }
.row { display: grid; gap: .4rem 2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  align-items: start; }
.scroll { overflow-x: auto; margin: .5rem 0 1.1rem; }
table { border-collapse: collapse; font-size: .93rem; font-variant-numeric: tabular-nums; }
caption { caption-side: bottom; text-align: left; color: var(--muted); font-size: .9rem; padding-top: .45rem; }
th, td { padding: .32rem .9rem .32rem 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { color: var(--muted); font-weight: 600; }
th:first-child, td:first-child, .words { text-align: left; }
td.words { white-space: normal; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .25rem 1.2rem; margin: .5rem 0 1.1rem; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--tint); border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; margin: .5rem 0
  1.1rem; white-space: pre-wrap; overflow-wrap: anywhere;
  font: .88rem/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre .word { display: inline-block; }
pre .note { color: var(--muted); }
footer { border-top: 1px solid var(--line); color: var(--muted); font-size: .9rem; padding: 1rem 1.25rem 2.5rem; }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; }
  .scroll img { max-width: none; width: 42rem; } }
@media print {
  nav { display: none; }
  body { font-size: 10pt; }
  header, main, footer { max-width: none; padding-left: 0; padding-right: 0; }
  h2 { break-after: avoid; }
  figure, table, pre { break-inside: avoid; }
  @page { margin: 16mm; }
}
""".strip()
