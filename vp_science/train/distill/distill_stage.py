"""The stage of masked distillation: its models, loss and result."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from vp_science.checkpoints.model_folder import write_model_folder
from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.precision import Precision, choose_precision
from vp_science.encoder.video import VideoEncoder
from vp_science.errors import SettingsError
from vp_science.train.distill.block_masks import TokenGrid, count_masked, draw_masks
from vp_science.train.distill.cost import count_step_flops
from vp_science.train.distill.decoders import GlobalDecoder, TokenDecoder
from vp_science.train.distill.losses import cosine, mean_where
from vp_science.train.distill.packed import encode_packed
from vp_science.train.distill.packing import Places, find_places, permuted_places, take
from vp_science.train.distill.provenance import describe_training
from vp_science.train.distill.settings import DistillSettings
from vp_science.train.distill.student import encode_dense, to_unit_range
from vp_science.train.distill.teacher import Targets, Teacher, make_teacher, teacher_params
from vp_science.train.functional import Params, Skeleton, draw_params, flat_names, nested_names, split_model
from vp_science.train.memory import set_remat
from vp_science.train.stage import Batch, BatchStream, Metrics, Stage
from vp_science.train.starting_model import StartingModel, find_starting_model


class Pupil(nnx.Module):
    """Everything that is trained: the student's encoder and the decoders, where the settings ask for them."""

    def __init__(
        self,
        settings: DistillSettings,
        student: EncoderConfig,
        teacher: EncoderConfig,
        precision: Precision,
        *,
        rngs: nnx.Rngs,
    ):
        side = settings.clips.size // student.patch_size
        grid = TokenGrid(settings.clips.num_frames, side, side)
        self.encoder = VideoEncoder(student, compute_dtype=precision, rngs=rngs)
        if settings.token_loss:
            self.token_decoder = TokenDecoder(settings.decoders, student, teacher.model_dim, grid, rngs=rngs)
        if settings.global_loss:
            self.global_decoder = GlobalDecoder(settings.decoders, student, teacher, rngs=rngs)


