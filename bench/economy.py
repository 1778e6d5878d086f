"""What one send costs the service: over a socket against over HTTP, and over a socket with ten receivers.

64 sends are in flight, as in ``http`` and ``sockets``. A sender on a socket also gets the event of his own message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import http, sockets
from bench.audience import Audience
from bench.figures import Figure
from bench.measuring import median, micros, millis, read_main_thread_cpu_seconds
from bench.servers import serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.measuring import Run
    from bench.servers import Service

RECEIVERS = 10


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
    columns = list(zip(*rounds[1:], strict=True))
    whole = [median([cost for cost, _ in column]) for column in columns]
    loops = [median([loop for _, loop in column]) for column in columns]
    return _figures(whole, loops)


async def _measure(service: Service, subject: http.Subject | sockets.Subject, seconds: float) -> tuple[float, float]:
    """Return what a send takes of the server's processor time, and of the event loop's."""
    before = read_main_thread_cpu_seconds(service.pid)
    load = await subject.measure(seconds)
    return load.cpu_per_answer, (read_main_thread_cpu_seconds(service.pid) - before) / len(load.latencies)


def _receivers(number: int) -> list[str]:
    return [f"receiver-{number}-{each}" for each in range(RECEIVERS)]


def _figures(whole: Sequence[float], loops: Sequence[float]) -> list[Figure]:
    name = "economy: server CPU of a send over a socket"
    return [
        *(
            Figure(
                name=f"{name}{what}",
                value=micros(costs[0]),
                unit="µs",
                baseline=micros(costs[1]),
                against="the same over HTTP",
                at_most_ratio=at_most,
            )
            for what, costs, at_most in (("", whole, 0.5), (", the event loop's thread", loops, None))
        ),
        Figure(name=f"{name}, {RECEIVERS} receivers", value=millis(whole[2]), unit="ms", at_most=0.35),
    ]
