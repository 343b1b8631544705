"""Group sizes follow the memory of the device."""

from types import SimpleNamespace

import jax
import pytest
from flax import nnx

from vp_science.encoder.config import BASE, EncoderConfig
from vp_science.encoder.video import VideoEncoder
from vp_science.stream import MAX_GROUP, Execution, choose_execution
from vp_science.video.preprocess import Preprocess

GIB = 1 << 30


@pytest.fixture(scope="module")
def base():
    encoder = VideoEncoder(EncoderConfig(18, (4, 2, 2), 32, 1, 1, 2, 64), rngs=nnx.Rngs(0))
    encoder.config = BASE  # its sizes matter here, its weights do not
    return encoder


def pretend(monkeypatch, free_bytes):
    stats = {"bytes_limit": free_bytes + GIB, "bytes_in_use": GIB}
    gpu = SimpleNamespace(platform="gpu", memory_stats=lambda: stats)
    monkeypatch.setattr(jax, "devices", lambda: [gpu])


@pytest.mark.parametrize(("free_gib", "frames", "windows"), [(1, 16, 1), (8, 128, 8), (70, MAX_GROUP, 16)])
def test_groups_grow_with_free_memory(base, monkeypatch, free_gib, frames, windows):
    pretend(monkeypatch, free_gib * GIB)
    chosen = choose_execution(base, Preprocess(), 16)
    assert (chosen.frames_per_group, chosen.windows_per_group) == (frames, windows)
    assert chosen.windows_per_segment <= MAX_GROUP


def test_larger_frames_make_smaller_groups(base, monkeypatch):
    pretend(monkeypatch, 8 * GIB)
    native = choose_execution(base, Preprocess(), 16)
    large = choose_execution(base, Preprocess(576, 576), 16)
    assert large.frames_per_group < native.frames_per_group


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"frames_per_group": 8, "windows_per_group": 1},
        {"frames_per_group": 8, "windows_per_group": 1, "groups_per_segment": 0},
        {"frames_per_group": 8, "windows_per_group": 1, "groups_per_segment": 1 << 40},
        {"frames_per_group": True, "windows_per_group": 1, "groups_per_segment": 1},
        {"frames_per_group": 8, "windows_per_group": 1, "groups_per_segment": 1, "more": 1},
    ],
    ids=str,
)
def test_recorded_sizes_that_make_no_sense_are_not_followed(record):
    assert Execution.from_json(record) is None


def test_recorded_sizes_are_read_back():
    record = {"frames_per_group": 8, "windows_per_group": 2, "groups_per_segment": 4}
    assert Execution.from_json(record) == Execution(8, 2, 4)
