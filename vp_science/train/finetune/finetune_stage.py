"""The stage of fine-tuning: its loss, how it is scored on what was held out, and its result."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from vp_science.checkpoints.model_folder import write_model_folder
from vp_science.encoder.config import FineTunedConfig
from vp_science.encoder.info import ModelInfo
from vp_science.probes.bundle import save_probe
from vp_science.probes.fine_tuned import fine_tuned_probe
from vp_science.probes.objective import Objective
from vp_science.timeline.behaviors import Behaviors
from vp_science.train.finetune.card import describe_provenance, describe_training
from vp_science.train.finetune.cost import flops_per_clip
from vp_science.train.finetune.holdout import Split
from vp_science.train.finetune.losses import label_loss
from vp_science.train.finetune.merge import merged_encoder
from vp_science.train.finetune.parts import Trainee, layer_depths, rate_factors, to_parts
from vp_science.train.finetune.scoring import Scored, choose_rules, describe_scores, embed_settings, score_recordings
from vp_science.train.finetune.settings import FinetuneSettings
from vp_science.train.functional import Params, flat_names
from vp_science.train.mesh import fetch_tree
from vp_science.train.stage import Batch, Metrics, Stage

BUNDLE, MERGED = "probe.zip", "encoder"


@dataclass(frozen=True, eq=False)
class Task:
    """What is learned, from what.

    Attributes:
        behaviors: the catalogue.
        objective: loss and weights.
        split: recordings to learn from, and those that are held out.
        follow: how pictures were cut around animals (``settings`` and ``turned``); None for whole frames.
    """

    behaviors: Behaviors
    objective: Objective
    split: Split
    follow: Mapping[str, Any] | None = None


class FinetuneStage(Stage):
    """A readout learns behaviors from labelled windows; the encoder stays, or is adapted, or trained with it.

    Parameters are ``readout`` and, of ``encoder``, what is trained; the rest is in :meth:`frozen`.

    Attributes:
        settings: of the run.
        config: sizes of the model.
        base: the encoder that the training starts from.
        task: what is learned.
        trainee: the model, taken apart.
    """

    name = "finetune"

    def __init__(
        self, settings: FinetuneSettings, config: FineTunedConfig, base: ModelInfo, task: Task, trainee: Trainee
    ) -> None:
        """Use ``make_stage``."""
        self.settings, self.config, self.base, self.task, self.trainee = settings, config, base, task, trainee

    def init(self) -> Params:
        """The readout by the seed, adapters that change nothing yet, and blocks as they were."""
        return self.trainee.params

    def frozen(self) -> Params:
        """What is not trained of the encoder, and the measured feature scale of the readout."""
        return self.trainee.frozen

    def loss(self, params: Params, frozen: Params, batch: Batch, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
        """The loss over the known labels of a batch (``video``, ``valid``, ``states``), and the share that is met."""
        model = self.trainee.bind(params, frozen)
        video, valid = batch["video"].astype(jnp.float32) / 255.0, batch.get("valid")
        b, t, h, w, c = video.shape
        spatial = model.spatial(video.reshape(b * t, h, w, c))
        layers = model.layers(spatial.reshape(b, t, *spatial.shape[1:]), valid)
        drop_key, draw_key = jax.random.split(key)
        logits = model.read(layers, valid, key=drop_key, dropout=self.settings.readout.dropout)
        return label_loss(self.task.objective, logits, batch, draw_key, self._central)

    def flops_per_clip(self) -> float:
        """Floating-point operations of a step per clip; only what is trained is differentiated."""
        return flops_per_clip(self.settings, self.config, self.trainee.layers)

    def depths(self, params: Params) -> Params:
        """0 for the readout; the encoder's layers count from its end."""
        return layer_depths(params, self.trainee.layers)

    def rate_factors(self, params: Params) -> Params:
        """What was trained before moves slower than the readout."""
        return rate_factors(params, self.settings.encoder_factor)

    def evaluate(self, params: Params, frozen: Params) -> dict[str, float]:
        """Average precisions on the recordings that are held out; ``score`` is their mean."""
        if not self.task.split.held:
            return {}
        return describe_scores(self._score(fetch_tree(params), fetch_tree(frozen)), self.task.behaviors)

    def export(self, params: Params, folder: Path) -> Path:
        """Write the bundle, with thresholds and rules that suit the held-out recordings.

        Args:
            params: on the host.
            folder: of the run. With ``merged`` it also gets ``encoder/``, a plain encoder.

        Returns:
            ``probe.zip`` in it.
        """
        frozen = self.trainee.frozen
        scored = self._score(params, frozen) if self.task.split.held else Scored([], [], [])
        settings, behaviors, objective = self.settings, self.task.behaviors, self.task.objective
        tune = settings.validation.postprocess == "tune"
        thresholds, rules = choose_rules(scored, objective, behaviors, tune=tune)
        flat, fixed = _on_host(params), _on_host(frozen)
        parts = to_parts(self.trainee, self.config, self.base, flat, fixed)
        figures = describe_scores(scored, behaviors) if scored.scores else {}
        probe = fine_tuned_probe(
            parts,
            behaviors,
            objective,
            thresholds,
            embed_settings(settings),
            describe_training(settings, self.task.split, behaviors, figures),
            follow=self.task.follow,
            postprocess=rules,
            name=settings.name,
            seed=settings.seed,
        )
        bundle = save_probe(probe, folder / BUNDLE, overwrite=True)
        if settings.merged:
            encoder = merged_encoder(self.trainee, self.config, flat, fixed)
            write_model_folder(encoder, folder / MERGED, describe_provenance(settings, self.base))
        return bundle

    @property
    def _central(self) -> int | None:
        """Frames whose label a window gets; None where every frame has its own."""
        return None if self.config.readout == "frames" else self.settings.stride

    def _score(self, params: Params, frozen: Params) -> Scored:
        """The model as it is used, on the recordings that are held out; trees are on the host."""
        model = self.trainee.bind(jax.tree.map(jnp.asarray, params), jax.tree.map(jnp.asarray, frozen))
        settings = self.settings
        return score_recordings(
            model, self.task.objective, self.task.split.held, settings.data, embed_settings(settings)
        )


def _on_host(tree: Params) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in flat_names(tree).items()}
