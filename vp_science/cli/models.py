"""``vp-science models``: the encoder family."""

import json
from typing import Annotated

import typer

from vp_science.typing import JSON


def models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the encoders: size, input, licence, and whether their weights are here."""
    from vp_science.checkpoints.fetch import is_cached
    from vp_science.checkpoints.registry import PRESETS, ModelSpec

    def describe(spec: ModelSpec) -> dict[str, JSON]:
        cached = is_cached(spec)
        return {
            "name": spec.name,
            "parameters": spec.num_parameters,
            "frames": spec.num_frames,
            "height": spec.image_size[0],
            "width": spec.image_size[1],
            "dim": spec.config.model_dim,
            "licence": spec.licence,
            "trained": spec.released,
            "bundled": spec.bundled is not None,
            "weights": str(cached) if cached else None,
            "repository": spec.repo,
        }

    rows = [describe(spec) for spec in PRESETS.values()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, justify in (("model", "left"), ("parameters", "right"), ("input", "left"), ("vector", "right")):
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("licence", no_wrap=True)
    table.add_column("weights", no_wrap=True)
    for row in rows:
        table.add_row(
            str(row["name"]),
            f"{row['parameters']:,}",
            f"{row['frames']}x{row['height']}x{row['width']}",
            str(row["dim"]),
            str(row["licence"] or "-"),
            _weights(row),
        )
    Console().print(table)
    for row in rows:
        if row["weights"] and not row["bundled"]:
            typer.echo(f"{row['name']}: {row['weights']}")
    typer.echo("vp-science fetch NAME downloads weights; --weights PATH takes a file of yours")


def _weights(row: dict[str, JSON]) -> str:
    if row["bundled"]:
        return "included"
    if row["weights"]:
        return "here"
    if row["trained"]:
        return "download"
    return "untrained" if row["licence"] else "not released"
