"""From a recording to segments of its embedding track, in bounded memory.

Frames are decoded once, in a background thread. Every grid frame passes the spatial encoder once; its tokens wait in a
short queue until all windows that contain it have passed the temporal encoder (DESIGN section 6). Work is cut into
groups whose borders depend only on the plan, never on where a run started: so a resumed run computes the same numbers.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, fields
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from vp_science.encoder.config import EncoderConfig, FineTunedConfig
from vp_science.encoder.family import TrackModel
from vp_science.encoder.fine_tuned import FineTunedModel
from vp_science.errors import SettingsError, StoreError
from vp_science.recordings import DecodedFrame, Recording
from vp_science.timeline.grid import SampleGrid, Windows
from vp_science.video.prefetch import prefetch, started
from vp_science.video.preprocess import Preprocess

MAX_GROUP = 256


@dataclass(frozen=True)
class Execution:
    """How the work is cut; it does not change what is computed, only in which order and in how large pieces.

    Attributes:
        frames_per_group: frames that pass the spatial encoder together.
        windows_per_group: windows that pass the temporal encoder together.
        groups_per_segment: window groups that are written to disk together.
    """

    frames_per_group: int
    windows_per_group: int
    groups_per_segment: int

    @property
    def windows_per_segment(self) -> int:
        """Windows that are written to disk together."""
        return self.windows_per_group * self.groups_per_segment

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> "Execution | None":
        """Read recorded sizes; None when they are not sizes that this version would have chosen."""
        names = [field.name for field in fields(cls)]
        sizes = [record.get(name) for name in names]
        if set(record) == set(names) and all(type(size) is int and 1 <= size <= MAX_GROUP for size in sizes):
            return cls(*sizes)  # type: ignore[arg-type]
        return None


@dataclass(frozen=True)
class StreamPlan:
    """What is computed for one track, and in which pieces."""

    grid: SampleGrid
    windows: Windows
    preprocess: Preprocess
    spatial_pool: int
    execution: Execution

    @property
    def num_groups(self) -> int:
        """Window groups of the whole recording."""
        return -(-len(self.windows) // self.execution.windows_per_group)

    @property
    def num_segments(self) -> int:
        """Segments of the whole recording."""
        return -(-self.num_groups // self.execution.groups_per_segment)

    @property
    def frames_per_window(self) -> int:
        """``num_frames``, or the length of the grid where that is shorter."""
        return int(self.windows.stop[0] - self.windows.start[0])

    def group_windows(self, group: int) -> slice:
        """The windows of one group."""
        first = group * self.execution.windows_per_group
        return slice(first, min(first + self.execution.windows_per_group, len(self.windows)))


@dataclass
class SegmentRows:
    """Finished rows of a track: those of the windows ``[index * windows_per_segment, ...)``.

    Attributes:
        index: position of the segment in the track.
        track: one row per grid frame that these windows own.
        window: one row per window.
        shown_index: source frame whose pixels were embedded, per row of ``track``.
        damaged_frames: source frames among them that did not decode cleanly.
    """

    index: int
    track: Float[np.ndarray, "rows kk d"]
    window: Float[np.ndarray, "windows d"]
    shown_index: Int[np.ndarray, " rows"]
    damaged_frames: Int[np.ndarray, " damaged"]


def check_spatial_pool(spatial_pool: int, config: EncoderConfig, preprocess: Preprocess) -> None:
    """Refuse a pooling grid that does not divide the patch grid.

    Raises:
        SettingsError: naming the values that would work.
    """
    if isinstance(config, FineTunedConfig) and spatial_pool != 1:
        raise SettingsError(f"spatial_pool: expected 1 with a fine-tuned model, found {spatial_pool}: leave it out")
    rows, columns = preprocess.height // config.patch_size, preprocess.width // config.patch_size
    fitting = [k for k in (1, 2, 4, 8, 16) if rows % k == 0 and columns % k == 0]
    if spatial_pool not in fitting:
        raise SettingsError(
            f"spatial_pool: expected one of {fitting} (a divisor of the {rows} x {columns} patches of a "
            f"{preprocess.height} x {preprocess.width} frame), found {spatial_pool}"
        )


def choose_execution(encoder: TrackModel, preprocess: Preprocess, num_frames: int) -> Execution:
    """Group sizes for the default device: small on a CPU, as large as a quarter of the free memory on a GPU."""
    config = encoder.config
    device = jax.devices()[0]
    if device.platform == "cpu":
        return Execution(frames_per_group=8, windows_per_group=1, groups_per_segment=32)
    patches = (preprocess.height // config.patch_size) * (preprocess.width // config.patch_size)
    # Live at once per frame: residual, normalised copy, fused qkv or hidden layer, and the attention weights.
    widest = max(3 * config.model_dim, config.mlp_dim) + 3 * config.model_dim + config.num_heads * patches
    frame_bytes = 4 * patches * widest
    frames = max(8, min(MAX_GROUP, _free_bytes(device.memory_stats()) // 4 // frame_bytes))
    frames = 1 << (int(frames).bit_length() - 1)
    windows = max(1, min(64, frames // num_frames))
    return Execution(frames, windows, groups_per_segment=max(1, MAX_GROUP // windows))


def _free_bytes(stats: Mapping[str, int] | None) -> int:
    """What a device has left for us; 3 GiB where it does not say."""
    return stats["bytes_limit"] - stats["bytes_in_use"] if stats else 3 << 30


@jax.jit
def _spatial_step(encoder: TrackModel, frames: UInt8[Array, "f h w 3"]) -> Float[Array, "f n d"]:
    tokens: Array = encoder.spatial(frames.astype(jnp.float32) / 255.0)
    return tokens


@partial(jax.jit, static_argnames=("frames_per_window", "rows", "columns", "spatial_pool"))
def _temporal_step(
    encoder: TrackModel,
    groups: tuple[Float[Array, "f n d"], ...],
    starts: Int[Array, " w"],
    owned: Int[Array, " o"],
    *,
    frames_per_window: int,
    rows: int,
    columns: int,
    spatial_pool: int,
) -> tuple[Float[Array, "o kk e"], Float[Array, "w e"]]:
    """Run windows and keep one pooled row per owned frame (``owned`` indexes window-major frames) and window.

    The rows of a fine-tuned model are its logits; that of a window is their mean.
    """
    queue = jnp.concatenate(groups)
    clips = queue[starts[:, None] + jnp.arange(frames_per_window)]
    if isinstance(encoder, FineTunedModel):
        logits: Array = encoder.frame_logits(clips)
        return logits.reshape(-1, 1, logits.shape[-1])[owned], logits.mean(axis=1)
    tokens = encoder.temporal(clips)
    w, t, _, d = tokens.shape
    k = spatial_pool
    cells = tokens.reshape(w * t, k, rows // k, k, columns // k, d)[owned]
    return cells.mean(axis=(2, 4)).reshape(-1, k * k, d), encoder.window_vectors(tokens)


@dataclass
class _SpatialQueue:
    """Spatial tokens of the last few frame groups, filled from the decoder as they are needed."""

    encoder: TrackModel
    plan: StreamPlan
    frames: Iterator[DecodedFrame]
    next_grid: int
    groups: deque[tuple[int, Float[Array, "f n d"]]] = field(default_factory=deque)
    shown: dict[int, int] = field(default_factory=dict)
    damaged: dict[int, int] = field(default_factory=dict)
    current: DecodedFrame | None = None

    def cover(self, first: int, stop: int) -> tuple[int, list[Float[Array, "f n d"]]]:
        """Frame groups that hold the grid frames ``[first, stop)``, and the grid index at which they begin."""
        size = self.plan.execution.frames_per_group
        while self.next_grid < stop:
            self.groups.append((self.next_grid, self._encode_next_group()))
        while self.groups and self.groups[0][0] + size <= first:
            self.groups.popleft()
        return self.groups[0][0], [tokens for _, tokens in self.groups]

    def forget_before(self, grid_index: int) -> None:
        """Drop what is known of frames that have been written."""
        for known in (self.shown, self.damaged):
            for index in [index for index in known if index < grid_index]:
                del known[index]

    def _encode_next_group(self) -> Float[Array, "f n d"]:
        size = self.plan.execution.frames_per_group
        stop = min(self.next_grid + size, len(self.plan.grid.frame_index))
        pixels = [self._pixels(index) for index in range(self.next_grid, stop)]
        pixels += [pixels[-1]] * (size - len(pixels))
        self.next_grid += size
        tokens: Array = _spatial_step(self.encoder, jnp.asarray(np.stack(pixels)))
        return tokens

    def _pixels(self, grid_index: int) -> UInt8[np.ndarray, "h w 3"]:
        wanted = int(self.plan.grid.frame_index[grid_index])
        if self.current is None or self.current.frame_index != wanted:
            self.current = next(self.frames, None)
            if self.current is None or self.current.frame_index != wanted:
                raise StoreError(
                    f"the reader was asked for frame {wanted} and gave "
                    f"{self.current.frame_index if self.current else 'no more frames'}: please report this recording"
                )
        self.shown[grid_index] = self.current.shown_index
        if self.current.damaged:
            self.damaged[grid_index] = wanted
        return self.current.pixels


def start_decoding(
    recording: Recording, plan: StreamPlan, first_segment: int = 0
) -> Generator[DecodedFrame, None, None]:
    """Decode the frames of a plan in a thread, which begins now and runs one queue ahead.

    So the first frames of a recording are ready while another one is still being embedded. Closing the generator ends
    the thread.

    Args:
        recording: where the frames come from.
        plan: which frames.
        first_segment: segments before it are on disk already.
    """
    wanted = np.unique(plan.grid.frame_index[_first_grid(plan, first_segment) :])
    return started(prefetch(recording.decode(wanted, plan.preprocess), 2 * plan.execution.frames_per_group))


def _first_grid(plan: StreamPlan, first_segment: int) -> int:
    """The grid frame at which the frame group of the first wanted window begins."""
    first_group = first_segment * plan.execution.groups_per_segment
    first_grid = int(plan.windows.start[plan.group_windows(first_group).start])
    return first_grid - first_grid % plan.execution.frames_per_group


def embed_segments(
    recording: Recording,
    encoder: TrackModel,
    plan: StreamPlan,
    *,
    first_segment: int = 0,
    on_frames: Callable[[int], None] | None = None,
    decoding: Generator[DecodedFrame, None, None] | None = None,
) -> Generator[SegmentRows, None, None]:
    """Compute the segments of a track in order, from ``first_segment`` on.

    Decoding runs one queue ahead in a thread, and the device one window group ahead of the host. Closing the generator
    ends the thread.

    Args:
        recording: where the frames come from.
        encoder: what turns them into tokens, or logits.
        plan: grid, windows and how the work is cut.
        first_segment: segments before it are on disk already.
        on_frames: called with the number of grid frames that were finished since the last call.
        decoding: what ``start_decoding`` gave for the same plan and segment; None starts it now. It is closed here.
    """
    if first_segment >= plan.num_segments:
        return
    execution = plan.execution
    first_group = first_segment * execution.groups_per_segment
    with closing(decoding or start_decoding(recording, plan, first_segment)) as frames:
        queue = _SpatialQueue(encoder, plan, frames, _first_grid(plan, first_segment))
        results = _one_behind(_run_group(encoder, plan, queue, group) for group in range(first_group, plan.num_groups))
        for index in range(first_segment, plan.num_segments):
            yield _collect_segment(index, plan, queue, results, on_frames)


def _one_behind(results: Iterator[tuple[Array, ...]]) -> Iterator[tuple[np.ndarray, ...]]:
    """Fetch a result only after the next one was dispatched, so that the device never waits for the host."""
    pending: deque[tuple[Array, ...]] = deque()
    for result in results:
        pending.append(result)
        if len(pending) > 1:
            yield tuple(np.asarray(array) for array in pending.popleft())
    while pending:
        yield tuple(np.asarray(array) for array in pending.popleft())


def _run_group(encoder: TrackModel, plan: StreamPlan, queue: _SpatialQueue, group: int) -> tuple[Array, Array]:
    """Dispatch one window group: rows for the frames it owns (padded) and for its windows (padded)."""
    windows = plan.group_windows(group)
    width, length = plan.execution.windows_per_group, plan.frames_per_window
    starts = plan.windows.start[windows]
    origin, groups = queue.cover(int(starts[0]), int(starts[-1]) + length)
    span = (width - 1) * plan.windows.stride + length
    needed = -(-(span + plan.execution.frames_per_group - 1) // plan.execution.frames_per_group)
    groups += [groups[-1]] * (needed - len(groups))
    owned = plan.windows.owned(windows.start, windows.stop)
    owner = plan.windows.owner[owned] - windows.start
    rows = owner * length + np.arange(owned.start, owned.stop) - starts[owner]
    preprocess, patch = plan.preprocess, encoder.config.patch_size
    result: tuple[Array, Array] = _temporal_step(
        encoder,
        tuple(groups[:needed]),
        jnp.asarray(_pad(starts - origin, width)),
        jnp.asarray(_pad(rows, span)),
        frames_per_window=length,
        rows=preprocess.height // patch,
        columns=preprocess.width // patch,
        spatial_pool=plan.spatial_pool,
    )
    return result


def _pad(indices: Int[np.ndarray, " n"], size: int) -> Int[np.ndarray, " size"]:
    fill = indices[-1] if len(indices) else 0
    return np.concatenate([indices, np.full(size - len(indices), fill)]).astype(np.int32)


def _collect_segment(
    index: int,
    plan: StreamPlan,
    queue: _SpatialQueue,
    results: Iterator[tuple[np.ndarray, ...]],
    on_frames: Callable[[int], None] | None,
) -> SegmentRows:
    first = index * plan.execution.groups_per_segment
    groups = range(first, min(first + plan.execution.groups_per_segment, plan.num_groups))
    track, window = [], []
    for group in groups:
        windows = plan.group_windows(group)
        owned = plan.windows.owned(windows.start, windows.stop)
        rows, vectors = next(results)
        track.append(rows[: owned.stop - owned.start])
        window.append(vectors[: windows.stop - windows.start])
        if on_frames:
            on_frames(owned.stop - owned.start)
    segment_windows = slice(plan.group_windows(groups[0]).start, plan.group_windows(groups[-1]).stop)
    grid = plan.windows.owned(segment_windows.start, segment_windows.stop)
    segment = SegmentRows(
        index,
        np.concatenate(track),
        np.concatenate(window),
        np.array([queue.shown[i] for i in range(grid.start, grid.stop)], np.int64),
        np.unique(np.array([queue.damaged[i] for i in range(grid.start, grid.stop) if i in queue.damaged], np.int64)),
    )
    queue.forget_before(grid.stop)
    return segment
