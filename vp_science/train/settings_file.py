"""Settings from TOML and the command line: keys are those of dataclasses, values have their types, none is ignored."""

import dataclasses
import difflib
import math
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from vp_science.errors import SettingsError
from vp_science.typing import JSON, StrPath

_MAX_BYTES = 1 << 20
_EXAMPLES: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}

Settings = TypeVar("Settings")


def read_settings(kind: type[Settings], path: StrPath | None, overrides: Sequence[tuple[str, str]] = ()) -> Settings:
    """The settings of a run.

    Args:
        kind: a dataclass; its fields are the keys. A field whose type is a dataclass is a table, a tuple of
            dataclasses an array of tables. Fields without default must be given.
        path: a TOML file; None starts from the defaults.
        overrides: pairs of a key with dots (``optimizer.learning_rate``) and a value in TOML notation; texts may go
            without quotes, lists of texts as ``a,b``. They win over the file. A table given as a text is its first
            field, so that ``("data", "my_videos/")`` is one data set.

    Raises:
        SettingsError: naming file, key, what was expected and what was found.
    """
    tree = _read_toml(Path(path)) if path is not None else {}
    where = str(path) if path is not None else "settings"
    for key, text in overrides:
        _override(tree, key, text, kind)
    return build_settings(kind, tree, where)


def build_settings(kind: type[Settings], record: Mapping[str, Any], where: str = "settings") -> Settings:
    """Settings from a record, as TOML or JSON gives it.

    Raises:
        SettingsError: as :func:`read_settings`.
    """
    result: Settings = _build(kind, record, where, "")
    return result


def describe_settings(settings: Any) -> dict[str, JSON]:
    """Settings as plain JSON; ``build_settings`` reads it back."""
    record: dict[str, JSON] = {}
    for field in dataclasses.fields(settings):
        record[field.name] = _plain(getattr(settings, field.name))
    return record


def _plain(value: Any) -> JSON:
    if dataclasses.is_dataclass(value):
        return describe_settings(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value  # type: ignore[no-any-return]


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise SettingsError(f"{path}: expected a settings file (TOML), found over {_MAX_BYTES} bytes")
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: expected TOML, found something else: {error}") from error
    except OSError as error:
        raise SettingsError(
            f"{path}: expected a settings file, found none ({error.strerror}): check the name"
        ) from error


def _override(tree: dict[str, Any], key: str, text: str, kind: type) -> None:
    *parents, last = key.replace("-", "_").split(".")
    node: Any = tree
    for parent in parents:
        node = node.setdefault(parent, {}) if isinstance(node, dict) else None
    if not isinstance(node, dict):
        raise SettingsError(f"{key}: expected a key of a table, found one below a value: name the table itself")
    node[last] = _value(text, _type_at(kind, [*parents, last]))


def _type_at(kind: Any, path: list[str]) -> Any:
    """The type of a field by its path; None where there is no such field (building says so, with a suggestion)."""
    for name in path:
        kind = next((item for item in _members(kind) if dataclasses.is_dataclass(item)), kind)
        if not dataclasses.is_dataclass(kind):
            return None
        kind = typing.get_type_hints(kind).get(name)
    return kind


def _value(text: str, expected: Any) -> Any:
    """A value as TOML writes it; what is no TOML is a text, or a list of texts."""
    members = _members(expected)
    if str in members and not any(item in (int, float, bool) for item in members) and not text.startswith(('"', "'")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if any(typing.get_origin(item) is tuple for item in members) and "," in text:
            return [part.strip() for part in text.split(",")]
        return text


def _members(expected: Any) -> tuple[Any, ...]:
    """The types of a union, or the one type."""
    if typing.get_origin(expected) in (Union, types.UnionType):
        return typing.get_args(expected)
    return (expected,)


def _build(kind: Any, record: Any, where: str, prefix: str, defaults: Any = None) -> Any:
    """Settings from a record; what it leaves out is as in ``defaults``, or else as the dataclass has it."""
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    if not isinstance(record, Mapping):
        record = {next(iter(fields)): record}
    for name in record:
        if name not in fields:
            near = difflib.get_close_matches(str(name), fields, n=1, cutoff=0.5)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"expected one of {', '.join(fields)}"
            raise SettingsError(f"{where}: unknown key {prefix}{name}; {hint}")
    if defaults is None:
        known = {name: _default_of(field) for name, field in fields.items()}
    else:
        known = {name: getattr(defaults, name) for name in fields}
    # A table that is given in part keeps the defaults that its owner has for the rest.
    values = known if defaults is not None else {}
    values |= {name: _convert(hints[name], value, where, prefix + name, known[name]) for name, value in record.items()}
    for name, field in fields.items():
        no_default = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if name not in values and no_default:
            raise SettingsError(f"{where}: expected {prefix}{name} ({_describe(hints[name])}), found nothing: give it")
    try:
        return kind(**values)
    except SettingsError as error:
        raise SettingsError(f"{where}: {prefix.removesuffix('.')}{': ' if prefix else ''}{error}") from error


def _default_of(field: dataclasses.Field[Any]) -> Any:
    """The default of a field; None where there is none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _convert(expected: Any, value: Any, where: str, key: str, default: Any = None) -> Any:
    members = _members(expected)
    if types.NoneType in members and value in (None, "none"):
        return None
    for member in members:
        fits, converted = _fit(member, value, where, key, default)
        if fits:
            return converted
    raise SettingsError(f"{where}: {key}: expected {_describe(expected)}, found {value!r}")


def _fit(member: Any, value: Any, where: str, key: str, default: Any) -> tuple[bool, Any]:
    origin = typing.get_origin(member)
    if dataclasses.is_dataclass(member):
        return True, _build(member, value, where, f"{key}.", default if type(default) is member else None)
    if origin is Literal:
        return value in typing.get_args(member) and type(value) in map(type, typing.get_args(member)), value
    if origin is tuple:
        return _fit_tuple(member, value, where, key)
    if member is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value), float(value) if number else value
    return type(value) is member, value


def _fit_tuple(member: Any, value: Any, where: str, key: str) -> tuple[bool, Any]:
    items = typing.get_args(member)
    if len(items) == 2 and items[1] is Ellipsis:
        if not isinstance(value, list | tuple):
            value = [value]
        return True, tuple(_convert(items[0], item, where, f"{key}[{i}]") for i, item in enumerate(value))
    if not isinstance(value, list | tuple) or len(value) != len(items):
        return False, value
    return True, tuple(
        _convert(kind, item, where, f"{key}[{i}]") for i, (kind, item) in enumerate(zip(items, value, strict=True))
    )


def _describe(expected: Any) -> str:
    words = []
    for member in _members(expected):
        origin = typing.get_origin(member)
        if origin is Literal:
            words += [repr(choice) for choice in typing.get_args(member)]
        elif origin is tuple:
            items = typing.get_args(member)
            count = "" if items[-1] is Ellipsis else f"{len(items)} of "
            words.append(f"a list ({count}{_describe(items[0])})")
        elif dataclasses.is_dataclass(member):
            words.append("a table")
        else:
            words.append('"none"' if member is types.NoneType else _EXAMPLES.get(member, str(member)))
    return " or ".join(words)
