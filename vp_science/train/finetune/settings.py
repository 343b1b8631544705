"""Settings of fine-tuning: what is trained, how tokens are read, what the labels weigh, what is held out."""

from dataclasses import dataclass, field
from typing import Literal

from vp_science.encoder.config import ReadoutKind
from vp_science.errors import SettingsError
from vp_science.train.data.settings import AugmentSettings, ClipSettings, DataSettings, LoaderSettings
from vp_science.train.settings import LoopSettings, OptimizerSettings, RunSettings

Train = Literal["readout", "lora", "top", "full"]
LoraTarget = Literal["query", "key", "value", "post", "mlp"]

ENCODER_RATES: dict[Train, float] = {"readout": 1.0, "lora": 0.5, "top": 0.1, "full": 0.03}
"""Rate of what was trained before, as a share of the readout's: 1.5e-4, 3e-5 and 1e-5 with the default rate.

FERAL trains the upper half of its encoder with 4e-5, V-TRACE adapters with 1e-4, VideoPrism a frozen encoder's pooler
with 5e-5 (reference, sections 4.2 and 6.2).
"""


@dataclass(frozen=True)
class ReadoutSettings:
    """What reads behaviors from the tokens of a window.

    Attributes:
        kind: ``attention``: one query reads all tokens, and the window gets one label (VideoPrism's protocol);
            ``mlap``: the same through the last temporal layers, shallow ones first (VideoGLUE); ``frames``: one query
            and one label per frame (FERAL).
        width: of queries, and of tokens as they are read. 128 suits up to some ten thousand labelled windows (wider
            heads lost 8 to 17 points of mAP on small sets in PriVi); the width of the encoder is the published one.
        heads: attention heads of the readout; divides ``width``.
        layers: of ``mlap``: temporal layers that are read, at most; the encoder may have fewer.
        dropout: share of the channels of the final vector that is switched off while training.
    """

    kind: ReadoutKind = "frames"
    width: int = 128
    heads: int = 8
    layers: int = 4
    dropout: float = 0.5

    def __post_init__(self) -> None:
        _check("width", self.width, self.width >= 1, "1 or more")
        fits = self.heads >= 1 and self.width % self.heads == 0
        _check("heads", self.heads, fits, f"a divisor of width={self.width}")
        _check("layers", self.layers, 1 <= self.layers <= 4, "1 to 4")
        _check("dropout", self.dropout, 0 <= self.dropout < 1, "0 to below 1")


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adapters (Hu et al. 2022), for ``train = "lora"``.

    Attributes:
        rank: of every update.
        alpha: the update is ``alpha / rank * a @ b``.
        targets: which matrices of a layer: projections to ``query``, ``key``, ``value``, the output projection
            ``post``, and both of the ``mlp``.
        layers: how many layers have adapters, counted from the last one of the temporal encoder down into the spatial
            one; none means all.
    """

    rank: int = 16
    alpha: float = 16.0
    targets: tuple[LoraTarget, ...] = ("query", "key", "value", "post")
    layers: int | None = None

    def __post_init__(self) -> None:
        _check("rank", self.rank, self.rank >= 1, "1 or more")
        _check("alpha", self.alpha, self.alpha > 0, "more than 0")
        once = len(set(self.targets)) == len(self.targets)
        _check("targets", list(self.targets), bool(self.targets) and once, "one or more, each once")
        _check("layers", self.layers, self.layers is None or self.layers >= 1, "1 or more, or none")


@dataclass(frozen=True)
class LabelSettings:
    """What the labels weigh, as for probes.

    Attributes:
        exclusive: at most one behavior at a time (softmax with a background), or any number (sigmoids); none believes
            the catalogue of the annotations.
        loss: ``cross-entropy``, ``focal`` or ``eql`` (for long tails of rare behaviors).
        weighting: ``sqrt`` weighs behaviors by the square root of their inverse frequency, ``none`` does not.
        smoothing: share of a label that is given to the other behaviors. With very rare behaviors 0 is better.
        central: frames in the middle of a window whose label the window gets with one label per window; the windows
            of a recording then start so many frames apart. For ``frames``: how far apart windows start.
    """

    exclusive: bool | None = None
    loss: Literal["cross-entropy", "focal", "eql"] = "cross-entropy"
    weighting: Literal["sqrt", "none"] = "sqrt"
    smoothing: float = 0.1
    central: int | None = None

    def __post_init__(self) -> None:
        _check("smoothing", self.smoothing, 0 <= self.smoothing < 0.5, "0 to below 0.5")
        _check("central", self.central, self.central is None or self.central >= 1, "1 or more, or none")


@dataclass(frozen=True)
class ValidationSettings:
    """What is held out: whole recordings, never windows of those that are trained on.

    They decide which checkpoint becomes the result, thresholds, and rules from scores to states.

    Attributes:
        recordings: ids of recordings (or patterns of them). Empty chooses some by ``share``.
        share: of the labelled time that is held out, about, where no recordings are named; every behavior keeps
            examples in the others. 0 holds nothing out.
        table: CSV or TSV with ``recording`` and columns such as ``animal``, ``session``, ``site``: recordings that
            share any of them are held out together.
        postprocess: ``tune`` chooses rules (smoothing, shortest bouts, ...) that fit the held-out recordings best;
            ``none`` applies thresholds alone.
    """

    recordings: tuple[str, ...] = ()
    share: float = 0.2
    table: str | None = None
    postprocess: Literal["tune", "none"] = "none"

    def __post_init__(self) -> None:
        _check("share", self.share, 0 <= self.share < 1, "0 to below 1")


@dataclass(frozen=True)
class FinetuneSettings(RunSettings):
    """Fine-tuning of an encoder to labelled behaviors.

    The defaults suit an hour of labels and videoprism-base on one GPU: adapters, a label for every frame.

    Attributes:
        init: what is trained further: a model name, a weights file, or the folder of an earlier run.
        train: ``readout``: the encoder stays as it is; ``lora``: it gets low-rank adapters; ``top``: its last blocks
            are trained; ``full``: all of it.
        blocks: for ``train = "top"``: how many layers, counted from the last one of the temporal encoder down into
            the spatial one.
        encoder_rate: learning rate of adapters or blocks, as a share of the readout's; none takes what suits ``train``
            (0.5, 0.1, 0.03).
        merged: also write the encoder by itself, adapters merged into its weights, as ``encoder/`` in the run folder.
        name: first part of the id of the result.
        data: labelled recordings.
        clips: windows.
        augment: variation.
        loader: processes.
        readout: what reads behaviors from tokens.
        lora: adapters.
        labels: what labels weigh.
        validation: what is held out.
    """

    init: str = "videoprism-base"
    train: Train = "lora"
    blocks: int = 2
    encoder_rate: float | None = None
    merged: bool = False
    name: str = "fine-tuned"
    data: tuple[DataSettings, ...] = ()
    clips: ClipSettings = field(default_factory=lambda: ClipSettings(num_frames=64))
    augment: AugmentSettings = field(
        default_factory=lambda: AugmentSettings(area=(0.5, 1.0), speed=(0.7, 1.3), trivial=True)
    )
    loader: LoaderSettings = field(default_factory=LoaderSettings)
    readout: ReadoutSettings = field(default_factory=ReadoutSettings)
    lora: LoraSettings = field(default_factory=LoraSettings)
    labels: LabelSettings = field(default_factory=LabelSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    optimizer: OptimizerSettings = field(
        default_factory=lambda: OptimizerSettings(
            learning_rate=3e-4, warmup_steps=100, weight_decay=0.05, clip_norm=1.0, ema_decay=0.999
        )
    )
    loop: LoopSettings = field(
        default_factory=lambda: LoopSettings(steps=2000, batch_size=8, checkpoint_every=200, remat="layers")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("data", "none", bool(self.data), "at least one data set with recordings and annotations")
        _check("blocks", self.blocks, self.blocks >= 1, "1 or more")
        rate = self.encoder_rate
        _check("encoder_rate", rate, rate is None or 0 < rate <= 10, "more than 0, at most 10, or none")
        _check("name", repr(self.name), bool(self.name.strip()), "a name")
        central, frames = self.labels.central, self.clips.num_frames
        _check("labels.central", central, central is None or central <= frames, f"at most clips.num_frames={frames}")
        whole = self.clips.cover == "whole"
        _check("clips.cover", self.clips.cover, not whole, '"window": behaviors have their time')

    @property
    def encoder_factor(self) -> float:
        """Rate of what was trained before, as a share of the readout's."""
        return ENCODER_RATES[self.train] if self.encoder_rate is None else self.encoder_rate

    @property
    def stride(self) -> int:
        """Frames between the windows of a recording.

        A quarter of a window for ``frames`` (overlap: predictions come from where a frame has context on both sides);
        otherwise a window's label is of its middle, and 4 frames are labelled at once.
        """
        if self.labels.central is not None:
            return self.labels.central
        return max(1, self.clips.num_frames // 4) if self.readout.kind == "frames" else min(4, self.clips.num_frames)


def _check(name: str, found: object, fits: bool, expected: str) -> None:
    if not fits:
        raise SettingsError(f"{name}: expected {expected}, found {found}")
