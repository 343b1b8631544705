"""Column names that pandas stored through PyTables, read without running anything.

PyTables writes lists and tuples of text into HDF5 attributes as pickles (protocol 0), and pandas unpickles them when it
opens a file, which lets a prepared file run any program. Here the instructions of the pickle are listed
(``pickletools.genops`` parses and never executes) and only those that build lists, tuples, text and numbers are obeyed.
"""

import pickletools
from typing import Any

from vp_science.errors import PoseError

_MAX_BYTES = 8 << 20
_MARK = object()
_VALUES = frozenset(
    {
        "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "INT", "LONG", "BININT", "BININT1", "BININT2",
        "LONG1", "STRING", "BINSTRING", "SHORT_BINSTRING",
    }
)  # fmt: skip
_IGNORED = frozenset({"PROTO", "FRAME"})


def column_labels(attribute: object, where: str) -> list[tuple[str, ...]]:
    """The names of columns: a list of tuples of text.

    Args:
        attribute: the value of the HDF5 attribute, as h5py gives it.
        where: file and dataset, for messages.

    Raises:
        PoseError: when it is anything else than such a list.
    """
    data = bytes(attribute) if isinstance(attribute, bytes) else None
    if data is None or len(data) > _MAX_BYTES:
        raise _refused(where, "an attribute of another kind")
    # HDF5 strings end at the first null byte, and so does the pickle's own final dot at the latest.
    try:
        value = _build(data, where)
    except PoseError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, UnicodeError, StopIteration) as error:
        raise _refused(where, f"damaged ones ({error})") from error
    if not isinstance(value, list) or not all(isinstance(item, tuple) for item in value):
        raise _refused(where, type(value).__name__)
    if not all(isinstance(name, str) for item in value for name in item):
        raise _refused(where, "names that are not text")
    return value


def _build(data: bytes, where: str) -> Any:
    """Obey the harmless instructions of a pickle; refuse all others."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name == "STOP":
            return stack[-1]
        if name in _IGNORED:
            continue
        if name in _VALUES:
            stack.append(argument)
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else int(argument)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[int(argument or 0)])
        else:
            _collect(name, stack, where)
    raise _refused(where, "a list that has no end")


def _collect(name: str, stack: list[Any], where: str) -> None:
    if name in ("EMPTY_LIST", "EMPTY_TUPLE"):
        stack.append([] if name == "EMPTY_LIST" else ())
    elif name in ("LIST", "TUPLE"):
        items = _since_mark(stack)
        stack.append(items if name == "LIST" else tuple(items))
    elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        count = int(name[-1])
        stack[-count:] = [tuple(stack[-count:])]
    elif name == "APPEND":
        item = stack.pop()
        _list(stack).append(item)
    elif name == "APPENDS":
        items = _since_mark(stack)
        _list(stack).extend(items)
    else:
        raise _refused(where, f"the instruction {name}, which can run programs")


def _list(stack: list[Any]) -> list[Any]:
    if not isinstance(stack[-1], list):
        raise TypeError("something is appended to what is no list")
    return stack[-1]


def _since_mark(stack: list[Any]) -> list[Any]:
    place = next(index for index in range(len(stack) - 1, -1, -1) if stack[index] is _MARK)
    items = stack[place + 1 :]
    del stack[place:]
    return items


def _refused(where: str, found: str) -> PoseError:
    return PoseError(
        f"{where}: expected the names of columns as plain text, found {found}: refused for safety; export the table as "
        "CSV (save_as_csv=True, or convert it on a machine you trust)"
    )
