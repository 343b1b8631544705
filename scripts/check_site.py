"""Checks the built guide: every link leads somewhere, and nothing is loaded from the network.

    python scripts/check_site.py site

mkdocs looks at the links of Markdown; this looks at the pages as they are, with what plugins and themes put into them.
Links to other sites are checked for their form only: no connection is made.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADS = {("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"), ("video", "src")}
_HARMLESS_LINKS = {"canonical", "alternate", "prev", "next"}
_CSS_LOAD = re.compile(r"""(?:url\(|@import)\s*['"]?((?:https?:)?//[^'")\s]+)""")
_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d+)?")


@dataclass
class Page:
    """What a page refers to.

    Attributes:
        anchors: ids and names that a link can lead to.
        links: where links lead.
        loads: what the browser fetches to show the page.
    """

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.page.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.page.links.append(values["href"])
        for name, value in values.items():
            if (tag, name) in _LOADS and not (tag == "link" and values.get("rel") in _HARMLESS_LINKS):
                self.page.loads.append(value)
        self.page.loads += _CSS_LOAD.findall(values.get("style", ""))


def read_page(text: str) -> Page:
    """What a page of HTML refers to."""
    reader = _Reader()
    reader.feed(text)
    styles = re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL)
    reader.page.loads += [url for style in styles for url in _CSS_LOAD.findall(style)]
    return reader.page


def check_site(site: Path) -> list[str]:
    """What is wrong with a built site, a line each."""
    site = site.resolve()
    pages = {path: read_page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    problems = [f"{site}: expected pages (*.html), found none: build it first"] if not pages else []
    for path, page in pages.items():
        where = path.relative_to(site)
        problems += [f"{where}: {problem}" for link in page.links for problem in _problems(link, path, pages, site)]
        for load in page.loads:
            if is_remote(load):
                problems.append(f"{where}: loads {load} from the network")
            elif not load.startswith("data:"):
                problems += [f"{where}: {problem}" for problem in _problems(load, path, pages, site)]
    for path in sorted(site.rglob("*.css")):
        loads = _CSS_LOAD.findall(path.read_text(encoding="utf-8"))
        problems += [f"{path.relative_to(site)}: loads {load} from the network" for load in loads]
    return problems


def is_remote(url: str) -> bool:
    """Whether a browser would ask the network for it."""
    return url.startswith("//") or urlsplit(url).scheme in ("http", "https", "ws", "wss", "ftp")


def _problems(link: str, page: Path, pages: dict[Path, Page], site: Path) -> Iterator[str]:
    if is_remote(link) or urlsplit(link).scheme:
        yield from _malformed(link)
        return
    parts = urlsplit(link)
    base = site if parts.path.startswith("/") else page.parent
    target = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else page
    if target.is_dir():
        target /= "index.html"
    if site not in target.parents:
        yield f"{link} leads out of the site"
    elif not target.is_file():
        yield f"{link} leads to nothing"
    elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        yield f"{link}: the page has no such anchor"


def _malformed(link: str) -> Iterator[str]:
    parts = urlsplit(link)
    if parts.scheme == "mailto":
        return
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.netloc) or re.search(r"\s", link):
        yield f"{link} is no address (expected https://host/...)"


def main() -> None:
    """Print what is wrong; exit code 1 where anything is."""
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "site")
    problems = check_site(site)
    print("\n".join(problems) or f"{site}: all links lead somewhere, nothing is loaded from the network")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
