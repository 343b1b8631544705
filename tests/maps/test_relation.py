"""Clusters against labels: seconds that were observed, and nothing else."""

import map_study
import numpy as np
import probe_study
import pytest

from vp_science.errors import MapError
from vp_science.maps import relate
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors

FOLLOWED = {"backend": "test", "follow": {"subject": "mouse1", "target": "", "of_recording": "pair", "settings": {}}}


def one_map(cluster, name="rec", **changes):
    """A map of one recording of a point per second."""
    vectors = np.random.default_rng(0).normal(size=(len(cluster), 4))
    track = probe_study.make_track(name, vectors, fps=1.0, num_frames=4, stride=2, **changes)
    return map_study.with_clusters(map_study.pca_map([track], num_pca=2, num_clusters=2), cluster)


def labels(bouts, observed, behaviors=None):
    made = [dict(zip(("recording", "behavior", "start_s", "stop_s"), row, strict=True)) for row in bouts]
    seen = [dict(zip(("recording", "start_s", "stop_s"), row, strict=True)) for row in observed]
    return Annotations.of(made, seen, behaviors or Behaviors.of(("walk", "groom"), exclusive=True))


CLUSTERS = [0] * 8 + [1] * 8 + [-1] * 4


def test_the_table_holds_observed_seconds_only():
    bouts = [("rec", "walk", 0, 6), ("rec", "groom", 6.5, 12), ("rec", "groom", 17, 20)]
    relation = relate(one_map(CLUSTERS), labels(bouts, [("rec", 2, 16)]))
    assert relation.table.columns.tolist() == ["walk", "groom", "background"]
    assert relation.table.index.tolist() == [0, 1, -1]
    np.testing.assert_allclose(relation.table, [[4, 1.5, 0.5], [0, 4, 4], [0, 0, 0]])
    assert relation.observed_s == pytest.approx(14)
    assert relation.num_points == 14
    assert relation.main["behavior"].tolist() == ["walk", "groom", ""]
    assert relation.main.loc[0, "share"] == pytest.approx(4 / 6)
    # Labels of the 14 seconds: 4 walk, then from 6.5 on groom (the second at 6 is half and half), 4 of nothing.
    assert relation.purity == pytest.approx(8 / 14)


def test_clusters_that_are_behaviors_are_perfect_and_random_ones_worthless():
    bouts = [("rec", "walk", 0, 40), ("rec", "groom", 40, 80)]
    seen = [("rec", 0, 120)]
    perfect = relate(one_map([0] * 40 + [1] * 40 + [2] * 40), labels(bouts, seen))
    assert (perfect.ami, perfect.homogeneity, perfect.completeness, perfect.purity) == pytest.approx((1, 1, 1, 1))
    rng = np.random.default_rng(0)
    random = relate(one_map(rng.integers(0, 3, 120)), labels(bouts, seen))
    assert abs(random.ami) < 0.05
    split = relate(one_map(np.arange(120) // 5), labels(bouts, seen))
    assert split.homogeneity == pytest.approx(1)
    assert split.purity == pytest.approx(1)
    assert split.completeness < 0.5


def test_behaviors_that_overlap_each_count():
    both = Behaviors.of(("walk", "groom"))
    bouts = [("rec", "walk", 0, 10), ("rec", "groom", 5, 15)]
    relation = relate(one_map([0] * 20), labels(bouts, [("rec", 0, 20)], both))
    np.testing.assert_allclose(relation.table.loc[0], [10, 10, 5])
    apart = relate(one_map(np.repeat([0, 1, 2, 3], 5)), labels(bouts, [("rec", 0, 20)], both))
    assert apart.ami == pytest.approx(1), "walk, both, groom and nothing are four labels"


def test_windows_that_overlap_count_once():
    track = probe_study.make_track("rec", np.random.default_rng(0).normal(size=(200, 4)), num_frames=8, stride=2)
    from vp_science.maps import make_map

    made = make_map([track], method="pca", cluster="kmeans", num_clusters=3, stability_repeats=0)
    relation = relate(made, labels([("rec", "walk", 0, 3)], [("rec", 0, 8)]))
    assert relation.table.to_numpy().sum() == pytest.approx(8)
    assert relation.table["walk"].sum() == pytest.approx(3)


def test_of_a_followed_animal_its_own_bouts_count():
    made = one_map([0] * 20, "pair.mouse1", source=FOLLOWED)
    bouts = [
        {"recording": "pair", "subject": "mouse1", "behavior": "walk", "start_s": 0, "stop_s": 5},
        {"recording": "pair", "subject": "mouse2", "behavior": "walk", "start_s": 5, "stop_s": 20},
        {"recording": "pair", "subject": "", "behavior": "groom", "start_s": 10, "stop_s": 12},
    ]
    seen = [{"recording": "pair", "start_s": 0, "stop_s": 20}]
    relation = relate(made, Annotations.of(bouts, seen, Behaviors.of(("walk", "groom"))))
    # Somebody groomed from 10 to 12, and nobody says who: unknown for this animal.
    np.testing.assert_allclose(relation.table.loc[0], [5, 0, 13])


def test_recordings_without_labels_are_named_and_left_out(study):
    made = map_study.pca_map(study[0])
    relation = relate(made, study[1].select(recordings=["rec0", "rec2"]))
    assert relation.unlabelled == ("rec1", "rec3")
    whole = sum(len(track) for track in study[0] if track.recording_id in ("rec0", "rec2")) / 25
    assert relation.observed_s == pytest.approx(whole)
    record = relation.to_json()
    assert record["unlabelled"] == ["rec1", "rec3"]
    assert sum(record["seconds"]["0"].values()) == pytest.approx(relation.table.loc[0].sum())
    assert (
        relate(one_map([0] * 20), labels([("rec", "walk", 0, 3)], [("rec", 0, 8)])).to_json()["ami_recordings"] is None
    )


def test_what_cannot_be_compared_is_refused(study, small_map):
    with pytest.raises(
        MapError, match=r"expected labels of states in the recordings of the map \(rec0.* those of other"
    ):
        relate(small_map, labels([("other", "walk", 0, 1)], [("other", 0, 2)]))
    with pytest.raises(MapError, match="found none observed"):
        relate(small_map, labels([("rec0", "walk", 0, 1)], []))
    point = Behaviors((Behavior("jump", "point"),))
    with pytest.raises(MapError, match="expected labels of states"):
        relate(small_map, labels([("rec0", "jump", 1, 1)], [("rec0", 0, 2)], point))
    plain = map_study.pca_map(study[0], cluster=None, num_clusters=None)
    with pytest.raises(MapError, match="expected a map with clusters"):
        relate(plain, study[1])
