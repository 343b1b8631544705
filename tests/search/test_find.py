import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_study import DANCE, DIM, dancing, followed, is_dance, make_track

from vp_science.annotations.formats import read_annotations, write_annotations
from vp_science.errors import ProbeError, SettingsError, StoreError
from vp_science.points import PointSettings
from vp_science.search import Example, build_index, find
from vp_science.search import index as index_module
from vp_science.search.index import BLOCK


@pytest.fixture(scope="module")
def index():
    return build_index(dancing())


def peaks_are_dance(table):
    return [is_dance(r.recording, (r.peak_start_s + r.peak_stop_s) / 2) for r in table.itertuples()]


def brute_force(index, query, common):
    """Cosines in double precision, one by one."""
    rows = np.asarray(index.rows, np.float64)
    if common == "all":
        rows = rows - rows.mean(axis=0)
    if common == "recording":
        for number in range(len(index.recordings)):
            mine = index.recording == number
            rows[mine] -= rows[mine].mean(axis=0)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    middle = (index.start_s + index.stop_s) / 2
    names = [entry.recording_id for entry in index.recordings]
    mine = (index.recording == names.index(query.recording)) & (middle >= query.start_s) & (middle < query.stop_s)
    direction = rows[mine].mean(axis=0)
    return rows @ (direction / np.linalg.norm(direction))


@pytest.mark.parametrize("common", ["all", "recording", "none"])
@pytest.mark.parametrize("example", [Example("a", 4, 6), Example("c", 0.5, 1.1)])
def test_scores_are_those_of_brute_force(index, common, example):
    results = find(index, example, common=common)
    expected = brute_force(index, example, common)
    np.testing.assert_allclose(results.scores, expected, atol=2e-5)
    best = results.to_pandas().iloc[0]
    outside = np.ones(len(index), bool)
    for one in [example]:
        outside &= ~((index.recording == "abc".index(one.recording)) & (index.start_s < 30))
    assert best.score >= expected[outside].max() - 1e-4


def test_it_finds_every_other_dance_first(index):
    table = find(index, "a@4-6", limit=5).to_pandas()
    assert peaks_are_dance(table) == [True] * 5
    assert sorted(table["recording"]) == ["a", "b", "c", "c", "c"]
    table = find(index, "a@4-6", limit=6).to_pandas()
    assert not peaks_are_dance(table)[5]
    assert table["score"][5] < table["score"][4] - 0.2


def test_an_event_reaches_about_as_far_as_the_dance(index):
    for row in find(index, "a@4-6", limit=5).to_pandas().itertuples():
        start, stop = next(span for span in DANCE[row.recording] if span[0] <= row.peak_start_s + 0.2 < span[1])
        assert abs(row.start_s - start) <= 0.35
        assert abs(row.stop_s - stop) <= 0.35


def test_the_score_of_two_moments_does_not_depend_on_which_is_asked(index):
    for common in ("all", "recording", "none"):
        one, other = find(index, "a@5-5", common=common), find(index, "c@21-21", common=common)
        here, there = index.points_of(Example("c", 21, 21))[0], index.points_of(Example("a", 5, 5))[0]
        assert one.scores[here] == pytest.approx(other.scores[there], abs=1e-5)


def test_blocks_do_not_change_results(index, monkeypatch):
    whole = find(index, ["a@4-6", "c@2-3"], limit=30)
    assert len(index) < BLOCK
    for size in (1, 7, 100):
        monkeypatch.setattr(index_module, "BLOCK", size)
        parts = find(index, ["a@4-6", "c@2-3"], limit=30)
        np.testing.assert_allclose(parts.scores, whole.scores, atol=1e-6)
        columns = ["rank", "recording", "start_s", "stop_s"]
        assert parts.to_pandas()[columns].equals(whole.to_pandas()[columns])


