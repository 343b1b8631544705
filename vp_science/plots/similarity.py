"""What an embedding track looks like: every moment compared with every other."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64, UInt8
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from mpl_toolkits.axes_grid1 import make_axes_locatable

from vp_science.errors import FigureError
from vp_science.plots.style import INK, MUTED, UNTRAINED_NOTE, axes_for, headline, size_in_inches
from vp_science.plots.time_axis import far_from_zero, show_time
from vp_science.recordings import Recording
from vp_science.store.tables import EmbeddingTable

_MAX_CELLS = 1500
_SIDE, _GAP = 6.6, 0.09  # inches
_BAR, _BAR_GAP = 0.14, 0.15


def similarity_matrix(track: Float[np.ndarray, "time dim"]) -> Float[np.ndarray, "time time"]:
    """Cosine similarity of every moment with every other, after taking out the mean of the recording.

    Without the mean, what is common to all moments (the arena, the light) does not hide how they differ.
    """
    centred = track.astype(np.float32) - track.mean(axis=0, dtype=np.float32)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    return np.asarray(unit @ unit.T)


def average_steps(embeddings: EmbeddingTable) -> Float[np.ndarray, "time dim"]:
    """The track, averaged over the frame's vectors and over blocks of whole strides.

    Within a stride the frames stand at different places of their windows; the average takes that out. Long tracks are
    averaged further, to at most 1500 rows.
    """
    block = _block(len(embeddings), embeddings.provenance.stride)
    starts = range(0, len(embeddings), block)
    return np.stack([np.asarray(embeddings.track[i : i + block], np.float32).mean(axis=(0, 1)) for i in starts])


def self_similarity(
    track: EmbeddingTable | Float[np.ndarray, "time dim"],
    time_s: Float64[np.ndarray, " _"] | None = None,
    *,
    frames: Sequence[UInt8[np.ndarray, "_ _ 3"]] = (),
    title: str = "",
    note: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw which moments of a recording look alike, with a strip of frames over the same axis of time.

    Args:
        track: an embedding track (frames of a stride are averaged, long tracks further, to at most 1500 rows), or
            vectors in order of time, of which at most 1500 are drawn the same way.
        time_s: times of the vectors in seconds; of a track they are known. None counts moments from 0.
        frames: pictures that stand for equal parts of the time, such as ``strip_frames`` gives.
        title: headline.
        note: small text below it; None names the encoder of a track, and says so where it is untrained.
        axes: to draw into; None makes a figure.

    Returns:
        The axes of the matrix. The strip and the color bar are other axes of its figure.

    Raises:
        FigureError: when there are no vectors, or not as many times.
    """
    vectors, times, told = _steps(track, time_s)
    first_s, last_s = float(times[0]), float(times[-1])
    last_s = last_s if last_s > first_s else first_s + 1  # a single moment still needs an axis
    since = far_from_zero(first_s, last_s - first_s)
    if since:
        first_s, last_s = 0.0, last_s - first_s
    axes = axes_for(axes, _SIDE, _SIDE)
    extent = (first_s, last_s, last_s, first_s)
    image = axes.imshow(
        similarity_matrix(vectors), cmap="magma", vmin=-1, vmax=1, extent=extent, aspect="auto", interpolation="nearest"
    )
    for axis in (axes.xaxis, axes.yaxis):
        if time_s is None and not isinstance(track, EmbeddingTable):
            axis.set_label_text("moment")
        else:
            show_time(axis, last_s - first_s, "time since the start" if since else "time")
    for side in axes.spines.values():
        side.set_visible(False)
    above = 6.0 + 72 * _add_strip(axes, frames)
    _add_color_bar(axes, image)
    headline(axes, title, told if note is None else note, above)
    return axes


def strip_times(track: EmbeddingTable, count: int = 10) -> list[float]:
    """Times in the middle of equal parts of a track: where the pictures of a strip come from."""
    middles = ((np.arange(count) + 0.5) / count * len(track)).astype(int)
    return [float(time) for time in np.asarray(track.time_s)[middles]]


def strip_frames(track: EmbeddingTable, recording: Recording, count: int = 10) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    """Frames in the middle of equal parts of a track; black where a followed animal was not there."""
    middles = ((np.arange(count) + 0.5) / count * len(track)).astype(int)
    nothing = np.zeros((recording.height, recording.width, 3), np.uint8)
    shown = np.asarray(track.shown_index)[middles].tolist()
    return [recording.read(index) if index >= 0 else nothing for index in shown]


def _block(rows: int, stride: int) -> int:
    return stride * -(-rows // (stride * _MAX_CELLS))


def _steps(
    track: EmbeddingTable | np.ndarray, time_s: np.ndarray | None
) -> tuple[Float[np.ndarray, "time dim"], Float64[np.ndarray, " _"], str]:
    """Vectors to compare, the times that they span, and what to say about them."""
    if isinstance(track, EmbeddingTable):
        if not len(track):
            raise FigureError("expected a track with at least one moment, found none: choose a longer part")
        note = UNTRAINED_NOTE if track.untrained else track.provenance.model
        return average_steps(track), np.asarray(track.time_s, np.float64), note
    times = np.arange(len(track), dtype=np.float64) if time_s is None else np.asarray(time_s, np.float64)
    if not len(track) or len(times) != len(track):
        raise FigureError(
            f"expected as many times as vectors and at least one, found {len(times)} and {len(track)}: give both"
        )
    starts = np.arange(0, len(track), _block(len(track), 1))
    sizes = np.diff(np.append(starts, len(track)))[:, None]
    return np.add.reduceat(track.astype(np.float32), starts, axis=0) / sizes, times, ""


def _add_strip(axes: Axes, frames: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> float:
    """Pictures over the matrix, each at its part of the time; returns the height that they take, in inches."""
    if not len(frames):
        return 0.0
    shape = np.median([picture.shape[:2] for picture in frames], axis=0)
    high = size_in_inches(axes)[0] / len(frames) * float(shape[0] / shape[1])
    strip = make_axes_locatable(axes).append_axes("top", size=high, pad=_GAP)
    for position, pixels in enumerate(frames):
        strip.imshow(pixels, extent=(position + 0.02, position + 0.98, 0, 1), aspect="auto")
    strip.set_xlim(0, len(frames))
    strip.set_ylim(0, 1)
    strip.set_axis_off()
    return high + _GAP


def _add_color_bar(axes: Axes, image: AxesImage) -> None:
    figure = axes.get_figure()
    assert figure is not None
    place = axes.inset_axes((1 + _BAR_GAP / size_in_inches(axes)[0], 0.7, _BAR / size_in_inches(axes)[0], 0.3))
    bar = figure.colorbar(image, cax=place, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["opposite", "unrelated", "alike"], color=INK, fontsize=8.5)
    bar.ax.tick_params(length=0, colors=MUTED)
    bar.outline.set_visible(False)
