"""Named clusters become bouts of a model."""

import map_study
import numpy as np
import probe_study
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from vp_science.annotations.formats import read_annotations, write_annotations
from vp_science.errors import MapError
from vp_science.maps import cluster_bouts, rename_clusters, representatives
from vp_science.timeline.ethogram import to_ethogram


def one_map(cluster, **changes):
    vectors = np.random.default_rng(0).normal(size=(max(20, len(cluster)), 4))
    track = probe_study.make_track("rec", vectors, fps=10.0, num_frames=4, stride=2, **changes)
    made = map_study.pca_map([track], num_pca=2, num_clusters=2)
    return map_study.with_clusters(made, [*cluster, *[-1] * (len(vectors) - len(cluster))])


def times(annotations):
    table = annotations.bouts
    return [(r.behavior, round(r.start_s, 6), round(r.stop_s, 6)) for r in table.itertuples()]


CLUSTERS = [0] * 4 + [1] * 3 + [0] * 2 + [-1] * 3 + [2] * 8


def test_named_clusters_become_bouts_and_the_others_are_left_out():
    found = cluster_bouts(one_map(CLUSTERS), {0: "walk", 2: "rest"})
    assert times(found) == [("walk", 0, 0.4), ("walk", 0.7, 0.9), ("rest", 1.2, 2.0)]
    assert found.behaviors.names == ("walk", "rest")
    assert found.behaviors.exclusive
    assert set(found.bouts["source"]) == {f"model:{one_map(CLUSTERS).id}"}
    assert found.bouts["score"].tolist() == [1, 1, 1]
    assert found.observed[["start_s", "stop_s"]].to_numpy().tolist() == [[0, 2.0]]


def test_clusters_of_one_name_are_one_behavior_and_unnamed_ones_come_when_asked():
    joined = cluster_bouts(one_map(CLUSTERS), {0: "walk", 1: "walk"})
    assert times(joined) == [("walk", 0, 0.9)]
    everything = cluster_bouts(one_map(CLUSTERS), {0: "walk"}, unnamed=True)
    assert everything.behaviors.names == ("walk", "cluster 1", "cluster 2")
    assert len(everything.bouts) == 4


def test_gaps_are_filled_only_where_nothing_else_is_and_short_bouts_dropped():
    made = rename_clusters(one_map([0, 0, -1, 0, 1, 0, -1, -1, -1, 0, 0]), {0: "walk", 1: "rear"})
    assert times(cluster_bouts(made, fill_gap_s=0.15)) == [
        ("walk", 0, 0.4), ("rear", 0.4, 0.5), ("walk", 0.5, 0.6), ("walk", 0.9, 1.1),
    ]  # fmt: skip
    assert times(cluster_bouts(made, fill_gap_s=0.15, min_bout_s=0.2)) == [("walk", 0, 0.4), ("walk", 0.9, 1.1)]


@examples(max_examples=20, deadline=None)
@given(st.lists(st.integers(-1, 2), min_size=20, max_size=40))
def test_bouts_give_back_the_clusters_at_every_frame(cluster):
    cluster = [*cluster, 0, 1, 2]
    made = one_map(cluster)
    found = cluster_bouts(made, unnamed=True)
    ethogram = to_ethogram(found, "rec", np.arange(len(made)) / 10)
    index = ethogram.label_index()
    np.testing.assert_array_equal(np.where(index == 3, -1, index), cluster)


def test_windows_give_bouts_that_do_not_overlap(study):
    from vp_science.maps import make_map

    made = make_map(study[0], method="pca", cluster="kmeans", num_clusters=4, stability_repeats=0)
    found = cluster_bouts(made, unnamed=True)
    assert found.bouts["stop_s"].sub(found.bouts["start_s"]).sum() == pytest.approx(made.seconds.sum())
    for _, group in found.bouts.groupby("recording"):
        assert (group["start_s"].to_numpy()[1:] >= group["stop_s"].to_numpy()[:-1] - 1e-9).all()


def test_bouts_of_followed_animals_name_them():
    source = {"backend": "test", "follow": {"subject": "m1", "target": "m2", "of_recording": "pair", "settings": {}}}
    found = cluster_bouts(one_map(CLUSTERS, source=source), {0: "chase"})
    assert found.bouts[["recording", "subject", "target"]].drop_duplicates().to_numpy().tolist() == [
        ["pair", "m1", "m2"]
    ]
    assert found.observed["subject"].tolist() == ["m1"]


def test_bouts_survive_their_file_and_are_no_labels(tmp_path):
    found = cluster_bouts(one_map(CLUSTERS), {0: "walk", 2: "rest"})
    write_annotations(found, tmp_path / "bouts.csv")
    back = read_annotations([tmp_path / "bouts.csv"])
    assert times(back) == times(found)
    assert len(back.select(sources=["manual", "curated"]).bouts) == 0


def test_nothing_named_is_an_error_and_unknown_clusters_too():
    made = one_map(CLUSTERS)
    with pytest.raises(MapError, match="expected clusters with names, found none"):
        cluster_bouts(made)
    with pytest.raises(MapError, match="expected a cluster from 0 to 2 to name, found 7"):
        cluster_bouts(made, {7: "walk"})


def test_names_are_kept_taken_away_and_change_nothing_else():
    made = one_map(CLUSTERS)
    named = rename_clusters(made, {0: " walk ", 1: "rest"})
    assert named.clusters["name"].tolist() == ["walk", "rest", ""]
    assert made.clusters["name"].tolist() == ["", "", ""], "the map that was given is as it was"
    assert rename_clusters(named, {1: ""}).clusters["name"].tolist() == ["walk", "", ""]
    assert named.id == made.id
    assert named.names() == {0: "walk", 1: "rest", 2: "cluster 2"}


def test_representatives_start_with_the_medoid_and_come_from_all_recordings(study, small_map):
    for cluster in small_map.clusters.index:
        chosen = representatives(small_map, cluster, 8, apart_s=0.5)
        assert chosen[0] == small_map.clusters["medoid"][cluster]
        assert (small_map.cluster[chosen] == cluster).all()
        assert len(set(small_map.recording[chosen[:4]].tolist())) == 4
        strength = small_map.strength[small_map.cluster == cluster]
        assert (small_map.strength[chosen] >= np.median(strength)).all()
    assert len(representatives(small_map, -1)) == 0, "k-means leaves no point out"
    with pytest.raises(MapError, match="found 4"):
        representatives(small_map, 4)
