"""Embedding as the worker of the panel does it: the same files as the command line, stopped and continued at will."""

import json
import os
import shutil
import signal
import sys
import threading
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from session_embedding import Listener, make_request, shrink_models, start_worker, write_video

import vp_science as vp
from vp_science.errors import CheckpointError, PoseError, SettingsError, StoreError
from vp_science.sessions import embedding_estimate, embedding_job
from vp_science.sessions.embedding_estimate import free_bytes, in_bytes, track_bytes
from vp_science.sessions.embedding_rates import Rate, known_rate, rate_key, remember_rate
from vp_science.sessions.embedding_request import EmbeddingRequest
from vp_science.sessions.tracks import find_unfinished
from vp_science.sessions.worker import CancelledError, run_job


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setenv("VP_SCIENCE_CONFIG", str(tmp_path / "config"))
    shrink_models(monkeypatch.setattr)


@pytest.fixture
def videos(tmp_path):
    return [write_video(tmp_path / f"mouse_{number}.mp4", 60 + 40 * number, number) for number in (1, 2)]


def embed(request, report=None):
    return run_job("embed", request, report or Listener())


def test_tracks_are_those_of_the_library(videos, tmp_path):
    report = Listener()
    result = embed(make_request(tmp_path / "tracks", *videos), report)
    vp.embed(videos, model="videoprism-tiny", out=tmp_path / "plain", num_frames=4, stride=2)
    assert [one["status"] for one in result["results"]] == ["done", "done"]
    for video in videos:
        name = f"{video.stem}.embeddings.h5"
        assert (tmp_path / "tracks" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    assert report.events[-1]["done"] == report.events[-1]["total"] == 100 + 140
    assert [event["finished"]["recording"] for event in report.events if "finished" in event] == ["mouse_1", "mouse_2"]
    assert report.last("position") == report.last("recordings") == 2
    assert result["frames_per_s"] > 0
    lines = (tmp_path / "tracks" / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["recording_id"] for line in lines] == ["mouse_1", "mouse_2"]


def test_ids_of_the_session_name_the_tracks(videos, tmp_path):
    recordings = [{"id": "day 1 mouse", "path": str(videos[0])}]
    (result,) = embed(make_request(tmp_path / "tracks", recordings=recordings))["results"]
    assert Path(result["output"]).name == "day 1 mouse.embeddings.h5"
    with vp.open_embeddings(result["output"]) as track:
        assert track.recording_id == "day 1 mouse"


def test_settings_and_region_arrive(videos, tmp_path):
    recordings = [
        {"id": "a", "path": str(videos[0]), "region": [4, 2, 30, 20]},
        {"id": "b", "path": str(videos[1])},
    ]
    request = make_request(
        tmp_path / "t", recordings=recordings, fps=5, dtype="float32", spatial_pool=2, fit="pad", num_frames=6, stride=3
    )
    embed(request)
    with vp.open_embeddings(tmp_path / "t" / "a.embeddings.h5") as track:
        made = track.provenance
        assert (made.grid["sample_fps"], made.dtype, made.spatial_pool, made.num_frames, made.stride) == (
            5.0, "float32", 2, 6, 3,
        )  # fmt: skip
        assert (made.preprocess["fit"], made.preprocess["crop"]) == ("pad", [4, 2, 30, 20])
    with vp.open_embeddings(tmp_path / "t" / "b.embeddings.h5") as track:
        assert track.provenance.preprocess["crop"] is None


def test_cancelled_work_continues_to_the_same_bytes(tmp_path):
    video = write_video(tmp_path / "long.mp4", 200)
    embed(make_request(tmp_path / "whole", video))

    def stop(event):
        return "cancel" if event.get("recording_done", 0) >= 100 else None

    with pytest.raises(CancelledError):
        embed(make_request(tmp_path / "parts", video), Listener(stop))
    assert not (tmp_path / "parts" / "long.embeddings.h5").exists()
    shutil.copytree(tmp_path / "parts", tmp_path / "session" / "tracks")
    (work,) = find_unfinished(tmp_path / "session", "long")
    assert 0 < work.share < 1

    report = Listener()
    before = run_job("estimate", make_request(tmp_path / "parts", video), Listener())
    assert before["tracks"][0]["status"] == "continues"
    assert before["tracks"][0]["share"] == pytest.approx(work.share)
    assert before["frames_left"] == round(200 * (1 - work.share))
    embed(make_request(tmp_path / "parts", video), report)
    assert next(event["recording_done"] for event in report.events if "recording_done" in event) > 0
    name = "long.embeddings.h5"
    assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert find_unfinished(tmp_path, "long") == []


def test_a_killed_worker_loses_nothing(tmp_path):
    """Real processes: one is paused, resumed and killed; another goes on to the bytes that it had made in one go."""
    video = write_video(tmp_path / "long.mp4", 400)
    worker, other = start_worker(tmp_path), start_worker(tmp_path)
    try:
        say(other, {"job": "embed", "request": make_request(tmp_path / "whole", video)})
        hear(other, lambda event: event["event"] == "result")
        say(worker, {"job": "embed", "request": make_request(tmp_path / "parts", video)})
        hear(worker, lambda event: event.get("recording_done", 0) >= 30)
        say(worker, {"control": "pause"})
        say(worker, {"control": "resume"})
        hear(worker, lambda event: event.get("recording_done", 0) >= 150)
        worker.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
        worker.wait(30)
        assert not (tmp_path / "parts" / "long.embeddings.h5").exists()
        say(other, {"job": "embed", "request": make_request(tmp_path / "parts", video)})
        hear(other, lambda event: event["event"] == "result")
    finally:
        for one in (worker, other):
            one.kill()
            one.communicate()
    name = "long.embeddings.h5"
    assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def say(worker, message):
    worker.stdin.write(json.dumps(message) + "\n")
    worker.stdin.flush()


def hear(worker, wanted):
    for line in worker.stdout:
        event = json.loads(line)
        assert event["event"] != "error", event
        if wanted(event):
            return event
    raise AssertionError("the worker ended")


def test_work_goes_on_after_a_pause(videos, tmp_path):
    report = Listener()
    seen: list[str] = []
    timer = threading.Timer(0.2, lambda: (seen.append("resumed"), report.control("resume")))

    def pause(event):
        if 0 < event.get("recording_done", 0) < event.get("recording_total", 0) and not seen:
            seen.append("paused")
            report.control("pause")
            timer.start()

    report.on = pause
    (result,) = embed(make_request(tmp_path / "t", videos[0]), report)["results"]
    timer.join(20)
    assert seen == ["paused", "resumed"]
    assert result["status"] == "done"


def test_the_speed_is_that_of_work_and_not_of_pauses(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(embedding_job.time, "monotonic", lambda: clock[0])

    def wait(event):
        clock[0] += 1000.0  # somebody paused here

    told = embedding_job._Told(Listener(wait), {"a": 120, "b": 80})
    told.start("a", 0, 2, 100, 20, 4.0)
    for _ in range(8):
        clock[0] += 2.0
        told.advance(10)
    assert told.rate() == pytest.approx(5.0)
    assert told.overall_rate() == pytest.approx(5.0)
    event = told.report.events[-1]
    assert (event["recording_done"], event["recording_total"], event["done"], event["total"]) == (100, 100, 100, 180)
    assert event["seconds_left"] == pytest.approx(80 / 5.0)


def test_failing_recordings_do_not_stop_the_others(videos, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video")
    report = Listener()
    results = embed(make_request(tmp_path / "t", broken, tmp_path / "gone.mp4", videos[0]), report)["results"]
    assert [(one["recording"], one["status"]) for one in results] == [
        ("broken", "failed"), ("gone", "failed"), ("mouse_1", "done"),
    ]  # fmt: skip
    assert "expected a video that FFmpeg can read" in results[0]["error"]
    assert "expected a recording, found no such file" in results[1]["error"]
    assert report.last("failed") == 2
    estimate = run_job("estimate", make_request(tmp_path / "t", broken, videos[0]), Listener())
    assert [name for name, _ in estimate["unreadable"]] == ["broken"]


def test_a_full_disk_is_refused_before_the_start(videos, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(embedding_estimate.shutil, "disk_usage", lambda _: usage(10, 10, 1000))
    request = make_request(tmp_path / "t", *videos)
    estimate = run_job("estimate", request, Listener())
    assert estimate["free_bytes"] == 1000
    with pytest.raises(StoreError) as caught:
        embed(request)
    assert str(caught.value) == estimate["problem"]
    assert "of free disk for the tracks, found 1 kB: free some space" in estimate["problem"]
    assert not list((tmp_path / "t").glob("*")) if (tmp_path / "t").exists() else True


def test_a_disk_that_fills_up_keeps_what_was_written(tmp_path, monkeypatch):
    from vp_science.store import writer

    real, calls = writer.write_segment_file, []

    def full(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    video = write_video(tmp_path / "long.mp4", 300)
    monkeypatch.setattr(writer, "write_segment_file", full)
    (result,) = embed(make_request(tmp_path / "t", video))["results"]
    assert result["status"] == "failed"
    assert "No space left" in result["error"]
    monkeypatch.setattr(writer, "write_segment_file", real)
    report = Listener()
    (result,) = embed(make_request(tmp_path / "t", video), report)["results"]
    assert result["status"] == "done"
    assert next(event["recording_done"] for event in report.events if "recording_done" in event) > 0


def test_missing_weights_are_never_downloaded_unasked(videos, tmp_path, monkeypatch):
    import huggingface_hub
    import huggingface_hub.constants

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *a, **k: pytest.fail("used the network"))
    with pytest.raises(CheckpointError, match=r"downloads are switched off.*vp-science fetch videoprism-base"):
        embed(make_request(tmp_path / "t", videos[0], model="videoprism-base"))


def test_an_agreed_download_tells_its_progress(videos, tmp_path, monkeypatch):
    import huggingface_hub
    import huggingface_hub.constants

    def download(repo, name, *, revision, cache_dir, tqdm_class):
        with tqdm_class(total=400) as bar:
            for _ in range(4):
                bar.update(100)
        raise ConnectionError("the line broke")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    report = Listener()
    with pytest.raises(CheckpointError, match=r"the download failed .ConnectionError: the line broke"):
        embed(make_request(tmp_path / "t", videos[0], model="videoprism-base", download=True), report)
    told = [event for event in report.events if "downloading" in event["stage"]]
    assert (told[-1]["done"], told[-1]["total"], told[-1]["unit"]) == (400, 400, "bytes")


def test_own_weights_that_are_not_there(videos, tmp_path):
    request = make_request(tmp_path / "t", videos[0], weights=str(tmp_path / "mine.safetensors"))
    with pytest.raises(CheckpointError, match="expected a file with weights"):
        embed(request)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recordings": []}, "expected recordings, an output folder and a model"),
        ({"speed": 3}, "found speed"),
        ({"model": "videoprism-tinny"}, "did you mean videoprism-tiny"),
        ({"stride": 9}, "stride"),
        ({"spatial_pool": 3}, "spatial_pool: expected one of"),
        ({"follow": {"sise": 3}}, "found sise"),
        ({"follow": {"size_px": 1}}, "size_px: expected at least 2 pixels"),
    ],
)
def test_requests_that_cannot_work(videos, tmp_path, change, message):
    request = make_request(tmp_path / "t", videos[0]) | change
    with pytest.raises(SettingsError, match=message):
        embed(request)


def test_region_must_be_whole_pixels(videos, tmp_path):
    recordings = [{"id": "a", "path": str(videos[0]), "region": [0, 0, 10.5, 10]}]
    with pytest.raises(SettingsError, match="expected a region as x, y, width, height in whole pixels"):
        embed(make_request(tmp_path / "t", recordings=recordings))


def test_a_region_beyond_the_frame_fails_alone(videos, tmp_path):
    recordings = [
        {"id": "a", "path": str(videos[0]), "region": [0, 0, 100, 10]},
        {"id": "b", "path": str(videos[1])},
    ]
    results = embed(make_request(tmp_path / "t", recordings=recordings))["results"]
    assert [one["status"] for one in results] == ["failed", "done"]
    assert "does not lie inside the frame" in results[0]["error"]


# ---- estimates


def test_estimate_knows_frames_disk_and_speed(videos, tmp_path):
    request = make_request(tmp_path / "t", *videos)
    first = run_job("estimate", request, Listener())
    assert first["frames_left"] == 240
    assert first["frames_per_s"] is None
    assert first["measured"] == ""
    measured = run_job("estimate", request | {"measure": True}, Listener())
    assert measured["measured"] == "now"
    assert measured["seconds"] == pytest.approx(240 / measured["frames_per_s"])
    assert measured["memory_bytes"] > 0
    again = run_job("estimate", request | {"measure": True}, Listener())
    assert again["measured"] == "before"
    embed(request)
    sizes = sum(path.stat().st_size for path in (tmp_path / "t").glob("*.h5"))
    assert sizes <= first["track_bytes"] <= 1.05 * sizes + 2 * embedding_estimate._OVERHEAD
    assert first["needed_bytes"] > first["track_bytes"]
    done = run_job("estimate", request, Listener())
    assert [track["status"] for track in done["tracks"]] == ["done", "done"]
    assert (done["frames_left"], done["track_bytes"]) == (0, 0)


def test_estimate_of_one_window_measures_a_second_pass(tmp_path):
    video = write_video(tmp_path / "short.mp4", 3)
    measured = run_job("estimate", make_request(tmp_path / "t", video) | {"measure": True}, Listener())
    assert measured["frames_per_s"] > 0


def test_tracks_made_otherwise_are_named_and_replaced_only_when_asked(videos, tmp_path):
    out = tmp_path / "t"
    embed(make_request(out, videos[0]))
    other = make_request(out, videos[0], stride=1)
    estimate = run_job("estimate", other, Listener())
    assert estimate["tracks"][0]["status"] == "other"
    assert estimate["tracks"][0]["differences"] == ("stride: 2 instead of 1",)
    assert estimate["frames_left"] == 0
    assert "stride: 1 here, 2 in the file" in embed(other)["results"][0]["error"]
    assert run_job("estimate", other | {"overwrite": True}, Listener())["frames_left"] == 100
    assert embed(other | {"overwrite": True})["results"][0]["status"] == "done"
    assert run_job("estimate", make_request(out, videos[0], fps=5), Listener())["tracks"][0]["differences"] == (
        "stride: 1 instead of 2",
        "grid.sample_fps: null instead of 5.0",
    )


def test_rates_are_kept_for_this_computer(tmp_path, videos):
    key = rate_key(EmbeddingRequest.from_json(make_request(tmp_path, *videos)))
    assert known_rate(key, tmp_path) is None
    remember_rate(key, Rate(12.5, 1000), tmp_path)
    remember_rate("other", Rate(1.0, 1), tmp_path)
    assert known_rate(key, tmp_path) == Rate(12.5, 1000)
    (tmp_path / "embedding_rates.json").write_text(json.dumps({key: {"frames_per_s": -1}}))
    assert known_rate(key, tmp_path) is None
    (tmp_path / "embedding_rates.json").write_text("[1")
    assert known_rate(key, tmp_path) is None


def test_sizes_in_words():
    assert [in_bytes(n) for n in (12, 1500, 2_500_000, 1.5e9, 3e12)] == [
        "12 bytes",
        "1.5 kB",
        "2.5 MB",
        "1.5 GB",
        "3 TB",
    ]
    assert free_bytes(Path("/tmp/no/such/folder/there")) > 0


@pytest.mark.parametrize(("frames", "fps"), [(1, None), (3, None), (100, None), (100, 5)])
def test_track_size_is_an_upper_bound_that_is_near(tmp_path, frames, fps):
    video = write_video(tmp_path / f"v{frames}.mp4", frames)
    request = make_request(tmp_path / "t", video, fps=fps, spatial_pool=2)
    (result,) = embed(request)["results"]
    expected = track_bytes(result["grid_frames"], EmbeddingRequest.from_json(request))
    assert os.path.getsize(result["output"]) <= expected


# ---- animals


def write_poses(path: Path, frames: int, animals: int = 2) -> Path:
    """A DeepLabCut table: animals that walk to the right."""
    rows = [["scorer", *["net"] * 6 * animals], ["individuals"], ["bodyparts"], ["coords"]]
    for animal in range(animals):
        for part in ("nose", "tailbase"):
            rows[1] += [f"m{animal}"] * 3
            rows[2] += [part] * 3
            rows[3] += ["x", "y", "likelihood"]
    for frame in range(frames):
        row = [str(frame)]
        for animal in range(animals):
            for offset in (4, -4):
                row += [f"{15 + 0.1 * frame + offset:.2f}", f"{12 + 8 * animal}", "0.99"]
        rows.append(row)
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path


def test_animals_get_tracks_of_their_own(videos, tmp_path):
    poses = write_poses(tmp_path / "mouse_1DLC_net.csv", 100)
    recordings = [
        {"id": "mouse_1", "path": str(videos[0]), "poses": str(poses)},
        {"id": "mouse_2", "path": str(videos[1])},
    ]
    request = make_request(tmp_path / "t", recordings=recordings, follow={"size_px": 20})
    estimate = run_job("estimate", request, Listener())
    assert [track["id"] for track in estimate["tracks"]] == ["mouse_1", "mouse_1@m0", "mouse_1@m1", "mouse_2"]
    assert estimate["without_poses"] == ("mouse_2",)
    results = embed(request)["results"]
    assert [(one["track"], one["recording"], one["status"]) for one in results] == [
        ("mouse_1", "mouse_1", "done"),
        ("mouse_1@m0", "mouse_1", "done"),
        ("mouse_1@m1", "mouse_1", "done"),
        ("mouse_2", "mouse_2", "done"),
    ]
    plain = vp.embed(
        videos[0], model="videoprism-tiny", out=tmp_path / "plain", num_frames=4, stride=2,
        poses=poses, follow=vp.FollowSettings(size_px=20), whole_frame=False,
    )  # fmt: skip
    for one in plain:
        assert (tmp_path / "t" / one.output.name).read_bytes() == one.output.read_bytes()


def test_only_chosen_animals(videos, tmp_path):
    poses = write_poses(tmp_path / "poses.csv", 100)
    recordings = [{"id": "a", "path": str(videos[0]), "poses": str(poses)}]
    request = make_request(
        tmp_path / "t",
        recordings=recordings,
        follow={"size_px": 20, "rotate": True},
        subjects=["m1"],
        whole_frame=False,
    )
    assert [one["track"] for one in embed(request)["results"]] == ["a@m1"]
    pairs = request | {"subjects": None, "pairs": True}
    expected = ["a@m0", "a@m1", "a@m0+m1", "a@m1+m0"]
    assert [track["id"] for track in run_job("estimate", pairs, Listener())["tracks"]] == expected


def test_without_poses_and_without_whole_frames_a_recording_fails(videos, tmp_path):
    request = make_request(tmp_path / "t", videos[0], follow={}, whole_frame=False)
    (result,) = embed(request)["results"]
    assert result["status"] == "failed"
    assert "expected its pose file" in result["error"]


def test_animals_before_embedding(videos, tmp_path):
    poses = write_poses(tmp_path / "mouse_1DLC_net.csv", 100)
    assert vp.sessions.find_poses(videos[0]) == poses
    assert vp.sessions.find_poses(videos[1]) is None
    first, second = vp.sessions.look_at_poses(poses)
    assert (first.name, second.name, first.seen_share, first.length_px) == ("m0", "m1", 1.0, 8.0)
    assert first.has_direction
    write_poses(tmp_path / "mouse_1_tracks.csv", 100)
    with pytest.raises(PoseError, match=r"expected one pose file of mouse_1\.mp4"):
        vp.sessions.find_poses(videos[0])


@pytest.mark.parametrize("rotate", [False, True])
def test_outlines_are_where_pictures_are_cut(videos, tmp_path, rotate):
    poses = write_poses(tmp_path / "poses.csv", 100)
    follow = vp.FollowSettings(size_px=20, rotate=rotate, smooth_s=0)
    times = np.arange(100) / 25
    outlines = vp.sessions.crop_outlines(poses, times, (48, 36), follow)
    assert list(outlines) == ["m0", "m1"]
    corners = outlines["m0"][10]  # the animal is at x = 16, y = 12 and looks to the right
    assert corners.shape == (4, 2)
    assert np.allclose(corners.mean(axis=0), (12, 16), atol=1e-4)
    upper_left, upper_right = corners[0], corners[1]
    if rotate:  # what is up in the picture is right in the frame
        assert np.allclose(upper_left, (2, 26), atol=1e-3)
        assert np.allclose(upper_right, (22, 26), atol=1e-3)
    else:
        assert np.allclose(upper_left, (2, 6), atol=1e-3)
        assert np.allclose(upper_right, (2, 26), atol=1e-3)
    with pytest.raises(PoseError, match='expected the animal "rat", found m0, m1'):
        vp.sessions.crop_outlines(poses, times, (48, 36), follow, ["rat"])
