"""`sotto export MEETING...`: meetings as files that other programs read."""

from __future__ import annotations

import os.path
import shlex
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from services.errors import CancelledError, PathError, SottoError, UsageError
from services.files import write_stream
from services.library.export import FORMATS, OWN, Contents, Format, contents_of, place, render
from services.library.meeting import Meeting
from services.text import one_line
from tui.cli import chosen
from tui.cli.output import fail, note, say


def run(arguments: Namespace) -> int:
    """A meeting that fails does not stop the others; the code is 1 then."""
    output: str | None = arguments.output
    to_folder = output is not None and os.path.isdir(output)
    formats = _formats(arguments.formats, None if to_folder else output)
    if output is not None and not to_folder and len(arguments.meetings) * len(formats) > 1:
        raise UsageError(
            "Several exports do not go into one file.", "Let `--output` be a folder that exists, or leave it out."
        )
    failed = False
    for name in arguments.meetings:
        try:
            meeting = find_meeting(name)
            contents = _contents(meeting)
            for kind in formats:
                if output == "-":
                    _print(contents, kind)
                else:
                    target = Path(output) if output and not to_folder else place(meeting, kind, output)
                    _write(meeting, contents, kind, target, arguments.force)
        except CancelledError:
            raise
        except SottoError as error:
            failed = True
            fail(error)
        except OSError as error:  # a name that no file system takes
            failed = True
            fail(PathError(f"{one_line(name)} cannot be exported: {error.strerror}.", "Look at the names."))
    return int(failed)


def _formats(named: Sequence[Format] | None, output: str | None) -> list[Format]:
    """What is asked for; without a word about it what the file's name says, which is Markdown where it says nothing.

    Raises:
        UsageError: Its name is that of another kind of file.
    """
    suffix = Path(output or "").suffix.lstrip(".").lower()
    found = [kind for kind in FORMATS if kind == suffix]
    if suffix and not found and not named:
        known = ", ".join(FORMATS)
        raise UsageError(
            f"No export is a .{one_line(suffix, 20)} file.", f"Choose {known}, or say which with `--format`."
        )
    return list(dict.fromkeys(named or found or ["md"]))


def find_meeting(name: str) -> Meeting:
    """The meeting in a folder, which may be named as it is in the folder of meetings.

    Raises:
        PathError: There is none.
    """
    folder = Path(name)
    if not os.path.exists(folder) and folder.name == name:
        kept = chosen.load().folder / name
        folder = kept if os.path.exists(kept) else folder
    if not os.path.isdir(folder):
        raise PathError(f"There is no folder {one_line(str(folder))}.", "Name a meeting's folder.")
    return Meeting.open(folder.absolute())


def _contents(meeting: Meeting) -> Contents:
    """What is exported of a meeting; says so when that is not yet all.

    Raises:
        StorageError: It was not transcribed, or cannot be read.
    """
    if meeting.stage("transcribe") != "done":
        command = f"`sotto process {shlex.quote(str(meeting.folder))}`"
        if not (meeting.transcript.is_file() and meeting.transcript.stat().st_size):
            raise PathError(f"“{meeting.title}” has no transcript yet.", f"Make one: {command}")
        note(f"The transcript of “{meeting.title}” is not whole yet: {command} goes on with it.")
    return contents_of(meeting)


def _write(meeting: Meeting, contents: Contents, kind: Format, target: Path, force: bool) -> None:
    """Write an export, and say where it is.

    Raises:
        UsageError: The file is one of the meeting's own.
        StorageError: There is one already and nobody said that it may go, or it cannot be written.
    """
    shown = one_line(str(target), 500)
    behind = os.path.realpath(target)  # no error for a link that leads to itself
    if behind in [os.path.realpath(meeting.folder / own) for own in _own(meeting)]:
        raise UsageError(f"{shown} belongs to the meeting itself.", "Choose another name.")
    if not os.path.isdir(os.path.dirname(behind)):
        missing = one_line(os.path.dirname(behind))
        raise PathError(f"There is no folder {missing}.", "Make it, or choose another one.")
    if target.exists() and not target.is_file():
        raise PathError(f"{shown} is no file.", "Choose another name.")
    if target.exists() and not force:
        raise PathError(f"{shown} is there already.", "`--force` replaces it.")
    write_stream(Path(behind), render(contents, kind))
    say(shown)


def _own(meeting: Meeting) -> Iterator[str]:
    yield from OWN
    yield from (path.name for path in meeting.folder.iterdir() if path.suffix in (".jsonl", ".flac", ".opus"))


def _print(contents: Contents, kind: Format) -> None:
    for part in render(contents, kind):
        say(part.removesuffix("\n"))
