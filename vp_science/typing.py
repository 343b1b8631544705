"""Type names shared by the whole package."""

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    JSON = str | int | float | bool | None | list["JSON"] | dict[str, "JSON"]
else:
    # The checkers that run inside the tests cannot resolve a recursive alias; mypy can, and checks it.
    JSON = Any

JSONObject = Mapping[str, JSON]
StrPath = str | PathLike[str]
