"""A file fits to the last tensor, or every difference is named; damaged and hostile files are refused early."""

import io
import json
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from vp_science.checkpoints.weights import load_into, load_weights
from vp_science.encoder.config import EncoderConfig
from vp_science.errors import CheckpointError

KERNEL = "params/patch_projection/linear/kernel"
BIAS = "params/spatial_ln/bias"
SCALE = "params/temporal_ln/scale"
TABLE = "params/spatial_pos_emb/emb_var"


def refusal(path, config) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_weights(path, config)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_every_difference_is_named_in_one_message(npz, kit):
    changes = {
        "params/extra": np.zeros((2, 5), np.float32),
        KERNEL: np.zeros((9, 8), np.float32),
        SCALE: np.zeros(8, np.int32),
        TABLE: np.full((6, 8), np.nan),
    }
    message = refusal(npz(changes, drop=(BIAS,)), kit.config)
    assert f"missing (1): {BIAS} [8]" in message
    assert "unexpected (1): params/extra [2, 5]" in message
    assert f"wrong shape (1): {KERNEL} expected [12, 8], found [9, 8]" in message
    assert f"wrong type (expected float32, float16 or bfloat16) (2): {TABLE} found <f8, {SCALE} found <i4" in message
    assert "expected the 40 tensors of the encoder (official layout), found 40 tensors that differ" in message


def test_values_that_are_not_finite_are_named(npz, kit):
    changes = {name: kit.tensors[name].copy() for name in (BIAS, TABLE)}
    changes[BIAS][3], changes[TABLE][0, 0] = np.nan, -np.inf
    message = refusal(npz(changes), kit.config)
    assert f"NaN or infinity in {BIAS}, {TABLE}" in message


def test_long_lists_are_cut(npz, kit):
    wider = EncoderConfig(**(kit.config.to_json() | {"model_dim": 16, "pos_emb_shape": kit.config.pos_emb_shape}))
    message = refusal(npz(), wider)
    assert "wrong shape (38)" in message
    assert "... and 18 more" in message


def test_weights_of_another_preset_are_recognised(tmp_path, kit, monkeypatch):
    import vp_science.checkpoints.weights as module
    from vp_science.checkpoints.registry import PRESETS, ModelSpec

    spec = ModelSpec("mouse-model", kit.config, 1, "", "")
    monkeypatch.setattr(module, "PRESETS", {**PRESETS, "mouse-model": spec})
    np.savez(tmp_path / "w.npz", **kit.tensors)
    other = EncoderConfig(**(kit.config.to_json() | {"mlp_dim": 16, "pos_emb_shape": kit.config.pos_emb_shape}))
    assert "they fit mouse-model: use that model" in refusal(tmp_path / "w.npz", other)


def test_load_into_is_as_strict(kit):
    encoder = kit.make_encoder(kit.config)
    bad = {name: values for name, values in kit.tensors.items() if name != BIAS}
    bad |= {KERNEL: np.zeros((1, 2), np.float32), SCALE: np.full(8, np.inf, np.float32), "params/x": np.zeros(1)}
    with pytest.raises(CheckpointError) as caught:
        load_into(encoder, bad)
    for part in (
        f"missing (1): {BIAS}",
        "unexpected (1): params/x",
        f"{KERNEL} expected [12, 8]",
        f"infinity in {SCALE}",
    ):
        assert part in str(caught.value)


def test_names_of_no_known_layout(tmp_path, kit):
    save_file({"encoder.layer.0.weight": np.zeros(2, np.float32)}, tmp_path / "w.safetensors")
    message = refusal(tmp_path / "w.safetensors", kit.config)
    assert "found encoder.layer.0.weight" in message
    assert "these are not the weights of the encoder in a layout known here" in message
    np.savez(tmp_path / "w.npz")
    assert "found no tensor" in refusal(tmp_path / "w.npz", kit.config)


def test_first_tensor_missing_still_compares(npz, kit):
    assert f"missing (1): {KERNEL}" in refusal(npz(drop=(KERNEL,)), kit.config)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"  <html>", "a web page"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "an HDF5 file"),
        (b"\x93NUMPY\x01\x00" + bytes(20), "a single array"),
        (pickle.dumps({"a": 1}), "a pickle, which could run code"),
        (b"\x1f\x8b" + bytes(20), "a gzip archive"),
        (b'{"error": "not found"}', "JSON text"),
        (b"hello, this is something else", "starts with b'hello, this is s'"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path, kit, content, words):
    path = tmp_path / "weights.npz"
    path.write_bytes(content)
    assert words in refusal(path, kit.config)


