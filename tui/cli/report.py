"""`sotto report [MEETING|PID]`: the memory report, of a running sotto, of any process, or of a meeting."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.errors import PathError
from services.files import write_atomic
from services.memory.account import MemoryReport
from services.memory.document import Section, markdown, plain, report_json, sections, title
from services.memory.monitor import look
from services.memory.past import meeting_memory, past_json, past_sections
from services.memory.published import published
from services.text import clean, one_line
from tui.cli.export import find_meeting
from tui.cli.monitor import rules, running
from tui.cli.output import note, say, say_json


@dataclass(frozen=True, slots=True)
class _Told:
    """A report in the three forms in which it can be printed."""

    title: str
    sections: Sequence[Section]
    data: dict[str, Any]


def run(arguments: Namespace) -> int:
    told = _told(arguments.subject)
    if arguments.json:
        if arguments.output is None:
            say_json(told.data)
            return 0
        text = json.dumps(told.data, indent=2)
    elif arguments.markdown or arguments.output is not None:
        text = markdown(told.title, told.sections)
    else:
        text = plain(told.title, told.sections)
    if arguments.output is None:
        say(text)
    else:
        _write(arguments.output, clean(text))
    return 0


def _write(output: str, text: str) -> None:
    """Write the report into a file, and say so. A link stays a link.

    Raises:
        PathError: There is something that is no file, or no folder for it.
        StorageError: It cannot be written.
    """
    shown, behind = one_line(output, 500), Path(os.path.realpath(output))
    if not output or (behind.exists() and not behind.is_file()):
        raise PathError(f"{shown or 'Nothing'} is no file.", "Choose another name.")
    if not behind.parent.is_dir():
        raise PathError(f"There is no folder {one_line(str(behind.parent))}.", "Make it, or choose another one.")
    write_atomic(behind, text)
    note(f"Written to {shown}")


def _told(subject: str | None) -> _Told:
    """The report of a meeting, of a process, or of the sotto that runs.

    Raises:
        SottoError: There is no such meeting or process, or nothing runs.
    """
    if subject is None:
        return _of_process(running())
    if subject.isdecimal() and not Path(subject).is_dir():
        return _of_process(int(subject))
    past = meeting_memory(find_meeting(subject))
    return _Told(f"Memory of {past.name}", past_sections(past), past_json(past))


def _of_process(pid: int) -> _Told:
    told = published(pid)
    if told is not None:
        return _Told(told.title, told.sections, told.report)
    report = MemoryReport(pid, look(pid, rules(pid)))
    return _Told(title(report), sections(report), report_json(report))
