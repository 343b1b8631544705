"""Recordings for looking at: the right frame, whatever was asked before, and what is shown until it is there."""

import os
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from video_synthetic import bars, number_of, write_video

from vp_science.errors import RecordingError
from vp_science.video.array import ArrayRecording
from vp_science.video.frame_cache import FrameCache, KeptPicture
from vp_science.video.open import open_recording
from vp_science.video.viewing import ViewingSource, open_source
from vp_science.video.viewing_ways import StackWay

VFR = np.cumsum([0, *[1, 1, 5, 2, 1, 40, 3] * 9])[:60]
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "b_frames": ("a.mp4", {}),
    "one_key_frame": ("a.mp4", {"gop": 250}),
    "vfr": ("a.mp4", {"pts": VFR, "time_base": Fraction(1, 90)}),
    "open_gop": ("a.ts", {"options": {"x264-params": "open-gop=1:bframes=3"}, "b_frames": 3}),
    "order_unknown": ("a.avi", {}),
    "seeks_badly": ("a.mpg", {"codec": "mpeg2video"}),
    "stand_alone": ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
}


@pytest.fixture(scope="module", params=sorted(CASES))
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ViewingSource:
    name, settings_ = CASES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    write_video(folder / name, **settings_)
    return open_source(folder / name, folder / "index", cache_bytes=12 * 48 * 160 * 3 // 2)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_video(path, gop=20)
    return path


@settings(max_examples=10, deadline=None)
@given(
    asked=st.lists(
        st.tuples(st.sampled_from(["exact", "preview", "given up"]), st.integers(0, 59)), min_size=1, max_size=12
    )
)
def test_every_order_of_requests_gives_the_right_frames(source: ViewingSource, asked: list[tuple[str, int]]) -> None:
    for what, frame in asked:
        if what == "preview":
            shown = source.preview(frame)
            assert shown is None or number_of(shown.pixels) == shown.shown_index
        elif what == "given up":
            source.fetch(frame, lambda: True)
        else:
            shown = source.exact(frame)
            assert shown is not None
            assert (number_of(shown.pixels), shown.shown_index, shown.damaged) == (frame, frame, False)
        assert source.cache.num_bytes <= source.cache.most_bytes


def test_a_preview_is_the_key_frame_or_nearer(clip: Path, tmp_path: Path) -> None:
    with_keys = open_source(clip, tmp_path / "index")
    assert with_keys.preview(40) is None  # decoding it is as quick
    shown = with_keys.preview(35)
    assert shown is not None
    assert (shown.frame_index, shown.shown_index, number_of(shown.pixels)) == (35, 20, 20)
    with_keys.fetch(37)
    nearer = with_keys.preview(36)
    assert nearer is not None
    assert nearer.shown_index in (35, 36, 37)


def test_giving_up_loses_nothing(clip: Path, tmp_path: Path) -> None:
    source = open_source(clip, tmp_path / "index")
    passed = iter([False, False, True])
    assert not source.fetch(15, lambda: next(passed))
    assert source.reached == 2
    assert [frame for frame in range(20) if source.cached(frame)] == [0, 1, 2]
    seen: list[int] = []
    assert source.fetch(15, lambda: bool(seen.append(source.reached)))
    assert seen == list(range(3, 15))  # it went on from there


def test_a_frame_that_is_there_is_given_although_nobody_wants_it_any_more(clip: Path, tmp_path: Path) -> None:
    source = open_source(clip, tmp_path / "index")
    assert source.exact(20, lambda: True) is not None


def test_times_of_jumps_are_measured_before_they_are_told(clip: Path, tmp_path: Path) -> None:
    source = open_source(clip, tmp_path / "index", cache_bytes=1)  # so that everything is decoded again
    assert source.expected_s(30) is None
    for frame in (19, 39, 59, 19):
        assert source.jump_s() is None
        source.fetch(frame)
    source.fetch(39)
    assert source.expected_s(39) == 0
    assert source.expected_s(59) > source.expected_s(48) > 0
    assert source.jump_s() > 0
    assert source.key_distance() == 20


def test_damaged_frames_show_the_last_good_one(footage: Path, tmp_path: Path) -> None:
    path = footage / "formats" / "corrupted.mp4"
    source = open_source(path, tmp_path)
    expected = {f.frame_index: f for f in open_recording(path).decode(np.arange(source.num_frames))}
    damaged = [frame for frame, found in expected.items() if found.damaged]
    assert damaged
    for frame in [*damaged[::-1], *damaged[:3], 0, source.num_frames - 1]:
        shown = source.exact(frame)
        assert shown is not None
        assert (shown.damaged, shown.shown_index) == (expected[frame].damaged, expected[frame].shown_index)
        assert np.abs(shown.pixels.astype(int) - expected[frame].pixels).mean() < 2


def test_pixels_are_those_of_the_recording_within_two_units(footage: Path, tmp_path: Path) -> None:
    for name in ("formats/video_90.mov", "formats/finch_hevc10.mp4", "hdf5/fish_compressed.h5"):
        path = footage / name
        source, recording = open_source(path, tmp_path), open_recording(path)
        shown = source.exact(source.num_frames // 2)
        assert shown is not None
        assert shown.pixels.shape == (recording.height, recording.width, 3)
        assert np.abs(shown.pixels.astype(int) - recording.read(source.num_frames // 2)).mean() < 2


@pytest.mark.parametrize("event", ["deleted", "cut", "grown"])
def test_a_file_that_changes_while_it_is_open(clip: Path, tmp_path: Path, event: str) -> None:
    source = open_source(clip, tmp_path / "index")
    source.fetch(3)
    if event == "deleted":
        clip.unlink()
    elif event == "cut":
        os.truncate(clip, clip.stat().st_size // 2)
    else:
        clip.write_bytes(clip.read_bytes() * 2)
    with pytest.raises(RecordingError, match="no such file" if event == "deleted" else "found it changed"):
        source.exact(50)
    assert source.exact(2) is not None  # what is in memory is still there


def test_a_closed_source_says_so(clip: Path, tmp_path: Path) -> None:
    source = open_source(clip, tmp_path / "index")
    source.close()
    with pytest.raises(RecordingError, match="found it closed"):
        source.exact(5)
    with pytest.raises(IndexError, match="frames 0 to 59, found 60"):
        source.exact(60)


def test_many_threads_get_their_own_frames(clip: Path, tmp_path: Path) -> None:
    source = open_source(clip, tmp_path / "index", cache_bytes=1 << 16)
    wrong: list[tuple[int, int]] = []

    def ask(seed: int) -> None:
        for frame in np.random.default_rng(seed).integers(0, 60, 25).tolist():
            shown = source.exact(frame)
            if shown is None or number_of(shown.pixels) != frame:
                wrong.append((seed, frame))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_grey_pictures_stay_one_plane_in_the_cache(tmp_path: Path) -> None:
    frames = np.stack([bars(number) for number in range(30)])
    path = tmp_path / "grey.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("frames", data=frames, chunks=(1, *frames.shape[1:]), compression="gzip")
        file.create_dataset("timestamps", data=100 + np.arange(30) / 10).attrs["unit"] = "s"
    source = open_source(path, tmp_path / "index")
    assert source.time_s[0] == 100
    for frame in (29, 3, 4):
        shown = source.exact(frame)
        assert shown is not None
        assert number_of(shown.pixels) == frame
    assert source.cache.num_bytes == 3 * frames[0].size
    assert source.preview(7) is None


class _Broken(ArrayRecording):
    """An array some of whose pictures do not decode."""

    def _pictures(self, frame_index: np.ndarray) -> Any:
        for index, picture in super()._pictures(frame_index):
            yield index, None if index in (4, 5) else picture


def test_a_picture_that_does_not_decode_shows_the_one_before() -> None:
    recording = _Broken(np.stack([bars(number) for number in range(10)]), source_fps=10)
    source = ViewingSource(StackWay(recording), Path("array"))
    shown = source.exact(5)
    assert shown is not None
    assert (shown.frame_index, shown.shown_index, shown.damaged, number_of(shown.pixels)) == (5, 3, True, 3)


def test_a_bare_file_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    with pytest.raises(RecordingError, match="expected a video"):
        open_source(path, tmp_path)


def test_a_cut_off_video_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "cut.mkv"
    write_video(path, gop=20)
    os.truncate(path, path.stat().st_size * 7 // 10)
    source = open_source(path, tmp_path / "index")
    assert 20 <= source.num_frames < 60
    shown = source.exact(source.num_frames - 2)
    assert shown is not None
    assert number_of(shown.pixels) == source.num_frames - 2


@settings(max_examples=60, deadline=None)
@given(
    most=st.integers(1, 40),
    steps=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 30), st.booleans()), max_size=40),
)
def test_the_cache_keeps_the_newest_within_its_bytes(most: int, steps: list[tuple[int, int, bool]]) -> None:
    cache = FrameCache(most)
    order: list[int] = []
    sizes: dict[int, int] = {}
    for frame, size, only_look in steps:
        if only_look:
            assert (cache.get(frame) is not None) == (frame in order)
        else:
            cache.put(frame, KeptPicture(frame, np.zeros(size, np.uint8), False, size))
            sizes.setdefault(frame, size)
        if frame in order:
            order.remove(frame)
            order.append(frame)
        elif not only_look:
            order.append(frame)
        while len(order) > 1 and sum(sizes[known] for known in order) > most:
            del sizes[order.pop(0)]
        assert [known in cache for known in range(10)] == [known in order for known in range(10)]
        assert cache.num_bytes == sum(sizes[known] for known in order)
        near = cache.nearest(frame)
        assert (near is None) == (not order)
        assert near is None or abs(near - frame) == min(abs(known - frame) for known in order)
    cache.most_bytes = 1
    assert len(cache) <= 1
