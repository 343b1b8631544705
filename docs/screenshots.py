"""Makes the pictures of the panel in docs/images/panel: the whole story on the bundled recording, in a real window.

usage: python docs/screenshots.py [--out FOLDER] [--themes dark light] [--only NAME ...]

Without a screen (Linux) it starts a virtual one. The tracks, labels and probe behind the pictures are made anew, in a
temporary folder, with the small encoder that comes with the package.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import vp_science as vp

WIDTH, HEIGHT = 1280, 800
LIGHT = ("label", "map", "review")
"""What is shown in the light theme too."""
LABELLED_S = 70.0
RECORDINGS = ("fly_1", "fly_2")


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images" / "panel")
    parser.add_argument("--themes", nargs="+", default=["dark", "light"])
    parser.add_argument("--only", nargs="+", default=[])
    arguments = parser.parse_args()
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        sys.exit(on_virtual_screen())
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "settings.yaml")
        os.environ["VP_SCIENCE_CONFIG"] = str(Path(folder) / "config")
        Story(Path(folder) / "study", arguments.out, arguments.themes, arguments.only).run()


def on_virtual_screen() -> int:
    """Run this script again where there is a screen; the screen outlives the window, as Qt wants it."""
    from pyvirtualdisplay.display import Display

    with Display(size=(WIDTH, HEIGHT)):
        return subprocess.run([sys.executable, *sys.argv]).returncode


class Story:
    """Opens, embeds, labels, trains and looks around, and takes a picture at every stop."""

    def __init__(self, folder: Path, out: Path, themes: list[str], only: list[str]) -> None:
        import napari
        from napari_vp_science.commands import open_workbench
        from qtpy.QtWidgets import QApplication

        self.folder, self.out, self.themes, self.only = folder, out, themes, only
        folder.mkdir()
        for name in RECORDINGS:
            shutil.copy(vp.sample_recording(), folder / f"{name}.mp4")
        self.viewer = napari.Viewer()
        self.application = QApplication.instance()
        self.bench = open_workbench(self.viewer)
        window = self.bench.window()
        window.setGeometry(0, 0, WIDTH, HEIGHT)
        self.state = self.bench.state

    def run(self) -> None:
        """All of it."""
        self.pause(1)
        self.bench.open_recordings([self.folder / f"{name}.mp4" for name in RECORDINGS])
        self.until(lambda: self.state.current == RECORDINGS[0] and self.state.link.exact)
        self.embed()
        self.label()
        self.train()
        self.review()
        self.map()
        self.find()
        self.bench.close_view()
        self.viewer.close()

    # ---- stops

    def embed(self) -> None:
        """Recordings become tracks."""
        page = self.bench.embed
        self.bench.pages.setCurrentWidget(page)
        page.form.load(page.form.settings() | {"model": "videoprism-tiny", "fps": 5.0})
        self.pause(1)
        page.start()
        self.until(lambda: page.run.bar.value() > 0.15 * page.run.bar.maximum() > 0)
        self.shoot("embed")
        self.until(lambda: not page.running)

    def label(self) -> None:
        """The list of recordings, labels, and the keys."""
        book = self.state.labels
        truth = vp.read_annotations(vp.sample_recording().with_name("flies_male_crop.labels.csv"))
        truth = truth.renamed(dict.fromkeys(truth.recordings, RECORDINGS[0]))
        bouts = truth.bouts[truth.bouts["stop_s"] < LABELLED_S]
        book.merge(vp.Annotations.of(bouts, truth.observed.assign(stop_s=LABELLED_S), truth.behaviors))
        self.bench.pages.setCurrentWidget(self.bench.recordings)
        self.pause(2)
        self.shoot("recordings")
        self.bench.pages.setCurrentWidget(self.bench.labels)
        self.bench.labels.set_labelling(True)
        self.state.link.go_s(52.4)
        self.state.choose_bout(next(b.id for b in book.bouts(RECORDINGS[0]) if b.behavior == "wing extension"))
        self.shoot("label")
        self.bench.labels.show_keys()
        self.pause(1)
        self.save(self.bench.labels.dialog.grab(), "keys")
        self.bench.labels.dialog.close()
        self.bench.labels.set_labelling(False)

    def train(self) -> None:
        """A probe, its predictions and its scores."""
        page = self.bench.train
        self.bench.pages.setCurrentWidget(page)
        self.until(page.train.isEnabled)
        page.train.click()
        self.until(lambda: RECORDINGS[0] in self.state.predictions and not page.trainer.busy)
        self.until(lambda: page.scores is not None)
        self.state.link.go_s(84)
        self.shoot("train")
        page.show_scores()
        self.pause(1)
        self.save(page.dialog.grab(), "scores")
        page.dialog.close()

    def review(self) -> None:
        """The three parts of the review page."""
        page = self.bench.review
        self.bench.pages.setCurrentWidget(page)
        self.until(lambda: page.review.queue is not None and page.review.queue.current is not None)
        page.review.replay()
        self.until(lambda: self.state.link.playing)
        self.pause(1)
        self.state.link.stop()
        self.shoot("review")
        page.tabs.setCurrentWidget(page.look_next)
        self.pause(1)
        page.look_next.start()
        self.pause(12)
        self.state.link.stop()
        self.shoot("look_next")
        page.tabs.setCurrentWidget(page.truth)
        self.pause(1)
        page.truth.number.setValue(6)
        page.truth.draw()
        self.pause(3)
        self.shoot("ground_truth")
        page.truth.start_anew()
        page.tabs.setCurrentWidget(page.review)

    def map(self) -> None:
        """The map, a choice on it, and the montage of that."""
        page = self.bench.map
        self.bench.pages.setCurrentWidget(page)
        self.bench.timeline.fit()
        self.until(page.make.isEnabled)
        page.make_map()
        self.until(lambda: (self.state.session.folder / "maps" / "map.map.h5").is_file())
        self.until(lambda: page.points is not None and not page.maker.runner.running)
        self.pause(1)
        across = page.points.made.coordinates[:, 0]
        page.choose(np.asarray(across > np.quantile(across, 0.85)))
        self.shoot("map")
        self.bench.pages.setCurrentWidget(self.bench.montage)
        self.pause(5)
        self.shoot("montage")

    def find(self) -> None:
        """Moments like this one."""
        page = self.bench.find
        self.bench.pages.setCurrentWidget(page)
        self.state.link.go_s(52.4)
        page.find()
        self.until(lambda: page.model.rowCount() > 0)
        self.pause(3)
        self.shoot("find")

    # ---- pictures

    def shoot(self, name: str) -> None:
        """A picture of the whole window, in every theme that shows it."""
        for theme in self.themes:
            if theme == "light" and name not in LIGHT:
                continue
            self.viewer.theme = theme
            self.pause(1)
            self.save(self.bench.window().grab(), name if theme == "dark" else f"{name}_{theme}")
        self.viewer.theme = self.themes[0]

    def save(self, pixmap: object, name: str) -> None:
        """Keep a picture; 255 colors are enough for an interface, and a quarter of the bytes."""
        if self.only and name not in self.only:
            return
        path = self.out / f"{name}.png"
        pixmap.save(str(path))
        with Image.open(path) as picture:
            small = picture.convert("RGB").quantize(255, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
        print(path)

    def pause(self, seconds: float) -> None:
        """Let the window work."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.application.processEvents()
            time.sleep(0.005)

    def until(self, condition: Callable[[], bool], seconds: float = 300) -> None:
        """Let the window work until something is so."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError("the panel did not come to where a picture was wanted")
            self.pause(0.05)


if __name__ == "__main__":
    main()