def noise_index(seed, smooth):
    rng = np.random.default_rng(seed)
    tracks = []
    for name in ("x", "y"):
        vectors = rng.normal(size=(120 if name == "x" else 60, DIM))
        for row in range(1, len(vectors)):
            vectors[row] = smooth * vectors[row - 1] + (1 - smooth) * vectors[row]
        tracks.append(make_track(name, vectors))
    return build_index(tracks)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    smooth=st.sampled_from([0.0, 0.7, 0.95]),
    gap=st.one_of(st.none(), st.floats(0, 2)),
    include=st.booleans(),
    per_recording=st.one_of(st.none(), st.integers(1, 4)),
    start=st.floats(0, 5),
)
def test_results_never_overlap_and_are_in_order(seed, smooth, gap, include, per_recording, start):
    index = noise_index(seed, smooth)
    example = Example("x", start, start + 0.4)
    results = find(index, example, limit=50, merge_gap_s=gap, include_examples=include, per_recording=per_recording)
    table = results.to_pandas()
    assert (np.diff(table["score"]) <= 0).all()
    assert list(table["rank"]) == list(range(1, len(table) + 1))
    if not include:
        assert not ((table["recording"] == "x") & (table["start_s"] < example.stop_s) & (table["stop_s"] > start)).any()
    for _, group in table.groupby("recording"):
        spans = sorted(zip(group["start_s"], group["stop_s"], strict=True))
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
        assert per_recording is None or len(group) <= per_recording
    for row in table.itertuples():
        assert row.start_s <= row.peak_start_s < row.peak_stop_s <= row.stop_s
    # Fewer results are the first of many.
    few = find(index, example, limit=3, merge_gap_s=gap, include_examples=include, per_recording=per_recording)
    assert few.to_pandas().equals(table.iloc[:3])
    assert few.id == results.id


def test_a_gap_joins_what_is_near():
    index = build_index(dancing({"a": [(4, 5), (5.8, 7), (20, 21)], "b": [(9, 10)]}))
    apart = find(index, "b@9-10", limit=3, merge_gap_s=0.1).to_pandas()
    assert len(apart[apart["recording"] == "a"]) == 3
    joined = find(index, "b@9-10", limit=2, merge_gap_s=1.0).to_pandas()
    first = joined[joined["start_s"] < 10].iloc[0]
    assert first.start_s < 4.4
    assert first.stop_s > 6.6


def test_min_score_leaves_out_the_rest(index):
    assert len(find(index, "a@4-6", limit=100, min_score=0.5)) == 5
    assert len(find(index, "a@4-6", min_score=2)) == 0
    assert list(find(index, "a@4-6", min_score=2).to_pandas().columns[:2]) == ["rank", "score"]


def test_examples_are_left_out_or_marked(index):
    asked = {"like": "a@4-6", "unlike": "b@1-2", "limit": 200}
    assert set(find(index, **asked).to_pandas()["example"]) == {""}
    table = find(index, **asked, include_examples=True).to_pandas()
    marked = table[table["example"] == "like"]
    assert len(marked) == 1
    assert marked.iloc[0].recording == "a"
    assert marked.iloc[0].start_s == pytest.approx(4, abs=0.35)


def test_unlike_pushes_away():
    """Two things happen; the example shows both, the counterexample the second alone."""
    rng = np.random.default_rng(3)
    vectors = 0.2 * rng.normal(size=(600, DIM))
    vectors[40:80, 1] += 2
    vectors[40:80, 2] += 2
    vectors[200:240, 1] += 2
    vectors[300:340, 2] += 2
    vectors[400:440, 2] += 2
    index = build_index([make_track("x", vectors)])
    plain = find(index, "x@2-4", limit=3).to_pandas()
    assert set(plain["start_s"].round()) == {10, 15, 20}
    better = find(index, "x@2-4", unlike="x@15-17", limit=2).to_pandas()
    assert round(better["start_s"][0]) == 10
    assert round(better["start_s"][1]) != 20
    assert better["score"][0] > better["score"][1] + 0.3


@given(seed=st.integers(0, 200))
@settings(max_examples=15, deadline=None)
def test_an_answer_moves_what_it_is_about(seed):
    index = noise_index(seed, 0.7)
    results = find(index, "x@1-1.5", limit=10, merge_gap_s=0)
    last = len(results)
    assert last > 2
    yes, no = results.events[1].peak, results.events[-1].peak
    accepted, rejected = results.refine(yes=2), results.refine(no=last)
    assert accepted.scores[yes] > results.scores[yes]
    assert rejected.scores[no] < results.scores[no]


