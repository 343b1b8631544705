"""The reference of the command line, written by the command line itself.

Pages are made of the same objects that answer ``--help``, so a page cannot say what the program does not do.
``docs_hooks.py`` puts them into the site.
"""

import html
import re
from collections.abc import Iterator
from typing import Any

import typer
from rich.text import Text

PROGRAM = "vp-science"
FOLDER = "reference/command-line"
INDEX = f"{FOLDER}/index.md"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$^])")


def command_line_pages() -> dict[str, str]:
    """Markdown of every page, by its path below ``docs``: an index, and a page per verb."""
    root = _root()
    pages = {INDEX: _index(root)}
    for name, command in root.commands.items():
        pages[page_of(name)] = _page(name, command)
    return pages


def page_of(verb: str) -> str:
    """Where the page of a verb stands."""
    return f"{FOLDER}/{verb}.md"


def leaf_commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that name it."""
    for name, command in _root().commands.items():
        yield from _leaves((name,), command)


def _root() -> Any:
    from vp_science.cli.app import app

    return typer.main.get_command(app)


def _leaves(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        yield words, command
        return
    context = command.context_class(command, info_name=words[-1])
    for name in command.commands:
        yield from _leaves((*words, name), command.get_command(context, name))  # trainings build theirs when asked


def _index(root: Any) -> str:
    rows = [
        f"| [`{PROGRAM} {name}`]({name}.md) | {escape(_first_sentence(command.help))} |"
        for name, command in root.commands.items()
    ]
    return "\n".join(
        [
            "# Command line",
            "",
            f"{escape(_plain(root.help))} Every verb explains itself with `--help`; these pages say the same.",
            "",
            "| verb | what it does |",
            "| --- | --- |",
            *rows,
            "",
            "Before the verb:",
            "",
            *_definitions(root, (PROGRAM,)),
            "## Exit codes",
            "",
            "| code | meaning |",
            "| --- | --- |",
            "| 0 | done |",
            "| 1 | an error: one message that says what was expected, what was found and what to do |",
            "| 2 | wrong usage: a verb or an option that does not exist, or one that is missing |",
            "| 3 | the batch went through, and some recordings failed; a table names them |",
            "| 75 | a training was told to stop, saved its state, and can be resumed |",
            "| 130 | interrupted with Ctrl-C |",
            "",
        ]
    )


def _page(name: str, command: Any) -> str:
    leaves = list(_leaves((name,), command))
    alone = len(leaves) == 1 and leaves[0][0] == (name,)
    lines = [f"# {PROGRAM} {name}", ""]
    if not alone:
        lines += [*_paragraphs(command.help), ""]
        lines += [f"- [`{PROGRAM} {' '.join(words)}`](#{anchor(words)})" for words, _ in leaves] + [""]
    for words, leaf in leaves:
        if not alone:
            lines += [f"## {PROGRAM} {' '.join(words)} {{ #{anchor(words)} }}", ""]
        lines += _describe(words, leaf)
    return "\n".join(lines)


def anchor(words: tuple[str, ...]) -> str:
    """The anchor of a command on its page."""
    return "-".join(words)


def _describe(words: tuple[str, ...], command: Any) -> list[str]:
    usage = " ".join(command.collect_usage_pieces(_context(command, words)))
    lines = [*_paragraphs(command.help), "", "```text", f"{PROGRAM} {' '.join(words)} {usage}", "```", ""]
    lines += _definitions(command, words)
    return [*lines, *_paragraphs(command.epilog), ""]


def _definitions(command: Any, words: tuple[str, ...]) -> list[str]:
    """Arguments and options as definition lists under the titles that ``--help`` shows."""
    context = _context(command, words)
    panels: dict[str, list[Any]] = {}
    for parameter in command.params:
        if not getattr(parameter, "hidden", False):
            title = parameter.rich_help_panel or ("Arguments" if _is_argument(parameter) else "Options")
            panels.setdefault(title, []).append(parameter)
    lines: list[str] = []
    for title, parameters in panels.items():
        if words != (PROGRAM,):
            lines += [f"**{escape(title)}**", ""]
        for parameter in parameters:
            lines += [_name(parameter, context), "", f":   {_explanation(parameter)}", ""]
    return lines


def _name(parameter: Any, context: Any) -> str:
    if _is_argument(parameter):
        repeated = "..." if parameter.nargs != 1 and parameter.metavar is None else ""
        return _code(parameter.display_name_raw.upper() + repeated)
    values = parameter.display_type_rich(ctx=context) or ""
    names = ", ".join(_code(name) for name in parameter.opts)
    if parameter.secondary_opts:
        names += " / " + ", ".join(_code(name) for name in parameter.secondary_opts)
    return names if parameter.is_flag else f"{names} {_code(_plain(values))}"


def _explanation(parameter: Any) -> str:
    text = escape(_plain(parameter.help or ""))
    extras = []
    if parameter.required:
        extras.append("Required.")
    elif not _is_argument(parameter) and parameter.show_default and not parameter.is_flag:
        default = parameter.default
        if isinstance(default, list | tuple):
            default = ", ".join(map(str, default))
        if default not in (None, ""):
            extras.append(f"Default: {_code(str(default))}.")
    if getattr(parameter, "multiple", False) and "repeat" not in text.lower():
        extras.append("May be repeated.")
    return " ".join([text, *extras])


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _context(command: Any, words: tuple[str, ...]) -> Any:
    return command.context_class(command, info_name=words[-1])


def _paragraphs(text: str | None) -> list[str]:
    plain = _plain(text or "")
    return [line for part in plain.split("\n\n") for line in (escape(" ".join(part.split())), "")][:-1] if plain else []


def _first_sentence(text: str | None) -> str:
    return " ".join(_plain(text or "").split("\n\n", 1)[0].split())


def _plain(text: str) -> str:
    """Without the markup of rich."""
    return Text.from_markup(text).plain.strip()


def _code(text: str) -> str:
    return f"<code>{html.escape(text, quote=False)}</code>" if "`" in text or "|" in text else f"`{text}`"


def escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", text)
