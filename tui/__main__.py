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
        return arguments.run(arguments)
    except SottoError as error:
        return fail(error)
    except KeyboardInterrupt:
        return 1


if __name__ == "__main__":
    sys.exit(main())
