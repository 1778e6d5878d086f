"""What one send costs the service: over a socket against over HTTP, and over a socket with ten receivers.

64 sends are in flight, as in ``http`` and ``sockets``, of the same text and without limits on either side.
How many of them share a commit is told for both. A sender on a socket also gets the event of his own message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import http, sockets
from bench.audience import Audience
from bench.figures import Figure
from bench.measuring import median, micros, millis, read_main_thread_cpu_seconds
from bench.servers import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.measuring import Run
    from bench.servers import Service

RECEIVERS = 10
_NAME = "economy: server CPU of a send over a socket"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a send took of the server's processor time, in seconds, and how many shared a commit."""

    whole: float
    loop: float
    batch: float

    @property
    def others(self) -> float:
        """What was not the event loop's thread is the database's."""
        return self.whole - self.loop


async def measure(run: Run) -> list[Figure]:
    """Take turns, on one service: over sockets, over HTTP, and over sockets to ten receivers."""
    async with serve(run.folder / "economy") as service:
        numbers = range(sockets.CONNECTIONS)
        alone = [await sockets.connect(service, f"alone-{number}") for number in numbers]
        heard = [await sockets.connect(service, f"heard-{number}", _receivers(number)) for number in numbers]
        audience = await Audience.join(service, [name for number in numbers for name in _receivers(number)])
        over_http = http.Subject(service, await service.connect(http.IN_FLIGHT), await http.prepare_sends(service))
        subjects = (sockets.Subject(service, alone), over_http, sockets.Subject(service, heard))
        rounds = [[await _measure(service, each, run.seconds) for each in subjects] for _ in range(run.rounds + 1)]
        audience.leave()
        for each in (*alone, *heard):
            each.close()
    return _figures(*zip(*rounds[1:], strict=True))


async def _measure(service: Service, subject: http.Subject | sockets.Subject, seconds: float) -> Cost:
    commits = await service.read_metric("sanctum_append_commits_total")
    before = read_main_thread_cpu_seconds(service.pid)
    load = await subject.measure(seconds)
    sends, loop = len(load.latencies), read_main_thread_cpu_seconds(service.pid) - before
    commits = await service.read_metric("sanctum_append_commits_total") - commits
    return Cost(load.cpu_per_answer, loop / sends, sends / commits)


def _receivers(number: int) -> list[str]:
    return [f"receiver-{number}-{each}" for each in range(RECEIVERS)]


def _figures(alone: Sequence[Cost], over_http: Sequence[Cost], heard: Sequence[Cost]) -> list[Figure]:
    def compare(name: str, unit: str, read: Callable[[Cost], float], at_most: float | None = None) -> Figure:
        ours, baseline = (median([read(each) for each in costs]) for costs in (alone, over_http))
        against = "the same over HTTP"
        return Figure(name=name, value=ours, unit=unit, baseline=baseline, against=against, at_most_ratio=at_most)

    received = median([each.whole for each in heard])
    return [
        compare(_NAME, "µs", lambda cost: micros(cost.whole), 0.5),
        compare(f"{_NAME}, the event loop's thread", "µs", lambda cost: micros(cost.loop)),
        compare(f"{_NAME}, the database's thread", "µs", lambda cost: micros(cost.others)),
        compare("economy: sends over a socket that share a commit", "", lambda cost: cost.batch),
        Figure(name=f"{_NAME}, {RECEIVERS} receivers", value=millis(received), unit="ms", at_most=0.35),
    ]
