import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from video_synthetic import number_of, write_video

from vp_science.video.open import open_recording
from vp_science.video.prefetch import prefetch


def alive() -> int:
    return sum(thread.name == "vp_science-prefetch" for thread in threading.enumerate())


def test_order_and_end() -> None:
    assert list(prefetch(range(100), depth=3)) == list(range(100))
    assert alive() == 0


def test_it_runs_ahead_but_not_too_far() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i

    items = prefetch(source(), depth=4)
    assert next(items) == 0
    time.sleep(0.2)
    assert 4 <= len(made) <= 6
    items.close()
    assert alive() == 0


def test_exceptions_come_in_place() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("disk")

    items = prefetch(source())
    assert next(items) == 1
    with pytest.raises(OSError, match="disk"):
        next(items)
    assert alive() == 0


def test_closing_early_closes_the_source_at_once() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    items = prefetch(source(), depth=2)
    next(items)
    start = time.monotonic()
    items.close()
    assert time.monotonic() - start < 1
    assert closed.is_set()
    assert alive() == 0


def test_nothing_starts_before_the_first_item() -> None:
    items = prefetch(range(3))
    assert alive() == 0
    items.close()
    with pytest.raises(ValueError, match="depth"):
        prefetch(range(3), depth=0)


def test_with_a_recording(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4")
    recording = open_recording(tmp_path / "a.mp4")
    frames = prefetch(recording.decode(np.arange(0, 60, 7)), depth=4)
    assert [number_of(frame.pixels) for frame in frames] == list(range(0, 60, 7))
