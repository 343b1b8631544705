"""The readers on miniature downloads: what is found, which frames have which labels, and the errors."""

import json
import shutil

import downloads as make
import numpy as np
import pytest

from vp_science.bench import calms21, chimpact, crim13, fly_vs_fly, kabr
from vp_science.bench.protocol import FindOptions, Shape
from vp_science.bench.registry import NAMES, find_dataset
from vp_science.errors import AnnotationError, BenchError


def labels_of(dataset, data, num_frames, options=None, tolerance=0):
    study = dataset.find(data, options or FindOptions())
    shapes = {r.id: Shape(num_frames, make.WIDTH, make.HEIGHT) for r in study.recordings}
    return study, {(x.recording, x.subject): x for x in dataset.read_labels(study, shapes, tolerance)}


def classes_of(states):
    """The class per frame, the number of behaviors for none, -1 for what does not count."""
    none = np.where((states < 0).any(axis=1), -1, states.shape[1])
    return np.where((states == 1).any(axis=1), states.argmax(axis=1), none)


@pytest.fixture
def copy(downloads, tmp_path):
    def copied(name):
        return shutil.copytree(downloads[name], tmp_path / name)

    return copied


def test_calms21_frames_have_their_class(downloads):
    study, labels = labels_of(calms21.DATASET, downloads["calms21"], 36)
    assert [(r.id, r.split) for r in study.recordings] == [
        ("train/mouse001_task1_annotator1", "train"),
        ("train/mouse002_task1_annotator1", "val"),
        ("train/mouse003_task1_annotator1", "val"),
        ("test/mouse004_task1_annotator1", "test"),
    ]
    for number, recording in enumerate(study.recordings, start=1):
        found = classes_of(labels[recording.id, ""].states)
        assert (found == make.blocks(36, 4, shift=number)).all()
    assert "expected 62 train recordings, found 1" in study.deviations


def test_the_whole_calms21_is_the_published_split(tmp_path):
    for part, count in (("train", 70), ("test", 19)):
        folder = tmp_path / "task1_videos_mp4" / part
        folder.mkdir(parents=True)
        for number in range(1, count + 1):
            (folder / f"mouse{number:03d}_task1_annotator1.mp4").touch()
        (tmp_path / f"calms21_task1_{part}.json").touch()
    study = calms21.find(tmp_path, FindOptions())
    assert study.deviations == ()
    assert [r.id for r in study.of("val")] == [f"train/mouse{n:03d}_task1_annotator1" for n in range(63, 71)]
    assert (len(study.of("train")), len(study.of("test"))) == (62, 19)


def test_calms21_errors(copy, tmp_path):
    with pytest.raises(
        BenchError, match=r"nowhere: expected a folder with the data, found nothing there: download Cal"
    ):
        calms21.find(tmp_path / "nowhere", FindOptions())
    data = copy("calms21")
    with pytest.raises(BenchError, match=r"test\.json: expected labels for the 40 frames of 'test/mouse004.*found 36"):
        labels_of(calms21.DATASET, data, 40)
    _, labels = labels_of(calms21.DATASET, data, 40, tolerance=4)
    assert (classes_of(labels["test/mouse004_task1_annotator1", ""].states)[36:] == -1).all()
    moved = data / "task1_videos_mp4" / "test" / "mouse001_task1_annotator1.mp4"
    shutil.move(data / "task1_videos_mp4" / "train" / "mouse001_task1_annotator1.mp4", moved)
    with pytest.raises(
        BenchError, match=r"expected labels of 'mouse001_task1_annotator1', found none: the video is not"
    ):
        labels_of(calms21.DATASET, data, 36)
    (data / "task1_classic_classification" / "calms21_task1_train.json").unlink()
    with pytest.raises(BenchError, match=r"calms21_task1_train\.json: expected the labels, found nothing there"):
        calms21.find(data, FindOptions())
    shutil.rmtree(data / "task1_videos_mp4" / "test")
    (data / "task1_classic_classification" / "calms21_task1_train.json").touch()
    with pytest.raises(BenchError, match=r"test: expected the folder of the test videos, found nothing there"):
        calms21.find(data, FindOptions())


