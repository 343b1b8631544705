"""Many embedding files at once: found, opened, and each recording in one of them only."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from vp_science.annotations.clock import FrameClock
from vp_science.batch import LOGITS_ENDING, OUTPUT_ENDING, natural_key
from vp_science.errors import ProbeError
from vp_science.store.reader import Embeddings, open_embeddings
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.names import listed
from vp_science.typing import StrPath


def find_tracks(inputs: Iterable[StrPath], ending: str = OUTPUT_ENDING) -> list[Path]:
    """Expand files, folders (with all below them) and patterns to embedding files, each once, in a stable order.

    Args:
        inputs: what to expand.
        ending: of the names of files in folders.

    Raises:
        ProbeError: when an input gives none.
    """
    found: dict[Path, Path] = {}
    for given in inputs:
        for path in _expand(os.fspath(given), ending):
            found.setdefault(Path(os.path.abspath(path)), path)
    return list(found.values())


def _expand(given: str, ending: str) -> list[Path]:
    path = Path(given)
    if path.is_dir():
        files = sorted(path.rglob(f"*{ending}"), key=natural_key)
        if not files:
            first = "annotate" if ending == LOGITS_ENDING else "embed"
            raise ProbeError(f"expected embedding files (*{ending}) in {path}, found none: {first} recordings first")
        return files
    if path.exists() or not glob.has_magic(given):
        return [path]
    matches = sorted((Path(name) for name in glob.glob(given, recursive=True)), key=natural_key)
    if not matches:
        raise ProbeError(f'the pattern "{given}" matches no file: expected embedding files')
    return [file for match in matches for file in (_expand(str(match), ending) if match.is_dir() else [match])]


@contextmanager
def open_tracks(inputs: Iterable[StrPath], ending: str = OUTPUT_ENDING) -> Iterator[list[Embeddings]]:
    """Open embedding files for the time of a ``with`` block; see ``find_tracks``.

    Raises:
        ProbeError: when two files are of the same recording.
        StoreError: when a file is damaged or something else.
    """
    with ExitStack() as stack:
        tracks = [stack.enter_context(open_embeddings(path)) for path in find_tracks(inputs, ending)]
        seen: dict[str, Embeddings] = {}
        for track in tracks:
            other = seen.setdefault(track.recording_id, track)
            if other is not track:
                raise ProbeError(
                    f"expected one embedding file per recording, found {other.path} and {track.path} of "
                    f"{track.recording_id!r}: give one of them"
                )
        yield tracks


def clock_of(tracks: Sequence[EmbeddingTable], fps: int | float | None = None) -> FrameClock:
    """When the frames of recordings are shown, for labels that count frames.

    A rate that is given is believed. Otherwise tracks of every source frame tell the time of each, also where the rate
    varies; tracks on a coarser grid do not.
    """
    if fps is not None:
        return FrameClock(fps)
    whole = [t for t in tracks if t.provenance.grid.get("sample_fps") is None and len(t) == t.num_frames]
    return FrameClock(None, {track.bout_recording: np.asarray(track.time_s) for track in whole})


def choose_behaviors(asked: Sequence[str], names: Sequence[str]) -> list[str]:
    """The behaviors that are meant by ``--behaviors``: names, or several in one text, separated by commas.

    Raises:
        ProbeError: when one does not exist.
    """
    chosen: list[str] = []
    for text in asked:
        parts = [text] if text in names else [part.strip() for part in text.split(",") if part.strip()]
        chosen += [part for part in parts if part not in chosen]
    if unknown := [name for name in chosen if name not in names]:
        raise ProbeError(
            f"expected behaviors among {listed(list(names)) or '(none)'}, found {unknown[0]!r}: check the spelling"
        )
    return chosen
