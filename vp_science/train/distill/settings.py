"""Settings of masked distillation. Their defaults adapt a released model to a lab's own footage."""

from dataclasses import dataclass, field
from typing import Literal

from vp_science.errors import SettingsError
from vp_science.train.data.settings import AugmentSettings, ClipSettings, DataSettings, LoaderSettings
from vp_science.train.settings import LoopSettings, OptimizerSettings, RunSettings


@dataclass(frozen=True)
class MaskSettings:
    """Which tokens the student does not see: blocks of patches, the same ones in a run of frames (BEVT).

    Attributes:
        ratio: share of all tokens of a clip that are hidden; exact to the token (Zhao et al. 2024, table 10: 0.65).
        min_num_patches: least area of a block on a grid of 14 x 14 patches, as published; scaled to other grids.
        aspect: least ratio of the sides of a block; the largest is its inverse.
        tube_range: least and largest share of the frames that the run takes; it wraps around the end of the clip. Runs
            that are too short for ``ratio`` are not drawn.
        max_patch_share: largest share of the patches of a frame in the run that is hidden, so that no frame disappears;
            it, too, keeps runs from being short. Where ``ratio`` is more than this, the run is the whole clip.
    """

    ratio: float = 0.65
    min_num_patches: int = 16
    aspect: float = 0.3
    tube_range: tuple[float, float] = (0.5, 1.0)
    max_patch_share: float = 0.9

    def __post_init__(self) -> None:
        least, most = self.tube_range
        _check("ratio", self.ratio, 0 < self.ratio < 1, "more than 0, less than 1")
        _check("min_num_patches", self.min_num_patches, 1 <= self.min_num_patches <= 196, "1 to 196")
        _check("aspect", self.aspect, 0 < self.aspect <= 1, "more than 0, at most 1")
        _check("tube_range", self.tube_range, 0 < least <= most <= 1, "two rising numbers above 0, to 1")
        _check("max_patch_share", self.max_patch_share, 0 < self.max_patch_share <= 1, "more than 0, at most 1")
        # Runs of most * t frames that are wholly hidden hide at most this share of all tokens.
        _check("ratio", self.ratio, self.ratio <= most, f"at most the largest tube_range ({most})")


@dataclass(frozen=True)
class DecoderSettings:
    """The two decoders, which are thrown away after the training.

    Attributes:
        width: of their tokens; None takes 512 as published, or the student's width where that is less.
        layers: of each; None takes 4 as published, 2 for students narrower than 512.
        heads: None gives heads that are 64 wide, as in the encoders.
        mlp_dim: hidden width of the feed-forward layers; None takes four times the width (published: 2048 for 512).
    """

    width: int | None = None
    layers: int | None = None
    heads: int | None = None
    mlp_dim: int | None = None

    def __post_init__(self) -> None:
        for name in ("width", "layers", "heads", "mlp_dim"):
            size = getattr(self, name)
            _check(name, size, size is None or size >= 1, "1 or more, or none")


def _adaptation_loop() -> LoopSettings:
    # Eight clips of videoprism-base at a time, activations recomputed: what a GPU of a lab holds.
    return LoopSettings(steps=5000, batch_size=32, accumulation=4, remat="layers", checkpoint_every=250)


def _adaptation_optimizer() -> OptimizerSettings:
    # Continued training of video models on animals held a low rate: 1.5e-5 (PriVi), 6e-6 (DAP). The warm-up gives the
    # new decoders time before they pull at the encoder.
    return OptimizerSettings("adamw", 1.5e-5, "constant", warmup_steps=500, weight_decay=0.05, betas=(0.9, 0.95))


@dataclass(frozen=True)
class DistillSettings(RunSettings):
    """Masked video modelling with global and local distillation and token shuffling (Zhao et al. 2024, section 2.3.2).

    The defaults continue the training of a released model on footage of your own (adaptation), so that
    ``vp-science train distill --init videoprism-base --data my_videos/`` needs nothing else: the teacher is the model
    that the student starts from, no text is needed. The published recipe for training from scratch is
    ``recipes/distill_base.toml``.

    Attributes:
        init: what the student starts from: a model name, a weights file or the folder of a training. Of a video-text
            model or a classifier the video encoder is taken.
        teacher: what the student learns from, frozen: as ``init``; None takes the same model. A video-text model
            teaches its tokens and its contrastive vector of the clip, a classifier its pooled vector, an encoder alone
            (videoprism-base) the mean of its tokens: each time the vector that ``embed`` stores for a window.
        data: recordings; every batch comes from one data set. With ``poses``, clips are cut around one animal each.
        clips: windows that are cut from recordings.
        augment: how clips are varied; teacher and student see the same pixels.
        loader: how clips are read.
        masks: which tokens the student does not see.
        decoders: sizes of the decoders.
        shuffle: mix the tokens of a clip before positions are added in the token decoder. False puts visible tokens
            where they belong, as usual in masked modelling.
        token_loss: weight of the cosine distance to the teacher's tokens; 0 leaves the token decoder out.
        global_loss: weight of the cosine distance to the teacher's vector of the clip; 0 leaves that decoder out.
        targets: ``all`` tokens of the teacher, as published, or only those that are ``masked`` for the student.
        student: ``packed`` computes visible tokens only; ``dense`` computes all and ignores the hidden ones. The
            result is the same to rounding; dense is there for comparison.
        decoder_rate: factor of the learning rate for the decoders, which start from random weights.
    """

    init: str = "videoprism-base"
    teacher: str | None = None
    data: tuple[DataSettings, ...] = ()
    clips: ClipSettings = field(default_factory=ClipSettings)
    augment: AugmentSettings = field(default_factory=lambda: AugmentSettings(area=(0.5, 1.0)))
    loader: LoaderSettings = field(default_factory=LoaderSettings)
    masks: MaskSettings = field(default_factory=MaskSettings)
    decoders: DecoderSettings = field(default_factory=DecoderSettings)
    optimizer: OptimizerSettings = field(default_factory=_adaptation_optimizer)
    loop: LoopSettings = field(default_factory=_adaptation_loop)
    shuffle: bool = True
    token_loss: float = 1.0
    global_loss: float = 1.0
    targets: Literal["all", "masked"] = "all"
    student: Literal["packed", "dense"] = "packed"
    decoder_rate: float = 20.0

    def __post_init__(self) -> None:
        for name in ("token_loss", "global_loss"):
            _check(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")
        if not self.token_loss and not self.global_loss:
            raise SettingsError("token_loss: expected more than 0 where global_loss is 0, found 0: nothing would learn")
        _check("decoder_rate", self.decoder_rate, self.decoder_rate > 0, "more than 0")


def _check(name: str, found: object, fits: bool, expected: str) -> None:
    if not fits:
        raise SettingsError(f"{name}: expected {expected}, found {found}")
