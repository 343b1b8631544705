"""The keys of settings with their defaults and what they mean, from the dataclasses and their docstrings."""

import dataclasses
import inspect
import re
import types
import typing
from typing import Any, Literal, Union

_MISSING = dataclasses.MISSING


@dataclasses.dataclass(frozen=True)
class SettingKey:
    """One key of settings.

    Attributes:
        name: with dots, as in ``read_settings``: ``optimizer.learning_rate``.
        table: the key without its last part; "" at the top.
        values: what it takes, in words.
        default: as one would write it; "" where there is none.
        help: what it means.
        repeated: it is a list of tables, which may be given several times.
    """

    name: str
    table: str
    values: str
    default: str
    help: str
    repeated: bool = False


def list_keys(kind: type, table: str = "", defaults: Any = None) -> list[SettingKey]:
    """All keys of settings, tables after the values around them.

    Args:
        kind: a dataclass.
        table: key of the table that it describes; "" for the whole.
        defaults: an instance whose values are the defaults; None takes those of the fields.
    """
    hints = typing.get_type_hints(kind)
    texts = attribute_texts(kind)
    keys: list[SettingKey] = []
    nested: list[SettingKey] = []
    for field in dataclasses.fields(kind):
        name = f"{table}.{field.name}" if table else field.name
        value = getattr(defaults, field.name) if defaults is not None else _default_of(field)
        members = [member for member in _members(hints[field.name]) if member is not types.NoneType]
        tables = [member for member in members if dataclasses.is_dataclass(member)]
        lists = [item for item in map(_item_table, members) if item is not None]
        if len(tables) < len(members):
            default = "" if value is _MISSING or (lists and not value) else format_value(value)
            words = "PATH or {path = ..., ...}" if lists else describe_type(members)
            keys.append(SettingKey(name, table, words, default, texts.get(field.name, ""), bool(lists)))
        for item in lists:
            nested += list_keys(item, name)
        for member in tables:
            given = value if dataclasses.is_dataclass(value) and not isinstance(value, type) else None
            nested += list_keys(typing.cast(type, member), name, given)
    return keys + nested


def attribute_texts(kind: type) -> dict[str, str]:
    """What the docstrings of a class and of those it comes from say about attributes."""
    texts: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        doc = inspect.cleandoc(owner.__dict__.get("__doc__") or "")
        _, found, section = doc.partition("Attributes:\n")
        if not found:
            continue
        section = section.replace("``", "")
        for name, text in re.findall(r"^ {4}(\w+): (.*(?:\n(?: {5,}.*)?)*)", section, re.MULTILINE):
            texts[name] = re.sub(r"\b(None|True|False)\b", lambda word: word[0].lower(), " ".join(text.split()))
    return texts


def format_value(value: Any) -> str:
    """A value as it is written on the command line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(format_value, value))}]"
    if dataclasses.is_dataclass(value):
        return "a table"
    return '""' if value == "" else str(value)


def describe_type(members: list[Any]) -> str:
    """What a key takes, in a word."""
    words: list[str] = []
    for member in members:
        origin = typing.get_origin(member)
        if origin is Literal:
            words += map(str, typing.get_args(member))
        elif origin is tuple:
            items = typing.get_args(member)
            inner = describe_type([items[0]])
            words.append(f"[{inner}, ...]" if items[-1] is Ellipsis else f"[{', '.join([inner] * len(items))}]")
        elif not dataclasses.is_dataclass(member) and not (member is int and float in members):
            words.append({bool: "true|false", int: "INT", float: "NUMBER", str: "TEXT"}.get(member, "VALUE"))
    return "|".join(words)


def _default_of(field: Any) -> Any:
    if field.default is not _MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not _MISSING else _MISSING


def _item_table(member: Any) -> type | None:
    """The dataclass of which a list is."""
    items = typing.get_args(member)
    is_list = typing.get_origin(member) is tuple and items[-1:] == (Ellipsis,)
    return items[0] if is_list and dataclasses.is_dataclass(items[0]) else None  # type: ignore[return-value]


def _members(expected: Any) -> tuple[Any, ...]:
    if typing.get_origin(expected) in (Union, types.UnionType):
        return typing.get_args(expected)
    return (expected,)
