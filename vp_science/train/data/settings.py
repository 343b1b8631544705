"""Settings of the data: which recordings, which windows of them, how they are varied."""

from dataclasses import dataclass, field
from typing import Literal

from vp_science.errors import SettingsError
from vp_science.video.crop_path import FollowSettings

SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class DrawSettings:
    """What synthetic footage shows (``vp_science.samples.synthetic.SyntheticSettings``); empty lists mean all.

    Attributes:
        species: which animals.
        behaviors: which behaviors.
        backgrounds: which grounds.
        looks: ``color``, ``grey``, ``infrared``, ``dim``.
        pairs: share of clips that show two animals doing the same.
        changes: share of clips in which one behavior becomes another.
    """

    species: tuple[str, ...] = ()
    behaviors: tuple[str, ...] = ()
    backgrounds: tuple[str, ...] = ()
    looks: tuple[str, ...] = ()
    pairs: float = 0.2
    changes: float = 0.0


@dataclass(frozen=True)
class DataSettings:
    """One data set.

    Attributes:
        path: a folder, a file or a pattern of recordings or pictures (pictures are videos of one frame); or
            ``synthetic``, footage that is drawn while training (``vp_science.samples``).
        captions: CSV or JSONL with ``recording``, ``caption`` and, where a caption is of a part, ``start_s`` and
            ``stop_s``; for the contrastive stage.
        annotations: any format that ``read_annotations`` reads; for fine-tuning.
        poses: pose files or tracks of animals: windows are then cut around one animal each.
        weight: share of batches that come from this data set, relative to the others. Every batch comes from one.
        include: ids of recordings (or patterns of them) to use; none means all.
        exclude: ids of recordings (or patterns of them) to leave out, for example those that are held out.
        rare: share of the clips that are cut around a behavior, drawn in proportion to the square root of the time it
            takes, instead of anywhere in the labelled time. For data sets with annotations.
        source_fps: frames per second of recordings that hold no times. With it a folder of pictures is one recording;
            without it every picture is a video of one frame.
        dataset: HDF5 and NWB: the dataset with the frames, where it is not obvious.
        follow: how pictures around animals are cut. For data sets with poses.
        draw: what synthetic footage shows.
    """

    path: str
    captions: str | None = None
    annotations: str | None = None
    poses: str | None = None
    weight: float = 1.0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rare: float = 0.5
    source_fps: float | None = None
    dataset: str | None = None
    follow: FollowSettings = field(default_factory=FollowSettings)
    draw: DrawSettings = field(default_factory=DrawSettings)

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise SettingsError(f"weight: expected more than 0, found {self.weight}")
        if not 0 <= self.rare <= 1:
            raise SettingsError(f"rare: expected 0 to 1, found {self.rare}")
        if self.source_fps is not None and not self.source_fps > 0:
            raise SettingsError(f"source_fps: expected more than 0, found {self.source_fps}")
        if self.captions is not None and self.poses is not None:
            raise SettingsError(
                "captions: expected none where windows are cut around animals (poses), because a caption is of whole "
                f"frames, found {self.captions}: leave one of them out"
            )
        if self.path == SYNTHETIC and (given := [name for name in self._of_files() if getattr(self, name)]):
            raise SettingsError(f"{given[0]}: expected none for synthetic footage, which brings its own: leave it out")
        if self.path != SYNTHETIC and self.draw != DrawSettings():
            raise SettingsError(f'draw: expected none for recordings, found {self.draw}: it is for path = "synthetic"')

    @staticmethod
    def _of_files() -> tuple[str, ...]:
        return ("captions", "annotations", "poses", "include", "exclude", "source_fps", "dataset")


@dataclass(frozen=True)
class ClipSettings:
    """The windows that are cut from recordings.

    A recording (a captioned part of it, a stretch in which an animal is seen) that is shorter than a clip gives its
    last frame until the clip is full; those frames are not ``valid`` in the batch and have no labels.

    Attributes:
        num_frames: of a clip.
        size: height and width of a clip in pixels, after augmentation; a multiple of the patch size.
        fps: rate of the sample grid; None takes every source frame.
        fit: how frames become square: ``squash``, ``crop`` or ``pad``.
        cover: ``window``: a random window of consecutive grid frames. ``whole``: frames spread evenly over the whole
            recording or captioned part, as VideoPrism was trained (on clips of 5 to 10 s).
    """

    num_frames: int = 16
    size: int = 288
    fps: float | None = None
    fit: Literal["squash", "crop", "pad"] = "squash"
    cover: Literal["window", "whole"] = "window"

    def __post_init__(self) -> None:
        for name in ("num_frames", "size"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name}: expected 1 or more, found {getattr(self, name)}")
        if self.fps is not None and self.fps <= 0:
            raise SettingsError(f"fps: expected more than 0, found {self.fps}")
        if self.cover == "whole" and self.fps is not None:
            raise SettingsError(f'fps: expected none with cover = "whole", which spreads the frames, found {self.fps}')


@dataclass(frozen=True)
class AugmentSettings:
    """How a clip of a recording is varied; the same for all frames of a clip, another one every time it is drawn.

    Synthetic footage varies by itself: of these only ``mixup`` applies to it.

    Attributes:
        flip: mirror left and right, with probability 1/2.
        area: least and largest share of the frame that a random crop keeps; (1, 1) keeps the whole frame.
        aspect: least and largest ratio of width to height of that crop, as seen in the square clip.
        color: how much brightness, contrast, saturation vary (0 to 1).
        speed: slowest and fastest; 0.7 to 1.3 shows a clip in 1.43 to 0.77 of its time.
        trivial: one random picture operation of random strength per clip (TrivialAugment, Mueller & Hutter 2021).
        mixup: parameter alpha of the Beta distribution that mixes clips of a batch and their labels (Zhang et al.
            2018); 0 mixes nothing. Fine-tuning only.
    """

    flip: bool = True
    area: tuple[float, float] = (0.3, 1.0)
    aspect: tuple[float, float] = (0.75, 1.3333)
    color: float = 0.0
    speed: tuple[float, float] = (1.0, 1.0)
    trivial: bool = False
    mixup: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high in (("area", 0.0, 1.0), ("aspect", 0.0, 100.0), ("speed", 0.0, 100.0)):
            least, most = getattr(self, name)
            if not low < least <= most <= high:
                raise SettingsError(
                    f"{name}: expected two rising numbers above {low:g}, to {high:g}, found {least}, {most}"
                )
        if not 0 <= self.color <= 1:
            raise SettingsError(f"color: expected 0 to 1, found {self.color}")
        if not 0 <= self.mixup < float("inf"):
            raise SettingsError(f"mixup: expected 0 or more, found {self.mixup}")


@dataclass(frozen=True)
class LoaderSettings:
    """How clips are read.

    Attributes:
        workers: processes that read and decode; 0 reads in this one.
        prefetch: batches that are ready ahead.
    """

    workers: int = 2
    prefetch: int = 2

    def __post_init__(self) -> None:
        if self.workers < 0 or self.prefetch < 1:
            raise SettingsError(f"expected workers >= 0 and prefetch >= 1, found {self.workers} and {self.prefetch}")
