"""What a training is measured against, how fast it goes, and what it would take."""

from types import SimpleNamespace

import pytest

from vp_science.train import progress
from vp_science.train.progress import Speedometer
from vp_science.train.speed import find_peak, measure_peak


def device(kind, platform="gpu", process=0):
    return SimpleNamespace(device_kind=kind, platform=platform, process_index=process)


@pytest.mark.parametrize(
    ("kind", "precision", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989),
        ("NVIDIA H100 80GB HBM3", "float32", 67),
        ("NVIDIA H100 PCIe", "bfloat16", 756),
        ("NVIDIA H100 NVL", "bfloat16", 835),
        ("NVIDIA H200", "bfloat16", 989),
        ("NVIDIA A100-SXM4-80GB", "bfloat16", 312),
        ("NVIDIA A100 80GB PCIe", "float32", 19.5),
        ("NVIDIA A10", "bfloat16", 125),
        ("NVIDIA L4", "bfloat16", 121),
        ("NVIDIA L40S", "bfloat16", 362),
        ("NVIDIA GeForce RTX 3090", "bfloat16", 71),
        ("Tesla V100-SXM2-16GB", "float32", 15.7),
        ("TPU v4", "bfloat16", 275),
        ("TPU v5 lite", "bfloat16", 197),
        ("TPU v5p", "bfloat16", 459),
        ("TPU v6 lite", "bfloat16", 918),
    ],
)
def test_peaks_are_those_of_the_data_sheets(kind, precision, tera):
    peak, words = find_peak([device(kind)] * 4, precision)
    assert peak == pytest.approx(4 * tera * 1e12)
    assert kind in words
    assert "data sheet" in words


@pytest.mark.parametrize(
    ("kind", "precision"),
    [
        ("NVIDIA A10G", "bfloat16"),
        ("NVIDIA GeForce RTX 3090 Ti", "bfloat16"),
        ("Tesla V100-SXM2-16GB", "bfloat16"),
        ("TPU v4", "float32"),
        ("Something new", "bfloat16"),
    ],
)
def test_where_there_is_no_figure_that_is_said(kind, precision):
    peak, words = find_peak([device(kind)], precision)
    assert peak is None
    assert words.startswith("no share of the peak: no figure for")
    assert kind in words


def test_the_peak_of_a_cpu_is_measured_once_and_shared_by_its_devices():
    one, words = find_peak([device("cpu", "cpu")], "float32")
    assert words == "float32 products of this CPU, measured"
    assert find_peak([device("cpu", "cpu")] * 8, "float32")[0] == one == measure_peak("float32")
    assert find_peak([device("cpu", "cpu"), device("cpu", "cpu", 1)], "float32")[0] == 2 * one
    assert 1e8 < one < 1e14


def test_speed_is_of_the_last_steps_without_the_first_and_without_pauses(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    speed = Speedometer(clips=8, flops=1000.0, peak=4000.0)
    assert speed.recent() == speed.lap() == (None, None, None)
    now[0] = 160.0  # compiling
    speed.tick(5.0)
    assert speed.recent() == (None, None, None)
    for _ in range(4):
        now[0] += 0.5
        speed.tick(0.125)
    assert speed.recent() == (16.0, 0.5, 0.25)
    now[0] += 7.0
    speed.pause(7.0)
    assert speed.lap() == (16.0, 0.5, 0.25)
    assert speed.recent() == (16.0, 0.5, 0.25)
    now[0] += 2.0
    speed.tick(3.0)
    assert speed.lap() == (4.0, 0.125, 1.0)
    assert speed.lap() == (None, None, None)
    assert Speedometer(8, 1.0, None)._share(3.0) is None
