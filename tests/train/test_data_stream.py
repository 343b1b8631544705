"""The stream of batches: the same whatever the workers, resumed to the bit, cut over hosts, honest about damage."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import types
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from data_footage import LetterTokenizer, frame_of, request_of, text_of, write_hdf5, write_video

from vp_science.errors import RecordingError, SettingsError
from vp_science.recordings import RecordingWarning
from vp_science.timeline.behaviors import Behaviors
from vp_science.train.data.labels import find_behaviors
from vp_science.train.data.listing import check_listing, make_listing
from vp_science.train.data.open import describe_data, open_batches
from vp_science.train.data.settings import AugmentSettings, ClipSettings, DataSettings, DrawSettings

VARIED = AugmentSettings(area=(0.4, 1.0), color=0.3, trivial=True, speed=(0.7, 1.3))


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VP_SCIENCE_CONFIG", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_video(folder / "a.mp4", 60)
    write_video(folder / "b.mp4", 40, fps=10)
    write_hdf5(folder / "stack" / "c.h5")
    return folder


def two_sets(folder, **more):
    data = (DataSettings(str(folder), exclude=("stack/*",)), DataSettings(str(folder / "stack"), weight=0.5))
    return request_of(*data, augment=VARIED, **more)


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def take(request, count, state=None):
    stream = open_batches(request)
    try:
        if state is not None:
            stream.set_state(state)
        return [next(stream) for _ in range(count)], stream.get_state()
    finally:
        stream.close()


@pytest.fixture(scope="module")
def reference(folder):
    """Seven batches, read one after the other in this process."""
    return take(two_sets(folder), 7)[0]


def test_workers_change_nothing_and_end_with_the_stream(folder, reference):
    stream = open_batches(two_sets(folder, workers=2))
    try:
        for batch in reference[:4]:
            same(next(stream), batch)
        state = json.loads(json.dumps(stream.get_state()))
        same(next(stream), reference[4])
        stream.set_state(state)  # back, although later clips are under way
        same(next(stream), reference[4])
        workers = [one for one in multiprocessing.active_children() if "grain" in one.name]
        assert len(workers) == 2
    finally:
        stream.close()
    assert not any(one.is_alive() for one in workers if one._popen is not None)
    assert not [one for one in multiprocessing.active_children() if "grain" in one.name]
    with pytest.raises(SettingsError, match="expected an open stream of batches, found it closed"):
        next(stream)
    resumed, _ = take(two_sets(folder), 2, state)  # other number of workers
    same(resumed[0], reference[4])


def test_a_killed_worker_is_an_error_that_says_so(folder):
    stream = open_batches(two_sets(folder, workers=1))
    try:
        next(stream)
        [worker] = [one for one in multiprocessing.active_children() if "grain" in one.name]
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(RecordingError, match=r"found that one was killed .*exit code -9.*fewer loader.workers"):
            list(islice(stream, 50))
    finally:
        stream.close()


RESUME = """
import json, sys
import numpy as np
sys.path.insert(0, {here!r})
from data_footage import request_of
from test_data_stream import two_sets
from pathlib import Path
from vp_science.train.data.open import open_batches
stream = open_batches(two_sets(Path({folder!r})))
stream.set_state(json.loads({state!r}))
np.savez({out!r}, **next(stream))
"""


def test_another_process_goes_on_with_the_same_batch(folder, reference, tmp_path):
    _, state = take(two_sets(folder), 5)
    out = tmp_path / "next.npz"
    code = RESUME.format(here=str(Path(__file__).parent), folder=str(folder), state=json.dumps(state), out=str(out))
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    with np.load(out) as stored:
        same(dict(stored), reference[5])


def test_sets_alternate_and_a_seed_changes_everything(folder, reference):
    sources = [set(batch["source"].tolist()) for batch in reference]
    assert sources == [{0}, {1}, {0}, {0}, {1}, {0}, {0}]
    others, _ = take(two_sets(folder, seed=1), 2)
    assert not np.array_equal(others[0]["video"], reference[0]["video"])
    assert len({batch["video"].tobytes() for batch in reference}) == 7


def test_hosts_get_disjoint_parts_of_the_one_batch(folder, reference):
    parts = [take(two_sets(folder, host=(host, 2)), 3)[0] for host in range(2)]
    for step in range(3):
        joined = {name: np.concatenate([part[step][name] for part in parts]) for name in parts[0][step]}
        same(joined, reference[step])
    with pytest.raises(SettingsError, match="batch_size: expected a multiple of the 3 hosts, found 4"):
        open_batches(two_sets(folder, host=(0, 3)))


def test_a_changed_data_set_is_refused_with_what_changed(tmp_path):
    folder = tmp_path / "data"
    for name in ("keep", "edit", "remove"):
        write_hdf5(folder / f"{name}.h5")
    request = request_of(DataSettings(str(folder)))
    _, state = take(request, 2)
    (folder / "remove.h5").unlink()
    write_hdf5(folder / "edit.h5", first=3)
    write_hdf5(folder / "add.h5")
    with pytest.raises(SettingsError, match="found added: add; removed: remove; changed: edit: restore them"):
        take(request, 1, state)
    with pytest.raises(SettingsError, match=r"expected the state of a stream with seed=4, .* found seed=0"):
        take(replace(request, seed=4), 1, state)
    with pytest.raises(SettingsError, match="expected the state of a stream of batches, found something else"):
        take(request, 1, {"step": 3})


def test_listings_of_very_many_recordings_stay_small():
    many = make_listing({f"recording {number}": "1" for number in range(6000)})
    assert len(json.dumps(many)) < 200
    check_listing("x", many, json.loads(json.dumps(many)))
    with pytest.raises(SettingsError, match="found 1 entries, or others, where there were 6000"):
        check_listing("x", make_listing({"a": "1"}), many)
    with pytest.raises(SettingsError, match="expected a listing"):
        check_listing("x", many, [])


def damage(path):
    """Overwrite a third of the frames of a video with noise."""
    content = bytearray(path.read_bytes())
    start = content.find(b"mdat") + 4
    third = (len(content) - start) // 3
    content[start + third : start + 2 * third] = np.random.default_rng(0).bytes(third)
    path.write_bytes(bytes(content))


def test_damaged_clips_are_replaced_and_counted(tmp_path):
    write_video(tmp_path / "torn.mp4", 75)
    damage(tmp_path / "torn.mp4")
    request = request_of(DataSettings(str(tmp_path)), batch_size=16)
    stream = open_batches(request)
    try:
        with pytest.warns(RecordingWarning, match=r"a damaged clip was left out.*torn") as warned:
            found = [next(stream) for _ in range(3)]
        skipped = sum(int(batch["skipped"].sum()) for batch in found)
        assert skipped > 5
        assert stream.damage == {"torn": skipped}
        assert stream.metrics() == {"data/damaged_clips": skipped, "data/damaged_recordings": 1}
        assert len([one for one in warned if issubclass(one.category, RecordingWarning)]) == 1
        frames = np.concatenate([frame_of(batch["video"]) for batch in found])
        assert (np.diff(frames, axis=1) == 1).all()  # all that is left is sound
    finally:
        stream.close()
    again, _ = take(request, 1)
    same(again[0], found[0])


def test_a_data_set_that_vanishes_stops_the_training(tmp_path):
    write_hdf5(tmp_path / "x.h5")
    stream = open_batches(request_of(DataSettings(str(tmp_path))))
    (tmp_path / "x.h5").unlink()
    with pytest.raises(RecordingError, match=r"expected clips that decode, found 32 damaged ones in a row \(in x\)"):
        next(stream)


def test_mixup_mixes_pairs_of_a_batch(tmp_path):
    from vp_science.annotations.formats import write_annotations
    from vp_science.timeline.annotations import Annotations

    write_hdf5(tmp_path / "x.h5")
    bouts = [{"recording": "x", "behavior": "sit", "start_s": 0.0, "stop_s": 1.0}]
    seen = [{"recording": "x", "start_s": 0.0, "stop_s": 2.0}]
    labels = tmp_path / "labels" / "labels.csv"
    labels.parent.mkdir()
    write_annotations(Annotations.of(bouts, seen), labels)
    data = DataSettings(str(tmp_path / "x.h5"), annotations=str(labels))
    request = request_of(data, behaviors=Behaviors.of(["sit"]), batch_size=8)
    [plain], _ = take(request, 1)
    mixing = replace(request, augment=replace(request.augment, mixup=0.8))
    [mixed], _ = take(mixing, 1)
    np.testing.assert_array_equal(mixed["states"], plain["states"])
    other = np.arange(8) ^ 1
    np.testing.assert_array_equal(mixed["partner_states"], plain["states"][other])
    share = mixed["mix"][:, None, None, None, None].astype(np.float64)
    expected = share * plain["video"] + (1 - share) * plain["video"][other]
    assert np.abs(mixed["video"] - expected).max() <= 0.5 + 1e-3
    np.testing.assert_array_equal(mixed["mix"], mixed["mix"][other])
    for wrong, message in (
        (replace(mixing, behaviors=None), "augment.mixup: expected 0: only fine-tuning mixes labels"),
        (replace(mixing, batch_size=3), "loop.batch_size: expected an even number"),
        (replace(request, patch_size=5), "clips.size: expected a multiple of the patch size 5"),
        (replace(request, data=()), "data: expected at least one data set"),
        (
            replace(request, clips=ClipSettings(4, 12, cover="whole"), augment=VARIED),
            r"augment.speed: expected \(1, 1\) with clips.cover",
        ),
    ):
        with pytest.raises(SettingsError, match=message):
            open_batches(wrong)


@pytest.fixture
def drawn(monkeypatch):
    """A stand-in for the drawing of synthetic footage: quick, and known."""
    module = types.ModuleType("vp_science.samples.synthetic")

    def draw_clips(seed, rows, settings):
        shape = (len(rows), settings["num_frames"], settings["size"], settings["size"], 3)
        video = np.broadcast_to((np.asarray(rows) % 200).astype(np.uint8)[:, None, None, None, None], shape)
        states = np.zeros((len(rows), settings["num_frames"], 2), np.int8)
        states[..., 1] = 1
        said = [f"row {row}" for row in rows]
        texts = {
            "captions": said,
            "paraphrases": [(one + "!", one + "?") for one in said],
            "brief": ["row"] * len(rows),
        }
        return types.SimpleNamespace(video=video, states=states, **texts)

    module.draw_clips, module.SyntheticSettings = draw_clips, dict
    module.SYNTHETIC_BEHAVIORS = Behaviors.of(["rest", "walk"])
    monkeypatch.setitem(sys.modules, "vp_science.samples.synthetic", module)


def test_synthetic_footage_alternates_with_recordings(folder, drawn):
    data = (DataSettings("synthetic", weight=3.0), DataSettings(str(folder / "stack")))
    found, _ = take(request_of(*data), 8)
    assert [int(batch["source"][0]) for batch in found] == [0, 0, 1, 0] * 2
    synthetic = [batch for batch in found if batch["source"][0] == 0]
    rows = np.concatenate([batch["row"] for batch in synthetic])
    np.testing.assert_array_equal(rows, np.arange(24))
    np.testing.assert_array_equal(synthetic[2]["video"][:, 0, 0, 0, 0], rows[8:12])
    assert "states" not in synthetic[0]
    assert describe_data(request_of(*data))["data"][0] == {"path": "synthetic", "share_of_batches": 0.75}
    request = request_of(data[0], text=LetterTokenizer(), behaviors=Behaviors.of(["walk", "fly"]))
    [batch], _ = take(request, 1)
    texts = [text_of(ids).rstrip("!?") for ids in batch["text"]]
    assert all(text in (f"row {row}", "row") for row, text in enumerate(texts))
    assert (batch["states"] == [1, -1]).all()
    mixed = replace(request, text=None, augment=replace(request.augment, mixup=0.4))
    [batch], _ = take(mixed, 1)
    assert batch["partner_states"].shape == batch["states"].shape
    np.testing.assert_array_equal(batch["mix"][::2], batch["mix"][1::2])


def test_drawn_footage_is_a_data_set_like_others():
    from vp_science.samples.synthetic import MOTION_ONLY, SYNTHETIC_BEHAVIORS

    behaviors = Behaviors.of([*MOTION_ONLY[0], "unheard of"])
    draw = DrawSettings(behaviors=tuple(MOTION_ONLY[0]))
    data = DataSettings("synthetic", draw=draw)
    clips = ClipSettings(num_frames=2, size=24)
    request = request_of(data, clips=clips, text=LetterTokenizer(48), behaviors=behaviors, batch_size=6)
    [first, second], _ = take(request, 2)
    assert first["video"].shape == (6, 2, 24, 24, 3)
    assert (first["states"][..., :2].sum(axis=2) == 1).all()
    assert (first["states"][..., 2] == -1).all()
    assert not np.array_equal(first["video"], second["video"])
    [again], _ = take(request, 1, {**open_batches(request).get_state(), "step": 1})
    same(again, second)
    with pytest.raises(SettingsError, match="behaviors"):
        open_batches(replace(request, data=(DataSettings("synthetic", draw=DrawSettings(behaviors=("fly away",))),)))
    assert find_behaviors([DataSettings("synthetic")]) == SYNTHETIC_BEHAVIORS
    assert find_behaviors([data]).names == tuple(MOTION_ONLY[0])
