"""`sotto recover`: make cut-off recordings whole, and write up what is unfinished."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from services.errors import CancelledError, MeetingBusyError, RecorderBusyError, SottoError, UsageError
from services.library.meeting import Meeting
from services.library.repair import repair
from services.library.unfinished import Unfinished, find, is_meeting, unfinished
from services.settings import Settings
from services.text import clock, one_line
from tui.cli.output import fail, note, say, say_json
from tui.cli.work import Work, settings_for

Came = Literal["repaired", "recorded", "recording", "busy", "empty", "failed"]

_WORDS: dict[Came, str] = {
    "repaired": "repaired",
    "recorded": "complete",
    "recording": "running",
    "busy": "in use",
    "empty": "no sound",
    "failed": "failed",
}


@dataclass(slots=True)
class Found:
    """An unfinished meeting, and what became of it."""

    meeting: Path
    title: str
    started: str
    seconds: float
    bytes: int
    state: Came
    kept: Path | None = None
    error: SottoError | None = None

    @property
    def left_to_do(self) -> bool:
        return self.state in ("repaired", "recorded") and unfinished(Meeting(self.meeting)) is not None


def run(arguments: Namespace) -> int:
    chosen = settings_for(arguments)
    work = Work(chosen, arguments.json) if arguments.all else None  # first: a wrong engine is told before the work
    failed = False
    found: list[Found] = []
    for source in _sources(arguments.folders, chosen):
        try:
            found.extend(map(_mend, _unfinished(source)))
        except SottoError as error:
            fail(error)
            failed = True
    failed |= any(each.state == "failed" for each in found)
    if not arguments.json:
        _print(found, writes_up=work is not None)
    elif work is None:
        for each in found:
            say_json(_describe(each))
    if work is not None:
        work.check(each.meeting for each in found if each.left_to_do)
        failed |= not _write_up(work, found, arguments.json)
    return int(failed)


def _sources(folders: Sequence[str], chosen: Settings) -> Iterator[Path]:
    if folders:
        yield from (Path(folder).absolute() for folder in folders)
    elif chosen.folder.exists():  # before the first recording there is none
        yield chosen.folder


def _unfinished(folder: Path) -> list[Unfinished]:
    """What is unfinished of a meeting, or of the meetings in a folder.

    Raises:
        UsageError: There is no such folder.
        StorageError: It cannot be read.
    """
    if is_meeting(folder):
        one = unfinished(Meeting(folder))
        return [one] if one is not None else []
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", "Name a meeting's folder, or one that holds meetings.")
    return find(folder)


def _mend(one: Unfinished) -> Found:
    """Repair a recording that was cut off; leave everything else as it is."""
    found = Found(
        one.meeting,
        one.title,
        one.started.isoformat(timespec="seconds"),
        one.seconds,
        one.bytes,
        "recording" if one.state == "recording" else "recorded",
    )
    if one.state != "cut off":
        return found
    try:
        done = repair(Meeting(one.meeting))
    except (MeetingBusyError, RecorderBusyError):
        found.state = "busy"  # another sotto was faster
    except SottoError as error:
        found.state, found.error = "failed", error
    else:
        found.state, found.seconds, found.kept = "repaired" if done.seconds else "empty", done.seconds, done.kept
    return found


def _print(found: Sequence[Found], writes_up: bool) -> None:
    if not found:
        say("Nothing is unfinished.")
        return
    for each in found:
        length = clock(each.seconds) if each.seconds else "-"
        when = each.started[:16].replace("T", " ")
        say(f"{_WORDS[each.state]:<8}  {length:>8}  {when}  {one_line(each.title, 60)}")
        say(f"{'':<20}{each.meeting}")
        if each.kept is not None:
            say(f"{'':<20}its damaged meeting.json is kept as {each.kept.name}")
        if each.error is not None:
            fail(each.error)
    left = [each for each in found if each.left_to_do]
    if left and not writes_up:
        which = shlex.quote(str(left[0].meeting)) if len(left) == 1 else "FOLDER"
        say(f"\nNot written up: {len(left)}. To do so: sotto process {which}, or for all: sotto recover --all")


def _write_up(work: Work, found: Sequence[Found], as_json: bool) -> bool:
    """Process what is unfinished, one after another; one that fails does not stop the others. Returns whether all went
    well."""
    well = True
    for each in found:
        if not each.left_to_do:
            if as_json:
                say_json(_describe(each))
            continue
        if not as_json:
            say(f"\n== {one_line(each.meeting.name)}")
        outcome = work.process(each.meeting, _describe(each) if as_json else None)
        well &= outcome.ok
        if any(isinstance(error, CancelledError) for error in outcome.errors):
            note("The others wait: sotto recover --all")
            break
    return well


def _describe(each: Found) -> dict[str, Any]:
    """What is added to the object of `sotto process --json`, or stands alone where nothing was processed."""
    told = asdict(each) | {"meeting": str(each.meeting), "kept": str(each.kept) if each.kept else None}
    if each.error is None:
        del told["error"]
    else:
        told |= {"error": each.error.message, "hint": each.error.hint}
    return told