def test_answers_are_examples(index):
    results = find(index, "a@4-6", limit=8)
    moments = [results.example_of(event) for event in results.events]
    refined = results.refine(yes=[1, str(moments[1])], no=moments[6])
    direct = find(index, ["a@4-6", moments[0], str(moments[1])], unlike=[moments[6]], limit=8)
    assert refined.to_pandas().equals(direct.to_pandas())
    assert not set(refined.to_pandas()["start_s"]) & {moments[0].start_s, moments[1].start_s, moments[6].start_s}
    with pytest.raises(SettingsError, match="a rank from 1 to 8, found 9: see the table"):
        results.refine(yes=9)


def test_many_answers_become_a_classifier(index):
    """Noise that looks alike at first; after eight answers on either side probabilities tell the dances apart."""
    times = {name: [(2 + 3 * k + shift, 3 + 3 * k + shift) for k in range(9)] for shift, name in enumerate("ab")}
    index = build_index(dancing(times, noise=2.0, seed=5))
    results = find(index, "a@2-3", limit=40)
    assert results.scorer.method == "prototype"
    yes = [Example("a", start, stop) for start, stop in times["a"][1:8]]
    no = [Example("a", start + 1.5, start + 2) for start, _ in times["a"][:8]]
    refined = results.refine(yes, no)
    assert refined.scorer.method == "logistic"
    assert ((refined.scores >= 0) & (refined.scores <= 1)).all()
    middle = (index.start_s + index.stop_s) / 2
    truth = np.array([is_dance("ab"[r], t, times) for r, t in zip(index.recording, middle, strict=True)])
    held_out = index.recording == 1

    def contrast(scores):
        return (scores[held_out & truth].mean() - scores[held_out & ~truth].mean()) / scores[held_out].std()

    assert contrast(refined.scores) > contrast(results.scores) + 0.2
    fewer = results.refine(yes[:-1], no)
    assert fewer.scorer.method == "prototype"


def test_suggestions_are_new_unsure_and_apart(index):
    results = find(index, "a@4-6", limit=5)
    first = results.suggest(4)
    assert list(first["rank"]) == [1, 2, 3, 4]
    answered = results.refine(yes=[1, 2], no="a@10-11")
    table = answered.suggest(4)
    assert len(table) == 4
    scores = answered.scores
    spans = [*answered.query.like, *answered.query.unlike]
    for row in table.itertuples():
        assert not any(
            row.recording == one.recording and row.start_s < one.stop_s and row.stop_s > one.start_s for one in spans
        )
    yes = np.mean([scores[index.points_of(one)].mean() for one in answered.query.like])
    no = np.mean([scores[index.points_of(one)].mean() for one in answered.query.unlike])
    assert np.abs(table["score"] - (yes + no) / 2).mean() < np.abs(scores - (yes + no) / 2).mean()
    with pytest.raises(SettingsError, match="at least 1 moment, found 0"):
        results.suggest(0)


