"""Trainings that experiments need, each in a folder of its own: finished ones are kept, unfinished ones go on."""

import json
from collections.abc import Mapping
from pathlib import Path

from vp_science.train.settings_file import read_settings
from vp_science.train.stages import find_stage

RECIPES = Path(__file__).parents[2] / "recipes"
DONE = "finished"


def train(kind: str, recipe: Path | None, changes: Mapping[str, object], folder: Path) -> Path:
    """Train unless it was done; what it gave lies in the folder.

    Args:
        kind: the stage.
        recipe: a TOML file; None starts from the defaults.
        changes: keys with dots and values that replace those of the recipe.
        folder: of the run.
    """
    from vp_science.train.running import run

    overrides = [(key, as_toml(value)) for key, value in {**changes, "out": str(folder)}.items()]
    settings = read_settings(find_stage(kind).settings(), recipe, overrides)
    mark = folder / DONE
    if mark.exists() and mark.read_text() == repr(settings):
        return folder
    run(settings, resume=True)
    mark.write_text(repr(settings))
    return folder


def as_toml(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_quoted(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_quoted, value)) + "]"
    return str(value)


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else as_toml(value)


def parse_change(text: str) -> tuple[str, str]:
    """``KEY=VALUE`` of a command line."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"expected KEY=VALUE, found {text!r}")
    return key, value
