"""A kind of worker for the tests of `services.worker`: real code in a real child."""

from __future__ import annotations

import os
import signal
import sys
import time

from services.errors import AudioFileError
from services.worker.handler import Call, Handler, Json


def _echo(args: Json, call: Call) -> Json:
    for item in args.get("items", []):
        call.item({"item": item})
    call.progress(1, 1, "echo")
    return args


def _fail(args: Json, _: Call) -> Json:
    raise AudioFileError(args["message"], args["hint"])


def _crash(_: Json, __: Call) -> Json:
    raise ZeroDivisionError("a defect")


def _die(args: Json, _: Call) -> Json:
    sys.stderr.write(args.get("words", "the last words\x1b[2J of a model") + "\n")
    sys.stderr.flush()
    os.kill(os.getpid(), int(args["signal"]))
    signal.pause()
    return {}


def _until_cancelled(_: Json, call: Call) -> Json:
    call.item({"begun": True})
    while True:
        call.check()
        time.sleep(0.01)


def _hold(args: Json, _: Call) -> Json:
    _held.append(b"x" * (int(args["mb"]) * 1024 * 1024))
    return {}


def _work(args: Json, call: Call) -> Json:
    """Hold memory until it is cancelled."""
    held = b"x" * (int(args["mb"]) * 1024 * 1024)
    call.item({"begun": len(held)})
    while True:
        call.check()
        time.sleep(0.01)


def _sleep(_: Json, call: Call) -> Json:
    call.item({"begun": True})
    time.sleep(3600)
    return {}


_held: list[bytes] = []


def create() -> Handler:
    return {
        "echo": _echo,
        "fail": _fail,
        "crash": _crash,
        "die": _die,
        "until_cancelled": _until_cancelled,
        "load": _hold,
        "sleep": _sleep,
        "work": _work,
    }
