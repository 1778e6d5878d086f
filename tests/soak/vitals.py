"""What a process takes of its machine, looked at from outside again and again, and whether that grows."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_GROWTH = 1.05
"""Of the medians of the first and the last quarter."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Vitals:
    """A process at one moment; ``at`` in seconds."""

    at: float
    resident_bytes: float
    descriptors: float
    threads: float


@dataclass(frozen=True, slots=True)
class Trend:
    """How a quantity went: the medians of its first and its last quarter, and the slope of the line that fits best."""

    name: str
    first: float
    last: float
    slope_per_hour: float

    @property
    def growth(self) -> float:
        """The last quarter as a multiple of the first."""
        return self.last / self.first

    @property
    def is_flat(self) -> bool:
        """Whether it grew by no more than is allowed."""
        return self.growth <= MOST_GROWTH


def read_vitals(pid: int, at: float) -> Vitals:
    """Look at a process."""
    process = Path("/proc") / str(pid)
    resident = int((process / "statm").read_text("ascii").split()[1]) * _PAGE_BYTES
    threads = sum(1 for _ in (process / "task").iterdir())
    return Vitals(at, resident, sum(1 for _ in (process / "fd").iterdir()), threads)


def find_trends(seen: Sequence[Vitals]) -> list[Trend]:
    """Work out how a process went, but for its descriptors."""
    times = [each.at for each in seen]
    return [
        find_trend("resident MiB", times, [each.resident_bytes / 2**20 for each in seen]),
        find_trend("threads", times, [each.threads for each in seen]),
    ]


def find_descriptors(seen: Sequence[Sequence[Vitals]]) -> Trend:
    """Work out how the descriptors of processes went together, which were looked at at the same times.

    Clients move from one to another, so that those of each may grow as those of others shrink.
    """
    moments = list(zip(*seen, strict=True))
    counts = [sum(each.descriptors for each in moment) for moment in moments]
    return find_trend("descriptors", [moment[0].at for moment in moments], counts)


def find_trend(name: str, times: Sequence[float], values: Sequence[float]) -> Trend:
    """Work out how one quantity went, of which there are four values at least."""
    quarter = len(values) // 4
    first, last = statistics.median(values[:quarter]), statistics.median(values[-quarter:])
    return Trend(name, first, last, statistics.linear_regression(times, values).slope * 3600)
