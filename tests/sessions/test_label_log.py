"""The log of labels: what a kill, a full disk and strangers leave."""

import errno
import json
import os
import threading
import zlib

import pytest

from vp_science.errors import StoreError
from vp_science.sessions import LabelBook, read_labels
from vp_science.sessions import label_log as label_log_module
from vp_science.sessions.label_lines import book_lines, parsed_line, read_log
from vp_science.sessions.label_log import LOG_NAME, open_label_log
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors


@pytest.fixture(autouse=True)
def own_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("VP_SCIENCE_CONFIG", str(tmp_path / "config"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study" / "vp_science_session" / LOG_NAME


def contents(book: LabelBook) -> tuple:
    return book.behaviors, tuple(book.bouts()), tuple((name, book.observed(name)) for name in book.recordings)


def some_edits(book: LabelBook):
    """Edits of every kind, one at a time."""
    book.set_behaviors(Behaviors.of(["groom", "ärger"]))
    yield
    number = book.add("fly 1", "groom", 0.5, 2.0, source="manual:me", comment='"quoted"\nline')
    yield
    book.paint("fly 1", "ärger", 1.0, 1 / 3 + 2)
    yield
    book.split(number, 1.0)
    yield
    book.observe("fly 2", 0.0, 60.0)
    yield
    book.forget("fly 2", 10.0, 20.0)
    yield
    book.undo()
    yield
    book.set_behaviors(Behaviors.of(["clean"], exclusive=True), {"groom": "clean"})
    yield
    book.undo()
    yield
    book.redo()
    yield


def line(record) -> bytes:
    body = json.dumps(record).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def test_labels_come_back_after_every_prefix_of_the_bytes(path):
    log = open_label_log(path)
    states = [contents(log.book)]
    for _ in some_edits(log.book):
        states.append(contents(log.book))
        assert log.flush()
    whole = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == 10]
    log.close()
    for one in whole.splitlines(keepends=True):
        assert parsed_line(one) is not None
        assert not [size for size in range(len(one)) if parsed_line(one[:size]) is not None]
    for size in {0, 1, len(whole), *ends, *(end - 1 for end in ends), *(end + 30 for end in ends[:-1])}:
        path.write_bytes(whole[:size])
        edits, good = max(sum(end <= size for end in ends) - 1, 0), max([0, *(end for end in ends if end <= size)])
        again = open_label_log(path)
        assert contents(again.book) == states[edits]
        assert path.stat().st_size == good
        torn = again.recovery.torn
        assert (torn.read_bytes() if torn is not None else b"") == whole[good:size]
        assert again.recovery.crashed == bool(edits or torn)


def test_work_goes_on_behind_a_torn_end(path):
    log = open_label_log(path)
    for _ in some_edits(log.book):
        pass
    log.close()
    with path.open("ab") as file:
        file.write(b"00000000 {half a li")
    again = open_label_log(path)
    assert again.recovery.torn.name == f"{LOG_NAME}.torn-1"
    number = again.book.add("fly 3", "clean", 0.0, 1.0)
    again.close()
    third = open_label_log(path)
    assert number in third.book
    assert not third.recovery.crashed
    third.close()


def test_a_session_closed_in_order_is_known(path):
    log = open_label_log(path)
    log.book.set_behaviors(Behaviors.of(["groom"]))
    assert log.flush()
    assert open_label_log(path).recovery.crashed
    log.close()
    log = open_label_log(path)
    assert (log.recovery.crashed, log.recovery.edits) == (False, 1)
    log.close()
    log.close()
    assert path.read_bytes().count(b'"closed"') == 1


def test_opening_and_closing_an_untouched_session_writes_nothing(path):
    open_label_log(path).close()
    assert not path.exists()


@pytest.mark.parametrize("where", [0, 2, 5])
def test_damage_in_the_middle_is_refused(path, where):
    log = open_label_log(path)
    for _ in some_edits(log.book):
        pass
    log.close()
    lines = path.read_bytes().splitlines(keepends=True)
    lines[where] = lines[where].replace(b'"', b"'", 1)
    path.write_bytes(b"".join(lines))
    with pytest.raises(
        StoreError, match=rf"expected an edit in line {where + 1}, found damage, with more lines behind"
    ):
        open_label_log(path)
    assert path.read_bytes() == b"".join(lines)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"format": "something else"}, r"expected a log of labels, found something else"),
        ([1], r"expected a log of labels, found something else"),
        ({"format": "vp_science.labels", "schema": 2}, r"expected schema 1, found 2: .* another version"),
    ],
)
def test_other_files_are_refused(path, record, message):
    path.parent.mkdir(parents=True)
    path.write_bytes(line(record))
    with pytest.raises(StoreError, match=message):
        open_label_log(path)


