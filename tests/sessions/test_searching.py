"""The search of a session: which tracks, which examples, what comes back, and what is made anew when."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "search"))

from search_study import DIM, SECONDS, dancing, followed, is_dance, make_track, write_track

from vp_science.errors import SettingsError, VPScienceError
from vp_science.search import open_index
from vp_science.sessions import search_tracks
from vp_science.sessions.searching import search_session
from vp_science.sessions.worker import CancelledError, Reporter, run_job


class Told(Reporter):
    def __init__(self, cancel_at=None):
        self.stages = []
        self._cancel_at = cancel_at
        super().__init__(self._hear)

    def _hear(self, event):
        self.stages.append(event["stage"])
        if event["stage"] == self._cancel_at:
            self.control("cancel")


@pytest.fixture
def folder(tmp_path):
    """A session whose recordings a, b and c are embedded, and d is not."""
    for track in dancing():
        write_track(track, tmp_path / "tracks")
    return tmp_path


def example(recording, start_s, stop_s, subject=""):
    return {"recording": recording, "subject": subject, "start_s": start_s, "stop_s": stop_s}


def ask(folder, *like, report=None, paths=None, names="abcd", **more):
    recordings = [{"id": name, "path": (paths or {}).get(name)} for name in names]
    request = {"folder": str(folder), "recordings": recordings, "like": list(like), **more}
    result = search_session(json.loads(json.dumps(request)), report or Told())
    return json.loads(json.dumps(result, allow_nan=False))


def right(hits):
    return [is_dance(hit["recording"], (hit["peak_start_s"] + hit["peak_stop_s"]) / 2) for hit in hits]


def test_every_other_dance_is_found_first_with_its_reason(folder):
    found = ask(folder, example("a", 4, 6), limit=5)
    assert right(found["hits"]) == [True] * 5
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3, 4, 5]
    assert found["hits"] == sorted(found["hits"], key=lambda hit: -hit["score"])
    assert {hit["why"] for hit in found["hits"]} == {"like a 4.0\N{EN DASH}6.0 s"}
    assert (found["num_recordings"], found["method"], found["more"], found["contrastive"]) == (
        3,
        "prototype",
        True,
        False,
    )
    assert found["hours"] == pytest.approx(3 * SECONDS / 3600, rel=0.05)


def test_the_reason_is_the_nearest_example(folder):
    found = ask(folder, example("a", 4, 6), example("a", 15, 16.5), limit=5)
    assert {hit["why"] for hit in found["hits"]} <= {"like a 4.0\N{EN DASH}6.0 s", "like a 15.0\N{EN DASH}16.5 s"}


def test_an_instant_means_the_window_around_it(folder):
    found = ask(folder, example("a", 5, 5), limit=4)
    assert right(found["hits"]) == [True] * 4


def test_answers_change_the_search_and_are_not_asked_again(folder):
    before = ask(folder, example("a", 4, 6), limit=6, suggest=4)
    hit = before["hits"][0]
    yes = example(hit["recording"], hit["start_s"], hit["stop_s"])
    after = ask(folder, example("a", 4, 6), yes, unlike=[example("b", 20, 21)], limit=6, suggest=4)
    assert len(before["ask"]) == len(after["ask"]) == 4
    spans = [(one["recording"], one["start_s"]) for one in after["hits"] + after["ask"]]
    assert (hit["recording"], hit["start_s"]) not in spans
    assert [one["score"] for one in after["hits"]] != [one["score"] for one in before["hits"]]


def test_many_answers_make_it_a_probability(folder):
    wanted = [example("c", start, start + 0.4) for start in (2.0, 2.5, 3.0, 20.0, 20.5, 21.0, 21.5, 26.0)]
    unwanted = [example("c", start, start + 0.4) for start in range(5, 13)]
    found = ask(folder, *wanted, unlike=unwanted, limit=3)
    assert found["method"] == "logistic"
    assert right(found["hits"]) == [True] * 3
    assert all(0 <= hit["score"] <= 1 for hit in found["hits"])


def test_one_recording_only(folder):
    found = ask(folder, example("a", 4, 6), only_in=["b"], limit=3, suggest=3)
    assert {hit["recording"] for hit in found["hits"] + found["ask"]} == {"b"}
    with pytest.raises(SettingsError, match="expected to search d, found no track: embed it first"):
        ask(folder, example("a", 4, 6), only_in=["d"])


def test_the_index_is_made_once_and_again_when_a_track_is_new(folder):
    first, second = Told(), Told()
    ask(folder, example("a", 4, 6), report=first)
    ask(folder, example("a", 4, 6), report=second)
    assert first.stages[:3] == ["reading tracks"] * 3
    assert "preparing the search" in first.stages
    assert second.stages == ["searching"]
    (index,) = (folder / "search").glob("*.search.h5")
    made = index.stat().st_mtime_ns
    # Another program was closed and opened: nothing is kept in memory, and nothing is made again.
    search_tracks._opened.cache_clear()
    ask(folder, example("a", 4, 6))
    assert index.stat().st_mtime_ns == made
    (folder / "tracks" / "b.embeddings.h5").unlink()
    write_track(make_track("b", np.asarray(dancing(seed=5)[1].track)[:, 0]), folder / "tracks")
    third = Told()
    ask(folder, example("a", 4, 6), report=third)
    assert third.stages.count("reading tracks") == 1
    assert "preparing the search" in third.stages
    assert len(open_index(index).recordings) == 3


def test_a_recording_that_was_removed_is_not_found_any_more(folder):
    assert "c" in {hit["recording"] for hit in ask(folder, example("a", 4, 6))["hits"]}
    assert {hit["recording"] for hit in ask(folder, example("a", 4, 6), names="ab")["hits"]} <= {"a", "b"}


@pytest.mark.parametrize("spoil", ["index", "catalogue", "both"])
def test_damaged_files_of_the_search_are_made_again(folder, spoil):
    expected = ask(folder, example("a", 4, 6), limit=4)["hits"]
    search_tracks._opened.cache_clear()
    for path in (folder / "search").iterdir():
        if path.is_file() and spoil in ("both", "catalogue" if path.suffix == ".json" else "index"):
            path.write_bytes(b'{"format": 1}')
    assert ask(folder, example("a", 4, 6), limit=4)["hits"] == expected


def test_a_catalogue_with_strange_entries_is_not_believed(folder):
    expected = ask(folder, example("a", 4, 6), limit=4)["hits"]
    path = folder / "search" / "tracks.json"
    record = json.loads(path.read_text())
    record["tracks"][0]["num_bytes"] = "many"
    path.write_text(json.dumps(record))
    assert ask(folder, example("a", 4, 6), limit=4)["hits"] == expected


def test_tracks_of_another_kind_are_left_out_and_said_so(folder):
    other = make_track("d", np.random.default_rng(0).normal(size=(60, DIM)), model="videoprism-base")
    write_track(other, folder / "tracks")
    found = ask(folder, example("a", 4, 6))
    assert found["left_out"] == [
        "1 recording is not searched: embedded with other settings (videoprism-base); embed them in the same way to "
        "search them, too"
    ]
    found = ask(folder, example("d", 1, 2))
    assert {hit["recording"] for hit in found["hits"]} == {"d"}
    assert found["left_out"][0].startswith("3 recordings are not searched")
    with pytest.raises(SettingsError, match="found 'd', which has no track of this kind: embed it in the same way"):
        ask(folder, example("a", 4, 6), example("d", 1, 2))


def test_a_broken_track_is_said_and_the_others_are_searched(folder):
    (folder / "tracks" / "b.embeddings.h5").write_bytes(b"no track")
    found = ask(folder, example("a", 4, 6))
    assert {hit["recording"] for hit in found["hits"]} == {"a", "c"}
    assert len(found["left_out"]) == 1
    assert "b.embeddings.h5" in found["left_out"][0]


def test_a_track_of_another_recording_of_that_name_is_not_used(folder, tmp_path):
    video = tmp_path / "b.mp4"
    video.write_bytes(b"x" * 5)  # the tracks of these tests were made from recordings of one byte
    found = ask(folder, example("a", 4, 6), paths={"b": str(video)})
    assert {hit["recording"] for hit in found["hits"]} == {"a", "c"}
    assert "found one of another recording of that name" in found["left_out"][0]
    video.write_bytes(b"x")
    assert not ask(folder, example("a", 4, 6), paths={"b": str(video)})["left_out"]


def test_examples_are_those_of_the_animal(tmp_path):
    rng = np.random.default_rng(3)
    for animal, at in (("m1", 4), ("m2", 12)):
        vectors = 0.3 * rng.normal(size=(600, DIM))
        vectors[at * 20 : at * 20 + 40, 1] += 2
        vectors[400:440, 1] += 2
        write_track(make_track(f"v@{animal}", vectors, **followed(animal, "v")), tmp_path / "tracks")
    found = ask(tmp_path, example("v", 4, 6, "m1"), names="v", limit=3)
    assert {(hit["recording"], hit["track"] == f"v@{hit['subject']}") for hit in found["hits"]} == {("v", True)}
    found_in = sorted((hit["subject"], int(hit["peak_start_s"] + hit["peak_stop_s"]) // 2) for hit in found["hits"])
    assert [(animal, 12 <= s < 14, 20 <= s < 22) for animal, s in found_in] == [
        ("m1", False, True),
        ("m2", True, False),
        ("m2", False, True),
    ]
    with pytest.raises(SettingsError, match="expected one animal of 'v', found none chosen: choose one of m1, m2"):
        ask(tmp_path, example("v", 4, 6), names="v")


def test_nothing_embedded(tmp_path):
    with pytest.raises(SettingsError, match="expected recordings that are embedded, found none: embed them first"):
        ask(tmp_path, example("a", 4, 6))


def test_nothing_asked(folder):
    with pytest.raises(SettingsError, match="expected something to look for, found nothing"):
        ask(folder)


@pytest.mark.parametrize("stage", ["reading tracks", "preparing the search", "searching"])
def test_cancelled_at_any_point_leaves_complete_files_only(folder, stage):
    with pytest.raises(CancelledError):
        ask(folder, example("a", 4, 6), report=Told(cancel_at=stage))
    left = list((folder / "search").glob("**/*")) if (folder / "search").exists() else []
    assert [path for path in left if path.suffix == ".tmp" or path.name == "index.h5"] == []
    assert right(ask(folder, example("a", 4, 6), limit=4)["hits"]) == [True] * 4


def test_the_worker_knows_the_job(folder):
    recordings = [{"id": "a", "path": None}]
    request = {"folder": str(folder), "recordings": recordings, "like": [example("a", 4, 6)], "limit": 2}
    assert len(run_job("search", request, Told())["hits"]) == 2


def test_texts_need_a_video_text_model(folder):
    with pytest.raises(SettingsError, match="windows of a video-text model to compare with a text"):
        ask(folder, texts=["dancing"])
    with pytest.raises(SettingsError, match="something to look for"):
        ask(folder, texts=["  "])


@pytest.mark.filterwarnings("ignore::vp_science.checkpoints.tokenizer.TextWarning")
def test_a_text_is_compared_by_the_model_of_the_tracks_which_stays_loaded(tmp_path, monkeypatch):
    sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
    from pipeline_tools import PREPROCESS, make_recording
    from toy_tokenizer import make_tokenizer

    import vp_science as vp
    from vp_science import text
    from vp_science.encoder.config import VideoTextConfig

    sizes = (18, (4, 2, 2), 32, 1, 1, 2, 64)
    config = VideoTextConfig(*sizes, num_auxiliary_layers=1, num_unimodal_layers=1, vocabulary_size=50)
    model = vp.load_encoder(config, precision="float32", seed=3)
    recordings = [make_recording(13, seed=seed, recording_id=name) for seed, name in enumerate("ab")]
    made = vp.embed(recordings, model, out=tmp_path / "tracks", num_frames=4, stride=2, preprocess=PREPROCESS)
    tokenizer = make_tokenizer(tmp_path / "toy.model")
    loaded = []
    real = text.load_text_model
    monkeypatch.setattr(text, "load_text_model", lambda *given, **more: loaded.append(1) or real(*given, **more))
    words = {"texts": ["a mouse grooming"], "tokenizer": str(tokenizer), "offline": True}
    found = ask(tmp_path, names="ab", limit=3, suggest=2, **words)
    again = ask(tmp_path, example("a", 0.1, 0.1), names="ab", limit=3, **words)
    assert len(loaded) == 1
    assert (found["contrastive"], found["untrained"]) == (True, True)
    assert {hit["why"] for hit in found["hits"]} == {
        "fits \N{LEFT DOUBLE QUOTATION MARK}a mouse grooming\N{RIGHT DOUBLE QUOTATION MARK}"
    }
    tracks = [vp.open_embeddings(one.output) for one in made]
    scores = vp.text_scores(tracks, ["a mouse grooming"], model=model, tokenizer=tokenizer)
    assert found["hits"][0]["score"] == pytest.approx(scores["a mouse grooming"].max(), abs=1e-4)
    assert again["hits"] != found["hits"]
    for track in tracks:
        track.close()


def test_what_cannot_be_kept_is_only_read_again(folder, monkeypatch):
    expected = ask(folder, example("a", 4, 6), limit=3)["hits"]
    os.unlink(folder / "search" / "tracks.json")

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(search_tracks, "write_atomically", refuse)
    assert ask(folder, example("a", 4, 6), limit=3)["hits"] == expected
    assert not (folder / "search" / "tracks.json").exists()


def test_errors_are_those_that_people_can_read(folder):
    with pytest.raises(VPScienceError, match="expected a@500-501 to lie in the track, found nothing there"):
        ask(folder, example("a", 500, 501))
