"""Fly-vs-Fly: pairs of fruit flies, six of the ten annotated actions."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int8

from vp_science.batch import natural_key
from vp_science.bench.files import check_folder, fit_length, make_study, missing, pick_video
from vp_science.bench.matlab import MatValue, read_mat, texts
from vp_science.bench.papers import HEAD_DIFFERS, VIDEOPRISM, attentive_head, videoprism_rows
from vp_science.bench.protocol import (
    BenchRecording,
    ClipSettings,
    Dataset,
    FindOptions,
    FrameLabels,
    Protocol,
    PublishedResult,
    Shape,
    Split,
    Study,
)
from vp_science.errors import BenchError
from vp_science.timeline.behaviors import Behaviors

_ACTIONS = "_actions.mat"
_POSE = ("pos x", "pos y", "ori", "major axis len", "minor axis len", "wing l x", "wing l y", "wing r x", "wing r y")
_BEHAVIORS = ("lunge", "wing threat", "tussle", "wing extension", "circle", "copulation")
_SHORT = {"wing ext": "wing extension"}

PROTOCOL = Protocol(
    name="fly-vs-fly",
    title="Fly-vs-Fly",
    citation="Eyjolfsdottir et al. 2014, Detecting Social Actions of Fruit Flies, ECCV",
    licence="CC0",
    url="https://data.caltech.edu/records/zrznw-w7386",
    layout=(
        "<context>/<movie>/<movie>_actions.mat, <movie>_track.mat and the video of the movie, for example "
        "Aggression/movie1/movie1_actions.mat, movie1_track.mat, movie1.avi",
    ),
    split_source="not public as a list of movies (Task Programming published processed arrays only): give it with "
    "--split, or else the first half of the movies of every context trains, the second half tests",
    expected={},
    behaviors=Behaviors.of(_BEHAVIORS, background="other"),
    clip=ClipSettings(num_frames=16, stride=1, spatial_pool=2, train_every=16),
    head=attentive_head(loss="cross-entropy"),
    metric="frame mAP",
    published=(
        *videoprism_rows("fly-vs-fly"),
        PublishedResult(
            "VideoPrism-g, frozen, attention readout", 92.5, "SciVid (arXiv 2507.03578), test (read in a note on it)"
        ),
    ),
    as_published=(
        f"behaviors with more than 1000 training frames: {', '.join(_BEHAVIORS)}; mAP, other is background "
        f"({VIDEOPRISM})",
        "16 consecutive frames of the whole picture, labelled by the frame in their middle; a frame may show several "
        "behaviors; actions of both flies count",
        "frames in which the pose of a fly is missing (NaN) do not count (SciVid, datasets.md)",
        "an action that was not scored in a context counts as absent there",
    ),
    differs=(
        "the published split of the movies is not known here, so numbers of the default split are not comparable",
        "every sixteenth clip is a training example",
        "bouts in the .mat files are taken as first and last frame counted from 1, both included (as FlyTracker does)",
        *HEAD_DIFFERS,
    ),
)


def find(data: Path, options: FindOptions) -> Study:
    """Movie folders, wherever they lie in the data folder.

    Raises:
        BenchError: when there are none, or a movie lacks its video or track.
    """
    check_folder(data, PROTOCOL)
    actions = sorted(
        (path for path in data.rglob(f"*{_ACTIONS}") if path.parent.name == path.name.removesuffix(_ACTIONS)),
        key=lambda path: natural_key(path.relative_to(data)),
    )
    if not actions:
        raise missing(data, f"movie folders with a file <movie>{_ACTIONS}", PROTOCOL, "none")
    recordings = []
    for _, files in groupby(actions, key=lambda path: path.parent.parent):
        movies = list(files)
        for position, path in enumerate(movies):
            movie = path.name.removesuffix(_ACTIONS)
            video = pick_video(path.parent, movie, PROTOCOL)
            if not (track := path.with_name(f"{movie}_track.mat")).is_file():
                raise missing(track, "the track of the movie", PROTOCOL)
            split: Split = "train" if position < (len(movies) + 1) // 2 else "test"
            recordings.append(BenchRecording(path.parent.relative_to(data).as_posix(), video, split, path))
    deviations = [] if options.split_file else ["the published split is not a list of movies; halves of every context"]
    return make_study(PROTOCOL, recordings, options, deviations=deviations)


def read_labels(study: Study, shapes: Mapping[str, Shape], tolerance: int) -> Sequence[FrameLabels]:
    """Actions of both flies together, at the frames with a complete pose.

    Raises:
        BenchError: when a file is not laid out as expected, or track and video differ in length.
    """
    labels = []
    for recording in study.recordings:
        track = recording.labels.with_name(recording.labels.name.replace(_ACTIONS, "_track.mat"))
        valid = _valid_frames(track)
        states = _actions(recording.labels, len(valid), study.behaviors)
        states[~valid] = -1
        states = fit_length(states, shapes[recording.id].num_frames, tolerance, recording.id, track)
        labels.append(FrameLabels(recording.id, states))
    return labels


def _valid_frames(path: Path) -> Bool[np.ndarray, " frame"]:
    """Frames in which the pose of every fly is known: position, orientation, axes and wings, without NaN."""
    trk = read_mat(path, ["trk"])["trk"]
    if not isinstance(trk, dict) or not {"names", "data"} <= trk.keys():
        raise BenchError(
            f"{path}: expected trk with names and data, found something else: another version of the dataset"
        )
    names, data = texts(trk["names"], path, "trk.names"), trk["data"]
    if not isinstance(data, np.ndarray) or data.ndim != 3 or data.shape[2] != len(names):
        raise BenchError(
            f"{path}: expected trk.data as flies x frames x {len(names)} features, found "
            f"{getattr(data, 'shape', type(data).__name__)}: another version of the dataset"
        )
    columns = [index for index, name in enumerate(names) if name.strip().lower().replace("_", " ") in _POSE]
    if not columns:
        raise BenchError(f"{path}: expected the features {', '.join(_POSE)}, found {', '.join(names)[:120]}")
    return np.asarray(~np.isnan(data[:, :, columns]).any(axis=(0, 2)))


def _actions(path: Path, num_frames: int, behaviors: Behaviors) -> Int8[np.ndarray, "frame behavior"]:
    """What any of the flies does in every frame."""
    values = read_mat(path, ["behs", "bouts"])
    names = texts(values["behs"], path, "behs")
    states = np.zeros((num_frames, len(behaviors)), dtype=np.int8)
    for fly, row in enumerate(_cells(values["bouts"], len(names), path)):
        for name, bouts in zip(names, row, strict=True):
            canonical = _canonical(name)
            for first, last in _spans(bouts, num_frames, f"{path}: {name} of fly {fly + 1}"):
                if canonical in behaviors:
                    states[first - 1 : last, behaviors.index(canonical)] = 1
    return states


def _canonical(name: str) -> str:
    plain = " ".join(name.replace("_", " ").lower().rstrip(". ").split())
    return _SHORT.get(plain, plain)


def _cells(bouts: MatValue, num_behaviors: int, path: Path) -> list[list[MatValue]]:
    if not isinstance(bouts, list) or any(len(row) != num_behaviors for row in bouts):
        raise BenchError(
            f"{path}: expected bouts as a cell with a row per fly and {num_behaviors} columns, found something else: "
            "another version of the dataset"
        )
    return bouts


def _spans(bouts: MatValue, num_frames: int, name: str) -> list[tuple[int, int]]:
    """First and last frame of every bout, counted from 1."""
    if not isinstance(bouts, np.ndarray):
        raise BenchError(f"{name}: expected numbers, found {type(bouts).__name__}: another version of the dataset")
    if bouts.size == 0:
        return []
    if bouts.ndim != 2 or bouts.shape[1] < 2:
        raise BenchError(f"{name}: expected rows of first and last frame, found shape {bouts.shape}")
    spans = [(int(first), int(last)) for first, last in bouts[:, :2].tolist()]
    for first, last in spans:
        if not 1 <= first <= last <= num_frames:
            raise BenchError(
                f"{name}: expected bouts within the frames 1 to {num_frames} of the track, found {first} to {last}: "
                "actions and track belong to different movies"
            )
    return spans


DATASET = Dataset(PROTOCOL, find, read_labels)
