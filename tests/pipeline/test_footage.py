"""Real recordings from many cameras and programs: every file is embedded, or refused with the right words."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from vp_science.batch import EmbedResult
from vp_science.embedding.run import embed
from vp_science.recordings import RecordingWarning
from vp_science.store.reader import open_embeddings
from vp_science.timeline.names import MEDIA_ENDINGS
from vp_science.video.open import open_recording
from vp_science.video.preprocess import Preprocess

# Files without frames, or without times: what must be said about them.
REFUSED = {
    "fly/20190128_113421.120s.predictions.analysis.h5": "found no frames in this HDF5 file; it holds node_names",
    "mouse/EGS8X2MN4SSUGFWAV976.h5": "found no frames in this HDF5 file; it holds df_with_missing",
    "mouse/m3v1mp4DLC_resnet50_openfieldOct30shuffle1_100000.h5": "key points and tables are no frames",
    "hdf5/deepposekit_fly_example_annotation_set.h5": "the file holds no frame times: pass --source-fps FPS",
    "hdf5/minimal_instance.pkg.slp": "the file holds no frame times: pass --source-fps FPS",
}
# Streams with errors: the source frames that do not decode soundly, of all frames.
DAMAGED = {"formats/corrupted.mp4": 50}
# Each has something odd: rates, rotation, ten bits, no frame count in the header, cut off, palette, full range.
NOT_DAMAGED = {
    "mouse/min_session_backL.mp4": 2,  # of three packets: the edit list of the file leaves one out
    "camera_trap/zamba_full_rate/FID_20_Duboscia_2013-6-14_0083.195f0e9.AVI": 854,  # the header says 1820
    "formats/video_90.mov": 3,
    "formats/finch_hevc10.mp4": 116,
    "mouse/vid2.mov": 31,
    "kabr/ZG0217-Trot.gif": 26,
    "camera_trap/zamba/data/raw/dzanga_sangha/T10/Second_visit_T10/Second_visit_T10C2/01170043.MP4": 6,
    "camera_trap/zamba/data/raw/chimpandsee/Sap_D1/Sap_vid24_0524356_0589414_20110915/PICT0021.ASF": 61,
}
SETTINGS = {"num_frames": 2, "stride": 2}


@pytest.fixture(scope="module")
def results(footage, encoder, tmp_path_factory) -> dict[str, EmbedResult]:
    """The whole collection as one batch, at a frame every two seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        found = embed(footage, encoder, out=tmp_path_factory.mktemp("out"), fps=0.5, raise_failures=False, **SETTINGS)
    return {Path(result.input).relative_to(footage).as_posix(): result for result in found}


def test_every_recording_is_found_and_nothing_else(footage, results):
    files = {path.relative_to(footage).as_posix() for path in footage.rglob("*") if path.is_file()}
    recordings = {name for name in files if Path(name).suffix.lower() in MEDIA_ENDINGS}
    assert results.keys() == recordings
    assert {Path(name).suffix for name in files - recordings} <= {".csv", ".tsv", ".md", ""}
    assert len(recordings) > 100


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_embedded_is_refused_in_words(results, name):
    assert results[name].status == "failed"
    assert REFUSED[name] in results[name].error
    assert results[name].output is None


def test_everything_else_is_embedded(results):
    failed = {name: result.error for name, result in results.items() if result.status == "failed"}
    assert failed.keys() == REFUSED.keys(), failed
    assert {result.status for result in results.values()} == {"done", "failed"}


def test_what_was_written_is_sound(footage, results):
    for name, result in results.items():
        if result.status != "done":
            continue
        with open_embeddings(result.output) as embeddings:
            assert embeddings.grid_size == result.grid_frames >= 1, name
            step_s = np.diff(embeddings.time_s)
            np.testing.assert_allclose(step_s, 2.0, atol=1e-6, err_msg=name)
            assert result.duration_s - 2.001 <= embeddings.time_s[-1] - embeddings.time_s[0] <= result.duration_s + 0.01
            track = np.asarray(embeddings.track, np.float32)
            assert np.isfinite(track).all(), name
            if result.grid_frames > 8:
                assert len(np.unique(track[:, 0], axis=0)) > 1, f"{name}: every frame looks the same"
            assert embeddings.recording.num_bytes == (footage / name).stat().st_size


@pytest.mark.parametrize("name", [*DAMAGED, *NOT_DAMAGED])
def test_damage_is_counted(footage, encoder, tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        [result] = embed(footage / name, encoder, out=tmp_path, **SETTINGS)
    assert result.grid_frames == {**DAMAGED, **NOT_DAMAGED}[name]
    assert (result.damaged_frames > 0) == (name in DAMAGED)
    with open_embeddings(result.output) as embeddings:
        shown, wanted = np.asarray(embeddings.shown_index), np.asarray(embeddings.frame_index)
        replaced = set(wanted[shown != wanted].tolist())
        assert replaced <= set(embeddings.damaged_frames.tolist())


@pytest.mark.parametrize("name", ["hdf5/deepposekit_fly_example_annotation_set.h5", "hdf5/minimal_instance.pkg.slp"])
def test_times_can_be_given(footage, encoder, tmp_path, name):
    [result] = embed(footage / name, encoder, out=tmp_path, source_fps=30, **SETTINGS)
    assert result.status == "done"
    with open_embeddings(result.output) as embeddings:
        assert "source_fps=30" in embeddings.provenance.source["times"]


def test_damage_looks_the_same_wherever_reading_began(footage):
    """Otherwise a resumed track would differ from an uninterrupted one."""
    with warnings.catch_warnings(), open_recording(footage / "formats/corrupted.mp4") as recording:
        warnings.simplefilter("ignore", RecordingWarning)
        wanted = np.arange(0, recording.num_frames, 3)
        whole = list(recording.decode(wanted, Preprocess(36, 36)))
        assert any(frame.damaged for frame in whole)
        for first in range(1, len(wanted), 2):
            part = list(recording.decode(wanted[first:], Preprocess(36, 36)))
            for ours, theirs in zip(part, whole[first:], strict=True):
                assert (ours.shown_index, ours.damaged) == (theirs.shown_index, theirs.damaged)
                assert ours.pixels.tobytes() == theirs.pixels.tobytes()
