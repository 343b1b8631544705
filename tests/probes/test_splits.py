"""Splits: what is on which side, for every table and every study."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probe_study import make_study, make_track

from vp_science.errors import AnnotationError, ProbeError
from vp_science.probes.groups import group_recordings, read_recordings_table
from vp_science.probes.splits import (
    Fold,
    Part,
    check_folds,
    k_fold_by_group,
    label_counts,
    leave_one_group_out,
)
from vp_science.probes.time_blocks import cut_track, random_windows, time_blocks
from vp_science.timeline.ethogram import to_ethogram

cells = st.sampled_from(["", "a", "b", "c", "a;b", " c "])
tables = st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=9).map(
    lambda rows: pd.DataFrame(rows, columns=["animal", "session", "site"]).assign(
        recording=[f"r{i}" for i in range(len(rows))]
    )
)


def values(row: pd.Series) -> set[tuple[str, str]]:
    return {(c, v.strip()) for c in ("animal", "session", "site") for v in row[c].split(";") if v.strip()}


@given(tables)
@settings(deadline=None)  # the machine is shared
def test_recordings_that_share_anything_share_a_group(table):
    groups = group_recordings(list(table["recording"]), table)
    known = {row["recording"]: values(row) for _, row in table.iterrows()}
    for one, theirs in known.items():
        for other, others in known.items():
            if theirs & others:
                assert groups.names[one] == groups.names[other]
    # ... and nothing else ties them: a group is connected.
    for name in set(groups.names.values()):
        members = [r for r in known if groups.names[r] == name]
        reached, todo = {members[0]}, [members[0]]
        while todo:
            here = todo.pop()
            new = {r for r in members if r not in reached and known[r] & known[here]}
            reached |= new
            todo += new
        assert reached == set(members)


@given(tables, st.integers(2, 4), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_no_group_is_on_both_sides_and_all_are_tested_once(table, num_folds, random):
    recordings = [name for name in table["recording"] for _ in range(random.randint(1, 2))]  # per-animal tracks
    groups = group_recordings(recordings, table).of(recordings)
    counts = np.array([[random.randint(1, 50), random.choice([0, 0, 9]), random.choice([0, 5])] for _ in recordings])
    ways = [leave_one_group_out] if len(set(groups)) > 1 else []
    if len(set(groups)) >= num_folds:
        ways.append(lambda groups: k_fold_by_group(groups, num_folds, counts))
    for way in ways:
        folds = way(groups)
        for fold in folds:
            train, test = ({recordings[part.track] for part in side} for side in (fold.train, fold.test))
            assert train
            assert test
            assert not train & test
            assert not set(fold.train_groups) & set(fold.test_groups)
            assert {groups[part.track] for part in fold.test} == set(fold.test_groups)
        tested = [part.track for fold in folds for part in fold.test]
        assert sorted(tested) == list(range(len(recordings)))
    if len(ways) == 2:
        assert len(ways[1](groups)) == num_folds
        assert ways[1](groups) == ways[1](groups)


def test_folds_are_balanced_and_every_behavior_can_be_learned_in_each():
    # Twelve recordings, a rare behavior in the two longest ones, another in three of the others.
    counts = np.array([[100, 0, 0]] * 12)
    counts[:2] = [300, 40, 0]
    counts[[4, 5, 9], 2] = 10
    groups = [f"g{i}" for i in range(12)]
    folds = k_fold_by_group(groups, 3, counts)
    seconds = [sum(counts[part.track, 0] for part in fold.test) for fold in folds]
    assert max(seconds) <= 1.4 * min(seconds)
    for fold in folds:
        assert (counts[[part.track for part in fold.train]].sum(axis=0) > 0).all()
    assert len({i for i, fold in enumerate(folds) for part in fold.test if counts[part.track, 1]}) == 2


def test_a_group_without_labels_does_not_count_as_one():
    counts = np.array([[5, 1], [5, 1], [0, 0]])
    with pytest.raises(ProbeError, match="expected at least 3 groups of recordings with labels for 3 folds, found 2"):
        k_fold_by_group(["a", "b", "c"], 3, counts)


def test_groups_have_names_that_people_know():
    table = pd.DataFrame(
        {
            "recording": ["a1", "a2", "b1", "c1", "d1"],
            "animal": ["mouse 1", "mouse 1", "mouse 2", "mouse 3", ""],
            "session": ["", "", "monday", "monday", ""],
            "weight_g": [20, 20, 21, 22, 23],
        }
    )
    groups = group_recordings(["a1", "a2", "b1", "c1", "d1"], table)
    assert groups.of(["a1", "a2", "b1", "c1", "d1"]) == ["animal mouse 1"] * 2 + ["session monday"] * 2 + ["d1"]
    assert groups.columns == ("animal", "session")
    assert "weight_g" in groups.notes[0]
    assert groups.notes[-1].endswith("each a group of its own: d1")


def test_numbers_in_a_column_with_gaps_are_still_the_same_animal():
    table = pd.DataFrame({"recording": ["a", "b", "c"], "animal": [1.0, 1, np.nan]})
    assert len(set(group_recordings(["a", "b", "c"], table).names.values())) == 2
    assert group_recordings(["a", "b", "c"], table).names["a"] == "animal 1"


def test_a_table_as_excel_writes_it(tmp_path):
    path = tmp_path / "recordings.csv"
    path.write_bytes("\ufeffrecording;animal;cage\r\nday1/a;Zoë;4\r\nb;Zoë;5\r\n".encode())
    table = read_recordings_table(path)
    assert set(group_recordings(["day1/a", "b"], table).names.values()) == {"animal Zoë"}
    assert group_recordings(["day1/a", "b"], table, by=["cage"]).of(["b"]) == ["cage 5"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,animal\na,1\n", "line 1: expected a column 'recording'"),
        ("recording,animal\na,1\n,2\n", "line 3, column 'recording': expected the name of a recording"),
    ],
)
def test_tables_that_name_no_recordings(tmp_path, text, message):
    path = tmp_path / "recordings.csv"
    path.write_text(text)
    with pytest.raises(AnnotationError, match=re.escape(message)):
        read_recordings_table(path)


def test_what_the_table_must_say():
    table = pd.DataFrame({"recording": ["a"], "mouse": ["1"]})
    with pytest.raises(ProbeError, match=r"expected columns such as animal, session, site .* found recording, mouse"):
        group_recordings(["a"], table)
    with pytest.raises(ProbeError, match="expected the column cage in the table"):
        group_recordings(["a"], table, by=["cage"])
    with pytest.raises(ProbeError, match=r"found none for b, c \(2 of 3; it names a\)"):
        group_recordings(["a", "b", "c"], table, by=["mouse"])
    with pytest.raises(ProbeError, match="expected the column 'recording'"):
        group_recordings(["a"], pd.DataFrame({"animal": ["1"]}))
    with pytest.raises(ProbeError, match="found none for x"):
        group_recordings(["a"]).of(["x"])


def test_too_few_groups_names_the_way_out():
    with pytest.raises(ProbeError, match=r"expected at least 2 independent groups .* found 1 \(mouse 1; .*time-blocks"):
        leave_one_group_out(["mouse 1", "mouse 1"])
    with pytest.raises(ProbeError, match="expected at least 2 folds, found 1"):
        k_fold_by_group(["a", "b"], 1, np.ones((2, 1), np.int64))


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        (Fold("x", (Part(0),), (Part(1),), (), ()), "expected no group of recordings on both sides, found a"),
        (Fold("x", (Part(0, 0, 9),), (Part(0, 8, 12),), (), (), "said"), "expected train and test apart, found shared"),
        (Fold("x", (), (Part(0),), (), ()), "expected recordings to train on, found none"),
        (Fold("x", (Part(2),), (), (), ()), "expected recordings to test on, found none"),
    ],
)
def test_folds_that_leak_are_refused(fold, message):
    with pytest.raises(ProbeError, match=message):
        check_folds([fold], ["a", "a", "b"])


@given(st.integers(60, 300), st.integers(2, 9), st.integers(1, 9), st.integers(2, 5), st.sampled_from([0.0, 0.5]))
@settings(max_examples=60, deadline=None)
def test_blocks_of_time_share_no_pixel(num_rows, num_frames, stride, num_blocks, gap_s):
    stride = min(stride, num_frames)
    track = make_track("r", np.zeros((num_rows, 2)), num_frames=num_frames, stride=stride)
    labelled = np.ones(num_rows, dtype=bool)
    try:
        folds = time_blocks([track], [labelled], num_blocks, gap_s=gap_s, allow_leakage=True)
    except ProbeError:
        folds = []
    # Only what is too short may be refused (test_short_recordings_and_too_many_blocks).
    assert folds or num_rows / num_blocks < 3 * (num_frames + stride) + 2 * 25 * gap_s
    owner = np.searchsorted(
        track.window_start[:-1] + track.window_start[1:] + num_frames - 1, 2 * np.arange(num_rows), side="left"
    )
    tested = np.zeros(num_rows, dtype=int)
    for fold in folds:
        sides = []
        for parts in (fold.train, fold.test):
            rows = np.concatenate([np.arange(part.first, part.stop) for part in parts])
            pixels = {p for w in owner[rows] for p in range(track.window_start[w], track.window_stop[w])}
            sides.append((rows, pixels))
            for part in parts:  # every part is usable: it has a window of its own
                assert len(cut_track(track, part).window_start)
        assert not sides[0][1] & sides[1][1]
        apart = np.abs(sides[0][0][:, None] - sides[1][0][None, :]).min()
        assert apart >= num_frames
        assert apart / 25 >= gap_s - 1e-9
        tested[sides[1][0]] += 1
        assert fold.leakage
    assert (tested == bool(folds)).all()


def test_blocks_hold_equal_labelled_time_and_whole_tracks_are_never_cut_without_need():
    track = make_track("r", np.zeros((400, 2)))
    labelled = np.zeros(400, dtype=bool)
    labelled[200:] = True
    folds = time_blocks([track], [labelled], 4, allow_leakage=True)
    assert [labelled[part.first : part.stop].sum() for fold in folds for part in fold.test] == [50] * 4
    assert cut_track(track, Part(0)) is track


def test_what_is_cut_reads_as_a_track_of_its_own():
    tracks, _ = make_study(1, 100)
    part = cut_track(tracks[0], Part(0, 20, 61))
    assert len(part) == 41
    assert np.array_equal(part.track, tracks[0].track[20:61])
    assert part.time_s[0] == tracks[0].time_s[20]
    assert np.array_equal(part.window_start, [*range(0, 33, 4), 33])
    for a, b, vector in zip(part.window_start, part.window_stop, part.window, strict=True):
        assert np.allclose(vector, part.track[a:b, 0].mean(axis=0), atol=1e-6)


def test_leaky_splits_must_be_asked_for_and_say_why():
    tracks, _ = make_study(2, 100)
    rows = [np.ones(100, dtype=bool)] * 2
    with pytest.raises(ProbeError, match=r"blocks of time of the same recordings.*--allow-leakage"):
        time_blocks(tracks, rows)
    with pytest.raises(
        ProbeError, match=r"overlapping windows.*shows the probe frames it was trained on.*far too high"
    ):
        random_windows(tracks)


def test_short_recordings_and_too_many_blocks():
    track = make_track("r", np.zeros((40, 2)))
    rows = np.ones(40, dtype=bool)
    with pytest.raises(ProbeError, match=r"r: expected blocks of at least 8 grid frames .* found one of 5"):
        time_blocks([track], [rows], 8, allow_leakage=True)
    with pytest.raises(ProbeError, match="r: expected at least 5 labelled grid frames for 5 blocks, found 3"):
        time_blocks([track], [np.arange(40) < 3], 5, allow_leakage=True)
    with pytest.raises(ProbeError, match="expected labels to learn from outside block 1 of 2"):
        time_blocks([make_track("r", np.zeros((24, 2)))], [np.ones(24, dtype=bool)], 2, allow_leakage=True)
    with pytest.raises(ProbeError, match="at least 2 blocks"):
        time_blocks([track], [rows], 1, allow_leakage=True)


def test_random_windows_deal_every_row_once_and_say_that_they_leak():
    tracks, _ = make_study(2, 100)
    folds = random_windows(tracks, 3, seed=1, allow_leakage=True)
    assert folds == random_windows(tracks, 3, seed=1, allow_leakage=True)
    assert folds != random_windows(tracks, 3, seed=2, allow_leakage=True)
    for fold in folds:
        rows = [
            (part.track, row)
            for side in (fold.train, fold.test)
            for part in side
            for row in range(part.first, part.stop)
        ]
        assert len(rows) == len(set(rows)) == 204
        assert fold.whole_tracks
        assert "drawn at random" in fold.leakage
    with pytest.raises(ProbeError, match="expected 2 to 49 folds for 49 windows, found 1"):
        random_windows(tracks, 1, allow_leakage=True)


def test_labels_are_counted_per_track():
    tracks, annotations = make_study(2, 100)
    truths = [to_ethogram(annotations, track.recording_id, track.time_s) for track in tracks]
    counts = label_counts(truths)
    assert counts.shape == (2, 4)
    assert counts[:, 0].tolist() == [100, 104]
    assert counts[0, 1] == (truths[0].states[:, 0] == 1).sum()
