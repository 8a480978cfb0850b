"""Whether an engine that was chosen can begin: told before the work or the meeting, not after it."""

from __future__ import annotations

import os.path

from services.errors import MissingModelError, ModelError
from services.models.catalogue import EngineSpec, Job, find_engine
from services.models.store import locate
from services.text import one_line


def obstacle(job: Job, spec: EngineSpec) -> ModelError | None:
    """What is in an engine's way: its package or its model is not here. None: nothing.

    Looks at names on the disk only, and imports nothing.
    """
    entry = find_engine(job, spec.engine)
    known = entry.model(spec.model)
    try:
        entry.check_installed()
        if known is None and entry.takes_path and not os.path.exists(spec.model):
            raise MissingModelError(
                f"The model {one_line(spec.model)} is not there.",
                "Correct its path, or choose another: `sotto models list`.",
            )
        locate(entry, spec.model)
    except ModelError as error:
        return error
    return None
