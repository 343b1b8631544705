"""CRIM13: resident and intruder mice filmed from the side and from above, twelve behaviors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from vp_science.annotations.formats import read_annotations
from vp_science.batch import natural_key
from vp_science.bench.files import (
    VIDEO_ENDINGS,
    annotated_states,
    check_folder,
    fit_length,
    make_study,
    missing,
    read_split,
)
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

_SUFFIX: Mapping[Literal["side", "top"], str] = {"side": "_s", "top": "_t"}
_BEHAVIORS = (
    "approach",
    "attack",
    "copulation",
    "chase",
    "circle",
    "drink",
    "eat",
    "clean",
    "human",
    "sniff",
    "up",
    "walk_away",
)

PROTOCOL = Protocol(
    name="crim13",
    title="CRIM13",
    citation="Burgos-Artizzu et al. 2012, Social behavior recognition in continuous video, CVPR",
    licence="see the record of the dataset (not verified here)",
    url="https://data.caltech.edu/records/4emt5-b0t10",
    layout=(
        "videos <name>_t.seq (from above) and <name>_s.seq (from the side), or the same names as .avi or .mp4",
        "the labels <name>_t.txt (Caltech Behavior Annotator) in the same folder or anywhere below the data folder",
        "folders called train and test that tell the split, or a table given with --split",
    ),
    split_source="folders called train and test, or --split",
    expected={},
    behaviors=Behaviors.of(_BEHAVIORS, background="other"),
    clip=ClipSettings(num_frames=16, stride=1, spatial_pool=2, train_every=16),
    head=attentive_head(loss="cross-entropy"),
    metric="frame mAP",
    published=(*videoprism_rows("crim13 side", ", side view"), *videoprism_rows("crim13 top", ", top view")),
    as_published=(
        f"16 consecutive frames, labelled by the frame in their middle; mAP, other is background ({VIDEOPRISM})",
        "side and top view are two experiments (--view)",
    ),
    differs=(
        "every sixteenth clip is a training example",
        "the names of the behaviors are those of the label files in use; the paper does not list which of them count",
        "side and top view share the labels made on the top view",
        *HEAD_DIFFERS,
    ),
)


def find(data: Path, options: FindOptions) -> Study:
    """Videos of one view and the labels of the same names.

    Raises:
        BenchError: when there are none, one has no labels, or the split is not told.
    """
    check_folder(data, PROTOCOL)
    view = options.view or "top"
    suffix = _SUFFIX[view]
    labels = _labels(data)
    named = read_split(options.split_file) if options.split_file else {}
    recordings = []
    for name, video in _videos(data, suffix).items():
        if options.split_file and name not in named:
            continue
        if name not in labels:
            raise missing(video.with_name(f"{name}_t.txt"), f"the labels of {name}", PROTOCOL)
        split = named.get(name) or _folder_split(video, data)
        recordings.append(BenchRecording(name, video, split, labels[name]))
    if not recordings:
        raise missing(data, f"videos called <name>{suffix}.seq, .avi or .mp4", PROTOCOL, "none")
    return make_study(PROTOCOL, recordings, options, notes=[f"{view} view"])


def _videos(data: Path, suffix: str) -> dict[str, Path]:
    """Videos by name; a converted video stands before the .seq file it was made from."""
    found: dict[str, Path] = {}
    paths = [path for path in data.rglob("*") if path.suffix.lower() in VIDEO_ENDINGS and path.stem.endswith(suffix)]
    for path in sorted(paths, key=lambda path: (path.suffix.lower() == ".seq", natural_key(path.name))):
        name = path.stem.removesuffix(suffix)
        other = found.setdefault(name, path)
        if other != path and path.suffix.lower() != ".seq":
            raise BenchError(f"{other} and {path}: expected one video of {name}, found two: move one of them away")
    return dict(sorted(found.items(), key=lambda item: natural_key(item[0])))


def _labels(data: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(data.rglob("*.txt")):
        name = path.stem
        for ending in ("_t", "_s"):
            name = name.removesuffix(ending)
        other = found.setdefault(name, path)
        if other != path:
            raise BenchError(
                f"{other} and {path}: expected one label file of {name}, found two: keep those of one annotator"
            )
    return found


def _folder_split(video: Path, data: Path) -> Split:
    folders = {part.lower() for part in video.relative_to(data).parts[:-1]}
    train = any(part.startswith("train") for part in folders)
    test = any(part.startswith("test") for part in folders)
    if train == test:
        raise BenchError(
            f"{video}: expected a folder called train or test above it, found {', '.join(sorted(folders)) or 'none'}: "
            "sort the videos into such folders, or give a table recording,split (--split)"
        )
    return "train" if train else "test"


def read_labels(study: Study, shapes: Mapping[str, Shape], tolerance: int) -> Sequence[FrameLabels]:
    """The behavior of every frame.

    Raises:
        BenchError: when labels and video differ in length.
        AnnotationError: when a label file cannot be read.
    """
    labels = []
    for recording in study.recordings:
        annotations = read_annotations(recording.labels, "caltech", fps=1, recording=recording.id)
        if unknown := sorted({*annotations.bouts["behavior"]} - {*study.behaviors.names, "other"}):
            raise BenchError(
                f"{recording.labels}: expected the behaviors {', '.join(study.behaviors.names)} and other, found "
                f"{unknown[0]!r}: this is another set of labels"
            )
        states = annotated_states(annotations, recording.id, study.behaviors)
        states = fit_length(states, shapes[recording.id].num_frames, tolerance, recording.id, recording.labels)
        labels.append(FrameLabels(recording.id, states))
    return labels


DATASET = Dataset(PROTOCOL, find, read_labels, options=("view",))
