"""``vp-science fetch``: get the weights now, for a machine that will be offline later."""

from typing import Annotated

import typer

from vp_science.cli.options import OfflineOption


def fetch(
    model: Annotated[str, typer.Argument(help='Name of the encoder; "vp-science models" lists them.')],
    offline: OfflineOption = False,
) -> None:
    """Download the released weights of an encoder, or say where they are.

    Video-text models also need their tokenizer, which comes with them (or alone: c4_en).
    """
    from vp_science.checkpoints.fetch import fetch_file, fetch_weights
    from vp_science.checkpoints.registry import TOKENIZER, find_model

    if model == TOKENIZER.name:
        typer.echo(str(fetch_file(TOKENIZER, offline=offline)))
        return
    spec = find_model(model)
    typer.echo(str(fetch_weights(spec, offline=offline)))
    if spec.reads_text and spec.bundled_path is None:
        typer.echo(str(fetch_file(TOKENIZER, offline=offline)))
