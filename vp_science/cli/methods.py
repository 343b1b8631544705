"""``vp-science methods``: the paragraph for a paper."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vp_science.errors import SettingsError

Runs = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN...",
        help="Tracks, a probe, annotated recordings, an evaluation, a map, a search, a training, a model, a benchmark, "
        "or a folder of these; several make one text.",
        show_default=False,
    ),
]


def methods(
    runs: Runs,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the text to a file (.md, .txt).")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file that --out names.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The facts as JSON.")] = False,
) -> None:
    """Print what to write in a methods section: paragraph, exact values, references.

    The text says only what the files know: what they do not is "not recorded".
    Reasons not to publish the results as they are come first.

    [bold]One text for a whole study:[/bold] vp-science methods tracks grooming.probe evaluation ethograms
    """
    if overwrite and out is None:
        raise SettingsError("expected --out with --overwrite, found none: name the file to replace")
    if out is not None and out.exists() and not overwrite:
        raise SettingsError(f"expected nothing at {out}, found a file or folder: choose another --out, or --overwrite")
    from vp_science.reporting.compose import methods_text

    text = methods_text(*runs)
    content = json.dumps(text.to_json(), ensure_ascii=False, indent=2) + "\n" if as_json else str(text)
    if out is None:
        typer.echo(content, nl=False)
        return
    _write(out, content)
    for warning in text.warnings:
        typer.echo(f"before you publish: {warning}", err=True)
    typer.echo(f"wrote {out}")


def _write(path: Path, content: str) -> None:
    from vp_science.files import write_atomically

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(content.encode("utf-8", "backslashreplace")))
    except OSError as error:
        raise SettingsError(
            f"cannot write {path} ({error.strerror or error}): choose a folder that you may write to, with room"
        ) from error
