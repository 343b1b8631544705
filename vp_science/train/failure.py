"""What is kept of a step in which loss or gradient were no longer finite, and how to make that step once more."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from safetensors.numpy import load_file, save_file

from vp_science.errors import TrainError
from vp_science.files import write_atomically
from vp_science.train.functional import Params, flat_names, nested_names
from vp_science.train.mesh import fetch_tree
from vp_science.train.settings import RunSettings
from vp_science.train.stage import Batch, Stage
from vp_science.train.state import make_gradient, norm_of, step_key
from vp_science.typing import JSON, StrPath

_BATCH, _PARAMS, _RECORD = "batch.npz", "params.safetensors", "failure.json"


@dataclass(frozen=True)
class Repeated:
    """A step that was made once more.

    Attributes:
        step: which update it is, counted from 1.
        loss: of the batch.
        grad_norm: of all gradients together.
        metrics: what else the stage says.
        bad_parameters: names of parameters that were not finite before the step.
        bad_gradients: names of parameters whose gradient is not finite.
    """

    step: int
    loss: float
    grad_norm: float
    metrics: dict[str, float]
    bad_parameters: list[str]
    bad_gradients: list[str]


def save_failure(
    folder: Path, step: int, seed: int, batch: Batch, params: Params, metrics: Mapping[str, float], *, writes: bool
) -> Path:
    """Keep the batch of a step, the parameters before it, and what was found.

    Args:
        folder: of the run.
        step: the update, counted from 1.
        seed: of the run; with the step it gives the key of everything random.
        batch: the part of this host; the whole batch is put together.
        params: before the update, wherever they lie.
        metrics: of the step.
        writes: this process is the one that writes.

    Returns:
        Where it was written.

    Raises:
        TrainError: when it cannot be written.
    """
    where = folder / "failures" / f"step_{step}"
    arrays = {name: _gather(np.asarray(array)) for name, array in batch.items()}
    values = fetch_tree(params)
    if not writes:
        return where
    record: dict[str, JSON] = {
        "step": step,
        "key": np.asarray(jax.random.key_data(step_key(seed, step - 1))).tolist(),
        "metrics": {name: repr(value) for name, value in metrics.items()},
        "settings": "../../settings.toml",
    }
    try:
        where.mkdir(parents=True, exist_ok=True)
        write_atomically(where / _BATCH, lambda file: np.savez(file, allow_pickle=False, **arrays))
        tensors = {name: np.ascontiguousarray(value) for name, value in flat_names(values).items()}
        temporary = where / f"{_PARAMS}.tmp"
        save_file(tensors, temporary)
        temporary.replace(where / _PARAMS)
        text = json.dumps(record, indent=2) + "\n"
        write_atomically(where / _RECORD, lambda file: file.write(text.encode()))
    except OSError as error:
        raise TrainError(f"{where}: expected to keep the batch of step {step}, found {error.strerror}") from error
    return where


def repeat_step(folder: StrPath, stage: Stage, settings: RunSettings) -> Repeated:
    """Make a step once more that :func:`save_failure` kept, on the devices of this process.

    Args:
        folder: what ``save_failure`` returned.
        stage: made with the settings of the run.
        settings: of the run.

    Raises:
        TrainError: when there is no such step in the folder.
    """
    where = Path(folder)
    try:
        step = int(json.loads((where / _RECORD).read_text("utf-8"))["step"])
        with np.load(where / _BATCH, allow_pickle=False) as arrays:
            batch = {name: jnp.asarray(arrays[name]) for name in arrays.files}
        params = nested_names({name: jnp.asarray(value) for name, value in load_file(where / _PARAMS).items()})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainError(f"{where}: expected what is kept of a step that failed, found: {error}") from error
    gradient = jax.jit(make_gradient(stage, settings))
    (loss, metrics), grads = gradient(params, stage.frozen(), batch, step_key(settings.seed, step - 1))
    return Repeated(
        step=step,
        loss=float(loss),
        grad_norm=float(norm_of(grads)),
        metrics={name: float(value) for name, value in metrics.items()},
        bad_parameters=_not_finite(params),
        bad_gradients=_not_finite(grads),
    )


def _not_finite(tree: Any) -> list[str]:
    return [name for name, value in flat_names(tree).items() if not np.isfinite(np.asarray(value)).all()]


def _gather(array: np.ndarray) -> np.ndarray:
    if jax.process_count() == 1:
        return array
    return np.asarray(multihost_utils.process_allgather(array, tiled=True))
