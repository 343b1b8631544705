"""Labels from and to files of other programs."""

import numpy as np
import pytest

import vp_science as vp
from vp_science.errors import AnnotationError
from vp_science.sessions import (
    ImportSettings,
    LabelBook,
    PredictedBouts,
    RecordingClocks,
    export_labels,
    label_formats,
    plan_import,
    with_predictions,
)
from vp_science.sessions.label_files import _ONE_RECORDING

CLOCK = np.cumsum(np.r_[0.0, np.tile([0.04, 0.06], 100)])  # a camera that was not quite regular
TIMES = {"fly_1": CLOCK, "fly_2": CLOCK + 5.0}


def clocks(times=None):
    times = TIMES if times is None else times
    return RecordingClocks(dict.fromkeys(times), times)


MEDIA = """mediaID,deploymentID,captureMethod,timestamp,filePath,filePublic,fileMediatype
m1,dep1,activityDetection,2024-05-01T06:30:00Z,clips/fly_1.mp4,true,video/mp4
"""


def file_for(folder, form):
    """A name that the format likes, in a folder that it needs."""
    if form.name == "camtrap-dp":
        (folder / "media.csv").write_text(MEDIA)
    return folder / (form.endings[0] if form.endings[0][0] not in "._" else f"fly_1{form.endings[0]}")


def book_of(exclusive=True, names=("fly_1", "fly_2"), subject=""):
    book = LabelBook()
    book.set_behaviors(vp.Behaviors.of(["groom", "walk"], exclusive=exclusive))
    for name in names:
        edges = TIMES[name]
        book.observe(name, edges[0], edges[200] + 0.05, subject=subject)
        book.add(name, "groom", edges[10], edges[20], subject=subject)
        book.add(name, "walk", edges[30], edges[31], subject=subject)
        book.add(name, "groom", edges[150], edges[190], subject=subject)
    return book


def spans(book, recording="fly_1"):
    return [(b.behavior, round(b.start_s, 9), round(b.stop_s, 9)) for b in book.bouts(recording)]


def test_formats_say_whether_a_file_holds_one_recording(tmp_path):
    """Checked against the formats themselves: such a format refuses a file for two recordings."""
    said = {}
    for form in label_formats():
        (tmp_path / form.name).mkdir()
        path = file_for(tmp_path / form.name, form)
        try:
            export_labels(
                book_of(subject="0" if form.name == "jabs" else "").annotations(), path, form.name, clocks(), {}
            )
        except AnnotationError as error:
            said[form.name] = str(error)
    refused = {name for name, text in said.items() if "expected a folder" in text}
    assert refused == _ONE_RECORDING


@pytest.mark.parametrize("form", label_formats(), ids=lambda form: form.name)
def test_every_format_goes_out_and_comes_back(form, tmp_path):
    """With the clock of each recording, although its frames do not come at a constant rate."""
    book = book_of(names=("fly_1",), subject="0" if form.name == "jabs" else "")
    written = export_labels(book.annotations(), file_for(tmp_path, form), form.name, clocks(), {})
    fresh = LabelBook()
    plan = plan_import(written[:1], fresh, clocks(), list(TIMES), ImportSettings(format=form.name))
    assert plan.names == {"fly_1": "fly_1"}
    found = [(b, round(x, 2), round(y, 2)) for b, x, y in spans(fresh)]
    assert found == [(b, round(x, 2), round(y, 2)) for b, x, y in spans(book)]


def test_recordings_are_matched_by_name_or_by_people(tmp_path):
    rows = [
        {"recording": name, "behavior": "groom", "start_s": 1.0, "stop_s": 2.0}
        for name in ("D:\\videos\\fly_1.MP4", "fly_2", "Tuesday")
    ]
    vp.write_annotations(vp.Annotations.of(rows), tmp_path / "labels.csv")
    book = LabelBook()
    plan = plan_import([tmp_path / "labels.csv"], book.copy(), clocks(), ["fly_1", "fly_2", "fly_3"], ImportSettings())
    assert plan.names == {"D:\\videos\\fly_1.MP4": "fly_1", "Tuesday": "", "fly_2": "fly_2"}
    assert plan.unmatched == ("Tuesday",)
    assert plan.notes == (
        "Found 3 bouts of 1 behavior (groom) in 3 recordings. They do not say which time was scored.",
        "Left out, because the session has no such recording: Tuesday.",
    )
    decided = ImportSettings(names={"Tuesday": "fly_3", "fly_2": ""})
    plan = plan_import([tmp_path / "labels.csv"], book.copy(), clocks(), ["fly_1", "fly_2", "fly_3"], decided)
    book.adopt(plan.book)
    assert book.recordings == ("fly_1", "fly_3")
    assert book.undo().name == "import"
    assert not len(book)


def test_a_name_that_could_mean_two_recordings_is_asked_for(tmp_path):
    rows = [{"recording": "fly.mov", "behavior": "groom", "start_s": 1.0, "stop_s": 2.0}]
    vp.write_annotations(vp.Annotations.of(rows), tmp_path / "labels.csv")
    plan = plan_import([tmp_path / "labels.csv"], LabelBook(), clocks(), ["fly.mp4", "fly.avi"], ImportSettings())
    assert plan.names == {"fly.mov": ""}
    assert plan.book is None


