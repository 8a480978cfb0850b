"""Whether a model may be loaded: what it will take against what it may take and what there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.errors import MemoryLimitError
from services.memory.components import LLM, STT
from services.memory.estimates import Estimates
from services.memory.probe import SystemMemory, system
from services.memory.whole import Whole
from services.worker.handler import Json

RESERVE_MB = 100.0
"""Of what is available, a model leaves so much to the recorder, the app and everything else."""

_COMPONENT = {"stt": STT, "llm": LLM}


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that may be taken, in MB; 0 stands for no limit.

    Attributes:
        models: By name of the model, `stt` or `llm`.
        total: By everything that is sotto.
    """

    models: Mapping[str, float] = field(default_factory=dict)
    total: float = 0.0

    def of(self, model: str) -> float:
        return self.models.get(model, 0.0)


class Admission:
    """Lets models in, or refuses them with the numbers. Any thread.

    Args:
        estimates: What models take.
        caps: What they may take; may be replaced at any time.
        whole: What sotto holds.
        machine: What there is.
    """

    def __init__(
        self,
        estimates: Estimates,
        caps: Caps,
        whole: Whole,
        machine: Callable[[], SystemMemory] = system,
    ) -> None:
        self.caps = caps
        self._estimates = estimates
        self._whole = whole
        self._machine = machine

    def expected(self, args: Json) -> float:
        """What the model will take that the arguments `args` of a worker's `load` name, in MB."""
        return self._estimates.of(args).mb

    def admit(self, name: str, label: str, args: Json) -> float:
        """See that a model may be loaded; what is loaded of the same name does not count.

        Args:
            name: `stt` or `llm`.
            label: Engine and model, for the words.
            args: Arguments of the worker's `load`.

        Returns:
            What its process may take in MB; 0 for as much as there is.

        Raises:
            MemoryLimitError: It does not fit; the message has the numbers.
        """
        refusal = self.refusal(name, label, args)
        if refusal is not None:
            raise refusal
        return self.allowance(name)

    def refusal(self, name: str, label: str, args: Json) -> MemoryLimitError | None:
        """Why a model may not be loaded now; None where it may."""
        need, caps = self._estimates.of(args), self.caps
        cap = caps.of(name)
        if cap and need.mb > cap:
            return MemoryLimitError(f"{label} takes {need}, and {cap:.0f} MB are allowed.", raise_hint(name))
        if caps.total:
            others = self._others(name)
            if others + need.mb > caps.total:
                return MemoryLimitError(
                    f"{label} takes {need} beside the {others:.0f} MB that sotto holds, and {caps.total:.0f} MB are"
                    " allowed in all.",
                    raise_hint("total"),
                )
        available = self._machine().available
        if need.mb > available - RESERVE_MB:
            return MemoryLimitError(
                f"{label} takes {need}, and {available:.0f} MB are available, of which {RESERVE_MB:.0f} MB stay free.",
                "Close something, or choose a smaller model.",
            )
        return None

    def allowance(self, name: str) -> float:
        """What the process of a model may take in MB, beside all others; 0 for as much as there is."""
        cap, total = self.caps.of(name), self.caps.total
        room = max(1.0, total - self._others(name)) if total else 0.0
        return min(cap, room) if cap and room else cap or room

    def _others(self, name: str) -> float:
        component = _COMPONENT.get(name)
        return sum(mb for other, mb in self._whole.held().items() if other != component)


def raise_hint(cap: str) -> str:
    """What to do about the limit `stt`, `llm` or `total`."""
    return f"Choose a smaller model, or raise `max_{cap}_mb` below [memory] in the settings."
