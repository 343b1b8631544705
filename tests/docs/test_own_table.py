"""The guide's way from a table of frames to annotations, run as it is written."""

import numpy as np
import pandas as pd
from guide_blocks import PYTHON, ROOT, blocks_of

import vp_science as vp
from vp_science.samples import sample_parts

PAGE = ROOT / "docs" / "annotations.md"


def test_a_table_of_frames_becomes_annotations(tmp_path, monkeypatch):
    [block] = [each for each in blocks_of(PAGE.read_text(), PAGE.name) if each.language in PYTHON]
    monkeypatch.chdir(tmp_path)
    videos, _ = sample_parts("videos", 2)
    rows = [(videos[0].name, 0, 25, "walking"), (videos[0].name, 200, 250, "song"), (videos[1].name, 10, 11, "song")]
    pd.DataFrame(rows, columns=["video", "start_frame", "end_frame", "label"]).to_csv("frames.csv", index=False)
    exec(compile(block.text, block.where, "exec"), {})
    labels = vp.read_annotations("labels.csv")
    assert labels.recordings == tuple(path.stem for path in videos)
    assert labels.bouts["behavior"].tolist() == ["walking", "song", "song"]
    np.testing.assert_allclose(labels.bouts[["start_s", "stop_s"]], [[0, 1], [8, 10], [0.4, 0.44]], atol=1e-6)
    np.testing.assert_allclose(labels.observed[["start_s", "stop_s"]], [[0, 10], [0, 10]], atol=1e-6)


def test_the_table_of_the_guide_is_one(tmp_path):
    [block] = [each for each in blocks_of(PAGE.read_text(), PAGE.name) if each.text.startswith("recording,")]
    (tmp_path / "labels.csv").write_text(block.text)
    assert vp.read_annotations(tmp_path / "labels.csv").behaviors.names == ("rearing", "grooming")
