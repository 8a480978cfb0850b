"""`sotto`: without a command the app, with one the command. Nothing heavy is imported before it is known which."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from services.errors import SottoError


def main(argv: Sequence[str] | None = None) -> int:
    """Run sotto; returns its exit code: 0 done, 1 failed, 2 wrong use."""
    from tui.cli.output import fail
    from tui.cli.parser import parse

    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        _log_to_file()
        return arguments.run(arguments)
    except SottoError as error:
        return fail(error)
    except KeyboardInterrupt:
        return 1
    except Exception as error:  # noqa: BLE001 - a defect: the user gets a sentence, the log gets the traceback
        return _defect(error)


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

    log = paths.log_file()
    with log.open("a", encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    note(f"sotto made a mistake: {type(error).__name__}: {error}")
    note(f"  What was recorded is safe. The details are in {log}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
