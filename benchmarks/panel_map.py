"""How fast the map of the panel is: ``python benchmarks/panel_map.py [points ...]`` (needs a display, or Xvfb).

Times are those of the thread of the window until the widget is painted, in milliseconds: median and 95th percentile.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from napari_vp_science.map.coloring import viridis
from napari_vp_science.map.scatter import PointColors, ScatterView
from qtpy.QtWidgets import QApplication

import vp_science as vp

REPEATS = 40
SIZES = ((380, 380), (1200, 900))


def clouds(count: int) -> np.ndarray:
    """Forty clouds of different sizes, as maps have them."""
    rng = np.random.default_rng(0)
    centers, sizes = rng.random((40, 2)) * 20, rng.random(40) * 0.8 + 0.1
    which = rng.integers(0, 40, count)
    return (centers[which] + rng.normal(size=(count, 2)) * sizes[which, None]).astype(np.float32)


def timed(name: str, step: Callable[[int], None], after: Callable[[], None]) -> None:
    """Time a step and the painting that follows it."""
    took = []
    for number in range(REPEATS):
        begin = time.perf_counter()
        step(number)
        after()
        took.append(1e3 * (time.perf_counter() - begin))
    print(f"  {name:<34}{np.median(took):8.1f}{np.percentile(took, 95):8.1f}")


def lasso(view: ScatterView, corners: int = 200) -> Callable[[int], None]:
    """A wobbly lasso around the middle third."""
    from qtpy.QtCore import QPointF

    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    reach = min(view.width(), view.height()) / 3 * (1 + 0.2 * np.sin(7 * angle))
    path = [
        QPointF(float(view.width() / 2 + r * np.cos(a)), float(view.height() / 2 + r * np.sin(a)))
        for r, a in zip(reach, angle, strict=True)
    ]
    return lambda number: view._enclose(path)


def measure(count: int, width: int, height: int) -> None:
    """All steps for so many points."""
    print(f"{count:,} points in {width} x {height} pixels" + " " * 6 + "median     p95")
    points, rng = clouds(count), np.random.default_rng(1)
    view = ScatterView()
    view.resize(width, height)
    view.show()
    QApplication.processEvents()
    view.lassoed.connect(lambda inside, mode: view.set_chosen(inside))
    colors = [PointColors(rng.integers(-1, 12, count).astype(np.int16), viridis(12)) for _ in range(2)]

    def paint() -> None:
        QApplication.processEvents()

    timed("other points (build)", lambda number: view.set_points(points), paint)
    view.set_colors(colors[0])
    timed("marker and trail", lambda n: view.set_marker(n, np.arange(max(n - 12, 0), n + 1)), paint)
    timed("pan by 5 pixels", lambda n: view._moved(view.view.moved(5 if n % 2 else -5, 3)), paint)
    timed("zoom step", lambda n: view._moved(view.view.zoomed(1.2 if n % 8 < 4 else 1 / 1.2, 100, 100)), paint)
    view.fit()
    timed("other colors", lambda n: view.set_colors(colors[n % 2]), paint)
    timed("lasso of 200 corners, until lit", lasso(view), paint)
    timed("what is under the mouse", lambda n: view.point_at(view.rect().toRectF().center()), lambda: None)
    view.close_view()
    view.close()


class OneRecording:
    """What the points of a map need of it."""

    def __init__(self, count: int) -> None:
        self.recording = np.zeros(count, np.int32)

    def __len__(self) -> int:
        return len(self.recording)


def measure_labels(count: int) -> None:
    """Points of one recording colored by 5,000 bouts: all of them, and after one edit."""
    start = np.arange(count) * 0.2
    points = vp.sessions.MapPoints(OneRecording(count), Path("map.h5"), ("a",), ("",), start, start + 0.2)
    book = vp.sessions.LabelBook()
    book.set_behaviors(vp.Behaviors.of([f"behavior {number}" for number in range(10)], exclusive=True))
    with book.step("begin"):
        for number in range(5000):
            at = count * 0.2 * number / 5000
            book.add("a", f"behavior {number % 10}", at, at + 1.0)
    edits: list[vp.sessions.Edit] = []
    book.subscribe(edits.append)
    print(f"{count:,} points of a recording with 5,000 bouts of 10 behaviors")
    timed("behavior of all points", lambda n: vp.sessions.point_behaviors(book, points), lambda: None)
    index = vp.sessions.point_behaviors(book, points)

    def edit(number: int) -> None:
        book.paint("a", "behavior 3", 7.0 * number, 7.0 * number + 2)
        rows = vp.sessions.edited_points(points, edits[-1])
        index[rows] = vp.sessions.point_behaviors(book, points, rows)

    timed("one bout more, with the edit itself", edit, lambda: None)
    moments = [("a", 50.0 * number, 50.0 * number + 3) for number in range(132)]

    def label(number: int) -> None:
        vp.sessions.label_moments(book, moments, f"behavior {number % 10}")

    timed("132 moments labelled", label, lambda: None)


if __name__ == "__main__":
    app = QApplication(sys.argv[:1])
    for number_of_points in [int(word) for word in sys.argv[1:]] or [50_000, 200_000]:
        for size in SIZES:
            measure(number_of_points, *size)
        measure_labels(number_of_points)