BOUT = {"id": 1, "recording": "a", "behavior": "groom", "start_s": 0, "stop_s": 1}


@pytest.mark.parametrize(
    "entry",
    [
        ["bout", 1, BOUT],
        ["bout", 2, BOUT],
        ["bout", -1, None],
        ["bout", "1", BOUT],
        ["bout", True, BOUT],
        ["bout", 1, BOUT | {"stop_s": -1}],
        ["bout", 1, BOUT | {"unknown": 1}],
        ["observed", ["a", 1, 0, "", ""], True],
        ["observed", ["a", 0, 1e400, "", ""], True],
        ["observed", ["a", 0, "1", "", ""], True],
        ["observed", ["a", 0, 1, 5, ""], True],
        ["observed", ["", 0, 1, "", ""], True],
        ["observed", ["a", 0, 1, "", ""], 1],
        ["observed", "a", True],
        ["observed", [], True],
        ["behaviors", "", {"exclusive": 1}],
        ["behaviors", "", None],
        ["folder", "", None],
        ["bout"],
        [],
        7,
    ],
)
def test_lines_with_a_checksum_but_nonsense_are_refused(path, entry):
    path.parent.mkdir(parents=True)
    head = {"format": "vp_science.labels", "schema": 1}
    path.write_bytes(line(head) + line({"edit": "x", "set": [entry]}))
    with pytest.raises(StoreError, match=r"expected an edit in line 2, found something else"):
        open_label_log(path)


def test_overlapping_observed_time_in_a_log_is_refused(path):
    path.parent.mkdir(parents=True)
    head = {"format": "vp_science.labels", "schema": 1}
    spans = [["observed", ["a", start, start + 5, "", ""], True] for start in (0, 3)]
    path.write_bytes(line(head) + line({"edit": "x", "set": spans}))
    with pytest.raises(StoreError, match=r"expected observed intervals that do not overlap"):
        open_label_log(path)


def test_a_catalogue_that_loses_a_behavior_with_bouts_is_refused(path):
    log = open_label_log(path)
    log.book.set_behaviors(Behaviors.of(["groom"]))
    log.book.add("a", "groom", 0, 1)
    log.flush()
    with path.open("ab") as file:
        file.write(line({"edit": "x", "set": [["behaviors", "", Behaviors.of(["rear"]).to_json()]]}))
    with pytest.raises(StoreError, match=r"line 4, found something else \(expected a bout of a behavior of the cat"):
        open_label_log(path)


# ---- disks that refuse


class Disk:
    """A disk that takes so many bytes more."""

    def __init__(self, monkeypatch):
        self.room, self._write = None, os.write
        monkeypatch.setattr(label_log_module.os, "write", self.write)

    def write(self, handle, data):
        if self.room is None:
            return self._write(handle, data)
        taken = self._write(handle, bytes(data[: self.room])) if self.room else 0
        self.room -= taken
        if taken < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        return taken


def test_a_full_disk_loses_nothing(path, monkeypatch):
    log = open_label_log(path)
    log.book.set_behaviors(Behaviors.of(["groom"]))
    assert log.flush()
    disk = Disk(monkeypatch)
    disk.room = 30
    log.book.add("a", "groom", 0, 1)
    assert not log.flush()
    assert "No space left on device): labels are only in memory" in log.error
    assert log.waiting == 1
    assert len(read_labels(path)) == 0
    log.book.add("a", "groom", 2, 3)
    assert not log.flush()
    assert log.waiting == 2
    disk.room = None
    log.book.add("a", "groom", 4, 5)
    assert log.flush()
    assert (log.error, log.waiting) == (None, 0)
    assert contents(read_labels(path)) == contents(log.book)
    log.close()


def test_waiting_labels_are_written_on_request(path, monkeypatch):
    log = open_label_log(path)
    disk = Disk(monkeypatch)
    disk.room = 0
    log.book.set_behaviors(Behaviors.of(["groom"]))
    assert not log.flush()
    disk.room = None
    log.retry()
    assert log.flush()
    assert contents(read_labels(path)) == contents(log.book)
    log.close()


