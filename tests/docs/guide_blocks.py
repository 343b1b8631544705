"""The fenced blocks of the guide and the README."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "recipes" / "README.md"])

_FENCE = re.compile(r"^( *)(`{3,})(\w*)[^\n]*\n(.*?)^\1\2 *$", re.DOTALL | re.MULTILINE)
SHELL, PYTHON = frozenset({"sh", "bash", "console"}), frozenset({"python", "py"})


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        where: page and line, for messages.
        language: as written behind the fence.
        text: without the fences.
    """

    where: str
    language: str
    text: str


def blocks_of(text: str, name: str) -> list[Block]:
    """The fenced blocks of a page."""
    return [
        Block(f"{name}:{text.count(chr(10), 0, match.start()) + 1}", match[3], match[4])
        for match in _FENCE.finditer(text)
    ]


def all_blocks(languages: frozenset[str]) -> list[Block]:
    """All blocks in some languages, of all pages."""
    return [
        block
        for path in PAGES
        for block in blocks_of(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
        if block.language in languages
    ]


def commands_of(text: str) -> list[str]:
    """The commands of ours in a shell block, each on one line; those behind a variable or in a sentence are none."""
    lines = text.replace("\\\n", " ").splitlines()
    found = [re.search(r"(?:^|&& |srun |bin/|\$ )(vp-science(?: .*)?)$", line.strip()) for line in lines]
    return [re.split(r" \|\|? | && |; ", match[1])[0] for match in found if match]