def test_a_split_file_says_who_takes_part(downloads, tmp_path):
    names = [f"train/mouse00{n}_task1_annotator1" for n in (1, 2, 3)]
    table = tmp_path / "split.csv"
    table.write_text(f"recording,split\n{names[2]},train\n{names[0]},test\n")
    study = calms21.find(downloads["calms21"], FindOptions(split_file=table))
    assert [(r.id, r.split) for r in study.recordings] == [(names[2], "train"), (names[0], "test")]
    assert study.deviations == ("the split comes from split.csv, not from the protocol",)
    table.write_text(f"recording,split\n{names[0]},train\n{names[1]},dev\n")
    with pytest.raises(BenchError, match=r"line 3, column 'split': expected train, val or test, found 'dev'"):
        calms21.find(downloads["calms21"], FindOptions(split_file=table))
    table.write_text(f"recording,split\n{names[0]},train\n{names[0]},test\n")
    with pytest.raises(BenchError, match=r"line 3: expected every recording once, found 'train/mouse001"):
        calms21.find(downloads["calms21"], FindOptions(split_file=table))
    table.write_text(f"recording,split\n{names[0]},train\nmouse,test\n")
    with pytest.raises(BenchError, match=r"expected recordings of the data folder .* found 'mouse'"):
        calms21.find(downloads["calms21"], FindOptions(split_file=table))
    table.write_text(f"recording,split\n{names[0]},train\n")
    with pytest.raises(BenchError, match=r"expected recordings to test on, found none"):
        calms21.find(downloads["calms21"], FindOptions(split_file=table))
    table.write_text(f"recording\n{names[0]}\n")
    with pytest.raises(AnnotationError, match=r"expected a column 'split'"):
        calms21.find(downloads["calms21"], FindOptions(split_file=table))


def test_flies_both_count_and_frames_without_pose_do_not(downloads):
    study, labels = labels_of(fly_vs_fly.DATASET, downloads["fly-vs-fly"], 40)
    assert [(r.id, r.split) for r in study.recordings] == [
        ("Aggression/movie1", "train"),
        ("Aggression/movie2", "train"),
        ("Aggression/movie10", "test"),
    ]
    assert "the published split is not a list of movies" in study.deviations[0]
    for number, recording in ((1, "Aggression/movie1"), (10, "Aggression/movie10")):
        states = labels[recording, ""].states
        expected = make.blocks(40, 4, shift=number)
        assert (states[3] == -1).all()
        counted = np.arange(40) != 3
        assert (states[counted] >= 0).all()
        for behavior, column in ((0, 0), (1, 1), (2, 2)):  # lunge, wing threat and tussle lead the catalogue
            assert ((states[counted, column] == 1) == (expected[counted] == behavior)).all()
        assert (states[counted][:, 3:] == 0).all()


def test_flies_in_matlab_7_3_files_read_the_same(copy):
    import h5py

    data = copy("fly-vs-fly")
    _, before = labels_of(fly_vs_fly.DATASET, data, 40)
    for path in data.rglob("*_actions.mat"):
        values = fly_vs_fly.read_mat(path, ["behs", "bouts"])
        with h5py.File(path.with_suffix(".h5"), "w", userblock_size=512) as file:
            write_cell(file, "behs", values["behs"])
            write_cell(file, "bouts", values["bouts"])
        path.with_suffix(".h5").replace(path)
    for path in data.rglob("*_track.mat"):
        trk = fly_vs_fly.read_mat(path, ["trk"])["trk"]
        with h5py.File(path.with_suffix(".h5"), "w", userblock_size=512) as file:
            group = file.create_group("trk")
            write_cell(group, "names", trk["names"])
            group["data"] = trk["data"].T
        path.with_suffix(".h5").replace(path)
    _, after = labels_of(fly_vs_fly.DATASET, data, 40)
    assert before.keys() == after.keys()
    assert all((before[key].states == after[key].states).all() for key in before)


