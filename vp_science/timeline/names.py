"""Which recording a name means: labels, tables and tracks name the same recording in their own ways."""

from collections import defaultdict
from collections.abc import Sequence

from vp_science.errors import AnnotationError

_VIDEO = "3gp asf avi dv flv gif m2ts m4v mjpeg mjpg mkv mov mp4 mpeg mpg mts mxf ogv seq ts vob webm wmv y4m"
_OTHER = "h5 hdf5 he5 nwb slp tif tiff npy"
_MAX_LISTED = 12
MEDIA_ENDINGS = frozenset(f".{ending}" for ending in f"{_VIDEO} {_OTHER}".split())


def plain_name(name: str) -> str:
    """The last part of a name or path of any system, without the ending of a recording.

    Only endings of recordings are taken off: ``20190128.120s`` is a whole name, ``20190128.120s.mp4`` is not.
    """
    last = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    stem, dot, ending = last.rpartition(".")
    return stem if stem and f"{dot}{ending}".lower() in MEDIA_ENDINGS else last


def match_names(given: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """For every wanted recording the given name that means it, or "".

    An equal name means it; otherwise the only one with the same plain name does.

    Raises:
        AnnotationError: when two given names could be meant.
    """
    by_plain: dict[str, list[str]] = defaultdict(list)
    for name in given:
        by_plain[plain_name(name)].append(name)
    found = []
    for name in wanted:
        fitting = [name] if name in given else by_plain.get(plain_name(name), [])
        if len(fitting) > 1:
            raise AnnotationError(
                f"expected one recording of the labels to be {name!r}, found {listed(fitting)}: rename all but one"
            )
        found.append(fitting[0] if fitting else "")
    return found


def listed(names: Sequence[str]) -> str:
    """Names for a message, cut after a dozen."""
    shown = ", ".join(names[:_MAX_LISTED])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > _MAX_LISTED else shown
