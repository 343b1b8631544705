"""The use case as a whole: settings, skipping, resuming, batches in which something fails, the manifest."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pipeline_tools import (
    PREPROCESS,
    make_encoder,
    make_frames,
    make_recording,
    read_manifest,
    sha256,
    write_video,
)

from vp_science.batch import EmbedResult
from vp_science.embedding.outcome import BatchError
from vp_science.embedding.run import embed
from vp_science.embedding.settings import EmbedSettings, check_settings, native_preprocess
from vp_science.errors import SettingsError, StoreError
from vp_science.recordings import Recording
from vp_science.store.reader import open_embeddings
from vp_science.store.writer import EmbeddingWriter
from vp_science.video.array import ArrayRecording
from vp_science.video.open import open_recording
from vp_science.video.preprocess import Preprocess

QUICK = {"num_frames": 4, "stride": 2}


@pytest.fixture
def video(tmp_path) -> Path:
    return write_video(tmp_path / "in" / "mouse 1.avi")


class Spy:
    """Progress that remembers, and interrupts where it is told to."""

    def __init__(self, stop_after: int | None = None, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.started: list[tuple] = []
        self.advanced = 0
        self.results: list[EmbedResult] = []
        self._stop_after, self._error = stop_after, error

    def start(self, *facts) -> None:
        self.started.append(facts)

    def advance(self, grid_frames: int) -> None:
        self.advanced += grid_frames
        if self._stop_after is not None and self.advanced >= self._stop_after:
            raise self._error

    def finish(self, result: EmbedResult) -> None:
        self.results.append(result)


# Settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preprocess": Preprocess(35, 36)}, r"^height: expected a multiple of 18 pixels, found 35: use 36$"),
        ({"preprocess": Preprocess(36, 100)}, r"^width: expected a multiple of 18 pixels, found 100: use 108$"),
        ({"preprocess": Preprocess(0, 36)}, r"^height: expected a multiple of 18 pixels, found 0: use 18$"),
        ({"preprocess": Preprocess(-18, 36)}, r"^height: expected a multiple of 18 pixels, found -18: use 18$"),
        ({"stride": 5}, r"expected a stride from 1 to num_frames = 4, found 5"),
        ({"stride": 0}, r"expected a stride from 1 to num_frames = 4, found 0"),
        ({"num_frames": 0}, r"expected num_frames of at least 1, found 0"),
        ({"spatial_pool": 3}, r"spatial_pool: expected one of \[1, 2\] .*, found 3"),
        ({"spatial_pool": 16}, r"spatial_pool: expected one of \[1, 2\] .*, found 16"),
    ],
)
def test_settings_are_refused_before_anything_is_opened(encoder, tmp_path, changes, message):
    settings = {**QUICK, "preprocess": PREPROCESS, **changes}
    with pytest.raises(SettingsError, match=message):
        embed(tmp_path / "not there.mp4", encoder, out=tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_unknown_words_are_refused(encoder):
    """Behind the type checks of the tests: what a notebook user meets."""
    settings = EmbedSettings(**QUICK, preprocess=PREPROCESS)
    object.__setattr__(settings, "dtype", "float64")
    with pytest.raises(SettingsError, match="dtype: expected float16 or float32, found float64"):
        check_settings(settings, encoder)
    bad = replace(PREPROCESS)
    object.__setattr__(bad, "fit", "stretch")
    with pytest.raises(SettingsError, match="fit: expected squash, crop or pad, found stretch"):
        check_settings(EmbedSettings(**QUICK, preprocess=bad), encoder)


@pytest.mark.parametrize("fps", [0, -2.0, float("nan"), float("inf")])
def test_rates_are_refused(encoder, tmp_path, fps):
    with pytest.raises(BatchError, match="expected sample_fps to be a positive number"):
        embed(make_recording(9), encoder, out=tmp_path, fps=fps, **QUICK)


def test_a_crop_outside_the_frame_fails_that_recording(encoder, tmp_path):
    recordings = [make_recording(9, recording_id="a")]
    with pytest.raises(BatchError, match=r"a: the crop 0,0,31,24 .* does not lie inside the frame: .* 30 x 24 pixels"):
        embed(recordings, encoder, out=tmp_path, preprocess=Preprocess(36, 36, "squash", (0, 0, 31, 24)), **QUICK)


def test_nothing_to_do_is_an_error(encoder, tmp_path):
    with pytest.raises(SettingsError, match="expected at least one recording, found none"):
        embed([], encoder, out=tmp_path)


def test_the_native_size_is_the_default(encoder, tmp_path):
    assert native_preprocess(encoder) == Preprocess(36, 36)
    [result] = embed(make_recording(5), encoder, out=tmp_path, **QUICK)
    with open_embeddings(result.output) as embeddings:
        assert embeddings.provenance.preprocess == {"height": 36, "width": 36, "fit": "squash", "crop": None}


# One recording


def test_what_is_written(encoder, video, tmp_path):
    spy = Spy()
    [result] = embed(video, encoder, out=tmp_path / "out", fps=5, progress=spy, **QUICK)
    assert result.status == "done"
    assert result.output == tmp_path / "out" / "mouse 1.embeddings.h5"
    assert result.output_sha256 == sha256(result.output)
    assert (result.recording_id, result.input, result.error) == ("mouse 1", str(video), "")
    assert result.grid_frames == 20
    assert result.duration_s == pytest.approx(3.9)
    assert spy.started == [("mouse 1", 0, 1, 20, 0, result.duration_s)]
    assert spy.advanced == 20
    assert spy.results == [result]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["manifest.jsonl", result.output.name]
    with open_embeddings(result.output) as embeddings:
        assert embeddings.track.shape == (20, 1, 32)
        assert embeddings.track.dtype == np.float16
        np.testing.assert_allclose(embeddings.time_s, np.arange(20) / 5, atol=1e-9)
        np.testing.assert_array_equal(embeddings.frame_index, np.arange(0, 40, 2))
        assert embeddings.recording.path == str(video)
        provenance = embeddings.provenance
        assert provenance.checkpoint == "seed:0 (untrained)"
        assert provenance.model == "custom"
        assert provenance.encoder_config == encoder.config.to_json()
        assert provenance.grid == {"sample_fps": 5, "num_grid": 20}
        assert (provenance.num_frames, provenance.stride, provenance.precision) == (4, 2, "float32")
        assert embeddings.untrained


def test_inputs_are_not_touched(encoder, video, tmp_path):
    before = (sha256(video), video.stat().st_mtime_ns)
    video.chmod(0o444)
    embed(video, encoder, out=tmp_path / "out", **QUICK)
    assert (sha256(video), video.stat().st_mtime_ns) == before
    assert [path.name for path in video.parent.iterdir()] == [video.name]


def test_outputs_beside_the_inputs(encoder, video):
    """The second run does not take the results of the first one for recordings."""
    folder = video.parent
    assert [r.status for r in embed(folder, encoder, out=folder, **QUICK)] == ["done"]
    assert [r.status for r in embed(folder, encoder, out=folder, **QUICK)] == ["skipped"]


def test_arrays_and_open_recordings(encoder, video, tmp_path):
    array = ArrayRecording(make_frames(9), source_fps=10, recording_id="from memory")
    with open_recording(video) as opened:
        results = embed([array, video, opened.path, array], encoder, out=tmp_path / "out", **QUICK)
    assert [(r.recording_id, r.status, r.input) for r in results] == [
        ("mouse 1", "done", str(video)),
        ("from memory", "done", ""),
    ]
    assert array.read(3).shape == (24, 30, 3)


def test_two_recordings_of_one_name_are_refused(encoder, video, tmp_path):
    """Otherwise the second would fail, or with --overwrite replace the first without a word."""
    first, second = make_recording(9, seed=1), make_recording(9, seed=2)
    for overwrite in (False, True):
        with pytest.raises(SettingsError, match=r"two recordings are called 'array'.*recording_id"):
            embed([first, second], encoder, out=tmp_path / "out", overwrite=overwrite, **QUICK)
    with pytest.raises(SettingsError, match="two recordings are called 'mouse 1'"):
        embed([make_recording(9, recording_id="mouse 1"), video], encoder, out=tmp_path / "out", **QUICK)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside", ".", "..", "a//../..", ""])
def test_names_do_not_leave_the_folder(encoder, tmp_path, name):
    recording = make_recording(9)
    recording.id = name
    with pytest.raises(SettingsError, match="recording_id: expected a name"):
        embed(recording, encoder, out=tmp_path / "deep" / "out", **QUICK)
    assert list(tmp_path.rglob("*.h5")) == []


# Running again


def test_a_complete_file_is_skipped(encoder, video, tmp_path):
    [first] = embed(video, encoder, out=tmp_path, **QUICK)
    stamp = first.output.stat().st_mtime_ns
    spy = Spy()
    [second] = embed(video, encoder, out=tmp_path, progress=spy, **QUICK)
    assert (second.status, second.output, second.output_sha256) == ("skipped", first.output, first.output_sha256)
    assert first.output.stat().st_mtime_ns == stamp
    assert spy.advanced == 0
    assert spy.started[0][3:5] == (40, 40)


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"num_frames": 3}, "num_frames: 3 here, 4 in the file"),
        ({"stride": 4}, "stride: 4 here, 2 in the file"),
        ({"fps": 5}, "grid.sample_fps: 5.* here, null in the file"),
        ({"dtype": "float32"}, "dtype: float32 here, float16 in the file"),
        ({"spatial_pool": 2}, "spatial_pool: 2 here, 1 in the file"),
        ({"preprocess": Preprocess(36, 36, "pad")}, "preprocess.fit: pad here, squash in the file"),
        ({"preprocess": Preprocess(36, 36, "squash", (0, 0, 20, 20))}, r"preprocess.crop: \[0, 0, 20, 20\] here, null"),
        ({"source_fps": 30}, "source.times: .* here, presentation times of the container in the file"),
    ],
)
def test_other_settings_are_refused_by_name(encoder, video, tmp_path, changes, difference):
    [first] = embed(video, encoder, out=tmp_path, **QUICK)
    with pytest.raises(BatchError, match=difference) as caught:
        embed(video, encoder, out=tmp_path, **{**QUICK, **changes})
    assert caught.value.results[0].status == "failed"
    assert "replace it (--overwrite)" in caught.value.results[0].error
    assert sha256(first.output) == first.output_sha256


def test_another_encoder_is_refused_and_overwrite_replaces(encoder, video, tmp_path):
    [first] = embed(video, encoder, out=tmp_path, **QUICK)
    other = make_encoder(seed=1)
    with pytest.raises(BatchError, match=r"checkpoint: seed:1 \(untrained\) here, seed:0 \(untrained\) in the file"):
        embed(video, other, out=tmp_path, **QUICK)
    [replaced] = embed(video, other, out=tmp_path, overwrite=True, **QUICK)
    assert replaced.status == "done"
    assert replaced.output == first.output
    assert replaced.output_sha256 != first.output_sha256


def test_another_recording_of_the_same_name_is_refused(encoder, video, tmp_path):
    embed(video, encoder, out=tmp_path, **QUICK)
    write_video(video, num_frames=41)
    with pytest.raises(BatchError, match=r'was made from another recording \("mouse 1"'):
        embed(video, encoder, out=tmp_path, **QUICK)


@pytest.mark.parametrize("stop_after", [1, 40, 90, 140])
def test_resuming_after_an_interruption_gives_the_same_bytes(encoder, tmp_path, stop_after):
    recording = make_recording(150, recording_id="a")
    settings = {"num_frames": 2, "stride": 1, "dtype": "float32"}
    [whole] = embed(recording, encoder, out=tmp_path / "whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        embed(recording, encoder, out=tmp_path / "out", progress=Spy(stop_after), **settings)
    assert not (tmp_path / "out" / "a.embeddings.h5").exists()
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    kept = len(list((tmp_path / "out" / "a.embeddings.partial").glob("segment-*.npz")))
    assert kept == stop_after // 33
    spy = Spy()
    [resumed] = embed(recording, encoder, out=tmp_path / "out", progress=spy, **settings)
    assert resumed.status == "done"
    assert resumed.output_sha256 == whole.output_sha256 == sha256(resumed.output)
    done = spy.started[0][4]
    assert done + spy.advanced == 150
    assert (done > 0) == (kept > 0)


def test_unfinished_work_with_other_settings_is_refused(encoder, tmp_path):
    recording = make_recording(150, recording_id="a")
    with pytest.raises(KeyboardInterrupt):
        embed(recording, encoder, out=tmp_path, num_frames=2, stride=1, progress=Spy(90))
    with pytest.raises(
        BatchError, match=r"the unfinished work in .*a\.embeddings\.partial was made with other settings"
    ):
        embed(recording, encoder, out=tmp_path, num_frames=2, stride=2)
    [result] = embed(recording, encoder, out=tmp_path, num_frames=2, stride=2, overwrite=True)
    assert result.status == "done"


@pytest.mark.parametrize("other", [5, 5.0])
def test_whole_numbers_are_the_same_rates(encoder, tmp_path, other):
    [result] = embed(make_recording(40, fps=25), encoder, out=tmp_path, fps=other, **QUICK)
    assert [r.status for r in embed(make_recording(40), encoder, out=tmp_path, fps=5.0, **QUICK)] == ["skipped"]
    with open_embeddings(result.output) as embeddings:
        assert repr(embeddings.provenance.grid["sample_fps"]) == "5.0"


# Batches


def test_one_bad_recording_does_not_stop_the_others(encoder, tmp_path):
    folder = tmp_path / "in"
    write_video(folder / "a.avi")
    write_video(folder / "c.avi")
    (folder / "b.mp4").write_bytes(b"this is no video" * 100)
    (folder / "empty.mp4").touch()
    out = tmp_path / "out"
    spy = Spy()
    with pytest.raises(BatchError) as caught:
        embed([folder, tmp_path / "gone.mp4"], encoder, out=out, progress=spy, **QUICK)
    results = {result.recording_id: result for result in caught.value.results}
    assert {name: r.status for name, r in results.items()} == {
        "a": "done",
        "b": "failed",
        "c": "done",
        "empty": "failed",
        "gone": "failed",
    }
    assert spy.results == caught.value.results
    assert "found no such file: check the path" in results["gone"].error
    assert "found an empty file" in results["empty"].error
    text = str(caught.value)
    assert text.startswith("3 of 5 recordings failed:\n")
    for name in ("b", "empty", "gone"):
        assert f"  {name}: {results[name].error}" in text
        assert results[name].output is None
    lines = {line["recording_id"]: line for line in read_manifest(out)}
    assert lines.keys() == results.keys()
    for name, line in lines.items():
        assert line["status"] == results[name].status
        assert line["error"] == results[name].error
        assert line["seconds"] >= 0
        assert line["finished"].endswith("+00:00")
        assert (line["checkpoint"], line["model"]) == ("seed:0 (untrained)", "custom")
        assert line["software"].startswith("vp-science ")
    assert lines["a"]["output"] == str(out / "a.embeddings.h5")
    assert lines["a"]["output_sha256"] == sha256(out / "a.embeddings.h5")
    assert len(lines["a"]["recording_sha256"]) == 64
    assert lines["gone"]["output"] is None
    quiet = embed(folder, encoder, out=out, raise_failures=False, **QUICK)
    assert [r.status for r in quiet] == ["skipped", "failed", "skipped", "failed"]
    assert len(read_manifest(out)) == 5 + 4


class FailingRecording(ArrayRecording):
    """Has a bug."""

    def decode(self, frame_index, preprocess=None):
        yield from super().decode(frame_index[:2], preprocess)
        raise ZeroDivisionError("what?")


def test_a_bug_is_told_with_its_place_and_the_rest_goes_on(encoder, tmp_path):
    bad = FailingRecording(make_frames(9), source_fps=10, recording_id="bad")
    results = embed([bad, make_recording(9)], encoder, out=tmp_path, raise_failures=False, **QUICK)
    assert [r.status for r in results] == ["failed", "done"]
    assert results[0].error.startswith("unexpected ZeroDivisionError at test_embed.py:")
    assert results[0].error.endswith(": what?")


def test_a_recording_that_grows_while_it_is_read(encoder, tmp_path):
    path = tmp_path / "frames.npy"
    np.save(path, make_frames(40))

    class Append(Spy):
        def advance(self, grid_frames: int) -> None:
            super().advance(grid_frames)
            with path.open("ab") as file:
                file.write(b"more")

    with pytest.raises(BatchError, match=r"frames.npy changed while it was read: expected the same \d+ bytes; wait"):
        embed(path, encoder, out=tmp_path / "out", source_fps=10, progress=Append(), **QUICK)
    assert not (tmp_path / "out" / "frames.embeddings.h5").exists()


def test_the_reader_is_idle_before_the_recording_is_closed(encoder, tmp_path, monkeypatch):
    """When writing fails, nothing may still be decoding while the file is closed under it."""
    path = tmp_path / "frames.npy"
    np.save(path, make_frames(300))
    alive: list[bool] = []
    close = ArrayRecording.close

    def watched(self):
        alive.append(any("prefetch" in thread.name for thread in threading.enumerate()))
        close(self)

    def fail(*_):
        raise StoreError("the disk is full")

    monkeypatch.setattr(ArrayRecording, "close", watched)
    monkeypatch.setattr(EmbeddingWriter, "write_segment", fail)
    with pytest.raises(BatchError, match="the disk is full"):
        embed(path, encoder, out=tmp_path / "out", source_fps=10, num_frames=2, stride=1)
    assert alive == [False]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_an_output_folder_without_permission(encoder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o555)
    with pytest.raises(StoreError, match="cannot write"):
        embed(make_recording(9), encoder, out=out, **QUICK)


def test_an_output_folder_that_is_a_file(encoder, tmp_path):
    out = tmp_path / "out"
    out.write_text("notes")
    with pytest.raises(StoreError, match=r"cannot write .*out"):
        embed(make_recording(9), encoder, out=out, **QUICK)
    assert out.read_text() == "notes"


def test_two_processes_on_one_output(encoder, tmp_path):
    """The second one says so at once; what the first one has is not disturbed."""
    code = (
        "import sys, pathlib; from vp_science.store.lock import FolderLock\n"
        "folder = pathlib.Path(sys.argv[1]); lock = FolderLock.acquire(folder, folder)\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    holder = [sys.executable, "-c", code, str(tmp_path / "a.embeddings.partial")]
    recording = make_recording(9, recording_id="a")
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "ready\n"
        [second] = embed(recording, encoder, out=tmp_path, raise_failures=False, **QUICK)
        first.stdin.close()
    assert second.status == "failed"
    assert second.error.startswith("another process is writing ")
    assert "wait until it has finished" in second.error
    [third] = embed(recording, encoder, out=tmp_path, **QUICK)
    assert third.status == "done"


def test_recordings_must_be_recordings(encoder, tmp_path):
    assert isinstance(make_recording(3), Recording)
    with pytest.raises(SettingsError, match="matches no file"):
        embed(str(tmp_path / "*.mp4"), encoder, out=tmp_path / "out")
