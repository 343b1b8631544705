"""What a data set is made of: recordings, pictures, animals; captions, labels."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from data_footage import (
    LetterTokenizer,
    frame_of,
    grey_of,
    request_of,
    text_of,
    write_hdf5,
    write_picture,
    write_video,
)

from vp_science.annotations.formats import write_annotations
from vp_science.errors import AnnotationError, PoseError, RecordingError, SettingsError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import to_ethogram
from vp_science.train.data.captions import read_captions
from vp_science.train.data.draw import choose_place
from vp_science.train.data.labels import find_behaviors
from vp_science.train.data.open import describe_data, open_batches
from vp_science.train.data.settings import AugmentSettings, ClipSettings, DataSettings

TOLERANT = ClipSettings(num_frames=4, size=12)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VP_SCIENCE_CONFIG", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_video(folder / "arena" / "one.mp4", 60)
    write_video(folder / "two.mp4", 50, ticks=np.cumsum(np.tile([20, 60], 25)))
    write_hdf5(folder / "three.h5")
    return folder


def batches(request, count=3):
    stream = open_batches(request)
    try:
        return [next(stream) for _ in range(count)]
    finally:
        stream.close()


def test_clips_are_consecutive_frames_of_every_recording(folder):
    found = batches(request_of(DataSettings(str(folder)), batch_size=8, seed=1), 6)
    seen = set()
    for batch in found:
        assert batch["video"].shape == (8, 4, 12, 12, 3)
        assert batch["video"].dtype == np.uint8
        frames = frame_of(batch["video"])
        assert (np.diff(frames, axis=1) == 1).all()
        assert batch["valid"].all()
        np.testing.assert_array_equal(batch["source"], 0)
        np.testing.assert_array_equal(batch["skipped"], 0)
        seen |= set(frames.ravel().tolist())
    np.testing.assert_array_equal(np.concatenate([batch["row"] for batch in found]), np.arange(48))
    assert {0, 59} & seen
    assert len(seen) > 50


def test_a_rate_takes_frames_by_their_times(folder):
    """Frames of two.mp4 last 20 and 60 ms in turn: 25 per second shows every second one twice as long."""
    data = DataSettings(str(folder / "two.mp4"))
    [batch] = batches(request_of(data, clips=ClipSettings(num_frames=9, size=12, fps=50.0), batch_size=8), 1)
    steps = np.diff(frame_of(batch["video"]), axis=1)
    assert set(np.unique(steps)) == {0, 1}
    assert ((steps.sum(axis=1) >= 3) & (steps.sum(axis=1) <= 5)).all()  # 8 steps of 20 ms are 160 ms, 4 frames


def test_short_recordings_hold_their_last_frame(folder, tmp_path):
    write_video(tmp_path / "short.mp4", 3)
    [batch] = batches(request_of(DataSettings(str(tmp_path)), clips=ClipSettings(num_frames=6, size=12)), 1)
    np.testing.assert_array_equal(frame_of(batch["video"]), [[0, 1, 2, 2, 2, 2]] * 4)
    np.testing.assert_array_equal(batch["valid"], [[True] * 3 + [False] * 3] * 4)
    facts = describe_data(request_of(DataSettings(str(tmp_path)), clips=ClipSettings(num_frames=6, size=12)))
    assert facts["data"][0]["shorter_than_a_clip"] == 1


def test_flips_and_crops_reach_the_pixels(tmp_path):
    """A recording whose right half is bright."""
    import h5py

    with h5py.File(tmp_path / "halves.h5", "w") as file:
        frames = np.full((12, 24, 24), 30, np.uint8)
        frames[:, :, 12:] = 220
        file["frames"], file["timestamps"] = frames, np.arange(12) / 10
    request = request_of(DataSettings(str(tmp_path)), augment=AugmentSettings(area=(1.0, 1.0)), batch_size=40)
    [batch] = batches(request, 1)
    right = batch["video"][:, :, :, 9:].mean(axis=(1, 2, 3, 4)) > 125
    assert 8 < right.sum() < 32
    np.testing.assert_array_equal(batch["video"][right][0], batch["video"][~right][0][:, :, ::-1])
    cropped = AugmentSettings(flip=False, area=(0.1, 0.3))
    [batch] = batches(request_of(DataSettings(str(tmp_path)), augment=cropped, batch_size=40), 1)
    bright = (batch["video"] > 125).mean(axis=(1, 2, 3, 4))
    assert bright.min() < 0.2
    assert bright.max() > 0.8
    assert (batch["video"] == batch["video"][:, :1]).all()  # the same crop for all frames of a clip


def test_pictures_are_videos_of_one_frame(tmp_path):
    for level in (40, 90, 140):
        write_picture(tmp_path / "set" / f"{level}.png", level)
    write_picture(tmp_path / "set" / "more" / "200.jpg", 200, (20, 40))
    [batch] = batches(request_of(DataSettings(str(tmp_path / "set")), batch_size=16), 1)
    assert batch["video"].shape == (16, 1, 12, 12, 3)
    assert set(np.rint(batch["video"].mean(axis=(1, 2, 3, 4)) / 10).astype(int)) == {4, 9, 14, 20}
    facts = describe_data(request_of(DataSettings(str(tmp_path / "set"))))["data"][0]
    assert facts == {"path": str(tmp_path / "set"), "pictures": 4, "share_of_batches": 1.0}
    [batch] = batches(request_of(DataSettings(str(tmp_path / "set" / "*.png"))), 1)
    assert batch["video"].shape[1] == 1
    for level in (40, 90, 140):
        write_picture(tmp_path / "frames" / f"{level}.png", level)
    sequence = DataSettings(str(tmp_path / "frames"), source_fps=10.0)
    clips = ClipSettings(num_frames=3, size=12)
    [batch] = batches(request_of(sequence, clips=clips, batch_size=2), 1)
    np.testing.assert_array_equal(np.rint(batch["video"][0].mean(axis=(1, 2, 3)) / 10), [4, 9, 14])


def test_pictures_and_recordings_are_two_data_sets(tmp_path, folder):
    write_picture(tmp_path / "stills" / "a.png", 100)
    write_video(tmp_path / "clip.mp4", 8)
    with pytest.raises(SettingsError, match=r"expected recordings or pictures .* give them as two data sets"):
        open_batches(request_of(DataSettings(str(tmp_path))))
    data = (DataSettings(str(tmp_path / "stills")), DataSettings(str(tmp_path / "clip.mp4"), weight=2.0))
    shapes = [(batch["video"].shape[1], set(batch["source"].tolist())) for batch in batches(request_of(*data), 6)]
    assert sorted(shapes, key=str) == [(1, {0})] * 2 + [(4, {1})] * 4


def test_recordings_are_included_and_excluded_by_name(folder):
    data = DataSettings(str(folder), include=("arena/*", "three"), exclude=("three",))
    assert describe_data(request_of(data))["data"][0]["recordings"] == 1
    with pytest.raises(SettingsError, match=r'exclude: expected names of recordings .*, found "four", which fits none'):
        open_batches(request_of(DataSettings(str(folder), exclude=("four",))))
    with pytest.raises(SettingsError, match="found all 3 left out"):
        open_batches(request_of(DataSettings(str(folder), exclude=("*",))))


def test_what_cannot_be_opened_is_said_before_training(tmp_path):
    write_video(tmp_path / "good.mp4", 8)
    (tmp_path / "bad.mp4").write_bytes(b"this is no video" * 100)
    (tmp_path / "empty.avi").write_bytes(b"")
    with pytest.raises(RecordingError, match="expected 3 recordings that can be opened, found 2 that cannot") as error:
        open_batches(request_of(DataSettings(str(tmp_path))))
    assert "bad.mp4" in str(error.value)
    assert "empty.avi" in str(error.value)
    assert batches(request_of(DataSettings(str(tmp_path), exclude=("bad", "empty"))), 1)


# ---- captions


def captioned(folder, rows, name="captions.csv"):
    path = folder.parent / name
    if name.endswith(".csv"):
        pd.DataFrame(rows).to_csv(path, index=False)
    else:
        path.write_text("\n".join(json.dumps(row) for row in rows))
    return DataSettings(str(folder), captions=str(path))


def test_captions_of_parts_come_with_frames_of_these_parts(folder):
    rows = [
        {"recording": "three", "caption": "begin", "start_s": 0.0, "stop_s": 0.5},
        {"recording": "three", "caption": "also begin", "start_s": 0.0, "stop_s": 0.5},
        {"recording": "three.h5", "caption": "end", "start_s": 1.0, "stop_s": 2.0},
        {"recording": "arena/one.mp4", "caption": "all"},
    ]
    for name in ("captions.csv", "captions.jsonl"):
        request = request_of(captioned(folder, rows, name), text=LetterTokenizer(), batch_size=60)
        [batch] = batches(request, 1)
        texts = [text_of(ids) for ids in batch["text"]]
        assert batch["text_valid"].sum() == sum(map(len, texts))
        frames = frame_of(batch["video"])
        for text, (first, *_, last) in zip(texts, frames.tolist(), strict=True):
            low, high = {"begin": (0, 9), "also begin": (0, 9), "end": (20, 39), "all": (0, 59)}[text]
            assert low <= first < last <= high
        counts = {text: texts.count(text) for text in set(texts)}
        assert set(counts) == {"begin", "also begin", "end", "all"}
        assert 8 < counts["end"] < 33  # a third each for the three parts
        assert 8 < counts["begin"] + counts["also begin"] < 33
    facts = describe_data(request)["data"][0]
    assert (facts["captions"], facts["captioned_parts"], facts["without_caption"]) == (4, 3, 1)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"recording": "nine", "caption": "x"}], r"line 2, column 'recording': expected a recording in .*'nine'"),
        ([{"recording": "../three.h5", "caption": "x"}], "line 2, column 'recording': expected an id, or a path below"),
        ([{"recording": "/etc/passwd", "caption": "x"}], "line 2, column 'recording': expected an id, or a path below"),
        ([{"recording": "three", "caption": ""}], "line 2, column 'caption': expected 1 to"),
        ([{"recording": "three", "caption": "x", "start_s": 2, "stop_s": 1}], "column 'stop_s': expected a time after"),
        ([{"recording": "three", "caption": "x", "start_s": 30.0}], r"column 'start_s': expected a time in the rec"),
        ([{"recording": "three", "caption": "x", "start_s": "soon"}], "column 'start_s': expected a number"),
        ([{"recording": "three", "text": "x"}], "expected a column 'caption'"),
    ],
)
def test_captions_that_do_not_fit_name_line_and_column(folder, rows, message):
    for name in ("wrong.csv", "wrong.jsonl"):
        with pytest.raises(AnnotationError, match=r"wrong\.") as error:
            open_batches(request_of(captioned(folder, rows, name), text=LetterTokenizer()))
        if name == "wrong.csv":
            with pytest.raises(AnnotationError, match=message):
                raise error.value


def test_captions_of_excluded_recordings_are_left_out_and_garbage_is_refused(folder, tmp_path):
    from dataclasses import replace

    rows = [{"recording": "three.h5", "caption": "x"}, {"recording": "two", "caption": "y"}]
    data = replace(captioned(folder, rows), exclude=("three",))
    [batch] = batches(request_of(data, text=LetterTokenizer()), 1)
    assert {text_of(ids) for ids in batch["text"]} == {"y"}
    for content, message in ((b"", "a table"), (b"[1]\n", "a JSON object"), (b'{"recording": 3}\n', "a text")):
        path = tmp_path / ("c.csv" if not content else "c.jsonl")
        path.write_bytes(content)
        with pytest.raises(AnnotationError, match=f"expected {message}"):
            read_captions(path)
    with pytest.raises(SettingsError, match=r"data\[0\].captions: expected a table of captions"):
        open_batches(request_of(DataSettings(str(folder)), text=LetterTokenizer()))


# ---- labels


BEHAVIORS = Behaviors.of(["sit", "jump", "sleep"])


def labelled(folder, tmp_path, **more):
    bouts = [
        {"recording": "one", "behavior": "sit", "start_s": 0.0, "stop_s": 1.0},
        {"recording": "one", "behavior": "jump", "start_s": 1.5, "stop_s": 1.6},
        {"recording": "one", "behavior": "jump", "start_s": 0.49, "stop_s": 0.5},
        {"recording": "two", "behavior": "sit", "start_s": 0.9, "stop_s": 1.3, "source": "model:x"},
        {"recording": "two", "behavior": "sit", "start_s": 0.3, "stop_s": 0.65},
    ]
    observed = [
        {"recording": "one", "start_s": 0.0, "stop_s": 2.0},
        {"recording": "two", "start_s": 0.2, "stop_s": 1.0},
    ]
    annotations = Annotations.of(bouts, observed, Behaviors.of(["jump", "sit"]))
    write_annotations(annotations, tmp_path / "labels.csv")
    return DataSettings(str(folder), annotations=str(tmp_path / "labels.csv"), **more), annotations


@pytest.mark.parametrize("fps", [None, 25.0, 10.0])
def test_states_are_those_of_the_ethogram(folder, tmp_path, fps):
    data, annotations = labelled(folder, tmp_path)
    clips = ClipSettings(num_frames=6, size=12, fps=fps)
    request = request_of(data, clips=clips, behaviors=BEHAVIORS, batch_size=30)
    [batch] = batches(request, 1)
    assert batch["states"].dtype == np.int8
    assert (batch["states"][:, :, 2] == -1).all()  # nobody scored sleep
    assert set(np.unique(batch["states"])) == {-1, 0, 1}
    times = {"one": np.arange(60) / 25, "two": np.cumsum(np.tile([20, 60], 25)) / 1000 - 0.02}
    for frames, states in zip(frame_of(batch["video"]), batch["states"][:, :, [1, 0]], strict=True):
        name = "one" if np.array_equal(states, expected("one", annotations, times["one"], frames, fps)) else "two"
        np.testing.assert_array_equal(states, expected(name, annotations, times[name], frames, fps))


def expected(name, annotations, time_s, frames, fps):
    known = annotations.select(sources=("manual", "curated"))
    if frames[-1] >= len(time_s):
        return None
    if fps is None:
        return to_ethogram(known, name, time_s).states[frames]
    start = time_s[frames[0]]
    whole = start + np.arange(-50, 60) / fps
    return to_ethogram(known, name, whole).states[50 : 50 + len(frames)]


def test_every_clip_shows_labelled_time_and_rare_behaviors_come_more_often(folder, tmp_path):
    plain, _ = labelled(folder, tmp_path, rare=0.0)
    rare, _ = labelled(folder, tmp_path, rare=1.0)
    shares = []
    for data in (plain, rare):
        [batch] = batches(request_of(data, behaviors=BEHAVIORS, batch_size=60), 1)
        assert (batch["states"] >= 0).any(axis=(1, 2)).all()
        shares.append((batch["states"][:, :, 1] == 1).any(axis=1).mean())
    assert shares[1] > shares[0] + 0.15


def test_behaviors_are_drawn_by_the_root_of_their_time(folder, tmp_path):
    """sit takes 33 frames of 25 per second and 8 or 9 of two.mp4, jump 3 or 4 frames: roots, not times."""
    data, _ = labelled(folder, tmp_path, rare=1.0)
    stream = open_batches(request_of(data, behaviors=BEHAVIORS))
    footage = stream._elements.readers[0].footage
    stream.close()
    seconds = {column: float(spans.total[-1]) for column, spans in footage.happening}
    assert seconds[0] == pytest.approx(1.0 + 0.35, abs=0.07)
    assert seconds[1] == pytest.approx(0.12 + 0.04, abs=0.05)
    drawn = []
    for seed in range(2000):
        choice = choose_place(footage, np.random.default_rng(seed))
        jumps = next(spans for column, spans in footage.happening if column == 1)
        inside = (jumps.place == choice.place) & (jumps.first <= choice.anchor) & (choice.anchor < jumps.stop)
        drawn.append(bool(inside.any()))
    expected_share = np.sqrt(seconds[1]) / (np.sqrt(seconds[0]) + np.sqrt(seconds[1]))
    overlap = 0.04 / seconds[0] * (1 - expected_share)  # sit while it jumps
    assert np.mean(drawn) == pytest.approx(expected_share + overlap, abs=0.04)


def test_description_names_shares_of_behaviors(folder, tmp_path):
    data, annotations = labelled(folder, tmp_path)
    facts = describe_data(request_of(data, behaviors=BEHAVIORS))["data"][0]
    assert facts["labelled_hours"] == pytest.approx(2.8 / 3600, rel=0.05)
    assert facts["behaviors"]["sit"] == pytest.approx(1.35 / 2.8, rel=0.06)
    assert facts["behaviors"]["sleep"] == 0
    stream = open_batches(request_of(data, behaviors=BEHAVIORS))
    stream.close()
    first, second = stream.describe()
    assert first.startswith(f"{folder}: 3 recordings, ")
    assert first.endswith("100% of the batches")
    assert "h labelled: sit 4" in second
    assert find_behaviors([data]) == annotations.behaviors


def test_labels_that_do_not_fit_are_refused(folder, tmp_path):
    data, _ = labelled(folder, tmp_path)
    with pytest.raises(AnnotationError, match="expected some of the behaviors fly, found jump, sit"):
        open_batches(request_of(data, behaviors=Behaviors.of(["fly"])))
    other = Annotations.of([{"recording": "nine", "behavior": "sit", "start_s": 0.0, "stop_s": 1.0}])
    write_annotations(other, tmp_path / "other.csv")
    with pytest.raises(AnnotationError, match=r"expected labels of the recordings .*, found labels of nine"):
        open_batches(
            request_of(DataSettings(str(folder), annotations=str(tmp_path / "other.csv")), behaviors=BEHAVIORS)
        )
    unseen = Annotations.of([{"recording": "one", "behavior": "sit", "start_s": 0.0, "stop_s": 1.0}], [])
    write_annotations(unseen, tmp_path / "unseen.csv")
    with pytest.raises(AnnotationError, match="expected labelled time in the recordings"):
        open_batches(
            request_of(DataSettings(str(folder), annotations=str(tmp_path / "unseen.csv")), behaviors=BEHAVIORS)
        )
    with pytest.raises(SettingsError, match=r"data\[0\].annotations: expected annotations of"):
        open_batches(request_of(DataSettings(str(folder)), behaviors=BEHAVIORS))


# ---- animals


def write_tracks(path, num_frames, seen):
    """A DeepLabCut table of one animal with two points, that moves to the right and is seen in some frames."""
    lines = ["scorer,s,s,s,s,s,s", "bodyparts,nose,nose,nose,tailbase,tailbase,tailbase"]
    lines.append("coords,x,y,likelihood,x,y,likelihood")
    for number in range(num_frames):
        sure = 0.99 if number in seen else 0.01
        lines.append(f"{number},{40 + number},{30},{sure},{40 + number},{40},{sure}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def test_windows_are_cut_around_an_animal_where_it_is_seen(tmp_path):
    import h5py

    frames = np.full((40, 80, 120), 90, np.uint8)
    for number in range(40):
        frames[number, 25:46, 38 + number : 43 + number] = 230
    (tmp_path / "videos").mkdir()
    with h5py.File(tmp_path / "videos" / "arena.h5", "w") as file:
        file["frames"], file["timestamps"] = frames, np.arange(40) / 10
    write_tracks(tmp_path / "poses" / "arenaDLC_x.csv", 40, {*range(5, 16), *range(24, 40)})
    data = DataSettings(str(tmp_path / "videos"), poses=str(tmp_path / "poses"))
    request = request_of(data, batch_size=24)
    [batch] = batches(request, 1)
    assert batch["valid"].all()
    middle = batch["video"][:, :, :, 5:7].mean(axis=(2, 3, 4))
    border = batch["video"][:, :, :, :2].mean(axis=(2, 3, 4))
    assert (middle > border + 25).all()  # the animal stands in the middle of every frame
    assert describe_data(request)["data"][0]["animals"] == 1
    (tmp_path / "poses" / "arenaDLC_x.csv").unlink()
    with pytest.raises(PoseError, match="expected"):
        open_batches(request)


def test_pose_files_beside_the_videos_are_no_recordings(footage):
    here = str(footage / "fly")
    data = DataSettings(here, poses=here, include=("20190128*",))
    facts = describe_data(request_of(data))["data"][0]
    assert facts["animals"] == 2
    assert facts["frames"] == 2 * 3000


def test_levels_of_the_test_recordings_survive_coding(folder):
    """Otherwise no test here would mean anything."""
    from vp_science.video.open import open_recording

    with open_recording(folder / "arena" / "one.mp4") as recording:
        np.testing.assert_array_equal(frame_of(np.stack([recording.read(k) for k in range(60)])), np.arange(60))
        assert recording.read(10).mean() == pytest.approx(grey_of(10), abs=1)
