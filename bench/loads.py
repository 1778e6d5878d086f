"""What a load of sends gives, and the figures that compare it with that of another server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from bench.figures import Figure
from bench.measuring import median, micros, millis, percentile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BODY = "A message as people write them: a sentence or two, about a hundred characters, rarely more than that."


@dataclass(slots=True)
class Load:
    """What a number of connections got done; ``latencies`` has one entry per answer, in seconds."""

    seconds: float = 0.0
    server_cpu_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds

    @property
    def cpu_per_answer(self) -> float:
        """The server's processor time per answer, in seconds."""
        return self.server_cpu_seconds / len(self.latencies)


Round: TypeAlias = tuple[Load, Load]
"""The load on the service, then the same on the baseline."""


def compare_loads(area: str, rounds: Sequence[Round], against: str) -> list[Figure]:
    """Compare rate, processor time and latency: medians over the rounds."""

    def figure(name: str, unit: str, read: Callable[[Load], float]) -> Figure:
        ours, baseline = (median([read(each[subject]) for each in rounds]) for subject in (0, 1))
        return Figure(name=f"{area}: {name}", value=ours, unit=unit, baseline=baseline, against=against)

    return [
        figure("acknowledged sends, 64 in flight", "1/s", lambda load: load.rate),
        figure("server CPU per send", "µs", lambda load: micros(load.cpu_per_answer)),
        figure("p99 of a send", "ms", lambda load: millis(percentile(load.latencies, 99))),
    ]
