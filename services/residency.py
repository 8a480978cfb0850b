"""Which models may be resident together: one heavy model at a time, in the order unload, swap, load."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from services.errors import CancelledError, SottoError
from services.hosted import HostedModel
from services.lifecycle import ModelState
from services.memory.admission import Admission
from services.worker.handler import Json

_TURN_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Rules:
    """For how long models stay that nobody uses.

    Attributes:
        idle_s: Seconds after the last use; 0: until all work is done.
        keep_mb: Others may stay while one is used, as long as all of them take no more than this together; 0: none may.
        at_once: They go as soon as whoever uses them is done.
    """

    idle_s: float = 0.0
    keep_mb: float = 0.0
    at_once: bool = False


class Residency:
    """Lends models, one at a time.

    A lease is exclusive: while captions or a transcription hold the speech model, nobody loads another one, and
    nobody loads the same one twice. A model stays resident after its lease, so that the next user finds it (the
    captions' model serves the final transcript); it goes when room is needed for another one, when all work is done,
    or when nobody has used it for a while.

    Args:
        models: All models there are.
        admission: Knows what models take and whether there is room; without one there always is.
        rules: How long they stay; may be replaced at any time.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        models: Sequence[HostedModel],
        admission: Admission | None = None,
        rules: Rules = Rules(),  # noqa: B008 - frozen
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models = models
        self._admission = admission
        self.rules = rules
        self._clock = clock
        self._lease = threading.Lock()
        # Held while it changes which model is at work, and while one that is not is unloaded. By one thread again where
        # whoever is told of an unloading asks for another.
        self._changing = threading.RLock()
        self._at_work: HostedModel | None = None

    @contextmanager
    def lease(self, model: HostedModel, label: str, args: Json, give_up: threading.Event) -> Iterator[HostedModel]:
        """Have `model` loaded and for oneself.

        Waits while somebody else holds a lease. Every other model that may not stay is gone, process and all, before
        this one loads.

        Args:
            model: One of the models.
            label: Engine and model, for the screen.
            args: Arguments of the worker's `load`.
            give_up: Set it to end the waiting, or the loading.

        Raises:
            CancelledError: `give_up` was set before the model was ready.
            MemoryLimitError: There is no room for it, or it may not take as much as it needs.
            SottoError: The model did not load.
        """
        while not self._lease.acquire(timeout=_TURN_SECONDS):
            if give_up.is_set():
                raise CancelledError("It was cancelled while it waited for another model.")
        try:
            if give_up.is_set():
                raise CancelledError("It was cancelled.")
            with self._changing:
                self._make_room(model, label, args)
                model.choose(label, args)
                self._at_work = model
            model.load_model(give_up)
            yield model
        finally:
            with self._changing:
                self._at_work = None
                model.used_at = self._clock()
                if self.rules.at_once:
                    model.unload_model("its work is done")
            self._lease.release()

    @property
    def leased(self) -> bool:
        return self._lease.locked()

    @property
    def idle(self) -> tuple[HostedModel, ...]:
        """The models that are loaded and that nobody uses, the one that was used longest ago first."""
        at_work = self._at_work
        resting = (model for model in self._models if model is not at_work and model.state is ModelState.READY)
        return tuple(sorted(resting, key=lambda model: model.used_at))

    def wait(self, give_up: threading.Event) -> None:
        """Wait until nobody holds a lease, or `give_up` is set. It promises no turn: `lease` may have to wait again."""
        while self.leased and not give_up.wait(_TURN_SECONDS):
            continue

    def unload_all(self, reason: str) -> float:
        """Unload what nobody uses; returns the MB that came back. A model at work stays."""
        with self._changing:
            return sum(model.unload_model(reason) for model in self.idle)

    def release(self, reason: str) -> float:
        """All work is done: unload what is not to wait for more of it; returns the MB that came back."""
        return 0.0 if self.rules.idle_s else self.unload_all(reason)

    def tidy(self) -> float:
        """Unload what nobody has used for too long, and notice what has ended; returns the MB that came back."""
        limit = self.rules.idle_s
        with self._changing:
            for model in self.idle:
                model.bury()
            return sum(
                model.unload_model(f"nobody used it for {limit:.0f} s")
                for model in self.idle
                if limit and self._clock() - model.used_at >= limit
            )

    def end(self, model: HostedModel, why: SottoError) -> None:
        """Unload `model` for a reason that does not wait: one at work is killed, and its call raises `why`."""
        with self._changing:
            if model in self.idle:
                model.unload_model(why.message)
            else:
                model.end(why)

    def bury(self, model: HostedModel) -> None:
        """Notice that the process of a model has ended that nobody uses."""
        with self._changing:
            if model in self.idle:
                model.bury()

    def _make_room(self, model: HostedModel, label: str, args: Json) -> None:
        """Unload others, the one that was used longest ago first, until those that stay may."""
        resident = model.is_loaded() and model.alive and model.args == args
        for other in (other for other in self.idle if other is not model):
            if not self._may_stay(model, label, args, resident):
                other.unload_model("room for the next model")

    def _may_stay(self, model: HostedModel, label: str, args: Json, resident: bool) -> bool:
        """Whether all that are loaded may stay beside `model`, which is `resident` or is to be loaded."""
        if not self.rules.keep_mb or self._admission is None:
            return False
        held = sum(other.get_memory_usage().pss for other in self.idle if other is not model)
        need = model.get_memory_usage().pss if resident else self._admission.expected(args)
        if held + need > self.rules.keep_mb:
            return False
        return resident or self._admission.refusal(model.name, label, args) is None
