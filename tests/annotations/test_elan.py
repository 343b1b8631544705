"""ELAN files as ELAN 6 writes them, in both layouts that people use, and what pympi reads of ours."""

from pathlib import Path

import pympi
import pytest
from annotation_tools import example, observed, times
from hypothesis import HealthCheck, given, settings
from rich_rows import rich_rows

from vp_science.annotations import elan
from vp_science.annotations.formats import ReadOptions, WriteOptions, detect_format
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations

BEGIN = """\
<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="anna" DATE="2026-03-01T10:00:00+01:00" FORMAT="3.0" VERSION="3.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        {media}
        <PROPERTY NAME="URN">urn:nl-mpi-tools-elan-eaf:0</PROPERTY>
        <PROPERTY NAME="lastUsedAnnotationId">9</PROPERTY>
    </HEADER>
"""
MEDIA = '<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/My%20data/m%C3%A4use%201.mp4" MIME_TYPE="video/mp4" {more}/>'
END = """\
    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" LINGUISTIC_TYPE_ID="child" TIME_ALIGNABLE="false"/>
    <LINGUISTIC_TYPE CONTROLLED_VOCABULARY_REF="acts" LINGUISTIC_TYPE_ID="coded" TIME_ALIGNABLE="true"/>
    <CONSTRAINT DESCRIPTION="1-1 association" STEREOTYPE="Symbolic_Association"/>
    <CONTROLLED_VOCABULARY CV_ID="acts">
        <DESCRIPTION LANG_REF="und"/>
        <CV_ENTRY_ML CVE_ID="c1"><CVE_VALUE LANG_REF="und" DESCRIPTION="bites">attack</CVE_VALUE></CV_ENTRY_ML>
        <CV_ENTRY_ML CVE_ID="c2"><CVE_VALUE LANG_REF="und" DESCRIPTION="">flee</CVE_VALUE></CV_ENTRY_ML>
    </CONTROLLED_VOCABULARY>
</ANNOTATION_DOCUMENT>
"""


