"""What a table of animals says gets into NWB files, and mistakes in it are found before the batch begins."""

from datetime import datetime, timedelta, timezone

import h5py
import pytest

from vp_science.annotating.nwb_facts import NwbFacts, read_nwb_facts
from vp_science.annotations import nwb
from vp_science.annotations.formats import ReadOptions
from vp_science.annotations.nwb import write_nwb
from vp_science.errors import SettingsError
from vp_science.timeline.annotations import Annotations

HEADER = "recording,animal,species,sex,age,session_start_time,experimenter,institution,experiment_description,site"
LINE = 'day1/m1,m1,Mus musculus,F,P90D,2026-03-01T09:30:00+01:00,"Doe, Jane; Roe, Bo",A lab,Rest at night,Kiel'
START = datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=1)))


def table(tmp_path, *lines, header=HEADER):
    path = tmp_path / "animals.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_a_line_becomes_subject_and_session(tmp_path):
    facts = read_nwb_facts(table(tmp_path, LINE, "other,m2,,,,,,,,"), ["day1/m1", "other"])
    assert facts["day1/m1"] == NwbFacts(
        {"subject_id": "m1", "species": "Mus musculus", "sex": "F", "age": "P90D"},
        {
            "experimenter": ["Doe, Jane", "Roe, Bo"],
            "experiment_description": "Rest at night",
            "institution": "A lab",
        },
        START,
    )
    assert facts["other"] == NwbFacts({"subject_id": "m2"})


def test_several_animals_have_no_place(tmp_path):
    lines = [
        "a,m1;m2,Mus musculus,F,P90D,,,,,",
        "b,m1,Mus musculus,F,P90D,,,Here,,",
        "b,m2,Mus musculus,M,P80D,,,Here,,",
    ]
    facts = read_nwb_facts(table(tmp_path, *lines), ["a", "b"])
    assert facts == {"a": NwbFacts(), "b": NwbFacts(session={"institution": "Here"})}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x,m1,mouse,F,P90D,,,,,", "'species': expected a Latin name such as Mus musculus.*found 'mouse'"),
        ("x,m1,Mus musculus,female,P90D,,,,,", "'sex': expected M, F, O .*found 'female'"),
        ("x,m1,Mus musculus,F,90,,,,,", "'age': expected an ISO 8601 duration, such as P90D.*found '90'"),
        ("x,m1,Mus musculus,F,P,,,,,", "'age': expected an ISO 8601"),
        ("x,m1,Mus musculus,F,P90D,2026-03-01 09:30,,,,", "'session_start_time': expected .* its zone"),
        ("x,m1,Mus musculus,F,P90D,,,,,\nx,m1,Mus musculus,M,P90D,,,,,", "expected one sex, found 'F', 'M'"),
        ("y,m1,,,,,,,,", "expected a line for every recording, found none for x"),
    ],
)
def test_mistakes_are_named(tmp_path, line, message):
    with pytest.raises(SettingsError, match=message):
        read_nwb_facts(table(tmp_path, line), ["x"])


def test_a_table_without_any_of_it(tmp_path):
    with pytest.raises(SettingsError, match="expected at least one of the columns animal, species"):
        read_nwb_facts(table(tmp_path, "x,Kiel", header="recording,site"), ["x"])


@pytest.fixture
def written(tmp_path):
    pytest.importorskip("pynwb")
    facts = read_nwb_facts(table(tmp_path, LINE), ["day1/m1"])["day1/m1"]
    bout = {"recording": "day1/m1", "behavior": "rest", "start_s": 0.0, "stop_s": 1.0, "source": "model:p"}
    seen = {"recording": "day1/m1", "start_s": 0.0, "stop_s": 2.0}
    path = tmp_path / "m1.nwb"
    annotations = Annotations.of([bout], [seen])
    write_nwb(
        path, annotations, "day1/m1", session_start_time=facts.start, subject=facts.subject, session=facts.session
    )
    return path, facts


def test_nwbinspector_then_has_only_suggestions(written):
    inspector = pytest.importorskip("nwbinspector")
    path, _ = written
    messages = list(inspector.inspect_nwbfile(nwbfile_path=str(path)))
    assert {message.importance.name for message in messages} <= {"BEST_PRACTICE_SUGGESTION"}
    about = ("subject", "experiment", "institution", "session")
    assert [m.message for m in messages if any(name in m.check_function_name for name in about)] == []


def test_it_is_seen_whether_a_file_says_it(written):
    path, facts = written
    assert facts.are_in(path)
    assert not NwbFacts({**facts.subject, "sex": "M"}, facts.session, facts.start).are_in(path)
    assert not NwbFacts(facts.subject, {}, facts.start).are_in(path)
    assert not NwbFacts(facts.subject, facts.session, START.replace(year=2025)).are_in(path)


def test_the_name_of_the_recording_survives(written):
    path, _ = written
    with h5py.File(path) as file:
        assert file["general/session_id"].asstr()[()] == "day1%2Fm1"
    assert nwb.read(path, ReadOptions()).recordings == ("day1/m1",)
