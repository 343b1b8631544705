"""A track that was computed piece by piece is the track of the plain encoder, window by window."""

import gc
import threading
from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipeline_tools import EXECUTION, FakeRecording, compute_plainly, make_plan, make_recording

from vp_science.errors import SettingsError, StoreError
from vp_science.stream import Execution, SegmentRows, check_spatial_pool, choose_execution, embed_segments
from vp_science.video.preprocess import Preprocess

ODD = Execution(frames_per_group=3, windows_per_group=3, groups_per_segment=1)
JITTERED = np.cumsum([0.04, 0.01, 0.2, 0.04, 0.03, 0.5, 0.04, 0.04, 0.04, 0.11, 0.04, 0.02, 0.04])


@pytest.fixture
def quick_compilation():
    """Compiling is most of the time of these tests; what is computed stays the same."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def join(segments: list[SegmentRows]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([s.track for s in segments]), np.concatenate([s.window for s in segments])


def check(recording, encoder, **options) -> None:
    """Streamed equals plain; all frames are covered in order."""
    plan = make_plan(recording, **options)
    counts: list[int] = []
    segments = list(embed_segments(recording, encoder, plan, on_frames=counts.append))
    track, window = join(segments)
    plain_track, plain_window = compute_plainly(recording, encoder, plan)
    assert track.shape == plain_track.shape
    assert window.shape == plain_window.shape
    np.testing.assert_allclose(track, plain_track, atol=1e-5)
    np.testing.assert_allclose(window, plain_window, atol=1e-5)
    assert sum(counts) == len(plan.grid)
    assert [s.index for s in segments] == list(range(plan.num_segments))
    np.testing.assert_array_equal(np.concatenate([s.shown_index for s in segments]), plan.grid.frame_index)
    assert not any(len(s.damaged_frames) for s in segments)


@pytest.mark.usefixtures("quick_compilation")
@pytest.mark.parametrize(
    ("num_source", "options"),
    [
        pytest.param(1, {}, id="one frame"),
        pytest.param(3, {"spatial_pool": 2}, id="shorter than a window"),
        pytest.param(4, {}, id="exactly one window"),
        pytest.param(5, {"stride": 4}, id="one frame more than a window"),
        pytest.param(24, {"stride": 4, "spatial_pool": 2}, id="no overlap"),
        pytest.param(23, {"stride": 1}, id="a window per frame"),
        pytest.param(23, {"stride": 3, "execution": ODD}, id="groups that do not divide anything"),
        pytest.param(11, {"num_frames": 1, "stride": 1}, id="windows of one frame"),
        pytest.param(9, {"fps": 60.0}, id="finer than the source: frames repeat"),
        pytest.param(40, {"fps": 7.0, "execution": ODD}, id="coarser than the source: frames are left out"),
        pytest.param(30, {"num_frames": 7, "stride": 5, "spatial_pool": 2}, id="more frames than the position table"),
        pytest.param(20, {"execution": Execution(64, 32, 8)}, id="groups larger than the recording"),
    ],
)
def test_stream_equals_the_plain_encoder(encoder, num_source, options):
    check(make_recording(num_source), encoder, **options)


@pytest.mark.usefixtures("quick_compilation")
@pytest.mark.parametrize("fps", [None, 25.0, 8.0])
def test_variable_frame_rate(encoder, fps):
    check(make_recording(len(JITTERED), timestamps=JITTERED), encoder, fps=fps)


@pytest.mark.usefixtures("quick_compilation")
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    num_source=st.integers(1, 50),
    num_frames=st.sampled_from([2, 4]),
    overlap=st.sampled_from([0, 1, 3]),
    fps=st.sampled_from([None, 11.0, 40.0]),
    sizes=st.tuples(st.sampled_from([1, 5]), st.sampled_from([1, 3]), st.integers(1, 4)),
    spatial_pool=st.sampled_from([1, 2]),
)
def test_random_plans(encoder, num_source, num_frames, overlap, fps, sizes, spatial_pool):
    check(
        make_recording(num_source, seed=num_source),
        encoder,
        num_frames=num_frames,
        stride=max(1, num_frames - overlap),
        fps=fps,
        execution=Execution(*sizes),
        spatial_pool=spatial_pool,
    )


@pytest.mark.parametrize(
    "options",
    [{}, {"execution": ODD, "stride": 3}, {"fps": 60.0}, {"fps": 19.0, "execution": ODD}],
    ids=["plain", "odd groups", "repeated frames", "left out frames"],
)
def test_starting_later_gives_the_same_bytes(encoder, options):
    recording = make_recording(37)
    plan = make_plan(recording, **options)
    whole = list(embed_segments(recording, encoder, plan))
    assert len(whole) == plan.num_segments > 3
    for first in range(plan.num_segments):
        later = list(embed_segments(recording, encoder, plan, first_segment=first))
        assert [s.index for s in later] == [s.index for s in whole[first:]]
        for ours, theirs in zip(later, whole[first:], strict=True):
            for name in ("track", "window", "shown_index", "damaged_frames"):
                assert getattr(ours, name).tobytes() == getattr(theirs, name).tobytes(), (first, ours.index, name)


def test_starting_behind_the_end_decodes_nothing(encoder):
    recording = FakeRecording(20)
    plan = make_plan(recording)
    assert list(embed_segments(recording, encoder, plan, first_segment=plan.num_segments)) == []
    assert recording.decode_calls == 0


def test_damage_is_told(encoder):
    """Frames 5 and 6 are damaged and show frame 4; the grid takes every frame twice."""

    def damage(frame):
        if frame.frame_index in (5, 6):
            return replace(frame, shown_index=4, damaged=True)
        return replace(frame, damaged=True) if frame.frame_index == 20 else frame

    recording = FakeRecording(30, damage)
    plan = make_plan(recording, fps=50.0)
    segments = list(embed_segments(recording, encoder, plan))
    expected = plan.grid.frame_index.copy()
    expected[(expected == 5) | (expected == 6)] = 4
    np.testing.assert_array_equal(np.concatenate([s.shown_index for s in segments]), expected)
    assert sorted({int(i) for s in segments for i in s.damaged_frames}) == [5, 6, 20]
    for segment, grid in zip(segments, segment_grids(plan), strict=True):
        assert set(segment.damaged_frames.tolist()) == {5, 6, 20} & set(plan.grid.frame_index[grid].tolist())


def segment_grids(plan):
    step = plan.execution.windows_per_segment
    return [
        plan.windows.owned(first, min(first + step, len(plan.windows))) for first in range(0, len(plan.windows), step)
    ]


@pytest.mark.parametrize("fps", [None, 50.0, 6.0])
def test_every_frame_is_decoded_once(encoder, fps):
    recording = FakeRecording(60)
    plan = make_plan(recording, fps=fps)
    list(embed_segments(recording, encoder, plan))
    assert recording.decode_calls == 1
    assert recording.decoded == np.unique(plan.grid.frame_index).tolist()


def test_memory_is_bounded(encoder):
    """What was decoded runs ahead of what was given by a fixed number of frames, however long the recording is."""
    recording = FakeRecording(600)
    plan = make_plan(recording, num_frames=4, stride=1)
    given_rows, ahead = 0, []
    for segment in embed_segments(recording, encoder, plan):
        given_rows += len(segment.track)
        ahead.append(len(recording.decoded) - given_rows)
    execution = plan.execution
    span = (execution.windows_per_group + 1) * plan.windows.stride + plan.frames_per_window
    assert max(ahead) <= 5 * execution.frames_per_group + 2 * span
    assert given_rows == 600


def test_the_queue_of_tokens_stays_short(encoder, monkeypatch):
    lengths, known = [], []
    from vp_science import stream

    original = stream._SpatialQueue.cover

    def cover(self, first, stop):
        result = original(self, first, stop)
        lengths.append(len(self.groups))
        known.append(len(self.shown))
        return result

    monkeypatch.setattr(stream._SpatialQueue, "cover", cover)
    recording = FakeRecording(400)
    list(embed_segments(recording, encoder, make_plan(recording, num_frames=4, stride=1)))
    assert max(lengths) <= 3
    assert max(known) <= 30


class BoomError(RuntimeError):
    pass


@pytest.mark.parametrize("at", [0, 13, 59])
def test_errors_of_the_decoder_arrive_and_its_thread_ends(encoder, at):
    def boom(frame):
        if frame.frame_index == at:
            raise BoomError("the disk was pulled")
        return frame

    recording = FakeRecording(60, boom)
    given_rows: list[int] = []
    segments = embed_segments(recording, encoder, make_plan(recording))
    with pytest.raises(BoomError, match="the disk was pulled"):
        given_rows.extend(len(segment.track) for segment in segments)
    assert sum(given_rows) <= at
    assert prefetch_threads() == []


def test_giving_up_early_ends_the_thread(encoder):
    recording = FakeRecording(500)
    segments = embed_segments(recording, encoder, make_plan(recording))
    next(segments)
    assert len(prefetch_threads()) == 1
    segments.close()
    gc.collect()
    assert prefetch_threads() == []
    assert len(recording.decoded) < 100


def prefetch_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "prefetch" in thread.name]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda f: None if f.frame_index == 7 else f, "gave 8"),
        (lambda f: replace(f, frame_index=3) if f.frame_index == 7 else f, "gave 3"),
        (lambda f: f if f.frame_index < 7 else None, "gave no more frames"),
    ],
    ids=["left out", "repeated", "ended"],
)
def test_a_reader_that_gives_wrong_frames_is_refused(encoder, change, found):
    recording = FakeRecording(20, change)
    with pytest.raises(StoreError, match=rf"asked for frame 7 and {found}: please report this recording"):
        list(embed_segments(recording, encoder, make_plan(recording)))


def test_spatial_pool_must_divide_the_patches(encoder):
    check_spatial_pool(2, encoder.config, Preprocess(36, 72))
    message = r"spatial_pool: expected one of \[1, 2\] \(a divisor of the 2 x 4 patches of a 36 x 72 frame\), found 4"
    with pytest.raises(SettingsError, match=message):
        check_spatial_pool(4, encoder.config, Preprocess(36, 72))


@pytest.mark.usefixtures("quick_compilation")
def test_frames_that_are_not_square(encoder):
    recording = make_recording(14)
    plan = replace(make_plan(recording, spatial_pool=2), preprocess=Preprocess(36, 72))
    track, window = join(list(embed_segments(recording, encoder, plan)))
    plain_track, plain_window = compute_plainly(recording, encoder, plan)
    np.testing.assert_allclose(track, plain_track, atol=1e-5)
    np.testing.assert_allclose(window, plain_window, atol=1e-5)


def test_group_sizes_change_nothing_but_the_order(encoder):
    recording = make_recording(33)
    reference, _ = join(list(embed_segments(recording, encoder, make_plan(recording, stride=3, execution=ODD))))
    other, _ = join(list(embed_segments(recording, encoder, make_plan(recording, stride=3, execution=EXECUTION))))
    np.testing.assert_allclose(reference, other, atol=1e-5)


def test_group_sizes_for_a_processor_do_not_depend_on_its_load(encoder):
    chosen = {choose_execution(encoder, Preprocess(36, 36), n) for n in (1, 16, 64)}
    assert len(chosen) == 1