def test_files_of_one_recording_can_be_given_to_another(tmp_path):
    export_labels(book_of(names=("fly_1",)).annotations(), tmp_path / "scored.csv", "csv", clocks(), {})
    book = LabelBook()
    plan_import([tmp_path / "scored.csv"], book, clocks(), list(TIMES), ImportSettings(recording="fly_2"))
    assert book.recordings == ("fly_2",)
    export_labels(book_of().annotations(), tmp_path / "both.csv", "csv", clocks(), {})
    with pytest.raises(AnnotationError, match=r"expected labels of one recording, found those of fly_1, fly_2"):
        plan_import([tmp_path / "both.csv"], LabelBook(), clocks(), list(TIMES), ImportSettings(recording="fly_2"))


def test_frames_of_a_recording_without_a_clock_are_refused(tmp_path):
    book = book_of(names=("fly_1",))
    [path] = export_labels(book.annotations(), tmp_path / "fly_1.annot", "bento", clocks(), {})
    with pytest.raises(AnnotationError, match=r"fly_1"):
        export_labels(book.annotations(), tmp_path / "x_labels.csv", "deepethogram", clocks({}), {})
    assert plan_import([path], LabelBook(), clocks(), list(TIMES), ImportSettings()).book is not None


def test_consequences_are_told_before(tmp_path):
    rows = [{"recording": "fly_1", "behavior": name, "start_s": 1.0, "stop_s": 2.0} for name in ("groom", "sleep")]
    vp.write_annotations(vp.Annotations.of(rows), tmp_path / "labels.csv")
    book = book_of()
    before = len(book)
    plan = plan_import([tmp_path / "labels.csv"], book.copy(), clocks(), list(TIMES), ImportSettings(replace=True))
    assert plan.notes[1:] == (
        "The labels of fly_1 are replaced; undo brings them back.",
        "New behaviors: sleep.",
        "Behaviors may overlap from then on, because those of the file may.",
    )
    assert len(book) == before
    book.adopt(plan.book)
    assert spans(book) == [("groom", 1, 2), ("sleep", 1, 2)]
    assert len(book.bouts("fly_2")) == 3
    again = plan_import([tmp_path / "labels.csv"], book.copy(), clocks(), list(TIMES), ImportSettings())
    assert again.book is None
    assert again.notes[1:] == ("2 bouts of them are here already and are not added again.",)


def test_kinds_that_contradict_are_explained(tmp_path):
    rows = [{"recording": "fly_1", "behavior": "groom", "start_s": 1.0, "stop_s": 1.0, "kind": "point"}]
    vp.write_annotations(vp.Annotations.of(rows), tmp_path / "labels.csv")
    with pytest.raises(AnnotationError, match=r"'groom' is a state in one file and a point in another"):
        plan_import([tmp_path / "labels.csv"], book_of(), clocks(), list(TIMES), ImportSettings())


def test_clocks_open_recordings_when_they_are_asked(tmp_path):
    clip = vp.sample_recording()
    path = getattr(clip, "path", clip)
    lazy = RecordingClocks({"sample": path, "lost": None, "known": None}, {"known": CLOCK})
    assert list(lazy) == ["sample", "known"]
    assert "lost" not in lazy
    assert len(lazy) == 2
    with vp.open_recording(path) as opened:
        np.testing.assert_array_equal(lazy["sample"], opened.time_s)
    assert lazy["sample"] is lazy["sample"]


def predicted(*bouts, subject=""):
    return PredictedBouts("fly_1", "p1", ("walk", "sleep"), np.array(bouts, np.float64), subject)


def test_predictions_go_out_where_nobody_scored():
    book = book_of(exclusive=False, names=())
    book.observe("fly_1", 0.0, 2.0, behavior="walk")
    book.observe("fly_1", 3.0, 4.0)
    book.add("fly_1", "groom", 6.0, 7.0)
    out = with_predictions(book, ["fly_1"], [predicted((0, 1.0, 5.0, 0.75), (1, 1.0, 2.0, 0.5), (0, 3.0, 4.0, 0.9))])
    rows = [(r.behavior, r.start_s, r.stop_s, r.source) for r in out.bouts.itertuples()]
    assert rows == [
        ("sleep", 1, 2, "model:p1"),
        ("walk", 2, 3, "model:p1"),
        ("walk", 4, 5, "model:p1"),
        ("groom", 6, 7, "manual:"),
    ]
    assert out.bouts["score"].tolist()[:3] == [0.5, 0.75, 0.75]
    assert out.behaviors.names == ("groom", "walk", "sleep")
    assert len(out.observed) == 3


def test_scored_time_of_another_subject_does_not_count():
    book = book_of(exclusive=False, names=())
    book.observe("fly_1", 0.0, 10.0, subject="queen")
    rows = with_predictions(book, ["fly_1"], [predicted((0, 1.0, 2.0, 0.5), subject="worker")]).bouts
    assert rows[["subject", "start_s"]].to_numpy().tolist() == [["worker", 1.0]]
    assert not len(with_predictions(book, ["fly_2"], [predicted((0, 1.0, 2.0, 0.5))]).bouts)


def test_nothing_to_export_and_no_place(tmp_path):
    with pytest.raises(AnnotationError, match=r"expected labels to export, found none"):
        export_labels(LabelBook().annotations(), tmp_path / "x.csv", "csv", clocks(), {})
    (tmp_path / "file").write_text("x")
    with pytest.raises(AnnotationError, match=r"cannot write .*: choose another place"):
        export_labels(book_of().annotations(), tmp_path / "file" / "x.csv", "csv", clocks(), {})
