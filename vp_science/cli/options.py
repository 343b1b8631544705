"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Inputs = Annotated[list[str], typer.Argument(help="Recordings, folders or quoted patterns.", show_default=False)]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model", "-m", help='Encoder: a name ("vp-science models" lists them), or the folder of a training.'
    ),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(help="Weights file (.npz or .safetensors), or folder of a training, instead of the released ones."),
]
PrecisionOption = Annotated[
    Literal["auto", "float32", "bfloat16"],
    typer.Option(help="Operands of matrix products; auto takes what is fast on this machine."),
]
DatasetOption = Annotated[str | None, typer.Option(help="Which dataset of HDF5 and NWB files holds the frames.")]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Never download anything.")]
