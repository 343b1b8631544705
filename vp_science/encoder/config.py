"""The size of a VideoPrism video encoder, and the sizes that have names."""

from dataclasses import asdict, dataclass, fields

from vp_science.errors import SettingsError
from vp_science.typing import JSON, JSONObject


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
        sizes = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "atten_logit_cap"}
        for name, size in sizes.items():
            if min(size if isinstance(size, tuple) else (size,)) < 1:
                raise SettingsError(f"{name}: expected at least 1, found {size}")
        if self.atten_logit_cap < 0:
            raise SettingsError(f"atten_logit_cap: expected 0 (no cap) or more, found {self.atten_logit_cap}")
        if self.model_dim % self.num_heads:
            raise SettingsError(f"num_heads: expected a divisor of model_dim={self.model_dim}, found {self.num_heads}")

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.model_dim // self.num_heads

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


# The released sizes (Zhao et al. 2024, table 8; the official CONFIGS). No weights of giant were released.
BASE = EncoderConfig()
LARGE = EncoderConfig(pos_emb_shape=(8, 16, 16), model_dim=1024, num_spatial_layers=24, num_heads=16, mlp_dim=4096)
GIANT = EncoderConfig(pos_emb_shape=(8, 16, 16), model_dim=1408, num_spatial_layers=40, num_heads=16, mlp_dim=6144)
# Ours: ViT-Tiny's width (heads stay 64 wide as in base and large). See docs/architecture.md for why this size.
TINY = EncoderConfig(model_dim=192, num_spatial_layers=4, num_temporal_layers=2, num_heads=3, mlp_dim=768)