class Eaf:
    """Builds the text of a file."""

    def __init__(self, media: str = MEDIA.format(more="")) -> None:
        self.media, self.slots, self.tiers, self.count = media, [], [], 0

    def tier(self, name: str, *entries: tuple, type: str = "default-lt", attributes: str = "") -> "Eaf":
        """Entries are (start, stop, value), or (id of the parent, value)."""
        lines = []
        for entry in entries:
            self.count += 1
            if len(entry) == 3:
                slots = [self.slot(entry[0]), self.slot(entry[1])]
                what = f'ALIGNABLE_ANNOTATION ANNOTATION_ID="a{self.count}" TIME_SLOT_REF1="{slots[0]}"'
                what += f' TIME_SLOT_REF2="{slots[1]}"'
            else:
                what = f'REF_ANNOTATION ANNOTATION_ID="a{self.count}" ANNOTATION_REF="{entry[0]}"'
            value = f"<ANNOTATION_VALUE>{entry[-1]}</ANNOTATION_VALUE>"
            lines.append(f"<ANNOTATION><{what}>{value}</{what.split()[0]}></ANNOTATION>")
        self.tiers.append(f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="{type}" {attributes}>{"".join(lines)}</TIER>')
        return self

    def slot(self, ms: int | None) -> str:
        id = f"ts{len(self.slots) + 1}"
        time = "" if ms is None else f' TIME_VALUE="{ms}"'
        self.slots.append(f'<TIME_SLOT TIME_SLOT_ID="{id}"{time}/>')
        return id

    def text(self) -> str:
        order = f"<TIME_ORDER>{''.join(self.slots)}</TIME_ORDER>"
        return "\n".join([BEGIN.format(media=self.media), order, *self.tiers, END])


def read(path: Path, eaf: Eaf | str, **options) -> Annotations:
    path.write_text(eaf if isinstance(eaf, str) else eaf.text(), encoding="utf-8")
    assert detect_format(path).name == "elan"
    return elan.read(path, ReadOptions(**options))


def test_a_tier_for_each_behavior(tmp_path):
    eaf = Eaf().tier("default")
    eaf.tier("grooming@m1", (1000, 2500, ""), (3000, 3100, "left paw"), attributes='PARTICIPANT="m1" ANNOTATOR="zoë"')
    eaf.tier("rearing", (0, 40, "rearing"), attributes='PARTICIPANT="m1"').tier("never")
    eaf.tier("notes", (5000, 6000, "camera shakes"))
    found = read(tmp_path / "x.eaf", eaf, annotator="anna")
    assert times(found, ["recording", "subject", "behavior", "start_s", "stop_s", "source", "comment"]) == [
        ("mäuse 1", "", "notes", 5.0, 6.0, "manual:anna", "camera shakes"),
        ("mäuse 1", "m1", "grooming", 1.0, 2.5, "manual:zoë", ""),
        ("mäuse 1", "m1", "grooming", 3.0, 3.1, "manual:zoë", "left paw"),
        ("mäuse 1", "m1", "rearing", 0.0, 0.04, "manual:anna", ""),
    ]
    assert found.behaviors.names == ("grooming", "rearing", "never", "notes")
    assert len(found.observed) == 0


def test_a_tier_for_each_subject(tmp_path):
    eaf = (
        Eaf()
        .tier("Maus A", (0, 500, "sniff"), (500, 900, "run"))
        .tier("B tier", (0, 500, "run"), attributes='PARTICIPANT="B"')
    )
    found = read(tmp_path / "x.eaf", eaf)
    assert times(found, ["subject", "behavior", "start_s", "stop_s"]) == [
        ("B", "run", 0.0, 0.5),
        ("Maus A", "run", 0.5, 0.9),
        ("Maus A", "sniff", 0.0, 0.5),
    ]


def test_controlled_vocabularies_are_behaviors(tmp_path):
    found = read(tmp_path / "x.eaf", Eaf().tier("m1", (0, 500, "flee"), type="coded"))
    assert [(entry.name, entry.description) for entry in found.behaviors] == [("attack", "bites"), ("flee", "")]
    assert times(found, ["subject", "behavior"]) == [("m1", "flee")]
    with pytest.raises(AnnotationError, match=r"tier 'm1': expected a behavior as value, found an empty one at 1 s"):
        read(tmp_path / "x.eaf", Eaf().tier("m1", (0, 500, "flee"), (1000, 1200, ""), type="coded"))


def test_undecidable_values_are_refused(tmp_path):
    eaf = Eaf().tier("m1", (0, 500, "sniff"), (500, 900, "left paw"))
    with pytest.raises(
        AnnotationError, match=r"tier 'm1': expected values that tell .* 'sniff' and no value twice: in E"
    ):
        read(tmp_path / "x.eaf", eaf)


def test_reference_annotations_have_the_times_of_their_parents(tmp_path):
    eaf = Eaf().tier("acts", (100, 300, "run"), (400, 700, "run"))
    eaf.tier("speed", ("a1", "fast"), ("a2", "fast"), type="child", attributes='PARENT_REF="acts" PARTICIPANT="m1"')
    eaf.tier("deep", ("a3", "fast"), type="child", attributes='PARENT_REF="speed"')
    found = read(tmp_path / "x.eaf", eaf)
    assert times(found, ["subject", "behavior", "start_s", "stop_s"]) == [
        ("acts", "run", 0.1, 0.3),
        ("acts", "run", 0.4, 0.7),
        ("deep", "fast", 0.1, 0.3),
        ("m1", "fast", 0.1, 0.3),
        ("m1", "fast", 0.4, 0.7),
    ]


def test_observed_tiers_and_media_offset(tmp_path):
    eaf = Eaf(MEDIA.format(more='TIME_ORIGIN="2000"')).tier("Observed", (0, 9000, "all")).tier("rear", (100, 200, ""))
    eaf.tier("observed@m1", (0, 4000, "rear"))
    found = read(tmp_path / "x.eaf", eaf)
    assert observed(found) == [("mäuse 1", "", "", 2.0, 11.0), ("mäuse 1", "m1", "rear", 2.0, 6.0)]
    assert times(found, ["start_s", "stop_s"]) == [(2.1, 2.2)]


def test_without_media_the_file_names_the_recording(tmp_path):
    assert read(tmp_path / "day 2.eaf", Eaf("").tier("rear", (0, 1, ""))).recordings == ("day 2",)
    assert read(tmp_path / "day 2.eaf", Eaf().tier("rear", (0, 1, "")), recording="r").recordings == ("r",)


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n<ANNOTATION_DOCUMENT>&b;</ANNOTATION_DOCUMENT>'
FETCH = '<!DOCTYPE x SYSTEM "file:///etc/passwd">\n<ANNOTATION_DOCUMENT/>'


@pytest.mark.parametrize(
    ("eaf", "message"),
    [
        (
            Eaf().tier("t", (0, None, "")),
            r"tier 't': expected a time for every annotation, found 'a1' .* 'ts2', which has",
        ),
        (
            Eaf().tier("t", (300, 200, "")),
            r"tier 't': expected annotations that end after they start, found 'a1' from 300",
        ),
        (
            Eaf().tier("t", ("a9", "x")),
            r"tier 't': expected a reference to an annotation with times, found 'a1', which",
        ),
        (
            Eaf().tier("t", (0, 9, "")).tier("c", ("a1", "x"), ("a1", "y"), type="child", attributes='PARENT_REF="t"'),
            r"tier 'c': expected annotations with times of their own, found 'a2' and 'a3', which divide 'a1'",
        ),
        (Eaf().text()[:-200], r"line \d+: expected XML, found .*column \d+.* copy it again"),
        (BOMB, r"expected XML without document type and entities"),
        (FETCH, r"expected XML without document type and entities"),
        (
            Eaf().text().replace("milliseconds", "PAL-frames"),
            r"HEADER TIME_UNITS: expected times in milliseconds, found 'P",
        ),
        (
            Eaf().text().replace("LINGUISTIC_TYPE_ID", "ID"),
            r"expected a complete document of ELAN, found something else",
        ),
        (
            Eaf().text().replace('NAME="URN">urn:nl-mpi-tools-elan-eaf:0', 'NAME="vp_science">{'),
            r"property vp_science: ex",
        ),
    ],
)
def test_bad_files(tmp_path, eaf, message):
    with pytest.raises(AnnotationError, match=message):
        read(tmp_path / "x.eaf", eaf)


def test_files_of_other_programs_lack_the_schema(tmp_path):
    text = Eaf().tier("rear", (0, 1, "")).text()
    start = text.index("xsi:noNamespace")
    found = read(tmp_path / "x.eaf", text[:start] + text[text.index(">", start) :])
    assert len(found.bouts) == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rich_rows())
