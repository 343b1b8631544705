"""The bundled recording cut into short ones: the same pixels, times from zero, labels that fit."""

import numpy as np
import pytest

import vp_science as vp
from vp_science.errors import SettingsError
from vp_science.samples import sample_annotations, sample_parts


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return sample_parts(tmp_path_factory.mktemp("parts") / "made")


def test_all_parts_together_are_the_recording(parts):
    paths, _ = parts
    assert [path.name for path in paths] == [f"fly_{number:02d}.mp4" for number in range(1, 13)]
    assert sorted(paths[0].parent.iterdir()) == paths
    with vp.open_recording(vp.sample_recording()) as whole:
        for number in (0, 6, 11):
            with vp.open_recording(paths[number]) as part:
                assert part.num_frames == 250
                np.testing.assert_allclose(part.time_s, np.arange(250) / 25, atol=1e-9)
                for frame in (0, 1, 249):
                    np.testing.assert_array_equal(part.read(frame), whole.read(250 * number + frame))


def test_labels_are_those_of_the_recording(parts):
    paths, labels = parts
    whole = sample_annotations()
    assert labels.recordings == tuple(path.stem for path in paths)
    assert labels.behaviors == whole.behaviors
    assert labels.observed[["start_s", "stop_s"]].to_numpy().tolist() == [[0, 10]] * 12
    at = np.arange(0.02, 120, 0.04)  # the middle of every frame

    def states(bouts, shift):
        starts, stops = bouts["start_s"].to_numpy() + shift, bouts["stop_s"].to_numpy() + shift
        return {
            name: ((starts <= at[:, None]) & (at[:, None] < stops))[:, bouts["behavior"] == name].any(axis=1)
            for name in whole.behaviors.names
        }

    together = labels.bouts.assign(recording=[int(name[-2:]) for name in labels.bouts["recording"]])
    found = states(together, 10.0 * (together["recording"].to_numpy() - 1))
    for name, expected in states(whole.bouts, 0.0).items():
        np.testing.assert_array_equal(found[name], expected)


def test_a_few_parts(tmp_path):
    paths, labels = sample_parts(tmp_path, 1)
    assert [path.name for path in paths] == ["fly_01.mp4"]
    assert labels.recordings == ("fly_01",)


@pytest.mark.parametrize("count", [0, 13])
def test_there_are_only_twelve(tmp_path, count):
    with pytest.raises(SettingsError, match=f"count: expected 1 to 12 parts of 10 s, found {count}"):
        sample_parts(tmp_path / "none", count)
    assert not (tmp_path / "none").exists()
