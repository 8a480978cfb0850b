"""Which models may be resident together: one heavy model at a time, in the order unload, swap, load."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from services.errors import CancelledError
from services.hosted import HostedModel
from services.worker.handler import Json

_TURN_SECONDS = 0.2


class Residency:
    """Lends models, one at a time.

    A lease is exclusive: while captions or a transcription hold the speech model, nobody loads another one, and
    nobody loads the same one twice. A model stays resident after its lease, so that the next user finds it (the
    captions' model serves the final transcript); it goes when another one is wanted or when all work is done.

    Args:
        models: All models there are.
    """

    def __init__(self, models: Sequence[HostedModel]) -> None:
        self._models = models
        self._lease = threading.Lock()

    @contextmanager
    def lease(self, model: HostedModel, label: str, args: Json, give_up: threading.Event) -> Iterator[HostedModel]:
        """Have `model` loaded and for oneself.

        Waits while somebody else holds a lease. Every other model is gone, process and all, before this one loads.

        Args:
            model: One of the models.
            label: Engine and model, for the screen.
            args: Arguments of the worker's `load`.
            give_up: Set it to end the waiting, or the loading.

        Raises:
            CancelledError: `give_up` was set before the model was ready.
            SottoError: The model did not load.
        """
        while not self._lease.acquire(timeout=_TURN_SECONDS):
            if give_up.is_set():
                raise CancelledError("It was cancelled while it waited for another model.")
        try:
            if give_up.is_set():
                raise CancelledError("It was cancelled.")
            for other in self._models:
                if other is not model:
                    other.unload_model("room for the next model")
            model.choose(label, args)
            model.load_model(give_up)
            yield model
        finally:
            self._lease.release()

    @property
    def leased(self) -> bool:
        return self._lease.locked()

    def wait(self, give_up: threading.Event) -> None:
        """Wait until nobody holds a lease, or `give_up` is set. It promises no turn: `lease` may have to wait again."""
        while self.leased and not give_up.wait(_TURN_SECONDS):
            continue

    def unload_all(self, reason: str) -> float:
        """Unload what nobody uses; returns the MB that came back. A model at work stays."""
        if not self._lease.acquire(blocking=False):
            return 0.0
        try:
            return sum(model.unload_model(reason) for model in self._models)
        finally:
            self._lease.release()
