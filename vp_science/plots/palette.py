"""Colors for names: told apart by color-blind readers, and on grey paper where there is a pattern or a name beside.

Seven hues of Okabe and Ito (2008) come first; then the same hues darker with a hatch and square markers, then paler
with dots and triangles. So 21 names have a look of their own. From the 22nd on looks repeat: then only the name that
stands beside a row, a node or a cloud of points tells which is which, and figures write it there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vp_science.timeline.behaviors import Behaviors

HUES = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442")
"""Okabe and Ito (2008) without black, which is for text; neighbours differ in lightness too."""

_ROUNDS = (("#000000", 0.0, "", "o"), ("#000000", 0.45, "////", "s"), ("#ffffff", 0.5, "....", "^"))
NUM_LOOKS = len(HUES) * len(_ROUNDS)


@dataclass(frozen=True)
class Look:
    """How one name is drawn.

    Attributes:
        color: ``#rrggbb``.
        hatch: pattern of filled areas, "" for none.
        marker: of points.
    """

    color: str
    hatch: str = ""
    marker: str = "o"


def look(index: int) -> Look:
    """The look of the name at this position; repeats after ``NUM_LOOKS``."""
    toward, share, hatch, marker = _ROUNDS[index // len(HUES) % len(_ROUNDS)]
    return Look(mixed(HUES[index % len(HUES)], toward, share), hatch, marker)


def looks(names: Sequence[str]) -> dict[str, Look]:
    """A look for every name, in order."""
    return {name: look(index) for index, name in enumerate(names)}


def behavior_looks(behaviors: Behaviors) -> dict[str, Look]:
    """A look for every behavior: the color of the catalogue where it has one, a hatch where two share it."""
    own = [entry.color.lower() for entry in behaviors if entry.color]
    free = [one for one in map(look, range(NUM_LOOKS)) if one.color.lower() not in own]
    hatches = [hatch for _, _, hatch, _ in _ROUNDS]
    found: dict[str, Look] = {}
    for entry in behaviors:
        if not entry.color:
            found[entry.name] = free[sum(not e.color for e in behaviors.entries[: len(found)]) % len(free)]
            continue
        before = sum(e.color.lower() == entry.color.lower() for e in behaviors.entries[: len(found)])
        found[entry.name] = Look(entry.color, hatches[before % len(hatches)])
    return found


def mixed(color: str, toward: str, share: int | float) -> str:
    """A color between two, as ``#rrggbb``; ``share`` is how much there is of the second."""
    pairs = zip(_channels(color), _channels(toward), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def line_color(color: str) -> str:
    """A color that is seen as a thin line on white: very light ones are darkened."""
    return mixed(color, "#000000", 0.22) if lightness(color) > 0.75 else color


def lightness(color: str) -> float:
    """How light a color looks, from 0 to 1 (Rec. 601 luma): decides whether text on it is dark or white."""
    red, green, blue = _channels(color)
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
