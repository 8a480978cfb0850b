"""What one process, or several together, hold of the machine's memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """Memory in MB (2**20 bytes).

    Attributes:
        rss: Resident set: everything in RAM, shared pages counted in full.
        pss: Proportional set: shared pages divided among their users; sums are honest, so this is the figure to use.
        anonymous: The part of the PSS that only ending the process gives back (heap, stacks).
        file: The part of the PSS that the kernel can drop and read again (libraries, a mapped model).
        vms: Address space, resident or not.
        swap: What lies in swap.
        percent: PSS as a share of the machine's memory.
        estimated: True where the system does not tell PSS and `rss` stands in for it.
    """

    rss: float = 0.0
    pss: float = 0.0
    anonymous: float = 0.0
    file: float = 0.0
    vms: float = 0.0
    swap: float = 0.0
    percent: float = 0.0
    estimated: bool = False

    @property
    def private(self) -> float:
        """What only ending the process gives back, be it in RAM or in swap. A mapped model is not in it."""
        return self.anonymous + self.swap

    def __add__(self, other: MemoryUsage) -> MemoryUsage:
        return MemoryUsage(
            self.rss + other.rss,
            self.pss + other.pss,
            self.anonymous + other.anonymous,
            self.file + other.file,
            self.vms + other.vms,
            self.swap + other.swap,
            self.percent + other.percent,
            self.estimated or other.estimated,
        )
