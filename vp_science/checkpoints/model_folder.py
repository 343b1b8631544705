"""The result of a training as a folder: ``model.safetensors`` (the weights) and ``model.json`` (what they are).

The card is written last and names the hash of the weights, so a folder in which the two do not belong together (a
training that was killed between them, half a copy) is recognised. It is JSON::

    {"format": "vp_science.model", "schema": 1, "name": "adapted",
     "config": {"patch_size": 18, ...},                           as ``config.to_json()`` gives it
     "weights": {"file": "model.safetensors", "sha256": "...", "num_parameters": 114365184},
     "provenance": {...}}                                         how it was trained; not read by the loader
"""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vp_science.checkpoints.fetch import WEIGHTS_VARIABLE, weights_folders
from vp_science.checkpoints.registry import is_model_name
from vp_science.encoder.config import EncoderConfig, read_config
from vp_science.errors import CheckpointError, SettingsError
from vp_science.files import hash_file, sync_folder, write_atomically
from vp_science.typing import JSON, StrPath

if TYPE_CHECKING:
    from vp_science.encoder.family import VideoModel

FORMAT, SCHEMA = "vp_science.model", 1
CARD, WEIGHTS = "model.json", "model.safetensors"
_MAX_CARD_BYTES = 16 << 20
_MAX_SIZE = 1 << 20
_MAX_NAME = 200


@dataclass(frozen=True)
class ModelFolder:
    """What a model folder says; the weights themselves were not read yet.

    Attributes:
        path: the folder.
        weights: the weights file.
        sha256: that the weights file must have.
        config: sizes of the model.
        name: of the model; it goes into everything computed with it, and moves with the folder.
        num_parameters: of the model.
        provenance: how it was trained.
    """

    path: Path
    weights: Path
    sha256: str
    config: EncoderConfig
    name: str
    num_parameters: int
    provenance: dict[str, Any]


