"""How recordings are embedded: what may be asked for, and what follows from it for one recording."""

from dataclasses import dataclass, field
from typing import Literal

from vp_science.checkpoints.request import EncoderRequest
from vp_science.encoder.family import TrackModel
from vp_science.errors import SettingsError
from vp_science.recordings import Recording
from vp_science.stream import Execution, StreamPlan, check_spatial_pool, choose_execution
from vp_science.timeline.grid import SampleGrid, plan_windows
from vp_science.video.preprocess import Preprocess


@dataclass(frozen=True)
class EmbedSettings:
    """How recordings are embedded; every field is recorded in the provenance of the track.

    Attributes:
        fps: rate of the sample grid in frames per second; None takes every source frame, as in the paper's
            experiments on animal behaviour (Zhao et al. 2024, appendix H).
        num_frames: grid frames per window.
        stride: grid frames between the starts of consecutive windows, from 1 to ``num_frames``.
        spatial_pool: k for k x k vectors per frame; 1 averages the whole frame.
        dtype: of the stored track.
        preprocess: region, fit and size of the frames.
    """

    fps: float | None = None
    num_frames: int = 16
    stride: int = 4
    spatial_pool: int = 1
    dtype: Literal["float16", "float32"] = "float16"
    preprocess: Preprocess = field(default_factory=Preprocess)


def native_preprocess(encoder: TrackModel | EncoderRequest) -> Preprocess:
    """Whole frames, squashed to the size the encoder was made for."""
    height, width = encoder.config.image_size
    return Preprocess(height, width)


def check_settings(settings: EmbedSettings, encoder: TrackModel | EncoderRequest) -> None:
    """Refuse settings that cannot work, before any recording is opened.

    Raises:
        SettingsError: naming the setting, what was expected and what was found.
    """
    patch, preprocess = encoder.config.patch_size, settings.preprocess
    for name, size in (("height", preprocess.height), ("width", preprocess.width)):
        if size < patch or size % patch:
            nearest = max(patch, round(size / patch) * patch)
            raise SettingsError(f"{name}: expected a multiple of {patch} pixels, found {size}: use {nearest}")
    if settings.dtype not in ("float16", "float32"):
        raise SettingsError(f"dtype: expected float16 or float32, found {settings.dtype}")
    if preprocess.fit not in ("squash", "crop", "pad"):
        raise SettingsError(f"fit: expected squash, crop or pad, found {preprocess.fit}")
    check_spatial_pool(settings.spatial_pool, encoder.config, preprocess)
    plan_windows(1, settings.num_frames, settings.stride)


def plan_stream(
    recording: Recording, encoder: TrackModel, settings: EmbedSettings, execution: Execution | None = None
) -> StreamPlan:
    """Grid, windows and group sizes for one recording.

    Args:
        recording: gives the times and the size of the frames.
        encoder: what they are for.
        settings: what is asked for.
        execution: group sizes of work that was begun; None chooses them for this machine.

    Raises:
        SettingsError: when the region of interest or the rate does not fit the recording.
    """
    settings.preprocess.geometry(recording.width, recording.height)
    grid = SampleGrid.from_timestamps(recording.time_s, settings.fps)
    windows = plan_windows(len(grid), settings.num_frames, settings.stride)
    execution = execution or choose_execution(encoder, settings.preprocess, settings.num_frames)
    return StreamPlan(grid, windows, settings.preprocess, settings.spatial_pool, execution)
