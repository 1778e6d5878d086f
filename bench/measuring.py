"""Clocks and statistics: processor time of any process, memory, medians and percentiles."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_CPU_CLOCK_OF_PROCESS = 2
"""Linux makes the id of a process' clock from its number: complemented, shifted, with the kind of clock below."""
_NANO = 1e-9


@dataclass(frozen=True, slots=True)
class Run:
    """What a benchmark is given: a folder of its own run, and how much time it may take."""

    folder: Path
    quick: bool

    @property
    def rounds(self) -> int:
        """How often subject and baseline take turns; medians are taken over the rounds."""
        return 2 if self.quick else 5

    @property
    def seconds(self) -> float:
        """How long one round of one subject takes."""
        return 0.4 if self.quick else 1.0


def read_cpu_seconds(pid: int) -> float:
    """Return the processor time that all threads of a process have used, in nanosecond steps."""
    return time.clock_gettime((~pid << 3) | _CPU_CLOCK_OF_PROCESS)


def read_main_thread_cpu_seconds(pid: int) -> float:
    """Return the processor time that the first thread of a process has used, which has its number."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text("utf-8").split()[0]) * _NANO


def read_cpu_seconds_with_children(pid: int) -> float:
    """Return the processor time of a process and of those it has started and that still run, as PostgreSQL's do."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()
    return read_cpu_seconds(pid) + sum(_read_or_nothing(int(child)) for child in children)


def read_rss_bytes(pid: int) -> int:
    """Return the memory of a process that is in RAM."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise LookupError(pid)


def _read_or_nothing(pid: int) -> float:
    try:
        return read_cpu_seconds(pid)
    except OSError:
        return 0.0


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def micros(seconds: float) -> float:
    """Write seconds as microseconds."""
    return seconds * 1e6


def millis(seconds: float) -> float:
    """Write seconds as milliseconds."""
    return seconds * 1e3
