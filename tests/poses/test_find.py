"""Which pose file belongs to a recording."""

import h5py
import numpy as np
import pytest

from vp_science.animals import pose_file_of
from vp_science.errors import PoseError
from vp_science.poses.load import find_pose_file

CSV = "scorer,s,s\nbodyparts,nose,nose\ncoords,x,y\n0,1,2\n"


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        path.write_text(CSV)
    elif path.suffix == ".xml":
        path.write_text("<annotations/>")
    else:
        with h5py.File(path, "w") as file:
            file["poseest/points"] = np.zeros((1, 12, 2))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "m1.slp", "m1.predictions.slp", "m1.analysis.h5", "m1.mp4.predictions.slp", "m1DLC_resnet50_x_100000.h5",
        "m1DLC_resnet50_x_100000.csv", "m1_pose_est_v6.h5", "m1.xml", "m1_annotations.xml", "m1.h5", "sub/dir/m1.slp",
    ],
)  # fmt: skip
def test_names_that_belong(tmp_path, name):
    put(tmp_path / "poses" / "m10.slp")
    put(tmp_path / "poses" / "m1_b.slp")
    put(tmp_path / "poses" / "xm1.slp")
    file = put(tmp_path / "poses" / name)
    assert find_pose_file(tmp_path / "m1.mp4", tmp_path / "poses") == file


def test_none_and_several(tmp_path):
    put(tmp_path / "m10.slp")
    with pytest.raises(PoseError, match=r"expected a pose file of m1.mp4 in .* found none: call it m1.slp"):
        find_pose_file("m1.mp4", tmp_path)
    put(tmp_path / "m1.slp")
    put(tmp_path / "m1.analysis.h5")
    with pytest.raises(
        PoseError, match=r"expected one pose file of m1.mp4 .* found 2: .*m1.analysis.h5, .*m1.slp; name"
    ):
        find_pose_file("m1.mp4", tmp_path)


def test_the_same_table_twice_and_older_versions(tmp_path):
    put(tmp_path / "m1DLC_x.csv")
    table = put(tmp_path / "m1DLC_x.h5")
    assert find_pose_file("m1.avi", tmp_path) == table
    put(tmp_path / "m2_pose_est_v2.h5")
    newest = put(tmp_path / "m2_pose_est_v6.h5")
    assert find_pose_file("m2.avi", tmp_path) == newest


def test_recordings_and_labels_are_no_poses(tmp_path):
    recording = tmp_path / "m1.h5"
    with h5py.File(recording, "w") as file:
        file["frames"] = np.zeros((2, 4, 4))
    (tmp_path / "m1.labels.csv").write_text("start_s,stop_s,behavior\n0,1,rear\n")
    (tmp_path / "m1.embeddings.h5").write_bytes(b"")
    file = put(tmp_path / "m1.slp")
    assert find_pose_file(recording, tmp_path) == file


def test_recordings_of_the_same_name_in_several_folders(tmp_path):
    one, two = put(tmp_path / "p" / "day1" / "m1.slp"), put(tmp_path / "p" / "day2" / "m1.slp")
    assert find_pose_file(tmp_path / "v" / "day1" / "m1.mp4", tmp_path / "p") == one
    assert find_pose_file(tmp_path / "v" / "day2" / "m1.mp4", tmp_path / "p") == two


def test_every_way_to_name_it(tmp_path):
    file = put(tmp_path / "m1.slp")
    video = tmp_path / "v" / "m1.mp4"
    assert pose_file_of("m1", video, tmp_path, alone=False) == file
    assert pose_file_of("m1", video, tmp_path / "*.slp", alone=False) == file
    assert pose_file_of("x", video, file, alone=True) == file
    for key in ("day/m1", str(video), "m1.mp4"):
        assert pose_file_of("day/m1", video, {key: file}, alone=False) == file
    with pytest.raises(PoseError, match=r"m2: expected its pose file in poses, found only m1"):
        pose_file_of("m2", None, {"m1": file}, alone=True)
    with pytest.raises(PoseError, match=r"found one file for several recordings: give the folder"):
        pose_file_of("m1", video, file, alone=False)
    with pytest.raises(PoseError, match=r"expected a pose file of m1.mp4 among the files given, found none"):
        pose_file_of("m1", video, tmp_path / "*.xml", alone=True)
    assert pose_file_of("day/m1", None, tmp_path, alone=False) == file
