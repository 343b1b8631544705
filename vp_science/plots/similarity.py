"""What an embedding track looks like: every moment compared with every other."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from vp_science.plots.style import INK, MUTED, new_figure
from vp_science.recordings import Recording
from vp_science.store.tables import EmbeddingTable

_MAX_CELLS = 1500
_SIDE, _LEFT, _RIGHT, _BOTTOM, _TOP, _GAP = 7.0, 0.75, 1.15, 0.65, 0.75, 0.1  # inches


def self_similarity(track: Float[np.ndarray, "time dim"]) -> Float[np.ndarray, "time time"]:
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
    stride = embeddings.provenance.stride
    block = stride * -(-len(embeddings) // (stride * _MAX_CELLS))
    starts = range(0, len(embeddings), block)
    return np.stack([np.asarray(embeddings.track[i : i + block], np.float32).mean(axis=(0, 1)) for i in starts])


def plot_self_similarity(
    embeddings: EmbeddingTable, recording: Recording, path: Path, *, num_thumbnails: int = 10, title: str = ""
) -> None:
    """Draw a strip of frames over the self-similarity matrix of the track, with one time axis for both.

    Args:
        embeddings: the track.
        recording: what it was made from; the frames of the strip are read from it.
        path: the picture to write; its ending decides the format.
        num_thumbnails: frames in the strip.
        title: over the figure.
    """
    time_s = np.asarray(embeddings.time_s)
    first_s, last_s = float(time_s[0]), float(time_s[-1])
    thumbnails = _thumbnails(embeddings, recording, num_thumbnails)
    strip = _SIDE / num_thumbnails * thumbnails[0].shape[0] / thumbnails[0].shape[1]
    width, height = _LEFT + _SIDE + _RIGHT, _BOTTOM + _SIDE + _GAP + strip + _TOP
    figure = new_figure(width, height)

    def place(left: float, bottom: float, wide: float, high: float) -> Any:
        return figure.add_axes((left / width, bottom / height, wide / width, high / height))

    _draw_strip(place(_LEFT, _BOTTOM + _SIDE + _GAP, _SIDE, strip), thumbnails)
    image = _draw_matrix(
        place(_LEFT, _BOTTOM, _SIDE, _SIDE), self_similarity(average_steps(embeddings)), first_s, last_s
    )
    _draw_legend(figure, image, place(_LEFT + _SIDE + 0.15, _BOTTOM + _SIDE - 2.0, 0.14, 2.0))
    top = height - 0.3
    figure.text(_LEFT / width, top / height, title, color=INK, fontsize=12.5, weight="bold")
    note = "untrained encoder: its weights are random numbers" if embeddings.untrained else embeddings.provenance.model
    figure.text(_LEFT / width, (top - 0.24) / height, note, color=MUTED, fontsize=9.5)
    figure.savefig(path)


def _thumbnails(embeddings: EmbeddingTable, recording: Recording, count: int) -> list[UInt8[np.ndarray, "h w 3"]]:
    middles = ((np.arange(count) + 0.5) / count * len(embeddings)).astype(int)
    nothing = np.zeros((recording.height, recording.width, 3), np.uint8)  # a followed animal is not there
    shown = np.asarray(embeddings.shown_index)[middles].tolist()
    return [recording.read(index) if index >= 0 else nothing for index in shown]


def _draw_strip(axes: Any, thumbnails: list[UInt8[np.ndarray, "h w 3"]]) -> None:
    for position, pixels in enumerate(thumbnails):
        axes.imshow(pixels, extent=(position + 0.02, position + 0.98, 0, 1), aspect="auto")
    axes.set_xlim(0, len(thumbnails))
    axes.set_ylim(0, 1)
    axes.set_axis_off()


def _draw_matrix(axes: Any, similarity: Float[np.ndarray, "time time"], first_s: float, last_s: float) -> Any:
    last_s = last_s if last_s > first_s else first_s + 1  # a single frame still needs an axis
    extent = (first_s, last_s, last_s, first_s)
    image = axes.imshow(
        similarity, cmap="magma", vmin=-1, vmax=1, extent=extent, aspect="auto", interpolation="nearest"
    )
    axes.set_xlabel("time (s)", color=INK)
    axes.set_ylabel("time (s)", color=INK)
    axes.tick_params(colors=MUTED)
    for side in axes.spines.values():
        side.set_visible(False)
    return image


def _draw_legend(figure: Any, image: Any, axes: Any) -> None:
    bar = figure.colorbar(image, cax=axes, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["opposite", "unrelated", "alike"], color=MUTED)
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)
