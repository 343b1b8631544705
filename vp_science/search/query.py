"""What is looked for: moments that show it, moments that do not, words, or vectors."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float32

from vp_science.errors import SettingsError
from vp_science.typing import JSON

_SPAN = re.compile(r"(?P<recording>.+)@(?P<start>-?[\d:.]+)\s*[-\N{EN DASH}]\s*(?P<stop>-?[\d:.]+)", re.DOTALL)
_FORM = '"recording@start-stop" with times in seconds or h:mm:ss, such as "mouse3@12.5-14" or "mouse3@1:02:03-1:02:10"'


@dataclass(frozen=True)
class Example:
    """A moment that somebody points at.

    Attributes:
        recording: id of the recording, or of the animal followed in it (``<recording>@<animal>``).
        start_s: begin in seconds, on the clock of the recording.
        stop_s: its end; equal to the begin for an instant.
    """

    recording: str
    start_s: int | float
    stop_s: int | float

    def __post_init__(self) -> None:
        if not -np.inf < self.start_s <= self.stop_s < np.inf:
            raise SettingsError(
                f"expected an example with start <= stop in seconds, found {self.start_s} and {self.stop_s} in "
                f"{self.recording!r}: swap or repair them"
            )

    @classmethod
    def parse(cls, text: str) -> "Example":
        """Read ``recording@start-stop``.

        The last ``@`` ends the name, so that animals followed in a recording (``recording@animal``) can be named.

        Raises:
            SettingsError: when the text has another form, or ends before it starts.
        """
        found = _SPAN.fullmatch(text.strip())
        if found is None:
            raise SettingsError(f"expected an example as {_FORM}; found {text!r}")
        return cls(found["recording"], _seconds(found["start"], text), _seconds(found["stop"], text))

    def __str__(self) -> str:
        return f"{self.recording}@{format_seconds(self.start_s)}-{format_seconds(self.stop_s)}"


ExampleLike = str | Example
"""An example, or ``"recording@start-stop"``."""


@dataclass(frozen=True, eq=False)
class Query:
    """What is looked for.

    Attributes:
        like: moments that show it.
        unlike: moments that do not, although one might think so.
        texts: descriptions; their vectors are ``vectors``.
        vectors: directions in embedding space, of the texts or given by the user; each counts as one moment that
            shows it.
    """

    like: tuple[Example, ...] = ()
    unlike: tuple[Example, ...] = ()
    texts: tuple[str, ...] = ()
    vectors: Float32[np.ndarray, "n dim"] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def __post_init__(self) -> None:
        if not self.like and not len(self.vectors):
            raise SettingsError("expected something to look for, found nothing: give an example, a text or a vector")
        if both := set(self.like) & set(self.unlike):
            raise SettingsError(f"expected an example to be either like or unlike, found {min(map(str, both))} as both")

    def answered(self, yes: Iterable[Example], no: Iterable[Example]) -> "Query":
        """The query with more examples; a later answer about the same moment replaces an earlier one."""
        yes, no = tuple(dict.fromkeys(yes)), tuple(dict.fromkeys(no))
        like = *(one for one in self.like if one not in (*yes, *no)), *yes
        unlike = *(one for one in self.unlike if one not in (*yes, *no)), *no
        return replace(self, like=like, unlike=unlike)

    def to_json(self) -> dict[str, JSON]:
        """As plain JSON; vectors that no text stands for are named by their hash."""
        hashed = [hashlib.sha256(np.ascontiguousarray(row, "<f4").tobytes()).hexdigest()[:16] for row in self.vectors]
        return {
            "like": [str(one) for one in self.like],
            "unlike": [str(one) for one in self.unlike],
            "texts": list(self.texts),
            "vectors": [] if self.texts else list(hashed),
        }

    def describe(self) -> str:
        """In a few words, for people."""
        parts = [f'"{text}"' for text in self.texts]
        if len(self.vectors) and not self.texts:
            parts.append(_counted(len(self.vectors), "vector"))
        if self.like:
            parts.append(f"like {self.like[0]}" if len(self.like) == 1 else f"like {len(self.like)} examples")
        if self.unlike:
            parts.append(f"unlike {self.unlike[0]}" if len(self.unlike) == 1 else f"unlike {len(self.unlike)} examples")
        return ", ".join(parts)


def read_examples(examples: ExampleLike | Sequence[ExampleLike] | None) -> tuple[Example, ...]:
    """One or several examples, given as text or not, each once.

    Raises:
        SettingsError: when a text is no example.
    """
    if examples is None:
        return ()
    given = [examples] if isinstance(examples, str | Example) else list(examples)
    return tuple(dict.fromkeys(Example.parse(one) if isinstance(one, str) else one for one in given))


def query_id(query: Query, about: dict[str, Any]) -> str:
    """A name that tells queries apart: a hash of what was looked for, and where."""
    record = json.dumps({"query": query.to_json(), **about}, sort_keys=True, ensure_ascii=False)
    return f"search-{hashlib.sha256(record.encode()).hexdigest()[:8]}"


def format_seconds(seconds: int | float) -> str:
    """To a millisecond, without idle zeros."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def _seconds(text: str, whole: str) -> float:
    """``12.5``, ``1:02.5`` or ``1:02:03`` as seconds."""
    parts = text.removeprefix("-").split(":")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if not values or len(values) > 3 or any(value >= 60 for value in values[1:]):
        raise SettingsError(f"expected an example as {_FORM}; found the time {text!r} in {whole!r}")
    seconds = 0.0
    for value in values:
        seconds = 60 * seconds + value
    return -seconds if text.startswith("-") else seconds


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)
