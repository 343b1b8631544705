"""Opens pose files of any kind, and finds the one that belongs to a recording."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

import h5py

from vp_science.errors import PoseError
from vp_science.poses import cvat, deeplabcut, jabs, sleap
from vp_science.poses.body import animal_tracks
from vp_science.poses.h5_read import has, open_pose_h5
from vp_science.poses.points import PosePoints
from vp_science.timeline.animals import AnimalTrack
from vp_science.typing import StrPath

ENDINGS = (".slp", ".h5", ".hdf5", ".csv", ".xml")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_OURS = (".embeddings.h5", ".ethogram.h5")
_REST = re.compile(
    r"(\..*)?|DLC[_-].*|_pose_est_v\d+|[_.-](pose|poses|track|tracks|tracked|tracking|prediction|predictions|analysis|"
    r"annotation|annotations|keypoints)([_.-].*)?",
    re.IGNORECASE,
)


def load_animal_tracks(
    path: StrPath,
    *,
    min_points: int = 1,
    min_score: int | float | None = None,
    axis: tuple[str, str] | None = None,
    video: str | None = None,
) -> dict[str, AnimalTrack]:
    """Read where every animal is from a pose file.

    SLEAP (``.slp``, analysis ``.h5``), DeepLabCut (``.h5``, ``.csv``; one or several animals), JABS
    (``_pose_est_v2`` to ``_v8.h5``) and CVAT ("CVAT for video" XML with boxes) are told apart by what is in the file.
    Nothing in it is run, and nothing outside it is read.

    Args:
        path: the pose file.
        min_points: an animal with fewer visible points in a frame was not seen there.
        min_score: points with a lower score (likelihood, confidence) were not seen; None takes the tool's own habit:
            0.6 for DeepLabCut, 0.3 for JABS, and what the file holds for SLEAP.
        axis: names of a front and a back point of the body; None takes the usual ones (nose and tail base, head and
            abdomen, ...), or the longest direction of the points where there are none.
        video: file name of the recording, for ``.slp`` files about several videos.

    Returns:
        By the animal's name in the file, in the order of the file; one that is never seen is among them. The single
        animal of a file that names none is called "animal".

    Raises:
        PoseError: what was expected, what was found, and where.
        MissingExtraError: when an optional package is needed (extra ``pose``).
    """
    points = read_points(path, video=video)
    return animal_tracks(points, path, min_points=min_points, min_score=min_score, axis=axis)


def read_points(path: StrPath, *, video: str | None = None) -> PosePoints:
    """The points of all animals as they are stored; see ``load_animal_tracks``."""
    where = Path(path)
    try:
        if not where.is_file():
            found = "something else" if where.exists() else "no such file"
            raise PoseError(f"{where}: expected a pose file, found {found}: check the path")
        with where.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise PoseError(f"{where}: expected a readable pose file, found {error.strerror or error}") from error
    if head.startswith(_HDF5):
        return _read_h5(where, video)
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return cvat.read_cvat(where)
    if where.suffix.lower() == ".csv" or head.removeprefix(b"\xef\xbb\xbf").startswith(b"scorer,"):
        return deeplabcut.read_csv(where)
    raise PoseError(
        f"{where}: expected a pose file of SLEAP (.slp, analysis .h5), DeepLabCut (.h5, .csv), JABS (.h5) or CVAT "
        "(.xml), found none of these: export it as one of them"
    )


def _read_h5(path: Path, video: str | None) -> PosePoints:
    with open_pose_h5(path) as file:
        is_slp, is_analysis = _is_slp(file), _is_analysis(file)
        is_jabs, is_deeplabcut = jabs.is_jabs(file), deeplabcut.is_deeplabcut_h5(file)
        found = sorted(str(name)[:40] for name in list(file)[:8])
    if is_slp:
        return sleap.read_slp(path, video)
    if is_analysis:
        return sleap.read_analysis(path)
    if is_jabs:
        return jabs.read_jabs(path)
    if is_deeplabcut:
        return deeplabcut.read_h5(path)
    raise PoseError(
        f"{path}: expected poses of SLEAP, DeepLabCut or JABS, found an HDF5 file with {', '.join(found) or 'nothing'}"
    )


def _is_slp(file: h5py.File) -> bool:
    return all(has(file, name) for name in ("metadata", "frames", "instances"))


def _is_analysis(file: h5py.File) -> bool:
    return all(has(file, name) for name in ("tracks", "node_names", "track_names"))


def _is_other(file: h5py.File) -> bool:
    return jabs.is_jabs(file) or deeplabcut.is_deeplabcut_h5(file)


def find_pose_file(recording: StrPath, among: StrPath | Iterable[StrPath]) -> Path:
    """The pose file of a recording, by its name.

    It belongs to ``m1.mp4`` when it is called ``m1`` and then nothing, a dot and anything (``m1.predictions.slp``,
    ``m1.analysis.h5``), ``DLC_`` and anything (as DeepLabCut calls it), ``_pose_est_v6`` (as JABS does) or one of
    ``pose, track, tracking, predictions, analysis, annotations, keypoints`` behind ``_``, ``-`` or a dot, and ends in
    ``.slp, .h5, .hdf5, .csv`` or ``.xml``. Of tables that differ only in their ending the HDF5 one is taken, and of
    JABS's files the newest version, as JABS does.

    Args:
        recording: the recording.
        among: a folder (searched with all folders below it), or the files to choose from. Of files in several folders
            the one in a folder that is called like the recording's own wins. Files that hold no poses do not count.

    Raises:
        PoseError: when there is none, or more than one.
    """
    recording = Path(recording)
    folder = isinstance(among, str | os.PathLike)
    files = _files(Path(among)) if folder else [Path(file) for file in among]  # type: ignore[arg-type,union-attr]
    found = [file for file in files if _fits(file, recording)]
    found = _same_place(_best_version(_one_ending(found)), recording)
    if len(found) == 1:
        return found[0]
    where = f"in {among}" if folder else "among the files given"
    stem = recording.stem
    if not found:
        raise PoseError(
            f"expected a pose file of {recording.name} {where}, found none: call it {stem}.slp, {stem}.analysis.h5, "
            f"{stem}DLC_....h5, {stem}_pose_est_v6.h5 or {stem}.xml, or name it (poses={{...}})"
        )
    raise PoseError(
        f"expected one pose file of {recording.name} {where}, found {len(found)}: "
        f"{', '.join(str(file) for file in found)}; name the right one (poses={{...}}) or move the others away"
    )


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise PoseError(f"{folder}: expected a folder with pose files, found none")
    return sorted(
        Path(parent) / name
        for parent, folders, names in os.walk(folder)
        for name in names
        if name.lower().endswith(ENDINGS) and not name.endswith(_OURS)
    )


def _fits(file: Path, recording: Path) -> bool:
    stem, name = recording.stem, file.name
    if not name.startswith(stem) or not name.lower().endswith(ENDINGS) or name.endswith(_OURS):
        return False
    rest = file.stem[len(stem) :] if len(file.stem) >= len(stem) else None
    if rest is None or not _REST.fullmatch(rest):
        return False
    return file.absolute() != recording.absolute() and _may_hold_poses(file)


def _may_hold_poses(file: Path) -> bool:
    """Whether a file looks like poses, and not like labels or frames; one that cannot be read is worth an error."""
    try:
        with file.open("rb") as opened:
            head = opened.read(4096).removeprefix(b"\xef\xbb\xbf")
        if head.startswith(_HDF5):
            with open_pose_h5(file) as content:
                return _is_slp(content) or _is_analysis(content) or _is_other(content)
    except (OSError, PoseError):
        return True
    return head.lower().startswith((b"scorer,", b"<?xml", b"<annotations"))


def _one_ending(files: list[Path]) -> list[Path]:
    """DeepLabCut writes the same table as .h5 and as .csv."""
    tables = {file.with_suffix("") for file in files if file.suffix.lower() == ".h5"}
    return [file for file in files if not (file.suffix.lower() == ".csv" and file.with_suffix("") in tables)]


def _best_version(files: list[Path]) -> list[Path]:
    versions = {file: re.search(r"_pose_est_v(\d+)$", file.stem) for file in files}
    if len(files) < 2 or len({file.parent for file in files}) > 1 or None in versions.values():
        return files
    return [max(files, key=lambda file: int(versions[file].group(1)))]  # type: ignore[union-attr]


def _same_place(files: list[Path], recording: Path) -> list[Path]:
    """Where recordings of several folders have the same names, the pose file in a folder of the same name."""
    if len(files) < 2:
        return files
    beside = [file for file in files if file.parent.name == recording.absolute().parent.name]
    return beside if len(beside) == 1 else files
