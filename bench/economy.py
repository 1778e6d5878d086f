"""What one send costs the service: over a socket against over HTTP, and over a socket with ten receivers.

64 sends are in flight, as in ``http`` and ``sockets``. A sender on a socket also gets the event of his own message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import http, sockets
from bench.audience import Audience
from bench.figures import Figure
from bench.measuring import median, micros, millis
from bench.servers import serve

if TYPE_CHECKING:
    from bench.measuring import Run

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
        rounds = [
            [(await each.measure(run.seconds)).cpu_per_answer for each in subjects] for _ in range(run.rounds + 1)
        ]
        audience.leave()
        for each in (*alone, *heard):
            each.close()
    return _figures(*(median(column) for column in zip(*rounds[1:], strict=True)))


def _receivers(number: int) -> list[str]:
    return [f"receiver-{number}-{each}" for each in range(RECEIVERS)]


def _figures(alone: float, over_http: float, heard: float) -> list[Figure]:
    return [
        Figure(
            name="economy: server CPU of a send over a socket",
            value=micros(alone),
            unit="µs",
            baseline=micros(over_http),
            against="the same over HTTP",
            at_most_ratio=0.5,
        ),
        Figure(
            name=f"economy: server CPU of a send over a socket, {RECEIVERS} receivers",
            value=millis(heard),
            unit="ms",
            at_most=0.35,
        ),
    ]
