"""How long the ethogram of the napari panel takes to follow, with 50,000 bouts in an hour.

    python benchmarks/panel_timeline.py [--bouts 50000] [--behaviors 20] [--platform offscreen]

An hour at 30 frames a second, predictions for every frame and behavior, a window of 1280 x 220 pixels. Every figure is
the time from the call until the window is painted (median and 95th percentile): on the clock, which is what a hand on
the mouse feels, and the work of the window's thread, which is what remains of it on a machine that nobody else uses.
"""

import argparse
import os
import time
from types import SimpleNamespace

import numpy as np

ROUNDS = 60


def timed(name, run, rounds=ROUNDS):
    """Print median and 95th percentile of some rounds, in milliseconds: on the clock, and of work of this thread."""
    clocks, works = [], []
    for number in range(rounds):
        clock, work = time.perf_counter(), time.thread_time()
        run(number)
        works.append(1000 * (time.thread_time() - work))
        clocks.append(1000 * (time.perf_counter() - clock))
    figures = [np.percentile(values, share) for values in (clocks, works) for share in (50, 95)]
    print(f"{name:50}" + "".join(f"{figure:9.2f}" for figure in figures), flush=True)


def make_state(args):
    from napari.components import ViewerModel
    from napari_vp_science.state import PanelState
    from qtpy.QtCore import QObject, Signal

    import vp_science as vp

    class Link(QObject):
        moved = Signal(int)
        frame, playing = 0, False

        def go(self, frame):
            self.frame = frame
            self.moved.emit(frame)

    rng = np.random.default_rng(0)
    names = tuple(f"behavior {number}" for number in range(args.behaviors))
    book = vp.sessions.LabelBook()
    book.set_behaviors(vp.Behaviors.of(names))
    time_s = np.arange(108_000) / 30
    with book.step("labels"):
        book.observe("hour", 0, 2400)
        starts = np.sort(rng.uniform(0, 3500, args.bouts)).tolist()
        for start, length in zip(starts, (rng.exponential(1.0, args.bouts) + 1 / 30).tolist(), strict=True):
            behavior = names[int(rng.integers(len(names)))]
            source = ("manual:", "model:p", "curated:")[int(rng.integers(3))]
            book.add("hour", behavior, start, start + length, observe=False, source=source)
    state = PanelState(ViewerModel())
    state.session = SimpleNamespace(labels=book, settings={}, close=lambda: None)
    book.subscribe(state.labels_changed.emit)
    noise = np.repeat(rng.random((len(time_s) // 15, len(names)), np.float32), 15, axis=0)
    state.predictions["hour"] = predict(noise, time_s, names, 0.5)
    state.current, state.time_s, state.link = "hour", time_s, Link()
    return state


def predict(scores, time_s, names, threshold):
    from napari_vp_science.state import Prediction

    states = (scores > threshold).astype(np.int8)
    borders = np.diff(np.pad(states, ((1, 1), (0, 0))), axis=0).T
    edges_s = np.append(time_s, time_s[-1] + 1 / 30)
    begins, ends = np.nonzero(borders == 1), np.nonzero(borders == -1)
    bouts = np.stack([begins[0], edges_s[begins[1]], edges_s[ends[1]], np.full(len(ends[0]), 0.8)], axis=1)
    bouts = bouts[np.argsort(bouts[:, 1], kind="stable")]
    return Prediction("hour", "p", names, time_s, scores, states, bouts, "", dict.fromkeys(names, threshold))


def measure(state):
    from napari_vp_science.timeline.view import TimelineView
    from qtpy.QtWidgets import QApplication

    view = TimelineView(state)
    view.resize(1280, 220)
    view.show()
    QApplication.processEvents()
    book = state.labels

    def then_paint(change):
        def run(number):
            change(number)
            view.repaint()

        return run

    def playing(number):
        state.link.go(number * 7)
        QApplication.processEvents()

    def zooming(number):
        view.show_axis(view.scene.axis.zoomed(1.2 if number % 30 < 15 else 1 / 1.2, 1200.0))

    def panning(number):
        view.show_axis(view.scene.axis.panned(60.0 if number % 30 < 15 else -60.0))

    def editing(number):
        if number % 2:
            book.undo()
        else:
            at = 100.0 + number
            book.add("hour", "behavior 1", at, at + 2)

    first = state.predictions["hour"]
    others = [predict(first.scores, first.time_s, first.behaviors, 0.4 + 0.05 * number) for number in range(5)]

    def thresholds(number):
        state.predictions["hour"] = others[number % len(others)]
        state.predictions_changed.emit()

    print(f"{'milliseconds':50}" + "".join(f"{word:>9}" for word in ("clock", "p95", "work", "p95")))
    timed("cursor moves (whole hour visible)", playing)
    timed("zoom step", then_paint(zooming))
    view.zoom_to(1200, 1800, 0)
    view.repaint()
    timed("pan step, 10 minutes visible", then_paint(panning))
    view.zoom_to(1200, 1230, 0)
    view.repaint()
    timed("pan step, 30 seconds visible", then_paint(panning))
    view.fit()
    view.repaint()
    timed("add a bout, undo it (whole hour visible)", then_paint(editing))
    timed("   of it in the label book alone", lambda number: book.undo() if number % 2 else book.redo())
    timed(f"another threshold ({len(first.bouts):,} predicted bouts)", then_paint(thresholds), 20)
    timed("choose another bout", then_paint(lambda number: view.choose(int(view.scene.table.id[number * 100]))))
    timed("everything anew (another recording)", then_paint(lambda _: state.recording_changed.emit("hour")), 20)
    with book.step("scored"):
        for number in range(len(book) // 2):
            book.observe("hour", number * 0.1, number * 0.1 + 0.05, behavior="behavior 3")
    view.repaint()
    print(f"with {len(book.observed('hour')):,} scored intervals:")
    timed("add a bout, undo it", then_paint(editing))
    view.close_view()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bouts", type=int, default=50_000)
    parser.add_argument("--behaviors", type=int, default=20)
    parser.add_argument("--platform", default="offscreen", help="of Qt: offscreen, or xcb with a DISPLAY")
    args = parser.parse_args()
    os.environ["QT_QPA_PLATFORM"] = args.platform
    from qtpy.QtWidgets import QApplication

    application = QApplication([])
    measure(make_state(args))
    application.quit()


if __name__ == "__main__":
    main()