def test_round_trip(tmp_path, rows):
    given_annotations = Annotations.of(*rows)
    path = tmp_path / "mouse 1.eaf"
    assert elan.write(given_annotations, path, WriteOptions()) == [path]
    back = elan.read(path, ReadOptions())
    columns = [*given_annotations.bouts.columns.drop("score")]
    assert times(back, columns) == times(given_annotations, columns)
    assert union(observed(back)) == union(observed(given_annotations))
    assert back.behaviors == given_annotations.behaviors


def union(rows: list[tuple]) -> list[tuple]:
    joined: list[tuple] = []
    for row in sorted(rows):
        if joined and joined[-1][:3] == row[:3] and row[3] <= joined[-1][4]:
            joined[-1] = (*row[:3], joined[-1][3], max(joined[-1][4], row[4]))
        else:
            joined.append(row)
    return joined


def test_written_as_pympi_reads(tmp_path):
    annotations = Annotations.of(example(subject="m 1", source="manual:anna").bouts, example().observed)
    [path] = elan.write(annotations, tmp_path / "vid.eaf", WriteOptions(media={"vid": "../my video.mp4"}))
    eaf = pympi.Eaf(str(path))
    assert eaf.get_annotation_data_for_tier("run@m 1") == [(400, 1200, ""), (3000, 3200, "")]
    assert eaf.get_parameters_for_tier("run@m 1")["PARTICIPANT"] == "m 1"
    assert eaf.get_parameters_for_tier("run@m 1")["ANNOTATOR"] == "anna"
    assert eaf.get_annotation_data_for_tier("observed") == [(0, 4000, "")]
    assert eaf.get_linked_files()[0]["RELATIVE_MEDIA_URL"] == "./../my video.mp4"
    assert eaf.get_linked_files()[0]["MIME_TYPE"] == "video/mp4"


def test_media_by_absolute_path(tmp_path):
    [path] = elan.write(example(), tmp_path / "v.eaf", WriteOptions(media={"vid": str(tmp_path / "ä b.mp4")}))
    assert "%C3%A4%20b.mp4" in path.read_text()
    assert elan.read(path, ReadOptions()).recordings == ("vid",)


def test_point_events_last_a_millisecond_for_elan(tmp_path):
    row = {"recording": "v", "behavior": "call", "start_s": 1.2345, "stop_s": 1.2345, "kind": "point"}
    [path] = elan.write(Annotations.of([row]), tmp_path / "v.eaf", WriteOptions())
    assert pympi.Eaf(str(path)).get_annotation_data_for_tier("call") == [(1234, 1235, "")]
    assert times(elan.read(path, ReadOptions()), ["kind", "start_s", "stop_s"]) == [("point", 1.234, 1.234)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [(1.0, 1.0002, "a")],
            r"tier 'a': expected bouts of at least a millisecond.* 1 to 1\.0002 s, which would vanish",
        ),
        ([(-1.0, 1.0, "a")], r"expected times from 0 s on, found -1 s"),
        ([(0.0, 2.0, "a"), (1.0, 3.0, "a")], r"expected bouts that do not overlap.* at 1 s before the last one ends"),
        ([(0.0, 1.0, "a\nb")], r"cannot hold control characters or line breaks, found 'a\\nb'"),
    ],
)
def test_what_elan_cannot_hold(tmp_path, rows, message):
    bouts = [{"recording": "v", "behavior": name, "start_s": start, "stop_s": stop} for start, stop, name in rows]
    with pytest.raises(AnnotationError, match=message):
        elan.write(Annotations.of(bouts), tmp_path / "v.eaf", WriteOptions())
    assert not list(tmp_path.iterdir())
