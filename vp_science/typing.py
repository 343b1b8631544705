"""Type names shared by the whole package."""

from collections.abc import Mapping
from os import PathLike

JSONScalar = str | int | float | bool | None
JSON = JSONScalar | list["JSON"] | dict[str, "JSON"]
JSONObject = Mapping[str, JSON]
StrPath = str | PathLike[str]