def test_saving_anew_drops_history_and_what_waited(path, monkeypatch):
    log = open_label_log(path)
    for _ in some_edits(log.book):
        pass
    assert log.flush()
    long = path.stat().st_size
    disk = Disk(monkeypatch)
    disk.room = 0
    log.book.add("fly 9", "clean", 0, 1)
    assert not log.flush()
    log.save()
    assert path.stat().st_size < long
    assert (log.error, log.waiting) == (None, 0)
    disk.room = None
    log.book.undo()
    log.close()
    assert contents(read_labels(path)) == contents(log.book)


def test_closing_on_a_full_disk_writes_a_copy_elsewhere(path, monkeypatch, tmp_path):
    log = open_label_log(path)
    disk = Disk(monkeypatch)
    disk.room = 0
    log.book.set_behaviors(Behaviors.of(["groom"]))
    log.book.add("a", "groom", 0, 1)
    copy = tmp_path / "config" / "rescued" / f"study-{LOG_NAME}"
    with pytest.raises(StoreError, match=r"all labels were written to .*rescued.* instead; copy it over"):
        log.close()
    assert contents(read_labels(copy)) == contents(log.book)


def test_closing_when_nothing_can_be_written_says_so(path, monkeypatch):
    log = open_label_log(path)
    Disk(monkeypatch).room = 0

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(label_log_module, "write_atomically", refuse)
    log.book.set_behaviors(Behaviors.of(["groom"]))
    with pytest.raises(StoreError, match=r"the last edits are lost, because .* \(Read-only file system\)"):
        log.close()


@pytest.mark.parametrize("strange", [b"", b"shorter", None])
def test_a_file_that_another_program_changed_is_kept_and_written_anew(path, strange):
    log = open_label_log(path)
    for _ in some_edits(log.book):
        pass
    assert log.flush()
    if strange is None:
        path.unlink()
    else:
        path.write_bytes(strange)
    log.book.add("fly 9", "clean", 0, 1)
    assert not log.flush()
    assert "another program changed the file" in log.error
    log.retry()
    assert log.flush()
    assert contents(read_labels(path)) == contents(log.book)
    assert (log.kept.read_bytes() == strange) if strange is not None else log.kept is None
    log.close()


def test_lines_of_another_program_are_not_overwritten(path):
    log = open_label_log(path)
    log.book.set_behaviors(Behaviors.of(["groom"]))
    assert log.flush()
    with path.open("ab") as file:
        file.write(line({"edit": "theirs", "set": []}))
    theirs = path.read_bytes()
    log.book.add("a", "groom", 0, 1)
    assert not log.flush()
    log.book.add("a", "groom", 2, 3)
    assert log.flush()
    assert log.kept.read_bytes() == theirs
    assert len(read_labels(path)) == 2
    log.close()


def test_much_history_is_dropped_at_the_end(path, monkeypatch):
    monkeypatch.setattr(label_log_module, "_MUCH_HISTORY_BYTES", 1000)
    log = open_label_log(path)
    log.book.set_behaviors(Behaviors.of(["groom"]))
    number = log.book.add("a", "groom", 0, 1)
    for stop in range(2, 60):
        log.book.change(number, stop_s=stop)
    assert log.flush()
    long = path.stat().st_size
    log.close()
    assert path.stat().st_size < long / 4
    again = open_label_log(path)
    assert contents(again.book) == contents(log.book)
    assert not again.recovery.crashed
    again.close()


def test_huge_logs_are_refused_before_they_are_read(path, monkeypatch):
    monkeypatch.setattr("vp_science.sessions.label_lines._MOST_BYTES", 10)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 11)
    with pytest.raises(StoreError, match=r"found a larger file"):
        read_log(path)


def test_many_bouts_survive_and_edits_stay_small(path):
    rows = [{"recording": "a", "behavior": "groom", "start_s": 2.0 * i, "stop_s": 2.0 * i + 1} for i in range(2000)]
    log = open_label_log(path)
    log.book.merge(Annotations.of(rows))
    for row in rows[:50]:
        log.book.observe("a", row["start_s"], row["stop_s"], behavior="groom")
    assert log.flush()
    before = path.stat().st_size
    log.book.add("a", "groom", 1e6, 1e6 + 1)
    assert log.flush()
    assert path.stat().st_size - before < 400
    log.close()
    assert contents(read_labels(path)) == contents(log.book)
    assert sum(map(len, book_lines(log.book))) < 400_000


def test_the_thread_ends_with_the_log(path):
    before = set(threading.enumerate())
    log = open_label_log(path)
    log.book.set_behaviors(Behaviors.of(["groom"]))
    log.close()
    assert set(threading.enumerate()) <= before
    log.book.undo()
    assert len(read_labels(path).behaviors) == 1
