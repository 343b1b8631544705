"""What a data set consisted of when a training began: a resumed training must see the same."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from vp_science.errors import SettingsError

Listing = dict[str, Any]
"""``count`` and ``sha256`` of all names and stamps, and, where these are not too many, ``stamps`` by name."""

_MOST = 5000
_SHOWN = 5


def make_listing(stamps: Mapping[str, str]) -> Listing:
    """The listing of a data set.

    Args:
        stamps: by the name of a recording or table; a stamp changes when the content does.
    """
    digest = hashlib.sha256(json.dumps(sorted(stamps.items())).encode()).hexdigest()
    listing: Listing = {"count": len(stamps), "sha256": digest}
    return listing | {"stamps": dict(stamps)} if len(stamps) <= _MOST else listing


def check_listing(path: str, now: Listing, then: object) -> None:
    """Refuse a data set that is not what it was.

    Args:
        path: of the data set.
        now: its listing.
        then: what a checkpoint says it was.

    Raises:
        SettingsError: naming what was added, removed and changed.
    """
    if not isinstance(then, Mapping):
        raise SettingsError(f"{path}: expected a listing of the data set in the checkpoint, found something else")
    if then.get("sha256") == now["sha256"]:
        return
    before, after = then.get("stamps"), now.get("stamps")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        kinds = {
            "added": sorted(set(after) - set(before)),
            "removed": sorted(set(before) - set(after)),
            "changed": sorted(name for name in set(before) & set(after) if before[name] != after[name]),
        }
        found = "; ".join(f"{kind}: {_names(names)}" for kind, names in kinds.items() if names)
    else:
        found = f"{now['count']} entries, or others, where there were {then.get('count')}"
    raise SettingsError(
        f"{path}: expected the recordings and tables with which the training began, found {found}: restore them, or "
        "start a new training from the weights of this one"
    )


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
