"""Looking at the beginning of a file to tell which format it is."""

import re
from pathlib import Path

from vp_science.annotations.text_tables import decode_text

_TAIL_BYTES = 1 << 16
_BINARY = b"\0"
_MARKS_OF_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def table_header(head: bytes, *, comment: str = "") -> frozenset[str]:
    """Names in the first line of delimited text (comma, semicolon, tab or space); empty for anything else.

    Args:
        head: the first bytes of a file.
        comment: lines that begin with this come before the header.
    """
    if _BINARY in head[:4096] and head[:2] not in _MARKS_OF_UTF16:
        return frozenset()
    for line in decode_text(head).splitlines():
        if line.strip() and not (comment and line.lstrip().startswith(comment)):
            return frozenset(cell.strip().strip('"').strip() for cell in re.split(r"[,;\t ]", line) if cell.strip())
    return frozenset()


def json_mentions(path: Path, head: bytes, *keys: str) -> bool:
    """Whether a file looks like a JSON object and has these keys near its beginning or its end."""
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return False
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read()
    text = head + b"\n" + tail
    return all(re.search(rb'"' + re.escape(key).encode() + rb'"\s*:', text) for key in keys)
