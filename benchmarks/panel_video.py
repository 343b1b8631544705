"""How the panel's video feels: how long a jump blocks the window, when the exact frame is there, steps, playing.

python benchmarks/panel_video.py [VIDEO ...]     # without: the bundled clip, and a noisy 1080p video with a key frame
                                                 # every 250 frames, made for the purpose

Opens a window of 1280 x 800 (under Xvfb where there is no screen: xvfb-run -a python benchmarks/panel_video.py). The
copy of each video that jumps quickly is measured, too, when jumps in the video itself take over 300 ms.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import napari
import numpy as np
from napari_vp_science.state import PanelState
from napari_vp_science.video.stage import SLOW_S, Stage
from napari_vp_science.video.transport import TransportBar
from qtpy.QtCore import QCoreApplication

import vp_science as vp
from vp_science.sessions.worker import Reporter, run_job

JUMPS, STEPS, PLAY_S = 30, 60, 4.0


class Window:
    """A viewer with a stage; waits by running the event loop, and notes how long one round of it takes at most."""

    def __init__(self, cache: Path) -> None:
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1280, 800)
        self.stage = Stage(PanelState(self.viewer))
        self.bar = TransportBar(self.stage.state)
        self.viewer.window.add_dock_widget(self.bar, area="bottom", name="Video")
        self.stage._cache = lambda: cache
        self.worst_s = self.worst_cpu_s = 0.0

    def wait(self, until: Callable[[], bool], most_s: float = 30.0) -> float:
        begun = time.perf_counter()
        while not until() and time.perf_counter() - begun < most_s:
            self.round()
        return time.perf_counter() - begun

    def round(self) -> None:
        begun, cpu = time.perf_counter(), time.thread_time()
        QCoreApplication.processEvents()
        self.worst_s = max(self.worst_s, time.perf_counter() - begun)
        self.worst_cpu_s = max(self.worst_cpu_s, time.thread_time() - cpu)
        time.sleep(0.0005)

    def rest(self, seconds: float) -> None:
        self.wait(lambda: False, seconds)


def ms(values: list[float]) -> str:
    return (
        f"median {np.median(values) * 1e3:.0f}, 95% {np.percentile(values, 95) * 1e3:.0f}, max {max(values) * 1e3:.0f}"
    )


def drawing(window: Window) -> None:
    """What napari needs to draw a frame that is there already: no reader can be quicker."""
    link, took, rounds = window.stage.link, [], []
    link.go(5)
    window.wait(lambda: link.exact)
    window.rest(0.5)
    for frame in (6, 5) * 10:
        window.worst_s = 0.0
        begun = time.perf_counter()
        link.go(frame)
        took.append(time.perf_counter() - begun)
        for _ in range(3):
            window.round()
        rounds.append(window.worst_s)
    print(f"  drawing alone: set {ms(took)} ms; paint {ms(rounds)} ms")


def jumps(window: Window) -> None:
    """Blocked is one call of ``go`` or one round of events, whichever is longer; drawing is in both."""
    link, blocked, cpu, go, preview, exact = window.stage.link, [], [], [], [], []
    for frame in np.random.default_rng(0).integers(0, link.num_frames, JUMPS).tolist():
        window.worst_s = window.worst_cpu_s = 0.0
        before = link.on_screen.shown_index
        begun, begun_cpu = time.perf_counter(), time.thread_time()
        link.go(frame)
        took, took_cpu = time.perf_counter() - begun, time.thread_time() - begun_cpu
        window.wait(lambda b=before: link.exact or link.on_screen.shown_index != b)
        preview.append(time.perf_counter() - begun)
        window.wait(lambda: link.exact)
        exact.append(time.perf_counter() - begun)
        go.append(took)
        blocked.append(max(took, window.worst_s))
        cpu.append(max(took_cpu, window.worst_cpu_s))
        window.rest(0.05)
    print(f"  {JUMPS} random jumps: go() {ms(go)} ms; window blocked {ms(blocked)} ms (CPU time {ms(cpu)} ms)")
    print(f"    something nearer shows after {ms(preview)} ms; the exact frame after {ms(exact)} ms")


def drag(window: Window) -> None:
    """The slider pulled through the recording in two seconds."""
    link, begun, late = window.stage.link, time.perf_counter(), []
    for frame in np.linspace(0, link.num_frames - 1, 120).astype(int).tolist():
        link.go(frame)
        due = begun + 2.0 * frame / max(1, link.num_frames - 1)
        window.round()
        while time.perf_counter() < due:
            window.round()
        late.append(max(0.0, time.perf_counter() - due))
    settled = window.wait(lambda: link.exact)
    print(f"  drag of 120 values in 2 s: behind by {ms(late)} ms; the last frame exact after {settled * 1e3:.0f} ms")


def steps(window: Window) -> None:
    link = window.stage.link
    link.go(link.num_frames // 2)
    window.wait(lambda: link.exact)
    window.rest(1.0)
    for name, by in (("on", 1), ("back", -1)):
        begun = time.perf_counter()
        for _ in range(STEPS):
            link.step(by)
            window.wait(lambda: link.exact)
            window.round()
        print(f"  {STEPS} steps {name}: {STEPS / (time.perf_counter() - begun):.0f} a second")


def plays(window: Window) -> None:
    link = window.stage.link
    for speed, every in ((1.0, False), (4.0, False), (8.0, False), (1.0, True)):
        link.set_speed(speed)
        link.set_every_frame(every)
        link.go(0)
        window.wait(lambda: link.exact)
        window.rest(0.5)
        seen: set[int] = set()
        link.shown.connect(lambda frame, exact, seen=seen: seen.add(frame))
        begun = time.perf_counter()
        link.play()
        window.wait(lambda: not link.playing, PLAY_S)
        passed, frame = time.perf_counter() - begun, link.frame
        link.stop()
        due = int(np.searchsorted(link.times_s, passed * speed)) - 1
        name, last = "every frame" if every else f"{speed:g}x", min(due, link.num_frames - 1)
        print(f"  playing {name} for {passed:.1f} s: at frame {frame} of {last}, {len(seen)} shown")
    link.set_every_frame(False)


def measure(window: Window, path: Path) -> None:
    begun = time.perf_counter()
    window.stage.show(path.stem, path)
    shown = time.perf_counter() - begun
    opened = window.wait(lambda: window.stage.state.current == path.stem)
    window.wait(lambda: window.stage.link.exact)
    window.rest(1.0)
    source = window.stage.decoder.source
    print(f"{path.name}{' (copy for viewing)' if source.shows_copy else ''}: {source.width} x {source.height}, "
          f"{source.num_frames} frames, up to {source.key_distance()} from a key frame to the next")  # fmt: skip
    print(f"  show() returned after {shown * 1e3:.0f} ms, open after {opened * 1e3:.0f} ms more")
    for part in (drawing, jumps, drag, steps, plays):
        part(window)
    jump = source.jump_s()
    print(f"  a far jump is said to take {jump * 1e3:.0f} ms; {source.cache.num_bytes >> 20} MiB in the cache")


def make_noisy(path: Path, num_frames: int = 600) -> Path:
    """1080p at 25 fps with moving noise, 8 Mbit/s, a key frame every 250 frames."""
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 60, (1080, 1920), dtype=np.uint8) for _ in range(8)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=25, options={"preset": "superfast", "b": "8M", "sc_threshold": "0"}
        )
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        stream.codec_context.gop_size = 250
        for number in range(num_frames):
            picture = np.roll(noise[number % 8], number * 7, axis=1)
            picture[300:700, 100 + 2 * number % 1500 : 400 + 2 * number % 1500] = 200
            luma = np.concatenate([picture, np.full((540, 1920), 128, np.uint8)])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(luma, format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        paths = [Path(name).resolve() for name in sys.argv[1:]]
        paths = paths or [vp.sample_recording(), make_noisy(Path(folder) / "noisy_1080p.mp4")]
        window = Window(cache)
        window.rest(2.0)
        for path in paths:
            measure(window, path)
            source = window.stage.decoder.source
            if (source.jump_s() or 0.0) > SLOW_S:
                begun = time.perf_counter()
                request = {"path": str(path), "cache_folder": str(cache)}
                made = run_job("reencode", request, Reporter(lambda event: None))
                rate = source.num_frames / (time.perf_counter() - begun)
                larger = made["num_bytes"] / path.stat().st_size
                print(f"  copy made at {rate:.0f} frames a second, {larger:.1f} times as large")
                window.stage.clear()
                measure(window, path)
        window.bar.close_view()
        window.stage.close_view()
        window.viewer.close()


if __name__ == "__main__":
    main()
