"""The real `sotto`, whose catalogue says that some models come from somewhere else: for a process of its own.

`ELSEWHERE` holds the origins as JSON: `ENGINE:MODEL` to the fields of a `Hub` or an `Archive`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace

from services.models import catalogue
from services.models.entry import Archive, Hub, ModelEntry
from tests.functional.command import Done

_VARIABLE = "ELSEWHERE"

Origins = Mapping[str, Hub | Archive]


def argv(*arguments: object) -> list[str]:
    return [sys.executable, "-P", "-m", __name__, *map(str, arguments)]


def environment(origins: Origins) -> dict[str, str]:
    return {**os.environ, _VARIABLE: json.dumps({label: asdict(origin) for label, origin in origins.items()})}


def sotto(origins: Origins, *arguments: object) -> Done:
    """Run `sotto` with these arguments, to its end, without a terminal."""
    done = subprocess.run(
        argv(*arguments),
        env=environment(origins),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "mistake" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def start(origins: Origins, *arguments: object) -> subprocess.Popen[str]:
    """Start `sotto` and leave it running."""
    return subprocess.Popen(
        argv(*arguments),
        env=environment(origins),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def _main() -> int:
    origins = json.loads(os.environ[_VARIABLE])

    def moved(engine: str, model: ModelEntry) -> ModelEntry:
        fields = origins.get(f"{engine}:{model.name}")
        if fields is None:
            return model
        if "url" in fields:
            return replace(model, origin=Archive(**fields))
        return replace(model, origin=Hub(**{**fields, "files": tuple(fields["files"])}))

    # Before anything else of sotto is imported: other modules take the catalogue as it is then.
    catalogue.CATALOGUE = tuple(
        replace(entry, models=tuple(moved(entry.name, model) for model in entry.models))
        for entry in catalogue.CATALOGUE
    )
    from tui.__main__ import main

    return main()


if __name__ == "__main__":
    sys.exit(_main())
