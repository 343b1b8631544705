"""What a published protocol consists of: one record per dataset, and what a dataset module gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Int8

from vp_science.timeline.behaviors import Behaviors

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Metric = Literal["frame mAP", "macro accuracy", "box mAP"]

METRICS: Mapping[Metric, str] = {
    "frame mAP": "mean over the behaviors (background excluded) of the average precision over all labelled frames of "
    "all test recordings, every behavior scored by itself",
    "macro accuracy": "mean over the classes of the share of their test frames that get the right class (recall)",
    "box mAP": "mean over the behaviors of the average precision over the boxes of all labelled test frames, matched "
    "at an overlap of 0.5 as in AVA, boxes given at training and test",
}
"""What each metric is, in a sentence."""


@dataclass(frozen=True)
class PublishedResult:
    """A number from a paper.

    Attributes:
        method: who reached it.
        value: in percent.
        source: table and paper.
    """

    method: str
    value: float
    source: str


@dataclass(frozen=True)
class ClipSettings:
    """What the encoder sees, and which frames are training examples.

    Attributes:
        num_frames: frames per clip.
        frame_step: source frames from one frame of a clip to the next.
        stride: clip frames from the start of one clip to the start of the next.
        spatial_pool: k for k x k vectors per frame in the tracks.
        train_every: every how many clip frames of a training recording are examples.
        source_fps: frame rate of recordings that carry no times (folders of pictures); None where they do.
    """

    num_frames: int = 16
    frame_step: int = 1
    stride: int = 1
    spatial_pool: int = 4
    train_every: int = 1
    source_fps: float | None = None


@dataclass(frozen=True)
class Protocol:
    """One benchmark.

    Attributes:
        name: as on the command line.
        title: name of the dataset.
        citation: the paper of the dataset.
        licence: of the data.
        url: where the data come from.
        layout: what ``--data`` must hold, a line each.
        split_source: where the split comes from.
        expected: recordings per split in the published protocol; empty where it is not known.
        behaviors: what is scored; None where the data name it.
        clip: what the encoder sees.
        head: parameters of ``Probe``, by name.
        metric: the published metric.
        published: rows to stand beside ours.
        as_published: what is done as in the paper.
        differs: what is not, and why.
    """

    name: str
    title: str
    citation: str
    licence: str
    url: str
    layout: tuple[str, ...]
    split_source: str
    expected: Mapping[Split, int]
    behaviors: Behaviors | None
    clip: ClipSettings
    head: Mapping[str, Any]
    metric: Metric
    published: tuple[PublishedResult, ...]
    as_published: tuple[str, ...]
    differs: tuple[str, ...]


@dataclass(frozen=True)
class FindOptions:
    """Choices about which recordings take part.

    Attributes:
        split_file: a table ``recording,split`` that replaces the split of the protocol.
        view: CRIM13: which camera.
        partial: labels of recordings that are not there are passed over (and reported), for a quick look at part of
            a download.
    """

    split_file: Path | None = None
    view: Literal["side", "top"] | None = None
    partial: bool = False


@dataclass(frozen=True)
class BenchRecording:
    """One recording of a benchmark.

    Attributes:
        id: names it in tables, tracks and split files.
        path: the video, or the folder of pictures.
        split: which part of the protocol it belongs to.
        labels: the file that holds its labels.
    """

    id: str
    path: Path
    split: Split
    labels: Path


@dataclass(frozen=True)
class Shape:
    """What labels must fit to.

    Attributes:
        num_frames: source frames of the recording.
        width: of a frame, in pixels.
        height: of a frame, in pixels.
    """

    num_frames: int
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Study:
    """What was found in a data folder.

    Attributes:
        recordings: sorted by split and name.
        behaviors: what is scored.
        deviations: why the numbers cannot be compared with the published ones; empty when they can.
        notes: what else a reader of the report should know.
    """

    recordings: tuple[BenchRecording, ...]
    behaviors: Behaviors
    deviations: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, split: Split) -> tuple[BenchRecording, ...]:
        """The recordings of one split."""
        return tuple(recording for recording in self.recordings if recording.split == split)


@dataclass(frozen=True, eq=False)
class FrameLabels:
    """Labels of every source frame of one recording (and one animal, where boxes are given).

    Attributes:
        recording: id of the recording.
        states: ``(frame, behavior)``: 1 happens, 0 does not, -1 does not count.
        subject: the animal; "" for the whole frame.
        boxes: ``(frame, 4)`` x, y, width, height as shares of the frame; NaN where the animal has no box.
    """

    recording: str
    states: Int8[np.ndarray, "frame behavior"]
    subject: str = ""
    boxes: Float32[np.ndarray, "frame four"] | None = None


@dataclass(frozen=True)
class Dataset:
    """How the files of one benchmark are read.

    Attributes:
        protocol: what is done with them.
        find: data folder and options to recordings and splits.
        read_labels: recordings of the study, their shapes by id, and how many frames labels and recording may differ
            in length, to labels.
        options: names of the ``FindOptions`` that apply beyond ``split_file`` and ``partial``.
    """

    protocol: Protocol
    find: Callable[[Path, FindOptions], Study]
    read_labels: Callable[[Study, Mapping[str, Shape], int], Sequence[FrameLabels]]
    options: tuple[str, ...] = field(default=())
