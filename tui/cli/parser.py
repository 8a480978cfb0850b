"""The command line: one parser, with examples in every help text."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from datetime import datetime, time
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from services import __version__

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    Subparsers = _SubParsersAction[argparse.ArgumentParser]

_EXIT_CODES = "exit codes: 0 done, 1 failed, 2 wrong use"
_MEETING = "a meeting's folder, or its name in the folder of meetings"


class Arguments(Protocol):
    """What `parse` returns: the namespace of the command, and the function that runs it."""

    run: Callable[[Arguments], int]


def parse(argv: Sequence[str]) -> Arguments:
    """Parse a command line; leaves the program with code 2 and a usage line when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="sotto",
        description="A meeting recorder that lives in a terminal. Without a command it opens the app.",
        epilog=_examples(
            "sotto                               open the app",
            "sotto -l                            open it with as little memory as possible",
            "sotto demo                          see what it does, without a microphone",
            "sotto record --title 'Weekly sync'  record until Ctrl-C, then write it up",
            "sotto process interview.m4a         write up a file",
            "sotto status                        what is being recorded",
            "sotto recover --all                 finish what was cut off",
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sotto {__version__}")
    parser.set_defaults(run=_lazy("app"), preset=None)
    _preset(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for add in (
        _record,
        _status,
        _stop,
        _attach,
        _process,
        _export,
        _speakers,
        _normalize,
        _recover,
        _demo,
        _devices,
        _doctor,
        _monitor,
        _report,
        _models,
    ):
        add(commands)
    return cast(Arguments, parser.parse_args(argv))


def _lazy(module: str) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        return int(import_module(f"tui.cli.{module}").run(arguments))

    return run


def _command(
    commands: Subparsers, name: str, summary: str, *examples: str, codes: str = _EXIT_CODES
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary[0].lower() + summary[1:],
        description=summary + ".",
        epilog=_examples(*examples, codes=codes),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=_lazy(name))
    return parser


def _examples(*lines: str, codes: str = _EXIT_CODES) -> str:
    return "examples:\n" + "\n".join(f"  {line}" for line in lines) + f"\n\n{codes}"


def _record(commands: Subparsers) -> None:
    parser = _command(
        commands,
        "record",
        "Record a meeting and write it up; Ctrl-C ends the recording",
        "sotto record",
        "sotto record --for 3600 --title 'Weekly sync'",
        "sotto record --until 17:30 --stop-after-silence 10",
        "sotto record --source mic --source system",
        "sotto record --source 'USB Microphone' --no-process",
        "sotto record --source file:talk.flac --speed 20 --json",
    )
    parser.add_argument(
        "--source",
        action="append",
        metavar="SRC",
        help="mic, system (what the loudspeakers play), the name of a device (see `sotto devices`) or file:PATH; twice "
        "for two channels",
    )
    parser.add_argument("--for", dest="seconds", type=_positive, metavar="SECONDS", help="stop after so long")
    parser.add_argument("--until", type=_clock_time, metavar="HH:MM", help="stop at this time, today or else tomorrow")
    parser.add_argument(
        "--stop-after-silence", type=_positive, metavar="MINUTES", help="stop when nothing was heard for so long"
    )
    parser.add_argument("--title", default="", help="what the meeting is called")
    parser.add_argument("--speed", type=_positive, default=1.0, metavar="N", help="play file: sources N times as fast")
    parser.add_argument("--no-process", action="store_true", help="only record; `sotto process FOLDER` does the rest")
    _engines(parser)
    _preset(parser)
    _json(parser)


def _status(commands: Subparsers) -> None:
    parser = _command(
        commands,
        "status",
        "Show what is being recorded, by whichever sotto of yours",
        "sotto status",
        "sotto status --json",
        "sotto status > /dev/null || sotto record",
        codes="exit codes: 0 a recording runs, 1 none runs, or it does not answer, 2 wrong use",
    )
    _json(parser)


def _stop(commands: Subparsers) -> None:
    parser = _command(
        commands,
        "stop",
        "End the recording that runs, and wait until all of it is on disk",
        "sotto stop",
        "sotto stop --json",
    )
    _json(parser)


def _attach(commands: Subparsers) -> None:
    _command(commands, "attach", "Open the app on the recording that runs; without one, say so", "sotto attach")


def _recover(commands: Subparsers) -> None:
    parser = _command(
        commands,
        "recover",
        "Make recordings whole that were cut off, and list what is not written up. Nothing is ever removed",
        "sotto recover",
        "sotto recover --all                      also transcribe and summarise everything unfinished",
        "sotto recover ~/Recordings/sotto/2026-03-14_1030_weekly-sync",
        "sotto recover --all --summary none --json",
        codes="exit codes: 0 done, also where there was nothing to do, 1 something failed, 2 wrong use",
    )
    parser.add_argument(
        "folders",
        nargs="*",
        metavar="FOLDER",
        help="a meeting's folder, or one that holds meetings (that of the settings)",
    )
    parser.add_argument("--all", action="store_true", help="also write up everything that is unfinished")
    _engines(parser)
    _preset(parser)
    _json(parser)


def _process(commands: Subparsers) -> None:
    parser = _command(
        commands,
        "process",
        "Transcribe and summarise audio or video files",
        "sotto process meeting.m4a",
        "sotto process *.mp3 --summary none --json",
        "sotto process long.mp3 --lightweight",
        "sotto process talk.webm --summary llama:/models/small.gguf",
        "sotto process ~/Recordings/sotto/2026-03-14_1030_weekly-sync   what is left to do of a meeting",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio or video file, or a meeting's folder")
    _engines(parser)
    _preset(parser)
    _json(parser)


def _export(commands: Subparsers) -> None:
    parser = _command(
        commands,
        "export",
        "Write meetings as files for other programs: text, Markdown, subtitles, JSON",
        "sotto export ~/Recordings/sotto/2026-03-14_1030_weekly-sync",
        "sotto export 2026-03-14_1030_weekly-sync --format srt --format json",
        "sotto export ~/Recordings/sotto/2026-03-* --format txt --output ~/transcripts/",
        "sotto export FOLDER --format md --output - | less",
    )
    parser.add_argument("meetings", nargs="+", metavar="MEETING", help=_MEETING)
    parser.add_argument(
        "--format",
        dest="formats",
        action="append",
        choices=("md", "txt", "srt", "vtt", "json"),
        help="md (the default), txt, srt, vtt or json; several times for several",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="a file, a folder that exists, or - to print; left out: into the meeting's folder",
    )
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")


def _speakers(commands: Subparsers) -> None:
    parser = _command(
        commands,
        "speakers",
        "List who speaks in a meeting, and give them names",
        "sotto speakers 2026-03-14_1030_weekly-sync",
        "sotto speakers FOLDER 'Speaker 1=Anna' 'Speaker 2=Ben'",
        "sotto speakers FOLDER You=Clara Others=Dora",
        "sotto speakers FOLDER Anna=              back to what it was",
    )
    parser.add_argument("meeting", metavar="MEETING", help=_MEETING)
    parser.add_argument(
        "names", nargs="*", default=[], metavar="OLD=NEW", help="a label or name, and the name from now on"
    )
    _json(parser)


def _normalize(commands: Subparsers) -> None:
    parser = _command(
        commands,
        "normalize",
        "Write a recording as one 16 kHz mono file at an even level, as the speech engines hear it",
        "sotto normalize meeting.m4a meeting.wav",
        "sotto normalize interview.wav interview.flac",
    )
    parser.add_argument("source", metavar="IN", help="audio or video file")
    parser.add_argument(
        "target",
        metavar="OUT",
        help="the new file, .wav (16 bits) or .flac; one of that name is replaced. All channels become one: two people "
        "who were recorded apart, one in each channel, are brought to the same level and mixed",
    )


def _demo(commands: Subparsers) -> None:
    parser = _command(
        commands,
        "demo",
        "Play the sample meeting through everything, without a microphone",
        "sotto demo",
        "sotto demo --speed 1",
    )
    parser.add_argument("--speed", type=_positive, default=20.0, metavar="N", help="play it N times as fast (20)")


def _devices(commands: Subparsers) -> None:
    _json(_command(commands, "devices", "List what can be recorded", "sotto devices", "sotto devices --json"))


def _doctor(commands: Subparsers) -> None:
    _json(_command(commands, "doctor", "Check what works on this machine and what is missing", "sotto doctor"))


def _monitor(commands: Subparsers) -> None:
    parser = _command(
        commands,
        "monitor",
        "Show the memory that a running sotto (or any process) takes",
        "sotto monitor",
        "sotto monitor 4711",
        "sotto monitor --once --json",
    )
    parser.add_argument("pid", nargs="?", type=int, metavar="PID", help="a process; its children count too")
    parser.add_argument("--once", action="store_true", help="print once and end")
    _json(parser)


def _report(commands: Subparsers) -> None:
    parser = _command(
        commands,
        "report",
        "Report on the memory: components, models, peaks, alerts, and what to do",
        "sotto report                            the sotto that runs",
        "sotto report 4711                       any process",
        "sotto report 2026-03-14_1030_weekly-sync   what a meeting took",
        "sotto report --markdown -o memory.md",
        "sotto report --json | jq .total",
    )
    parser.add_argument("subject", nargs="?", metavar="MEETING|PID", help=f"{_MEETING}; or a process")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON for programs")
    form.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("-o", "--output", metavar="FILE", help="write to a file, as Markdown unless --json is given")


def _models(commands: Subparsers) -> None:
    codes = "exit codes: 0 done, 1 not to be had, damaged or not here, 2 wrong use"
    parser = _command(
        commands,
        "models",
        "List the models for transcripts and summaries, and get, check or delete them",
        "sotto models list",
        "sotto models pull faster-whisper:small",
        "sotto models verify                     look whether the models that were downloaded are whole",
        "sotto models remove faster-whisper:small",
        codes=codes,
    )
    parser.set_defaults(json=False)
    tasks = parser.add_subparsers(title="tasks", metavar="TASK", dest="task")
    for name, count, what, *examples in (
        ("list", "", "list them: which are here, what they take (also without a task)", "", "--json"),
        ("pull", "+", "download; what arrived before is not fetched again", "whisper:base", "vosk:small-de vosk:spk"),
        ("verify", "*", "compare with the checksums; without a name all that were downloaded", "", "whisper:base"),
        ("remove", "+", "delete, and what is left of a download that was broken off", "whisper:base"),
    ):
        task = tasks.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=_examples(
                *(f"sotto models {name} {example}".rstrip() for example in examples),
                codes=codes if count else _EXIT_CODES,
            ),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if count:
            task.add_argument(
                "models", nargs=count, default=[], metavar="ENGINE:MODEL", help="a model that `sotto models` lists"
            )
        else:
            _json(task)


def _preset(parser: argparse.ArgumentParser) -> None:
    """How much memory may be taken. Before or after the command: what stands after it counts."""
    group = parser.add_argument_group("memory").add_mutually_exclusive_group()
    group.add_argument(
        "--preset",
        choices=("conservative", "balanced", "performance", "lightweight"),
        default=argparse.SUPPRESS,
        help="for a machine of 4, 8 or 16 GB, or everything below 500 MB; left out: that of the settings, else what "
        "fits this machine",
    )
    group.add_argument(
        "-l",
        "--lightweight",
        dest="preset",
        action="store_const",
        const="lightweight",
        default=argparse.SUPPRESS,
        help="the same as --preset lightweight",
    )


def _engines(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stt", metavar="ENGINE[:MODEL]", help="speech recogniser (moonshine)")
    parser.add_argument("--summary", metavar="ENGINE[:MODEL]", help="extractive, llama:PATH or none")
    parser.add_argument("--language", metavar="CODE", help="language of the meeting (en)")
    parser.add_argument("--speakers", action="store_true", help="tell the people in one channel apart")


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _clock_time(text: str) -> time:
    try:
        return datetime.strptime(text, "%H:%M").time()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a time like 17:30") from error
