"""Finding the files of a download, and the splits; errors name what was expected where."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Int8

from vp_science.annotations.text_tables import read_table
from vp_science.batch import natural_key
from vp_science.bench.protocol import SPLITS, BenchRecording, FindOptions, Protocol, Split, Study
from vp_science.errors import BenchError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import to_ethogram

VIDEO_ENDINGS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".m4v", ".wmv", ".mpg", ".mpeg", ".seq"})
"""Videos that these downloads hold or are converted to; .seq are Norpix sequences."""


def check_folder(data: Path, protocol: Protocol) -> None:
    """Refuse a data folder that is not there.

    Raises:
        BenchError: saying what the folder must hold and where the data come from.
    """
    if not data.is_dir():
        raise missing(data, "a folder with the data", protocol)


def missing(path: Path, expected: str, protocol: Protocol, found: str = "nothing there") -> BenchError:
    """The error about a file or folder of a download."""
    layout = "; ".join(protocol.layout)
    return BenchError(
        f"{path}: expected {expected}, found {found}: download {protocol.title} ({protocol.url}) and unpack it, so "
        f"that the data folder holds {layout}"
    )


def first_existing(candidates: Sequence[Path], expected: str, protocol: Protocol) -> Path:
    """The first of several places that exists.

    Raises:
        BenchError: naming the usual place, when none does.
    """
    for path in candidates:
        if path.exists():
            return path
    raise missing(candidates[0], expected, protocol)


def videos_in(folder: Path) -> list[Path]:
    """The videos directly in a folder, in natural order."""
    return sorted(
        (path for path in folder.iterdir() if path.suffix.lower() in VIDEO_ENDINGS and not path.name.startswith(".")),
        key=lambda path: natural_key(path.name),
    )


def pick_video(folder: Path, stem: str, protocol: Protocol) -> Path:
    """The one video of a movie folder: named after it, or the only one there.

    A converted video stands before the ``.seq`` file it was made from.

    Raises:
        BenchError: when there is none or more than one.
    """
    videos = videos_in(folder)
    named = [video for video in videos if video.stem == stem] or videos
    named = [video for video in named if video.suffix.lower() != ".seq"] or named
    if len(named) == 1:
        return named[0]
    if named:
        listed = ", ".join(video.name for video in named[:4])
        raise BenchError(f"{folder}: expected one video called {stem}, found {listed}: move the others away")
    kinds = " ".join(sorted(VIDEO_ENDINGS))
    raise missing(folder, f"the video of the movie ({kinds})", protocol, "none")


def make_study(
    protocol: Protocol,
    recordings: Iterable[BenchRecording],
    options: FindOptions,
    *,
    behaviors: Behaviors | None = None,
    deviations: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Study:
    """Apply the split file, check that there is something to train and test on, and compare with what is expected.

    Raises:
        BenchError: when a split has no recordings, or the split file names others than there are.
    """
    found = list(recordings)
    reasons = list(deviations)
    if options.split_file is not None:
        found = _resplit(found, read_split(options.split_file), options.split_file)
        reasons.append(f"the split comes from {options.split_file.name}, not from the protocol")
    found.sort(key=lambda recording: (SPLITS.index(recording.split), natural_key(recording.id)))
    counts = {split: sum(recording.split == split for recording in found) for split in SPLITS}
    for split in ("train", "test"):
        if not counts[split]:
            raise BenchError(
                f"{protocol.title}: expected recordings to {split} on, found none: check the data folder and the split"
            )
    if options.split_file is None:
        reasons += [
            f"expected {number} {split} recordings, found {counts[split]}"
            for split, number in protocol.expected.items()
            if counts[split] != number
        ]
    reasons += _on_both_sides(found)
    remarks = list(notes)
    if not protocol.expected:
        remarks.append(
            f"how many recordings the whole download has is not known here: check that {counts['train']} to train on "
            f"and {counts['test']} to test on are all"
        )
    catalogue = behaviors if behaviors is not None else protocol.behaviors
    assert catalogue is not None
    return Study(tuple(found), catalogue, tuple(reasons), tuple(remarks))


def _on_both_sides(recordings: Sequence[BenchRecording]) -> list[str]:
    """Why a number is worth nothing when what is tested was trained on."""
    sides = {split: {recording.id for recording in recordings if recording.split == split} for split in SPLITS}
    shared = sorted(sides["test"] & (sides["train"] | sides["val"]), key=natural_key)
    if not shared:
        return []
    return [f"{len(shared)} recordings are trained on and tested ({', '.join(shared[:3])}): the score is too high"]


def read_split(path: Path) -> dict[str, Split]:
    """A table with the columns ``recording`` and ``split`` (train, val or test).

    Raises:
        BenchError: when a recording appears twice or a split has another name.
        AnnotationError: when it is not such a table.
    """
    table = read_table(path)
    table.require(("recording", "split"))
    splits: dict[str, Split] = {}
    for row in table:
        name, split = row.cells["recording"], row.cells["split"].lower()
        if split not in SPLITS:
            raise BenchError(
                f"{path}, line {row.line}, column 'split': expected train, val or test, found {split!r}: correct it"
            )
        if name in splits:
            raise BenchError(
                f"{path}, line {row.line}: expected every recording once, found {name!r} again: remove one"
            )
        splits[name] = split
    return splits


def _resplit(recordings: list[BenchRecording], splits: Mapping[str, Split], path: Path) -> list[BenchRecording]:
    """Recordings that the file does not name are left out: it says who takes part."""
    known = {recording.id for recording in recordings}
    if unknown := sorted(set(splits) - known):
        listed = ", ".join(sorted(known)[:4])
        raise BenchError(
            f"{path}: expected recordings of the data folder ({listed}, ...), found {unknown[0]!r} and "
            f"{len(unknown) - 1} more that are not there: correct the names"
        )
    return [replace(recording, split=splits[recording.id]) for recording in recordings if recording.id in splits]


def fit_length(
    states: Int8[np.ndarray, "labelled behavior"], num_frames: int, tolerance: int, name: str, path: Path
) -> Int8[np.ndarray, "frame behavior"]:
    """Labels for exactly the frames of the recording; frames without one do not count.

    Raises:
        BenchError: when the lengths differ by more than ``tolerance`` frames.
    """
    if abs(len(states) - num_frames) > tolerance:
        raise BenchError(
            f"{path}: expected labels for the {num_frames} frames of {name!r}, found {len(states)}: the labels belong "
            f"to another recording, or one of the files is cut short; compare them, and allow a difference only if you "
            f"know where it comes from (--length-tolerance {abs(len(states) - num_frames)})"
        )
    fitted = np.full((num_frames, states.shape[1]), -1, dtype=np.int8)
    common = min(num_frames, len(states))
    fitted[:common] = states[:common]
    return fitted


def annotated_states(
    annotations: Annotations, recording: str, behaviors: Behaviors
) -> Int8[np.ndarray, "labelled behavior"]:
    """States per frame from annotations that were read at one frame per second, so that seconds count frames.

    Behaviors of the catalogue that the annotations do not know are scored as absent where others were scored: the
    benchmark asks about them everywhere.
    """
    observed = annotations.observed[annotations.observed["recording"] == recording]
    length = round(float(observed["stop_s"].max())) if len(observed) else 0
    states = np.full((length, len(behaviors)), -1, dtype=np.int8)
    if not length:
        return states
    ethogram = to_ethogram(annotations, recording, np.arange(length, dtype=np.float64))
    states[(ethogram.states >= 0).all(axis=1)] = 0
    for column, name in enumerate(behaviors.names):
        if name in ethogram.behaviors:
            states[:, column] = ethogram.states[:, ethogram.behaviors.index(name)]
    return states
