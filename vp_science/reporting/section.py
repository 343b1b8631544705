"""A section of a methods text: the facts about one thing that was done."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["training", "encoding", "probe", "evaluation", "annotation", "map", "search", "benchmark"]
KINDS: tuple[Kind, ...] = (
    "training", "encoding", "probe", "evaluation", "annotation", "map", "search", "benchmark",
)  # fmt: skip
"""In the order in which a paper tells them."""

Facts = dict[str, Any]
"""Plain JSON; None is what the file does not say, unless ``not_applicable`` (a list of dotted names) has its name."""


@dataclass(frozen=True)
class Section:
    """One thing that was done.

    Attributes:
        kind: what it was.
        facts: what the file says about it. ``settings``, where there is one, is how tracks were made: it tells which
            encoding the section is about.
        warnings: reasons not to publish it as it is.
        cite: keys of ``references.REFERENCES``.
    """

    kind: Kind
    facts: Facts
    warnings: tuple[str, ...] = ()
    cite: tuple[str, ...] = ()
    own_references: tuple[str, ...] = field(default=())

    @property
    def settings_key(self) -> str:
        """The same text for tracks that were made in the same way; "" for what was made without tracks."""
        settings = self.facts.get("settings")
        return "" if settings is None else canonical(settings)


def canonical(value: object) -> str:
    """The same text for the same JSON."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