class DistillStage(Stage):
    """A student sees some tokens of a clip and predicts what a frozen teacher says of the whole clip.

    Zhao et al. 2024, section 2.3.2 and appendix C.2. Parameters are ``encoder`` under its official names and the
    decoders; the teacher is in :meth:`frozen`.

    Attributes:
        settings: of the run.
        student: what the encoder starts from.
        source: what the teacher is.
        config: sizes of the student.
        teacher: without weights.
        skeleton: of everything that is trained.
    """

    name = "distill"

    def __init__(self, settings: DistillSettings, student: StartingModel, source: StartingModel) -> None:
        """Use :func:`make_stage`."""
        self.settings = settings
        self.student, self.source = student, source
        self.config = encoder_part(student.config)
        _check_sizes(settings, self.config, source.config)
        self.precision = precision = (
            choose_precision()[0] if settings.loop.precision == "auto" else settings.loop.precision
        )
        self.teacher: Teacher = make_teacher(source.config, precision)
        pupil = nnx.eval_shape(lambda: self._build_pupil())
        set_remat(pupil, settings.loop.remat)
        self.skeleton: Skeleton = split_model(pupil)[0]

    def init(self) -> Params:
        """The student's weights as they are, random decoders by the seed."""
        decoders = draw_params(self._build_pupil, without=("encoder",))
        loaded = split_model(self.student.load("float32"))[1]
        return {**decoders, "encoder": loaded.get("vision_encoder", loaded.get("encoder", loaded))}

    def frozen(self) -> Params:
        """The teacher's weights, without a text encoder or the last layer of a classifier."""
        return teacher_params(self.source.load("float32"))

    def loss(self, params: Params, frozen: Params, batch: Batch, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
        """The loss of a batch (``video``, ``valid``), and the mean cosines with the teacher.

        Tokens count where their frame is there; which tokens are hidden and how they are mixed is drawn from the key.
        """
        mask_key, mix_key = jax.random.split(key)
        video, valid = to_unit_range(batch["video"]), jnp.asarray(batch["valid"])
        grid = self._grid(video)
        hidden = draw_masks(mask_key, len(video), grid, self.settings.masks)
        places = find_places(
            ~hidden.reshape(len(video), -1), grid.tokens - count_masked(grid, self.settings.masks.ratio)
        )
        pupil = self.skeleton.bind(params)
        tokens = self._encode(pupil.encoder, video, places, valid)
        there = jnp.take_along_axis(valid, places.where // grid.patches, axis=1)
        targets = self.teacher.teach(frozen, video, valid)
        loss, metrics = jnp.zeros(()), {"share_visible": jnp.asarray(places.where.shape[1] / grid.tokens)}
        if self.settings.token_loss:
            loss_here, figures = self._token_loss(pupil, tokens, there, places, grid, targets, valid, mix_key)
            loss, metrics = loss + self.settings.token_loss * loss_here, metrics | figures
        if self.settings.global_loss:
            close = cosine(pupil.global_decoder(tokens, there, self._dtype), targets.clip).mean()
            loss, metrics = loss + self.settings.global_loss * (1 - close), metrics | {"global_cosine": close}
        return loss, metrics

    def flops_per_clip(self) -> float:
        """Floating-point operations of a step per clip, teacher and decoders included."""
        return count_step_flops(self.settings, self.config, self.source.config)

    def depths(self, params: Params) -> Params:
        """0 for the decoders; the encoder's layers count from its top."""
        return nested_names({name: _depth(name, self.config) for name in flat_names(params)})

    def rate_factors(self, params: Params) -> Params:
        """Decoders start anew and may move faster."""
        return nested_names(
            {
                name: np.float32(1.0 if name.startswith("encoder/") else self.settings.decoder_rate)
                for name in flat_names(params)
            }
        )

    def export(self, params: Params, folder: Path) -> Path:
        """Write the student's encoder as a model folder; decoders, which served the training only, are not kept.

        The result is a video encoder also where a video-text model taught: pooler and text encoder of the teacher
        belong to the teacher's tokens. Train them again on top of it (``train contrastive``) to search by text.

        Args:
            params: on the host.
            folder: of the run.

        Returns:
            ``model.safetensors`` in it.
        """
        encoder = self.skeleton.bind(params).encoder
        provenance = describe_training(self.settings, self.student, self.source)
        return write_model_folder(encoder, folder, provenance) / "model.safetensors"

    @property
    def _dtype(self) -> jnp.dtype:
        return jnp.dtype(self.precision)

    def _build_pupil(self) -> Pupil:
        rngs = nnx.Rngs(self.settings.seed)
        return Pupil(self.settings, self.config, self.source.config, self.precision, rngs=rngs)

    def _grid(self, video: Float[Array, "b t h w 3"]) -> TokenGrid:
        _, t, h, w, _ = video.shape
        return TokenGrid(t, h // self.config.patch_size, w // self.config.patch_size)

    def _encode(
        self, encoder: VideoEncoder, video: Float[Array, "b t h w 3"], places: Places, valid: Bool[Array, "b t"]
    ) -> Float[Array, "b m d"]:
        if self.settings.student == "packed":
            return encode_packed(encoder, video, places, valid)
        b, t = valid.shape
        seen = (places.slot < places.where.shape[1]).reshape(b, t, -1) & valid[:, :, None]
        tokens = encode_dense(encoder, video, seen)
        return take(tokens.reshape(b, -1, tokens.shape[-1]), places)

    def _token_loss(
        self,
        pupil: Any,
        tokens: Float[Array, "b m d"],
        there: Bool[Array, "b m"],
        places: Places,
        grid: TokenGrid,
        targets: Targets,
        valid: Bool[Array, "b t"],
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, ""], Metrics]:
        put = _mix(key, places) if self.settings.shuffle else places
        predicted = pupil.token_decoder(tokens, there, put, grid, self._dtype)
        close = cosine(predicted, targets.tokens)
        counted = jnp.repeat(valid, grid.patches, axis=1)
        visible = counted & (places.slot < tokens.shape[1])
        hidden = counted & ~visible
        chosen = counted if self.settings.targets == "all" else hidden
        cosines = {
            "token_cosine_visible": mean_where(close, visible),
            "token_cosine_masked": mean_where(close, hidden),
        }
        return mean_where(1 - close, chosen), cosines


def make_stage(settings: DistillSettings) -> DistillStage:
    """The stage that settings describe; reads no weights but hashes files.

    Raises:
        SettingsError: when names are unknown, or sizes of student, teacher and clips do not fit.
        CheckpointError: when weights are not there and cannot be fetched.
    """
    student = find_starting_model(settings.init)
    source = student if settings.teacher is None else find_starting_model(settings.teacher)
    return DistillStage(settings, student, source)


def make_stream(settings: DistillSettings, stage: DistillStage, **more: Any) -> BatchStream:
    """Clips, without text.

    Args:
        settings: of the run.
        stage: of the run.
        more: further fields of the ``BatchRequest``, such as ``host``.

    Raises:
        SettingsError: when recordings are not there or not usable.
    """
    from vp_science.train.data.open import BatchRequest, open_batches

    return open_batches(BatchRequest.of(settings, stage.config.patch_size, **more))


def encoder_part(config: EncoderConfig) -> EncoderConfig:
    """Sizes of the video encoder of a model."""
    encoder: EncoderConfig = getattr(config, "encoder", config)
    return encoder


def _mix(key: PRNGKeyArray, places: Places) -> Places:
    """Random places for visible tokens, drawn for every clip; mask tokens take the others."""
    b, p = places.slot.shape
    order = jax.vmap(lambda key: jax.random.permutation(key, p))(jax.random.split(key, b))
    return permuted_places(order, places.where.shape[1])


def _check_sizes(settings: DistillSettings, student: EncoderConfig, teacher: EncoderConfig) -> None:
    if student.patch_size != teacher.patch_size:
        raise SettingsError(
            f"teacher: expected patches of {student.patch_size} pixels as the student has, found {teacher.patch_size}: "
            "their tokens would not be of the same places"
        )
    size, patch = settings.clips.size, student.patch_size
    if size % patch:
        near = max(patch, size // patch * patch)
        raise SettingsError(
            f"clips.size: expected a multiple of the patch size {patch} (for example {near}), found {size}"
        )
    count_masked(TokenGrid(settings.clips.num_frames, size // patch, size // patch), settings.masks.ratio)


def _depth(name: str, config: EncoderConfig) -> np.ndarray:
    """Depth of a parameter: 0 in the decoders, 1 for the last layer of the encoder, and so on."""
    root, part, *_ = name.split("/")
    if root != "encoder":
        return np.zeros((), np.int32)
    temporal, spatial = config.num_temporal_layers, config.num_spatial_layers
    layers = {
        "temporal_encoder": temporal - np.arange(temporal),
        "spatial_encoder": temporal + spatial - np.arange(spatial),
        "temporal_ln": np.asarray(1),
        "temporal_pos_emb": np.asarray(temporal),
        "spatial_ln": np.asarray(temporal + 1),
    }
    return layers.get(part, np.asarray(temporal + spatial + 1)).astype(np.int32)
