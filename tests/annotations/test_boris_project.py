"""Reading BORIS projects, as BORIS writes them."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from annotation_tools import observed, times

from vp_science.annotations import boris_json
from vp_science.annotations import boris_project as project
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior


def behavior(code: str, kind: str = "State event", **other: Any) -> dict[str, Any]:
    fields = {"key": code[:1], "description": "", "category": "", "modifiers": {}, "excluded": "", "coding map": ""}
    return {"type": kind, "code": code, **fields, **other}


def observation(
    events: list, media: str | list[str] = "/d/vid.mp4", length: float = 60.0, **other: Any
) -> dict[str, Any]:
    paths = [media] if isinstance(media, str) else media
    return {
        "file": {"1": paths, "2": []},
        "type": "MEDIA",
        "date": "2026-01-05T10:00:00",
        "description": "",
        "time offset": 0.0,
        "events": events,
        "observation time interval": [0, 0],
        "independent_variables": {"cage": "A3"},
        "close_behaviors_between_videos": False,
        "media_info": {
            "length": dict.fromkeys(paths, length),
            "fps": dict.fromkeys(paths, 25.0),
            "hasVideo": dict.fromkeys(paths, True),
            "hasAudio": dict.fromkeys(paths, False),
            "offset": {"1": 0.0},
        },
        **other,
    }


def content(observations: dict[str, Any], behaviors: list[dict] | None = None) -> dict[str, Any]:
    entries = behaviors or [behavior("run"), behavior("peck", "Point event"), behavior("eat")]
    return {
        "time_format": "hh:mm:ss",
        "project_name": "test",
        "project_date": "2026-01-05T10:00:00",
        "project_description": "",
        "project_format_version": "7.0",
        "subjects_conf": {"0": {"key": "1", "name": "Zoë", "description": ""}},
        "behaviors_conf": {str(index): entry for index, entry in enumerate(entries)},
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "converters": {},
        "observations": observations,
    }


def read(path: Path, value: Any, **options: Any) -> Annotations:
    path.write_text(value if isinstance(value, str) else json.dumps(value, indent=1), encoding="utf-8")
    assert project.matches(path, path.read_bytes()[:65536])
    return project.read(path, ReadOptions(**options))


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "lab.boris"


RUN = [[1.0, "", "run", "", "start"], [2.5, "", "run", "", "stop"]]


def test_states_points_subjects_modifiers_and_comments(file):
    events = [
        *RUN,
        [1.2, "Zoë", "run", "fast|up", "", 30],
        [1.4, "Zoë", "run", "slow", "", "NA"],
        [1.5, "No focal subject", "peck", "", "", 37],
        [2.0, "Zoë", "run", "fast|up", "", 50],
        [3.0, "Zoë", "run", "slow", "", 75],
    ]
    found = read(file, content({"o1": observation(events)}))
    assert times(found) == [
        ("vid", "", "peck", "point", 1.5, 1.5, "manual:", ""),
        ("vid", "", "run", "state", 1.0, 2.5, "manual:", ""),
        ("vid", "Zoë", "run", "state", 1.2, 2.0, "manual:", "fast|up"),
        ("vid", "Zoë", "run", "state", 1.4, 3.0, "manual:", "slow"),
    ]
    assert "start / stop" in found.bouts["comment"].tolist()
    assert found.behaviors.names == ("run", "peck", "eat")
    assert observed(found) == [("vid", "", "", 0.0, 60.0)]


def test_the_catalogue_keeps_what_people_entered(file):
    entries = [
        behavior("b", "Point event with coding map", description="déjà", category="c", key="x", color="#00ff7F"),
        behavior("a", color="blue"),
    ]
    found = read(file, content({}, [entries[0], entries[1]]))
    assert found.behaviors.entries == (
        Behavior("b", "point", "déjà", "c", "x", "#00ff7F"),
        Behavior("a", "state", key="a"),
    )


def test_entries_stand_in_the_order_of_their_numbers(file):
    value = content({})
    value["behaviors_conf"] = {"10": behavior("k"), "2": behavior("c"), "0": behavior("a")}
    assert read(file, value).behaviors.names == ("a", "c", "k")


@pytest.mark.parametrize(
    ("excluded", "exclusive"),
    [(("eat, peck", "run"), True), (("eat", ""), False), (("", ""), False)],
)
def test_exclusive_only_if_every_state_excludes_every_other(file, excluded, exclusive):
    entries = [
        behavior("run", excluded=excluded[0]),
        behavior("eat", excluded=excluded[1]),
        behavior("peck", "Point event"),
    ]
    assert read(file, content({}, entries)).behaviors.exclusive is exclusive
    assert read(file, content({}, entries), exclusive=not exclusive).behaviors.exclusive is not exclusive


def test_offset_and_time_interval(file):
    events = [[101.0, "", "run", "", ""], [102.5, "", "run", "", ""]]
    value = observation(events, **{"time offset": 100.0, "observation time interval": [0.5, 20]})
    found = read(file, content({"o1": value}))
    assert times(found, ["recording", "start_s", "stop_s"]) == [("vid", 1.0, 2.5)]
    assert observed(found) == [("vid", "", "", 0.5, 20.0)]


def test_negative_times(file):
    found = read(file, content({"o1": observation([[-3.5, "", "run", "", ""], [1, "", "run", "", ""]])}))
    assert times(found, ["start_s", "stop_s"]) == [(-3.5, 1.0)]


def test_media_one_after_the_other(file):
    events = [
        [58.0, "", "run", "", ""],
        [61.0, "", "run", "", ""],
        [60.0, "", "peck", "", ""],
        [130.0, "", "peck", "", ""],
    ]
    value = observation(events, ["/d/a.mp4", "/d/b.mp4"], **{"observation time interval": [10, 100]})
    found = read(file, content({"o1": value}))
    assert times(found, ["recording", "behavior", "start_s", "stop_s"]) == [
        ("a", "run", 58.0, 60.0),
        ("b", "peck", 0.0, 0.0),
        ("b", "peck", 70.0, 70.0),
        ("b", "run", 0.0, 1.0),
    ]
    assert observed(found) == [("a", "", "", 10.0, 60.0), ("b", "", "", 0.0, 40.0)]


def test_times_from_the_date_in_the_file(file):
    value = observation([[1000.5, "", "peck", "", ""]], media_creation_date_as_offset=True)
    value["media_info"]["media_creation_time"] = {"/d/vid.mp4": 1000.0}
    assert read(file, content({"o1": value})).bouts["start_s"].tolist() == [0.5]
    del value["media_info"]["media_creation_time"]
    with pytest.raises(AnnotationError, match="observation 'o1': expected one media file with its creation date"):
        read(file, content({"o1": value}))


def test_live_observations(file):
    value = {"type": "LIVE", "file": [], "time offset": 0.0, "events": RUN, "date": "", "description": ""}
    found = read(file, content({"at the zoo": value}))
    assert times(found, ["recording", "start_s"]) == [("at the zoo", 1.0)]
    assert observed(found) == [("at the zoo", "", "", 1.0, 2.5)]


def test_observations_of_pictures(file):
    events = [[float("nan"), "", "run", "", "", 3, "/p/3.png"], [float("nan"), "", "run", "", "", 5, "/p/5.png"]]
    value = {"type": "IMAGES", "file": {}, "time offset": 0.0, "events": events, "directories_list": ["/d/p 1"]}
    found = read(file, content({"o1": value}), clock=FrameClock(10))
    assert times(found, ["recording", "start_s", "stop_s"]) == [("p 1", 0.2, 0.4)]
    with pytest.raises(AnnotationError, match="expected to know when the frames of 'p 1' are shown"):
        read(file, content({"o1": value}))


def test_observers_and_tags(file):
    found = read(
        file,
        content(
            {
                "ann": observation(RUN),
                "bob": observation(RUN),
                "vid [curated:Zoë] (2)": observation(RUN),
                "other": observation(RUN, "b.mp4"),
            }
        ),
    )
    assert times(found, ["recording", "source"]) == [
        ("b", "manual:"),
        ("vid", "curated:Zoë"),
        ("vid", "manual:ann"),
        ("vid", "manual:bob"),
    ]


def test_compressed(tmp_path):
    path = tmp_path / "lab.boris.gz"
    path.write_bytes(gzip.compress(json.dumps(content({"o1": observation(RUN)})).encode()))
    assert project.matches(path, path.read_bytes())
    assert project.read(path, ReadOptions()).recordings == ("vid",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(b"x" * 5000, mtime=0), "expected a project of at most 0 MiB unpacked, found 'more'"),
        (gzip.compress(b"{}" * 50, mtime=0)[:-5], "expected a complete gzip file, found one that ends early"),
        (b"\x1f\x8bnot", "expected a gzip file, found"),
    ],
)
def test_bad_compression(tmp_path, monkeypatch, data, message):
    monkeypatch.setattr(boris_json, "MAX_BYTES", 1000)
    path = tmp_path / "lab.boris.gz"
    path.write_bytes(data)
    with pytest.raises(AnnotationError) as error:
        project.read(path, ReadOptions())
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "expected a BORIS project as JSON, found"),
        ("[" * 100_000, "expected a BORIS project as JSON, found"),
        ([], "expected a BORIS project as a JSON object, found 'list'"),
        ({"behaviors_conf": {}}, "key 'observations': expected a BORIS project with 'observations' as an object"),
        (content({"o1": 3}), "observations 'o1': expected an object, found 3"),
        (content({"o1": observation(RUN, type="TV")}), "'o1': expected the type MEDIA, LIVE or IMAGES, found 'TV'"),
        (content({"o1": observation(RUN[:1])}),
         "observation 'o1', event 1: expected a stop for every state event, found none for 'run' of 'No focal subject' "
         "that starts at 1 s, found 1 such in this observation: in BORIS use Observations > Close unpaired events"),
        (content({"o1": observation([[1.0, "", "fly", "", ""]])}),
         "observation 'o1', event 1: expected one of the behaviors of the project (run, peck, eat), found 'fly'"),
        (content({"o1": observation([[1.0, "", "run"]])}), "'o1', event 1: expected time, subject, behavior"),
        (content({"o1": observation([["soon", "", "run", "", ""]])}), "event 1: expected a number of seconds"),
        (content({"o1": observation([[1, "", "run", 3, ""]])}), "event 1: expected subject, behavior, modifier"),
        (content({"o1": observation([[1, "", "run", "", ""], [1, "", "run", "", ""]])}),
         "observation 'o1', event 2: expected 'run' to last some time, found 0 s at 1 s"),
        (content({"o1": observation(RUN, **{"time offset": "x"})}), "observation 'o1', time offset: expected a number"),
        (content({"o1": observation(RUN, **{"observation time interval": [1]})}), "interval: expected two numbers"),
        (content({}, [behavior("a"), behavior("a")]), "expected every behavior once, found 'a' twice"),
        (content({}, [behavior("a", "Event")]), "behaviors_conf '0': expected a code and the type"),
    ],
)  # fmt: skip
def test_bad_projects(file, value, message):
    with pytest.raises(AnnotationError) as error:
        read(file, value)
    assert str(error.value).startswith(f"{file}")
    assert message in str(error.value)
