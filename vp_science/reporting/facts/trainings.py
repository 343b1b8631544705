"""Trained encoders: the folder of a run, or of its result."""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vp_science.checkpoints.model_folder import CARD as MODEL_CARD
from vp_science.checkpoints.model_folder import read_model_folder
from vp_science.errors import SettingsError
from vp_science.probes.bundle import read_card
from vp_science.reporting.facts.encoding import SHORT
from vp_science.reporting.facts.probes import card_sections, fine_tuning_cited
from vp_science.reporting.facts.values import clean, count, mapping, number, records, text
from vp_science.reporting.section import Facts, Section
from vp_science.train.without_folders import without_folders

SETTINGS, METRICS, BUNDLE = "settings.toml", "metrics.jsonl", "probe.zip"
_STAGE = re.compile(r"vp-science train (\w+) ")
_MOST_SETTINGS, _MOST_METRICS = 16 << 20, 1 << 30


def run_sections(folder: Path) -> list[Section]:
    """The training in a run folder, and the probe that fine-tuning made.

    Raises:
        SettingsError: when the settings of the run cannot be read.
        VPScienceError: when its result is damaged.
    """
    stage, settings = _read_settings(folder / SETTINGS)
    model_card = folder / MODEL_CARD
    result = _model_facts(model_card) if model_card.is_file() else {}
    provenance = result.pop("provenance", {})
    last = _last_metrics(folder / METRICS)
    done, wanted = count(last.get("step")), count(mapping(settings.get("loop")).get("steps"))
    bundle = folder / BUNDLE
    finished = bool(result) or bundle.exists()
    facts = (
        _facts(stage, settings, provenance)
        | result
        | {
            "steps_done": wanted if finished else done,
            "steps": wanted,
            "finished": finished,
            "last_metrics": clean(last),
        }
    )
    card = read_card(bundle) if bundle.exists() else {}
    if base := mapping(mapping(card.get("training")).get("base")):
        facts["started_from"] = {"base": f"{text(base.get('model'))} ({text(base.get('checkpoint'))})"}
    elif not finished:
        facts["started_from"] = {"init": text(settings.get("init"))} if settings.get("init") else None
    warnings = (
        []
        if finished
        else [
            f"This training is not finished: {done or 0} of {wanted if wanted is not None else 'an unknown number of'} "
            "steps, and there is no result yet"
        ]
    )
    return [_section(facts, settings, warnings), *(card_sections(card) if card else [])]


def model_sections(folder: Path) -> list[Section]:
    """The training that a model folder tells of.

    Raises:
        CheckpointError: when the folder is damaged.
    """
    result = _model_facts(folder / MODEL_CARD)
    provenance = mapping(result.pop("provenance"))
    settings = mapping(provenance.get("settings")) | {"data": provenance.get("data")}
    facts = _facts(text(provenance.get("stage")), settings, provenance) | result
    steps = count(provenance.get("steps"))
    return [_section(facts | {"steps_done": steps, "steps": steps, "finished": True}, settings, [])]


def _section(facts: Facts, settings: Mapping[str, Any], warnings: list[str]) -> Section:
    origins = " ".join(str(value) for value in mapping(facts["started_from"]).values())
    if "untrained" in origins:
        warnings = [*warnings, f"This training began with random weights ({origins}): say so"]
    cite = ("videoprism", "jax", *fine_tuning_cited({"settings": settings}))
    return Section("training", facts, tuple(warnings), cite)


def _read_settings(path: Path) -> tuple[str | None, dict[str, Any]]:
    try:
        if path.stat().st_size > _MOST_SETTINGS:
            raise SettingsError(f"{path}: expected the settings of a run, found a file of absurd size: name another")
        content = path.read_text("utf-8")
        settings = tomllib.loads(content)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: expected the settings of a run, found something else ({error})") from error
    stage = _STAGE.search(content.partition("\n")[0])
    return (stage[1] if stage else None), {name: _none(value) for name, value in settings.items()}


def _none(value: Any) -> Any:
    """TOML has no null: the text "none" stands for it in the settings of a run."""
    if isinstance(value, dict):
        return {name: _none(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_none(entry) for entry in value]
    return None if value == "none" else value


def _last_metrics(path: Path) -> dict[str, Any]:
    """The last whole line."""
    if not path.is_file() or path.stat().st_size > _MOST_METRICS:
        return {}
    last: dict[str, Any] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            last = record if isinstance(record, dict) else last
    return last


def _model_facts(card: Path) -> Facts:
    model = read_model_folder(card)
    return {
        "name": text(model.name),
        "weights_sha256": model.sha256,
        "weights_sha256_begin": model.sha256[:SHORT],
        "num_parameters": model.num_parameters,
        "config": clean(model.config.to_json()),
        "provenance": clean(model.provenance),
    }


def _facts(stage: str | None, settings: Mapping[str, Any], provenance: Mapping[str, Any]) -> Facts:
    optimizer, loop, clips = (mapping(settings.get(name)) for name in ("optimizer", "loop", "clips"))
    started = provenance.get("started_from")
    seed = count(provenance.get("seed"))
    return {
        "stage": stage,
        "name": None,
        "weights_sha256": None,
        "weights_sha256_begin": None,
        "num_parameters": None,
        "started_from": _origins(started),
        "teacher": text(provenance.get("teacher")),
        "trained_part": text(settings.get("train")),
        "seed": count(settings.get("seed")) if seed is None else seed,
        "batch_size": count(loop.get("batch_size")),
        "precision": text(loop.get("precision")),
        "optimizer": text(optimizer.get("name")),
        "learning_rate": number(optimizer.get("learning_rate")),
        "schedule": text(optimizer.get("schedule")),
        "warmup_steps": count(optimizer.get("warmup_steps")),
        "weight_decay": number(optimizer.get("weight_decay")),
        "clip_frames": count(clips.get("num_frames")),
        "clip_size": count(clips.get("size")),
        "clip_fps": number(clips.get("fps")),
        "data": [_data(entry) for entry in records(settings.get("data"))],
        "temperature": number(provenance.get("temperature")),
        "software": None,
        "run_settings": clean(without_folders(dict(settings))),
        "not_applicable": _not_applicable(stage, clips),
    }


def _origins(started: object) -> Facts | None:
    """Names and hashes of what a training began with; {} for random weights."""
    if isinstance(started, dict):
        return {name: text(value) for name, value in mapping(started).items()}
    return {"weights": text(started)} if isinstance(started, str) else None


def _not_applicable(stage: str | None, clips: Mapping[str, Any]) -> list[str]:
    """What other stages have."""
    own = {"contrastive": "temperature", "distill": "teacher", "finetune": "trained_part"}
    names = [name for other, name in own.items() if stage in own and other != stage]
    return names + (["clip_fps"] if "fps" in clips and clips["fps"] is None else [])


def _data(entry: Mapping[str, Any]) -> Facts:
    """Names of files without their folders: paths of a machine belong in no paper."""
    named = without_folders(dict(entry))
    short = {name: text(named.get(name)) for name in ("path", "captions", "annotations")}
    return short | {"weight": number(entry.get("weight"))}
