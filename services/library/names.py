"""Names of speakers: meeting.json says who `Speaker 1` or `You` is. The transcript keeps its labels, and whoever reads
it puts the names in, so a name can be changed at any time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.errors import StorageError, UsageError
from services.library.meeting import Meeting
from services.library.segments import Segment, read_segments
from services.text import one_line

KEY = "speakers"
"""The field of meeting.json: `{"Speaker 1": "Anna"}`."""

_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Speaker:
    """Somebody who speaks in a meeting.

    Attributes:
        label: As the transcript calls them.
        name: As people do; the label where nobody gave a name.
        seconds: How long they spoke.
        segments: In how many segments.
    """

    label: str
    name: str
    seconds: float
    segments: int


def names_of(meeting: Meeting) -> dict[str, str]:
    """The name of each label that has one; none where meeting.json cannot be read."""
    try:
        told = meeting.info().get(KEY)
    except StorageError:
        return {}
    if not isinstance(told, dict):
        return {}
    names = {label: one_line(name, _LONGEST) for label, name in told.items() if isinstance(name, str)}
    return {label: name for label, name in names.items() if name}


def with_names(segments: Iterable[Segment], names: Mapping[str, str]) -> Iterator[Segment]:
    """`segments` with names instead of labels."""
    for segment in segments:
        name = names.get(segment.speaker)
        yield replace(segment, speaker=name) if name else segment


def read_transcript(meeting: Meeting) -> Iterator[Segment]:
    """What was said in a meeting, one by one, by the names of who said it."""
    return with_names(read_segments(meeting.transcript), names_of(meeting))


def speakers_of(meeting: Meeting) -> list[Speaker]:
    """Who speaks in a meeting, in order of their first words; what nobody can tell the speaker of is left out."""
    names = names_of(meeting)
    found: dict[str, Speaker] = {}
    for segment in read_segments(meeting.transcript):
        if label := segment.speaker:
            known = found.get(label, Speaker(label, names.get(label, label), 0.0, 0))
            seconds = known.seconds + segment.end - segment.start
            found[label] = replace(known, seconds=seconds, segments=known.segments + 1)
    return list(found.values())


def rename_speaker(meeting: Meeting, old: str, new: str) -> None:
    """Give a speaker a name; two may have the same, as when one person was taken for two.

    Args:
        meeting: Its meeting.json is changed, nothing else.
        old: The label, or the name so far; upper and lower case do not matter.
        new: The name, cut to 60 characters; empty to go back to the label.

    Raises:
        UsageError: Nobody of that name speaks in the meeting.
        StorageError: meeting.json cannot be read or written.
    """
    rename_speakers(meeting, [(old, new)])


def rename_speakers(meeting: Meeting, wanted: Iterable[tuple[str, str]]) -> None:
    """Give speakers names, one after another: all of them, or none where one cannot be given.

    Args:
        meeting: Like `rename_speaker`.
        wanted: `old` and `new` of each, like there.

    Raises:
        UsageError, StorageError: Like `rename_speaker`.
    """
    present = [speaker.label for speaker in speakers_of(meeting)]
    names = names_of(meeting)
    for old, new in wanted:
        name = one_line(new, _LONGEST)
        for label in _called(meeting, old, present, names):
            names.pop(label, None)
            if name and name != label:
                names[label] = name
    meeting.update(**{KEY: names})


def _called(meeting: Meeting, old: str, present: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """The labels of those who are called `old`.

    Raises:
        UsageError: Nobody is.
    """
    asked = one_line(old).casefold()
    labels = [label for label in present if label.casefold() == asked]
    labels = labels or [label for label in present if names.get(label, label).casefold() == asked]
    if not labels:
        known = ", ".join(dict.fromkeys(name for label in present for name in (label, names.get(label, label))))
        raise UsageError(
            f"Nobody called {one_line(old)!r} speaks in “{meeting.title}”.",
            f"There are: {known}." if known else "No speakers are told apart in it.",
        )
    return labels
