"""The contrastive stage: its model, loss, gradient and result."""

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vp_science.checkpoints.layout import make_abstract_encoder
from vp_science.checkpoints.model_folder import write_model_folder
from vp_science.checkpoints.tokenizer import MAX_PIECES, default_tokenizer, load_tokenizer
from vp_science.encoder.precision import choose_precision
from vp_science.encoder.video_text import VideoTextModel
from vp_science.errors import SettingsError
from vp_science.train.contrastive.cost import count_step_flops
from vp_science.train.contrastive.gradient_cache import cached_value_and_grad
from vp_science.train.contrastive.layer_depths import find_depth
from vp_science.train.contrastive.loss import at_least, contrastive_loss, same_captions
from vp_science.train.contrastive.provenance import describe_training
from vp_science.train.contrastive.settings import ContrastiveSettings
from vp_science.train.contrastive.spreading import Mesh, mesh_of
from vp_science.train.contrastive.start import Start, find_start
from vp_science.train.contrastive.tube_dropping import count_kept, draw_kept, encode_kept, unit_range
from vp_science.train.functional import Params, Skeleton, flat_names, nested_names, split_model
from vp_science.train.memory import set_remat
from vp_science.train.stage import Batch, BatchStream, Metrics, Stage

if TYPE_CHECKING:
    from vp_science.checkpoints.tokenizer import Tokenizer

LOG_TEMPERATURE = "log_temperature"
_ROWS = ("video", "valid", "text", "text_valid")
_FROZEN_PART = {"none": "", "video": "vision_encoder", "text": "text_encoder"}


class TrainingWarning(UserWarning):
    """Something about a training that the user should know and may have wanted."""


