"""Every key of the settings of a training as an option; loaded when a stage is named, not before."""

import inspect
import json
import tomllib
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape

from vp_science.errors import SettingsError
from vp_science.train.settings_keys import SettingKey, list_keys

_TOP = "Settings"


def add_options(command: Callable[..., None], kind: type) -> Callable[..., None]:
    """A command that has an option for every key of settings, and gets what was given as ``overrides``.

    Args:
        command: takes ``overrides``, a list of pairs of key and text, beside options of its own.
        kind: the dataclass of the settings.
    """
    keys = {_parameter(key): key for key in list_keys(kind)}
    hidden = {f"{name}__as_in_toml": key for name, key in keys.items() if "_" in key.name}
    own = inspect.signature(command, eval_str=True).parameters

    def run(**given: Any) -> None:
        chosen = [
            (key, text)
            for name, key in (keys | hidden).items()
            for text in ([] if given[name] is None else [given[name]])
        ]
        command(overrides=as_overrides(chosen), **{name: given[name] for name in own if name != "overrides"})

    parameters = [parameter for name, parameter in own.items() if name != "overrides"]
    parameters += [_option(name, key, key.name.replace("_", "-"), hide=False) for name, key in keys.items()]
    parameters += [_option(name, key, key.name, hide=True) for name, key in hidden.items()]
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = command.__doc__
    return run


def as_overrides(chosen: list[tuple[SettingKey, Any]]) -> list[tuple[str, str]]:
    """What was given as pairs for ``read_settings``.

    Raises:
        SettingsError: when a list of tables is given whole and by its keys.
    """
    whole = {key.name: values for key, values in chosen if key.repeated}
    parts = [(key.name, text) for key, text in chosen if not key.repeated]
    pairs: list[tuple[str, str]] = []
    for name, values in whole.items():
        inside = [key for key, _ in parts if key.startswith(f"{name}.")]
        if not inside:
            pairs.append((name, f"[{', '.join(map(_as_table, values))}]"))
        elif len(values) == 1 and not _is_table(values[0]):
            pairs.append((f"{name}.path", values[0]))
        else:
            raise SettingsError(
                f"--{name}: expected one path beside --{inside[0].replace('_', '-')}, found {len(values)} or a table: "
                f"write what belongs together as --{name} '{{path = \"...\", ...}}'"
            )
    return pairs + parts


def _option(name: str, key: SettingKey, flag: str, *, hide: bool) -> inspect.Parameter:
    option = typer.Option(
        f"--{flag}",
        help=escape(key.help) + (f" [dim]{escape(f'[default: {key.default}]')}[/dim]" if key.default else ""),
        metavar=escape(key.values),
        show_default=False,
        rich_help_panel=key.table or _TOP,
        hidden=hide,
    )
    kind = list[str] | None if key.repeated else str | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])


def _parameter(key: SettingKey) -> str:
    return f"set__{key.name.replace('.', '__')}"


def _as_table(text: str) -> str:
    return text if _is_table(text) else json.dumps(text, ensure_ascii=False)


def _is_table(text: str) -> bool:
    try:
        return isinstance(tomllib.loads(f"value = {text}")["value"], Mapping)
    except tomllib.TOMLDecodeError:
        return False