def write_model_folder(
    model: "VideoModel", folder: StrPath, provenance: Mapping[str, JSON], *, name: str | None = None
) -> Path:
    """Write a trained model so that ``load_encoder(folder)`` and ``--model folder`` read it.

    Other files in the folder stay. The weights come first, then the card, each complete or not at all.

    Args:
        model: not changed.
        folder: made where it is missing.
        provenance: how the model was trained (settings, seed, data, steps, what it started from); JSON.
        name: of the model; None takes that of the folder. Names of the package's own models are not given again:
            ``-trained`` is put behind them.

    Returns:
        The folder.

    Raises:
        CheckpointError: when the folder cannot be written.
        SettingsError: when the provenance is not JSON, or the name is unusable.
    """
    # Only here: the panel lists models, and a window opens without jax.
    from vp_science.checkpoints.layout import flatten_parameters
    from vp_science.checkpoints.save import save_weights

    where = Path(folder)
    chosen = _usable_name(name or where.resolve().name or "model")
    try:
        known = json.loads(json.dumps(dict(provenance), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"provenance: expected plain JSON values, found something else ({error})") from error
    try:
        where.mkdir(parents=True, exist_ok=True)
        weights = save_weights(model, where / WEIGHTS)
        card = {
            "format": FORMAT,
            "schema": SCHEMA,
            "name": chosen,
            "config": model.config.to_json(),
            "weights": {
                "file": WEIGHTS,
                "sha256": hash_file(weights),
                "num_parameters": sum(math.prod(array.shape) for array in flatten_parameters(model).values()),
            },
            "provenance": known,
        }
        text = json.dumps(card, ensure_ascii=False, indent=2) + "\n"
        write_atomically(where / CARD, lambda file: file.write(text.encode()))
        sync_folder(where)
    except OSError as error:
        raise CheckpointError(
            f"{where}: expected to write a model, found {error.strerror or error}: choose another folder"
        ) from error
    return where


def find_model_folder(given: object) -> Path | None:
    """The model folder that a user means; None when it is something else (a name, a weights file, sizes).

    Args:
        given: a folder, its card or its weights, or the name of a folder among dropped-in weights
            (``$VP_SCIENCE_WEIGHTS``).
    """
    if not isinstance(given, str | PathLike) or not str(given):
        return None
    path = Path(given)
    if path.is_dir():
        return path
    if path.name in (CARD, WEIGHTS) and path.with_name(CARD).is_file() and path.is_file():
        return path.parent
    if path.name == str(given) and not is_model_name(path.name):
        return next((place / path for place in weights_folders() if (place / path / CARD).is_file()), None)
    return None


def read_model_folder(path: StrPath) -> ModelFolder:
    """Read and check the card of a model folder; the weights are compared with its hash when they are loaded.

    Args:
        path: the folder, or ``model.json`` in it.

    Raises:
        CheckpointError: when there is no model in the folder, or its card is damaged, of a newer version or impossible.
    """
    folder = find_model_folder(Path(path))
    if folder is None:
        raise CheckpointError(f"{path}: expected the folder of a trained model, found no folder: check the name")
    card = _read_card(folder)
    try:
        config, name, weights = checked_config(card["config"]), card["name"], card["weights"]
        sha256, count, provenance = weights["sha256"], weights["num_parameters"], card["provenance"]
        whole = isinstance(sha256, str) and len(sha256) == 64 and weights["file"] == WEIGHTS
        if not whole or type(count) is not int or not isinstance(provenance, dict) or _usable_name(name) != name:
            raise ValueError("its entries are not what write_model_folder writes")
    except (KeyError, TypeError, ValueError, SettingsError) as error:
        raise CheckpointError(
            f"{folder / CARD}: expected the card of a model, found a damaged one ({error})"
        ) from error
    return ModelFolder(folder, folder / WEIGHTS, sha256, config, name, count, provenance)


def list_trained() -> list[ModelFolder]:
    """Trained models among dropped-in weights (``$VP_SCIENCE_WEIGHTS``); damaged ones are left out.

    Raises:
        CheckpointError: ``$VP_SCIENCE_WEIGHTS`` is set and is no folder.
    """
    found = []
    for place in weights_folders():
        for card in sorted(place.glob(f"*/{CARD}")):
            with suppress(CheckpointError):  # whoever names it hears what is wrong with it
                found.append(read_model_folder(card))
    return found


def find_trained(checkpoint: str) -> Path | None:
    """The folder of a trained model among dropped-in weights, known by its weights alone.

    Args:
        checkpoint: identity of the weights, ``sha256:<hex>``.

    Raises:
        CheckpointError: ``$VP_SCIENCE_WEIGHTS`` is set and is no folder.
    """
    return next((one.path for one in list_trained() if f"sha256:{one.sha256}" == checkpoint), None)


def where_to_put(name: str, checkpoint: str) -> str:
    """How to let a model be found that has no name here, in words."""
    return (
        f"expected the model {name!r} ({checkpoint[:19]}...), found none of this name: say where its folder or its "
        f"weights are (--model or --weights), or put its folder into the weights folder (${WEIGHTS_VARIABLE})"
    )


def checked_config(record: object) -> EncoderConfig:
    """A configuration from a file that nobody vouches for: types and sizes are checked before anything is made of it.

    Raises:
        SettingsError: when it is not the configuration of a model of this package.
    """
    if not isinstance(record, dict):
        raise SettingsError(f"config: expected a mapping, found {type(record).__name__}")
    for name, value in record.items():
        for size in value if isinstance(value, list) else [value]:
            number = type(size) in (int, float) and math.isfinite(size) and 0 <= size <= _MAX_SIZE
            whole = type(size) is int or name == "atten_logit_cap"
            if not (number and whole) and not isinstance(size, str):
                raise SettingsError(f"config: {name}: expected sizes from 0 to {_MAX_SIZE}, found {value!r}")
    try:
        return read_config(record)
    except (TypeError, ValueError, KeyError) as error:
        raise SettingsError(f"config: expected the sizes of a model, found {record} ({error})") from error


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / CARD
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_CARD_BYTES + 1)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder}: expected a trained model ({CARD} and {WEIGHTS}), found a folder without {CARD}: give the "
            "folder that a training wrote its result to, and let the training finish first"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path}: expected the card of a model, found {error.strerror or error}") from error
    try:
        card = json.loads(content) if len(content) <= _MAX_CARD_BYTES else None
    except (ValueError, RecursionError):
        card = None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise CheckpointError(f"{path}: expected the card of a model, found something else: train or copy it again")
    if card.get("schema") != SCHEMA:
        raise CheckpointError(f"{path}: expected schema {SCHEMA}, found {card.get('schema')!r}: upgrade vp-science")
    return card


def _usable_name(name: object) -> str:
    """A name that fits into messages and files and is not that of another model."""
    if not isinstance(name, str) or not 1 <= len(name) <= _MAX_NAME or not name.isprintable() or not name.strip():
        raise SettingsError(f"name: expected 1 to {_MAX_NAME} printable characters, found {name!r}")
    return f"{name}-trained" if is_model_name(name) else name
