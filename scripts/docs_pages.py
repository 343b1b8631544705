"""Pages of the guide whose home is elsewhere in the repository, with links that hold on the site."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "changelog.md": "CHANGELOG.md",
    "benchmarks.md": "benchmarks/README.md",
    "proof.md": "benchmarks/proof/README.md",
    "recipes.md": "recipes/README.md",
}
"""Pages of the site that are kept where their subject is, and where that is."""

_LINK = re.compile(r"(?<=\]\()([^)#\s]+)(#[^)\s]*)?(?=\))")
_PAGE_LINK = re.compile(r"""(?<=href=")(\.\./docs/)?([^":?#]+)\.(?:md|ipynb)(?=[#"])""")
_LOADER = re.compile(
    r"""<script type="module">(?:(?!</script>).)*cdnjs(?:(?!</script>).)*</script>|<script src="">\s*</script>""",
    re.DOTALL,
)


def moved_page(home: str) -> str:
    """A file of the repository as a page at the top of the site.

    Args:
        home: path of the file below the root of the repository.
    """

    def relink(match: re.Match[str]) -> str:
        return _from_top(match[1], home) + (match[2] or "")

    return _LINK.sub(relink, (ROOT / home).read_text(encoding="utf-8"))


def _from_top(target: str, home: str) -> str:
    if ":" in target:
        return target
    linked = (ROOT / home).parent.joinpath(target).resolve().relative_to(ROOT).as_posix()
    pages = {where: page for page, where in ELSEWHERE.items()}
    return pages.get(linked, linked.removeprefix("docs/"))


def notebooks() -> Iterator[Path]:
    """The notebooks, in the order of their names."""
    yield from sorted((ROOT / "notebooks").glob("*.ipynb"))


def notebook_title(path: Path) -> str:
    """The first heading of a notebook, or else its name."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for line in "".join(cell["source"]).splitlines() if cell["cell_type"] == "markdown" else ():
            if line.startswith("# "):
                return line.removeprefix("# ").strip()
    return path.stem


def notebook_page(text: str) -> str:
    """The HTML of a notebook: links as they are in the repository lead to pages, and nothing asks the network.

    nbconvert puts a loader of mermaid diagrams into every page; there are none here.
    """

    def relink(match: re.Match[str]) -> str:
        return f"{'../' if match[1] else ''}{match[2]}.html"

    return _PAGE_LINK.sub(relink, _LOADER.sub("", text)).replace('src="../docs/images/', 'src="../images/')
