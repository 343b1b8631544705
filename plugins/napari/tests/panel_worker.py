"""A worker process with jobs made for the tests of its life: the same server, other work."""

import os
import sys
import time

from vp_science.errors import SettingsError
from vp_science.sessions import worker


def count(request, report):
    for number in range(request["steps"]):
        report.progress("counting", number, request["steps"])
        time.sleep(request.get("pause_s", 0))
    return {"counted": request["steps"], "pid": os.getpid(), "name": request.get("name", "")}


def refuse(request, report):
    raise SettingsError("expected something else, found this: do that")


def stumble(request, report):
    return {"value": 1 / request["zero"]}


def crash(request, report):
    print("something went wrong deep down", file=sys.stderr, flush=True)
    os._exit(3)


def hang(request, report):
    report.progress("hanging")
    time.sleep(600)
    return {}


def chatter(request, report):
    print("a library that prints")
    return {"text": "ünïcode " * 20_000}


if __name__ == "__main__":
    worker.JOBS = {name: f"{__name__}:{name}" for name in ("count", "refuse", "stumble", "crash", "hang", "chatter")}
    worker.main()
