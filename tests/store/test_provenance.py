import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.errors import SettingsError, StoreError
from vp_science.store.provenance import Provenance, check_same, differences, json_differences

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
objects = st.dictionaries(st.text(), values, max_size=4)


@settings(max_examples=60, deadline=None)
@given(config=objects, preprocess=objects, source=objects, grid=objects, model=st.text())
def test_round_trip(jobs, config, preprocess, source, grid, model):
    provenance = jobs.make_provenance(
        encoder_config=config, preprocess=preprocess, source=source, grid=grid, model=model
    )
    back = Provenance.from_json(json.loads(json.dumps(provenance.to_json())))
    assert back == provenance
    assert differences(provenance, back) == []


@settings(max_examples=60, deadline=None)
@given(a=objects, b=objects)
def test_differences_see_every_difference(a, b):
    assert json_differences(a, json.loads(json.dumps(a))) == []
    if a != b:
        assert json_differences(a, b) != []
    assert len(json_differences(a, b)) == len(json_differences(b, a))


def test_differences_name_the_place(jobs):
    here = jobs.make_provenance()
    there = jobs.make_provenance(
        preprocess={"fit": "pad", "size": 288, "region": [1, 2], "gamma": 2.2},
        encoder_config={"depth": 12},
        stride=8,
        software="vp-science 9.9",
    )
    assert differences(here, there) == [
        "encoder_config.patch: [18, 18] here, absent in the file",
        "preprocess.fit: squash here, pad in the file",
        "preprocess.region: null here, [1, 2] in the file",
        "preprocess.gamma: absent here, 2.2 in the file",
        "stride: 4 here, 8 in the file",
    ]


def test_check_same(jobs):
    check_same(jobs.make_provenance(), jobs.make_provenance(software="vp-science 2.0"), "x.h5")
    with pytest.raises(SettingsError) as error:
        check_same(jobs.make_provenance(), jobs.make_provenance(stride=8, dtype="float32"), "x.h5")
    assert str(error.value) == (
        "x.h5 was made with other settings: stride: 4 here, 8 in the file; dtype: float16 here, float32 in the file. "
        "Use the settings of the file, write to another place (--out), or replace it (--overwrite)"
    )


def test_truth_values_are_not_numbers_and_long_values_are_cut():
    assert json_differences({"a": True}, {"a": 1}) == ["a: true here, 1 in the file"]
    assert json_differences({"a": [True]}, {"a": [1]}) == ["a: [true] here, [1] in the file"]
    (text,) = json_differences({"a": "x" * 500}, {"a": ""})
    assert text == f'a: {"x" * 77}... here, "" in the file'


def test_values_become_plain_json(jobs):
    provenance = jobs.make_provenance(encoder_config={"patch": (18, 18)})
    assert provenance.encoder_config == {"patch": [18, 18]}


def test_untrained(jobs):
    assert jobs.make_provenance(checkpoint="seed:0 (untrained)").untrained
    assert not jobs.make_provenance().untrained


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": {"x": float("nan")}}, "expected source to be plain JSON values, found something else .*: convert"),
        ({"spatial_pool": 3}, r"expected spatial_pool to be one of \(1, 2, 4, 8, 16\), found 3: choose"),
        ({"dtype": "bfloat16"}, r"expected dtype to be one of \('float16', 'float32'\), found 'bfloat16': choose"),
        ({"stride": 9}, "expected 1 <= stride <= num_frames, found 9 and 8: shorten"),
    ],
)
def test_bad_values(jobs, change, message):
    with pytest.raises(SettingsError, match=message):
        jobs.make_provenance(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "missing: none, unknown: extra: read the file with the version"),
        ({"stride": None}, "expected stride in the provenance to be of type int, found null: the file is damaged"),
        ({"stride": True}, "expected stride in the provenance to be of type int, found true"),
        ({"grid": []}, r"expected grid in the provenance to be of type dict, found \[\]"),
        ({"model": 3}, "expected model in the provenance to be of type str, found 3"),
        ({"stride": 99}, r"the provenance contradicts itself \(expected 1 <= stride"),
    ],
)
def test_strict_reading(jobs, change, message):
    with pytest.raises(StoreError, match=message):
        Provenance.from_json({**jobs.make_provenance().to_json(), **change})


def test_missing_key(jobs):
    value = jobs.make_provenance().to_json()
    del value["stride"], value["model"]
    with pytest.raises(StoreError, match="missing: model, stride, unknown: none"):
        Provenance.from_json(value)
