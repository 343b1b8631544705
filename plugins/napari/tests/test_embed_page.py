"""The page of embedding: estimate, start, pause, cancel, go on; a real worker with a small model, and an acted one."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from napari_vp_science.jobs import JobRunner
from napari_vp_science.recordings import embed_page as page_module
from napari_vp_science.recordings.animals import LAYER as CROPS
from napari_vp_science.recordings.embed_form import DEFAULTS, EmbedForm
from napari_vp_science.recordings.embed_page import EmbedPage
from napari_vp_science.recordings.embed_run import EmbedRun, estimate_words
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QMessageBox
from recordings_for_panel import WORKER, make_state, show, write_long_video

import vp_science as vp

TINY = {**DEFAULTS, "model": "videoprism-tiny", "num_frames": 4, "stride": 2}


class ActedRunner(QObject):
    """A runner that remembers what it is asked, and does what the test says."""

    progress, result, failed = Signal(object), Signal(object), Signal(str)
    cancelled, idle = Signal(), Signal()

    def __init__(self):
        super().__init__()
        self.asked: list[tuple[str, dict]] = []
        self.running = self.paused = self.closed = False

    def start(self, job, request):
        assert not self.running
        self.running = True
        self.asked.append((job, request))

    def pause(self):
        self.paused = True

    def resume(self):
        self.paused = False

    def cancel(self):
        self.end(self.cancelled)

    def end(self, signal, *values):
        self.running = self.paused = False
        signal.emit(*values)
        if not self.running:
            self.idle.emit()

    def close(self):
        self.closed = True

    @property
    def request(self):
        return self.asked[-1][1]


@pytest.fixture
def opened(qtbot):
    pages = []

    def open_page(state, runner=None, settings=TINY):
        page = EmbedPage(state, runner or ActedRunner())
        qtbot.addWidget(page)
        page.form.set_models(vp.sessions.list_models())
        page.form.load(settings)
        page.resize(384, 560)
        page.show()
        pages.append((page, state))
        return page

    yield open_page
    for page, state in pages:
        page.close_view()
        state.close_session()


def found(**changes):
    track = {"id": "a", "recording": "a", "grid_frames": 40, "status": "new", "share": 0.0, "differences": []}
    return {
        "tracks": [track], "frames_left": 40, "track_bytes": 1e6, "needed_bytes": 2e6, "unreadable": [],
        "without_poses": [], "free_bytes": 5e9, "problem": "", "frames_per_s": 20.0, "seconds": 2.0,
        "memory_bytes": 3e8, "measured": "now",
    } | changes  # fmt: skip


def begin(qtbot, page):
    """Until the embedding is under way; an estimate that was asked for has given way."""
    page.start()
    qtbot.waitUntil(lambda: bool(page.runner.asked) and page.runner.asked[-1][0] == "embed")


# ---- with a real worker


def test_embedding_in_a_process_paused_stopped_and_continued(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "a")
    state.session.add(write_long_video(tmp_path / "long.mp4", 1200))
    finished = []
    state.tracks_changed.connect(finished.append)
    page = opened(state, JobRunner(command=WORKER), TINY | {"stride": 1})

    def pause_amid(event):
        if event.get("recording") == "long" and event["recording_done"] > 200 and not page.runner.paused:
            page.pause()

    page.runner.progress.connect(pause_amid)
    page.start()
    qtbot.waitUntil(lambda: page.runner.paused, timeout=60_000)
    page.runner.progress.disconnect(pause_amid)
    assert finished == ["a"]
    assert page.run.pause_button.text() == "Resume"
    page.stop()
    qtbot.waitUntil(lambda: not page.running, timeout=30_000)
    assert "Start goes on from there" in page.run.now.text()
    tracks = state.session.folder / "tracks"
    assert not (tracks / "long.embeddings.h5").exists()
    qtbot.waitUntil(lambda: "long continues at" in page.run.estimate.text(), timeout=30_000)
    page.start()
    qtbot.waitUntil(lambda: (tracks / "long.embeddings.h5").exists() and not page.running, timeout=60_000)
    assert {path.name for path in tracks.glob("*.h5")} == {"a.embeddings.h5", "long.embeddings.h5"}
    with vp.open_embeddings(tracks / "long.embeddings.h5") as track:
        assert (track.grid_size, track.provenance.stride) == (1200, 1)
    assert state.session.settings["embedding"]["left"] == []
    qtbot.waitUntil(lambda: "All recordings have a track" in page.run.estimate.text(), timeout=30_000)


def test_estimate_measures_in_the_worker(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "a", frames=200)
    page = opened(state, JobRunner(command=WORKER))
    qtbot.waitUntil(lambda: "measured just now" in page.run.estimate.text(), timeout=60_000)
    assert page.run.estimate.text().startswith("200 frames, ")
    assert page.run.start_button.isEnabled()


# ---- what is asked


def test_the_request_is_what_is_set(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "a", "b")
    page = opened(state)
    show(state, "b")
    page.region.set_region((4, 6, 20, 18))
    page.form.every.setChecked(False)
    page.form.fps.setValue(5)
    page.form.spatial_pool.setCurrentIndex(1)
    page.which.setCurrentIndex(page.which.findData("all"))
    begin(qtbot, page)
    request = page.runner.request
    assert [(one["id"], one["region"]) for one in request["recordings"]] == [("a", None), ("b", (4, 6, 20, 18))]
    assert (request["fps"], request["spatial_pool"], request["num_frames"], request["stride"]) == (5.0, 2, 4, 2)
    assert request["out"] == str(state.session.folder / "tracks")
    assert (request["follow"], request["download"], request["overwrite"]) == (None, False, False)


def test_which_recordings(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "a", "b", "c")
    (state.session.subfolder("tracks") / "a.embeddings.h5").write_bytes(b"there")
    page = opened(state)
    begin(qtbot, page)
    assert [one["id"] for one in page.runner.request["recordings"]] == ["b", "c"]
    page.runner.cancel()
    page.set_selected(["c"])
    page.which.setCurrentIndex(page.which.findData("selected"))
    assert page.which.currentText() == "Selected in the list (1)"
    page.runner.asked.clear()
    begin(qtbot, page)
    assert [one["id"] for one in page.runner.request["recordings"]] == ["c"]
    page.runner.cancel()
    show(state, "b")
    page.which.setCurrentIndex(page.which.findData("current"))
    assert page.which.currentText() == "This one: b"
    page.runner.asked.clear()
    begin(qtbot, page)
    assert [one["id"] for one in page.runner.request["recordings"]] == ["b"]


def test_an_estimate_gives_way_to_the_work(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "a")
    page = opened(state)
    qtbot.waitUntil(lambda: page.runner.asked != [])
    assert page.runner.asked[0][0] == "estimate"
    assert page.runner.asked[0][1]["measure"] is True
    begin(qtbot, page)
    assert [job for job, _ in page.runner.asked] == ["estimate", "embed"]


def test_a_disk_that_is_too_small_cannot_start(qtbot, tmp_path, opened):
    page = opened(make_state(tmp_path, "a"))
    qtbot.waitUntil(lambda: page.runner.asked != [])
    page.runner.end(page.runner.result, found(problem="expected 2 GB of free disk, found 1 GB: free some space"))
    assert not page.run.start_button.isEnabled()
    assert "free some space" in page.run.problem.text()


def test_tracks_made_otherwise_are_named_and_can_be_replaced(qtbot, tmp_path, opened):
    page = opened(make_state(tmp_path, "a"))
    qtbot.waitUntil(lambda: page.runner.asked != [])
    other = found()["tracks"][0] | {"status": "other", "differences": ["stride: 4 instead of 2"]}
    page.runner.end(page.runner.result, found(tracks=[other], frames_left=0, seconds=None))
    assert "stride: 4 instead of 2" in page.others.text().replace("\u200b", "")
    assert not page.run.start_button.isEnabled()
    page.runner.asked.clear()
    page.overwrite.setChecked(True)
    qtbot.waitUntil(lambda: page.runner.asked != [])
    assert page.runner.request["overwrite"] is True


# ---- what is told


def test_progress_failures_and_end(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "a", "b")
    page = opened(state)
    begin(qtbot, page)
    told, finished = [], []
    state.message.connect(told.append)
    state.tracks_changed.connect(finished.append)
    runner = page.runner
    runner.progress.emit({"stage": "loading videoprism-tiny", "done": 0, "total": 0})
    assert page.run.now.text() == "Loading videoprism-tiny".replace("-", "-\u200b")
    one = {"stage": "embedding a", "done": 60, "total": 200, "recording": "a", "position": 1, "recordings": 2}
    one |= {"recording_done": 50, "recording_total": 100, "frames_per_s": 12.0, "seconds_left": 400.0, "failed": 1}
    runner.progress.emit(one | {"finished": {"track": "a", "recording": "a", "status": "done", "error": ""}})
    assert (page.run.bar.value(), page.run.own_bar.value()) == (300, 500)
    assert page.run.now.text().replace("\u200b", "") == "a · 12 frames/s · 7 min left · 1 failed"
    failed = {"track": "b", "recording": "b", "status": "failed", "error": "expected a video"}
    runner.progress.emit(one | {"finished": failed})
    assert page.run.failures.toPlainText() == "b: expected a video"
    assert finished == ["a"]
    runner.end(runner.result, {"results": [{"status": "done"}, {"status": "failed"}], "frames_per_s": 12.0})
    assert page.run.now.text() == "1 track finished, 1 failed:"
    assert told[-1] == "Embedding: 1 track finished, 1 failed."
    assert page.run.start_button.isVisible()


def test_errors_are_told_where_people_look(qtbot, tmp_path, opened):
    page = opened(make_state(tmp_path, "a"))
    begin(qtbot, page)
    page.runner.end(page.runner.failed, "videoprism-base: expected the weights file")
    assert "expected the weights file" in page.run.now.text().replace("\u200b", "")
    page.runner.asked.clear()
    qtbot.waitUntil(lambda: page.runner.asked != [])
    page.runner.end(page.runner.failed, "stride: expected 1 to 4")
    assert "expected 1 to 4" in page.run.problem.text()
    assert not page.run.start_button.isEnabled()


# ---- weights


def test_a_download_is_asked_for_first(qtbot, tmp_path, opened, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    page = opened(make_state(tmp_path, "a"), settings=DEFAULTS)
    assert page.form.needs_download
    assert "must be downloaded first (about 457 MB)" in page.form.about.text()
    asked, answers = [], [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]

    def question(*arguments):
        asked.append(arguments[-1])
        return answers.pop(0)

    monkeypatch.setattr(page_module.QMessageBox, "question", question)
    page.start()
    assert not page.running
    begin(qtbot, page)
    assert page.runner.request["download"] is True
    assert "about 457 MB from huggingface.co/google/videoprism-base-f16r288 (Apache-2.0)" in asked[0]
    assert 'run "vp-science fetch videoprism-base" on another computer' in asked[0]
    assert not [request for job, request in page.runner.asked if job == "estimate" and request["measure"]]


def test_models_say_what_they_are(qtbot):
    form = EmbedForm()
    qtbot.addWidget(form)
    form.set_models(vp.sessions.list_models())
    assert form.model.currentData() == "videoprism-base"
    form.model.setCurrentIndex(form.model.findData("videoprism-tiny"))
    assert "Comes with the program, trained on drawn animals" in form.about.text()
    assert not form.needs_download
    form.model.setCurrentIndex(form.model.findData("videoprism-giant"))
    assert "were never released" in form.unusable
    assert form.num_frames.value() == 8, "the frames it was made for"
    form.set_weights(Path("/weights/mine.npz"))
    assert (form.unusable, form.settings()["weights"]) == ("", "/weights/mine.npz")
    form.model.setCurrentIndex(form.model.findData("videoprism-large"))
    assert form.settings()["weights"] is None, "weights belong to a model"


def test_settings_survive_and_nonsense_does_not(qtbot):
    form = EmbedForm()
    qtbot.addWidget(form)
    form.set_models(vp.sessions.list_models())
    wanted = {
        "model": "videoprism-tiny", "weights": "/w.npz", "precision": "float32", "fps": 12.5, "num_frames": 8,
        "stride": 8, "spatial_pool": 4, "dtype": "float32", "fit": "pad",
    }  # fmt: skip
    form.load(wanted)
    assert form.settings() == wanted
    form.load({"model": "videoprism-none", "num_frames": "many", "fit": 3, "fps": "x", "stride": None})
    assert form.settings()["model"] == "videoprism-tiny"
    assert form.settings()["fps"] is None


# ---- interruption


def test_closing_amid_work_is_offered_to_continue(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "a", "b")
    page = opened(state)
    page.form.stride.setValue(4)
    begin(qtbot, page)
    folder = state.session.folder
    page.close_view()
    assert page.runner.closed
    state.close_session()

    state = make_state(tmp_path / "unused")
    state.use_session(vp.sessions.open_session(folder))
    again = EmbedPage(state, ActedRunner())
    qtbot.addWidget(again)
    again.form.set_models(vp.sessions.list_models())
    again.show()
    qtbot.waitUntil(lambda: again.offer.isVisible())
    assert "2 recordings left" in again.offer_text.text()
    again.form.stride.setValue(1)
    again.resume()
    qtbot.waitUntil(lambda: bool(again.runner.asked) and again.runner.asked[-1][0] == "embed")
    assert again.runner.request["stride"] == 4
    assert [one["id"] for one in again.runner.request["recordings"]] == ["a", "b"]
    assert not again.offer.isVisible()
    again.close_view()
    state.close_session()


def test_another_session_stops_the_work(qtbot, tmp_path, opened):
    state = make_state(tmp_path / "one", "a")
    page = opened(state)
    begin(qtbot, page)
    told = []
    state.message.connect(told.append)
    state.use_session(vp.sessions.open_session(tmp_path / "two" / "session"))
    assert not page.running
    assert "Nothing is lost" in told[-1]


# ---- animals


def write_poses(path, frames):
    rows = [["scorer"], ["individuals"], ["bodyparts"], ["coords"]]
    for name in ("m0", "m1"):
        for part in ("nose", "tailbase"):
            rows[0] += ["net"] * 3
            rows[1] += [name] * 3
            rows[2] += [part] * 3
            rows[3] += ["x", "y", "likelihood"]
    for frame in range(frames):
        row = [str(frame)]
        for animal in range(2):
            for offset in (4, -4):
                row += [str(20 + frame / 10 + offset), str(14 + 12 * animal), "0.99"]
        rows.append(row)
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path


def test_animals_are_found_shown_and_followed(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "a", "b")
    poses = write_poses(tmp_path / "aDLC_net.csv", 40)
    page = opened(state)
    show(state, "a")
    box = page.animals
    qtbot.waitUntil(lambda: "aDLC_net.csv" in box.file.text().replace("\u200b", ""))
    box.follow.setChecked(True)
    assert box.who_layout.count() == 2
    box.overlay.setChecked(True)
    qtbot.waitUntil(lambda: CROPS in state.viewer.layers)
    layer = state.viewer.layers[CROPS]
    assert np.allclose(layer.data[0].mean(axis=0), (14, 20), atol=0.5)
    assert list(layer.features["name"]) == ["m0", "m1"]
    box.who_layout.itemAt(1).widget().setChecked(False)
    qtbot.waitUntil(lambda: len(state.viewer.layers[CROPS].data) == 1)
    box.in_pixels.setChecked(True)
    box.pixels.setValue(20)
    box.whole.setChecked(False)
    page.which.setCurrentIndex(page.which.findData("all"))
    begin(qtbot, page)
    request = page.runner.request
    assert [one["poses"] for one in request["recordings"]] == [str(poses), None]
    assert request["subjects"] == ["m0"]
    assert (request["follow"]["size_px"], request["whole_frame"]) == (20, False)
    box.follow.setChecked(False)
    assert CROPS not in state.viewer.layers


def test_a_chosen_pose_file_is_kept_and_its_folder_searched(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "a", "b")
    elsewhere = tmp_path / "poses"
    elsewhere.mkdir()
    mine, other = write_poses(elsewhere / "whatever.csv", 40), write_poses(elsewhere / "b_tracks.csv", 40)
    page = opened(state)
    show(state, "a")
    qtbot.waitUntil(lambda: "No pose file" in page.animals.file.text())
    page.animals.set_poses(mine)
    qtbot.waitUntil(lambda: "whatever.csv" in page.animals.file.text().replace("\u200b", ""))
    page.which.setCurrentIndex(page.which.findData("all"))
    begin(qtbot, page)
    assert [one["poses"] for one in page.runner.request["recordings"]] == [str(mine), str(other)]
    assert state.session.recording("a").poses == mine


def test_a_broken_pose_file_says_why(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "a")
    broken = tmp_path / "broken.csv"
    broken.write_text("nothing\n")
    page = opened(state)
    show(state, "a")
    page.animals.set_poses(broken)
    qtbot.waitUntil(lambda: "expected" in page.animals.file.text())


# ---- words


def test_estimates_in_words():
    words = estimate_words(found(), speed_comes=False)
    assert words == (
        "40 frames, 1 MB on disk (5 GB free). About 2 s at 20 frames/s (measured just now). "
        "Uses about 300 MB of memory."
    )
    track = found()["tracks"][0] | {"status": "continues", "share": 0.43}
    done = found()["tracks"][0] | {"status": "done"}
    words = estimate_words(found(tracks=[track, done], measured="before"), speed_comes=False)
    assert "a continues at 43 %." in words
    assert "1 track is there already." in words
    assert "as fast as last time" in words
    words = estimate_words(
        found(seconds=None, memory_bytes=None, without_poses=["b"], unreadable=[("c", "x")]), speed_comes=True
    )
    assert "Measuring the time" in words
    assert "1 recording without a pose file: whole frames only." in words
    assert "1 recording cannot be read (c)." in words
    assert estimate_words(found(frames_left=0), speed_comes=False).startswith("Nothing is left to embed.")


def test_downloads_are_told_in_bytes(qtbot):
    run = EmbedRun()
    qtbot.addWidget(run)
    run.set_running(True)
    run.tell_progress({"stage": "downloading the weights of x", "done": 2e8, "total": 4e8, "unit": "bytes"})
    assert run.now.text() == "Downloading the weights of x: 200 MB of 400 MB"
    assert run.bar.value() == 500