def write_cell(group, name, rows):
    """A cell as MATLAB 7.3 stores it: references to values, the last axis first."""
    import h5py

    values = group.file.require_group("#refs#")
    refs = np.empty((len(rows[0]), len(rows)), dtype=h5py.ref_dtype)
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            if isinstance(value, str):
                item = values.create_dataset(str(len(values)), data=np.array([[ord(c)] for c in value], np.uint16))
                item.attrs["MATLAB_class"] = np.bytes_("char")
            elif value.size == 0:
                item = values.create_dataset(str(len(values)), data=np.array(value.shape, np.uint64))
                item.attrs["MATLAB_empty"] = 1
            else:
                item = values.create_dataset(str(len(values)), data=value.T)
            refs[j, i] = item.ref
    group.create_dataset(name, data=refs, dtype=h5py.ref_dtype)


def test_fly_errors(copy, tmp_path):
    from scipy.io import savemat

    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchError, match=r"expected movie folders with a file <movie>_actions\.mat, found none"):
        fly_vs_fly.find(tmp_path / "empty", FindOptions())
    data = copy("fly-vs-fly")
    movie = data / "Aggression" / "movie1"
    with pytest.raises(
        BenchError, match=r"movie1_track\.mat: expected labels for the 39 frames of 'Aggression/movie1'"
    ):
        labels_of(fly_vs_fly.DATASET, data, 39)
    actions = movie / "movie1_actions.mat"
    kept = actions.read_bytes()
    savemat(actions, {"behs": make.cell([["lunge"]]), "bouts": make.cell([[np.array([[1, 99, 0]])]] * 2)})
    with pytest.raises(BenchError, match=r"lunge of fly 1: expected bouts within the frames 1 to 40.* found 1 to 99"):
        labels_of(fly_vs_fly.DATASET, data, 40)
    savemat(actions, {"behs": make.cell([["lunge", "tussle"]]), "bouts": make.cell([[np.zeros((0, 3))]] * 2)})
    with pytest.raises(BenchError, match=r"expected bouts as a cell with a row per fly and 2 columns"):
        labels_of(fly_vs_fly.DATASET, data, 40)
    savemat(actions, {"other": 1.0})
    with pytest.raises(BenchError, match=r"movie1_actions\.mat: expected the variable 'behs', found none"):
        labels_of(fly_vs_fly.DATASET, data, 40)
    actions.write_bytes(b"MATLAB 5.0 MAT-file, cut short")
    with pytest.raises(BenchError, match=r"movie1_actions\.mat: expected a readable MATLAB file, found it damaged"):
        labels_of(fly_vs_fly.DATASET, data, 40)
    actions.write_bytes(kept)
    savemat(movie / "movie1_track.mat", {"trk": {"names": make.cell([["a", "b"]]), "data": np.zeros((2, 40, 2))}})
    with pytest.raises(BenchError, match=r"movie1_track\.mat: expected the features pos x, .* found a, b"):
        labels_of(fly_vs_fly.DATASET, data, 40)
    shutil.copy(movie / "movie1.avi", movie / "movie1.mp4")
    with pytest.raises(BenchError, match=r"movie1: expected one video called movie1, found movie1\.avi, movie1\.mp4"):
        fly_vs_fly.find(data, FindOptions())
    (movie / "movie1.mp4").rename(movie / "movie1.seq")
    assert fly_vs_fly.find(data, FindOptions()).recordings[0].path.name == "movie1.avi"
    (movie / "movie1.seq").unlink()
    (movie / "movie1_track.mat").unlink()
    with pytest.raises(BenchError, match=r"movie1_track\.mat: expected the track of the movie"):
        fly_vs_fly.find(data, FindOptions())
    (movie / "movie1_track.mat").touch()
    (movie / "movie1.avi").unlink()
    with pytest.raises(BenchError, match=r"movie1: expected the video of the movie \(\.avi .*\), found none"):
        fly_vs_fly.find(data, FindOptions())


