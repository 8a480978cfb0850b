"""`sotto speakers MEETING [OLD=NEW ...]`: who speaks in a meeting, and their names."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from services.errors import UsageError
from services.library.names import Speaker, rename_speakers, speakers_of
from services.text import clock, one_line
from tui.cli.export import find_meeting
from tui.cli.output import note, say, say_json


def run(arguments: Namespace) -> int:
    """Rename first, then list: what is printed is how things are now."""
    meeting = find_meeting(arguments.meeting)
    if wanted := [_renaming(text) for text in arguments.names]:
        rename_speakers(meeting, wanted)
    speakers = speakers_of(meeting)
    if arguments.json:
        say_json([asdict(speaker) | {"seconds": round(speaker.seconds, 1)} for speaker in speakers])
    elif speakers:
        width = max(len(_shown(speaker)) for speaker in speakers)
        for speaker in speakers:
            say(f"{_shown(speaker):<{width}}  {clock(speaker.seconds):>7}  {_count(speaker.segments)}")
    else:
        note("No speakers are told apart in this meeting.")
        note("  `sotto process FILE --speakers` tells the people in a recording of one channel apart.")
    return 0


def _renaming(text: str) -> tuple[str, str]:
    """What `OLD=NEW` says.

    Raises:
        UsageError: There is no `=`, or nothing before it.
    """
    old, sign, new = text.partition("=")
    if not sign or not old.strip():
        raise UsageError(f"{one_line(text)!r} does not say who gets which name.", "Write 'Speaker 1=Anna'.")
    return old.strip(), new.strip()


def _shown(speaker: Speaker) -> str:
    return one_line(speaker.name if speaker.name == speaker.label else f"{speaker.name} ({speaker.label})", 80)


def _count(segments: int) -> str:
    return f"{segments} segment{'' if segments == 1 else 's'}"