def test_a_vector_finds_what_lies_in_its_direction(index):
    shared = 3 * np.eye(DIM)[0]
    table = find(index, vector=shared + 2 * np.eye(DIM)[1], limit=6).to_pandas()
    assert peaks_are_dance(table) == [True] * 6
    assert len(find(index, vector=np.eye(DIM)[:2], limit=3)) == 3


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.ones(5), "a vector of 24 numbers, or several as rows, found shape \\(5,\\)"),
        (np.ones((1, 1, DIM)), "found shape \\(1, 1, 24\\)"),
        (np.zeros(DIM), "finite numbers that are not all zero"),
        (np.full(DIM, np.nan), "finite numbers that are not all zero"),
        (np.array(["a"] * DIM), "type <U1"),
    ],
)
def test_other_vectors_are_refused(index, vector, message):
    with pytest.raises(SettingsError, match=message):
        find(index, vector=vector)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"like": "a@4-6", "recordings": []}, "expected recordings to search, found none"),
        ({"like": "a@4-6", "recordings": ["q"]}, r"expected a recording among a, b(?:,| and) c, found 'q'"),
        ({"like": "d@1-2"}, "a recording among a, b, c, found 'd': check the spelling"),
        ({"like": "a@100-101"}, "a@100-101 to lie in the track, found nothing there \\(it covers 0 to 30 s"),
        ({"like": "a@1-2", "limit": 0}, "limit to be at least 1, found 0"),
        ({"like": "a@1-2", "per_recording": 0}, "per_recording to be at least 1, found 0"),
        ({"like": "a@1-2", "merge_gap_s": -1}, "merge_gap_s to be seconds from 0 on, found -1"),
        ({"text": "dancing"}, "windows of a video-text model to compare with a text, found windows of videoprism-tiny"),
        ({"text": "dancing", "common": "all"}, 'common="none" with a text, found "all"'),
        ({"text": "dancing", "vector": np.ones(DIM)}, "a text or a vector, found both"),
        ({}, "something to look for, found nothing"),
        ({"like": "a@1-2", "points": PointSettings(unit="frames")}, "the points of the index"),
    ],
)
def test_what_makes_no_sense_is_refused(index, options, message):
    with pytest.raises((SettingsError, ProbeError), match=message):
        find(index, **options)


def test_what_is_subtracted_has_three_names():
    with pytest.raises(SettingsError, match="common to be one of all, recording, none, found 'some': choose one"):
        index_module.check_common("some")


def test_what_recordings_have_of_their_own_can_be_left_out():
    """Every recording has a strong background; the dance of another recording is found only without it."""
    rng = np.random.default_rng(0)
    tracks = []
    for number, name in enumerate("abc"):
        vectors = 0.2 * rng.normal(size=(600, DIM)) + 8 * np.eye(DIM)[5 + number]
        vectors[100:140, 1] += 1.5
        tracks.append(make_track(name, vectors))
    index = build_index(tracks)
    assert set(find(index, "a@5-7", limit=3).to_pandas()["recording"]) == {"a"}
    table = find(index, "a@5-7", limit=2, common="recording").to_pandas()
    assert set(table["recording"]) == {"b", "c"}
    assert (table["start_s"] - 5).abs().max() < 0.4


def test_a_recording_in_which_nothing_changes_gives_no_noise():
    """Rounding is no direction: without its own mean a constant recording scores zero."""
    tracks = [*dancing(), make_track("still", np.tile(np.random.default_rng(0).normal(size=DIM), (100, 1)))]
    results = find(build_index(tracks), "a@4-6", common="recording")
    assert (results.scores[results.index.recording == 3] == 0).all()
    with pytest.raises(SettingsError, match="nothing that tells like still@1-2 from what all moments have in common"):
        find(results.index, "still@1-2", common="recording")


def test_animals_are_named_with_their_recording():
    tracks = dancing()
    vectors = np.asarray(tracks[0].track)[:, 0]
    animals = [make_track(f"cage@{name}", vectors, **followed(name, "cage")) for name in ("left one", "right")]
    index = build_index(animals)
    results = find(index, "cage@left one@4-6", limit=3)
    assert results.to_pandas()["recording"][0] == "cage@right"
    bouts = results.to_annotations("dance").bouts
    assert set(bouts["recording"]) == {"cage"}
    assert bouts.loc[bouts["score"].idxmax(), "subject"] == "right"
    with pytest.raises(SettingsError, match="one animal of 'cage', found its name alone: give one of cage@left one"):
        find(index, "cage@4-6")


def test_moments_without_the_animal_are_not_found():
    vectors = np.asarray(dancing()[0].track)[:, 0]
    shown = np.ones(len(vectors), bool)
    shown[290:340] = False  # the second dance
    tracks = [make_track("cage@m", vectors, shown=shown, **followed("m", "cage"))]
    table = find(tracks, "cage@m@4-6", limit=50).to_pandas()
    assert not ((table["peak_start_s"] > 14.6) & (table["peak_stop_s"] < 16.9)).any()
    with pytest.raises(SettingsError, match="nothing there"):
        find(tracks, "cage@m@15.5-15.6")


