"""The sizes of the models of the VideoPrism family, and the sizes that have names."""

from dataclasses import asdict, dataclass, fields
from typing import Literal

from vp_science.errors import SettingsError
from vp_science.typing import JSON, JSONObject

NormPolicy = Literal["pre", "primer_hybrid"]


@dataclass(frozen=True)
class LayerConfig:
    """What one transformer layer is made of.

    Attributes:
        model_dim: width of every token.
        num_heads: attention heads; divides ``model_dim``.
        mlp_dim: hidden width of the feed-forward part.
        logit_cap: attention logits are squashed to (-cap, cap) by ``cap * tanh(logit / cap)``; 0 switches it off.
        activation: of the feed-forward part; GELU is the exact one, through erf.
        norm_policy: ``"pre"`` normalises what goes into each half of a layer, ``"primer_hybrid"`` also what comes out.
        causal: a position sees itself and what is before it.
    """

    model_dim: int
    num_heads: int
    mlp_dim: int
    logit_cap: float = 50.0
    activation: Literal["gelu", "relu"] = "gelu"
    norm_policy: NormPolicy = "pre"
    causal: bool = False

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.model_dim // self.num_heads


@dataclass(frozen=True)
class EncoderConfig:
    """Hyper-parameters of the factorised video encoder (Zhao et al. 2024, section 3.2; names of the official code).

    Attributes:
        patch_size: side of a square patch, in pixels.
        pos_emb_shape: frames, patch rows and patch columns of the stored position tables. Other input sizes are
            served by interpolating the tables.
        model_dim: width of every token.
        num_spatial_layers: transformer layers that see the patches of one frame.
        num_temporal_layers: transformer layers that see one patch position through time.
        num_heads: attention heads; divides ``model_dim``.
        mlp_dim: hidden width of the feed-forward layers.
        atten_logit_cap: attention logits are squashed to (-cap, cap) by ``cap * tanh(logit / cap)``; 0 switches it off.
    """

    patch_size: int = 18
    pos_emb_shape: tuple[int, int, int] = (16, 16, 16)
    model_dim: int = 768
    num_spatial_layers: int = 12
    num_temporal_layers: int = 4
    num_heads: int = 12
    mlp_dim: int = 3072
    atten_logit_cap: float = 50.0

    def __post_init__(self) -> None:
        if len(self.pos_emb_shape) != 3:
            raise SettingsError(
                f"pos_emb_shape: expected (frames, patch rows, patch columns), found {self.pos_emb_shape}"
            )
        object.__setattr__(self, "pos_emb_shape", tuple(int(size) for size in self.pos_emb_shape))
        sizes = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, size in sizes.items():
            if name in ("atten_logit_cap", "norm_policy", "readout"):
                continue
            if min(size if isinstance(size, tuple) else (size,)) < 1:
                raise SettingsError(f"{name}: expected at least 1, found {size}")
        if self.atten_logit_cap < 0:
            raise SettingsError(f"atten_logit_cap: expected 0 (no cap) or more, found {self.atten_logit_cap}")
        if self.model_dim % self.num_heads:
            raise SettingsError(f"num_heads: expected a divisor of model_dim={self.model_dim}, found {self.num_heads}")

    @property
    def layer(self) -> LayerConfig:
        """The layers of all transformers that see pixels."""
        return LayerConfig(self.model_dim, self.num_heads, self.mlp_dim, self.atten_logit_cap)

    @property
    def num_frames(self) -> int:
        """Frames the temporal position table was made for."""
        return self.pos_emb_shape[0]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width the spatial position table was made for, in pixels."""
        return self.pos_emb_shape[1] * self.patch_size, self.pos_emb_shape[2] * self.patch_size

    def to_json(self) -> dict[str, JSON]:
        """The configuration as it is recorded."""
        return asdict(self) | {"pos_emb_shape": list(self.pos_emb_shape)}

    @classmethod
    def from_json(cls, record: JSONObject) -> "EncoderConfig":
        """Read a recorded configuration; unknown or missing keys are errors."""
        expected, found = {field.name for field in fields(cls)}, set(record)
        if expected != found:
            raise SettingsError(
                f"encoder config: missing {sorted(expected - found)}, unexpected {sorted(found - expected)}; "
                f"expected exactly {sorted(expected)}"
            )
        shape = record["pos_emb_shape"]
        if not isinstance(shape, list | tuple):
            raise SettingsError(f"pos_emb_shape: expected (frames, patch rows, patch columns), found {shape!r}")
        return cls(**{**record, "pos_emb_shape": tuple(shape)})  # type: ignore[arg-type]

    def count_flops(
        self, num_frames: int, height: int, width: int, *, spatial: bool = True, temporal: bool = True
    ) -> float:
        """Floating-point operations (2 per multiply-add) of the matrix products for one clip."""
        patches = (height // self.patch_size) * (width // self.patch_size)
        dense = 4 * self.model_dim**2 + 2 * self.model_dim * self.mlp_dim
        total = 0.0
        if spatial:
            layer = patches * dense + 2 * patches**2 * self.model_dim
            total += num_frames * (self.num_spatial_layers * layer + patches * 3 * self.patch_size**2 * self.model_dim)
        if temporal:
            layer = num_frames * dense + 2 * num_frames**2 * self.model_dim
            total += patches * self.num_temporal_layers * layer
        return 2 * total


@dataclass(frozen=True)
class VideoTextConfig(EncoderConfig):
    """Hyper-parameters of the video-text model, LvT (Zhao et al. 2024, appendix F; names of the official code).

    Attributes:
        num_auxiliary_layers: layers that see all tokens of a clip together, after the video encoder.
        num_unimodal_layers: layers of the text encoder; they are as wide as the video encoder, with a hidden width of
            four times that.
        vocabulary_size: pieces of text that have a vector.
        norm_policy: of the text encoder.
    """

    num_auxiliary_layers: int = 2
    num_unimodal_layers: int = 12
    vocabulary_size: int = 32_000
    norm_policy: NormPolicy = "pre"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.norm_policy not in ("pre", "primer_hybrid"):
            raise SettingsError(f'norm_policy: expected "pre" or "primer_hybrid", found {self.norm_policy!r}')

    @property
    def encoder(self) -> EncoderConfig:
        """The video encoder alone."""
        return _encoder_part(self)

    @property
    def text_layer(self) -> LayerConfig:
        """The layers of the text encoder."""
        d, cap = self.model_dim, self.atten_logit_cap
        return LayerConfig(d, self.num_heads, 4 * d, cap, "relu", self.norm_policy, causal=True)

    def count_flops(
        self, num_frames: int, height: int, width: int, *, spatial: bool = True, temporal: bool = True
    ) -> float:
        """Floating-point operations of the video side; the joint attention counts as temporal."""
        total = super().count_flops(num_frames, height, width, spatial=spatial, temporal=temporal)
        if temporal:
            tokens = num_frames * (height // self.patch_size) * (width // self.patch_size)
            dense = 4 * self.model_dim**2 + 2 * self.model_dim * self.mlp_dim
            total += 2 * self.num_auxiliary_layers * tokens * (dense + 2 * tokens * self.model_dim)
        return total


@dataclass(frozen=True)
class ClassifierConfig(EncoderConfig):
    """Hyper-parameters of the video classifier: the encoder, attention pooling and one linear layer.

    Attributes:
        num_classes: logits that come out.
    """

    num_classes: int = 400

    @property
    def encoder(self) -> EncoderConfig:
        """The video encoder alone."""
        return _encoder_part(self)


ReadoutKind = Literal["attention", "mlap", "frames"]
READOUTS: tuple[ReadoutKind, ...] = ("attention", "mlap", "frames")


@dataclass(frozen=True)
class FineTunedConfig(EncoderConfig):
    """Hyper-parameters of a fine-tuned model: the encoder and what reads behaviors from its tokens.

    Attributes:
        readout: ``attention``: one query reads all tokens of a window, which gets one label (Zhao et al. 2024, appendix
            E); ``mlap``: the same through the last temporal layers, one after the other (Yuan et al. 2023, VideoGLUE);
            ``frames``: one query per frame, a label for every frame of a window (FERAL).
        num_classes: logits per frame.
        readout_width: width of the queries and of the tokens as they read them.
        readout_heads: attention heads of the readout; divides ``readout_width``.
        readout_layers: ``mlap``: temporal layers that are read, counted from the last; 1 otherwise.
        num_queries: ``frames``: learned queries; interpolated to windows of another length. 1 otherwise.
    """

    readout: ReadoutKind = "attention"
    num_classes: int = 2
    readout_width: int = 128
    readout_heads: int = 4
    readout_layers: int = 1
    num_queries: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.readout not in READOUTS:
            raise SettingsError(f"readout: expected one of {', '.join(READOUTS)}, found {self.readout!r}")
        if self.readout_width % self.readout_heads:
            raise SettingsError(
                f"readout_heads: expected a divisor of readout_width={self.readout_width}, found {self.readout_heads}"
            )
        layers = self.num_temporal_layers if self.readout == "mlap" else 1
        if self.readout_layers > layers:
            raise SettingsError(
                f"readout_layers: expected at most {layers} with the readout {self.readout!r} and "
                f"{self.num_temporal_layers} temporal layers, found {self.readout_layers}"
            )
        if self.readout != "frames" and self.num_queries != 1:
            raise SettingsError(
                f"num_queries: expected 1 with the readout {self.readout!r}, found {self.num_queries}: only "
                '"frames" has more'
            )

    @property
    def encoder(self) -> EncoderConfig:
        """The video encoder alone."""
        return _encoder_part(self)

    @property
    def readout_layer(self) -> LayerConfig:
        """What one layer of the readout is made of."""
        return LayerConfig(self.readout_width, self.readout_heads, 4 * self.readout_width, logit_cap=0.0)

    def count_readout_flops(self, num_tokens: int, num_frames: int) -> float:
        """Floating-point operations (2 per multiply-add) of the readout for one clip; without those of its last layer.

        Args:
            num_tokens: of a clip.
            num_frames: of a clip.
        """
        width, queries = self.readout_width, num_frames if self.readout == "frames" else 1
        project = 0 if width == self.model_dim else self.model_dim * width
        each = num_tokens * (project + 2 * width**2 + 2 * queries * width) + 2 * queries * width**2
        mlp = 0 if self.readout == "frames" else 8 * width**2
        return 2.0 * self.readout_layers * (each + mlp)


def _encoder_part(config: EncoderConfig) -> EncoderConfig:
    return EncoderConfig(**{field.name: getattr(config, field.name) for field in fields(EncoderConfig)})


def read_config(record: JSONObject) -> EncoderConfig:
    """Read the configuration of any model of the family, as ``to_json`` recorded it; the keys tell which.

    Raises:
        SettingsError: when keys are unknown or missing.
    """
    kinds = ((VideoTextConfig, "vocabulary_size"), (FineTunedConfig, "readout"), (ClassifierConfig, "num_classes"))
    for kind, key in kinds:
        if key in record:
            return kind.from_json(record)
    return EncoderConfig.from_json(record)


# The released sizes (Zhao et al. 2024, table 8; the official CONFIGS). No weights of giant were released.
BASE = EncoderConfig()
LARGE = EncoderConfig(pos_emb_shape=(8, 16, 16), model_dim=1024, num_spatial_layers=24, num_heads=16, mlp_dim=4096)
GIANT = EncoderConfig(pos_emb_shape=(8, 16, 16), model_dim=1408, num_spatial_layers=40, num_heads=16, mlp_dim=6144)
# Ours: ViT-Tiny's width (heads stay 64 wide as in base and large). See docs/architecture.md for why this size.
TINY = EncoderConfig(model_dim=192, num_spatial_layers=4, num_temporal_layers=2, num_heads=3, mlp_dim=768)

LVT_BASE = VideoTextConfig()
LVT_LARGE = VideoTextConfig(
    pos_emb_shape=(8, 16, 16), model_dim=1024, num_spatial_layers=24, num_heads=16, mlp_dim=4096
)
LVT_GIANT = VideoTextConfig(
    pos_emb_shape=(8, 16, 16),
    model_dim=1408,
    num_spatial_layers=40,
    num_heads=16,
    mlp_dim=6144,
    num_unimodal_layers=16,
    norm_policy="primer_hybrid",
)
# Its video encoder is TINY. Small enough to ship: 1,024 pieces of text instead of 32,000.
LVT_TINY = VideoTextConfig(
    model_dim=192,
    num_spatial_layers=4,
    num_temporal_layers=2,
    num_heads=3,
    mlp_dim=768,
    num_auxiliary_layers=1,
    num_unimodal_layers=2,
    vocabulary_size=1024,
)
