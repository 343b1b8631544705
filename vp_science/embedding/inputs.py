"""The recordings of a batch, and the names under which they will lie."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from vp_science.batch import BatchItem, find_inputs
from vp_science.errors import SettingsError
from vp_science.recordings import Recording
from vp_science.typing import StrPath


def collect_recordings(recordings: StrPath | Recording | Iterable[StrPath | Recording]) -> list[BatchItem | Recording]:
    """The recordings of a batch: files, folders and patterns expanded, each once, then those that are open.

    Raises:
        SettingsError: when there is none, or names collide or lead out of the output folder.
    """
    single = isinstance(recordings, str | os.PathLike | Recording)
    given: list[Any] = [recordings] if single else list(recordings)  # type: ignore[arg-type]
    if not given:
        raise SettingsError("expected at least one recording, found none")
    opened = list({id(item): item for item in given if isinstance(item, Recording)}.values())
    found = find_inputs(item for item in given if not isinstance(item, Recording))
    return checked_names([*found, *opened])


def checked_names(items: list[BatchItem | Recording]) -> list[BatchItem | Recording]:
    """Refuse ids that collide or lead out of the output folder.

    Raises:
        SettingsError: naming the first one.
    """
    names: set[str] = set()
    for item in items:
        name = name_of(item)
        if any(part in ("", ".", "..") for part in name.split("/")):
            raise SettingsError(
                f'recording_id: expected a name, or names joined by "/", that lead to a file in the output folder, '
                f"found {name!r}"
            )
        if name in names:
            raise SettingsError(
                f"two recordings are called {name!r}, so one would replace the other: give one of them another "
                "name (recording_id=...)"
            )
        names.add(name)
    return items


def name_of(item: BatchItem | Recording) -> str:
    """The id of a recording, open or not."""
    return item.id if isinstance(item, Recording) else item.recording_id


def refuse_open_recordings(items: Sequence[BatchItem | Recording]) -> None:
    """Only files can be sent to other machines.

    Raises:
        SettingsError: naming the first recording that is open.
    """
    for item in items:
        if isinstance(item, Recording):
            raise SettingsError(
                f"cluster: expected files, found the open recording {item.id!r}, which cannot be sent to workers: give "
                "its path, with the options of open_recording"
            )
