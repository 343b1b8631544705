"""The panel's end of the worker process, with a real process behind it."""

import sys
from pathlib import Path

import pytest
from napari_vp_science import jobs
from napari_vp_science.jobs import JobRunner

WORKER = (sys.executable, str(Path(__file__).with_name("panel_worker.py")))
WAIT = 20_000


@pytest.fixture
def runner(qtbot):
    made = JobRunner(command=WORKER)
    yield made
    made.close()


def run(qtbot, runner, job, **request):
    with qtbot.waitSignal(runner.idle, timeout=WAIT):
        runner.start(job, request)


def test_progress_then_one_result_and_the_process_stays(qtbot, runner):
    told, results = [], []
    runner.progress.connect(told.append)
    runner.result.connect(results.append)
    run(qtbot, runner, "count", steps=3, name="Käfer")
    run(qtbot, runner, "count", steps=1)
    assert [event["done"] for event in told] == [0, 1, 2, 0]
    assert [result["counted"] for result in results] == [3, 1]
    assert results[0]["name"] == "Käfer"
    assert results[0]["pid"] == results[1]["pid"]


def test_errors_of_the_library_arrive_as_they_are(qtbot, runner):
    with qtbot.waitSignal(runner.failed, timeout=WAIT) as failed:
        runner.start("refuse", {})
    assert failed.args == ["expected something else, found this: do that"]
    with qtbot.waitSignal(runner.failed, timeout=WAIT) as failed:
        runner.start("stumble", {"zero": 0})
    assert failed.args == ["ZeroDivisionError: division by zero"]
    assert not runner.running


def test_a_crash_is_told_and_the_next_job_gets_a_new_process(qtbot, runner):
    with qtbot.waitSignal(runner.failed, timeout=WAIT) as failed:
        runner.start("crash", {})
    assert "ended unexpectedly (something went wrong deep down)" in failed.args[0]
    with qtbot.waitSignal(runner.result, timeout=WAIT) as result:
        runner.start("count", {"steps": 1})
    assert result.args[0]["counted"] == 1


def test_pause_holds_resume_goes_on_and_cancel_stops(qtbot, runner):
    told = []
    runner.progress.connect(told.append)
    runner.start("count", {"steps": 10_000, "pause_s": 0.005})
    qtbot.waitUntil(lambda: len(told) > 3, timeout=WAIT)
    runner.pause()
    assert runner.paused
    qtbot.waitUntil(lambda: _stands_still(qtbot, told), timeout=WAIT)
    held = len(told)
    runner.resume()
    qtbot.waitUntil(lambda: len(told) > held + 3, timeout=WAIT)
    with qtbot.waitSignal(runner.cancelled, timeout=WAIT):
        runner.cancel()
    assert len(told) < 10_000


def _stands_still(qtbot, told):
    before = len(told)
    qtbot.wait(100)
    return len(told) == before


def test_a_job_that_does_not_listen_is_ended(qtbot, runner, monkeypatch):
    monkeypatch.setattr(jobs, "_GRACE_MS", 100)
    with qtbot.waitSignal(runner.progress, timeout=WAIT):
        runner.start("hang", {})
    with qtbot.waitSignal(runner.cancelled, timeout=WAIT):
        runner.cancel()
    run(qtbot, runner, "count", steps=1)


def test_only_one_job_at_a_time(qtbot, runner):
    runner.start("count", {"steps": 1})
    with pytest.raises(RuntimeError, match="expected no job under way, found count"):
        runner.start("count", {"steps": 1})
    with qtbot.waitSignal(runner.idle, timeout=WAIT):
        pass


def test_what_libraries_print_does_not_disturb_and_long_texts_arrive_whole(qtbot, runner):
    with qtbot.waitSignal(runner.result, timeout=WAIT) as result:
        runner.start("chatter", {})
    assert result.args[0]["text"] == "ünïcode " * 20_000


def test_a_job_started_from_a_result_is_not_lost(qtbot, runner):
    results = []

    def next_one(result):
        results.append(result)
        if len(results) < 3:
            runner.start("count", {"steps": 1})

    runner.result.connect(next_one)
    run(qtbot, runner, "count", steps=1)
    assert len(results) == 3


def test_a_worker_that_cannot_start_is_told(qtbot):
    runner = JobRunner(command=("/nowhere/python", "-m", "x"))
    with qtbot.waitSignal(runner.failed, timeout=WAIT) as failed:
        runner.start("count", {})
    assert failed.args == ["cannot start /nowhere/python: reinstall vp-science"]


def test_closing_amid_work_is_quiet(qtbot, runner):
    with qtbot.waitSignal(runner.progress, timeout=WAIT):
        runner.start("hang", {})
    with qtbot.assertNotEmitted(runner.failed):
        runner.close()
    assert not runner.running