def test_matlab_objects_are_refused(tmp_path):
    from scipy.io import savemat
    from scipy.io.matlab import MatlabObject

    from vp_science.bench.matlab import read_mat

    record = np.zeros((1, 1), dtype=[("field", object)])
    savemat(tmp_path / "object.mat", {"behs": MatlabObject(record, "danger"), "bouts": np.zeros((1, 1, 1), complex)})
    with pytest.raises(BenchError, match=r"object\.mat: expected numbers, texts, cells and structures, found a MATLAB"):
        read_mat(tmp_path / "object.mat", ["behs"])
    with pytest.raises(BenchError, match=r"expected real numbers, found complex128"):
        read_mat(tmp_path / "object.mat", ["bouts"])


def test_hdf5_links_out_of_a_matlab_file_are_refused(tmp_path):
    import h5py

    from vp_science.bench.matlab import read_mat

    with h5py.File(tmp_path / "secret.mat", "w") as file:
        file["behs"] = np.zeros(3)
    with h5py.File(tmp_path / "links.mat", "w") as file:
        file["behs"] = h5py.ExternalLink("secret.mat", "behs")
    with pytest.raises(BenchError, match=r"expected 'behs' to lie in the file, found a link elsewhere"):
        read_mat(tmp_path / "links.mat", ["behs"])


@pytest.mark.parametrize("images", ["images", "dataset/image"])
def test_kabr_pictures_have_the_class_of_their_row(tmp_path, images):
    data = make.make_kabr(tmp_path, images, num_frames=30)
    study, labels = labels_of(kabr.DATASET, data, 30)
    assert [(r.id, r.split) for r in study.recordings] == [("G0001", "train"), ("ZP0002", "train"), ("ZG0003", "test")]
    assert study.behaviors.names == make.KABR_CLASSES
    assert study.behaviors.exclusive
    assert study.deviations == ()
    for number, recording in enumerate(study.recordings, start=1):
        assert (classes_of(labels[recording.id, ""].states) == make.blocks(30, 4, 15, number)).all()


def test_what_is_tested_may_not_be_trained_on(tmp_path):
    """Nobody notices it in a number that looks good."""
    data = make.make_kabr(tmp_path, num_frames=20)
    train, val = (data / "annotation" / name for name in ("train.csv", "val.csv"))
    train.write_text(train.read_text() + "\n".join(val.read_text().splitlines()[1:]) + "\n")
    study = kabr.find(data, FindOptions())
    assert study.deviations == ("1 recordings are trained on and tested (ZG0003): the score is too high",)
    assert study.notes == (
        "how many recordings the whole download has is not known here: "
        "check that 3 to train on and 1 to test on are all",
    )


def test_kabr_errors(tmp_path):
    data = make.make_kabr(tmp_path / "kabr", num_frames=20)
    train = data / "annotation" / "train.csv"
    kept = train.read_text()
    cases = (
        (
            kept.replace("G0001/7.jpg 0", "G0001/7.jpg 9"),
            r"line 8, column 'labels': expected a class from 0 to 3, found '9'",
        ),
        (
            kept.replace("G0001/7.jpg", "G0001/70.jpg"),
            r"line 8, column 'path': expected a picture of .*found 'G0001/70",
        ),
        (
            kept.replace("original_vido_id", "original_video_id"),
            r"train\.csv, line 1: expected the columns original_vido",
        ),
        (kept.replace("ZP0002", "../up"), r"expected names of mini-scenes such as G0001, found '\.\./up'"),
        ("\n".join(kept.splitlines()[:-1]), r"expected labels for the 20 frames of 'ZP0002', found 19"),
    )
    assert "G0001/7.jpg 1" in kept
    cases = ((kept.replace("G0001/7.jpg 1", "G0001/7.jpg 9"), cases[0][1]), *cases[1:])
    for text, message in cases:
        train.write_text(text)
        with pytest.raises(BenchError, match=message):
            labels_of(kabr.DATASET, data, 20)
    train.write_text(kept)
    shutil.rmtree(data / "images" / "ZP0002")
    with pytest.raises(BenchError, match=r"ZP0002: expected the pictures of the mini-scene, found nothing there"):
        kabr.find(data, FindOptions())
    study = kabr.find(data, FindOptions(partial=True))
    assert study.deviations == ("1 mini-scenes without pictures were passed over",)
    (data / "annotation" / "classes.json").write_text('{"Walk": 0, "Run": 2}')
    with pytest.raises(BenchError, match=r"classes\.json: expected the numbers 0, 1, \.\.\. by class name, found"):
        kabr.find(data, FindOptions(partial=True))


