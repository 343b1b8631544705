"""Fetching, with the hub simulated: at its function for the messages, as a local server for the transfer itself."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import ClassVar

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

from vp_science.checkpoints.fetch import fetch_weights, is_cached, weights_folders
from vp_science.checkpoints.registry import PRESETS, WeightsFile
from vp_science.errors import CheckpointError

BASE = PRESETS["videoprism-base"]
FLAX = "flax_base_f16r288_repeated.npz"
URL = f"https://huggingface.co/google/videoprism-base-f16r288/resolve/{BASE.revision}/{FLAX}"


def small_spec(content: bytes = b"weights", **known):
    """The base model as if it had two parameters."""
    files = {"npz": WeightsFile(FLAX, FLAX, **known), "safetensors": BASE.files["safetensors"]}
    return dataclasses.replace(BASE, num_parameters=len(content) // 2, files=MappingProxyType(files))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No test sees the user's caches or the network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.delenv("VP_SCIENCE_WEIGHTS", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *a, **k: pytest.fail("used the network"))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Stands for the hub: a dict of files, or an error to raise; records what was asked."""
    state = {"files": {}, "error": None, "asked": []}

    def download(repo, name, *, revision, cache_dir):
        state["asked"].append((repo, name, revision, cache_dir))
        if state["error"]:
            raise state["error"]
        if name not in state["files"]:
            raise make_absent()
        path = tmp_path / name
        path.write_bytes(state["files"][name])
        return str(path)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return state


def make_absent():
    error = RemoteEntryNotFoundError.__new__(RemoteEntryNotFoundError)
    error.args = ("404",)
    return error


def refusal(*args, **kwargs) -> str:
    with pytest.raises(CheckpointError) as caught:
        fetch_weights(*args, **kwargs)
    return str(caught.value)


def check_way_out(message, tmp_path, folder=None):
    assert f"expected the weights file {FLAX} of google/videoprism-base-f16r288 at revision {BASE.revision}" in message
    assert URL in message
    assert str(folder or weights_folders()[0] / FLAX) in message
    assert "vp-science fetch videoprism-base" in message
    assert "--weights PATH" in message


def test_download_is_pinned(hub, tmp_path):
    hub["files"][FLAX] = b"weights"
    assert fetch_weights(small_spec(), cache_dir=tmp_path / "c").read_bytes() == b"weights"
    assert hub["asked"] == [("google/videoprism-base-f16r288", FLAX, BASE.revision, str(tmp_path / "c"))]


def test_other_format_where_the_first_is_absent(hub):
    hub["files"]["model.safetensors"] = b"weights"
    assert fetch_weights(small_spec()).name == "model.safetensors"
    assert [name for _, name, _, _ in hub["asked"]] == [FLAX, "model.safetensors"]


def test_neither_format(hub, tmp_path):
    message = refusal(small_spec())
    check_way_out(message, tmp_path)
    assert f"the hub has no {FLAX} and no model.safetensors at this revision" in message


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (LocalEntryNotFoundError("cannot find the file locally"), "the hub cannot be reached (cannot find"),
        (OSError(28, "No space left on device"), "the download failed (OSError: [Errno 28] No space left"),
        (RuntimeError("odd transport"), "the download failed (RuntimeError: odd transport)"),
    ],
)
def test_unreachable_says_exactly_what_to_do(hub, tmp_path, error, words):
    hub["error"] = error
    message = refusal(small_spec())
    check_way_out(message, tmp_path)
    assert words in message


def test_offline_uses_no_network(tmp_path):
    message = refusal(small_spec(), offline=True)
    check_way_out(message, tmp_path)
    assert "downloads are switched off" in message


