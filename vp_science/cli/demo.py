"""``vp-science demo``: the main job on the recording that ships with the package."""

from pathlib import Path
from typing import Annotated

import typer

from vp_science.cli.options import PrecisionOption

_FPS = 5.0


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("vp-science-demo"),
    model: Annotated[str, typer.Option("--model", "-m", help="Name of the encoder.")] = "videoprism-tiny",
    precision: PrecisionOption = "auto",
) -> None:
    """Embed a real recording of a courting fruit fly (it ships with the package) and draw what came out."""
    from vp_science.checkpoints.load import load_encoder
    from vp_science.cli.info import describe_encoder
    from vp_science.cli.progress import BatchProgress
    from vp_science.embedding import embed
    from vp_science.plots import save, self_similarity, strip_frames
    from vp_science.samples import sample_recording
    from vp_science.store.reader import open_embeddings
    from vp_science.video.open import open_recording

    encoder = load_encoder(model, precision=precision)
    with BatchProgress() as progress:
        progress.console.print(describe_encoder(encoder), markup=False, soft_wrap=True)
        [result] = embed(sample_recording(), encoder, out=out, fps=_FPS, progress=progress)
    assert result.output is not None
    picture = out / f"{result.recording_id}.png"
    with open_embeddings(result.output) as embeddings, open_recording(sample_recording()) as recording:
        title = "A courting fruit fly: which moments look alike?"
        save(self_similarity(embeddings, frames=strip_frames(embeddings, recording), title=title), picture)
        typer.echo(f"embeddings  {result.output}  ({embeddings.grid_size} frames x {embeddings.dim} numbers)")
    typer.echo(f"picture     {picture}")
    typer.echo('your own    vp-science embed "my_videos/*.mp4" --out embeddings   (vp-science embed --help)')
