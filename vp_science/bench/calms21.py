"""CalMS21 task 1: pairs of mice seen from above, three behaviors, one annotator."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vp_science.annotations.formats import read_annotations
from vp_science.bench.files import (
    annotated_states,
    check_folder,
    first_existing,
    fit_length,
    make_study,
    missing,
    videos_in,
)
from vp_science.bench.papers import HEAD_DIFFERS, SCIVID, VIDEOPRISM, attentive_head, videoprism_rows
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
from vp_science.timeline.names import match_names

_NUM_VALIDATION = 8

PROTOCOL = Protocol(
    name="calms21",
    title="CalMS21 task 1",
    citation="Sun et al. 2021, The Multi-Agent Behavior Dataset: Mouse Dyadic Social Interactions, NeurIPS Datasets "
    "and Benchmarks (arXiv 2104.02710)",
    licence="CC-BY-4.0",
    url="https://data.caltech.edu/records/s0vdx-0k302 (task1_videos_mp4.zip, task1_classic_classification.zip)",
    layout=(
        "task1_videos_mp4/train/*.mp4 (70 videos) and task1_videos_mp4/test/*.mp4 (19)",
        "task1_classic_classification/calms21_task1_train.json and calms21_task1_test.json",
    ),
    split_source="folders of the download; the last eight training videos (063 to 070) decide when to stop, as in "
    "SciVid (datasets.md of google-deepmind/scivid)",
    expected={"train": 62, "val": 8, "test": 19},
    behaviors=Behaviors.of(("attack", "investigation", "mount"), background="other"),
    clip=ClipSettings(num_frames=16, stride=1, spatial_pool=2, train_every=16),
    head=attentive_head(loss="cross-entropy", batch_size=40),
    metric="frame mAP",
    published=(
        *videoprism_rows("calms21"),
        PublishedResult("V-JEPA-H, frozen, attention readout", 92.4, f"{SCIVID}, test (read in a note on the paper)"),
        PublishedResult("FERAL (V-JEPA 2 ViT-L, partly fine-tuned)", 94.48, "FERAL figure data, data/calms.json"),
        PublishedResult("MABe 2021 challenge, first place (pose)", 91.4, "Sun et al. 2021, quoted by FERAL"),
    ),
    as_published=(
        f"70 training and 19 test videos; mAP over attack, investigation and mount, other is background ({VIDEOPRISM})",
        "clips of 16 consecutive frames at 30 frames per second, one starting at every frame, labelled by the frame in "
        "their middle",
        "every sixteenth clip of the training videos is an example (SciVid's slim training set), in batches of 40, "
        "with one sigmoid per behavior and no class weights (the notebook that came with the public weights)",
    ),
    differs=(
        "the eight validation videos are not trained on (VideoPrism's appendix names no validation set)",
        *HEAD_DIFFERS,
    ),
)


def find(data: Path, options: FindOptions) -> Study:
    """Videos and label files of both splits.

    Raises:
        BenchError: when a folder or file of the download is missing.
    """
    check_folder(data, PROTOCOL)
    root = first_existing([data / "task1_videos_mp4", data], "the folder of the videos", PROTOCOL)
    recordings = []
    for part in ("train", "test"):
        folder = root / part
        if not folder.is_dir():
            raise missing(folder, f"the folder of the {part} videos", PROTOCOL)
        labels = _labels(data, part)
        videos = videos_in(folder)
        held = min(_NUM_VALIDATION, max(0, len(videos) - 1)) if part == "train" else 0
        for position, video in enumerate(videos):
            split: Split = "test" if part == "test" else "val" if position >= len(videos) - held else "train"
            recordings.append(BenchRecording(f"{part}/{video.stem}", video, split, labels))
    return make_study(PROTOCOL, recordings, options)


def _labels(data: Path, part: str) -> Path:
    name = f"calms21_task1_{part}.json"
    return first_existing([data / "task1_classic_classification" / name, data / name], "the labels", PROTOCOL)


def read_labels(study: Study, shapes: Mapping[str, Shape], tolerance: int) -> Sequence[FrameLabels]:
    """The class of every frame of every video.

    Raises:
        BenchError: when a video has no labels, or labels and video differ in length.
        AnnotationError: when a label file cannot be read.
    """
    labels = []
    for path in sorted({recording.labels for recording in study.recordings}):
        annotations = read_annotations(path, "calms21", fps=1)
        mine = [recording for recording in study.recordings if recording.labels == path]
        names = match_names(annotations.recordings, [recording.path.stem for recording in mine])
        for recording, name in zip(mine, names, strict=True):
            if not name:
                raise BenchError(
                    f"{path}: expected labels of {recording.path.stem!r}, found none: the video is not of task 1, or "
                    "it lies in the folder of the other split"
                )
            states = annotated_states(annotations, name, study.behaviors)
            states = fit_length(states, shapes[recording.id].num_frames, tolerance, recording.id, path)
            labels.append(FrameLabels(recording.id, states))
    return labels


DATASET = Dataset(PROTOCOL, find, read_labels)
