"""How an engine works, beside which model it has: plain data that goes to its process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

Compute = Literal["auto", "int8", "float16", "float32"]
KvCache = Literal["f16", "q8_0", "q4_0"]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What an engine may take into account; each uses what it knows of.

    Attributes:
        compute: Number type of the weights; `auto` takes the one that the device is best with.
        beam: How many hypotheses are followed at the same time; 1 is greedy.
        batch: So many windows are worked on at once; more takes more memory.
        window_s: Longest window in seconds; 0 leaves it to the engine.
        vocabulary: Names and terms that are likely to be said.
        speakers: People in one channel are told apart.
        url: Base address of a remote engine, up to and with `/v1`.
        api_key: What opens it; empty for none. Never shown, never logged.
    """

    compute: Compute = "auto"
    beam: int = 5
    batch: int = 1
    window_s: float = 0.0
    vocabulary: tuple[str, ...] = ()
    speakers: bool = False
    url: str = ""
    api_key: str = field(default="", repr=False)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"vocabulary": list(self.vocabulary)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> EngineOptions:
        """What `to_dict` gave; unknown fields are passed over, missing ones have their default."""
        known = {f.name: data[f.name] for f in fields(EngineOptions) if f.name in data}
        if "vocabulary" in known:
            known["vocabulary"] = tuple(known["vocabulary"])
        return EngineOptions(**known)


@dataclass(frozen=True, slots=True)
class SummaryOptions:
    """How a summary engine works; each uses what it knows of.

    Attributes:
        max_context: Largest context in tokens.
        kv_cache: Number type of the keys and values of the context.
        mmap: The model's file is mapped rather than read.
        limit_mb: What the whole process may take, in MB; the context is made to fit. 0: no limit.
    """

    max_context: int = 8192
    kv_cache: KvCache = "f16"
    mmap: bool = True
    limit_mb: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> SummaryOptions:
        """What `to_dict` gave; unknown fields are passed over, missing ones have their default."""
        return SummaryOptions(**{f.name: data[f.name] for f in fields(SummaryOptions) if f.name in data})