def test_missing_file_and_folder(tmp_path, kit):
    assert "No such file" in refusal(tmp_path / "absent.npz", kit.config)
    assert "found a folder" in refusal(tmp_path, kit.config)


def test_pytorch_checkpoint(tmp_path, kit):
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02.")
    assert "a PyTorch checkpoint (a pickle inside)" in refusal(tmp_path / "w.pt", kit.config)


def test_zip_with_other_content(tmp_path, kit):
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("readme.txt", b"hello")
    assert "one .npy per tensor, found 'readme.txt'" in refusal(tmp_path / "w.npz", kit.config)


def test_pickled_objects_are_never_opened(npz, kit):
    message = refusal(npz({BIAS: np.array([print] * 8, object)}), kit.config)
    assert f"{BIAS} found pickled objects, which are never opened" in message


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_truncated_files(tmp_path, npz, kit, kind, keep):
    path = npz()
    if kind == "safetensors":
        path = tmp_path / "w.safetensors"
        save_file(kit.tensors, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    assert "download it again" in refusal(path, kit.config)


def test_flipped_bits_are_caught_by_the_checksum(npz, kit):
    path = npz()
    content = bytearray(path.read_bytes())
    position = content.find(kit.tensors[KERNEL].tobytes())
    content[position + 5] ^= 1
    path.write_bytes(content)
    assert "damaged or cut off" in refusal(path, kit.config)


def forge_npy(shape, payload=b"", dtype="<f4") -> bytes:
    header = str({"descr": dtype, "fortran_order": False, "shape": shape}).encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + payload


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    ("member", "words"),
    [
        (forge_npy((1 << 40, 1 << 20)), "its header says shape"),
        (forge_npy((-4, -2), bytes(32)), "its header says shape"),
        (forge_npy((8,), bytes(40)), "but 40 are stored"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31) + bytes(1 << 24), "expected an .npy header"),
        (b"\x93NUMPY\x03\x00" + bytes(100), "expected an .npy header"),
        (forge_npy("__import__('os')"), "expected an .npy header"),
        (b"nonsense", "expected an .npy header"),
        (forge_npy((1 << 22,), bytes(1 << 24)), "wrong shape (1)"),
    ],
    ids=["absurd", "negative", "surplus", "long header", "version 3", "code", "nonsense", "wrong shape"],
)
def test_forged_headers_and_bombs_allocate_nothing(tmp_path, kit, member, words, compression):
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, values in kit.tensors.items():
            buffer = io.BytesIO()
            np.save(buffer, values)
            archive.writestr(f"{name}.npy", member if name == BIAS else buffer.getvalue())
    tracemalloc.start()
    try:
        message = refusal(path, kit.config)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert words in message
    assert peak < 8_000_000


def test_member_that_is_shorter_than_the_archive_says(tmp_path, kit):
    # The central directory claims the right size; the deflated data holds less.
    path = tmp_path / "w.npz"
    np.savez_compressed(path, **kit.tensors)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"{KERNEL}.npy")
    start = info.header_offset + 30 + len(info.filename) + 20
    content[start : start + 4] = b"\0\0\0\0"
    path.write_bytes(content)
    refusal(path, kit.config)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["npz", "safetensors"]))
def test_any_damage_is_either_harmless_or_our_error(tmp_path_factory, kit, data, kind):
    path = tmp_path_factory.mktemp("fuzz") / f"w.{kind}"
    np.savez(path, **kit.tensors) if kind == "npz" else save_file(kit.tensors, path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # Half of the damage goes where structure is: the first and the last bytes.
        places = st.one_of(st.integers(0, len(content) - 1), st.integers(0, 200), st.integers(-4000, -1))
        content[data.draw(places)] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        tensors = load_weights(path, kit.config).tensors
    except CheckpointError:
        return
    if kind == "npz":  # safetensors has no checksum: values may differ there
        assert all(np.array_equal(tensors[name], values) for name, values in kit.tensors.items())


def test_duplicated_members(tmp_path, kit):
    path = tmp_path / "w.npz"
    np.savez(path, **kit.tensors)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{BIAS}.npy", forge_npy((8,), bytes(32)))
    assert "41 entries, 40 different" in refusal(path, kit.config)


def test_safetensors_with_a_forged_header(tmp_path, kit):
    path = tmp_path / "w.safetensors"
    header = json.dumps({KERNEL: {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    assert "damaged or cut off" in refusal(path, kit.config)


def test_integers_in_safetensors(tmp_path, kit):
    save_file(kit.tensors | {BIAS: np.zeros(8, np.int64)}, tmp_path / "w.safetensors")
    assert f"{BIAS} found i64" in refusal(tmp_path / "w.safetensors", kit.config)
