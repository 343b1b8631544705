from types import SimpleNamespace

import pytest

from vp_science.encoder import precision
from vp_science.encoder.precision import choose_precision


def device(platform, kind="a device", **attributes):
    return SimpleNamespace(platform=platform, device_kind=kind, **attributes)


@pytest.mark.parametrize(
    ("found", "expected", "reason"),
    [
        (device("tpu", "TPU v5"), "bfloat16", "TPU v5"),
        (device("gpu", "H100", compute_capability="9.0"), "bfloat16", "9.0"),
        (device("gpu", "A100", compute_capability="8.0"), "bfloat16", "8.0"),
        (device("gpu", "B200", compute_capability="10.0"), "bfloat16", "10.0"),
        (device("gpu", "T4", compute_capability="7.5"), "float32", "bfloat16 needs 8.0"),
        (device("gpu", "MI300", compute_capability="gfx942"), "float32", "gfx942"),
        (device("METAL", "M3"), "float32", "nothing is known"),
    ],
)
def test_accelerators(monkeypatch, found, expected, reason):
    chosen, words = precision._choose(found)
    assert chosen == expected
    assert reason in words


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx2", "float32"), ("avx512f avx512_bf16", "bfloat16"), ("amx_bf16 amx_tile", "bfloat16")],
)
def test_linux_cpus(monkeypatch, tmp_path, flags, expected):
    listing = tmp_path / "cpuinfo"
    listing.write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\nflags\t\t: other\n")
    monkeypatch.setattr(precision, "_CPUINFO", listing)
    assert precision._choose(device("cpu"))[0] == expected


def test_other_systems_have_no_list_of_flags(monkeypatch, tmp_path):
    monkeypatch.setattr(precision, "_CPUINFO", tmp_path / "absent")
    assert choose_precision()[0] == "float32"
