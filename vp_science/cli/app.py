"""Verbs, global options, exit codes. Nothing here imports jax or av: ``--help`` answers at once."""

import sys
import traceback
import warnings
from typing import Annotated

import typer

from vp_science.cli import (
    annotate,
    bench,
    demo,
    embed,
    fetch,
    info,
    labels,
    map,
    methods,
    models,
    napari,
    plot,
    probe,
    search,
    train,
)
from vp_science.errors import VPScienceError

EXIT_ERROR = 1

app = typer.Typer(
    name="vp-science",
    help="Video understanding for people who study animals: recordings in, embeddings out.",
    epilog='Start with "vp-science demo". Every verb explains itself with --help.',
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("embed")(embed.embed)
app.add_typer(labels.app, name="labels")
app.command("annotate")(annotate.annotate)
app.add_typer(map.app)
app.command("search")(search.search)
app.add_typer(plot.app)
app.command("methods")(methods.methods)
app.command("models")(models.models)
app.command("bench")(bench.bench)
app.add_typer(probe.app, name="probe")
app.add_typer(train.app, name="train")
app.command("fetch")(fetch.fetch)
app.command("napari")(napari.napari)
app.command("info")(info.info)


def _print_version(value: bool) -> bool:
    if value:
        from importlib.metadata import version

        typer.echo(f"vp-science {version('vp-science')}")
        raise typer.Exit
    return value


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the verb; ``main`` reads them."""


def main() -> None:
    """Entry point of the console script.

    Exit codes: 0 done, 1 an error of ours (one message), 2 wrong usage, 3 some recordings failed, 130 interrupted.
    """
    # The switch works behind the verb too: that is where people add it after an error. After "--" come file names.
    options = sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    debug = "--debug" in options
    if debug:
        rest = [argument for argument in options if argument != "--debug"]
        sys.argv = [sys.argv[0], "--debug", *rest, *sys.argv[1 + len(options) :]]
    warnings.formatwarning = _format_warning
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    try:
        app()  # exits by itself: 0, 2 for wrong usage, or the code of the verb
    except VPScienceError as error:
        if debug:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_ERROR)
    except BrokenPipeError:
        # The reader of our output went away (vp-science models | head): nothing is wrong.
        sys.stderr.close()
        sys.exit(0)


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Warnings of ours are for the user; those of libraries keep their name, so that they can be looked up."""
    ours = category.__module__.startswith("vp_science")
    return f"warning: {message}\n" if ours else f"{category.__name__}: {message}\n"
