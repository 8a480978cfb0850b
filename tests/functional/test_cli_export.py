"""`sotto export`: files from a real meeting, and everything that may be in their way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.library.meeting import Meeting
from services.library.segments import Segment
from tests.functional.command import Done, sotto

SAID = (Segment(0.0, 2.0, "Good morning, everyone.", "You"), Segment(2.5, 4.0, "Good morning.", "Others"))


def made(root: Path, title: str = "Weekly sync", done: bool = True) -> Meeting:
    """A meeting that has been written up."""
    meeting = Meeting.create(root, title, {"duration_s": 4.0, "stt": "moonshine:tiny-en"})
    meeting.transcript.write_text("".join(json.dumps(segment.to_dict()) + "\n" for segment in SAID))
    meeting.summary.write_text(f"# {title}\n\nPeople greeted.\n")
    meeting.notes.write_text("# Notes\n\n- 0:01 so polite\n")
    if done:
        meeting.set_stage("transcribe", "done")
    return meeting


@pytest.fixture
def meeting(home: Path) -> Meeting:
    return made(home / "recordings")


def written(done: Done) -> list[Path]:
    """The files that the command says it wrote."""
    assert done.code == 0, done.err
    return [Path(line) for line in done.out.splitlines()]


def test_an_export_lies_in_the_meetings_folder_and_is_private(meeting: Meeting) -> None:
    (file,) = written(sotto("export", meeting.folder))
    assert file == meeting.folder / f"{meeting.folder.name}.md"
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    for part in ("# Weekly sync\n", "People greeted.", "- 0:01 so polite", "**\\[0:02\\] Others:** Good morning."):
        assert part in text
    assert not list(meeting.folder.glob(".*"))


def test_several_meetings_in_several_formats(home: Path, meeting: Meeting, tmp_path: Path) -> None:
    other = made(home / "recordings", "Standup")
    names = [meeting.folder.name, other.folder.name]  # known by their names as well
    files = written(sotto("export", *names, "--format", "srt", "--format", "json", "--output", tmp_path))
    assert files == [tmp_path / f"{name}.{kind}" for name in names for kind in ("srt", "json")]
    assert files[0].read_text().startswith("1\n00:00:00,000 --> 00:00:02,000\nYou: Good morning, everyone.\n\n2\n")
    assert json.loads(files[3].read_text())["title"] == "Standup"


def test_the_name_of_a_file_says_its_format(meeting: Meeting, tmp_path: Path) -> None:
    target = tmp_path / "talk.VTT"
    assert written(sotto("export", meeting.folder, "--output", target)) == [target]
    assert target.read_text().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n<v You>Good morning, everyone.\n")


def test_a_link_that_leads_nowhere_is_told_or_replaced(meeting: Meeting, tmp_path: Path) -> None:
    away, loop = tmp_path / "away.txt", tmp_path / "loop.txt"
    away.symlink_to(tmp_path / "gone" / "x.txt")
    loop.symlink_to(loop)
    refused = sotto("export", meeting.folder, "--output", away)
    assert refused.code == 1
    assert f"That does not work: There is no folder {tmp_path / 'gone'}." in refused.err
    assert written(sotto("export", meeting.folder, "--output", loop)) == [loop]
    assert "Good morning" in loop.read_text()


@pytest.mark.parametrize("kind", ["md", "txt", "srt", "vtt", "json"])
def test_what_is_printed_is_what_is_written(meeting: Meeting, kind: str) -> None:
    (file,) = written(sotto("export", meeting.folder, "--format", kind))
    printed = sotto("export", meeting.folder, "--format", kind, "--output", "-")
    assert printed.code == 0
    assert printed.out == file.read_text()


def test_nothing_is_overwritten_without_a_word(meeting: Meeting, tmp_path: Path) -> None:
    target = tmp_path / "x.txt"
    target.write_text("mine")
    refused = sotto("export", meeting.folder, "--output", target)
    assert refused.code == 1
    assert "`--force`" in refused.err
    assert "disk" not in refused.err
    assert target.read_text() == "mine"
    assert written(sotto("export", meeting.folder, "--output", target, "--force")) == [target]
    assert "Good morning" in target.read_text()


@pytest.mark.parametrize("name", ["meeting.json", "summary.md", "notes.md", "transcript.jsonl"])
def test_the_meetings_own_files_are_never_replaced(meeting: Meeting, name: str) -> None:
    before = (meeting.folder / name).read_bytes()
    refused = sotto("export", meeting.folder, "--format", "txt", "--output", meeting.folder / name, "--force")
    assert refused.code == 1
    assert "belongs to the meeting itself" in refused.err
    assert (meeting.folder / name).read_bytes() == before


def test_a_folder_named_like_a_file_of_a_meeting_does_no_harm(meeting: Meeting) -> None:
    folder = meeting.folder.rename(meeting.folder.with_name("Meeting"))
    (file,) = written(sotto("export", folder, "--format", "json"))
    assert file == folder / "export-Meeting.json"
    assert Meeting(folder).title == "Weekly sync"


def test_a_folder_with_a_name_that_paints_the_screen_gives_a_plain_one(meeting: Meeting) -> None:
    folder = meeting.folder.rename(meeting.folder.with_name("a\x1b[31m\nb"))
    (file,) = written(sotto("export", folder, "--format", "txt", "--output", folder.parent))
    assert file.name == "a-b.txt"


def test_a_line_with_a_time_that_no_meeting_has_spoils_nothing_else(meeting: Meeting) -> None:
    lines = meeting.transcript.read_text().splitlines(keepends=True)
    meeting.transcript.write_text(lines[0] + '{"start": 1e300, "end": 1e301, "text": "far"}\n' + lines[1])
    (file,) = written(sotto("export", meeting.folder, "--format", "srt"))
    assert [line for line in file.read_text().splitlines() if "-->" in line] == [
        "00:00:00,000 --> 00:00:02,000", "00:00:02,500 --> 00:00:04,000"
    ]  # fmt: skip


def test_one_that_fails_does_not_stop_the_others(home: Path, meeting: Meeting, tmp_path: Path) -> None:
    raw = Meeting.create(home / "recordings", "Not transcribed")
    names = [tmp_path / "gone", raw.folder, tmp_path, "x" * 300, meeting.folder]
    done = sotto("export", *names)
    assert done.code == 1
    assert [Path(line).parent for line in done.out.splitlines()] == [meeting.folder]
    for part in ("There is no folder", "no transcript yet", f"sotto process {raw.folder}", "no meeting.json"):
        assert part in done.err


def test_a_transcript_that_is_not_whole_is_told(home: Path) -> None:
    begun = made(home / "recordings", done=False)
    done = sotto("export", begun.folder, "--output", "-", "--format", "txt")
    assert done.code == 0
    assert "not whole yet" in done.err
    assert "Good morning" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--format", "md", "--format", "txt", "--output", "-"), 2, "do not go into one file"),
        (("--format", "docx"), 2, "invalid choice"),
        (("--output", "notes.docx"), 2, "Choose md, txt, srt, vtt, json"),
        (("--output", "/nowhere/at/all.md"), 1, "There is no folder /nowhere/at"),
        (("--output", "/dev/full"), 1, "is no file"),
        (("--output", "x" * 300 + ".md"), 1, "File name too long"),
    ],
)
def test_what_cannot_be_is_told(meeting: Meeting, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = sotto("export", meeting.folder, *arguments)
    assert done.code == code
    assert said in done.err
    assert "mistake" not in done.err
    assert done.out == ""
