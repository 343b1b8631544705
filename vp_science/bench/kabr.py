"""KABR: drone mini-scenes of giraffes and zebras, eight classes, one per frame."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from jaxtyping import Int8

from vp_science.annotations.text_tables import read_text
from vp_science.batch import PICTURE_ENDINGS, natural_key
from vp_science.bench.files import check_folder, first_existing, fit_length, make_study, missing
from vp_science.bench.papers import HEAD_DIFFERS, VIDEOPRISM, attentive_head, videoprism_rows
from vp_science.bench.protocol import (
    BenchRecording,
    ClipSettings,
    Dataset,
    FindOptions,
    FrameLabels,
    Protocol,
    Shape,
    Split,
    Study,
)
from vp_science.errors import BenchError
from vp_science.timeline.behaviors import Behaviors

_COLUMNS = ["original_vido_id", "video_id", "frame_id", "path", "labels"]
_MAX_CLASSES = 1000

PROTOCOL = Protocol(
    name="kabr",
    title="KABR",
    citation="Kholiavchenko et al. 2024, KABR: In-Situ Dataset for Kenyan Animal Behavior Recognition from Drone "
    "Videos, WACV workshops",
    licence="CC0",
    url="https://huggingface.co/datasets/imageomics/KABR (its download.py joins and unpacks the parts)",
    layout=(
        "annotation/classes.json, annotation/train.csv and annotation/val.csv (spaces between the columns "
        "original_vido_id video_id frame_id path labels)",
        "images/<video>/<frame>.jpg or dataset/image/<video>/<frame>.jpg",
    ),
    split_source="train.csv and val.csv of the download; val.csv is the test set",
    expected={},
    behaviors=None,
    clip=ClipSettings(num_frames=16, frame_step=5, stride=1, spatial_pool=4, source_fps=30.0),
    head=attentive_head(loss="eql", learning_rate=5e-6),
    metric="macro accuracy",
    published=videoprism_rows("kabr"),
    as_published=(
        f"the split of the download; 16 frames, every fifth; macro-averaged accuracy over all classes ({VIDEOPRISM})",
        "equalization loss (Tan et al. 2020) against the imbalance; learning rate 5e-6",
    ),
    differs=(
        "one decision for every fifth frame from the clip around it; the paper does not say how many clips of a "
        "mini-scene were tested",
        "the website of KABR calls X3D's 61.9 top-1 accuracy, VideoPrism calls it macro-accuracy: check before "
        "comparing",
        "pictures carry no times: 30 frames per second are assumed (only the spacing matters)",
        "a mini-scene of the training set is held out to stop early",
        *HEAD_DIFFERS,
    ),
)


def find(data: Path, options: FindOptions) -> Study:
    """Mini-scenes of both CSV files.

    Raises:
        BenchError: when a file or the pictures of a mini-scene are missing.
    """
    check_folder(data, PROTOCOL)
    root = first_existing([data / "annotation", data / "KABR" / "annotation"], "the annotation folder", PROTOCOL).parent
    images = first_existing([root / "images", root / "dataset" / "image"], "the folder of the pictures", PROTOCOL)
    recordings, skipped = [], 0
    parts: tuple[tuple[str, Split], ...] = (("train", "train"), ("val", "test"))
    for name, split in parts:
        path = root / "annotation" / f"{name}.csv"
        if not path.is_file():
            raise missing(path, "the labels", PROTOCOL)
        for scene in sorted(set(_read_csv(path)["original_vido_id"]), key=natural_key):
            folder = images / _safe(scene, path)
            if not folder.is_dir():
                if not options.partial:
                    raise missing(folder, "the pictures of the mini-scene", PROTOCOL)
                skipped += 1
                continue
            recordings.append(BenchRecording(scene, folder, split, path))
    deviations = [f"{skipped} mini-scenes without pictures were passed over"] if skipped else []
    behaviors = _classes(root / "annotation" / "classes.json")
    return make_study(PROTOCOL, recordings, options, behaviors=behaviors, deviations=deviations)


def _classes(path: Path) -> Behaviors:
    """Names in the order of their numbers."""
    if not path.is_file():
        raise missing(path, "the classes", PROTOCOL)
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise BenchError(f'{path}: expected JSON such as {{"Walk": 0}}, found something else ({error})') from error
    fits = isinstance(value, dict) and 2 <= len(value) <= _MAX_CLASSES
    if not fits or sorted(map(repr, value.values())) != sorted(map(repr, range(len(value)))):
        raise BenchError(
            f"{path}: expected the numbers 0, 1, ... by class name, found {str(value)[:80]}: download it again"
        )
    return Behaviors.of(sorted(value, key=value.__getitem__), exclusive=True)


def _read_csv(path: Path) -> pd.DataFrame:
    """One row per frame. A million rows: pandas, with our own messages."""
    try:
        table = pd.read_csv(path, sep=" ", dtype=str, keep_default_na=False, encoding="utf-8")
    except (ValueError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise BenchError(
            f"{path}: expected the columns {' '.join(_COLUMNS)}, found something else ({error})"
        ) from error
    if list(table.columns) != _COLUMNS:
        found = " ".join(map(str, table.columns))
        raise BenchError(
            f"{path}, line 1: expected the columns {' '.join(_COLUMNS)}, found {found[:100]}: download it again"
        )
    return table


def _safe(name: str, path: Path) -> str:
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise BenchError(f"{path}: expected names of mini-scenes such as G0001, found {name!r}: refused for safety")
    return name


def read_labels(study: Study, shapes: Mapping[str, Shape], tolerance: int) -> Sequence[FrameLabels]:
    """The class of every picture that the CSV names; others do not count.

    Raises:
        BenchError: when a row names no picture, or no class, or a mini-scene and its rows differ in length.
    """
    labels = []
    for path in sorted({recording.labels for recording in study.recordings}):
        rows = _read_csv(path)
        by_scene = {str(name): group for name, group in rows.groupby("original_vido_id", sort=False)}
        for recording in study.recordings:
            if recording.labels != path:
                continue
            scene = by_scene.get(recording.id)
            if scene is None:
                raise BenchError(f"{path}: expected rows of {recording.id!r}, found none: download the labels again")
            states = _states(recording, scene, len(study.behaviors), path)
            if len(scene) != shapes[recording.id].num_frames:
                fit_length(
                    np.zeros((len(scene), 1), np.int8), shapes[recording.id].num_frames, tolerance, recording.id, path
                )
            labels.append(FrameLabels(recording.id, states))
    return labels


def _states(
    recording: BenchRecording, scene: pd.DataFrame, num_classes: int, path: Path
) -> Int8[np.ndarray, "frame behavior"]:
    """Labels by the name of the picture, so that a missing picture shifts nothing."""
    pictures = sorted(
        (file.name for file in recording.path.iterdir() if file.suffix.lower() in PICTURE_ENDINGS), key=natural_key
    )
    position = {name: index for index, name in enumerate(pictures)}
    states = np.full((len(pictures), num_classes), -1, dtype=np.int8)
    for index, name, text in zip(scene.index, scene["path"], scene["labels"], strict=True):
        frame = position.get(PurePosixPath(name).name)
        if frame is None:
            raise BenchError(
                f"{path}, line {index + 2}, column 'path': expected a picture of {recording.path}, found {name!r}: "
                "download the pictures again"
            )
        states[frame] = 0
        for number in text.split(","):
            if not number.strip().isdecimal() or int(number) >= num_classes:
                raise BenchError(
                    f"{path}, line {index + 2}, column 'labels': expected a class from 0 to {num_classes - 1}, "
                    f"found {text!r}: download the labels again"
                )
            states[frame, int(number)] = 1
    return states


DATASET = Dataset(PROTOCOL, find, read_labels)
