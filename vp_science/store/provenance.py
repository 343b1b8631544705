"""Provenance: everything that determines an embedding, kept in every file and compared before a file is reused."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vp_science.errors import SettingsError, StoreError
from vp_science.typing import StrPath

JSONDict = dict[str, Any]
"""A JSON object; what goes in becomes plain JSON."""

SPATIAL_POOLS = (1, 2, 4, 8, 16)
DTYPES = ("float16", "float32")

_NOT_COMPARED = ("software",)
_MAX_SHOWN = 80


@dataclass(frozen=True)
class Provenance:
    """How an embedding track was made.

    All values are plain JSON and are stored as JSON, so a provenance that was read back equals the one written.

    Attributes:
        model: name of the model, for example ``"videoprism_public_v1_base"``.
        checkpoint: sha256 of the weights, or a text such as ``"seed:0 (untrained)"`` when there are none.
        encoder_config: configuration of the encoder.
        preprocess: region, fit and size of the frames.
        source: facts of the reader that determine the pixels.
        grid: facts of the sample grid (``sample_fps``, ``num_grid``, ...).
        num_frames: grid frames per window.
        stride: grid frames between the starts of consecutive windows.
        spatial_pool: the k of the k x k vectors per grid frame.
        dtype: of the stored track, ``"float16"`` or ``"float32"``.
        precision: the arithmetic of the encoder.
        software: package and version. It is recorded and never compared: a new version that changes the numbers says so
            in one of the other fields.
    """

    model: str
    checkpoint: str
    encoder_config: JSONDict
    preprocess: JSONDict
    source: JSONDict
    grid: JSONDict
    num_frames: int
    stride: int
    spatial_pool: int
    dtype: str
    precision: str
    software: str

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, plain_json(getattr(self, field.name), field.name))
        if self.spatial_pool not in SPATIAL_POOLS:
            raise SettingsError(
                f"expected spatial_pool to be one of {SPATIAL_POOLS}, found {self.spatial_pool}: choose one"
            )
        if self.dtype not in DTYPES:
            raise SettingsError(f"expected dtype to be one of {DTYPES}, found {self.dtype!r}: choose one of them")
        if not 1 <= self.stride <= self.num_frames:
            raise SettingsError(
                f"expected 1 <= stride <= num_frames, found {self.stride} and {self.num_frames}: shorten the stride"
            )

    @property
    def untrained(self) -> bool:
        """Whether the weights were random numbers: then the embeddings mean nothing beyond a test of the machinery."""
        return "untrained" in self.checkpoint.lower()

    def to_json(self) -> JSONDict:
        """As a JSON object, a key per field."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> "Provenance":
        """Read what ``to_json`` wrote.

        Raises:
            StoreError: when a key is missing or unknown, or a value has another type.
        """
        types = {field.name: field.type for field in dataclasses.fields(cls)}
        missing, unknown = sorted(types.keys() - value.keys()), sorted(value.keys() - types.keys())
        if missing or unknown:
            raise StoreError(
                f"expected a provenance with the keys {', '.join(types)}; missing: {', '.join(missing) or 'none'}, "
                f"unknown: {', '.join(unknown) or 'none'}: read the file with the version of vp-science that wrote it"
            )
        for name, kind in types.items():
            wanted = kind if isinstance(kind, type) and kind in (str, int) else dict
            if type(value[name]) is not wanted:
                raise StoreError(
                    f"expected {name} in the provenance to be of type {wanted.__name__}, found {_shown(value[name])}: "
                    "the file is damaged; make it again"
                )
        try:
            return cls(**value)  # type: ignore[arg-type]
        except SettingsError as error:
            raise StoreError(f"the provenance contradicts itself ({error}): make the file again") from error


def plain_json(value: object, name: str) -> Any:
    """A copy of a value as JSON reads it back: tuples become lists, nothing is shared.

    Args:
        value: anything made of mappings, sequences, text, numbers, truth values and None.
        name: what the value is called in the error message.

    Raises:
        SettingsError: when it is not JSON (an object, a number that is not finite).
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"expected {name} to be plain JSON values, found something else ({error}): "
            "convert it to text, numbers, lists and mappings"
        ) from error


def differences(a: Provenance, b: Provenance) -> list[str]:
    """Name every field in which two provenances differ, software versions apart.

    Args:
        a: what is asked for now; called "here".
        b: what was read; called "in the file".

    Returns:
        One text per difference, for example ``"preprocess.fit: squash here, pad in the file"``; empty when equal.
    """
    here, there = a.to_json(), b.to_json()
    for name in _NOT_COMPARED:
        del here[name], there[name]
    return json_differences(here, there)


def check_same(expected: Provenance, found: Provenance, path: StrPath) -> None:
    """Refuse a file that was made in another way.

    Raises:
        SettingsError: naming every field that differs with both values, and what to do.
    """
    found_differences = differences(expected, found)
    if found_differences:
        raise SettingsError(different_settings(path, found_differences))


def different_settings(path: StrPath, found_differences: list[str]) -> str:
    """The message about a file that was made with other settings."""
    return (
        f"{path} was made with other settings: {'; '.join(found_differences)}. Use the settings of the file, "
        "write to another place (--out), or replace it (--overwrite)"
    )


def json_differences(here: object, there: object, name: str = "") -> list[str]:
    """Every place in which two JSON values differ, by its dotted path."""
    if isinstance(here, dict) and isinstance(there, dict):
        keys = [*here, *(key for key in there if key not in here)]
        found = []
        for key in keys:
            dotted = f"{name}.{key}" if name else key
            if key in here and key in there:
                found += json_differences(here[key], there[key], dotted)
            else:
                shown_here = _shown(here[key]) if key in here else "absent"
                shown_there = _shown(there[key]) if key in there else "absent"
                found.append(f"{dotted}: {shown_here} here, {shown_there} in the file")
        return found
    return [] if _same(here, there) else [f"{name}: {_shown(here)} here, {_shown(there)} in the file"]


def _same(a: object, b: object) -> bool:
    """Equal as JSON: its truth values are not numbers, although Python's compare equal to 0 and 1."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _shown(value: object) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value, default=repr)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."