def test_frames_and_spans_can_be_points():
    tracks = dancing()
    for points in (PointSettings(unit="frames"), PointSettings(pool_s=0.5)):
        table = find(tracks, "a@4-6", limit=5, points=points).to_pandas()
        assert peaks_are_dance(table) == [True] * 5
    with pytest.raises(SettingsError, match="whose directions can be compared, found speed=True"):
        find(tracks, "a@4-6", points=PointSettings(speed=True))


def test_bouts_are_suggestions_with_a_source(index, tmp_path):
    results = find(index, "a@4-6", unlike="c@10-11", limit=5, include_examples=True)
    annotations = results.to_annotations("dance")
    assert set(annotations.bouts["source"]) == {f"model:{results.id}"}
    assert set(annotations.bouts["behavior"]) == {"dance"}
    assert not len(annotations.observed)
    assert len(annotations.select(sources=["manual", "curated"]).bouts) == 0
    table = results.to_pandas()
    assert sorted(annotations.bouts["score"]) == pytest.approx(sorted(table["score"][table["example"] != "unlike"]))
    write_annotations(annotations, tmp_path / "bouts.csv")
    assert read_annotations(tmp_path / "bouts.csv").equals(annotations)
    assert len(find(index, "a@4-6", min_score=2).to_annotations("dance").bouts) == 0


def test_ids_tell_queries_apart(index):
    asked = [
        {"like": "a@4-6"}, {"like": "a@4-5"}, {"like": "a@4-6", "unlike": "b@1-2"}, {"like": "a@4-6", "common": "none"},
        {"vector": np.eye(DIM)[1]}, {"vector": np.eye(DIM)[2]},
    ]  # fmt: skip
    names = [find(index, **one).id for one in asked]
    assert len(set(names)) == len(names)
    assert find(build_index(dancing()), "a@4-6").id == names[0]


def test_tracks_of_different_settings_do_not_mix():
    one, other = dancing()[0], make_track("z", np.ones((60, DIM)), checkpoint="sha256:cd")
    with pytest.raises(ProbeError, match="checkpoint"):
        find([one, other], "a@1-2")


def test_a_track_that_is_no_numbers_is_named():
    broken = np.ones((60, DIM))
    broken[7, 3] = np.nan
    with pytest.raises(StoreError, match="numbers in the track of 'z', found others: embed the recording again"):
        find([dancing()[0], make_track("z", broken)], "a@1-2")


def test_it_says_what_it_did(index):
    results = find(index, "a@4-6", limit=3)
    words = repr(results)
    assert "3 events" in words
    assert "like a@4-6" in words
    assert f"{len(index)} windows of 3 tracks" in words
    record = results.to_json()
    assert record["searched"]["hours"] == pytest.approx(sum(len(t) for t in dancing()) / 20 / 3600)
    assert [row["rank"] for row in record["results"]] == [1, 2, 3]


def test_the_function_is_not_hidden_by_a_module():
    """A module of the same name would take its place as soon as anything imports it."""
    import importlib
    import pkgutil

    import vp_science.search as package

    modules = {entry.name for entry in pkgutil.iter_modules(package.__path__)}
    for name in modules:
        importlib.import_module(f"vp_science.search.{name}")
    assert not modules & set(package.__all__)
    assert callable(package.find)


def test_only_some_recordings_are_listed_whatever_the_examples(index):
    everywhere = find(index, "a@4-6", limit=50)
    there = find(index, "a@4-6", limit=50, recordings=["c"])
    table = everywhere.to_pandas()
    expected = table[table["recording"] == "c"].drop(columns="rank").to_numpy().tolist()
    assert there.to_pandas().drop(columns="rank").to_numpy().tolist()[: len(expected)] == expected
    assert set(there.to_pandas()["recording"]) == {"c"}
    np.testing.assert_array_equal(there.scores, everywhere.scores)
    refined = there.refine(yes=1, no="b@1-2")
    assert set(refined.to_pandas()["recording"]) == set(refined.suggest(9)["recording"]) == {"c"}
    assert there.id != everywhere.id
