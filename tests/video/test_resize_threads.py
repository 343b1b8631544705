"""More threads are faster and change no pixel: resumed runs and other machines see the same frames."""

import numpy as np
import pytest

from vp_science.samples import sample_recording
from vp_science.video import resize
from vp_science.video.open import open_recording
from vp_science.video.preprocess import Preprocess


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_the_number_of_threads_changes_no_pixel(threads, monkeypatch):
    def frames(count):
        monkeypatch.setattr(resize, "_THREADS", count)
        with open_recording(sample_recording()) as recording:
            wanted = np.arange(0, 40, 4)
            return [frame.pixels for frame in recording.decode(wanted, Preprocess(90, 126, "crop"))]

    np.testing.assert_array_equal(frames(threads), frames(1))
