"""JSON that nobody's program wrote: always an AnnotationError with the file, never anything else."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from test_boris_project import RUN, content, observation

from vp_science.annotations import boris_project, calms21
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions
from vp_science.errors import AnnotationError

JUNK = [
    None,
    True,
    -1,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    [],
    [[]],
    [None],
    {},
    {"x": None},
    "a/../b",
    10**400,
]

LIVE = {"type": "LIVE", "file": [], "time offset": 0.0, "events": RUN, "date": "", "description": ""}
PICTURES = {"type": "IMAGES", "file": {}, "events": [[0, "", "peck", "", "", 1, "p"]], "directories_list": ["/p"]}
CREATED = observation([[1000.5, "", "peck", "", "", 3]], media_creation_date_as_offset=True)
CREATED["media_info"]["media_creation_time"] = {"/d/vid.mp4": 1000.0}
OURS = observation(
    RUN,
    vp_science={
        "source": "model:x",
        "recording": "v",
        "behaviors": ["run"],
        "observed": [[0, 9, "", ""]],
        "events_sha256": "",
    },
)
PROJECT = content(
    {"a": observation(RUN, ["/d/a.mp4", "/d/b.mp4"]), "b": LIVE, "c": PICTURES, "d": CREATED, "v [model:x]": OURS}
)
SEQUENCE = {"keypoints": [[1.5]], "annotations": [0, 3], "metadata": {"vocab": calms21.VOCABULARY, "fps": 30}}
TREE = {"annotator-id_0": {"task1/train/m1": SEQUENCE}}


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Paths to all nodes below the root."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in items:
        yield (*path, key)
        yield from places(entry, (*path, key))


def with_junk(value: Any, path: tuple, junk: Any) -> Any:
    changed = copy.deepcopy(value)
    node = changed
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = junk
    return changed


@pytest.mark.parametrize(("module", "valid"), [(boris_project, PROJECT), (calms21, TREE)], ids=["boris", "calms21"])
def test_every_place_with_some_junk(tmp_path, module, valid):
    path, options = tmp_path / "file.boris", ReadOptions(FrameClock(10))
    path.write_text(json.dumps(valid))
    assert len(module.read(path, options).bouts)
    draw, refused, wrong = random.Random(0), 0, 0
    for place in places(valid):
        for junk in draw.sample(JUNK, 1):
            path.write_text(json.dumps(with_junk(valid, place, junk)))
            try:
                module.read(path, options)
            except AnnotationError as error:
                refused += str(path) in str(error)
                wrong += str(path) not in str(error)
            except Exception as error:
                pytest.fail(f"{place} = {junk!r}: {error!r}")
    assert wrong == 0
    assert refused >= 10
