"""Small videos whose pictures say their own frame number, and a source whose speed the test decides."""

import threading
from fractions import Fraction

import av
import numpy as np

import vp_science as vp

BITS = 8
WIDTH, HEIGHT = 128, 48


def picture_of(number):
    """Eight bars, dark or bright: the number in binary."""
    row = np.repeat([220 if number >> bit & 1 else 30 for bit in range(BITS)], WIDTH // BITS)
    return np.repeat(np.tile(row, (HEIGHT, 1))[..., None], 3, axis=2).astype(np.uint8)


def number_in(pixels):
    """The number that a picture says."""
    grey = np.asarray(pixels).mean(axis=2)
    bar = WIDTH // BITS
    return sum(1 << bit for bit in range(BITS) if grey[8:40, bit * bar + 4 : (bit + 1) * bar - 4].mean() > 125)


def write_clip(path, num_frames=120, gop=40, ticks=None, rate=25):
    """A clip; ``ticks`` are its presentation times in 1/1000 s."""
    ticks = (np.arange(num_frames) * 1000 // rate) if ticks is None else np.asarray(ticks)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.gop_size = gop
        for number, tick in enumerate(ticks.tolist()):
            frame = av.VideoFrame.from_ndarray(picture_of(number % 256), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def damage(path, frame):
    """Overwrite the stored data of one frame."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        packet = sorted(packets, key=lambda packet: packet.pts)[frame]
        place, size = packet.pos, packet.size
    with path.open("r+b") as file:
        file.seek(place + 8)
        file.write(b"\xa5" * (size - 8))


class _Cache:
    num_bytes, most_bytes = 1000, 100_000

    def __len__(self):
        return 1


class HeldSource:
    """A source that decodes a frame only when the test lets it; all other frames come at once."""

    def __init__(self, num_frames=200, size=(HEIGHT, WIDTH), seconds=1.0):
        self.time_s = np.arange(num_frames) / 25
        self.num_frames = num_frames
        self.height, self.width = size
        self.cache = _Cache()
        self.reached = -1
        self.closed = False
        self.shows_copy = False
        self.held: dict[int, threading.Event] = {}
        self.begun: dict[int, threading.Event] = {}
        self.broken: set[int] = set()
        self.asked: list[int] = []
        self.given_up: list[int] = []
        self.passing: dict[int, list[int]] = {}
        self.seconds = seconds

    def hold(self, frame):
        """Keep a frame back until ``let``."""
        self.held[frame], self.begun[frame] = threading.Event(), threading.Event()

    def let(self, frame):
        self.held[frame].set()

    def expected_s(self, frame):
        return self.seconds

    def jump_s(self):
        return self.seconds

    def key_distance(self):
        return 100

    def cached(self, frame):
        return frame in self.passing.get(-1, [])

    def preview(self, frame, interrupt):
        return self._frame(frame, frame - frame % 100) if frame % 100 else None

    def exact(self, frame, interrupt=lambda: False):
        self.asked.append(frame)
        if frame in self.broken:
            raise vp.VPScienceError(f"frame {frame} is broken")
        for passed in self.passing.get(frame, []):
            self.reached = passed
            self.passing.setdefault(-1, []).append(passed)
            if interrupt():
                return None
        if frame in self.held:
            self.begun[frame].set()
            while not self.held[frame].wait(0.005):
                if interrupt():
                    self.given_up.append(frame)
                    return None
        return self._frame(frame, frame)

    def fetch(self, frame, interrupt):
        return self.exact(frame, interrupt) is not None

    def close(self):
        self.closed = True

    def _frame(self, frame, shown):
        pixels = np.broadcast_to(picture_of(shown % 256)[:1, :1], (self.height, self.width, 3))
        return vp.sessions.DecodedFrame(frame, shown, np.ascontiguousarray(pixels))
