"""What can be done about a shortage of memory in this program, from cheap to costly. Recording is not among it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from services.hosted import HostedModel
from services.lifecycle import ModelState
from services.memory.caches import Caches
from services.memory.components import STT, TOTAL, UI
from services.memory.optimization import Effect
from services.memory.optimizer import Lever
from services.modelroom import ModelRoom
from services.relief import Relief

_NOTABLE_MB = 1.0
"""What gives back less has done nothing that is worth telling."""


class Eased(Protocol):
    """What the levers move: the services, as far as they concern memory."""

    caches: Caches
    room: ModelRoom
    stt: HostedModel
    llm: HostedModel

    def eases(self, what: Relief) -> bool:
        """Whether it would change anything to give that up, too."""
        ...

    def relieve(self, what: Relief) -> bool:
        """Give that up, too; returns whether it changes anything."""
        ...

    def take_back(self, what: Relief) -> None:
        """Give that up no longer."""
        ...


@dataclass(frozen=True, slots=True)
class _Feel:
    """How a step is felt: what takes longer to begin, what takes longer, what a person notices."""

    latency: Effect = Effect.NONE
    throughput: Effect = Effect.NONE
    user: Effect = Effect.NONE


def levers(services: Eased) -> tuple[Lever, ...]:
    """All of them, in the order in which they are pulled."""
    models = (services.stt, services.llm)
    return (
        Lever(
            name="Caches dropped",
            advice="Drop what is kept only to be quick.",
            component=UI,
            ready=lambda: True,
            pull=lambda: services.caches.drop() >= _NOTABLE_MB,
        ),
        Lever(
            name="Idle models unloaded",
            advice="Unload the models that nobody uses.",
            component=TOTAL,
            ready=lambda: any(model.state is ModelState.READY for model in models),
            pull=lambda: services.room.unload_idle("memory is short") > 0,
            latency=Effect.MINIMAL,
            action="unload",
        ),
        _easing(
            services,
            "Smaller batches, contexts and chunks",
            "Work with smaller batches, contexts and chunks, as low memory does.",
            TOTAL,
            Relief(narrower=True),
            _Feel(Effect.MINIMAL, Effect.MODERATE, Effect.MINIMAL),
        ),
        _easing(
            services,
            "Live captions off",
            "Do without captions while recording; everything is transcribed after the stop.",
            STT,
            Relief(no_captions=True),
            _Feel(Effect.SIGNIFICANT, Effect.NONE, Effect.SIGNIFICANT),
        ),
        _easing(
            services,
            "Smaller models",
            "Let smaller models write, which make more errors.",
            TOTAL,
            Relief(smaller=True),
            _Feel(Effect.MINIMAL, Effect.NONE, Effect.MODERATE),
        ),
    )


def _easing(services: Eased, name: str, advice: str, component: str, what: Relief, feel: _Feel) -> Lever:
    return Lever(
        name=name,
        advice=advice,
        component=component,
        ready=lambda: services.eases(what),
        pull=lambda: services.relieve(what),
        undo=lambda: services.take_back(what),
        latency=feel.latency,
        throughput=feel.throughput,
        user=feel.user,
        action="low_memory",
    )
