"""``vp-science fetch``: get the weights now, for a machine that will be offline later."""

from typing import Annotated

import typer

from vp_science.cli.options import OfflineOption


def fetch(
    model: Annotated[str, typer.Argument(help='Name of the encoder; "vp-science models" lists them.')],
    offline: OfflineOption = False,
) -> None:
    """Download the released weights of an encoder, or say where they are."""
    from vp_science.checkpoints.fetch import fetch_weights
    from vp_science.checkpoints.registry import find_model

    typer.echo(str(fetch_weights(find_model(model), offline=offline)))
