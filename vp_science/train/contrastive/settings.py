"""Settings of the contrastive stage; the defaults are the published recipe where it says something."""

from dataclasses import dataclass, field
from typing import Literal

from vp_science.encoder.config import VideoTextConfig
from vp_science.errors import SettingsError
from vp_science.train.data.settings import AugmentSettings, ClipSettings, DataSettings, LoaderSettings
from vp_science.train.settings import LoopSettings, OptimizerSettings, RunSettings

RepeatedCaptions = Literal["exclude", "share", "contrast"]
PUBLISHED_DROPPING = 0.5


def _published_optimizer() -> OptimizerSettings:
    """Zhao et al. 2024, appendix C.1 and table 10 (which contradict each other on the rate: the text is taken)."""
    return OptimizerSettings(
        name="adafactor", learning_rate=1e-4, schedule="linear", warmup_steps=20_000, weight_decay=1e-4
    )


def _published_loop() -> LoopSettings:
    return LoopSettings(steps=200_000, batch_size=4096, checkpoint_every=1000, log_every=50)


def _published_clips() -> ClipSettings:
    """Eight frames spread over the clip (appendix B)."""
    return ClipSettings(num_frames=8, size=288, cover="whole")


def _careful_augmentation() -> AugmentSettings:
    """No mirrored clips: captions say left and right. Crops as in CLIP; the paper says nothing of either."""
    return AugmentSettings(flip=False, area=(0.9, 1.0))


@dataclass(frozen=True)
class ContrastiveSettings(RunSettings):
    """What a contrastive training is made of.

    Attributes:
        data: data sets with captions; every batch comes from one of them.
        model: sizes: the name of a model, or a table of them; none takes those of ``init``, or videoprism-lvt-base.
        init: where the weights start: the name of a model, a weights file, or the folder of an earlier training. A
            video encoder alone fills that part, the rest is random. Empty: all random, from ``seed``.
        video_init: where the video encoder starts, if elsewhere than the rest: for example the result of the second
            stage, whose text encoder and pooler are those of the first (Zhao et al. 2024, appendix F.1).
        vocabulary: a SentencePiece file; none takes the one that belongs to the number of pieces of the model.
        freeze: ``video`` trains text encoder, auxiliary layers and pooler for a fixed video encoder (LiT, Zhai et al.
            2022); ``text`` trains the video side for a fixed text encoder; ``none`` trains all.
        drop_tokens: share of the patches that a clip loses while training, the same ones in all its frames (tubes,
            another choice for every clip); none is 0.5, or 0 with a frozen video encoder.
        repeated_captions: what clips of a batch with the same caption are to each other. ``exclude``: neither match
            nor contrast; ``share``: they match each other, too (the target is spread evenly over them); ``contrast``:
            as any other pair. The same without repeated captions.
        temperature: by which similarities are divided, at the start; it is learned (CLIP's 0.07).
        least_temperature: it does not fall below this (CLIP's 0.01).
        clips: windows of the recordings.
        augment: how clips are varied.
        loader: how they are read.
        optimizer: how parameters move.
        loop: how long, on what.
    """

    data: tuple[DataSettings, ...] = ()
    model: str | VideoTextConfig | None = None
    init: str = ""
    video_init: str = ""
    vocabulary: str | None = None
    freeze: Literal["none", "video", "text"] = "none"
    drop_tokens: float | None = None
    repeated_captions: RepeatedCaptions = "exclude"
    temperature: float = 0.07
    least_temperature: float = 0.01
    clips: ClipSettings = field(default_factory=_published_clips)
    augment: AugmentSettings = field(default_factory=_careful_augmentation)
    loader: LoaderSettings = field(default_factory=LoaderSettings)
    optimizer: OptimizerSettings = field(default_factory=_published_optimizer)
    loop: LoopSettings = field(default_factory=_published_loop)

    def __post_init__(self) -> None:
        if self.drop_tokens is not None and not 0 <= self.drop_tokens < 1:
            raise SettingsError(f"drop_tokens: expected 0 to below 1, found {self.drop_tokens}")
        if self.least_temperature <= 0 or self.temperature < self.least_temperature:
            raise SettingsError(
                f"temperature: expected at least least_temperature, and that above 0, found {self.temperature} and "
                f"{self.least_temperature}"
            )
        if self.freeze == "video" and not (self.init or self.video_init):
            raise SettingsError("freeze: expected a trained video encoder to freeze, found none: give init")
        if self.freeze == "text" and not self.init:
            raise SettingsError("freeze: expected a trained text encoder to freeze, found none: give init")

    @property
    def dropped_share(self) -> float:
        """Share of the patches that a clip loses."""
        if self.drop_tokens is not None:
            return self.drop_tokens
        return 0.0 if self.freeze == "video" else PUBLISHED_DROPPING