def test_hub_offline_variable(tmp_path, monkeypatch):
    monkeypatch.undo()
    script = (
        "from vp_science.checkpoints.fetch import fetch_weights\n"
        "from vp_science.checkpoints.registry import find_model\n"
        "fetch_weights(find_model('videoprism-base'))"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    check_way_out(result.stderr, tmp_path, tmp_path / "vp-science" / "weights" / FLAX)
    assert "offline" in result.stderr.lower()


@pytest.mark.parametrize("place", ["variable", "cache"])
def test_dropped_in_files_come_first(tmp_path, monkeypatch, place):
    folder = tmp_path / "mine" if place == "variable" else weights_folders()[0]
    folder.mkdir(parents=True)
    if place == "variable":
        monkeypatch.setenv("VP_SCIENCE_WEIGHTS", str(folder))
    assert is_cached(small_spec()) is None
    (folder / FLAX).write_bytes(b"weights")
    assert is_cached(small_spec()) == fetch_weights(small_spec(), offline=True) == folder / FLAX
    (folder / FLAX).rename(folder / "videoprism-base.safetensors")
    assert is_cached(small_spec()) == folder / "videoprism-base.safetensors"


def test_weights_variable_must_be_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VP_SCIENCE_WEIGHTS", str(tmp_path / "absent"))
    assert "$VP_SCIENCE_WEIGHTS: expected a folder, found" in refusal(small_spec())


def test_wrong_hash_is_refused(hub, tmp_path):
    hub["files"][FLAX] = b"weights"
    good = hashlib.sha256(b"weights").hexdigest()
    assert fetch_weights(small_spec(sha256=good)).is_file()
    message = refusal(small_spec(sha256="0" * 64))
    assert str(tmp_path / FLAX) in message
    assert f"expected sha256 {'0' * 64}, found {good}" in message
    assert "delete it and fetch it again" in message


def test_wrong_size_is_refused(hub):
    hub["files"][FLAX] = b"weights"
    assert "expected 8 bytes, found 7" in refusal(small_spec(size_bytes=8))
    assert "expected at least 228730368 bytes" in refusal(BASE)


@pytest.mark.parametrize("name", ["videoprism-giant", "videoprism-lvt-giant"])
def test_models_without_released_weights(name):
    assert "found none for this model" in refusal(PRESETS[name])
    assert is_cached(PRESETS[name]) is None


class _Hub(BaseHTTPRequestHandler):
    """Enough of the hub for one file; breaks the first transfer halfway."""

    content = os.urandom(1_000_000) * 24  # The client writes pieces of 10 MiB, so only larger files can be resumed.
    requests: ClassVar[list[int]] = []

    def do_HEAD(self):
        self._answer(200, len(self.content))

    def do_GET(self):
        if "/resolve/" not in self.path:
            self.send_error(404)
            return
        start = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        self.requests.append(start)
        self._answer(206 if start else 200, len(self.content) - start)
        stop = len(self.content) // 2 if len(self.requests) == 1 else len(self.content)
        self.wfile.write(self.content[start:stop])
        self.close_connection = True

    def _answer(self, status, length):
        self.send_response(status)
        headers = {"Content-Length": length, "ETag": '"abc"', "X-Repo-Commit": BASE.revision, "Accept-Ranges": "bytes"}
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def log_message(self, *args):
        pass


def test_a_broken_transfer_is_resumed(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # The endpoint is read when huggingface_hub is imported: another process.
    script = """
import dataclasses, hashlib, json
from vp_science.checkpoints.fetch import fetch_weights, is_cached
from vp_science.checkpoints.registry import find_model
spec = dataclasses.replace(find_model("videoprism-base"), num_parameters=12_000_000)
assert is_cached(spec) is None
told = []
path = fetch_weights(spec, on_bytes=lambda come, total: told.append((come, total)))
size = path.stat().st_size
assert told[-1] == (size, size), told
assert all(a <= b for a, b in zip(told, told[1:])), told
assert is_cached(spec) == path == fetch_weights(spec, offline=True)
print(json.dumps([path.name, hashlib.sha256(path.read_bytes()).hexdigest()]))
"""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path / "hf"),
        "XDG_CACHE_HOME": str(tmp_path),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    environment.pop("HF_HUB_OFFLINE", None)
    try:
        result = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120
        )
    finally:
        server.shutdown()
        server.server_close()
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1]) == [FLAX, hashlib.sha256(_Hub.content).hexdigest()]
    assert len(_Hub.requests) == 2
    assert _Hub.requests[1] > 0