def test_crim13_views_share_labels(downloads):
    names = ["012609_A29_Block1_BCfe1", "012609_A29_Block12_BCma1", "030609_A25_Block11_BCfe1"]
    for view, suffix in (("top", "_t"), ("side", "_s")):
        study, labels = labels_of(crim13.DATASET, downloads["crim13"], 36, FindOptions(view=view))
        assert [(r.id, r.split, r.path.stem) for r in study.recordings] == [
            (name, split, name + suffix) for name, split in zip(names, ("train", "train", "test"), strict=True)
        ]
        for number, name in enumerate(names):
            found = classes_of(labels[name, ""].states)
            columns = np.array([0, 1, 9, 12])  # approach, attack, sniff, none
            assert (found == columns[make.blocks(36, 4, shift=number)]).all()


def test_crim13_takes_sequences_unless_they_were_converted(copy):
    data = copy("crim13")
    video = data / "train" / "012609_A29_Block1_BCfe1_t.avi"
    sequence = video.with_suffix(".seq")
    shutil.copy(video, sequence)
    assert crim13.find(data, FindOptions()).recordings[0].path == video
    video.unlink()
    assert crim13.find(data, FindOptions()).recordings[0].path == sequence


def test_crim13_errors(copy, tmp_path):
    data = copy("crim13")
    with pytest.raises(BenchError, match=r"BCfe1_t\.txt: expected labels for the 35 frames of '012609.*found 36"):
        labels_of(crim13.DATASET, data, 35)
    text = data / "train" / "012609_A29_Block1_BCfe1_t.txt"
    kept = text.read_text()
    text.write_text(kept.replace("sniff", "yawn"))
    with pytest.raises(BenchError, match=r"expected the behaviors approach, .* and other, found 'yawn'"):
        labels_of(crim13.DATASET, data, 36)
    (data / "train" / "012609_A29_Block1_BCfe1_s.txt").write_text(kept)
    with pytest.raises(BenchError, match=r"expected one label file of 012609_A29_Block1_BCfe1, found two"):
        crim13.find(data, FindOptions())
    (data / "train" / "012609_A29_Block1_BCfe1_s.txt").unlink()
    text.unlink()
    with pytest.raises(
        BenchError, match=r"BCfe1_t\.txt: expected the labels of 012609_A29_Block1_BCfe1, found nothing"
    ):
        crim13.find(data, FindOptions())
    text.write_text(kept)
    (data / "train").rename(data / "videos")
    with pytest.raises(BenchError, match=r"expected a folder called train or test above it, found videos"):
        crim13.find(data, FindOptions())
    split = tmp_path / "split.csv"
    split.write_text("recording,split\n012609_A29_Block1_BCfe1,train\n030609_A25_Block11_BCfe1,test\n")
    assert len(crim13.find(data, FindOptions(split_file=split)).recordings) == 2


def test_chimpact_labels_are_carried_between_keyframes(downloads):
    study, labels = labels_of(chimpact.DATASET, downloads["chimpact"], 36)
    assert [r.split for r in study.recordings] == ["train", "train", "val", "test"]
    clip = study.of("train")[0].id
    staying, leaving = labels[clip, "4"], labels[clip, "7"]
    # The first clip rests in even keyframes and moves in odd ones; behaviors change after the middle between them.
    moving = staying.states[:, study.behaviors.index("moving")]
    assert np.flatnonzero(np.diff(moving)).tolist() == [5, 15, 25]
    assert (staying.boxes == np.float32([2 / 48, 2 / 36, 20 / 48, 30 / 36])).all()
    # The other animal has its last box on keyframe 2 and keeps it up to the next keyframe.
    assert (leaving.states[:30] >= 0).all()
    assert (leaving.states[30:] == -1).all()
    assert np.isnan(leaving.boxes[30:]).all()
    assert (leaving.states[:30, study.behaviors.index("touching")] == 1).all()


