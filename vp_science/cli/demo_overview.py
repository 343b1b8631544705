"""The picture of the demo: frames, ethogram and map of one recording on one page."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

if TYPE_CHECKING:
    from vp_science.cli.demo_report import DemoResults
    from vp_science.pictures import PictureBook
    from vp_science.plots.style import Page

# In inches.
_LEFT, _WIDE, _HIGH, _EDGE = 1.45, 9.2, 8.0, 0.45
_STRIP, _KEY, _ROW = 0.87, 0.4, 0.34
_MAP, _MAP_WIDE = 3.55, 4.8

_FRAMES = 10


def draw_overview(results: "DemoResults", book: "PictureBook", path: Path) -> Path:
    """Draw ten frames over the ethogram, on one axis of time, and two maps of the windows below.

    Args:
        results: of the demo.
        book: shows frames of its recording.
        path: of the picture; its ending decides the format.
    """
    from vp_science.cli.demo_report import whole_prediction
    from vp_science.plots import embedding_map, ethogram
    from vp_science.plots.style import MUTED, Page

    made, names = results.made, results.labels.behaviors.names
    page = Page(_LEFT + _WIDE + 0.3, _HIGH)
    page.text(0.3, 0.2, "Two minutes of a courting fruit fly", fontsize=14, weight="bold")
    note = "frames; labels; and below them what a probe that never saw this time made of the embeddings"
    page.text(0.3, 0.52, note, color=MUTED)
    top = 0.9
    _strip(page, [book.frame(results.track.recording_id, s, 160) for s in _middles(results)], top)
    top += _STRIP + _KEY
    rows = page.axes(_LEFT, top, _WIDE, _ROW * len(names))
    ethogram(results.labels, whole_prediction(results.evaluation), headed=False, axes=rows)
    rows.set_xlim(float(results.track.time_s[0]), float(results.track.time_s[-1]))
    top += _ROW * len(names) + 0.8
    page.text(0.3, top, "Every window a point: near points look alike", fontsize=12, weight="bold")
    middles = (made.start_s + made.stop_s) / 2
    pictures = {
        int(point): book.frame(results.track.recording_id, float(middles[point]), 96)
        for point in made.clusters["medoid"]
        if point >= 0
    }
    maps: list[tuple[str, dict[str, Any]]] = [
        ("what the fly does, by the labels", {"color": "behavior", "labels": results.labels}),
        ("clusters, found without labels, and the most typical moment of each", {"thumbnails": pictures}),
    ]
    for number, (words, options) in enumerate(maps):
        axes = page.axes(_EDGE + number * (_MAP_WIDE + _EDGE), top + 0.55, _MAP_WIDE, _MAP)
        embedding_map(made, title="", note=words, axes=axes, **options)
        legend = axes.get_legend()
        if legend is not None:  # the names stand in the map
            legend.remove()
    return page.save(path)


def _middles(results: "DemoResults") -> list[float]:
    """The middles of equal parts of the time of the track, in seconds."""
    edges = np.linspace(float(results.track.time_s[0]), float(results.track.time_s[-1]), _FRAMES + 1)
    return [float(time_s) for time_s in (edges[:-1] + edges[1:]) / 2]


def _strip(page: "Page", frames: list[UInt8[np.ndarray, "_ _ 3"]], top: float) -> None:
    """Frames side by side over the axis of time, each as wide as the time for which it stands."""
    side = _WIDE / len(frames)
    for number, frame in enumerate(frames):
        axes = page.axes(_LEFT + number * side + 0.02, top, side - 0.04, _STRIP)
        axes.imshow(frame, interpolation="antialiased")
        axes.set_axis_off()
