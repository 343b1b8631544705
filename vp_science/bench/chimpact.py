"""ChimpACT: chimpanzees in a zoo, 23 behaviors, boxes of every animal on every tenth frame."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float32

from vp_science.annotations.text_tables import read_text
from vp_science.bench.files import check_folder, first_existing, make_study, missing, videos_in
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

KEY_STEP = 10
"""Source frames from one labelled frame to the next."""

_BEHAVIORS = (
    "moving",
    "climbing",
    "resting",
    "sleeping",
    "solitary object playing",
    "eating",
    "manipulating object",
    "grooming",
    "being groomed",
    "aggressing",
    "embracing",
    "begging",
    "being begged from",
    "taking object",
    "losing object",
    "carrying",
    "being carried",
    "nursing",
    "being nursed",
    "playing",
    "touching",
    "erection",
    "displaying",
)

_PREFIX = "Azibo_Obs"
_VAL = (
    "Chimp_2015_11_25_d_clip_23000_24000",
    "Chimp_2015_11_26_a_clip_1000_2000",
    "Chimp_2016_08_02_c_clip_32000_33000",
    "Chimp_2017_02_27_a_clip_13000_14000",
    "Chimp_2017_06_22_c_clip_46000_47000",
    "Chimp_2017_06_22_c_clip_67000_68000",
    "Chimp_2017_11_10_clip_7000_8000",
    "Chimp_2017_11_10_clip_8000_9000",
    "Chimp_2018_07_11_c_clip_0_1000",
    "Chimp_2018_07_11_c_clip_1000_2000",
    "Chimp_2018_07_11_c_clip_3000_4000",
    "Chimp_2018_07_11_c_clip_6000_7000",
    "Chimp_2018_07_11_c_clip_17000_18000",
    "Chimp_2018_07_11_c_clip_18000_19000",
    "Chimp_2018_08_06_a_clip_7000_8000",
    "Natascha_2018_06_29_a_clip_15000_16000",
    "Natascha_2018_06_29_a_clip_16000_17000",
)
_TEST = (
    "Chimp_2015_11_25_d_clip_1000_2000",
    "Chimp_2015_11_26_a_clip_0_1000",
    "Chimp_2015_11_26_a_clip_2000_3000",
    "Chimp_2016_08_02_c_clip_33000_34000",
    "Chimp_2016_08_15_b_clip_2000_3000",
    "Chimp_2016_10_27_c_clip_0_1000",
    "Chimp_2017_02_27_a_clip_14000_15000",
    "Chimp_2017_06_22_c_clip_44000_45000",
    "Chimp_2017_06_22_c_clip_68000_69000",
    "Chimp_2017_11_10_clip_6000_7000",
    "Chimp_2018_07_06_d_clip_0_696",
    "Chimp_2018_07_11_c_clip_2000_3000",
    "Chimp_2018_07_11_c_clip_8000_9000",
    "Chimp_2018_07_11_c_clip_16000_17000",
    "Chimp_2018_07_11_c_clip_19000_20000",
    "Chimp_2018_08_06_a_clip_6000_7000",
    "Chimp_2018_08_06_a_clip_8000_9000",
    "Natascha_2018_06_29_a_clip_14000_15000",
    "Natascha_2018_06_29_a_clip_17000_17712",
)
VAL = tuple(_PREFIX + name for name in _VAL)
TEST = tuple(_PREFIX + name for name in _TEST)

PROTOCOL = Protocol(
    name="chimpact",
    title="ChimpACT",
    citation="Ma et al. 2023, ChimpACT: A Longitudinal Dataset for Understanding Chimpanzee Behaviors, NeurIPS "
    "Datasets and Benchmarks (arXiv 2310.16447)",
    licence="CC BY-NC 4.0",
    url="form linked from https://github.com/ShirleyMaxx/ChimpACT",
    layout=("videos_full/<clip>.mp4 (163 clips)", "labels/<clip>.json (COCO style)"),
    split_source="lists of 17 validation and 19 test clips in tools/create_coco_format.py of the dataset's repository "
    "(commit 74fc50a)",
    expected={"train": 127, "val": 17, "test": 19},
    behaviors=Behaviors.of(_BEHAVIORS),
    clip=ClipSettings(num_frames=64, stride=10, spatial_pool=8),
    head=attentive_head(loss="cross-entropy"),
    metric="box mAP",
    published=(
        *videoprism_rows("chimpact"),
        PublishedResult(
            "V-JEPA ViT-L (human videos), frozen, small head", 36.33, "PriVi (arXiv 2511.09675), read in a note"
        ),
        PublishedResult(
            "PriVi with dataset-level pretraining, frozen", 40.0, "PriVi (arXiv 2511.09675), read in a note"
        ),
    ),
    as_published=(
        f"clips of 64 frames; true boxes at training and test; mAP at an overlap of one half ({VIDEOPRISM})",
        "labels of keyframes are carried to the nine frames between them, boxes interpolated, as the dataset's own "
        "conversion does",
    ),
    differs=(
        "the embedding of an animal is the mean of the frame's 8 x 8 vectors under its box, over the frames of the "
        "clip; the paper's RoI feature is a query to all tokens of the clip",
        "clips start at every tenth frame",
        "the dataset's conversion renumbers frames after a gap in the keyframes; here frames keep their numbers",
        *HEAD_DIFFERS,
    ),
)


def find(data: Path, options: FindOptions) -> Study:
    """Clips with labels.

    Raises:
        BenchError: when a folder is missing or a clip has no labels.
    """
    check_folder(data, PROTOCOL)
    roots = [data, data / "ChimpACT_release", data / "ChimpACT_release_v1"]
    videos = first_existing([root / "videos_full" for root in roots], "the folder of the clips", PROTOCOL)
    recordings = []
    for video in videos_in(videos):
        labels = videos.parent / "labels" / f"{video.stem}.json"
        if not labels.is_file():
            raise missing(labels, "the labels of the clip", PROTOCOL)
        split: Split = "val" if video.stem in VAL else "test" if video.stem in TEST else "train"
        recordings.append(BenchRecording(video.stem, video, split, labels))
    if not recordings:
        raise missing(videos, "clips (.mp4)", PROTOCOL, "none")
    return make_study(PROTOCOL, recordings, options)


@dataclass(frozen=True)
class _Animal:
    """One animal on one keyframe: box in pixels, numbers of its behaviors."""

    box: tuple[float, float, float, float]
    behaviors: tuple[int, ...]


_Keyframes = dict[int, dict[str, _Animal]]


def read_labels(study: Study, shapes: Mapping[str, Shape], tolerance: int) -> Sequence[FrameLabels]:
    """Boxes and behaviors of every animal at every frame, carried on from the keyframes.

    Raises:
        BenchError: when a label file is not as expected, or labels lie beyond the end of the clip.
    """
    labels: list[FrameLabels] = []
    for recording in study.recordings:
        shape = shapes[recording.id]
        keyframes = _read(recording.labels)
        last = max(keyframes, default=0) * KEY_STEP
        if last >= shape.num_frames + tolerance:
            raise BenchError(
                f"{recording.labels}: expected keyframes within the {shape.num_frames} frames of {recording.id!r}, "
                f"found one at frame {last}: the labels belong to another clip, or the video is cut short "
                f"(--length-tolerance {last - shape.num_frames + 1} allows it)"
            )
        labels += _spread(recording.id, keyframes, shape, len(study.behaviors))
    return labels


def _read(path: Path) -> _Keyframes:
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise BenchError(
            f"{path}: expected COCO-style JSON, found something else ({error}): unpack it again"
        ) from error
    try:
        frame_of = {int(image["id"]): int(PurePosixPath(str(image["file_name"])).stem) for image in value["images"]}
        keyframes: _Keyframes = {frame: {} for frame in frame_of.values()}
        for entry in value["annotations"]:
            _add(keyframes[frame_of[int(entry["image_id"])]], entry)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BenchError(
            f"{path}: expected images (id, file_name) and annotations (image_id, bbox, bbox_id, behaviors), found "
            f"something else ({type(error).__name__}: {error}): unpack it again"
        ) from error
    if any(frame < 0 for frame in keyframes):
        raise BenchError(f"{path}: expected keyframes counted from 0, found a negative one: unpack it again")
    return keyframes


def _add(animals: dict[str, _Animal], entry: Mapping[str, Any]) -> None:
    if entry.get("iscrowd"):
        return
    box = tuple(float(number) for number in entry["bbox"])
    behaviors = tuple(int(number) for number in entry["behaviors"])
    if len(box) != 4 or not np.isfinite(box).all() or min(box[2:]) < 0:
        raise ValueError(f"the box {box} is not x, y, width, height")
    if not all(0 <= number < len(_BEHAVIORS) for number in behaviors):
        raise ValueError(f"the behaviors {behaviors} are not numbers from 0 to {len(_BEHAVIORS) - 1}")
    # Animals that nobody could name share one number.
    name = str(int(entry["bbox_id"]))
    count = Counter(other.split("#")[0] for other in animals)[name]
    animals[f"{name}#{count + 1}" if count else name] = _Animal(box, behaviors)


def _spread(recording: str, keyframes: _Keyframes, shape: Shape, num_behaviors: int) -> list[FrameLabels]:
    """From keyframes to all frames: boxes move in straight lines, behaviors change after the middle."""
    names = sorted({name for animals in keyframes.values() for name in animals})
    size = np.array([shape.width, shape.height, shape.width, shape.height], np.float32)
    labels = []
    for name in names:
        boxes = np.full((shape.num_frames, 4), np.nan, np.float32)
        states = np.full((shape.num_frames, num_behaviors), -1, np.int8)
        for key, animals in keyframes.items():
            if name in animals:
                following = keyframes.get(key + 1, {}).get(name, animals[name])
                _between(boxes, states, key * KEY_STEP, animals[name], following)
        labels.append(FrameLabels(recording, states, name, boxes / size))
    return labels


def _between(
    boxes: Float32[np.ndarray, "frame four"], states: np.ndarray, first: int, here: _Animal, following: _Animal
) -> None:
    for step in range(min(KEY_STEP, len(boxes) - first)):
        share = step / KEY_STEP
        boxes[first + step] = (1 - share) * np.array(here.box) + share * np.array(following.box)
        states[first + step] = 0
        states[first + step, list((here if share <= 0.5 else following).behaviors)] = 1


DATASET = Dataset(PROTOCOL, find, read_labels)
