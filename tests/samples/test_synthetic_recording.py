"""Drawn recordings: what is written is what was planned, frame by frame."""

import numpy as np
import pytest

import vp_science as vp
from vp_science.errors import SettingsError
from vp_science.samples.synthetic import synthetic_recording

SIZE, FPS, SECONDS, BOUT_S = 32, 10, 8.0, (1.0, 2.0)
BEHAVIORS = ("moving forward", "standing still", "rearing")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    made = {}
    for name in ("mouse.mp4", "mouse.h5"):
        made[name] = synthetic_recording(
            folder / name, seed=4, seconds=SECONDS, fps=FPS, size=SIZE, behaviors=BEHAVIORS, look="color", bout_s=BOUT_S
        )
    return made


def pixels(recording) -> np.ndarray:
    return np.stack([frame.pixels for frame in recording.decode(np.arange(recording.num_frames))]).astype(float)


@pytest.mark.parametrize("name", ["mouse.mp4", "mouse.h5"])
def test_a_recording_reads_back_with_its_frames_times_and_bouts(drawn, name):
    path, annotations = drawn[name]
    with vp.open_recording(path) as recording:
        assert recording.num_frames == SECONDS * FPS
        assert (recording.width, recording.height) == (SIZE, SIZE)
        np.testing.assert_allclose(recording.time_s, np.arange(SECONDS * FPS) / FPS, atol=1e-9)
        assert annotations.recordings == (recording.id,)
    bouts = annotations.bouts
    assert bouts["start_s"].iloc[0] == 0
    assert bouts["stop_s"].iloc[-1] == SECONDS
    assert np.array_equal(bouts["stop_s"][:-1], bouts["start_s"][1:]), "one thing after the other, without gaps"
    np.testing.assert_allclose(bouts["start_s"] * FPS, np.round(bouts["start_s"] * FPS), atol=1e-9)
    assert (bouts["stop_s"] - bouts["start_s"]).min() >= 1.0
    assert set(bouts["behavior"]) == set(BEHAVIORS)
    assert annotations.behaviors.names == BEHAVIORS
    assert annotations.behaviors.exclusive
    assert annotations.observed[["start_s", "stop_s"]].to_numpy().tolist() == [[0, SECONDS]]
    assert not list(path.parent.glob("*.tmp"))


def test_both_files_show_the_same(drawn):
    video, stored = (pixels(vp.open_recording(drawn[name][0])) for name in ("mouse.mp4", "mouse.h5"))
    assert np.abs(video - stored).mean() < 6, "compression changes little"
    one, two = (drawn[name][1].bouts.drop(columns="recording") for name in ("mouse.mp4", "mouse.h5"))
    assert one.equals(two)


def test_the_animal_moves_in_bouts_of_moving(drawn):
    path, annotations = drawn["mouse.h5"]
    frames = pixels(vp.open_recording(path))
    pairs = np.abs(np.diff(frames, axis=0)).mean(axis=-1)
    change = np.quantile(pairs.reshape(len(pairs), -1), 0.99, axis=1)
    middle = (np.arange(len(change)) + 1) / FPS
    named = np.full(len(change), "", object)
    for bout in annotations.bouts.itertuples():
        inside = (middle > bout.start_s + 0.3) & (middle < bout.stop_s - 0.3)
        named[inside] = bout.behavior
    moving, still = change[named == "moving forward"], change[named == "standing still"]
    assert np.median(moving) > 1.2 * np.median(still)


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(drawn, tmp_path):
    arguments = {
        "seconds": SECONDS,
        "fps": FPS,
        "size": SIZE,
        "behaviors": BEHAVIORS,
        "look": "color",
        "bout_s": BOUT_S,
    }
    again, annotations = synthetic_recording(tmp_path / "mouse.mp4", seed=4, **arguments)
    assert again.read_bytes() == drawn["mouse.mp4"][0].read_bytes()
    assert annotations.equals(drawn["mouse.mp4"][1])
    other, _ = synthetic_recording(tmp_path / "other.mp4", seed=5, **arguments)
    assert other.read_bytes() != again.read_bytes()


def test_a_disk_that_is_full_leaves_nothing(drawn, tmp_path, monkeypatch):
    from vp_science.samples.synthetic import recording

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recording, "_write_video", full)
    with pytest.raises(OSError, match="No space"):
        synthetic_recording(tmp_path / "a.mp4", seed=4, seconds=SECONDS, fps=FPS, size=SIZE, behaviors=BEHAVIORS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("a.txt", {}, "expected a name that ends in one of .mp4"),
        ("a.mp4", {"size": 33}, "size: expected an even number, found 33"),
        ("a.mp4", {"seconds": 0}, "seconds: expected more than 0"),
        ("a.mp4", {"seconds": float("inf")}, "seconds: expected more than 0"),
        ("a.mp4", {"bout_s": (0.1, 1.0)}, "bout_s: expected two rising numbers from 0.6"),
        ("a.mp4", {"behaviors": ()}, "behaviors: expected at least one"),
        ("a.mp4", {"behaviors": ("fighting",)}, "expected those of a single animal, found 'fighting'"),
        ("a.mp4", {"species": "zebra", "behaviors": ("turning around",)}, "found 'turning around', which"),
        ("a.mp4", {"species": "unicorn"}, "found 'unicorn'"),
    ],
)
def test_arguments_are_checked_before_anything_is_drawn(tmp_path, name, values, message):
    with pytest.raises(SettingsError, match=message):
        synthetic_recording(tmp_path / name, **values)
    assert list(tmp_path.iterdir()) == []