def test_chimpact_boxes_move_in_straight_lines(tmp_path):
    data = make.make_chimpact(tmp_path)
    clip = "Azibo_ObsChimp_2016_01_01_a_clip_0_36"
    labels = {
        "images": [{"id": 1, "file_name": "000000.jpg"}, {"id": 2, "file_name": "000001.jpg"}],
        "annotations": [
            make.box(1, 1, 4, [0, 0, 10, 10], [0]),
            make.box(2, 2, 4, [20, 10, 10, 20], []),
            make.box(3, 1, 23, [1, 1, 4, 4], [2]),
            make.box(4, 1, 23, [30, 1, 4, 4], [3]),
        ],
    }
    (data / "labels" / f"{clip}.json").write_text(json.dumps(labels))
    _, found = labels_of(chimpact.DATASET, data, 36)
    boxes = found[clip, "4"].boxes * np.float32([48, 36, 48, 36])
    assert np.allclose(boxes[5], [10, 5, 10, 15], atol=1e-4)
    assert np.allclose(boxes[19], [20, 10, 10, 20], atol=1e-4)
    assert np.isnan(boxes[20:]).all()
    assert (found[clip, "4"].states[6:20] == 0).all()
    # Animals without a name share a number, and stay apart.
    assert {subject for name, subject in found if name == clip} == {"4", "23", "23#2"}


def test_chimpact_errors(copy):
    data = copy("chimpact")
    with pytest.raises(BenchError, match=r"expected keyframes within the 25 frames of .*found one at frame 30"):
        labels_of(chimpact.DATASET, data, 25)
    path = data / "labels" / f"{make.CHIMPACT_TEST}.json"
    kept = json.loads(path.read_text())
    for change, message in (
        ({"behaviors": [23]}, r"the behaviors \(23,\) are not numbers from 0 to 22"),
        ({"bbox": [1, 2, 3]}, r"the box \(1\.0, 2\.0, 3\.0\) is not x, y, width, height"),
        ({"image_id": 9}, r"KeyError: 9"),
    ):
        broken = json.loads(json.dumps(kept))
        broken["annotations"][0] |= change
        path.write_text(json.dumps(broken))
        with pytest.raises(BenchError, match=message):
            labels_of(chimpact.DATASET, data, 36)
    path.write_text("{")
    with pytest.raises(BenchError, match=r"expected COCO-style JSON, found something else"):
        labels_of(chimpact.DATASET, data, 36)
    path.unlink()
    with pytest.raises(BenchError, match=r"expected the labels of the clip, found nothing there"):
        chimpact.find(data, FindOptions())


def test_the_lists_of_chimpact_are_those_of_the_dataset():
    assert (len(chimpact.VAL), len(chimpact.TEST)) == (17, 19)
    assert len({*chimpact.VAL, *chimpact.TEST}) == 36


@pytest.mark.parametrize("name", NAMES)
def test_every_protocol_tells_what_a_user_needs(name):
    protocol = find_dataset(name).protocol
    assert protocol.name == name
    assert protocol.url
    assert protocol.layout
    assert protocol.licence
    assert protocol.as_published
    assert protocol.differs
    best = [row.value for row in protocol.published if row.method.startswith("VideoPrism-g")]
    assert best
    assert all(0 < row.value < 100 and row.source for row in protocol.published)


def test_an_unknown_benchmark_is_named():
    with pytest.raises(BenchError, match=r"expected one of the benchmarks calms21, .* found 'calms22'"):
        find_dataset("calms22")
