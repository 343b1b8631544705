"""``vp-science embed``: recordings to embedding files."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

import typer

from vp_science.cli.cluster_options import ClusterOption, RetriesOption, chosen_cluster, watched
from vp_science.cli.following import (
    FollowAxisOption,
    FollowMarginOption,
    FollowMaxGapOption,
    FollowMinPointsOption,
    FollowMinScoreOption,
    FollowRotateOption,
    FollowSizeOption,
    FollowSizePxOption,
    FollowSmoothOption,
    NoWholeFrameOption,
    PairsOption,
    PosesOption,
    SubjectOption,
    follow_settings,
    subject_names,
)
from vp_science.cli.options import DatasetOption, Inputs, ModelOption, OfflineOption, PrecisionOption, WeightsOption

EXIT_SOME_FAILED, EXIT_INTERRUPTED = 3, 130


def embed(
    inputs: Inputs,
    model: ModelOption = "videoprism-base",
    weights: WeightsOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("embeddings"),
    fps: Annotated[
        float | None, typer.Option(help="Frames per second to look at; by default every frame of the recording.")
    ] = None,
    num_frames: Annotated[int, typer.Option(help="Frames that the encoder sees together.")] = 16,
    stride: Annotated[int, typer.Option(help="Frames between one window and the next, 1 to --num-frames.")] = 4,
    spatial_pool: Annotated[int, typer.Option(help="Store k x k vectors per frame: 1, 2, 4, 8 or 16.")] = 1,
    size: Annotated[
        int | None, typer.Option(help="Side of the square the frames are resized to, a multiple of 18 pixels.")
    ] = None,
    fit: Annotated[
        Literal["squash", "crop", "pad"],
        typer.Option(help="How frames become square: squash them, crop the centre, or pad with black."),
    ] = "squash",
    crop: Annotated[
        tuple[int, int, int, int] | None,
        typer.Option(help="Look only at this region: left, top, width, height in pixels.", metavar="X Y W H"),
    ] = None,
    dtype: Annotated[Literal["float16", "float32"], typer.Option(help="Number type of the stored track.")] = "float16",
    precision: PrecisionOption = "auto",
    dataset: DatasetOption = None,
    value_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--range", help="Values shown as black and white, for 16-bit, float and depth pixels.", metavar="LO HI"
        ),
    ] = None,
    source_fps: Annotated[float | None, typer.Option(help="Frame rate of recordings that carry no times.")] = None,
    timestamps: Annotated[
        str | None, typer.Option(help="HDF5 dataset with the times of the frames, where it is not obvious.")
    ] = None,
    timestamps_unit: Annotated[
        Literal["s", "ms", "us", "ns"] | None, typer.Option(help="Unit of the times in an HDF5 file.")
    ] = None,
    poses: PosesOption = None,
    subject: SubjectOption = None,
    pairs: PairsOption = False,
    no_whole_frame: NoWholeFrameOption = False,
    follow_size: FollowSizeOption = None,
    follow_margin: FollowMarginOption = None,
    follow_size_px: FollowSizePxOption = None,
    follow_rotate: FollowRotateOption = False,
    follow_axis: FollowAxisOption = None,
    follow_smooth: FollowSmoothOption = None,
    follow_max_gap: FollowMaxGapOption = None,
    follow_min_points: FollowMinPointsOption = None,
    follow_min_score: FollowMinScoreOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results made with other settings.")] = False,
    cluster: ClusterOption = None,
    retries: RetriesOption = None,
    offline: OfflineOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line per recording.")] = False,
) -> None:
    """Embed recordings: one vector per frame, in one HDF5 file per recording.

    INPUTS are videos, HDF5 or NWB files, TIFF stacks, folders, or quoted patterns ("day1/*.avi"). Results that are
    complete are skipped and interrupted ones are resumed: run the same command again.

    With --poses every animal gives a file too, RECORDING@ANIMAL, made from pictures cut around it.
    """
    from vp_science.checkpoints.request import EncoderRequest
    from vp_science.cli.cluster_progress import EmbedBarsOnCluster
    from vp_science.cli.progress import BatchProgress
    from vp_science.embedding.run import embed as embed_recordings
    from vp_science.embedding.settings import native_preprocess
    from vp_science.video.preprocess import Preprocess

    there = chosen_cluster(cluster, retries)
    subjects = subject_names(subject)
    follow = follow_settings(
        size_body_lengths=follow_size,
        margin=follow_margin,
        size_px=follow_size_px,
        rotate=follow_rotate or None,
        axis=follow_axis,
        smooth_s=follow_smooth,
        max_gap_s=follow_max_gap,
        min_points=follow_min_points,
        min_score=follow_min_score,
    )
    request = EncoderRequest(model, weights, precision, offline)
    encoder = request.load() if there is None else None
    native = native_preprocess(request if encoder is None else encoder)
    height, width = (native.height, native.width) if size is None else (size, size)
    preprocess = Preprocess(height, width, fit, crop)
    with stop_cleanly(out), BatchProgress() if there is None else EmbedBarsOnCluster() as progress:
        if isinstance(progress, EmbedBarsOnCluster) and there is not None:
            which: dict[str, Any] = {**asdict(request), "cluster": watched(there, progress)}
        else:
            from vp_science.cli.info import describe_encoder

            assert encoder is not None
            progress.console.print(describe_encoder(encoder), markup=False, soft_wrap=True)
            which = {"encoder": encoder}
        results = embed_recordings(
            inputs,
            **which,
            out=out,
            fps=fps,
            num_frames=num_frames,
            stride=stride,
            spatial_pool=spatial_pool,
            dtype=dtype,
            preprocess=preprocess,
            dataset=dataset,
            value_range=value_range,
            source_fps=source_fps,
            timestamps=timestamps,
            timestamps_unit=timestamps_unit,
            poses=poses,
            follow=follow,
            subjects=subjects,
            pairs=pairs,
            whole_frame=not no_whole_frame,
            overwrite=overwrite,
            progress=progress,
            raise_failures=False,
        )
    failed = [result for result in results if result.status == "failed"]
    if as_json:
        for result in results:
            line = json.dumps(result.to_json(), ensure_ascii=False)
            typer.echo(line.encode("utf-8", "backslashreplace"))  # names that are not Unicode become JSON escapes
    else:
        typer.echo(f"{len(results) - len(failed)} of {len(results)} recordings are embedded in {out}")
    if failed:
        print_failures([(result.recording_id, result.error) for result in failed], out)
        raise typer.Exit(EXIT_SOME_FAILED)


def print_failures(failures: list[tuple[str, str]], out: Path | None = None) -> None:
    """A table on stderr: recording and reason; then how to go on.

    Args:
        failures: recording and reason.
        out: folder with the manifest; None when nothing was done.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from vp_science.batch import MANIFEST

    table = Table(title=f"{len(failures)} failed", title_justify="left", show_lines=True)
    table.add_column("recording", overflow="fold", max_width=40)
    table.add_column("why", overflow="fold")
    for recording, error in failures:
        table.add_row(Text(recording), Text(error))
    Console(stderr=True).print(table)
    if out is not None:
        typer.echo(
            "The others of this run are finished. Put right what the table says, and run the same command again: it "
            f"does only what is missing. The table is also in {out / MANIFEST} (status failed)",
            err=True,
        )


@contextmanager
def stop_cleanly(out: Path) -> Iterator[None]:
    """Treat the scheduler's SIGTERM like Ctrl-C, and say how to go on."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(
            f"stopped: finished recordings and segments are kept in {out}; run the same command again to resume",
            err=True,
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, previous)
