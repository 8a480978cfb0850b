"""`sotto`: without a command the app, with one the command. Nothing heavy is imported before it is known which."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from services.errors import SottoError


def main(argv: Sequence[str] | None = None) -> int:
    """Run sotto; returns its exit code: 0 done, 1 failed, 2 wrong use."""
    _prepare_streams()
    # Whatever is made on the way, by us or by a library, is for this user only.
    os.umask(0o077)
    from tui.cli.output import OutputClosedError, fail
    from tui.cli.parser import parse

    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        _log_to_file()
        return arguments.run(arguments)
    except OutputClosedError:
        return 1
    except SottoError as error:
        return fail(error)
    except KeyboardInterrupt:
        return 1
    except Exception as error:  # noqa: BLE001 - a defect: the user gets a sentence, the log gets the traceback
        return _defect(error)


def _prepare_streams() -> None:
    """Give the three standard streams something to be, and let no character stop them.

    A descriptor that was closed would be taken by the next file or socket, and what is printed would go there.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _log_to_file() -> None:
    """What services note for the developer goes to the log, and never to the user's screen."""
    import logging

    from services import paths

    handler = logging.FileHandler(paths.log_file(), encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _defect(error: Exception) -> int:
    import traceback

    from services import paths
    from tui.cli.output import note

    note(f"sotto made a mistake: {type(error).__name__}: {error}")
    try:
        log = paths.log_file()
        with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            traceback.print_exception(error, file=file)
    except (SottoError, OSError) as trouble:
        note(f"  What was recorded is safe. The details could not be kept: {trouble}")
    else:
        note(f"  What was recorded is safe. The details are in {log}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
