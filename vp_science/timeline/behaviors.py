"""The catalogue of behaviors: names, kinds, and whether one excludes the others."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from vp_science.errors import AnnotationError

Kind = Literal["state", "point"]
KINDS = ("state", "point")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Behavior:
    """One entry of the catalogue.

    Attributes:
        name: as the people who score write it; any text that is not empty.
        kind: ``state`` has a duration, ``point`` is an instant.
        description: what counts as this behavior.
        category: a group of behaviors, "" for none.
        key: the key that marks it in an annotation program, "" for none.
        color: ``#rrggbb``, "" for the default.
    """

    name: str
    kind: Kind = "state"
    description: str = ""
    category: str = ""
    key: str = ""
    color: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise AnnotationError("expected every behavior to have a name, found an empty one: name it")
        if self.kind not in KINDS:
            raise AnnotationError(f"behavior {self.name!r}: expected kind state or point, found {self.kind!r}")
        if self.color and not _COLOR.fullmatch(self.color):
            raise AnnotationError(f"behavior {self.name!r}: expected a color such as #e69f00, found {self.color!r}")


@dataclass(frozen=True)
class Behaviors:
    """The catalogue.

    Attributes:
        entries: in the order in which columns of scores and rows of ethograms stand.
        exclusive: at most one behavior per subject at a time.
        background: what a format calls "none of these" ("other", "background"); never an entry, because observed time
            without a bout says it already. "" where the format has no word for it.
    """

    entries: tuple[Behavior, ...]
    exclusive: bool = False
    background: str = ""

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for name in self.names:
            if name in seen:
                raise AnnotationError(f"expected every behavior once, found {name!r} twice: remove one")
            seen.add(name)
        if self.background in seen:
            raise AnnotationError(f"expected the background {self.background!r} not to be a behavior as well")

    @classmethod
    def of(cls, names: Iterable[str | Behavior], *, exclusive: bool = False, background: str = "") -> "Behaviors":
        """Make a catalogue from names (state behaviors) or entries."""
        entries = tuple(entry if isinstance(entry, Behavior) else Behavior(entry) for entry in names)
        return cls(entries, exclusive, background)

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(entry.name for entry in self.entries)

    def index(self, name: str) -> int:
        """Position of a behavior.

        Raises:
            AnnotationError: when there is none of that name; it lists those that there are.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise AnnotationError(
                f"expected one of the behaviors {', '.join(self.names) or '(none)'}, found {name!r}: "
                "check the spelling, or add it to the catalogue"
            ) from None

    def __getitem__(self, name: str) -> Behavior:
        return self.entries[self.index(name)]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Behavior]:
        return iter(self.entries)

    def merged(self, other: "Behaviors") -> "Behaviors":
        """This catalogue followed by what only the other one has; exclusive only if both are.

        Raises:
            AnnotationError: when a behavior is a state in one and a point in the other, or background words differ.
        """
        for entry in other:
            if entry.name in self and self[entry.name].kind != entry.kind:
                raise AnnotationError(
                    f"behavior {entry.name!r} is a {self[entry.name].kind} in one file and a {entry.kind} in another: "
                    "rename one of them"
                )
        background = self.background or other.background
        if other.background not in ("", background):
            raise AnnotationError(
                f"one file calls time without behavior {background!r}, another {other.background!r}: rename one"
            )
        entries = (*self.entries, *(entry for entry in other if entry.name not in self))
        if background in {entry.name for entry in entries}:
            raise AnnotationError(f"{background!r} is a behavior in one file and the background in another: rename one")
        return Behaviors(entries, self.exclusive and other.exclusive, background)

    def replaced(self, *, exclusive: bool) -> "Behaviors":
        """The same catalogue, exclusive or not."""
        return replace(self, exclusive=exclusive)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "exclusive": self.exclusive,
            "background": self.background,
            "entries": [asdict(entry) for entry in self.entries],
        }

    @classmethod
    def from_json(cls, value: object) -> "Behaviors":
        """Read what ``to_json`` wrote.

        Raises:
            AnnotationError: when it is something else.
        """
        try:
            if not isinstance(value, Mapping):
                raise TypeError("not an object")
            entries = tuple(
                Behavior(**{str(key): _text(text) for key, text in entry.items()}) for entry in value["entries"]
            )
            if not isinstance(value["exclusive"], bool):
                raise TypeError("exclusive is not true or false")
            return cls(entries, value["exclusive"], _text(value["background"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise AnnotationError(
                f"expected a catalogue of behaviors as JSON, found something else ({error})"
            ) from error


def _text(value: object) -> Any:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value