class ContrastiveStage(Stage):
    """A video-text model learns which caption belongs to which clip (Zhao et al. 2024, section 2.3.1).

    Parameters are those of the model under their official names, and ``log_temperature``, which stays in checkpoints of
    the training: files of models have none.

    Attributes:
        settings: of the run.
        start: sizes of the model and where its weights start.
        skeleton: the model without weights.
    """

    name = "contrastive"
    own_accumulation = True

    def __init__(self, settings: ContrastiveSettings, start: Start, skeleton: Skeleton) -> None:
        """Use ``make_stage``."""
        self.settings = settings
        self.start = start
        self.skeleton = skeleton

    def init(self) -> Params:
        """What is trained, at its start."""
        tensors, random = self._read()
        if random and (self.settings.init or self.settings.video_init):
            warnings.warn(f"these parts start at random: {', '.join(random)}", TrainingWarning, stacklevel=2)
        frozen = _FROZEN_PART[self.settings.freeze]
        trained = {name: part for name, part in tensors.items() if name != frozen}
        return {**trained, LOG_TEMPERATURE: jnp.asarray(math.log(self.settings.temperature), jnp.float32)}

    def frozen(self) -> Params:
        """The part that is not trained, if there is one."""
        frozen = _FROZEN_PART[self.settings.freeze]
        return {frozen: self._read()[0][frozen]} if frozen else {}

    def loss(self, params: Params, frozen: Params, batch: Batch, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
        """The loss of a batch (``video``, ``valid``, ``text``, ``text_valid``), and what ``contrastive_loss`` says."""
        vectors = self._embed(params, frozen, self._rows(batch, key))
        return self._compare(params, vectors, batch, mesh_of(batch["video"]))

    def value_and_grad(
        self, params: Params, frozen: Params, batch: Batch, key: PRNGKeyArray
    ) -> tuple[tuple[Float[Array, ""], Metrics], Params]:
        """Loss and gradient of the whole batch, in ``loop.accumulation`` pieces (gradient caching)."""
        pieces = self.settings.loop.accumulation
        if pieces == 1:
            return super().value_and_grad(params, frozen, batch, key)
        mesh = mesh_of(batch["video"])
        # What is random is drawn for the whole batch, once: both passes see the same, and so does the plain loss.
        return cached_value_and_grad(
            lambda params, rows: self._embed(params, frozen, rows),
            lambda params, vectors: self._compare(params, vectors, batch, mesh),
            params,
            self._rows(batch, key),
            pieces,
            mesh,
        )

    def flops_per_clip(self) -> float:
        """Of the matrix products, forward and backward; see ``count_step_flops``."""
        clips = self.settings.clips
        return count_step_flops(
            self.start.config,
            clips.num_frames,
            self._num_kept(clips.size, clips.size),
            MAX_PIECES,
            self.settings.loop.batch_size,
            self.settings.freeze,
        )

    def depths(self, params: Params) -> Params:
        """Layers between a parameter and the loss; both sides start at 0."""
        config = self.start.config
        return nested_names({name: find_depth(name, config) for name in flat_names(params)})

    def export(self, params: Params, folder: Path) -> Path:
        """Write ``model.safetensors`` and ``model.json``: the video-text model that ``load_encoder(folder)`` reads."""
        model: VideoTextModel = self._bind(params, self.frozen())
        temperature = float(jnp.exp(self._log_temperature(params)))
        write_model_folder(model, folder, describe_training(self.settings, self.start, temperature))
        return folder / "model.safetensors"

    def _read(self) -> tuple[Params, tuple[str, ...]]:
        """Parts of the model by name, and which of them are random."""
        tensors, random = self.start.read()
        named = {name.removeprefix("params/"): jnp.asarray(values) for name, values in tensors.items()}
        return nested_names(named), random

    def _bind(self, params: Params, frozen: Params) -> VideoTextModel:
        parts = {name: part for name, part in params.items() if name != LOG_TEMPERATURE}
        model: VideoTextModel = self.skeleton.bind({**parts, **frozen})
        return model

    def _rows(self, batch: Batch, key: PRNGKeyArray) -> dict[str, Any]:
        """What vectors are made of; ``kept`` says which patches stay, where some are dropped."""
        rows: dict[str, Any] = {name: batch[name] for name in _ROWS if name in batch}
        if self.settings.dropped_share > 0:
            b, _, height, width, _ = batch["video"].shape
            patch = self.start.config.patch_size
            num_patches = (height // patch) * (width // patch)
            rows["kept"] = draw_kept(key, b, num_patches, self._num_kept(height, width))
        return rows

    def _num_kept(self, height: int, width: int) -> int:
        patch = self.start.config.patch_size
        return count_kept((height // patch) * (width // patch), self.settings.dropped_share)

    def _embed(self, params: Params, frozen: Params, rows: dict[str, Any]) -> dict[str, Array]:
        """Unit vectors of clips and texts."""
        model = self._bind(params, frozen)
        video, valid = rows["video"], rows.get("valid")
        if "kept" in rows:
            clips = model.pool_clips(encode_kept(model.vision_encoder, video, rows["kept"], valid), valid)
        else:
            clips = model.embed_video(unit_range(video), valid)
        return {"clips": clips, "texts": model.embed_text(rows["text"], rows["text_valid"])}

    def _compare(
        self, params: Params, vectors: dict[str, Array], batch: Batch, mesh: Mesh | None
    ) -> tuple[Float[Array, ""], Metrics]:
        temperature = jnp.exp(self._log_temperature(params))
        same = same_captions(batch["text"], batch["text_valid"], mesh)
        loss, metrics = contrastive_loss(
            vectors["clips"], vectors["texts"], temperature, same, self.settings.repeated_captions, mesh
        )
        return loss, {**metrics, "temperature": temperature}

    def _log_temperature(self, params: Params) -> Float[Array, ""]:
        held: Array = at_least(jnp.asarray(params[LOG_TEMPERATURE]), math.log(self.settings.least_temperature))
        return held


def make_stage(settings: ContrastiveSettings) -> ContrastiveStage:
    """The stage of these settings; weights are read later.

    Raises:
        SettingsError: when the settings do not fit the model or each other.
        CheckpointError: when weights are not there and cannot be fetched.
    """
    start = find_start(settings)
    if settings.clips.size % start.config.patch_size:
        patch = start.config.patch_size
        near = max(1, round(settings.clips.size / patch)) * patch
        raise SettingsError(
            f"clips.size: expected a multiple of the patch size {patch}, found {settings.clips.size}: take {near}"
        )
    precision = settings.loop.precision
    model = make_abstract_encoder(start.config, choose_precision()[0] if precision == "auto" else precision)
    set_remat(model, settings.loop.remat)
    return ContrastiveStage(settings, start, split_model(model)[0])


def make_stream(settings: ContrastiveSettings, stage: ContrastiveStage, **more: Any) -> BatchStream:
    """Clips and the pieces of their captions.

    Args:
        settings: of the run.
        stage: of the run.
        more: further fields of the ``BatchRequest``, such as ``host``.

    Raises:
        SettingsError: when recordings or captions are not there or not usable.
        CheckpointError: when the vocabulary cannot be had, or is larger than that of the model.
    """
    from vp_science.train.data.open import BatchRequest, open_batches

    config = stage.start.config
    text = read_vocabulary(settings, config.vocabulary_size)
    return open_batches(BatchRequest.of(settings, config.patch_size, text=text, **more))


def read_vocabulary(settings: ContrastiveSettings, num_pieces: int) -> "Tokenizer":
    """The tokenizer of a run.

    Raises:
        CheckpointError: when it cannot be had.
        SettingsError: when it has pieces that the model has no vectors for.
    """
    given = settings.vocabulary
    tokenizer = default_tokenizer(num_pieces) if given is None else load_tokenizer(given)
    if tokenizer.size > num_pieces:
        raise SettingsError(
            f"vocabulary: expected at most the {num_pieces} pieces of the model, found {tokenizer.size} in "
            f"{tokenizer.path.name}: give another vocabulary, or a model with vocabulary_size = {tokenizer.size}"
        )
    return tokenizer
