"""The worker: jobs as JSON lines, one at a time, that can be paused and cancelled."""

import io
import json
import threading

import pytest

from vp_science.errors import VPScienceError
from vp_science.sessions import worker
from vp_science.sessions.worker import JOBS, CancelledError, Reporter, run_job, serve


def told(*messages):
    """What the worker writes when it reads these messages."""
    out = io.StringIO()
    serve(io.StringIO("".join(json.dumps(message) + "\n" for message in messages)), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_every_job_is_there():
    import importlib

    for entry in JOBS.values():
        module, function = entry.split(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_an_unknown_job_is_told_with_those_that_there_are():
    ready, error = told({"job": "dance", "request": {}})
    assert ready["event"] == "ready"
    assert error["event"] == "error"
    assert error["message"].startswith("expected one of the jobs embed,")
    assert error["message"].endswith("found 'dance'")


def test_the_end_of_the_input_cancels_what_runs(monkeypatch):
    def job(request, report):
        while True:
            report.progress("on and on")

    monkeypatch.setattr(worker, "JOBS", {"endless": "unused:unused"})
    monkeypatch.setattr(worker, "run_job", lambda name, request, report: job(request, report))
    events = told({"job": "endless", "request": {}})
    assert events[0]["event"] == "ready"
    assert events[-1] == {"event": "cancelled"}


def test_numbers_of_numpy_and_paths_pass_and_nan_does_not(monkeypatch):
    from pathlib import Path

    import numpy as np

    results = iter([{"a": np.float32(0.5), "b": np.arange(2), "c": Path("x")}, {"a": float("nan")}])
    monkeypatch.setattr(worker, "run_job", lambda *_: next(results))
    _, first, second = told({"job": "a", "request": {}}, {"job": "b", "request": {}})
    assert first["result"] == {"a": 0.5, "b": [0, 1], "c": "x"}
    assert second["kind"] == "unexpected"
    assert "ValueError" in second["message"]


def test_pause_holds_progress_until_resume():
    sent, report = [], None
    report = Reporter(sent.append)
    report.control("pause")
    thread = threading.Thread(target=lambda: (report.progress("one"), report.progress("two")))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    assert [event["stage"] for event in sent] == ["one"]
    report.control("resume")
    thread.join(10)
    assert [event["stage"] for event in sent] == ["one", "two"]


def test_cancel_also_ends_a_pause():
    report = Reporter(lambda event: None)
    report.control("pause")
    report.control("cancel")
    with pytest.raises(CancelledError):
        report.checkpoint()


def test_run_job_refuses_names_it_does_not_know():
    with pytest.raises(VPScienceError, match=r"expected one of the jobs .*, found '../evil'"):
        run_job("../evil", {}, Reporter(lambda event: None))
