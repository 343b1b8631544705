"""The folder of a run: who works in it, with which settings, and whether these are the settings it was begun with."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vp_science.errors import SettingsError, TrainError
from vp_science.files import write_atomically
from vp_science.train.settings import RunSettings
from vp_science.train.settings_file import describe_settings

SETTINGS = "settings.toml"
_LOCK = ".lock"
_HEAD = "# settings of a run of vp-science; repeat it with: vp-science train {stage} --config {name} --out NEW\n"
# What may change when a run goes on: how long, how fast, what is written, where it runs; not what is computed.
_MAY_CHANGE = (
    "out",
    "loader",
    "hosts",
    "loop.steps",
    "loop.log_every",
    "loop.checkpoint_every",
    "loop.keep_last",
    "loop.keep_best",
    "loop.tensorboard",
    "loop.nan_guard",
    "loop.remat",
    "loop.fsdp",
)


@contextmanager
def open_run_folder(folder: Path, stage: str, settings: RunSettings, *, resume: bool) -> Iterator[bool]:
    """Take a folder for a run; nobody else does until this is left.

    Args:
        folder: made where it is missing.
        stage: name of the stage.
        settings: of the run; they are written there.
        resume: go on with what is there.

    Yields:
        Whether there is a run to go on with.

    Raises:
        SettingsError: there is a run already and ``resume`` was not said, or it has other settings.
        TrainError: the folder cannot be written, or another process trains in it.
    """
    path = folder / SETTINGS
    _make(folder)
    with _lock(folder):
        goes_on = path.exists()
        if goes_on and not resume:
            raise SettingsError(
                f"out: expected a new folder, found a run in {folder}: go on with it (--resume) or choose another "
                "(--out)"
            )
        if goes_on:
            compare_settings(path, stage, settings)
        _write(path, stage, settings)
        yield goes_on


def compare_settings(path: Path, stage: str, settings: RunSettings) -> None:
    """Raise where a run was begun with other settings than it shall go on with.

    Raises:
        SettingsError: naming every key that differs, and both values.
    """
    try:
        content = path.read_text("utf-8")
        before = flatten(tomllib.loads(content))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: expected the settings of a run, found something else: {error}") from error
    if f"vp-science train {stage} " not in content.partition("\n")[0]:
        raise SettingsError(f"{path}: expected a run of the stage {stage}, found another one: choose another --out")
    now = flatten(describe_settings(settings))
    different = [
        f"{key}: {before.get(key, 'nothing')!r} before, {now.get(key, 'nothing')!r} now"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and not _may_change(key)
    ]
    if different:
        raise SettingsError(
            f"{path.parent}: expected the settings that the run was begun with, found {len(different)} that differ: "
            f"{'; '.join(different)}. Take them back, or choose another --out"
        )


def flatten(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by key with dots; None is the text that stands for it in TOML."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            for index, item in enumerate(value):
                flat |= flatten(item, f"{prefix}{name}[{index}].")
        else:
            flat[f"{prefix}{name}"] = "none" if value is None else value
    return flat


def to_toml(record: Mapping[str, Any], prefix: str = "") -> str:
    """Settings as TOML that ``read_settings`` reads back."""
    lines, tables = [], []
    for name, value in record.items():
        if isinstance(value, Mapping):
            tables.append(f"\n[{prefix}{name}]\n{to_toml(value, f'{prefix}{name}.')}")
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            tables += [f"\n[[{prefix}{name}]]\n{to_toml(item, f'{prefix}{name}.')}" for item in value]
        else:
            lines.append(f"{name} = {_toml_value(value)}\n")
    return "".join(lines + tables)


def _toml_value(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, float):
        return repr(value)
    # JSON writes texts, whole numbers and truth values as TOML does, but for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _may_change(key: str) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in _MAY_CHANGE)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise TrainError(
            f"{folder}: expected a folder of its own, found another training at work in it: wait for its end, or "
            "choose another --out"
        ) from error
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def _write(path: Path, stage: str, settings: RunSettings) -> None:
    text = _HEAD.format(stage=stage, name=SETTINGS) + to_toml(describe_settings(settings))
    try:
        write_atomically(path, lambda file: file.write(text.encode()))
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> TrainError:
    return TrainError(
        f"{path}: expected a folder that can be written, found {error.strerror or error}: choose another one (--out)"
    )
